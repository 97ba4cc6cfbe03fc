/*-------------------------------------------------------------------------
 *
 * track.h
 *	  Tables that begin and cease to be tracked.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_TRACK_H
#define EVAUDIT_TRACK_H

#include "utils/rel.h"

#include "audit/audit_log.h"
#include "audit/rules.h"

/*
 * While set, triggers that are dropped or disabled are not recorded: track()
 * and untrack() change them on purpose.  Whoever sets it clears it again, also
 * when an error passes.
 */
extern bool evaudit_untrack_unrecorded;

extern int64 evaudit_record(EvauditOperation operation, text *relation,
							Oid relid);
extern int64 evaudit_record_rules(text *relation, Oid relid,
								  const EvauditRules *before,
								  const EvauditRules *rules);
extern void evaudit_track_new_partitions(Relation rel);
extern void evaudit_track_enable(Oid relid);
extern void evaudit_track_replace(Oid relid, const char *argument);

#endif							/* EVAUDIT_TRACK_H */
