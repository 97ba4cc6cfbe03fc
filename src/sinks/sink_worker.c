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
#include "common/hashfn.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "server/wait.h"
#include "sinks/deliveries.h"
#include "sinks/format.h"
#include "sinks/sink.h"
#include "sinks/stream.h"

/* Milliseconds without a wake-up after which the stream is read all the same. */
#define IDLE_INTERVAL		1000

/* Milliseconds, or rows, after which a position is kept that nothing moved. */
#define KEEP_INTERVAL		10000
#define KEEP_ROWS			100000

/* Versions of the position that are deleted together. */
#define TRIM_VERSIONS		100

/* What a process works on, for its whole life. */
typedef struct Work
{
	EvauditProcess *process;
	EvauditSink *sink;
	const EvauditSinkKind *kind;
	void	   *state;			/* the kind's own */
	EvauditPosition position;	/* as it is to be kept */
	EvauditStream *stream;
	EvauditSinkBatch batches[2];	/* the current one, and the one before */
	int			current;
	EvauditSinkBatch *sent;		/* is to be completed, or NULL */
	EvauditChunk chunk;			/* of the current batch */
	bool		moved;			/* the position is not kept yet */
	TimestampTz kept_at;
	int64		kept_seq;
	int64		oldest;			/* version of the position that may be there */
	int			failures;		/* attempts to send in a row without effect */
} Work;

/* Begin a transaction. */
static void
begin_transaction(void)
{
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
}

/* Commit it. */
static void
end_transaction(const Work *work)
{
	PopActiveSnapshot();
	CommitTransactionCommand();
	MemoryContextSwitchTo(work->process->iteration);
}

/* Say in pg_stat_activity what the process does. */
static void
report(const Work *work, BackendState state, const char *what, int n)
{
	char		str[128];

	if (n > 0)
		snprintf(str, sizeof(str), "sink \"%s\": %s %d events",
				 work->sink->name, what, n);
	else
		snprintf(str, sizeof(str), "sink \"%s\": %s", work->sink->name, what);
	pgstat_report_activity(state, str);
}

/* Load the sink and its place, and open it; false if it was dropped. */
static bool
load_sink(Work *work)
{
	MemoryContext context = work->process->context;
	List	   *options;

	begin_transaction();
	MemoryContextSwitchTo(context);
	work->sink = evaudit_load_sink(work->process->id, &work->kind);
	if (work->sink == NULL)
	{
		end_transaction(work);
		return false;
	}
	work->sink->process = work->process;
	evaudit_position_load(work->sink->id, &work->position);
	options = work->kind->read_options(work->sink->server_oid, GetUserId());
	if (work->kind->transactional)
		work->state = work->kind->open(work->sink, options);
	MemoryContextSwitchTo(context);
	work->stream = evaudit_stream_open(&work->position, work->sink->topics);
	end_transaction(work);

	MemoryContextSwitchTo(context);
	for (int i = 0; i < lengthof(work->batches); i++)
		work->batches[i].context =
			AllocSetContextCreate(context, "evaudit sink batch",
								  ALLOCSET_DEFAULT_SIZES);
	if (!work->kind->transactional)
		work->state = work->kind->open(work->sink, options);
	work->chunk.max_rows = work->sink->batch_size;
	MemoryContextSwitchTo(work->process->iteration);
	return true;
}

/* The batch that is read, or sent. */
static EvauditSinkBatch *
current_batch(Work *work)
{
	return &work->batches[work->current];
}

/* All of the current chunk is done: what follows it is read next. */
static void
pass_chunk(Work *work)
{
	work->position.chunk_seq = 0;
	work->position.done_seq = work->chunk.end_seq;
	work->moved = true;
	if (work->chunk.last)
		evaudit_stream_end_batch(work->stream);
}

/*
 * Read the next chunk that has something to send into the other batch, within
 * a transaction; false if there is none in this batch of the stream.
 */
static bool
read_chunk(Work *work)
{
	EvauditSinkBatch *batch;

	work->current = 1 - work->current;
	batch = current_batch(work);
	evaudit_sink_check_rights(GetUserId());
	if (work->position.high == NULL)
		evaudit_stream_begin_batch(work->stream);
	for (;;)
	{
		MemoryContextReset(batch->context);
		MemoryContextSwitchTo(batch->context);
		evaudit_stream_read(work->stream, &work->chunk);
		if (work->chunk.n > 0)
			break;
		pass_chunk(work);
		if (work->chunk.last)
			return false;
		CHECK_FOR_INTERRUPTS();
	}
	batch->bytes = 0;
	batch->error = NULL;
	batch->retry_after = 0;
	evaudit_format(work->sink, &work->chunk, batch);
	return true;
}

