/*-------------------------------------------------------------------------
 *
 * runtime.c
 *	  The runtime's settings, and what its processes have in common.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "libpq/pqsignal.h"
#include "miscadmin.h"
#include "postmaster/interrupt.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "runtime/runtime.h"
#include "server/restored.h"

int			evaudit_max_backoff = 60000;
int			evaudit_max_workers_per_role = -1;
int			evaudit_reserved_worker_slots = 2;

/* Define the settings; under preload, reserve memory and start the launcher. */
void
evaudit_runtime_init(void)
{
	DefineCustomIntVariable("evaudit.max_backoff",
							"Longest pause between two attempts of a failing source.",
							NULL,
							&evaudit_max_backoff, 60000, 100, 3600000,
							PGC_SIGHUP, GUC_UNIT_MS, NULL, NULL, NULL);
	DefineCustomIntVariable("evaudit.max_workers_per_role",
							"Background workers that the sources of one role may take.",
							"-1 is for half of those that sources may take at all. Superusers are not limited.",
							&evaudit_max_workers_per_role, -1, -1, 262143,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	DefineCustomIntVariable("evaudit.reserved_worker_slots",
							"Slots of max_worker_processes that no source may take.",
							"Besides those of evaudit's own and the logical replication launcher.",
							&evaudit_reserved_worker_slots, 2, 0, 262143,
							PGC_SIGHUP, 0, NULL, NULL, NULL);
	evaudit_job_counts_init();
	if (!process_shared_preload_libraries_in_progress)
		return;
	evaudit_restored_init();
	evaudit_slots_init();
	evaudit_launcher_init();
	evaudit_database_ddl_init();
}

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
	worker->bgw_notify_pid = IsUnderPostmaster ? MyProcPid : 0;
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

/* A context that lives as long as this process, and is not the topmost. */
MemoryContext
evaudit_process_context(void)
{
	return AllocSetContextCreate(TopMemoryContext, "evaudit process",
								 ALLOCSET_DEFAULT_SIZES);
}
