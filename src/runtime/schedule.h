/*-------------------------------------------------------------------------
 *
 * schedule.h
 *	  What the scheduler of a database keeps running.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_SCHEDULE_H
#define EVAUDIT_SCHEDULE_H

#include "nodes/pg_list.h"
#include "runtime/workers.h"

/* One worker of a source. */
typedef struct EvauditWorkerEntry
{
	BackgroundWorkerHandle *process;	/* NULL: none runs */
	int			failures;		/* in a row */
	TimestampTz not_before;		/* when to start it at the earliest */
} EvauditWorkerEntry;

/* A source that runs, shall run, or is being ended. */
typedef struct EvauditSourceEntry
{
	int64		id;
	char	   *name;
	Oid			owner;			/* InvalidOid: the role is not there */
	const char *trouble;		/* why it cannot run as its owner, or NULL */
	int64		definition;		/* hash over all that defines it */
	int			nworkers;
	bool		wanted;			/* found when the sources were read last */
	bool		ending;			/* its workers are being ended */
	bool		dropped;		/* its slot goes when they are gone */
	EvauditWorkerEntry workers[EVAUDIT_MAX_WORKERS];
} EvauditSourceEntry;

/* schedule.c: what shall run; of EvauditSourceEntry, in TopMemoryContext */
extern List *evaudit_schedule;

extern void evaudit_schedule_read(void);
extern void evaudit_schedule_clear(void);
extern bool evaudit_schedule_is_empty(void);

/* supervise.c: what does */
extern bool evaudit_supervise(void);

#endif							/* EVAUDIT_SCHEDULE_H */
