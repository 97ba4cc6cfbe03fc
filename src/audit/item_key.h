/*-------------------------------------------------------------------------
 *
 * item_key.h
 *	  The key of a row, as audit names the row by it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_ITEM_KEY_H
#define EVAUDIT_ITEM_KEY_H

#include "executor/tuptable.h"

#include "audit/tracked.h"

extern text *evaudit_item_key(EvauditTracked *tracked, TupleTableSlot *slot,
							  EvauditPin *pin);

#endif							/* EVAUDIT_ITEM_KEY_H */
