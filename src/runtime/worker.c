/*-------------------------------------------------------------------------
 *
 * worker.c
 *	  A worker: reads one source, or its share of it, until the source
 *	  changes or something fails.
 *
 *		fetch		outside a transaction, as long as it takes
 *		ingest		 \
 *		rejected	  \
 *		dead letters  > one transaction
 *		commit		 /
 *		ack			after it
 *
 * The worker runs as the owner of the source, as a subscription's does: the
 * owner's grants decide what its events may write.  A failure is an ERROR,
 * noted in the source's slot, that ends the process; the scheduler starts it
 * again after a pause.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/ipc.h"
#include "storage/pmsignal.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "events/dead_letter.h"
#include "events/ingest.h"
#include "runtime/workers.h"
#include "sources/source.h"

/* What a worker works on, for its whole life. */
typedef struct Work
{
	EvauditWorkerOrder order;
	EvauditSource *source;
	const EvauditSourceKind *kind;
	EvauditBatch *batch;
	void	   *state;			/* the kind's own */
} Work;

static Work work;

/* At exit: this worker reads no more. */
static void
leave_slot(int code, Datum arg)
{
	EvauditSourceSlot *slot;

	LWLockAcquire(evaudit_shared->lock, LW_EXCLUSIVE);
	slot = evaudit_find_source(work.order.database, work.order.source_id);
	if (slot != NULL && slot->pids[work.order.worker] == MyProcPid)
	{
		slot->pids[work.order.worker] = 0;
		slot->retry_at[work.order.worker] = 0;
	}
	LWLockRelease(evaudit_shared->lock);
}

/*
 * Enter the slot that the scheduler took for the source; end the process if
 * the source was dropped meanwhile, the database is to be left, or the
 * scheduler is gone: the next one would know nothing of this worker.
 */
static EvauditSourceSlot *
enter_slot(void)
{
	EvauditSourceSlot *slot;
	EvauditDatabase *database;

	LWLockAcquire(evaudit_shared->lock, LW_EXCLUSIVE);
	slot = evaudit_find_source(work.order.database, work.order.source_id);
	database = evaudit_find_database(work.order.database);
	if (database == NULL || database->held_by != 0 ||
		database->scheduler != work.order.scheduler)
		slot = NULL;
	if (slot != NULL)
		slot->pids[work.order.worker] = MyProcPid;
	LWLockRelease(evaudit_shared->lock);
	if (slot == NULL)
		proc_exit(0);
	before_shmem_exit(leave_slot, (Datum) 0);
	return slot;
}

/* Load the source. */
static void
load_definition(EvauditSourceSlot *slot)
{
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	MemoryContextSwitchTo(TopMemoryContext);
	work.source = evaudit_load_source(work.order.source_id, &work.kind);
	if (work.source == NULL)
		proc_exit(0);			/* dropped meanwhile */
	/* each batch loads it anew: now only to fail early */
	(void) evaudit_topic_load(work.source->topic, false);
	PopActiveSnapshot();
	CommitTransactionCommand();
	MemoryContextSwitchTo(TopMemoryContext);

	work.source->slot = slot;
	work.source->worker = work.order.worker;
	work.source->nworkers = work.order.nworkers;
}

/* Say in pg_stat_activity what the worker does. */
static void
report(BackendState state, const char *what, int nevents)
{
	char		str[128];

	if (nevents > 0)
		snprintf(str, sizeof(str), "source \"%s\": %s %d events",
				 work.source->name, what, nevents);
	else
		snprintf(str, sizeof(str), "source \"%s\": %s",
				 work.source->name, what);
	pgstat_report_activity(state, str);
}

/* Count a batch that was committed. */
static void
count_batch(uint64 merged, uint64 dead_lettered, TimestampTz received)
{
	EvauditSourceSlot *slot = work.source->slot;

	LWLockAcquire(evaudit_shared->lock, LW_EXCLUSIVE);
	slot->received += work.batch->nevents;
	slot->merged += merged;
	slot->dead_lettered += dead_lettered;
	slot->batches++;
	slot->last_received_at = received;
	slot->last_committed_at = GetCurrentTimestamp();
	slot->progressed[work.order.worker] = true;
	LWLockRelease(evaudit_shared->lock);
}

