/*-------------------------------------------------------------------------
 *
 * fetch_schedule.c
 *	  When the scheduler of a database starts a key fetcher.
 *
 * A fetcher is started when the keys of an issuer are due, or when a token
 * came that none of them has signed and the last fetch was long enough ago.
 * It ends when it has fetched; the times are read anew then.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/timestamp.h"

#include "auth/issuer_fetch.h"
#include "runtime/fetcher.h"
#include "runtime/workers.h"

/* The first pause after a fetcher that noted no result, milliseconds. */
#define FIRST_PAUSE		1000

static bool exists = false;		/* an issuer whose keys come from a URL */
static TimestampTz due;
static TimestampTz due_if_wanted;
static bool wanted = false;

static BackgroundWorkerHandle *process = NULL;
static TimestampTz started_for; /* what was due when it was started */
static TimestampTz not_before = 0;
static int	failures = 0;		/* fetchers in a row that noted no result */

/* Read when keys are due, within a transaction. */
void
evaudit_fetching_read(void)
{
	exists = evaudit_fetches_next(&due, &due_if_wanted);
}

/* The extension is gone, and all issuers with it. */
void
evaudit_fetching_clear(void)
{
	exists = false;
}

/* Whether there is anything to fetch, or somebody fetching. */
bool
evaudit_fetching_wanted(void)
{
	return exists || process != NULL;
}

/* Take the call of those who met a token of unknown keys. */
static void
take_call(void)
{
	EvauditDatabase *slot;

	LWLockAcquire(evaudit_shared->lock, LW_EXCLUSIVE);
	slot = evaudit_find_database(MyDatabaseId);
	if (slot != NULL)
	{
		wanted |= slot->keys_wanted;
		slot->keys_wanted = false;
	}
	LWLockRelease(evaudit_shared->lock);
}

/* Put off the next start. */
static void
pause_for(int64 millis)
{
	not_before = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), millis);
}

/* Start a fetcher. */
static void
start_fetcher(void)
{
	BackgroundWorker worker;
	EvauditFetcherOrder order = {.database = MyDatabaseId,.wanted = wanted};

	evaudit_prepare_worker(&worker, "evaudit key fetcher",
						   "evaudit_fetcher_main");
	worker.bgw_notify_pid = MyProcPid;
	memcpy(worker.bgw_extra, &order, sizeof(order));
	if (!RegisterDynamicBackgroundWorker(&worker, &process))
	{
		process = NULL;
		pause_for(10 * FIRST_PAUSE);
		ereport(LOG,
				(errmsg("no background worker slot is free to fetch keys"),
				 errhint("You might need to increase max_worker_processes.")));
		return;
	}
	/* one that notes nothing leaves what was due as it was */
	if (started_for == due && !wanted)
		failures++;
	else
		failures = 0;
	started_for = due;
	wanted = false;
	pause_for(failures == 0 ? 0 : (int64) FIRST_PAUSE << Min(failures, 6));
}

/*
 * Start a fetcher if it is time to.  True if one has ended, so that the
 * times have to be read anew.
 */
bool
evaudit_fetching_tend(void)
{
	TimestampTz now = GetCurrentTimestamp();
	pid_t		pid;

	take_call();
	if (process != NULL)
	{
		if (GetBackgroundWorkerPid(process, &pid) != BGWH_STOPPED)
			return false;
		pfree(process);
		process = NULL;
		return true;
	}
	if (exists && now >= not_before &&
		(now >= due || (wanted && now >= due_if_wanted)))
		start_fetcher();
	return false;
}
