/*-------------------------------------------------------------------------
 *
 * process.c
 *	  What the launcher, the schedulers and the workers have in common.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <signal.h>

#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "postmaster/interrupt.h"
#include "storage/latch.h"
#include "storage/procarray.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/wait_event.h"

#include "runtime/workers.h"

/* How often the configuration was read anew. */
int			evaudit_reloads = 0;

/* Fill in what all of evaudit's processes have in common. */
void
evaudit_prepare_worker(BackgroundWorker *worker, const char *type,
					   const char *function)
{
	memset(worker, 0, sizeof(BackgroundWorker));
	snprintf(worker->bgw_name, BGW_MAXLEN, "%s", type);
	snprintf(worker->bgw_type, BGW_MAXLEN, "%s", type);
	snprintf(worker->bgw_library_name, BGW_MAXLEN, "evaudit");
	snprintf(worker->bgw_function_name, BGW_MAXLEN, "%s", function);
	worker->bgw_flags = BGWORKER_SHMEM_ACCESS |
		BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker->bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker->bgw_restart_time = BGW_NEVER_RESTART;
}

/* The first thing in each process: signals. */
void
evaudit_begin_process(void)
{
	pqsignal(SIGTERM, die);
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	BackgroundWorkerUnblockSignals();
}

/*
 * Settings of the session.  Losing the last commits in a crash is harmless,
 * since rows and offsets are lost together and read again: no commit waits
 * for the disk.  What is meant for users' sessions must not end the process.
 */
void
evaudit_set_up_session(void)
{
	static const char *const settings[][2] = {
		{"synchronous_commit", "off"},
		{"search_path", ""},
		{"statement_timeout", "0"},
		{"idle_in_transaction_session_timeout", "0"},
		{"idle_session_timeout", "0"},
		{"transaction_timeout", "0"},	/* 17 and later */
		{"exit_on_error", "off"},
		{"default_transaction_isolation", "read committed"},
		{"default_transaction_read_only", "off"},
		{"default_transaction_deferrable", "off"},
		{"session_replication_role", "origin"},
	};

	for (int i = 0; i < lengthof(settings); i++)
	{
		if (GetConfigOption(settings[i][0], true, false) != NULL)
			SetConfigOption(settings[i][0], settings[i][1],
							PGC_SUSET, PGC_S_OVERRIDE);
	}
}

/*
 * Wait for the latch, at most some milliseconds; serve interrupts and a
 * reload of the configuration.  True if the latch was set.
 */
bool
evaudit_wait(long timeout)
{
	int			events = WaitLatch(MyLatch,
								   WL_LATCH_SET | WL_TIMEOUT |
								   WL_EXIT_ON_PM_DEATH,
								   timeout, PG_WAIT_EXTENSION);

	if (events & WL_LATCH_SET)
		ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
		evaudit_reloads++;
	}
	return (events & WL_LATCH_SET) != 0;
}

/*
 * Have a process end whose id is in a slot; false if there is none any more.
 * The caller holds the lock.
 */
bool
evaudit_end_process(pid_t pid)
{
	if (pid == 0 || BackendPidGetProc(pid) == NULL)
		return false;
	kill(pid, SIGTERM);
	return true;
}

/* Have all workers in a database end; returns how many there are. */
int
evaudit_end_workers(Oid database)
{
	int			n = 0;

	LWLockAcquire(evaudit_shared->lock, LW_SHARED);
	for (int i = 0; i < evaudit_shared->nsources; i++)
	{
		EvauditSourceSlot *source = &evaudit_shared->sources[i];

		for (int j = 0; source->database == database &&
			 j < EVAUDIT_MAX_WORKERS; j++)
			n += evaudit_end_process(source->pids[j]);
	}
	LWLockRelease(evaudit_shared->lock);
	return n;
}
