/*-------------------------------------------------------------------------
 *
 * supervise.c
 *	  Starting and ending processes until they are as the schedule has them.
 *
 * The README has the states of a process; each transition is a function here.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/pg_prng.h"
#include "miscadmin.h"
#include "replication/logicallauncher.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "runtime/schedule.h"

/* The first pause after a failure, milliseconds; each further one doubles. */
#define FIRST_BACKOFF		1000

/* Kinds whose jobs are to be listed anew. */
uint32		evaudit_stale_kinds = PG_UINT32_MAX;

/* The kind of an entry's job. */
static const EvauditJobKind *
kind_of(const EvauditJobEntry *entry)
{
	return evaudit_kinds[entry->kind];
}

/* The slot of a job, or NULL.  The caller holds the lock. */
static EvauditJobSlot *
find_slot(const EvauditJobEntry *entry)
{
	return evaudit_find_job(entry->kind, MyDatabaseId, entry->id);
}

/* Whether a job is wanted, but cannot run until somebody changes something. */
static bool
is_refused(const EvauditJobEntry *entry)
{
	return entry->wanted && entry->error != NULL && entry->refused;
}

/* Whether one of the jobs is. */
bool
evaudit_schedule_refused(void)
{
	ListCell   *lc;

	foreach(lc, evaudit_schedule)
	{
		if (is_refused(lfirst(lc)))
			return true;
	}
	return false;
}

/* Log an error of a job. */
static void
log_error(const EvauditJobEntry *entry, const char *error)
{
	ereport(LOG,
			(errcode(ERRCODE_SYSTEM_ERROR),
			 errmsg("%s \"%s\": %s", kind_of(entry)->name, entry->name, error),
			 errdetail_log("%s=\"%s\"", kind_of(entry)->name, entry->name)));
}

/* Show an error that keeps a process from being started. */
static void
show_error(const EvauditJobEntry *entry, int i, const char *error)
{
	EvauditJobSlot *slot;
	bool		is_new = true;

	LWLockAcquire(evaudit_runtime->lock, LW_EXCLUSIVE);
	slot = evaudit_take_job(entry->kind, MyDatabaseId, entry->id);
	if (slot != NULL)
	{
		slot->owner = entry->owner;
		is_new = evaudit_set_error(slot, i, error);
	}
	LWLockRelease(evaudit_runtime->lock);
	if (is_new)
		log_error(entry, error);
}

/*
 * How long to wait after so many failures in a row, milliseconds.  Many that
 * failed for one reason do not come back at one instant.
 */
int64
evaudit_backoff(int failures)
{
	int64		pause = (int64) FIRST_BACKOFF << Min(failures, 20);

	pause = Min(pause, evaudit_max_backoff);
	return (int64) (pause *
					(0.75 + pg_prng_double(&pg_global_prng_state) / 4));
}

/* Put off the next start of a process: starting -> backoff. */
static void
back_off(EvauditProcessEntry *process)
{
	process->not_before =
		TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
									evaudit_backoff(process->failures));
	process->failures++;
}

/*
 * Background worker slots that limited kinds may take in all: not those of
 * the launchers and schedulers, nor those that are reserved.  The caller holds
 * the lock.
 */
static int
slots_for_limited(void)
{
	int			n = max_worker_processes - evaudit_reserved_worker_slots - 1 -
		(max_logical_replication_workers > 0 ? 1 : 0);

	for (int i = 0; i < evaudit_runtime->ndatabases; i++)
		n -= evaudit_runtime->databases[i].scheduler != NULL;
	return n;
}

/*
 * The limit that keeps a job from having one more process, or NULL.  The
 * caller holds the lock until that process counts.
 */
static const char *
limit_reached(const EvauditJobEntry *entry)
{
	int			room = slots_for_limited();
	int			for_role = evaudit_max_workers_per_role >= 0 ?
		evaudit_max_workers_per_role : Max((room + 1) / 2, 1);

	if (!kind_of(entry)->limited)
		return NULL;
	if (!entry->superuser &&
		evaudit_processes_in_use(entry->owner) >= for_role)
		return "its owner has all workers that evaudit.max_workers_per_role allows";
	if (evaudit_reserved_worker_slots > 0 &&
		evaudit_processes_in_use(InvalidOid) >= room)
		return "all background worker slots are in use but those of evaudit.reserved_worker_slots: max_worker_processes may have to be raised";
	return NULL;
}

/*
 * Take the slot of a process that is about to be asked for; else the reason
 * why it cannot be.
 */
