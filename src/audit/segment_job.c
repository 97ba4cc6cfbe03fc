/*-------------------------------------------------------------------------
 *
 * segment_job.c
 *	  The job that makes segments of audit.
 *
 * A database has such a job while another segment is wanted, so that one whose
 * audit is at rest has no process for it.  Whoever draws a number that a
 * quarter of a segment ends with has the scheduler look at that.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "pgstat.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#include "audit/segment_job.h"
#include "audit/segment_make.h"
#include "audit/segment_times.h"
#include "runtime/job.h"
#include "runtime/wakeup.h"
#include "server/guard.h"
#include "server/wait.h"

/* The only job of the kind has this id. */
#define JOB_ID			1

/* Milliseconds until a lock that was not to be had is asked for again. */
#define RETRY_PAUSE		1000

/* A number was drawn after another: is it the first one of a quarter? */
void
evaudit_segments_drawn(int64 previous, int64 seq)
{
	int64		quarter = evaudit_segment_rows / 4;

	if (previous / quarter != seq / quarter)
		evaudit_wake_scheduler_at_commit();
}

/* List the job, while there is something to do. */
static List *
list_job(bool requested)
{
	EvauditJob *job;

	if (!evaudit_segment_wanted())
		return NIL;
	job = palloc0(sizeof(EvauditJob));
	job->id = JOB_ID;
	job->name = "audit";
	job->nprocesses = 1;
	job->due = GetCurrentTimestamp();
	return list_make1(job);
}

/* A step for the segments, in a transaction of its own. */
typedef struct Step
{
	bool		(*function) (void);
	bool		done;			/* false: there is nothing to do */
} Step;

/* Do it, for evaudit_guard(). */
static bool
do_step(void *arg)
{
	Step	   *step = arg;

	step->done = step->function();
	return true;
}

/*
 * Do a step in a transaction of its own; false if there is nothing to do.  Sets
 * *busy if a lock was not to be had.
 */
static bool
run_step(bool (*function) (void), bool *busy)
{
	Step		step = {function};
	ErrorData  *error;

	*busy = false;
	if (!evaudit_job_guard(do_step, &step, &error))
		return false;
	if (error != NULL && error->sqlerrcode != ERRCODE_LOCK_NOT_AVAILABLE)
		ReThrowError(error);
	*busy = error != NULL;
	return step.done || *busy;
}

/* Make the segments that are wanted, then know the times of those before. */
static void
run(EvauditProcess *process)
{
	bool		busy;

	evaudit_process_running(process);
	pgstat_report_activity(STATE_RUNNING, "making segments of audit");
	while (run_step(evaudit_segment_make, &busy) ||
		   run_step(evaudit_segment_add_times, &busy))
	{
		evaudit_process_iterate(process);
		if (busy)
			(void) evaudit_wait(RETRY_PAUSE);
	}
}

/* Each database can have one. */
static int
segment_slots(void)
{
	return max_worker_processes;
}

static const EvauditJobKind segment_job = {
	.name = "segments of",
	.backend_type = "evaudit segments",
	.nslots = segment_slots,
	.no_slot = "all slots for making segments are in use",
	.list = list_job,
	.run = run,
};

/* Set up what segments need when the library is loaded. */
void
evaudit_segments_init(void)
{
	DefineCustomIntVariable("evaudit.segment_rows",
							"Numbers of rows that a partition of the table audit is made for.",
							NULL,
							&evaudit_segment_rows, 1000000, 100, 1000000000,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	evaudit_register_job_kind(&segment_job);
}
