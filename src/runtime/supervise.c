/*-------------------------------------------------------------------------
 *
 * supervise.c
 *	  Starting and ending workers until they are as the schedule has them.
 *
 *		wanted, no worker		start them all		-> starting
 *		a worker ended			pause, start it		-> backoff
 *		definition changed		end them all, then start anew
 *		not wanted any more		end them all, then forget the source
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/pg_prng.h"
#include "miscadmin.h"
#include "utils/timestamp.h"

#include "runtime/schedule.h"
#include "server/config.h"

/* The first pause after a failure, milliseconds; each further one doubles. */
#define FIRST_BACKOFF		1000

/*
 * The slot of a source in shared memory, taken if it has none; NULL if there
 * is no room.  The caller holds the lock.
 */
static EvauditSourceSlot *
get_slot(const EvauditSourceEntry *entry)
{
	EvauditSourceSlot *slot = evaudit_find_source(MyDatabaseId, entry->id);

	if (slot == NULL && (slot = evaudit_free_slot()) != NULL)
	{
		evaudit_free_source(slot);
		slot->database = MyDatabaseId;
		slot->source_id = entry->id;
		slot->state = EVAUDIT_SOURCE_STARTING;
	}
	if (slot != NULL)
		slot->owner = entry->owner;
	return slot;
}

/* Show trouble that keeps a worker from being started. */
static void
show_trouble(EvauditSourceEntry *entry, const char *str)
{
	EvauditSourceSlot *slot;

	LWLockAcquire(evaudit_shared->lock, LW_EXCLUSIVE);
	slot = get_slot(entry);
	if (slot != NULL)
	{
		evaudit_copy_error(slot->last_error, str);
		slot->last_error_at = GetCurrentTimestamp();
	}
	LWLockRelease(evaudit_shared->lock);
	ereport(LOG, (errmsg("source \"%s\": %s", entry->name, str)));
}

/* Put off the next start of a worker. */
static void
back_off(EvauditWorkerEntry *worker)
{
	int64		pause = (int64) FIRST_BACKOFF << Min(worker->failures, 20);

	pause = Min(pause, evaudit_max_backoff);
	/* many that failed for one reason shall not come back at one instant */
	pause = (int64) (pause * (0.75 + pg_prng_double(&pg_global_prng_state) / 4));
	worker->failures++;
	worker->not_before = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
													 pause);
}

/* Start one worker; put it off if that is not possible now. */
static void
start_worker(EvauditSourceEntry *entry, int i)
{
	EvauditWorkerEntry *worker = &entry->workers[i];
	BackgroundWorker process;
	EvauditWorkerOrder order = {
		.database = MyDatabaseId,
		.owner = entry->owner,
		.source_id = entry->id,
		.worker = i,
		.nworkers = entry->nworkers,
		.scheduler = MyProcPid,
	};
	EvauditSourceSlot *slot;
	const char *trouble = NULL;

	LWLockAcquire(evaudit_shared->lock, LW_EXCLUSIVE);
	slot = get_slot(entry);
	if (slot != NULL)
		slot->failed[i] = slot->progressed[i] = false;
	LWLockRelease(evaudit_shared->lock);

	evaudit_prepare_worker(&process, "evaudit worker", "evaudit_worker_main");
	process.bgw_notify_pid = MyProcPid;
	memcpy(process.bgw_extra, &order, sizeof(order));
	if (slot == NULL)
		trouble = EVAUDIT_NO_SLOT;
	else if (entry->trouble != NULL)
		trouble = entry->trouble;
	else if (!RegisterDynamicBackgroundWorker(&process, &worker->process))
		trouble = EVAUDIT_NO_PROCESS;
	if (trouble != NULL)
	{
		show_trouble(entry, trouble);
		back_off(worker);
	}
}

