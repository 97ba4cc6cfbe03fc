/*-------------------------------------------------------------------------
 *
 * trigger.h
 *	  The one guard of trigger functions.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_TRIGGER_H
#define EVAUDIT_TRIGGER_H

#include "catalog/pg_trigger.h"
#include "commands/event_trigger.h"
#include "commands/trigger.h"
#include "fmgr.h"

/* Types of the extension's own triggers, as in pg_trigger.tgtype. */
#define EVAUDIT_BEFORE_INSERT \
	(TRIGGER_TYPE_BEFORE | TRIGGER_TYPE_ROW | TRIGGER_TYPE_INSERT)
#define EVAUDIT_AFTER_DELETE \
	(TRIGGER_TYPE_AFTER | TRIGGER_TYPE_ROW | TRIGGER_TYPE_DELETE)
#define EVAUDIT_INSTEAD_OF_UPDATE \
	(TRIGGER_TYPE_INSTEAD | TRIGGER_TYPE_ROW | TRIGGER_TYPE_UPDATE)
#define EVAUDIT_AFTER_STATEMENT \
	(TRIGGER_TYPE_AFTER | TRIGGER_TYPE_STATEMENT | TRIGGER_TYPE_INSERT | \
	 TRIGGER_TYPE_UPDATE | TRIGGER_TYPE_DELETE | TRIGGER_TYPE_TRUNCATE)

extern TriggerData *evaudit_own_trigger(FunctionCallInfo fcinfo,
										const char *table, const char *name,
										int16 type);
extern bool evaudit_is_own_table(Relation rel);
extern void evaudit_enable_own_triggers(Oid relid);
extern EventTriggerData *evaudit_event_trigger(FunctionCallInfo fcinfo,
											   const char *event);
extern void evaudit_trigger_values(const TriggerData *trigger, int n,
								   const Oid *types, Datum *values,
								   char *nulls);

#endif							/* EVAUDIT_TRIGGER_H */