/*
 * Begin a transaction and give the batch's events their effect.  The kind
 * may want that again, without events that it leaves where they came from.
 */
static void
ingest_batch(EvauditIngested *result)
{
	EvauditBatch *batch = work.batch;

	for (;;)
	{
		memset(result, 0, sizeof(EvauditIngested));
		StartTransactionCommand();
		PushActiveSnapshot(GetTransactionSnapshot());
		MemoryContextSwitchTo(batch->context);
		if (batch->nevents > 0)
		{
			evaudit_constraints_immediate();
			evaudit_ingest(evaudit_topic_load(work.source->topic, false),
						   batch->events, batch->nevents, result);
		}
		if (result->rejected == 0 || work.kind->handle_rejected == NULL ||
			work.kind->handle_rejected(work.state, batch))
			return;
		AbortCurrentTransaction();
	}
}

/* Give the batch its effect, in one transaction. */
static void
commit_batch(void)
{
	EvauditBatch *batch = work.batch;
	EvauditIngested result;
	uint64		dead_lettered = 0;
	TimestampTz received = GetCurrentTimestamp();

	ingest_batch(&result);
	if (result.rejected > 0)
		dead_lettered = evaudit_dead_letters_add(work.source->owner,
												 work.source->name,
												 work.source->topic,
												 batch->events,
												 batch->nevents);
	work.kind->commit(work.state, batch);
	PopActiveSnapshot();
	CommitTransactionCommand();

	MemoryContextSwitchTo(TopMemoryContext);
	if (work.kind->ack != NULL)
		work.kind->ack(work.state, batch);
	if (batch->nevents > 0)
		count_batch(result.merged, dead_lettered, received);
	pgstat_report_stat(false);
}

/* Note that the worker reads. */
static void
show_running(void)
{
	LWLockAcquire(evaudit_shared->lock, LW_EXCLUSIVE);
	work.source->slot->state = EVAUDIT_SOURCE_RUNNING;
	LWLockRelease(evaudit_shared->lock);
}

/* Read the source for ever. */
static void
run(void)
{
	load_definition(enter_slot());
	report(STATE_RUNNING, "connecting", 0);
	work.batch = evaudit_batch_create(work.source);
	work.state = work.kind->open(work.source);
	show_running();
	ereport(LOG,
			(errmsg("source \"%s\" is read, by worker %d of %d",
					work.source->name, work.order.worker + 1,
					work.order.nworkers)));

	for (;;)
	{
		/* with a backlog there is no wait that would notice */
		if (!PostmasterIsAlive())
			proc_exit(1);
		report(STATE_IDLE, "waiting for events", 0);
		evaudit_batch_reset(work.batch);
		if (!work.kind->fetch(work.state, work.batch))
			continue;
		report(STATE_RUNNING, "merging", work.batch->nevents);
		commit_batch();
	}
}

/* Note the error that ends this worker where stat_sources shows it. */
static void
show_failure(void)
{
	EvauditSourceSlot *slot;
	ErrorData  *error;

	LWLockReleaseAll();
	MemoryContextSwitchTo(TopMemoryContext);
	error = CopyErrorData();
	LWLockAcquire(evaudit_shared->lock, LW_EXCLUSIVE);
	slot = evaudit_find_source(work.order.database, work.order.source_id);
	if (slot != NULL)
	{
		slot->failed[work.order.worker] = true;
		evaudit_copy_error(slot->last_error, error->message);
		slot->last_error_at = GetCurrentTimestamp();
	}
	LWLockRelease(evaudit_shared->lock);
}

/* A worker's main function. */
void
evaudit_worker_main(Datum arg)
{
	memcpy(&work.order, MyBgworkerEntry->bgw_extra, sizeof(work.order));
	evaudit_begin_process();
	BackgroundWorkerInitializeConnectionByOid(work.order.database,
											  work.order.owner, 0);
	MemoryContextSwitchTo(TopMemoryContext);

	PG_TRY();
	{
		evaudit_set_up_session();
		run();
	}
	PG_CATCH();
	{
		show_failure();
		PG_RE_THROW();
	}
	PG_END_TRY();
}