static const char *
take_process_slot(const EvauditJobEntry *entry, int i, uint32 *generation)
{
	EvauditJobSlot *slot;
	const char *error = NULL;

	LWLockAcquire(evaudit_runtime->lock, LW_EXCLUSIVE);
	slot = evaudit_take_job(entry->kind, MyDatabaseId, entry->id);
	if (slot == NULL)
		error = kind_of(entry)->no_slot;
	else if ((error = limit_reached(entry)) == NULL)
	{
		EvauditProcessSlot *process = &slot->processes[i];

		slot->owner = entry->owner;
		process->in_use = true;
		process->failed = process->finished = false;
		process->first_commit_done = process->reported = false;
		*generation = ++process->generation;
	}
	LWLockRelease(evaudit_runtime->lock);
	return error;
}

/* Give the slot of a process back; what it noted is in the copy returned. */
static EvauditProcessSlot
free_process_slot(const EvauditJobEntry *entry, int i)
{
	EvauditProcessSlot copy = {0};
	EvauditJobSlot *slot;

	LWLockAcquire(evaudit_runtime->lock, LW_EXCLUSIVE);
	slot = find_slot(entry);
	if (slot != NULL)
	{
		copy = slot->processes[i];
		slot->processes[i].in_use = false;
		slot->processes[i].proc = NULL;
		slot->processes[i].retry_at = 0;
	}
	LWLockRelease(evaudit_runtime->lock);
	return copy;
}

/* Ask the postmaster for a process whose slot is taken. */
static bool
register_process(EvauditJobEntry *entry, int i, uint32 generation,
				 bool requested)
{
	EvauditProcessArgs args = {
		.database = MyDatabaseId,
		.owner = entry->owner,
		.id = entry->id,
		.kind = entry->kind,
		.number = i,
		.nprocesses = entry->nprocesses,
		.generation = generation,
		.requested = requested,
	};
	MemoryContext previous = MemoryContextSwitchTo(entry->context);
	BackgroundWorker worker;
	bool		registered;

	evaudit_prepare_worker(&worker, kind_of(entry)->backend_type,
						   "evaudit_process_main");
	memcpy(worker.bgw_extra, &args, sizeof(args));
	registered = RegisterDynamicBackgroundWorker(&worker,
												 &entry->processes[i].handle);
	MemoryContextSwitchTo(previous);
	if (!registered)
		entry->processes[i].handle = NULL;
	return registered;
}

/*
 * A job with a time was started: if nothing has moved that time since it was
 * started before, the next start is put off as after a failure.
 */
static void
note_run(EvauditJobEntry *entry, bool requested)
{
	if (entry->due == entry->started_for && !requested)
		back_off(&entry->processes[0]);
	else
		entry->processes[0].failures = 0;
	entry->started_for = entry->due;
}

/* Start a process, or put that off: none -> starting | backoff. */
static void
start_process(EvauditJobEntry *entry, int i)
{
	uint32		bit = (uint32) 1 << entry->kind;
	bool		requested = (evaudit_requested_kinds & bit) != 0;
	uint32		generation = 0;
	const char *error = entry->error;

	if (error != NULL)
		evaudit_stale_kinds |= bit;
	else
		error = take_process_slot(entry, i, &generation);
	if (error == NULL &&
		!register_process(entry, i, generation, requested))
	{
		(void) free_process_slot(entry, i);
		error = EVAUDIT_NO_WORKER_SLOT;
	}
	if (error != NULL)
	{
		show_error(entry, i, error);
		back_off(&entry->processes[i]);
		return;
	}
	evaudit_requested_kinds &= ~bit;
	if (entry->due != 0)
		note_run(entry, requested);
}

/*
 * A process has ended: running | starting -> backoff, if it failed, or
 * -> none, if its run is over.
 */
static void
note_end(EvauditJobEntry *entry, int i)
{
	EvauditProcessEntry *process = &entry->processes[i];
	EvauditProcessSlot noted = free_process_slot(entry, i);

	pfree(process->handle);
	process->handle = NULL;
	if (entry->ending || !entry->wanted)
		return;
	if (noted.finished && entry->due != 0)
	{
		/* when it is due next is in the tables */
		evaudit_stale_kinds |= (uint32) 1 << entry->kind;
		return;
	}
	if (noted.first_commit_done)
		process->failures = 0;
	if (noted.failed || !noted.finished)
		evaudit_job_count_failure(entry->kind);
	if (!noted.failed && !noted.finished)
		show_error(entry, i, noted.first_commit_done ?
				   "a worker was ended: see the server's log" :
				   "a worker was ended, or could not begin: see the server's log");
	back_off(process);
}

/* Whether a process that is not there is to be started now. */
static bool
is_due(const EvauditJobEntry *entry, int i, TimestampTz now)
{
	return i < entry->nprocesses && now >= entry->processes[i].not_before &&
		(entry->due == 0 || now >= entry->due);
}

