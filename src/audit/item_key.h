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

/* A key of so many bytes, or fewer, is never cut. */
#define EVAUDIT_ITEM_KEY_SURE	400

extern text *evaudit_item_key_fit(text *key);

#endif							/* EVAUDIT_ITEM_KEY_H */
