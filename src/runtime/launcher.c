/*-------------------------------------------------------------------------
 *
 * launcher.c
 *	  The launcher: starts a scheduler in each database that needs one.
 *
 * It is connected to no database, so it cannot see which have sources.  At
 * its start it sends a scheduler into each database in turn; those without
 * active sources end at once.  After that whoever makes or resumes a source
 * asks for the scheduler (server/commit_wakeup.c).  A database that somebody wants to drop
 * or copy is left alone until that is over (database_ddl.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/procarray.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "runtime/workers.h"

/* Seconds after which the postmaster restarts the launcher. */
#define RESTART_SECONDS		5

/* Milliseconds after which the launcher looks around unasked. */
#define LOOK_INTERVAL		10000

/* Milliseconds until it looks again while something is still to be done. */
#define BUSY_INTERVAL		200

/* What the launcher remembers of the scheduler in a slot. */
typedef struct SchedulerHandle
{
	BackgroundWorkerHandle *process;	/* NULL: none */
	TimestampTz not_before;		/* when to start one again at the earliest */
} SchedulerHandle;

/* Register the launcher with the postmaster; only under preload. */
void
evaudit_launcher_init(void)
{
	BackgroundWorker worker;

	/* pg_upgrade starts the old and the new server: nothing may run there */
	if (IsBinaryUpgrade)
		return;
	evaudit_prepare_worker(&worker, "evaudit launcher",
						   "evaudit_launcher_main");
	worker.bgw_restart_time = RESTART_SECONDS;
	RegisterBackgroundWorker(&worker);
}

/* At exit: nobody shall wake us any more. */
static void
forget_launcher(int code, Datum arg)
{
	LWLockAcquire(evaudit_shared->lock, LW_EXCLUSIVE);
	evaudit_shared->launcher = 0;
	LWLockRelease(evaudit_shared->lock);
}

/* The databases that can have sources, in memory that outlives the scan. */
static List *
list_databases(void)
{
	MemoryContext context = CurrentMemoryContext;
	List	   *databases = NIL;
	Relation	relation;
	TableScanDesc scan;
	HeapTuple	tuple;

	StartTransactionCommand();
	(void) GetTransactionSnapshot();
	relation = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(relation, 0, NULL);
	while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		Form_pg_database database = (Form_pg_database) GETSTRUCT(tuple);
		MemoryContext previous;

		if (!database->datallowconn || database->datistemplate ||
			database->datconnlimit == DATCONNLIMIT_INVALID_DB)
			continue;
		previous = MemoryContextSwitchTo(context);
		databases = lappend_oid(databases, database->oid);
		MemoryContextSwitchTo(previous);
	}
	table_endscan(scan);
	table_close(relation, AccessShareLock);
	CommitTransactionCommand();
	MemoryContextSwitchTo(context);
	return databases;
}

/*
 * Ask for a scheduler in each of some databases, as long as there is room;
 * returns those for whom there was none.
 */
static List *
want_schedulers(List *databases)
{
	LWLockAcquire(evaudit_shared->lock, LW_EXCLUSIVE);
	while (databases != NIL)
	{
		Oid			database = linitial_oid(databases);
		EvauditDatabase *slot = evaudit_find_database(database);

		if (slot == NULL)
			slot = evaudit_find_database(InvalidOid);
		if (slot == NULL)
			break;
		slot->database = database;
		databases = list_delete_first(databases);
	}
	LWLockRelease(evaudit_shared->lock);
	return databases;
}

/* Put off the next start of a scheduler. */
static void
back_off(SchedulerHandle *handle)
{
	handle->not_before = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
													 RESTART_SECONDS * 1000);
}

/*
 * Have the postmaster start a scheduler; later, if it has no slot free, which
 * stat_sources shows meanwhile.
 */
static void
start_scheduler(EvauditDatabase *slot, Oid database, SchedulerHandle *handle)
{
	BackgroundWorker worker;
	bool		starved;
	bool		news;

	evaudit_prepare_worker(&worker, "evaudit scheduler",
						   "evaudit_scheduler_main");
	worker.bgw_main_arg = ObjectIdGetDatum(database);
	worker.bgw_notify_pid = MyProcPid;
	starved = !RegisterDynamicBackgroundWorker(&worker, &handle->process);

	LWLockAcquire(evaudit_shared->lock, LW_EXCLUSIVE);
	news = starved && !slot->starved;
	slot->starved = starved;
	LWLockRelease(evaudit_shared->lock);

	if (starved)
		back_off(handle);
	if (news)
		ereport(LOG,
				(errmsg("no background worker slot is free for the scheduler of database %u",
						database),
				 errhint("You might need to increase max_worker_processes.")));
}