/* Start and end the processes of a job; returns how many there are. */
static int
supervise_job(EvauditJobEntry *entry)
{
	bool		end = entry->ending || !entry->wanted;
	bool		start = !end && !is_refused(entry);
	TimestampTz now = GetCurrentTimestamp();
	int			alive = 0;

	for (int i = 0; i < EVAUDIT_MAX_PROCESSES; i++)
	{
		EvauditProcessEntry *process = &entry->processes[i];
		pid_t		pid;

		if (process->handle != NULL &&
			GetBackgroundWorkerPid(process->handle, &pid) == BGWH_STOPPED)
			note_end(entry, i);
		if (process->handle == NULL && start && is_due(entry, i, now))
			start_process(entry, i);
		else if (process->handle != NULL && end)
			TerminateBackgroundWorker(process->handle);
		alive += process->handle != NULL;
	}
	return alive;
}

/* When the first of the processes that wait is started again; 0: none waits. */
static TimestampTz
next_retry(const EvauditJobEntry *entry)
{
	TimestampTz retry = 0;

	for (int i = 0; i < entry->nprocesses; i++)
	{
		const EvauditProcessEntry *process = &entry->processes[i];

		if (process->handle == NULL && process->not_before > 0 &&
			process->failures > 0 &&
			(retry == 0 || process->not_before < retry))
			retry = process->not_before;
	}
	return retry;
}

/* Show a job that cannot run until somebody changes something, and why. */
static void
show_refused(EvauditJobEntry *entry)
{
	EvauditJobSlot *slot;
	bool		is_new = false;

	LWLockAcquire(evaudit_runtime->lock, LW_EXCLUSIVE);
	slot = evaudit_take_job(entry->kind, MyDatabaseId, entry->id);
	if (slot != NULL)
	{
		slot->owner = entry->owner;
		slot->state = EVAUDIT_JOB_REFUSED;
		slot->next_retry_at = 0;
		if (!entry->error_shown)
			is_new = evaudit_set_error(slot, 0, entry->error);
		entry->error_shown = true;
	}
	LWLockRelease(evaudit_runtime->lock);
	if (is_new)
		log_error(entry, entry->error);
}

/* Show the state of a job. */
static void
show_state(EvauditJobEntry *entry)
{
	EvauditJobSlot *slot;

	if (is_refused(entry))
	{
		show_refused(entry);
		return;
	}

	LWLockAcquire(evaudit_runtime->lock, LW_EXCLUSIVE);
	slot = find_slot(entry);
	if (slot != NULL && entry->wanted)
		evaudit_show_retry(slot, next_retry(entry),
						   slot->state == EVAUDIT_JOB_RUNNING &&
						   !entry->ending ?
						   EVAUDIT_JOB_RUNNING : EVAUDIT_JOB_STARTING);
	else if (slot != NULL)
	{
		slot->next_retry_at = 0;
		slot->state = EVAUDIT_JOB_STOPPED;
	}
	LWLockRelease(evaudit_runtime->lock);
}

/* All processes of a job are gone: give its slot back if it was dropped. */
static void
free_if_dropped(EvauditJobEntry *entry)
{
	EvauditJobSlot *slot;

	if (!entry->dropped)
		return;
	LWLockAcquire(evaudit_runtime->lock, LW_EXCLUSIVE);
	slot = find_slot(entry);
	if (slot != NULL)
		evaudit_free_job(entry->kind, slot);
	LWLockRelease(evaudit_runtime->lock);
	entry->dropped = false;
}

/* How many processes of a job ought to run now, whether or not they can. */
static int
count_wanted(const EvauditJobEntry *entry)
{
	return entry->wanted && GetCurrentTimestamp() >= entry->due ?
		entry->nprocesses : 0;
}

/* Show how many processes of each kind ought to run. */
static void
show_wanted(void)
{
	uint16		wanted[EVAUDIT_MAX_KINDS] = {0};
	EvauditDatabaseSlot *database;
	ListCell   *lc;

	foreach(lc, evaudit_schedule)
	{
		const EvauditJobEntry *entry = lfirst(lc);

		wanted[entry->kind] += count_wanted(entry);
	}
	LWLockAcquire(evaudit_runtime->lock, LW_EXCLUSIVE);
	database = evaudit_find_database(MyDatabaseId);
	if (database != NULL)
		memcpy(database->wanted, wanted, sizeof(wanted));
	LWLockRelease(evaudit_runtime->lock);
}

/*
 * Start and end processes until they are as they are wanted.  True if some
 * are still to end.
 */
bool
evaudit_supervise(void)
{
	bool		busy = false;
	ListCell   *lc;

	show_wanted();
	foreach(lc, evaudit_schedule)
	{
		EvauditJobEntry *entry = lfirst(lc);
		int			alive = supervise_job(entry);

		show_state(entry);
		if (alive > 0)
			busy |= entry->ending || !entry->wanted;
		else if (entry->ending)
		{
			free_if_dropped(entry);
			entry->ending = false;
			busy = true;
		}
		else if (!entry->wanted)
		{
			free_if_dropped(entry);
			evaudit_schedule = foreach_delete_current(evaudit_schedule, lc);
			MemoryContextDelete(entry->context);
		}
	}
	return busy;
}