/* Set the digest of what a chunk holds. */
static void
set_hash(const EvauditSinkBatch *batch, char *hash)
{
	uint64		digest[2] = {0, 1};

	for (int i = 0; i < batch->n; i++)
	{
		const EvauditDelivery *delivery = &batch->deliveries[i];

		for (int j = 0; j < lengthof(digest); j++)
		{
			digest[j] = hash_bytes_extended((const unsigned char *) &delivery->seq,
											sizeof(delivery->seq), digest[j]);
			digest[j] = hash_bytes_extended((const unsigned char *) delivery->event_id,
											(int) strlen(delivery->event_id),
											digest[j]);
		}
	}
	snprintf(hash, EVAUDIT_HASH_BYTES, "%016" INT64_MODIFIER "x%016" INT64_MODIFIER "x",
			 digest[0], digest[1]);
}

/* Keep the position, within a transaction that is about to be committed. */
static void
keep_position(Work *work)
{
	if (work->sent != NULL)
		evaudit_deliveries_complete(work->sink, work->sent);
	evaudit_position_add(work->sink->id, &work->position);
	if (work->position.version - work->oldest > TRIM_VERSIONS)
	{
		evaudit_position_trim(work->sink->id, work->oldest,
							  work->position.version);
		work->oldest = work->position.version;
	}
}

/* The transaction that kept the position is committed. */
static void
position_kept(Work *work)
{
	evaudit_stream_moved(work->stream);
	work->sent = NULL;
	work->moved = false;
	work->kept_at = GetCurrentTimestamp();
	work->kept_seq = work->position.high_seq;
}

/*
 * Keep the position on its own.  Nothing waits for it to be on disk: what a
 * crash takes back is known by what is sent again.
 */
static void
keep_position_alone(Work *work)
{
	begin_transaction();
	keep_position(work);
	end_transaction(work);
	position_kept(work);
}

/*
 * Decide the chunk that was read, and keep the position before it.  The commit
 * is flushed: so is all that the chunk was read from.
 */
static void
decide(Work *work)
{
	EvauditSinkBatch *batch = current_batch(work);
	EvauditPosition *position = &work->position;

	begin_transaction();
	if (synchronous_commit < SYNCHRONOUS_COMMIT_REMOTE_FLUSH)
		(void) set_config_option("synchronous_commit", "on", PGC_USERSET,
								 PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0,
								 false);
	MemoryContextSwitchTo(batch->context);
	evaudit_deliveries_decide(work->sink, batch);
	position->number++;
	position->chunk_seq = work->chunk.end_seq;
	set_hash(batch, position->hash);
	keep_position(work);
	end_transaction(work);
	position_kept(work);
	batch->number = position->number;
	batch->hash = position->hash;
}

/* How many deliveries of a batch have an outcome. */
static int
count(const EvauditSinkBatch *batch, EvauditOutcome outcome)
{
	int			n = 0;

	for (int i = 0; i < batch->n; i++)
		n += batch->deliveries[i].outcome == outcome;
	return n;
}

/* Wait before what is pending is sent again. */
static void
pause_sending(Work *work, const EvauditSinkBatch *batch)
{
	const char *error = batch->error != NULL ? batch->error :
		"deliveries are pending";
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz until;

	if (batch->stop)
		evaudit_sink_stop(work->sink, error);
	until = TimestampTzPlusMilliseconds(now,
										Max(evaudit_backoff(work->failures++),
											batch->retry_after));
	if (evaudit_process_report_error(work->process, error))
		ereport(LOG,
				(errmsg("sink \"%s\": %s", work->sink->name, error)));
	evaudit_process_retry_at(work->process, until);
	report(work, STATE_IDLE, "waiting to try again", 0);
	while (now < until)
	{
		(void) evaudit_wait(TimestampDifferenceMilliseconds(now, until) + 1);
		now = GetCurrentTimestamp();
	}
	evaudit_process_retry_at(work->process, 0);
}

