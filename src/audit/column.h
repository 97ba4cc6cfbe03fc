/*-------------------------------------------------------------------------
 *
 * column.h
 *	  Values of a column, as its rule has them in the audit.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_COLUMN_H
#define EVAUDIT_COLUMN_H

#include "executor/tuptable.h"

#include "audit/tracked.h"

extern void evaudit_column_to_json(EvauditColumn *column,
								   TupleTableSlot *slot, EvauditPin *pin,
								   JsonbValue *value);
extern bool evaudit_column_describe(EvauditColumn *column,
									TupleTableSlot *old, TupleTableSlot *new,
									EvauditPin *pin, EvauditAuditRow *row);

#endif							/* EVAUDIT_COLUMN_H */
