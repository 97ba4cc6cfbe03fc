/*-------------------------------------------------------------------------
 *
 * process.c
 *	  The process of a job, whatever its kind.
 *
 * The scheduler names a slot, a number in it and a generation.  The process
 * attaches if that generation is still the one that is wanted: not if the job
 * was dropped or changed meanwhile, the database is needed without sessions,
 * or another scheduler has come, which knows nothing of this process.  Then
 * it runs what the kind of the job says.
 *
 * What the kind reports of its progress and its errors goes into the slot,
 * under the lock.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/pmsignal.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "runtime/runtime.h"
#include "server/compat.h"
#include "server/wait.h"

/* This process, in its slot; NULL: not attached. */
static EvauditProcessSlot *attached = NULL;

/* At exit: clear our entry so that backends stop signalling us. */
static void
detach(int code, Datum arg)
{
	LWLockAcquire(evaudit_runtime->lock, LW_EXCLUSIVE);
	evaudit_job_count_end(DatumGetInt32(arg), attached->started_at);
	attached->proc = NULL;
	attached->retry_at = 0;
	LWLockRelease(evaudit_runtime->lock);
}

/* Attach to the slot that the scheduler took for us, or exit. */
static EvauditJobSlot *
attach(const EvauditProcessArgs *args)
{
	EvauditJobSlot *slot;
	EvauditProcessSlot *process = NULL;
	EvauditDatabaseSlot *database;

	LWLockAcquire(evaudit_runtime->lock, LW_EXCLUSIVE);
	slot = evaudit_find_job(args->kind, args->database, args->id);
	database = evaudit_find_database(args->database);
	if (slot != NULL)
		process = &slot->processes[args->number];
	if (process != NULL && database != NULL && database->holders == 0 &&
		database->scheduler != NULL &&
		process->generation == args->generation)
	{
		attached = process;
		attached->proc = MyProc;
		attached->started_at = GetCurrentTimestamp();
	}
	LWLockRelease(evaudit_runtime->lock);
	if (attached == NULL)
		proc_exit(0);
	before_shmem_exit(detach, Int32GetDatum(args->kind));
	evaudit_job_count_run(args->kind);
	return slot;
}

/* Note the ERROR that ends this process where views show it. */
static void
show_failure(EvauditProcess *process)
{
	ErrorData  *error;

	/* the lock may be held by the code that raised the ERROR */
	LWLockReleaseAll();
	MemoryContextSwitchTo(process->context);
	error = CopyErrorData();
	LWLockAcquire(evaudit_runtime->lock, LW_EXCLUSIVE);
	attached->failed = true;
	(void) evaudit_set_error(process->slot, process->number, error->message);
	LWLockRelease(evaudit_runtime->lock);
}

/* Run the process of a job in a database. */
static void
run_in_database(EvauditProcess *process, const EvauditProcessArgs *args)
{
	BackgroundWorkerInitializeConnectionByOid(args->database, args->owner, 0);
	MemoryContextSwitchTo(process->iteration);
	process->slot = attach(args);

	PG_TRY();
	{
		evaudit_set_up_session();
		process->kind->run(process);
	}
	PG_CATCH();
	{
		show_failure(process);
		PG_RE_THROW();
	}
	PG_END_TRY();

	LWLockAcquire(evaudit_runtime->lock, LW_EXCLUSIVE);
	attached->finished = true;
	LWLockRelease(evaudit_runtime->lock);
}

/* The main function of the process of a job. */
void
evaudit_process_main(Datum arg)
{
	EvauditProcessArgs args;
	EvauditProcess *process;
	MemoryContext context = evaudit_process_context();

	memcpy(&args, MyBgworkerEntry->bgw_extra, sizeof(args));
	process = MemoryContextAllocZero(context, sizeof(EvauditProcess));
	process->kind = evaudit_kinds[args.kind];
	process->id = args.id;
	process->number = args.number;
	process->nprocesses = args.nprocesses;
	process->requested = args.requested;
	process->arg = args.arg;
	process->context = context;
	process->iteration = AllocSetContextCreate(context, "evaudit iteration",
											   ALLOCSET_DEFAULT_SIZES);
	evaudit_begin_process();
	if (!process->kind->on_request)
		run_in_database(process, &args);
	else
	{
		MemoryContextSwitchTo(process->iteration);
		CurrentResourceOwner = ResourceOwnerCreate(NULL, "evaudit process");
		process->kind->run(process);
	}
	proc_exit(0);
}

/*
 * Start a process of a kind that backends ask for; we are told when it ends.
 */
BackgroundWorkerHandle *
evaudit_start_process(const EvauditJobKind *kind, uint32 arg)
{
	EvauditProcessArgs args = {
		.kind = evaudit_kind_number(kind),
		.arg = arg,
	};
	BackgroundWorkerHandle *handle;
	BackgroundWorker worker;

	Assert(kind->on_request);
	evaudit_prepare_worker(&worker, kind->backend_type,
						   "evaudit_process_main");
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS;
	worker.bgw_start_time = BgWorkerStart_ConsistentState;
	memcpy(worker.bgw_extra, &args, sizeof(args));
	if (!RegisterDynamicBackgroundWorker(&worker, &handle))
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("could not start a background worker"),
				 errhint("You may need to increase max_worker_processes.")));
	return handle;
}

