/*-------------------------------------------------------------------------
 *
 * segment_drop.h
 *	  Dropping segments of audit whose rows are too old.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_SEGMENT_DROP_H
#define EVAUDIT_SEGMENT_DROP_H

#include "audit/expire.h"

/* What became of a segment. */
typedef enum EvauditDropOutcome
{
	EVAUDIT_DROP_NONE,			/* there is none whose rows are too old */
	EVAUDIT_DROPPED,
	EVAUDIT_DROP_SOME,			/* some rows stay, others can be deleted */
	EVAUDIT_DROP_AWAITED,		/* a sink has not sent all of its rows */
	EVAUDIT_DROP_IN_USE			/* a lock was not to be had */
} EvauditDropOutcome;

/* A segment that was to be dropped. */
typedef struct EvauditDrop
{
	const EvauditExpiry *expiry;
	MemoryContext context;
	EvauditDropOutcome outcome;
	const char *name;
	int64		first;			/* its numbers */
	int64		last;
	int64		rows;			/* that it had */
	int64		exported;
	char	   *file;			/* what they were exported to */
} EvauditDrop;

extern void evaudit_segment_drop(const EvauditExpiry *expiry, int64 after,
								 EvauditDrop *drop);
extern Oid	evaudit_segment_rest(void);

#endif							/* EVAUDIT_SEGMENT_DROP_H */
