/*-------------------------------------------------------------------------
 *
 * scheduler.c
 *	  The scheduler of a database: keeps the processes of its jobs running.
 *
 * It compares the jobs as their kinds list them with the processes that run.
 * A job whose definition changed in any way, be it its options, its server,
 * its owner's user mapping or its topic, has all its processes ended, and new
 * ones started when the last of them is gone.  A process that ends by itself
 * is started again after a pause that grows with each failure.
 *
 * The scheduler acts when it is woken, by changed jobs or by the end of a
 * process, and once a second for what is due and for invalidations of the
 * catalogs.  What keeps a job from running may be something that it is not
 * told of, a right or a table: while one is refused, the jobs are listed anew
 * every evaudit.max_backoff.  The scheduler ends when there is nothing to keep
 * running, so that an idle database has no process in it.
 *
 * An ERROR while a kind lists its jobs leaves these as they were, and is
 * shown as theirs until the list can be read.  Any other ends the process;
 * the launcher starts the next one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/ipc.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "runtime/periodic.h"
#include "runtime/schedule.h"
#include "server/wait.h"

/*
 * Milliseconds between two turns in which invalidations are accepted and what
 * has become due is started, by id: of jobs that wait for one slot, the first
 * has it.
 */
#define IDLE_INTERVAL		1000

/* Milliseconds until the next turn while processes are to be ended. */
#define BUSY_INTERVAL		100

#define ALL_KINDS			PG_UINT32_MAX

/*
 * Lists of jobs that failed in a row, and when to read them again, because one
 * failed or a job is refused.
 */
static int	list_failures = 0;
static TimestampTz list_again_at = 0;

/* Catalogs that jobs are defined by. */
static const int defining_caches[] = {
	USERMAPPINGOID, FOREIGNSERVEROID, FOREIGNDATAWRAPPEROID, AUTHOID,
	AUTHMEMMEMROLE, DATABASEOID, PROCOID,
	NAMESPACEOID				/* DROP EXTENSION drops a schema */
};

/* Invalidation callback: what jobs are defined by may have changed. */
static void
note_change(Datum arg, int cache, uint32 hash)
{
	evaudit_stale_kinds = ALL_KINDS;
}

/* Settings that jobs are defined by may have changed. */
static void
note_reload(void)
{
	static int	seen = 0;

	if (evaudit_reloads != seen)
		evaudit_stale_kinds = ALL_KINDS;
	seen = evaudit_reloads;
}

/* At exit: clear our entry; the launcher starts another scheduler. */
static void
detach(int code, Datum arg)
{
	EvauditDatabaseSlot *slot;

	LWLockAcquire(evaudit_runtime->lock, LW_EXCLUSIVE);
	slot = evaudit_find_database(MyDatabaseId);
	if (slot != NULL && slot->scheduler == MyProc)
		slot->scheduler = NULL;
	LWLockRelease(evaudit_runtime->lock);
}

/*
 * Attach to the slot of the database; false if another scheduler has it, or
 * a command needs the database without sessions.
 */
static bool
attach(void)
{
	EvauditDatabaseSlot *slot;
	bool		attached = false;

	LWLockAcquire(evaudit_runtime->lock, LW_EXCLUSIVE);
	slot = evaudit_find_database(MyDatabaseId);
	if (slot != NULL && slot->scheduler == NULL && slot->holders == 0)
	{
		slot->scheduler = MyProc;
		attached = true;
	}
	LWLockRelease(evaudit_runtime->lock);
	if (attached)
		before_shmem_exit(detach, (Datum) 0);
	return attached;
}

/*
 * Exit because there is nothing to run, unless jobs changed since they were
 * listed.  The slot is kept while a command holds it.
 */
static void
exit_if_idle(void)
{
	EvauditDatabaseSlot *slot;
	bool		idle;

	LWLockAcquire(evaudit_runtime->lock, LW_EXCLUSIVE);
	slot = evaudit_find_database(MyDatabaseId);
	idle = !slot->changed && slot->requested == 0;
	if (idle)
	{
		if (slot->holders == 0)
			slot->database = InvalidOid;
		slot->scheduler = NULL;
		slot->no_worker_slot = false;
		slot->last_error[0] = '\0';
		slot->exited_cleanly = true;
	}
	LWLockRelease(evaudit_runtime->lock);
	if (idle)
		proc_exit(0);
}

/* Take note of what others have told us, and of invalidations. */
static void
take_changes(void)
{
	EvauditDatabaseSlot *slot;

	AcceptInvalidationMessages();
	note_reload();
	if (list_again_at != 0 && GetCurrentTimestamp() >= list_again_at)
		evaudit_stale_kinds = ALL_KINDS;
	LWLockAcquire(evaudit_runtime->lock, LW_EXCLUSIVE);
	slot = evaudit_find_database(MyDatabaseId);
	if (slot->changed)
		evaudit_stale_kinds = ALL_KINDS;
	evaudit_requested_kinds |= slot->requested;
	evaudit_stale_kinds |= slot->requested;
	slot->changed = false;
	slot->requested = 0;
	LWLockRelease(evaudit_runtime->lock);
}