/*
 * Whether a scheduler runs, or is about to; one that failed is put off.  The
 * caller holds the lock.
 */
static bool
is_alive(EvauditDatabase *slot, SchedulerHandle *handle)
{
	pid_t		pid;

	if (handle->process == NULL)
		return false;
	if (GetBackgroundWorkerPid(handle->process, &pid) != BGWH_STOPPED)
		return true;
	pfree(handle->process);
	handle->process = NULL;
	if (!slot->left)
		back_off(handle);
	slot->left = false;
	return false;
}

/*
 * What to do for one database: nothing while it is held or served; free the
 * slot if nobody wants anything; else true, to start a scheduler.  One that
 * ended as it should has given the slot back itself.
 */
static bool
needs_scheduler(EvauditDatabase *slot, SchedulerHandle *handle)
{
	bool		needed;

	LWLockAcquire(evaudit_shared->lock, LW_EXCLUSIVE);
	needed = !is_alive(slot, handle);
	if (slot->held_by != 0 && BackendPidGetProc(slot->held_by) == NULL)
		slot->held_by = 0;
	if (slot->scheduler != 0 && BackendPidGetProc(slot->scheduler) == NULL)
		slot->scheduler = 0;
	needed &= OidIsValid(slot->database) && slot->held_by == 0 &&
		slot->scheduler == 0;
	LWLockRelease(evaudit_shared->lock);
	return needed;
}

/* Give the slot of a database back that is not there any more. */
static void
forget_database(EvauditDatabase *slot, Oid database)
{
	LWLockAcquire(evaudit_shared->lock, LW_EXCLUSIVE);
	if (slot->database == database)
	{
		slot->database = InvalidOid;
		slot->starved = false;
	}
	for (int i = 0; i < evaudit_shared->nsources; i++)
	{
		if (evaudit_shared->sources[i].database == database)
			evaudit_free_source(&evaudit_shared->sources[i]);
	}
	LWLockRelease(evaudit_shared->lock);
}

/* Start the schedulers that are wanted; true if some are still to come. */
static bool
tend_databases(SchedulerHandle *handles)
{
	List	   *existing = NIL;
	bool		listed = false;
	bool		busy = false;

	for (int i = 0; i < evaudit_shared->ndatabases; i++)
	{
		EvauditDatabase *slot = &evaudit_shared->databases[i];
		Oid			database = slot->database;

		if (!needs_scheduler(slot, &handles[i]))
			continue;
		busy = true;
		if (GetCurrentTimestamp() < handles[i].not_before)
			continue;
		if (!listed)
			existing = list_databases();
		listed = true;
		if (list_member_oid(existing, database))
			start_scheduler(slot, database, &handles[i]);
		else
			forget_database(slot, database);
	}
	list_free(existing);
	return busy;
}

/* Whether somebody asked for a look at all databases. */
static bool
take_rescan(void)
{
	bool		rescan;

	LWLockAcquire(evaudit_shared->lock, LW_EXCLUSIVE);
	rescan = evaudit_shared->rescan;
	evaudit_shared->rescan = false;
	LWLockRelease(evaudit_shared->lock);
	return rescan;
}

/* The launcher's main function. */
void
evaudit_launcher_main(Datum arg)
{
	List	   *databases = NIL;
	SchedulerHandle *handles;

	evaudit_begin_process();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	MemoryContextSwitchTo(TopMemoryContext);
	handles = palloc0(evaudit_shared->ndatabases * sizeof(SchedulerHandle));

	LWLockAcquire(evaudit_shared->lock, LW_EXCLUSIVE);
	evaudit_shared->launcher = MyProcPid;
	evaudit_shared->rescan = true;
	LWLockRelease(evaudit_shared->lock);
	before_shmem_exit(forget_launcher, (Datum) 0);

	for (;;)
	{
		bool		busy;

		if (take_rescan())
		{
			list_free(databases);
			databases = list_databases();
		}
		databases = want_schedulers(databases);
		busy = tend_databases(handles) || databases != NIL;
		(void) evaudit_wait(busy ? BUSY_INTERVAL : LOOK_INTERVAL);
	}
}
