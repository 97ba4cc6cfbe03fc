/*-------------------------------------------------------------------------
 *
 * audit_watch.h
 *	  Changes of what capture knows of the table audit.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_AUDIT_WATCH_H
#define EVAUDIT_AUDIT_WATCH_H

/* What is watched; one relation each. */
typedef enum EvauditAuditWatch
{
	EVAUDIT_WATCH_AUDIT,
	EVAUDIT_WATCH_SEQUENCE,
	EVAUDIT_WATCH_SEGMENT,
	EVAUDIT_NWATCHES
} EvauditAuditWatch;

/* Grows with each change of any of them. */
extern uint64 evaudit_audit_generation;

extern void evaudit_audit_watch(EvauditAuditWatch which, Oid relid);

#endif							/* EVAUDIT_AUDIT_WATCH_H */
