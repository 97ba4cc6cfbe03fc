/*-------------------------------------------------------------------------
 *
 * sink_worker.c
 *	  The process of a sink: sends what the stream holds, until the sink
 *	  changes or something fails.
 *
 *		read		a chunk of the batch between two snapshots
 *		decide		its number, end and hash, in a transaction whose commit is
 *					flushed: all that was visible to it is on disk then, and
 *					on a synchronous standby
 *		send		outside a transaction, again and again while deliveries
 *					are pending
 *		move		past it, in the commit that decides the next chunk
 *
 * While a kind waits for responses to a chunk, the next one of the same batch
 * may be read: what it holds is set by the batch's snapshots.
 *
 * A kind of transactions sends in the transaction that moves the position, and
 * nothing is decided before.
 *
 * The process runs as the owner of the sink.  A failure is an ERROR that ends
 * it; the scheduler starts it again after a pause, and what was decided, but is
 * not known to be sent, is sent again, unless the destination says that it has
 * it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "server/wait.h"
#include "sinks/await.h"
#include "sinks/sink_work.h"

/* Milliseconds without a wake-up after which the stream is read all the same. */
#define IDLE_INTERVAL		1000

/* Milliseconds, or rows, after which a position is kept that nothing moved. */
#define KEEP_INTERVAL		10000
#define KEEP_ROWS			100000

/*
 * Memory that a batch keeps for the next one, so that it need not be had from
 * the system again each time.  What no batch has used takes no space.
 */
#define KEPT_BYTES		(8 * 1024 * 1024)

/* Versions of the position that are deleted together. */
#define TRIM_VERSIONS		100

/* Begin a transaction. */
void
evaudit_sink_begin(void)
{
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
}

/* Commit it. */
void
evaudit_sink_commit(const EvauditSinkWork *work)
{
	PopActiveSnapshot();
	CommitTransactionCommand();
	MemoryContextSwitchTo(work->process->iteration);
}

/* Load the sink and its place, and open it; false if it was dropped. */
static bool
load_sink(EvauditSinkWork *work)
{
	MemoryContext context = work->process->context;
	List	   *options;

	evaudit_sink_begin();
	MemoryContextSwitchTo(context);
	work->sink = evaudit_load_sink(work->process->id, &work->kind);
	if (work->sink == NULL)
	{
		evaudit_sink_commit(work);
		return false;
	}
	work->sink->process = work->process;
	evaudit_position_load(work->sink->id, &work->position);
	options = work->kind->read_options(work->sink->server_oid, GetUserId());
	if (work->kind->transactional)
		work->state = work->kind->open(work->sink, options);
	MemoryContextSwitchTo(context);
	work->shape = evaudit_shape_open(work->sink, work->kind);
	evaudit_deliveries_release(work->sink);
	work->stream = evaudit_stream_open(&work->position, work->sink->topics,
									   evaudit_sink_is_of_audit(work->sink->topics));
	evaudit_sink_commit(work);

	MemoryContextSwitchTo(context);
	for (int i = 0; i < lengthof(work->batches); i++)
	{
		work->batches[i].context =
			AllocSetContextCreate(context, "evaudit sink batch",
								  0, KEPT_BYTES, KEPT_BYTES);
		work->batches[i].work = work;
	}
	work->again.context = AllocSetContextCreate(context,
												"evaudit redelivery",
												ALLOCSET_DEFAULT_SIZES);
	if (!work->kind->transactional)
		work->state = work->kind->open(work->sink, options);
	work->chunk.max_rows = work->ahead.max_rows = work->sink->batch_size;
	MemoryContextSwitchTo(work->process->iteration);
	return true;
}

/* The batch that is read, or sent. */
static EvauditSinkBatch *
current_batch(EvauditSinkWork *work)
{
	return &work->batches[work->current];
}

/* All of the current chunk is done: what follows it is read next. */
static void
pass_chunk(EvauditSinkWork *work)
{
	work->position.chunk_seq = 0;
	work->position.done_seq = work->chunk.end_seq;
	work->moved = true;
	if (work->chunk.last)
		evaudit_stream_end_batch(work->stream);
}

/* Read the rows of a chunk for a batch, within a transaction. */
static void
read_rows(EvauditSinkWork *work, EvauditSinkBatch *batch, EvauditChunk *chunk,
		  int64 after_seq)
{
	MemoryContextReset(batch->context);
	MemoryContextSwitchTo(batch->context);
	chunk->after_seq = after_seq;
	evaudit_stream_read(work->stream, chunk);
}

/*
 * While a batch is sent: do part of what the chunk after it needs, into the
 * other batch, outside of a transaction.  The first call reads its rows, the
 * second one makes them deliveries; further ones do nothing.  Nothing is
 * decided by it.
 */
