/*-------------------------------------------------------------------------
 *
 * job.c
 *	  The kinds of jobs, and their jobs as views show them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "runtime/slots.h"

int			evaudit_nkinds = 0;
const EvauditJobKind *evaudit_kinds[EVAUDIT_MAX_KINDS];

/*
 * Register a kind.  Every process that loads the library registers all kinds
 * in the same order: a kind's number means the same in each.
 */
void
evaudit_register_job_kind(const EvauditJobKind *kind)
{
	Assert(kind->ncounters <= EVAUDIT_MAX_COUNTERS);
	Assert(kind->ntimes <= EVAUDIT_MAX_TIMES);
	if (evaudit_nkinds >= EVAUDIT_MAX_KINDS)
		elog(ERROR, "too many kinds of jobs");
	evaudit_kinds[evaudit_nkinds++] = kind;
}

/* The number of a kind. */
int
evaudit_kind_number(const EvauditJobKind *kind)
{
	for (int i = 0; i < evaudit_nkinds; i++)
	{
		if (evaudit_kinds[i] == kind)
			return i;
	}
	elog(ERROR, "job kind \"%s\" is not registered", kind->name);
}

/* Refuse what needs the launcher where there is none. */
void
evaudit_require_preload(void)
{
	if (evaudit_runtime == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("evaudit must be loaded through \"shared_preload_libraries\" to run sources"),
				 errhint("Add evaudit to \"shared_preload_libraries\" and restart the server.")));
}

/* The name of a state, as views show it. */
const char *
evaudit_job_state_name(EvauditJobState state)
{
	switch (state)
	{
		case EVAUDIT_JOB_STARTING:
			return "starting";
		case EVAUDIT_JOB_RUNNING:
			return "running";
		case EVAUDIT_JOB_BACKOFF:
			return "backoff";
		case EVAUDIT_JOB_STOPPED:
		case EVAUDIT_JOB_REFUSED:
			break;
	}
	return "stopped";
}

/* Copy what views show of a slot. */
static void
copy_stats(EvauditJobStats *stats, const EvauditJobSlot *slot)
{
	stats->id = slot->id;
	stats->owner = slot->owner;
	stats->state = slot->state;
	stats->npids = 0;
	for (int i = 0; i < EVAUDIT_MAX_PROCESSES; i++)
	{
		if (slot->processes[i].proc != NULL)
			stats->pids[stats->npids++] = slot->processes[i].proc->pid;
	}
	memcpy(stats->counters, slot->counters, sizeof(stats->counters));
	memcpy(stats->times, slot->times, sizeof(stats->times));
	stats->last_error_at = slot->last_error_at;
	stats->next_retry_at = slot->next_retry_at;
	strcpy(stats->last_error, slot->last_error);
}

/*
 * Show the error of a scheduler that cannot work as that of each of its jobs;
 * those without a process wait for it.
 */
static void
apply_scheduler_error(EvauditJobStats *stats, int n, const char *error)
{
	for (int i = 0; i < n; i++)
	{
		strcpy(stats[i].last_error, error);
		if (stats[i].npids == 0 && stats[i].state != EVAUDIT_JOB_STOPPED)
			stats[i].state = EVAUDIT_JOB_BACKOFF;
	}
}

/* Sort jobs by their ids. */
static int
by_id(const void *a, const void *b)
{
	int64		left = ((const EvauditJobStats *) a)->id;
	int64		right = ((const EvauditJobStats *) b)->id;

	return (left > right) - (left < right);
}

/*
 * The jobs of a kind in this database that have a slot, by id.  They are
 * copies: no catalog is read under the lock.
 */
EvauditJobStats *
evaudit_job_stats(const EvauditJobKind *kind, int *n)
{
	EvauditKindSlots *jobs;
	EvauditJobStats *stats;
	EvauditDatabaseSlot *database;
	char		error[EVAUDIT_ERROR_BYTES] = "";

	*n = 0;
	if (evaudit_runtime == NULL)
		return NULL;
	jobs = &evaudit_runtime->jobs[evaudit_kind_number(kind)];
	stats = palloc(jobs->n * sizeof(EvauditJobStats));
	LWLockAcquire(evaudit_runtime->lock, LW_SHARED);
	for (int i = 0; i < jobs->n; i++)
	{
		if (jobs->slots[i].database == MyDatabaseId)
			copy_stats(&stats[(*n)++], &jobs->slots[i]);
	}
	database = evaudit_find_database(MyDatabaseId);
	if (database != NULL)
		strcpy(error, database->last_error);
	LWLockRelease(evaudit_runtime->lock);

	qsort(stats, *n, sizeof(EvauditJobStats), by_id);
	if (error[0] != '\0')
		apply_scheduler_error(stats, *n, error);
	return stats;
}

/*
 * Whether jobs of this database that have no slot are held up, and by what:
 * the scheduler cannot work or be started, or all slots are in use.
 */
bool
evaudit_jobs_held_up(const EvauditJobKind *kind, char *error)
{
	EvauditDatabaseSlot *database;

	error[0] = '\0';
	if (evaudit_runtime == NULL)
		return false;
	LWLockAcquire(evaudit_runtime->lock, LW_SHARED);
	database = evaudit_find_database(MyDatabaseId);
	if (database != NULL && database->last_error[0] != '\0')
		strcpy(error, database->last_error);
	else if (database != NULL && database->no_worker_slot)
		strcpy(error, EVAUDIT_NO_WORKER_SLOT);
	else if (!evaudit_job_slot_is_free(evaudit_kind_number(kind)))
		strlcpy(error, kind->no_slot, EVAUDIT_ERROR_BYTES);
	LWLockRelease(evaudit_runtime->lock);
	return error[0] != '\0';
}
