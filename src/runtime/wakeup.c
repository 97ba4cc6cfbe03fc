/*-------------------------------------------------------------------------
 *
 * wakeup.c
 *	  Telling the launcher and the schedulers that something changed.
 *
 * A backend that changes what jobs are defined by wakes the scheduler of its
 * database when, and only when, the change commits: before, the scheduler
 * could not see it.  Where there is no scheduler yet the launcher is asked
 * for one.  All this is shared memory: a standby can do it, too.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/timestamp.h"

#include "runtime/slots.h"
#include "runtime/wakeup.h"

/* Milliseconds between two requests of a backend for one kind. */
#define REQUEST_INTERVAL	1000

static bool wake_at_commit = false;
static bool wake_processes_at_commit = false;

/*
 * Wake the scheduler of this database, or have the launcher start one, for
 * kinds that are requested, or because jobs changed if there are none.
 */
static void
wake_scheduler(uint32 requested)
{
	EvauditDatabaseSlot *slot;
	PGPROC	   *proc;

	LWLockAcquire(evaudit_runtime->lock, LW_EXCLUSIVE);
	slot = evaudit_find_database(MyDatabaseId);
	if (slot == NULL && (slot = evaudit_find_database(InvalidOid)) != NULL)
		slot->database = MyDatabaseId;
	if (slot == NULL)
		evaudit_runtime->rescan = true;
	else if (requested != 0)
		slot->requested |= requested;
	else
		slot->changed = true;
	proc = slot != NULL && slot->scheduler != NULL ?
		slot->scheduler : evaudit_runtime->launcher;
	if (proc != NULL)
		SetLatch(&proc->procLatch);
	LWLockRelease(evaudit_runtime->lock);
}

/*
 * Wake the processes, of the kinds that want it, in this database.  A latch
 * that is set already is not set again, so that many commits cost little more
 * than one.
 */
static void
wake_processes(void)
{
	LWLockAcquire(evaudit_runtime->lock, LW_SHARED);
	for (int kind = 0; kind < evaudit_nkinds; kind++)
	{
		EvauditKindSlots *jobs = &evaudit_runtime->jobs[kind];

		if (!evaudit_kinds[kind]->woken_at_commit)
			continue;
		for (int i = 0; i < jobs->n; i++)
		{
			if (jobs->slots[i].database != MyDatabaseId)
				continue;
			for (int j = 0; j < EVAUDIT_MAX_PROCESSES; j++)
			{
				PGPROC	   *proc = jobs->slots[i].processes[j].proc;

				if (proc != NULL)
					SetLatch(&proc->procLatch);
			}
		}
	}
	LWLockRelease(evaudit_runtime->lock);
}

/*
 * At the end of the transaction that asked for it.  Whoever commits a prepared
 * transaction wakes nobody: processes that follow writes look by themselves,
 * too, from time to time.
 */
static void
at_transaction_end(XactEvent event, void *arg)
{
	bool		scheduler = wake_at_commit;
	bool		processes = wake_processes_at_commit;

	if (!scheduler && !processes)
		return;
	switch (event)
	{
		case XACT_EVENT_COMMIT:
			wake_at_commit = wake_processes_at_commit = false;
			if (scheduler)
				wake_scheduler(0);
			if (processes)
				wake_processes();
			break;
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			wake_at_commit = wake_processes_at_commit = false;
			break;
		case XACT_EVENT_PRE_PREPARE:
			if (!scheduler)
				break;
			/* nobody here would know when it is committed */
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("cannot PREPARE a transaction that has changed sources or sinks of events")));
		default:
			break;
	}
}

/* Have at_transaction_end() called; false if there is nobody to wake. */
static bool
follow_transactions(void)
{
	static bool registered = false;

	if (evaudit_runtime == NULL)
		return false;
	if (!registered)
	{
		RegisterXactCallback(at_transaction_end, NULL);
		registered = true;
	}
	return true;
}

/* Ask that the scheduler of this database lists its jobs anew. */
void
evaudit_wake_scheduler_at_commit(void)
{
	wake_at_commit = follow_transactions();
}

/* Ask that those are woken who follow what this transaction has written. */
void
evaudit_wake_processes_at_commit(void)
{
	wake_processes_at_commit = follow_transactions();
}

/*
 * Ask that jobs of a kind run before they are due, if they can.  Anybody may
 * cause this, by a token of an unknown key for instance: it does no more than
 * set a flag, once a second in each backend.
 */
void
evaudit_request_job(const EvauditJobKind *kind)
{
	static TimestampTz last[EVAUDIT_MAX_KINDS];
	int			number = evaudit_kind_number(kind);
	TimestampTz now = GetCurrentTimestamp();

	if (evaudit_runtime == NULL ||
		!TimestampDifferenceExceeds(last[number], now, REQUEST_INTERVAL))
		return;
	last[number] = now;
	wake_scheduler((uint32) 1 << number);
}

/*
 * Ask for a scheduler if there is none, as in a database that was copied:
 * nobody has told the launcher of what is in it.
 */
void
evaudit_need_scheduler(void)
{
	EvauditDatabaseSlot *slot;
	bool		missing;

	if (evaudit_runtime == NULL)
		return;
	LWLockAcquire(evaudit_runtime->lock, LW_SHARED);
	slot = evaudit_find_database(MyDatabaseId);
	missing = slot == NULL || slot->scheduler == NULL;
	LWLockRelease(evaudit_runtime->lock);
	if (missing)
		wake_scheduler(0);
}