/* A worker has ended: see whether that was a failure. */
static void
note_end(EvauditSourceEntry *entry, int i)
{
	EvauditWorkerEntry *worker = &entry->workers[i];
	EvauditSourceSlot *slot;
	bool		failed = false;
	bool		progressed = false;

	pfree(worker->process);
	worker->process = NULL;
	LWLockAcquire(evaudit_shared->lock, LW_EXCLUSIVE);
	slot = evaudit_find_source(MyDatabaseId, entry->id);
	if (slot != NULL)
	{
		failed = slot->failed[i];
		progressed = slot->progressed[i];
		slot->pids[i] = 0;
		slot->retry_at[i] = 0;
	}
	LWLockRelease(evaudit_shared->lock);

	if (entry->ending || !entry->wanted)
		return;
	if (progressed)
		worker->failures = 0;
	if (!failed && !progressed && slot != NULL)
		show_trouble(entry, "a worker was ended, or could not begin: see the server's log");
	back_off(worker);
}

/* Tend the workers of one source; returns how many are left. */
static int
tend_workers(EvauditSourceEntry *entry)
{
	bool		end = entry->ending || !entry->wanted;
	int			alive = 0;

	for (int i = 0; i < EVAUDIT_MAX_WORKERS; i++)
	{
		EvauditWorkerEntry *worker = &entry->workers[i];
		pid_t		pid;

		if (worker->process != NULL &&
			GetBackgroundWorkerPid(worker->process, &pid) == BGWH_STOPPED)
			note_end(entry, i);
		if (worker->process == NULL && !end && i < entry->nworkers &&
			GetCurrentTimestamp() >= worker->not_before)
			start_worker(entry, i);
		else if (worker->process != NULL && end)
			TerminateBackgroundWorker(worker->process);
		alive += worker->process != NULL;
	}
	return alive;
}

/* Show the state of a source. */
static void
show_state(const EvauditSourceEntry *entry)
{
	EvauditSourceSlot *slot;
	TimestampTz retry = 0;

	for (int i = 0; i < entry->nworkers; i++)
	{
		const EvauditWorkerEntry *worker = &entry->workers[i];

		if (worker->process == NULL && worker->not_before > 0 &&
			(retry == 0 || worker->not_before < retry))
			retry = worker->not_before;
	}

	LWLockAcquire(evaudit_shared->lock, LW_EXCLUSIVE);
	slot = evaudit_find_source(MyDatabaseId, entry->id);
	if (slot != NULL)
	{
		bool		running = slot->state == EVAUDIT_SOURCE_RUNNING &&
			!entry->ending;

		if (entry->wanted)
			evaudit_show_retry(slot, retry, running ?
							   EVAUDIT_SOURCE_RUNNING :
							   EVAUDIT_SOURCE_STARTING);
		else
		{
			slot->next_retry_at = 0;
			slot->state = EVAUDIT_SOURCE_STOPPED;
		}
	}
	LWLockRelease(evaudit_shared->lock);
}

/* All workers of a source are gone: give its slot back if it was dropped. */
static void
note_all_ended(EvauditSourceEntry *entry)
{
	EvauditSourceSlot *slot;

	if (!entry->dropped)
		return;
	LWLockAcquire(evaudit_shared->lock, LW_EXCLUSIVE);
	slot = evaudit_find_source(MyDatabaseId, entry->id);
	if (slot != NULL)
		evaudit_free_source(slot);
	LWLockRelease(evaudit_shared->lock);
	entry->dropped = false;
}

/*
 * Start and end workers until they are as they shall be.  True if some are
 * still to end.
 */
bool
evaudit_supervise(void)
{
	bool		busy = false;
	ListCell   *lc;

	foreach(lc, evaudit_schedule)
	{
		EvauditSourceEntry *entry = lfirst(lc);
		int			alive = tend_workers(entry);

		show_state(entry);
		if (alive > 0)
			busy |= entry->ending || !entry->wanted;
		else if (entry->ending)
		{
			note_all_ended(entry);
			entry->ending = false;
			busy = true;
		}
		else if (!entry->wanted)
		{
			note_all_ended(entry);
			pfree(entry->name);
			pfree(entry);
			evaudit_schedule = foreach_delete_current(evaudit_schedule, lc);
		}
	}
	return busy;
}
