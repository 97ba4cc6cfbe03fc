/*-------------------------------------------------------------------------
 *
 * schedule.h
 *	  What the scheduler of a database keeps running; private to it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_SCHEDULE_H
#define EVAUDIT_SCHEDULE_H

#include "runtime/runtime.h"

/* One process of a job. */
typedef struct EvauditProcessEntry
{
	BackgroundWorkerHandle *handle; /* NULL: none */
	int			failures;		/* in a row */
	TimestampTz not_before;		/* when to start it at the earliest */
} EvauditProcessEntry;

/* A job that runs, is to run, or is being ended. */
typedef struct EvauditJobEntry
{
	MemoryContext context;		/* of this entry and its strings */
	int			kind;			/* its number */
	int64		id;
	char	   *name;
	char	   *error;			/* why it cannot run, or NULL */
	bool		refused;		/* and starting it again is of no use */
	bool		error_shown;	/* of a job that is refused */
	Oid			owner;
	bool		superuser;		/* the owner is one: no limit by role */
	int64		definition;
	int			nprocesses;
	TimestampTz due;			/* 0: it runs for ever */
	TimestampTz started_for;	/* what was due when it was started last */

	bool		wanted;			/* listed, and not paused */
	bool		ending;			/* its processes are being ended */
	bool		dropped;		/* its slot goes when they are gone */
	EvauditProcessEntry processes[EVAUDIT_MAX_PROCESSES];
} EvauditJobEntry;

/* schedule.c: what is to run; of EvauditJobEntry, in its own context */
extern List *evaudit_schedule;
extern uint32 evaudit_requested_kinds;

extern void evaudit_schedule_init(MemoryContext context);
extern ErrorData *evaudit_schedule_read(int kind);
extern void evaudit_schedule_clear(void);

/* supervise.c: what does run */
extern uint32 evaudit_stale_kinds;

extern bool evaudit_schedule_refused(void);
extern bool evaudit_supervise(void);

#endif							/* EVAUDIT_SCHEDULE_H */
