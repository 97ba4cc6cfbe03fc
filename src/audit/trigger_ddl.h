/*-------------------------------------------------------------------------
 *
 * trigger_ddl.h
 *	  Commands that put capture triggers onto tables, and take them off.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_TRIGGER_DDL_H
#define EVAUDIT_TRIGGER_DDL_H

#include "audit/capture_trigger.h"

extern void evaudit_trigger_enable(Oid relid, EvauditCaptureKind kind);
extern void evaudit_trigger_put(Oid relid, EvauditCaptureKind kind,
								const char *argument);
extern void evaudit_trigger_drop(Oid relid, const char *trigger);

#endif							/* EVAUDIT_TRIGGER_DDL_H */