void
evaudit_sink_read_ahead(EvauditSinkBatch *batch)
{
	EvauditSinkWork *work = batch->work;
	EvauditSinkBatch *other;
	MemoryContext previous = CurrentMemoryContext;

	/* one that ends a batch moves the snapshots, which are to be kept first */
	if (work == NULL || work->chunk.last ||
		work->done_ahead == EVAUDIT_AHEAD_SHAPED)
		return;
	Assert(work->sent == NULL);
	other = &work->batches[1 - work->current];
	evaudit_sink_begin();
	if (work->done_ahead == EVAUDIT_AHEAD_NOTHING)
		read_rows(work, other, &work->ahead, work->chunk.end_seq);
	else
		evaudit_shape_apply(work->shape, work->ahead.rows, work->ahead.n,
							other);
	evaudit_sink_commit(work);
	MemoryContextSwitchTo(previous);
	work->done_ahead++;
}

/* Have the other batch, with its chunk, be the current one. */
static EvauditSinkBatch *
turn_batches(EvauditSinkWork *work)
{
	EvauditChunk chunk = work->chunk;

	work->chunk = work->ahead;
	work->ahead = chunk;
	work->current = 1 - work->current;
	return current_batch(work);
}

/*
 * Read the next chunk that has something to send into the other batch, within
 * a transaction; false if there is none in this batch of the stream.
 */
static bool
read_chunk(EvauditSinkWork *work)
{
	EvauditSinkBatch *batch = turn_batches(work);
	EvauditAhead done = work->done_ahead;

	work->done_ahead = EVAUDIT_AHEAD_NOTHING;
	evaudit_sink_check_rights(GetUserId(), work->sink->topics);
	if (work->position.high == NULL)
		evaudit_stream_begin_batch(work->stream);
	for (;;)
	{
		if (done == EVAUDIT_AHEAD_NOTHING)
			read_rows(work, batch, &work->chunk, work->position.done_seq);
		if (done != EVAUDIT_AHEAD_SHAPED)
			evaudit_shape_apply(work->shape, work->chunk.rows, work->chunk.n,
								batch);
		done = EVAUDIT_AHEAD_NOTHING;
		if (batch->n > 0)
			return true;
		pass_chunk(work);
		if (work->chunk.last)
			return false;
		CHECK_FOR_INTERRUPTS();
	}
}

/* Keep the position, within a transaction that is about to be committed. */
void
evaudit_sink_keep_position(EvauditSinkWork *work)
{
	if (work->sent != NULL)
		evaudit_deliveries_store(work->sink, work->sent);
	evaudit_position_add(work->sink->id, &work->position);
	if (work->position.version - work->oldest > TRIM_VERSIONS)
	{
		evaudit_position_trim(work->sink->id, work->oldest,
							  work->position.version);
		work->oldest = work->position.version;
	}
}

/* The transaction that kept the position is committed. */
void
evaudit_sink_position_kept(EvauditSinkWork *work)
{
	evaudit_stream_moved(work->stream);
	work->sent = NULL;
	work->moved = false;
	work->kept_at = GetCurrentTimestamp();
	work->kept_seq = work->position.high_seq;
	evaudit_await_announce();
}

/*
 * Keep the position on its own.  Nothing waits for it to be on disk: what a
 * crash takes back is known by what is sent again.
 */
static void
keep_position_alone(EvauditSinkWork *work)
{
	evaudit_sink_begin();
	evaudit_sink_keep_position(work);
	evaudit_sink_commit(work);
	evaudit_sink_position_kept(work);
}

/*
 * Decide a batch that was read, and keep the position before it; or anew, what
 * is left of it after some was refused.  The commit is flushed: so is all that
 * the batch was read from.
 */
void
evaudit_sink_decide(EvauditSinkWork *work, EvauditSinkBatch *batch,
					int64 end_seq, bool anew)
{
	EvauditPosition *position = &work->position;

	if (!anew && work->kind->renew != NULL)
		work->kind->renew(work->state, batch, position->number);
	evaudit_sink_begin();
	if (synchronous_commit < SYNCHRONOUS_COMMIT_REMOTE_FLUSH)
		(void) set_config_option("synchronous_commit", "on", PGC_USERSET,
								 PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0,
								 false);
	MemoryContextSwitchTo(batch->context);
	position->chunk_seq = end_seq;
	position->number += anew ? 0 : 1;
	if (end_seq == EVAUDIT_REDELIVERY)
		evaudit_deliveries_mark(work->sink, batch, position->number);
	else if (anew)
		evaudit_deliveries_store(work->sink, batch);
	else
		evaudit_deliveries_decide(work->sink, batch);
	evaudit_sink_set_hash(batch, position->hash);
	evaudit_sink_keep_position(work);
	evaudit_sink_commit(work);
	evaudit_sink_position_kept(work);
	batch->number = position->number;
	batch->hash = position->hash;
}