/* Show what was sent. */
static void
show_progress(Work *work, const EvauditSinkBatch *batch)
{
	uint64		counters[EVAUDIT_SINK_COUNTERS] = {
		[EVAUDIT_SINK_DELIVERED] = count(batch, EVAUDIT_OUTCOME_DELIVERED),
		[EVAUDIT_SINK_BATCHES] = 1,
	};
	TimestampTz times[EVAUDIT_SINK_TIMES] = {
		[EVAUDIT_SINK_LAST_DELIVERED] = GetCurrentTimestamp(),
	};

	evaudit_process_progressed(work->process, counters, times);
}

/* Send a batch that was decided, until nothing of it is pending. */
static void
send_batch(Work *work)
{
	EvauditSinkBatch *batch = current_batch(work);
	int			pending = count(batch, EVAUDIT_OUTCOME_PENDING);

	while (pending > 0)
	{
		int			before = pending;

		report(work, STATE_RUNNING, "sending", pending);
		batch->error = NULL;
		batch->retry_after = 0;
		work->kind->send(work->state, batch);
		MemoryContextSwitchTo(work->process->iteration);
		pending = count(batch, EVAUDIT_OUTCOME_PENDING);
		if (pending < before)
			work->failures = 0;
		if (pending > 0)
			pause_sending(work, batch);
	}
	evaudit_deliveries_sent(work->sink, batch);
	show_progress(work, batch);
	pass_chunk(work);
	work->sent = batch;
	/* what is parked is to be known before the next chunk is read */
	if (count(batch, EVAUDIT_OUTCOME_REFUSED) > 0)
		keep_position_alone(work);
}

/* Read, send and move in one transaction; false if there was nothing to send. */
static bool
send_in_transaction(Work *work)
{
	EvauditSinkBatch *batch;
	bool		found;

	begin_transaction();
	found = read_chunk(work);
	if (!found)
	{
		end_transaction(work);
		return false;
	}
	batch = current_batch(work);
	report(work, STATE_RUNNING, "sending", batch->n);
	evaudit_deliveries_decide(work->sink, batch);
	batch->number = ++work->position.number;
	set_hash(batch, work->position.hash);
	batch->hash = work->position.hash;
	work->kind->send(work->state, batch);
	evaudit_deliveries_sent(work->sink, batch);
	pass_chunk(work);
	work->sent = batch;
	keep_position(work);
	end_transaction(work);
	position_kept(work);
	show_progress(work, batch);
	return true;
}

/* Send the next chunk; false if there is none in this batch of the stream. */
static bool
send_next(Work *work)
{
	bool		found;

	if (work->kind->transactional)
		return send_in_transaction(work);
	begin_transaction();
	found = read_chunk(work);
	end_transaction(work);
	if (found)
	{
		decide(work);
		send_batch(work);
	}
	return found;
}

/*
 * Take up what the process before decided: it is passed if the destination has
 * it.  If not, or if nobody knows, it is read, decided and sent anew.
 */
static void
recover(Work *work)
{
	EvauditPosition *position = &work->position;

	if (position->chunk_seq == 0)
		return;
	if (work->kind->recover != NULL &&
		work->kind->recover(work->state, position->number, position->hash))
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
is_time_to_keep(const Work *work)
{
	return work->moved &&
		(work->sent != NULL ||
		 work->position.high_seq - work->kept_seq > KEEP_ROWS ||
		 TimestampDifferenceExceeds(work->kept_at, GetCurrentTimestamp(),
									KEEP_INTERVAL));
}

/* Wait until something may have been committed, and a while for more of it. */
static void
wait_for_events(Work *work, TimestampTz began)
{
	TimestampTz until = TimestampTzPlusMilliseconds(began,
													work->sink->batch_interval);
	TimestampTz now;

	report(work, STATE_IDLE, "waiting for events", 0);
	(void) evaudit_wait(IDLE_INTERVAL);
	while ((now = GetCurrentTimestamp()) < until)
		(void) evaudit_wait(TimestampDifferenceMilliseconds(now, until) + 1);
}

/* Send for ever: what the process of a sink does. */
void
evaudit_sink_run(EvauditProcess *process)
{
	Work		work = {.process = process};

	if (!load_sink(&work))
		return;
	recover(&work);
	work.kept_at = GetCurrentTimestamp();
	evaudit_process_running(process);
	ereport(LOG,
			(errmsg("sink \"%s\" has started", work.sink->name)));

	for (;;)
	{
		TimestampTz began = GetCurrentTimestamp();

		evaudit_process_iterate(process);
		if (send_next(&work))
			continue;
		if (is_time_to_keep(&work))
			keep_position_alone(&work);
		pgstat_report_stat(false);
		wait_for_events(&work, began);
	}
}
