/*-------------------------------------------------------------------------
 *
 * commit_wakeup.c
 *	  Telling the launcher and the schedulers that something changed.
 *
 * A backend that changes evaudit.sources wakes the scheduler of its database
 * when, and only when, the change commits: before, the scheduler could not
 * see it.  Where there is no scheduler yet the launcher is asked for one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "utils/timestamp.h"

#include "server/commit_wakeup.h"
#include "server/shmem.h"

/* Milliseconds between two calls for keys. */
#define WAKE_INTERVAL		1000

static bool wake_at_commit = false;

/* Set the latch of a process, if it is one of the server and alive. */
void
evaudit_wake_process(pid_t pid)
{
	PGPROC	   *proc = pid != 0 ? BackendPidGetProc(pid) : NULL;

	if (proc != NULL)
		SetLatch(&proc->procLatch);
}

/*
 * Wake the scheduler of this database, or have the launcher start one, for
 * changed sources or for keys that are wanted.
 */
static void
wake_scheduler(bool for_keys)
{
	EvauditDatabase *slot;
	pid_t		pid;

	LWLockAcquire(evaudit_shared->lock, LW_EXCLUSIVE);
	slot = evaudit_find_database(MyDatabaseId);
	if (slot == NULL && (slot = evaudit_find_database(InvalidOid)) != NULL)
		slot->database = MyDatabaseId;
	if (slot != NULL && for_keys)
		slot->keys_wanted = true;
	else if (slot != NULL)
		slot->changed = true;
	else
		evaudit_shared->rescan = true;
	pid = slot != NULL && slot->scheduler != 0 ?
		slot->scheduler : evaudit_shared->launcher;
	LWLockRelease(evaudit_shared->lock);

	evaudit_wake_process(pid);
}

/* At the end of the transaction that asked for it. */
static void
at_transaction_end(XactEvent event, void *arg)
{
	if (!wake_at_commit)
		return;
	switch (event)
	{
		case XACT_EVENT_COMMIT:
			wake_at_commit = false;
			wake_scheduler(false);
			break;
		case XACT_EVENT_ABORT:
			wake_at_commit = false;
			break;
		case XACT_EVENT_PRE_PREPARE:
			/* nobody here would know when it is committed */
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("cannot PREPARE a transaction that has changed sources of events")));
		default:
			break;
	}
}

/* Ask that the scheduler of this database looks at its sources anew. */
void
evaudit_wake_scheduler_at_commit(void)
{
	static bool registered = false;

	if (evaudit_shared == NULL)
		return;
	if (!registered)
	{
		RegisterXactCallback(at_transaction_end, NULL);
		registered = true;
	}
	wake_at_commit = true;
}

/*
 * Ask that the keys of issuers are fetched, since a token came that none of
 * those here has signed.  Anybody can send such tokens: this does no more
 * than set a flag, once a second in each backend.
 */
void
evaudit_wake_fetcher(void)
{
	static TimestampTz last = 0;
	TimestampTz now = GetCurrentTimestamp();

	if (evaudit_shared == NULL ||
		!TimestampDifferenceExceeds(last, now, WAKE_INTERVAL))
		return;
	last = now;
	wake_scheduler(true);
}

/*
 * Ask for a scheduler if there is none, as in a database that was copied:
 * nobody has told the launcher of what is in it.
 */
void
evaudit_need_scheduler(void)
{
	EvauditDatabase *slot;
	bool		missing;

	if (evaudit_shared == NULL)
		return;
	LWLockAcquire(evaudit_shared->lock, LW_SHARED);
	slot = evaudit_find_database(MyDatabaseId);
	missing = slot == NULL || slot->scheduler == 0;
	LWLockRelease(evaudit_shared->lock);
	if (missing)
		wake_scheduler(false);
}
