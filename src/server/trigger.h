/*-------------------------------------------------------------------------
 *
 * trigger.h
 *	  What the triggers on the extension's own tables have in common.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_TRIGGER_H
#define EVAUDIT_TRIGGER_H

#include "commands/trigger.h"
#include "fmgr.h"

extern TriggerData *evaudit_before_insert(FunctionCallInfo fcinfo);
extern void evaudit_trigger_values(const TriggerData *trigger, int n,
								   Datum *values, char *nulls);

#endif							/* EVAUDIT_TRIGGER_H */
