/*-------------------------------------------------------------------------
 *
 * launcher.c
 *	  The launcher: starts a scheduler in each database that needs one.
 *
 * It is connected to no database, so it cannot see which have jobs.  At its
 * start it sends a scheduler into each database in turn; those without jobs
 * end at once.  After that whoever makes or resumes a job asks for the
 * scheduler (wakeup.c).  A database that somebody wants to drop or copy is
 * left alone until that is over (database_ddl.c).
 *
 * Locks: the slots of databases are read and written under the runtime's
 * lock.  Only the launcher frees the slot of a database that is gone.
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
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "runtime/runtime.h"
#include "server/wait.h"

/* Seconds after which the postmaster restarts the launcher. */
#define RESTART_SECONDS		5

/* Milliseconds after which the launcher checks the databases unasked. */
#define IDLE_INTERVAL		10000

/* Milliseconds until the next check while something is still to be done. */
#define BUSY_INTERVAL		200

/* What the launcher remembers of the scheduler in a slot. */
typedef struct SchedulerHandle
{
	BackgroundWorkerHandle *process;	/* NULL: none */
	TimestampTz not_before;		/* when to start one again at the earliest */
} SchedulerHandle;

/* For the life of the process; the loop has a context for each turn. */
static MemoryContext life;

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

/* At exit: clear our entry so that backends stop setting our latch. */
static void
detach(int code, Datum arg)
{
	LWLockAcquire(evaudit_runtime->lock, LW_EXCLUSIVE);
	evaudit_runtime->launcher = NULL;
	LWLockRelease(evaudit_runtime->lock);
}

/* The databases that can have jobs, in memory that outlives the scan. */
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
 * Take a slot for each of some databases, as long as there are any; returns
 * the databases that found none.
 */
static List *
want_schedulers(List *databases)
{
	LWLockAcquire(evaudit_runtime->lock, LW_EXCLUSIVE);
	while (databases != NIL)
	{
		Oid			database = linitial_oid(databases);
		EvauditDatabaseSlot *slot = evaudit_find_database(database);

		if (slot == NULL)
			slot = evaudit_find_database(InvalidOid);
		if (slot == NULL)
			break;
		slot->database = database;
		databases = list_delete_first(databases);
	}
	LWLockRelease(evaudit_runtime->lock);
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
 * Ask the postmaster for a scheduler; later, if no slot is free, which views
 * show meanwhile.
 */
static void
start_scheduler(EvauditDatabaseSlot *slot, Oid database,
				SchedulerHandle *handle)
{
	BackgroundWorker worker;
	MemoryContext iteration = MemoryContextSwitchTo(life);
	bool		no_worker_slot;
	bool		is_new;

	evaudit_prepare_worker(&worker, "evaudit scheduler",
						   "evaudit_scheduler_main");
	worker.bgw_main_arg = ObjectIdGetDatum(database);
	no_worker_slot = !RegisterDynamicBackgroundWorker(&worker,
													  &handle->process);
	MemoryContextSwitchTo(iteration);

	LWLockAcquire(evaudit_runtime->lock, LW_EXCLUSIVE);
	is_new = no_worker_slot && !slot->no_worker_slot;
	slot->no_worker_slot = no_worker_slot;
	LWLockRelease(evaudit_runtime->lock);

	if (no_worker_slot)
		back_off(handle);
	if (is_new)
		ereport(LOG,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("no background worker slot is free for the scheduler of database %u",
						database),
				 errdetail_log("database=%u", database),
				 errhint("You might need to increase max_worker_processes.")));
}

/*
 * Note that a scheduler has ended; the next start of one that failed is put
 * off.  True if one runs, or is about to.
 */
static bool
is_alive(EvauditDatabaseSlot *slot, SchedulerHandle *handle)
{
	pid_t		pid;
	bool		exited_cleanly;

	if (handle->process == NULL)
		return false;
	if (GetBackgroundWorkerPid(handle->process, &pid) != BGWH_STOPPED)
		return true;
	pfree(handle->process);
	handle->process = NULL;
	LWLockAcquire(evaudit_runtime->lock, LW_EXCLUSIVE);
	exited_cleanly = slot->exited_cleanly;
	slot->exited_cleanly = false;
	LWLockRelease(evaudit_runtime->lock);
	if (!exited_cleanly)
		back_off(handle);
	return false;
}

/*
 * Whether the database of a slot needs a scheduler: not while it is served,
 * or held by a command that needs it empty.
 */
static bool
needs_scheduler(EvauditDatabaseSlot *slot)
{
	bool		needed;

	LWLockAcquire(evaudit_runtime->lock, LW_SHARED);
	needed = OidIsValid(slot->database) && slot->holders == 0 &&
		slot->scheduler == NULL;
	LWLockRelease(evaudit_runtime->lock);
	return needed;
}

/* Free the slots of a database that does not exist any more. */
static void
forget_database(EvauditDatabaseSlot *slot, Oid database)
{
	LWLockAcquire(evaudit_runtime->lock, LW_EXCLUSIVE);
	if (slot->database == database && slot->holders == 0)
		memset(slot, 0, sizeof(EvauditDatabaseSlot));
	for (int kind = 0; kind < evaudit_nkinds; kind++)
	{
		EvauditKindSlots *jobs = &evaudit_runtime->jobs[kind];

		for (int i = 0; i < jobs->n; i++)
		{
			if (jobs->slots[i].database == database)
				evaudit_free_job(kind, &jobs->slots[i]);
		}
	}
	LWLockRelease(evaudit_runtime->lock);
}

/* Start the schedulers that are wanted; true if some are still to come. */
static bool
start_schedulers(SchedulerHandle *handles)
{
	List	   *existing = NIL;
	bool		listed = false;
	bool		busy = false;

	for (int i = 0; i < evaudit_runtime->ndatabases; i++)
	{
		EvauditDatabaseSlot *slot = &evaudit_runtime->databases[i];
		Oid			database = slot->database;

		if (is_alive(slot, &handles[i]) || !needs_scheduler(slot))
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
	return busy;
}

/* Whether somebody asked that the databases are listed anew. */
static bool
take_rescan(void)
{
	bool		rescan;

	LWLockAcquire(evaudit_runtime->lock, LW_EXCLUSIVE);
	rescan = evaudit_runtime->rescan;
	evaudit_runtime->rescan = false;
	LWLockRelease(evaudit_runtime->lock);
	return rescan;
}

/* The launcher's main function. */
void
evaudit_launcher_main(Datum arg)
{
	MemoryContext iteration;
	List	   *databases = NIL;
	SchedulerHandle *handles;

	evaudit_begin_process();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	life = evaudit_process_context();
	iteration = AllocSetContextCreate(life, "evaudit iteration",
									  ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(life);
	handles = palloc0(evaudit_runtime->ndatabases * sizeof(SchedulerHandle));

	LWLockAcquire(evaudit_runtime->lock, LW_EXCLUSIVE);
	evaudit_runtime->launcher = MyProc;
	evaudit_runtime->rescan = true;
	LWLockRelease(evaudit_runtime->lock);
	before_shmem_exit(detach, (Datum) 0);

	for (;;)
	{
		bool		busy;

		MemoryContextSwitchTo(life);
		if (take_rescan())
		{
			list_free(databases);
			databases = list_databases();
		}
		databases = want_schedulers(databases);

		MemoryContextSwitchTo(iteration);
		MemoryContextReset(iteration);
		busy = start_schedulers(handles) || databases != NIL;
		(void) evaudit_wait(busy ? BUSY_INTERVAL : IDLE_INTERVAL);
	}
}
