/*-------------------------------------------------------------------------
 *
 * slots.h
 *	  What the runtime keeps in shared memory.
 *
 * Private to the runtime: rooms see no more than job.h and wakeup.h.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_SLOTS_H
#define EVAUDIT_SLOTS_H

#include "runtime/job.h"
#include "storage/lwlock.h"
#include "storage/proc.h"

/* Most kinds of jobs: they are bits of a uint32. */
#define EVAUDIT_MAX_KINDS		32

/* What keeps a job or a scheduler from running while no slot is free. */
#define EVAUDIT_NO_WORKER_SLOT \
	"no background worker slot is free: max_worker_processes may have to be raised"

/*
 * A database that has, or may have, jobs: the launcher keeps a scheduler
 * there, until the scheduler finds none and gives the slot back.
 */
typedef struct EvauditDatabaseSlot
{
	Oid			database;		/* InvalidOid: the slot is free */
	PGPROC	   *scheduler;		/* NULL: none is attached */
	bool		exited_cleanly; /* the last one found nothing to do */
	bool		no_worker_slot; /* the postmaster has none for a scheduler */
	bool		changed;		/* jobs changed since they were listed */
	uint32		requested;		/* kinds of evaudit_request_job() */
	int			holders;		/* commands that need the database empty */
	uint16		wanted[EVAUDIT_MAX_KINDS];	/* processes that ought to run */
	char		last_error[EVAUDIT_ERROR_BYTES];	/* of the scheduler; "" if
													 * it works */
} EvauditDatabaseSlot;

/*
 * A process of a job.  The scheduler sets in_use and counts the generation up
 * when it asks for a process, and the process attaches only while that is
 * still its generation; so a process that starts late is never taken for the
 * one that was asked for after it.  "proc" is set from attach to detach, and
 * may be signalled under the lock, since the process detaches under it before
 * its PGPROC can become another's.
 */
typedef struct EvauditProcessSlot
{
	bool		in_use;			/* asked for, and not known to be over */
	uint32		generation;
	PGPROC	   *proc;			/* NULL: not attached */
	TimestampTz started_at;		/* when it attached */
	bool		failed;			/* ended by an ERROR */
	bool		finished;		/* run() returned */
	bool		first_commit_done;	/* it made progress */
	bool		reported;		/* the job's error is one it can live with */
	TimestampTz retry_at;		/* one that runs, but waits; else 0 */
} EvauditProcessSlot;

/* A job that runs or ran; its counters outlive its processes. */
typedef struct EvauditJobSlot
{
	Oid			database;		/* InvalidOid: the slot is free */
	int64		id;
	Oid			owner;
	EvauditJobState state;
	EvauditProcessSlot processes[EVAUDIT_MAX_PROCESSES];
	uint64		counters[EVAUDIT_MAX_COUNTERS];
	TimestampTz times[EVAUDIT_MAX_TIMES];
	TimestampTz last_error_at;
	TimestampTz next_retry_at;
	int			last_error_of;	/* the process that it is taken back by */
	char		last_error[EVAUDIT_ERROR_BYTES];
} EvauditJobSlot;

/* The slots of a kind. */
typedef struct EvauditKindSlots
{
	int			n;
	EvauditJobSlot *slots;
} EvauditKindSlots;

typedef struct EvauditRuntime
{
	LWLock	   *lock;			/* guards all below but the sizes */
	PGPROC	   *launcher;		/* NULL: none */
	bool		rescan;			/* list the databases anew */
	int			ndatabases;
	EvauditDatabaseSlot *databases;
	EvauditKindSlots jobs[EVAUDIT_MAX_KINDS];
} EvauditRuntime;

/* NULL unless the library was preloaded. */
extern EvauditRuntime *evaudit_runtime;

/* job.c: the kinds, by their numbers */
extern int	evaudit_nkinds;
extern const EvauditJobKind *evaudit_kinds[EVAUDIT_MAX_KINDS];
extern int	evaudit_kind_number(const EvauditJobKind *kind);

/* slots.c; the caller holds the lock but for the first and the last */
extern void evaudit_slots_init(void);
extern EvauditDatabaseSlot *evaudit_find_database(Oid database);
extern EvauditJobSlot *evaudit_find_job(int kind, Oid database, int64 id);
extern bool evaudit_job_slot_is_free(int kind);
extern EvauditJobSlot *evaudit_take_job(int kind, Oid database, int64 id);
extern void evaudit_free_job(int kind, EvauditJobSlot *slot);
extern bool evaudit_set_error(EvauditJobSlot *slot, int number,
							  const char *error);
extern void evaudit_clear_error(EvauditJobSlot *slot, int number);
extern void evaudit_copy_error(char *target, const char *error);
extern void evaudit_show_retry(EvauditJobSlot *slot, TimestampTz restart,
							   EvauditJobState otherwise);
extern int	evaudit_processes_in_use(Oid owner);
extern int	evaudit_end_processes(Oid database);
extern void evaudit_release_processes(Oid database);

/* job_counts.c; a run's beginning is counted without the lock, its end with */
extern void evaudit_job_counts_init(void);
extern void evaudit_job_count_run(int kind);
extern void evaudit_job_count_end(int kind, TimestampTz started_at);
extern void evaudit_job_count_failure(int kind);

#endif							/* EVAUDIT_SLOTS_H */
