/*-------------------------------------------------------------------------
 *
 * sqs_dispatch.c
 *	  All calls of a queue together: starting those that are due, handling
 *	  the responses, and how long to wait for either.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "sources/sqs_source.h"

/* Show when the credentials expire, where that changed. */
static void
show_expiry(SqsSource *state)
{
	evaudit_process_set_time(state->source->process,
							 EVAUDIT_SOURCE_CREDENTIALS_EXPIRE,
							 evaudit_aws_credentials_expire_at(state->aws));
}

/* Start every call that is due. */
void
evaudit_sqs_start_due_calls(SqsSource *state)
{
	TimestampTz now = GetCurrentTimestamp();

	if (state->queue_state == SQS_QUEUE_READY)
	{
		evaudit_sqs_start_receives(state, now);
		evaudit_sqs_start_entries(state, &state->deletes, now);
		evaudit_sqs_start_entries(state, &state->changes, now);
		evaudit_sqs_start_measure(state, now);
	}
	else if (!state->lookup_pending && !state->shutting_down &&
			 now >= state->pace.not_before)
		evaudit_sqs_start_lookup(state);
}

/* Handle a response. */
static void
handle_response(SqsSource *state, EvauditBatch *batch,
				const EvauditAwsResponse *response)
{
	SqsCall    *call = response->tag;

	switch (call->operation)
	{
		case SQS_GET_URL:
		case SQS_GET_ATTRIBUTES:
			evaudit_sqs_lookup_done(state, call, response);
			break;
		case SQS_RECEIVE:
			evaudit_sqs_received(state, batch, call, response);
			break;
		case SQS_DELETE:
			evaudit_sqs_entries_done(state, &state->deletes, call, response);
			break;
		case SQS_SET_VISIBILITY:
			evaudit_sqs_entries_done(state, &state->changes, call, response);
			break;
		case SQS_MEASURE:
			evaudit_sqs_measured(state, response);
			break;
	}
	pfree(call);
}

/* Whether a batch has no room for the messages of one more receive. */
bool
evaudit_sqs_batch_full(const SqsSource *state, const EvauditBatch *batch)
{
	return batch->nevents + SQS_MAX_ENTRIES > state->source->max_events ||
		evaudit_batch_full(state->source, batch);
}

/*
 * Whether a batch has as many messages as it should, or no room.  No response is handled while a batch is committed: it should not
 * take longer than the receives under way can bridge.
 */
bool
evaudit_sqs_batch_done(const SqsSource *state, const EvauditBatch *batch)
{
	return batch->nevents >= Min(state->source->batch_size,
								 state->batch_limit) ||
		evaudit_sqs_batch_full(state, batch);
}

/* Whether a response that has arrived may be handled. */
static bool
may_handle(const SqsSource *state, const EvauditBatch *batch)
{
	return state->shutting_down || !evaudit_sqs_batch_done(state, batch) ||
		evaudit_sqs_must_wait(state, batch);
}

/*
 * Handle the responses that have arrived, until the batch is done.  What they
 * hold lives in the batch's context, which is emptied as long as no message
 * is in the batch: an idle queue sends empty responses for ever.
 */
void
evaudit_sqs_handle_responses(SqsSource *state, EvauditBatch *batch)
{
	MemoryContext previous = MemoryContextSwitchTo(batch->context);
	EvauditAwsResponse *response;

	while (may_handle(state, batch) &&
		   (response = evaudit_aws_take(state->aws)) != NULL)
	{
		handle_response(state, batch, response);
		evaudit_aws_release(state->aws, response);
		if (batch->nevents == 0)
			MemoryContextReset(batch->context);
	}
	evaudit_sqs_payloads_deleted(state);
	MemoryContextSwitchTo(previous);
	state->stepped_at = GetCurrentTimestamp();
	show_expiry(state);
}

/* The pause until a time, if that is shorter than the one given. */
long
evaudit_sqs_shorten_pause(long pause, TimestampTz now, TimestampTz until)
{
	long		millis;

	if (until == 0)
		return pause;
	millis = until <= now ? 0 : TimestampDifferenceMilliseconds(now, until);
	return pause < 0 || millis < pause ? millis : pause;
}

/* Milliseconds until a call is due that waits for its time; -1: none does. */
long
evaudit_sqs_pause(const SqsSource *state, TimestampTz now)
{
	long		pause = -1;

	if (state->queue_state != SQS_QUEUE_READY)
		return state->lookup_pending ? -1 :
			evaudit_sqs_shorten_pause(-1, now, state->pace.not_before);
	if (state->receives == 0)
		pause = evaudit_sqs_shorten_pause(pause, now, state->pace.not_before);
	if (state->deletes.nwaiting > 0 && state->deletes.ncalls == 0)
		pause = evaudit_sqs_shorten_pause(pause, now, state->deletes.pace.not_before);
	if (state->changes.nwaiting > 0 && state->changes.ncalls == 0)
		pause = evaudit_sqs_shorten_pause(pause, now, state->changes.pace.not_before);
	return pause;
}