/* Show why the scheduler cannot work in each of its jobs; NULL: it can. */
static void
show_error(const char *error)
{
	const char *shown = error == NULL ? "" : psprintf("scheduler: %s", error);
	EvauditDatabaseSlot *slot;

	LWLockAcquire(evaudit_runtime->lock, LW_EXCLUSIVE);
	slot = evaudit_find_database(MyDatabaseId);
	if (slot != NULL)
		evaudit_copy_error(slot->last_error, shown);
	LWLockRelease(evaudit_runtime->lock);
}

/* Let some kinds list their jobs; the first ERROR, or NULL. */
static ErrorData *
list_kinds(uint32 kinds)
{
	ErrorData  *first = NULL;

	for (int kind = 0; kind < evaudit_nkinds; kind++)
	{
		ErrorData  *error = NULL;

		if ((kinds & ((uint32) 1 << kind)) != 0 &&
			!evaudit_kinds[kind]->on_request)
			error = evaudit_schedule_read(kind);
		if (first == NULL)
			first = error;
	}
	return first;
}

/* Read which jobs are to run, in a transaction of its own. */
static void
read_jobs(void)
{
	MemoryContext context = CurrentMemoryContext;
	uint32		kinds = evaudit_stale_kinds;
	ErrorData  *error = NULL;

	/* what is invalidated from here on is read the next time */
	evaudit_stale_kinds = 0;
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	MemoryContextSwitchTo(context);
	pgstat_report_activity(STATE_RUNNING, "reading what is to run");
	if (OidIsValid(get_extension_oid("evaudit", true)))
		error = list_kinds(kinds);
	else
		evaudit_schedule_clear();
	PopActiveSnapshot();
	CommitTransactionCommand();
	MemoryContextSwitchTo(context);
	pgstat_report_activity(STATE_IDLE, NULL);

	if (error != NULL)
	{
		list_again_at = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
													evaudit_backoff(list_failures++));
		ereport(LOG,
				(errcode(error->sqlerrcode),
				 errmsg("could not list jobs: %s", error->message)));
		show_error(error->message);
	}
	else if (kinds == ALL_KINDS)
	{
		list_again_at = 0;
		list_failures = 0;
		show_error(NULL);
	}
	if (list_again_at == 0 && evaudit_schedule_refused())
		list_again_at = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
													evaudit_max_backoff);
}

/*
 * End the processes of a scheduler that was ended before its time, of which
 * nobody would know when a job is paused or altered.
 */
static void
end_strays(void)
{
	int			n;

	do
	{
		LWLockAcquire(evaudit_runtime->lock, LW_EXCLUSIVE);
		n = evaudit_end_processes(MyDatabaseId);
		LWLockRelease(evaudit_runtime->lock);
		if (n > 0)
			(void) evaudit_wait(BUSY_INTERVAL);
	} while (n > 0);
	evaudit_release_processes(MyDatabaseId);
}

/* Keep the jobs of the database running. */
static void
run(MemoryContext iteration)
{
	for (;;)
	{
		bool		busy;
		bool		idle;

		MemoryContextSwitchTo(iteration);
		MemoryContextReset(iteration);
		take_changes();
		if (evaudit_stale_kinds != 0)
			read_jobs();
		busy = evaudit_supervise();
		idle = evaudit_schedule == NIL && list_again_at == 0;
		if (!evaudit_run_periodic(idle) && idle)
			exit_if_idle();
		(void) evaudit_wait(busy || evaudit_stale_kinds != 0 ?
							BUSY_INTERVAL : IDLE_INTERVAL);
	}
}

/* The scheduler's main function. */
void
evaudit_scheduler_main(Datum arg)
{
	MemoryContext context;
	MemoryContext iteration;

	evaudit_begin_process();
	BackgroundWorkerInitializeConnectionByOid(DatumGetObjectId(arg),
											  InvalidOid, 0);
	if (!attach())
		proc_exit(0);
	evaudit_set_up_session();
	end_strays();

	for (int i = 0; i < lengthof(defining_caches); i++)
		CacheRegisterSyscacheCallback(defining_caches[i], note_change,
									  (Datum) 0);
	context = evaudit_process_context();
	iteration = AllocSetContextCreate(context, "evaudit iteration",
									  ALLOCSET_DEFAULT_SIZES);
	evaudit_schedule_init(context);

	PG_TRY();
	{
		run(iteration);
	}
	PG_CATCH();
	{
		LWLockReleaseAll();
		MemoryContextSwitchTo(context);
		show_error(CopyErrorData()->message);
		PG_RE_THROW();
	}
	PG_END_TRY();
}
