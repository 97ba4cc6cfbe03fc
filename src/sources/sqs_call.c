/*-------------------------------------------------------------------------
 *
 * sqs_calls.c
 *	  What is common to all calls of a queue: starting what is due, taking
 *	  responses, and slowing down after failures.
 *
 * No failure of the service ends the worker.  It shows in stat_sources, as
 * last_error and as the state "backoff", and is tried again for ever, after
 * pauses that grow.  Receives and deletes have a pace each: what is received
 * is deleted also while nothing more can be received.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "sources/sqs_source.h"

/* A call to be put; it lives until its response was taken. */
SqsCall *
evaudit_sqs_new_call(SqsSource *state, SqsOperation operation)
{
	SqsCall    *call = MemoryContextAllocZero(state->context, sizeof(SqsCall));

	call->operation = operation;
	call->started = GetCurrentTimestamp();
	return call;
}

/* The name of an operation, as the service knows it. */
static const char *
operation_name(SqsOperation operation)
{
	switch (operation)
	{
		case SQS_GET_URL:
			return "GetQueueUrl";
		case SQS_GET_ATTRIBUTES:
			return "GetQueueAttributes";
		case SQS_RECEIVE:
			return "ReceiveMessage";
		case SQS_DELETE:
			return "DeleteMessageBatch";
		case SQS_SET_VISIBILITY:
			return "ChangeMessageVisibilityBatch";
	}
	pg_unreachable();
}

/* Put a call. */
void
evaudit_sqs_call(SqsSource *state, SqsCall *call, const char *body, size_t len)
{
	evaudit_aws_call(state->aws, operation_name(call->operation), body, len,
					 call, call->wait * 1000);
}

/*
 * A call failed: say so, and put off the next ones.  Of calls that were
 * under way together, the first to fail counts.
 */
void
evaudit_sqs_failed(SqsSource *state, SqsPace *pace, const SqsCall *call,
				   const EvauditAwsResponse *response)
{
	TimestampTz now = GetCurrentTimestamp();

	if (pace->failures == 0 || call->started >= pace->failed_at)
	{
		pace->failures++;
		pace->failed_at = now;
		pace->not_before =
			TimestampTzPlusMilliseconds(now,
										evaudit_aws_backoff(response->fault,
															pace->failures));
	}
	if (state->shutting_down)
		return;
	evaudit_source_report_error(state->source, "%s of queue \"%s\": %s%s%s",
								operation_name(call->operation), state->name,
								response->code, response->code[0] ? ": " : "",
								response->message);
	evaudit_source_wait(state->source, pace->not_before);
}

/* A call succeeded: clear the errors before it. */
void
evaudit_sqs_succeeded(SqsSource *state, SqsPace *pace, const SqsCall *call)
{
	if (pace->failures == 0 || call->started < pace->failed_at)
		return;
	pace->failures = 0;
	pace->not_before = 0;
	if (!state->shutting_down && state->pace.failures == 0 &&
		state->deletes.pace.failures == 0 &&
		state->changes.pace.failures == 0)
		evaudit_source_wait(state->source, 0);
}

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
evaudit_sqs_start_due_calls(SqsSource *state, EvauditBatch *batch)
{
	TimestampTz now = GetCurrentTimestamp();

	if (state->queue_state == SQS_QUEUE_READY)
	{
		evaudit_sqs_start_receives(state, now);
		evaudit_sqs_start_entries(state, &state->deletes, now);
		evaudit_sqs_start_entries(state, &state->changes, now);
	}
	else if (!state->lookup_pending && !state->shutting_down &&
			 now >= state->pace.not_before)
		evaudit_sqs_start_lookup(state);
}

/* Deal with a response. */
static void
handle_response(SqsSource *state, EvauditBatch *batch, EvauditAwsResponse *response)
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
	}
	pfree(call);
}

/*
 * Whether a batch holds all that it shall, or has no room for the messages
 * of one more receive.  No response is taken while a batch is committed: it
 * should not take longer than the receives under way can bridge.
 */
bool
evaudit_sqs_batch_done(const SqsSource *state, const EvauditBatch *batch)
{
	const EvauditSource *source = state->source;

	return batch->nevents >= Min(source->batch_size, SQS_MAX_BATCH) ||
		batch->nevents + SQS_MAX_ENTRIES > source->max_events ||
		evaudit_batch_full(source, batch);
}

/* Take the responses that have come, until the batch is done. */
void
evaudit_sqs_take(SqsSource *state, EvauditBatch *batch)
{
	EvauditAwsResponse *response;

	while ((state->shutting_down || !evaudit_sqs_batch_done(state, batch)) &&
		   (response = evaudit_aws_take(state->aws)) != NULL)
	{
		handle_response(state, batch, response);
		evaudit_aws_release(state->aws, response);
	}
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
