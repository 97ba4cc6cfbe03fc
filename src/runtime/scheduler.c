/*-------------------------------------------------------------------------
 *
 * scheduler.c
 *	  The scheduler of a database: keeps a worker, or several, for each
 *	  active source.
 *
 * It compares the sources as the tables have them with the workers that run.
 * A source whose definition changed in any way, be it its options, its
 * server, its owner's user mapping or its topic, has all its workers ended,
 * and new ones started when the last of them is gone.  A worker that ends by
 * itself is started again after a pause that grows with each failure.
 *
 * The scheduler looks when it is woken, by changed sources or by the end of
 * a worker, and once a second for invalidations of the catalogs.  It ends
 * when there is nothing to keep running, so that an idle database has no
 * process in it.
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
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "runtime/fetcher.h"
#include "runtime/schedule.h"
#include "runtime/workers.h"

/* Milliseconds between two looks at what was invalidated. */
#define LOOK_INTERVAL		1000

/* Milliseconds until the next look while workers are to be ended. */
#define BUSY_INTERVAL		100

/* Whether the sources, or what they are defined by, may have changed. */
static bool changed = true;

/* Catalogs that sources depend on changed. */
static void
note_change(Datum arg, int cache, uint32 hash)
{
	changed = true;
}

/* Settings that sources depend on may have changed. */
static void
note_reload(void)
{
	static int	seen = 0;

	changed |= evaudit_reloads != seen;
	seen = evaudit_reloads;
}

/* At exit: give the slot of the database back, or leave it to be restarted. */
static void
leave_database(int code, Datum arg)
{
	EvauditDatabase *slot;

	LWLockAcquire(evaudit_shared->lock, LW_EXCLUSIVE);
	slot = evaudit_find_database(MyDatabaseId);
	if (slot != NULL && slot->scheduler == MyProcPid)
		slot->scheduler = 0;
	LWLockRelease(evaudit_shared->lock);
}

/* Take the slot of the database; false if another scheduler has it. */
static bool
enter_database(void)
{
	EvauditDatabase *slot;
	bool		taken = false;

	LWLockAcquire(evaudit_shared->lock, LW_EXCLUSIVE);
	slot = evaudit_find_database(MyDatabaseId);
	if (slot != NULL && slot->scheduler == 0 && slot->held_by == 0)
	{
		slot->scheduler = MyProcPid;
		taken = true;
	}
	LWLockRelease(evaudit_shared->lock);
	return taken;
}

/*
 * End the process because there is nothing to run, unless sources changed
 * since we looked.
 */
static void
leave_if_idle(void)
{
	EvauditDatabase *slot;
	bool		leave;

	LWLockAcquire(evaudit_shared->lock, LW_EXCLUSIVE);
	slot = evaudit_find_database(MyDatabaseId);
	leave = !slot->changed;
	if (leave)
	{
		slot->database = InvalidOid;
		slot->scheduler = 0;
		slot->left = true;
	}
	LWLockRelease(evaudit_shared->lock);
	if (leave)
		proc_exit(0);
}

/* Whether somebody changed the sources since this was asked last. */
static bool
take_change(void)
{
	EvauditDatabase *slot;

	AcceptInvalidationMessages();
	LWLockAcquire(evaudit_shared->lock, LW_EXCLUSIVE);
	slot = evaudit_find_database(MyDatabaseId);
	changed |= slot->changed;
	slot->changed = false;
	LWLockRelease(evaudit_shared->lock);
	return changed;
}

/* Read the sources in a transaction of its own. */
static void
read_sources(void)
{
	changed = false;
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	pgstat_report_activity(STATE_RUNNING, "reading evaudit.sources");
	if (OidIsValid(get_extension_oid("evaudit", true)))
	{
		evaudit_schedule_read();
		evaudit_fetching_read();
	}
	else
	{
		evaudit_schedule_clear();
		evaudit_fetching_clear();
	}
	PopActiveSnapshot();
	CommitTransactionCommand();
	pgstat_report_activity(STATE_IDLE, NULL);
}

/*
 * End the workers of a scheduler that was ended before its time, of whom
 * nobody would know when a source is paused or altered.
 */
static void
end_strays(void)
{
	while (evaudit_end_workers(MyDatabaseId) > 0)
		(void) evaudit_wait(BUSY_INTERVAL);
}

/* The scheduler's main function. */
void
evaudit_scheduler_main(Datum arg)
{
	evaudit_begin_process();
	BackgroundWorkerInitializeConnectionByOid(DatumGetObjectId(arg),
											  InvalidOid, 0);
	if (!enter_database())
		proc_exit(0);
	before_shmem_exit(leave_database, (Datum) 0);
	end_strays();

	CacheRegisterSyscacheCallback(USERMAPPINGOID, note_change, (Datum) 0);
	CacheRegisterSyscacheCallback(FOREIGNSERVEROID, note_change, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHOID, note_change, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHMEMMEMROLE, note_change, (Datum) 0);
	CacheRegisterSyscacheCallback(DATABASEOID, note_change, (Datum) 0);
	/* DROP EXTENSION drops a schema */
	CacheRegisterSyscacheCallback(NAMESPACEOID, note_change, (Datum) 0);

	for (;;)
	{
		bool		busy;

		if (take_change())
			read_sources();
		busy = evaudit_supervise();
		changed |= evaudit_fetching_tend();
		if (evaudit_schedule_is_empty() && !evaudit_fetching_wanted())
			leave_if_idle();
		(void) evaudit_wait(busy || changed ? BUSY_INTERVAL : LOOK_INTERVAL);
		note_reload();
	}
}
