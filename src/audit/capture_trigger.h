/*-------------------------------------------------------------------------
 *
 * capture_trigger.h
 *	  The triggers that capture changes: their exact form.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_CAPTURE_TRIGGER_H
#define EVAUDIT_CAPTURE_TRIGGER_H

#include "commands/trigger.h"
#include "fmgr.h"
#include "utils/rel.h"

typedef enum EvauditCaptureKind
{
	EVAUDIT_CAPTURE_ROW,		/* evaudit.capture() */
	EVAUDIT_CAPTURE_TRUNCATE	/* evaudit.capture_truncate() */
} EvauditCaptureKind;

#define EVAUDIT_CAPTURE_KINDS	2

/*
 * Names of the triggers, by kind.  Triggers fire in the order of their names:
 * with these, a change is captured before what other triggers and foreign
 * keys do on account of it, so that audit has them in the order of cause.
 */
extern const char *const evaudit_capture_names[EVAUDIT_CAPTURE_KINDS];

extern bool evaudit_capture_has_truncate(char relkind);
extern const Trigger *evaudit_capture_find(Relation rel,
										   EvauditCaptureKind kind);
extern char *evaudit_capture_argument(Relation rel);
extern List *evaudit_capture_inexact(Relation rel, bool *clone);
extern TriggerData *evaudit_capture_check(FunctionCallInfo fcinfo,
										  EvauditCaptureKind kind);

#endif							/* EVAUDIT_CAPTURE_TRIGGER_H */
