/*-------------------------------------------------------------------------
 *
 * job_counts.c
 *	  How many processes each kind of job has, wants and had, for metrics.
 *
 * A run is counted when its process attaches, and its time when it detaches;
 * of those that run it is added by who reads.  Both change under the runtime's
 * lock, so that the sum never goes back.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "runtime/slots.h"
#include "server/counters.h"

PG_FUNCTION_INFO_V1(evaudit_job_counts);

/* What begins the type of each of evaudit's processes. */
#define TYPE_PREFIX		"evaudit "

/* What is counted of each kind. */
static EvauditCounters runs = {.n = EVAUDIT_MAX_KINDS};
static EvauditCounters failures = {.n = EVAUDIT_MAX_KINDS};
static EvauditCounters run_usec = {.n = EVAUDIT_MAX_KINDS};

/* The processes of a kind, or those that keep them running. */
typedef struct JobCounts
{
	int			wanted;
	int			processes;
	int64		runs;
	int64		failures;
	int64		run_usec;
} JobCounts;

/* Register what is counted. */
void
evaudit_job_counts_init(void)
{
	evaudit_counters_register(&runs);
	evaudit_counters_register(&failures);
	evaudit_counters_register(&run_usec);
}

/* A process attached to its slot. */
void
evaudit_job_count_run(int kind)
{
	evaudit_count(&runs, kind, 1);
}

/* A process detaches, having begun then. */
void
evaudit_job_count_end(int kind, TimestampTz started_at)
{
	evaudit_count(&run_usec, kind,
				  (uint64) Max(GetCurrentTimestamp() - started_at, 0));
}

/* A process failed, or ended without saying why. */
void
evaudit_job_count_failure(int kind)
{
	evaudit_count(&failures, kind, 1);
}

/* Add a row of the result. */
static void
put_row(ReturnSetInfo *rsinfo, const char *backend_type,
		const JobCounts *counts)
{
	Datum		values[] = {
		CStringGetTextDatum(backend_type + strlen(TYPE_PREFIX)),
		Int32GetDatum(counts->wanted),
		Int32GetDatum(counts->processes),
		Int64GetDatum(counts->runs),
		Int64GetDatum(counts->failures),
		Float8GetDatum((double) counts->run_usec / USECS_PER_SEC)
	};
	bool		nulls[lengthof(values)] = {false};

	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* Count the processes of a kind in this database; the lock is held. */
static void
count_processes(int kind, JobCounts *counts)
{
	EvauditKindSlots *jobs = &evaudit_runtime->jobs[kind];
	TimestampTz now = GetCurrentTimestamp();

	for (int i = 0; i < jobs->n; i++)
	{
		if (jobs->slots[i].database != MyDatabaseId)
			continue;
		for (int j = 0; j < EVAUDIT_MAX_PROCESSES; j++)
		{
			const EvauditProcessSlot *process = &jobs->slots[i].processes[j];

			if (process->proc == NULL)
				continue;
			counts->processes++;
			counts->run_usec += Max(now - process->started_at, 0);
		}
	}
}

/* Read what is counted of a kind. */
static void
read_kind(int kind, JobCounts *counts)
{
	if (evaudit_runtime == NULL)
		return;
	LWLockAcquire(evaudit_runtime->lock, LW_SHARED);
	if (evaudit_find_database(MyDatabaseId) != NULL)
		counts->wanted = evaudit_find_database(MyDatabaseId)->wanted[kind];
	counts->runs = (int64) evaudit_counted(&runs, kind);
	counts->failures = (int64) evaudit_counted(&failures, kind);
	counts->run_usec = (int64) evaudit_counted(&run_usec, kind);
	count_processes(kind, counts);
	LWLockRelease(evaudit_runtime->lock);
}

/* Read whether the database wants a scheduler, and has one. */
static void
read_scheduler(JobCounts *counts)
{
	EvauditDatabaseSlot *database;

	if (evaudit_runtime == NULL)
		return;
	LWLockAcquire(evaudit_runtime->lock, LW_SHARED);
	database = evaudit_find_database(MyDatabaseId);
	counts->wanted = database != NULL && database->holders == 0;
	counts->processes = database != NULL && database->scheduler != NULL;
	LWLockRelease(evaudit_runtime->lock);
}

/*
 * job_counts() returns setof (type text, wanted integer, processes integer,
 * runs bigint, failures bigint, run_seconds double precision)
 */
Datum
evaudit_job_counts(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	JobCounts	scheduler = {0};

	InitMaterializedSRF(fcinfo, 0);
	read_scheduler(&scheduler);
	put_row(rsinfo, TYPE_PREFIX "scheduler", &scheduler);
	for (int kind = 0; kind < evaudit_nkinds; kind++)
	{
		JobCounts	counts = {0};

		if (evaudit_kinds[kind]->on_request)
			continue;
		read_kind(kind, &counts);
		put_row(rsinfo, evaudit_kinds[kind]->backend_type, &counts);
	}
	return (Datum) 0;
}
