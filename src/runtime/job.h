/*-------------------------------------------------------------------------
 *
 * job.h
 *	  What a room tells the runtime of its jobs, and what a job's process
 *	  tells the runtime of itself.
 *
 * A room registers the kinds of its jobs from its own init function.  What
 * starts, ends, restarts and shows their processes is the runtime's; see the
 * README there.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_JOB_H
#define EVAUDIT_JOB_H

#include "datatype/timestamp.h"
#include "fmgr.h"
#include "nodes/pg_list.h"
#include "postmaster/bgworker.h"
#include "utils/palloc.h"

#include "server/guard.h"

/* Most processes that one job is spread over. */
#define EVAUDIT_MAX_PROCESSES	16

/* Most counters and times of a kind. */
#define EVAUDIT_MAX_COUNTERS	32
#define EVAUDIT_MAX_TIMES		4

/* Longest error text that is kept for the views, in bytes. */
#define EVAUDIT_ERROR_BYTES		512

/* What a view shows as the state of a job. */
typedef enum EvauditJobState
{
	EVAUDIT_JOB_STOPPED,		/* nobody works on it */
	EVAUDIT_JOB_STARTING,		/* processes were asked for, none works yet */
	EVAUDIT_JOB_RUNNING,		/* at least one process works */
	EVAUDIT_JOB_BACKOFF,		/* a process failed and waits */
	EVAUDIT_JOB_REFUSED			/* cannot run until somebody changes it */
} EvauditJobState;

/* A job as its kind lists it. */
typedef struct EvauditJob
{
	int64		id;				/* unique among the jobs of its kind */
	char	   *name;			/* for the log and pg_stat_activity */
	bool		paused;			/* exists, but has no process */
	Oid			owner;			/* who runs it; InvalidOid: the bootstrap
								 * superuser */
	int64		definition;		/* hash of all that it is defined by: its
								 * processes end when it changes */
	int			nprocesses;
	TimestampTz due;			/* 0: runs for ever; else when it runs next */
	char	   *error;			/* why it cannot run, or NULL */
	bool		refused;		/* with an error: trying again is no use */
} EvauditJob;

typedef struct EvauditProcess EvauditProcess;

/* A kind of job; static and constant. */
typedef struct EvauditJobKind
{
	const char *name;			/* source, ...: before a job's name */
	const char *backend_type;	/* in pg_stat_activity; begins with evaudit */

	/*
	 * Started by a backend, with evaudit_start_process(): connected to no
	 * database and not supervised.  Only run() is of use then.
	 */
	bool		on_request;

	/* Bound by the limits on background worker slots. */
	bool		limited;

	/*
	 * Its processes are woken when a transaction commits that has called
	 * evaudit_wake_processes_at_commit() in their database.
	 */
	bool		woken_at_commit;

	int			ncounters;
	int			ntimes;

	/* How many jobs can be shown and run at a time, over all databases. */
	int			(*nslots) (void);
	const char *no_slot;		/* the error of those beyond */

	/*
	 * List the jobs of this database, as EvauditJob in the current memory
	 * context, by id and with those that are paused; in the scheduler's
	 * transaction.  An ERROR is shown as the scheduler's, and leaves the jobs
	 * as they were: the error of one job belongs into that job.  "requested"
	 * if somebody called evaudit_request_job().
	 */
	List	   *(*list) (bool requested);

	/*
	 * What a process does.  A job that runs for ever does not return.  An
	 * ERROR ends the process; it is started again after a pause.
	 */
	void		(*run) (EvauditProcess *process);

	/*
	 * A job does not exist any more, or its slot goes to another; or NULL.
	 * The runtime's lock is held: take other locks for microseconds only.
	 */
	void		(*forget) (Oid database, int64 id);
} EvauditJobKind;

/* A process, as its run() gets it. */
struct EvauditProcess
{
	const EvauditJobKind *kind;
	int64		id;				/* of the job */
	int			number;			/* of this process, from 0 */
	int			nprocesses;
	bool		requested;		/* run because of evaudit_request_job() */
	uint32		arg;			/* of evaudit_start_process() */
	MemoryContext context;		/* lives as long as the process */
	MemoryContext iteration;	/* reset by evaudit_process_iterate() */
	struct EvauditJobSlot *slot;	/* private to the runtime */
};

/* job.c: kinds, and their jobs as views show them */
typedef struct EvauditJobStats
{
	int64		id;
	Oid			owner;
	EvauditJobState state;
	int			npids;
	int			pids[EVAUDIT_MAX_PROCESSES];
	uint64		counters[EVAUDIT_MAX_COUNTERS];
	TimestampTz times[EVAUDIT_MAX_TIMES];	/* here and below: 0 for never */
	TimestampTz last_error_at;
	TimestampTz next_retry_at;
	char		last_error[EVAUDIT_ERROR_BYTES];
} EvauditJobStats;

extern void evaudit_register_job_kind(const EvauditJobKind *kind);
extern void evaudit_require_preload(void);
extern EvauditJobStats *evaudit_job_stats(const EvauditJobKind *kind, int *n);
extern bool evaudit_jobs_held_up(const EvauditJobKind *kind, char *error);
extern const char *evaudit_job_state_name(EvauditJobState state);

/* job_rows.c */
extern EvauditJobStats *evaudit_job_stats_visible(const EvauditJobKind *kind,
												  int *n);
extern bool evaudit_job_stats_has(const EvauditJobStats *stats, int n,
								  int64 id);
extern Datum evaudit_job_rows(FunctionCallInfo fcinfo,
							  const EvauditJobKind *kind);

/* process.c: what a process tells the runtime */
extern BackgroundWorkerHandle *evaudit_start_process(const EvauditJobKind *kind,
													 uint32 arg);
extern void evaudit_process_iterate(EvauditProcess *process);
extern void evaudit_process_running(EvauditProcess *process);
extern void evaudit_process_progressed(EvauditProcess *process,
									   const uint64 *counters,
									   const TimestampTz *times);
extern bool evaudit_process_report_error(EvauditProcess *process,
										 const char *error);
extern void evaudit_process_recovered(EvauditProcess *process);
extern void evaudit_process_retry_at(EvauditProcess *process,
									 TimestampTz until);
extern void evaudit_process_set_time(EvauditProcess *process, int which,
									 TimestampTz time);
extern uint64 evaudit_process_counter(EvauditProcess *process, int which);
extern int64 evaudit_backoff(int failures);
extern void evaudit_process_announce(EvauditProcess *process, int which);

extern bool evaudit_job_begin(void);
extern void evaudit_job_commit(void);
extern bool evaudit_job_guard(EvauditGuarded function, void *arg,
							  ErrorData **error);

#endif							/* EVAUDIT_JOB_H */