/*
 * Begin another turn of a process's loop, outside a transaction: forget the
 * memory of the one before, and serve what a loop that never waits would not
 * notice.
 */
void
evaudit_process_iterate(EvauditProcess *process)
{
	if (!PostmasterIsAlive())
		proc_exit(1);
	evaudit_process_interrupts();
	MemoryContextSwitchTo(process->iteration);
	MemoryContextReset(process->iteration);
}

/* Show that the process works. */
void
evaudit_process_running(EvauditProcess *process)
{
	LWLockAcquire(evaudit_runtime->lock, LW_EXCLUSIVE);
	process->slot->state = EVAUDIT_JOB_RUNNING;
	LWLockRelease(evaudit_runtime->lock);
}

/*
 * Count what was committed, and set the times that are not 0.  From the first
 * call on, a failure of the process is the first in a row.
 */
void
evaudit_process_progressed(EvauditProcess *process, const uint64 *counters,
						   const TimestampTz *times)
{
	LWLockAcquire(evaudit_runtime->lock, LW_EXCLUSIVE);
	for (int i = 0; i < process->kind->ncounters; i++)
		process->slot->counters[i] += counters[i];
	for (int i = 0; i < process->kind->ntimes; i++)
	{
		if (times[i] != 0)
			process->slot->times[i] = times[i];
	}
	/* what the process before failed of is over */
	if (!attached->first_commit_done && !attached->reported)
		evaudit_clear_error(process->slot, process->number);
	attached->first_commit_done = true;
	LWLockRelease(evaudit_runtime->lock);
}

/*
 * Show an error that the process can live with; true if it is another one
 * than the last.
 */
bool
evaudit_process_report_error(EvauditProcess *process, const char *error)
{
	bool		is_new;

	LWLockAcquire(evaudit_runtime->lock, LW_EXCLUSIVE);
	is_new = evaudit_set_error(process->slot, process->number, error);
	attached->reported = true;
	LWLockRelease(evaudit_runtime->lock);
	return is_new;
}

/* Show that what the process reported, or failed of before, is over. */
void
evaudit_process_recovered(EvauditProcess *process)
{
	/* nobody else sets or clears an error of this process while it runs */
	if (process->slot->last_error[0] == '\0')
		return;
	LWLockAcquire(evaudit_runtime->lock, LW_EXCLUSIVE);
	evaudit_clear_error(process->slot, process->number);
	LWLockRelease(evaudit_runtime->lock);
}

/*
 * Show that the process waits until some time before it tries again what
 * failed; 0 if it works.
 */
void
evaudit_process_retry_at(EvauditProcess *process, TimestampTz until)
{
	LWLockAcquire(evaudit_runtime->lock, LW_EXCLUSIVE);
	attached->retry_at = until;
	evaudit_show_retry(process->slot, 0, EVAUDIT_JOB_RUNNING);
	LWLockRelease(evaudit_runtime->lock);
}

/* Show a time. */
void
evaudit_process_set_time(EvauditProcess *process, int which, TimestampTz time)
{
	/* the other processes of the job set the same */
	if (process->slot->times[which] == time)
		return;
	LWLockAcquire(evaudit_runtime->lock, LW_EXCLUSIVE);
	process->slot->times[which] = time;
	LWLockRelease(evaudit_runtime->lock);
}

/* The value of a counter. */
uint64
evaudit_process_counter(EvauditProcess *process, int which)
{
	uint64		value;

	LWLockAcquire(evaudit_runtime->lock, LW_SHARED);
	value = process->slot->counters[which];
	LWLockRelease(evaudit_runtime->lock);
	return value;
}

/* Count up a counter, and wake all processes of the job to look at it. */
void
evaudit_process_announce(EvauditProcess *process, int which)
{
	LWLockAcquire(evaudit_runtime->lock, LW_EXCLUSIVE);
	process->slot->counters[which]++;
	for (int i = 0; i < EVAUDIT_MAX_PROCESSES; i++)
	{
		if (process->slot->processes[i].proc != NULL)
			SetLatch(&process->slot->processes[i].proc->procLatch);
	}
	LWLockRelease(evaudit_runtime->lock);
}

/*
 * Begin a transaction of a job that comes and goes; false, and none, if the
 * extension is gone meanwhile.
 */
bool
evaudit_job_begin(void)
{
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	if (OidIsValid(get_extension_oid("evaudit", true)))
		return true;
	evaudit_job_commit();
	return false;
}

/* Commit it. */
void
evaudit_job_commit(void)
{
	PopActiveSnapshot();
	CommitTransactionCommand();
}

/*
 * Call a function by evaudit_guard() in a transaction of its own, so that it
 * holds no lock while what comes next waits for one.  *error is its ERROR, or
 * NULL.  False if the extension is gone.
 */
bool
evaudit_job_guard(EvauditGuarded function, void *arg, ErrorData **error)
{
	MemoryContext context = CurrentMemoryContext;

	if (!evaudit_job_begin())
		return false;
	MemoryContextSwitchTo(context);
	*error = evaudit_guard(function, arg);
	evaudit_job_commit();
	MemoryContextSwitchTo(context);
	return true;
}