/* Whether a batch has what no row is there for yet. */
static bool
has_unstored(const EvauditSinkBatch *batch)
{
	for (int i = 0; i < batch->n; i++)
		if (!batch->deliveries[i].stored &&
			(batch->deliveries[i].outcome == EVAUDIT_OUTCOME_REFUSED ||
			 batch->deliveries[i].outcome == EVAUDIT_OUTCOME_HELD))
			return true;
	return false;
}

/* Send a batch that was decided, until nothing of it is pending. */
static void
send_batch(EvauditSinkWork *work)
{
	EvauditSinkBatch *batch = current_batch(work);

	evaudit_sink_send(work, batch, work->chunk.end_seq);
	evaudit_sink_show_progress(work, batch);
	pass_chunk(work);
	work->sent = batch;
	/* what stays behind is to be known before the next chunk is decided */
	if (has_unstored(batch))
		keep_position_alone(work);
}

/* Read, send and move in one transaction; false if there was nothing to send. */
static bool
send_in_transaction(EvauditSinkWork *work)
{
	EvauditSinkBatch *batch;
	bool		found;

	evaudit_sink_begin();
	found = read_chunk(work);
	if (!found)
	{
		evaudit_sink_commit(work);
		return false;
	}
	batch = current_batch(work);
	evaudit_sink_report(work, STATE_RUNNING, "sending", batch->n);
	evaudit_deliveries_decide(work->sink, batch);
	batch->number = ++work->position.number;
	evaudit_sink_set_hash(batch, work->position.hash);
	batch->hash = work->position.hash;
	evaudit_sink_send_once(work, batch);
	pass_chunk(work);
	work->sent = batch;
	evaudit_sink_keep_position(work);
	evaudit_sink_commit(work);
	evaudit_sink_position_kept(work);
	evaudit_sink_show_progress(work, batch);
	return true;
}

/* Send the next chunk; false if there is none in this batch of the stream. */
static bool
send_next(EvauditSinkWork *work)
{
	bool		found;

	if (work->kind->transactional)
		return send_in_transaction(work);
	evaudit_sink_begin();
	found = read_chunk(work);
	evaudit_sink_commit(work);
	if (found)
	{
		evaudit_sink_decide(work, current_batch(work), work->chunk.end_seq,
							false);
		send_batch(work);
	}
	return found;
}

/*
 * Take up what the process before decided: it is passed if the destination has
 * it.  If not, or if nobody knows, it is read, decided and sent anew.
 */
static void
recover(EvauditSinkWork *work)
{
	EvauditPosition *position = &work->position;
	bool		sent;

	if (position->chunk_seq == 0)
		return;
	sent = work->kind->recover != NULL &&
		work->kind->recover(work->state, position->number, position->hash);
	if (position->chunk_seq == EVAUDIT_REDELIVERY)
		evaudit_sink_recover_redelivery(work, sent);
	else if (sent)
	{
		position->done_seq = position->chunk_seq;
		work->moved = true;
	}
	else
		position->number--;
	position->chunk_seq = 0;
	MemoryContextSwitchTo(work->process->iteration);
}

/* Whether it is time to keep a position that moved past what is not wanted. */
static bool
is_time_to_keep(const EvauditSinkWork *work)
{
	return work->moved &&
		(work->sent != NULL ||
		 work->position.high_seq - work->kept_seq > KEEP_ROWS ||
		 TimestampDifferenceExceeds(work->kept_at, GetCurrentTimestamp(),
									KEEP_INTERVAL));
}

/* Wait until something may have been committed, and a while for more of it. */
static void
wait_for_events(EvauditSinkWork *work, TimestampTz began, TimestampTz next)
{
	TimestampTz until = TimestampTzPlusMilliseconds(began,
													work->sink->batch_interval);
	TimestampTz now;

	evaudit_sink_report(work, STATE_IDLE, "waiting for events", 0);
	if (work->kind->idle != NULL)
		work->kind->idle(work->state);
	(void) evaudit_wait(IDLE_INTERVAL);
	while ((now = GetCurrentTimestamp()) < until)
		(void) evaudit_wait(TimestampDifferenceMilliseconds(now, until) + 1);
}

/* Send for ever: what the process of a sink does. */
void
evaudit_sink_run(EvauditProcess *process)
{
	EvauditSinkWork work = {.process = process};

	if (!load_sink(&work))
		return;
	recover(&work);
	work.kept_at = GetCurrentTimestamp();
	evaudit_process_running(process);
	ereport(LOG,
			(errmsg("sink \"%s\" has started", work.sink->name),
			 errdetail_log("sink=\"%s\"", work.sink->name)));

	for (;;)
	{
		TimestampTz began = GetCurrentTimestamp();
		TimestampTz next;
		bool		more;

		evaudit_process_iterate(process);
		more = evaudit_sink_redeliver(&work, &next);
		if (send_next(&work) || more)
			continue;
		if (is_time_to_keep(&work))
			keep_position_alone(&work);
		pgstat_report_stat(false);
		wait_for_events(&work, began, next);
	}
}
