/*-------------------------------------------------------------------------
 *
 * source_worker.c
 *	  A worker: reads one source, or its share of it, until the source
 *	  changes or something fails.
 *
 *		fetch		outside a transaction, as long as it takes
 *		ingest		 \
 *		handle_rejected \
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
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "events/dead_letter.h"
#include "events/ingest.h"
#include "formats/format.h"
#include "sources/source.h"

/* What a worker works on, for its whole life. */
typedef struct Work
{
	EvauditProcess *process;
	EvauditSource *source;
	const EvauditSourceKind *kind;
	EvauditBatch *batch;
	void	   *state;			/* the kind's own */
} Work;

/* Load the source; false if it was dropped meanwhile. */
static bool
load_definition(Work *work)
{
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	MemoryContextSwitchTo(work->process->context);
	work->source = evaudit_load_source(work->process->id, &work->kind);
	if (work->source != NULL)
	{
		/* each batch loads it anew: now only to fail early */
		(void) evaudit_topic_load(work->source->topic, false);
		work->source->process = work->process;
	}
	PopActiveSnapshot();
	CommitTransactionCommand();
	MemoryContextSwitchTo(work->process->context);
	return work->source != NULL;
}

/* Say in pg_stat_activity what the worker does. */
static void
report(const Work *work, BackendState state, const char *what, int nevents)
{
	char		events[32] = "";
	char		progress[128] = "";
	char		str[384];

	if (nevents > 0)
		snprintf(events, sizeof(events), " %d events", nevents);
	if (work->state != NULL && work->kind->show_progress != NULL)
		work->kind->show_progress(work->state, progress, sizeof(progress));
	snprintf(str, sizeof(str), "source \"%s\": %s%s%s",
			 work->source->name, what, events, progress);
	pgstat_report_activity(state, str);
}

/* Count a batch that was committed. */
static void
count_batch(const Work *work, uint64 merged, const uint64 *dead_lettered,
			TimestampTz received)
{
	uint64		counters[EVAUDIT_SOURCE_COUNTERS] = {
		[EVAUDIT_SOURCE_RECEIVED] = work->batch->nevents,
		[EVAUDIT_SOURCE_MERGED] = merged,
		[EVAUDIT_SOURCE_BATCHES] = 1,
	};
	TimestampTz times[EVAUDIT_SOURCE_TIMES] = {
		[EVAUDIT_SOURCE_LAST_RECEIVED] = received,
		[EVAUDIT_SOURCE_LAST_COMMITTED] = GetCurrentTimestamp(),
	};

	memcpy(&counters[EVAUDIT_SOURCE_DEAD_LETTERED], dead_lettered,
		   sizeof(uint64) * EVAUDIT_NREASONS);
	evaudit_process_progressed(work->process, counters, times);
}

/*
 * Begin a transaction and ingest the batch's events.  If they have schemas
 * that are not known, these are fetched first, outside of a transaction.  The
 * kind may defer some that were rejected, which stay where they came from, and
 * want the others ingested again.
 */
static void
ingest_batch(const Work *work, EvauditIngested *result)
{
	EvauditBatch *batch = work->batch;

	for (;;)
	{
		memset(result, 0, sizeof(EvauditIngested));
		StartTransactionCommand();
		PushActiveSnapshot(GetTransactionSnapshot());
		MemoryContextSwitchTo(batch->context);
		if (batch->nevents > 0)
		{
			evaudit_constraints_immediate();
			evaudit_ingest(evaudit_topic_load(work->source->topic, false),
						   batch->events, batch->nevents, result);
		}
		if (!result->schemas_missing &&
			(result->rejected == 0 || work->kind->handle_rejected == NULL ||
			 work->kind->handle_rejected(work->state, batch)))
			return;
		AbortCurrentTransaction();
		if (result->schemas_missing)
		{
			MemoryContextSwitchTo(work->process->iteration);
			report(work, STATE_RUNNING, "fetching schemas", 0);
			evaudit_schemas_fetch();
		}
	}
}

/* Commit what the batch does, its offsets and dead letters, together. */
static void
commit_batch(const Work *work)
{
	EvauditBatch *batch = work->batch;
	EvauditSource *source = work->source;
	EvauditIngested result;
	uint64		dead_lettered[EVAUDIT_NREASONS] = {0};
	TimestampTz received = GetCurrentTimestamp();

	if (work->kind->begin != NULL)
		work->kind->begin(work->state, batch);
	ingest_batch(work, &result);
	if (result.rejected > 0)
		evaudit_dead_letters_add(source->owner, source->owner_oid,
								 source->name, source->topic, batch->events,
								 batch->nevents, dead_lettered);
	work->kind->commit(work->state, batch);
	PopActiveSnapshot();
	CommitTransactionCommand();

	MemoryContextSwitchTo(work->process->iteration);
	if (work->kind->ack != NULL)
		work->kind->ack(work->state, batch);
	if (batch->nevents > 0)
		count_batch(work, result.merged, dead_lettered, received);
	pgstat_report_stat(false);
}

/* Read a source for ever: what the process of a source does. */
void
evaudit_source_run(EvauditProcess *process)
{
	Work		work = {.process = process};

	if (!load_definition(&work))
		return;
	report(&work, STATE_RUNNING, "connecting", 0);
	evaudit_schemas_collect(EVAUDIT_SCHEMAS_FETCHED);
	work.batch = evaudit_batch_create(work.source);
	work.state = work.kind->open(work.source);
	evaudit_process_running(process);
	ereport(LOG,
			(errmsg("worker of source \"%s\" has started, %d of %d",
					work.source->name, process->number + 1,
					process->nprocesses),
			 errdetail_log("source=\"%s\"", work.source->name)));

	for (;;)
	{
		evaudit_process_iterate(process);
		report(&work, STATE_IDLE, "waiting for events", 0);
		evaudit_batch_reset(work.batch);
		if (!work.kind->fetch(work.state, work.batch))
			continue;
		report(&work, STATE_RUNNING, "merging", work.batch->nevents);
		commit_batch(&work);
	}
}
