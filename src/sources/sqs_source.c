/*-------------------------------------------------------------------------
 *
 * sqs_source.c
 *	  SQS as a source of events.
 *
 * A message is deleted once its effect is durable.  Whatever happens before,
 * the queue delivers it again, and a repeat has no further effect: the merge
 * is a join, kept events are unique by their id, and so are dead letters by
 * their message.
 *
 * Each queue of a source has workers of its own, so that none holds up
 * another.  A worker runs one loop: receives, deletes and changes of visibility are
 * calls that are under way together, their responses are handled as they
 * arrive, and a batch is what was received meanwhile.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "server/wait.h"
#include "sources/sqs_source.h"

/* Open the client; the transaction is for the catalogs alone. */
static void
open_client(SqsSource *state)
{
	const char *error;

	StartTransactionCommand();
	MemoryContextSwitchTo(state->context);
	state->http = evaudit_http_open();
	state->aws = evaudit_aws_open(state->http, state->source->server_oid,
								  GetUserId(), EVAUDIT_AWS_SQS);
	if (state->options.buckets != NIL)
		state->s3 = evaudit_aws_open(state->http, state->source->server_oid,
									 GetUserId(), EVAUDIT_AWS_S3);
	CommitTransactionCommand();
	MemoryContextSwitchTo(state->context);
	error = evaudit_aws_queue_error(state->aws, state->queue);
	if (error != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s", error)));
}

/* Prepare a queue of entries. */
static void
init_entries(SqsEntryQueue *queue, SqsOperation operation)
{
	queue->operation = operation;
	dlist_init(&queue->waiting);
}

/* Get ready to receive; no call is made yet. */
static void *
open_source(EvauditSource *source)
{
	SqsSource  *state = palloc0(sizeof(SqsSource));

	state->source = source;
	state->context = CurrentMemoryContext;
	evaudit_sqs_read_options(source->options, &state->options);
	state->queue = list_nth(state->options.queues, source->process->number %
							list_length(state->options.queues));
	state->name = state->queue->name;
	state->fifo = evaudit_aws_is_fifo(state->queue);
	if (state->queue->url != NULL)
		state->url = pstrdup(state->queue->url);
	evaudit_sqs_forget_queue(state);
	state->wanted = 1;
	state->batch_limit = SQS_MAX_BATCH;
	init_entries(&state->deletes, SQS_DELETE);
	init_entries(&state->changes, SQS_SET_VISIBILITY);
	state->held = MemoryContextAllocHuge(state->context,
										 source->max_events * sizeof(SqsHeld));
	open_client(state);
	state->repeat = evaudit_http_repeat_open();
	state->envelope = evaudit_envelope_create(&state->options.envelope,
											  state->http,
											  evaudit_aws_ca_file(state->aws));
	/* see commit_batch() */
	SetConfigOption("synchronous_commit", "on", PGC_SUSET, PGC_S_OVERRIDE);
	evaudit_sqs_register_shutdown(state);
	return state;
}

/*
 * Keep the messages of the batch ours: where half of the visibility timeout
 * that they have at least is over, set it anew.  Returns when to check again.
 */
static TimestampTz
extend_batch(SqsSource *state, TimestampTz now)
{
	int64		half = state->first_visibility * USECS_PER_SEC / 2;

	for (int i = 0; i < state->nheld; i++)
	{
		SqsHeld    *held = &state->held[i];

		if (now < held->expires - half)
			continue;
		evaudit_sqs_add_entry(state, &state->changes, held->handle,
							  state->visibility);
		held->expires = now + state->visibility * USECS_PER_SEC;
	}
	return now + half / 2;
}

/*
 * Whether a batch is done.  Messages of a FIFO queue do not wait for more:
 * until they are deleted, their groups stand still.  The first batch does
 * not either.
 */
static bool
is_done(const SqsSource *state, const EvauditBatch *batch, bool more)
{
	if (evaudit_sqs_must_wait(state, batch))
		return false;
	return evaudit_sqs_batch_done(state, batch) ||
		(batch->nevents > 0 && !more &&
		 (state->fifo || evaudit_sqs_is_cautious(state)));
}

/*
 * Fill a batch.  It is done when it is full; or batch_interval has passed
 * since its first message.  Deletes are sent meanwhile.
 */
static bool
fetch_batch(void *arg, EvauditBatch *batch)
{
	SqsSource  *state = arg;
	TimestampTz deadline = 0;
	TimestampTz extend_at = 0;
	bool		more = true;

	state->nheld = 0;
	for (;;)
	{
		TimestampTz now;
		long		pause;

		evaudit_process_interrupts();
		evaudit_sqs_handle_responses(state, batch);
		now = state->stepped_at;
		if (batch->nevents > 0)
		{
			if (deadline == 0)
				deadline = TimestampTzPlusMilliseconds(now,
													   state->source->batch_interval);
			if (now >= extend_at)
				extend_at = extend_batch(state, now);
		}
		evaudit_sqs_start_due_calls(state);
		if (is_done(state, batch, more) ||
			(deadline != 0 && now >= deadline && !evaudit_sqs_must_wait(state, batch)))
			break;

		pause = evaudit_sqs_pause(state, now);
		if (deadline != 0)
			pause = evaudit_sqs_shorten_pause(pause, now, Min(deadline, extend_at));
		if (batch->nevents > 0 && !evaudit_sqs_must_wait(state, batch) &&
			(state->fifo || evaudit_sqs_is_cautious(state)))
			pause = 0;
		more = evaudit_http_wait(state->http, pause);
		/* what has come came now: it would have ended the wait before */
		state->stepped_at = GetCurrentTimestamp();
	}
	evaudit_http_step(state->http);
	return true;
}

/* The batch's transaction is about to begin: keep its messages ours. */
static void
begin_batch(void *arg, EvauditBatch *batch)
{
	evaudit_sqs_hold(arg);
}

/*
 * The commit must be on disk before the messages are deleted, and with it
 * whatever it relies on: a row that is newer than the event, or a dead
 * letter that is there, may be from a transaction that waited for no disk.
 * So even a batch that writes nothing flushes the log.
 */
static void
commit_batch(void *arg, EvauditBatch *batch)
{
	(void) GetCurrentTransactionId();
	ForceSyncCommit();
}

/* The batch is durable: delete its messages, but for the deferred ones. */
static void
acknowledge_batch(void *arg, EvauditBatch *batch)
{
	SqsSource  *state = arg;

	evaudit_sqs_release(state);
	state->nheld = 0;
	state->first_commit_done = true;
	for (int i = 0; i < batch->nevents; i++)
	{
		const SqsHeld *held = &state->held[i];
		bool		deferred = batch->events[i].deferred;
		SqsEntry   *entry;

		entry = evaudit_sqs_add_entry(state, deferred ? &state->changes :
									  &state->deletes, held->handle,
									  held->hide);
		if (held->object != NULL && !deferred)
			entry->object = MemoryContextStrdup(state->context, held->object);
	}
	evaudit_sqs_start_due_calls(state);
}

/* A queue has no places to seek to. */
static void
check_target(const char *target)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("cannot seek in a queue"),
			 errhint("A message that was deleted from a queue cannot be read again; dead letters can be retried by evaudit.redrive().")));
}

/* Dead letters are taken out of the envelope that the options name. */
static void *
make_receiver(Jsonb *options)
{
	SqsOptions *read = palloc0(sizeof(SqsOptions));

	evaudit_sqs_read_options(options, read);
	return evaudit_envelope_create(&read->envelope, NULL, NULL);
}

/* Receive a message again; one that cannot be checked here stays refused. */
static void
receive_again(void *arg, EvauditEvent *event)
{
	const char *error;

	if (!evaudit_envelope_open(arg, event, &error))
		evaudit_event_reject(event, EVAUDIT_BAD_SIGNATURE, "%s", error);
}

const EvauditSourceKind evaudit_sqs_source = {
	.name = "sqs",
	.wrapper = "evaudit_aws",
	.check = evaudit_sqs_check_options,
	.read_options = evaudit_aws_read_options,
	.check_target = check_target,
	.workers = evaudit_sqs_workers,
	.open = open_source,
	.fetch = fetch_batch,
	.begin = begin_batch,
	.handle_rejected = evaudit_sqs_handle_rejected,
	.commit = commit_batch,
	.ack = acknowledge_batch,
	.has_messages = true,
	.receiver = make_receiver,
	.receive_again = receive_again,
};
