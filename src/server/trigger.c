/*-------------------------------------------------------------------------
 *
 * trigger.c
 *	  What the triggers on the extension's own tables have in common.
 *
 * They are row triggers before INSERT: through them goes whatever a dump
 * brings back (sql/restore.sql).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "utils/rel.h"

#include "server/trigger.h"

/* Make sure that a function is called as it must be. */
TriggerData *
evaudit_before_insert(FunctionCallInfo fcinfo)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo) ||
		!TRIGGER_FIRED_BEFORE(trigger->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(trigger->tg_event) ||
		!TRIGGER_FIRED_BY_INSERT(trigger->tg_event))
		elog(ERROR, "must be called as a trigger before INSERT");
	return trigger;
}

/* The first n columns of the row, with nulls as SPI takes them. */
void
evaudit_trigger_values(const TriggerData *trigger, int n, Datum *values,
					   char *nulls)
{
	TupleDesc	desc = RelationGetDescr(trigger->tg_relation);

	for (int i = 0; i < n; i++)
	{
		bool		isnull;

		values[i] = heap_getattr(trigger->tg_trigtuple, i + 1, desc, &isnull);
		nulls[i] = isnull ? 'n' : ' ';
	}
}
