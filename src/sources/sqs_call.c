/*-------------------------------------------------------------------------
 *
 * sqs_call.c
 *	  One call of a queue, and the pace of calls after failures.
 *
 * No failure of the service ends the worker.  It shows in stat_sources, as
 * last_error and as the state "backoff", and the call is retried for ever,
 * after pauses that grow.  Receives and deletes have a pace each: what was
 * received is deleted also while nothing more can be received.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "sources/sqs_source.h"

/* Seconds for which an error of messages is shown at least. */
#define REPORTED_FOR	60

/* A new call; it lives until its response was handled. */
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
		case SQS_MEASURE:
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

/* Send a call. */
void
evaudit_sqs_call(SqsSource *state, SqsCall *call, const char *body, size_t len)
{
	evaudit_aws_call(state->aws, operation_name(call->operation), body, len,
					 call, call->wait * 1000);
}

/*
 * A call failed: report it, and delay the next ones.  Of calls that were
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
	if (response->fault == EVAUDIT_AWS_TRANSPORT &&
		evaudit_sqs_was_busy(state, call))
	{
		pace->not_before = 0;
		evaudit_source_report_error(state->source,
									"%s of queue \"%s\": its response could not be read while a batch took %.1f s",
									operation_name(call->operation),
									state->name,
									(state->hold_end - state->hold_begin) / 1e6);
		return;
	}
	evaudit_source_report_error(state->source, "%s of queue \"%s\": %s%s%s",
								operation_name(call->operation), state->name,
								response->code, response->code[0] ? ": " : "",
								response->message);
	evaudit_source_wait(state->source, pace->not_before);
}

/* Whether no call has failed that was not made again since. */
static bool
is_well(const SqsSource *state)
{
	return state->pace.failures == 0 && state->deletes.pace.failures == 0 &&
		state->changes.pace.failures == 0;
}

/* A call succeeded: errors of calls that were started before do not count. */
void
evaudit_sqs_succeeded(SqsSource *state, SqsPace *pace, const SqsCall *call)
{
	if (pace->failures == 0)
	{
		/* what was said of messages holds for as long as they may come again */
		if (is_well(state) && GetCurrentTimestamp() >
			state->source->reported_at + REPORTED_FOR * USECS_PER_SEC)
			evaudit_source_recovered(state->source);
		return;
	}
	if (call->started < pace->failed_at)
		return;
	pace->failures = 0;
	pace->not_before = 0;
	if (!state->shutting_down && is_well(state))
	{
		evaudit_source_wait(state->source, 0);
		evaudit_source_recovered(state->source);
	}
}

/*
 * A call succeeded, and yet its response cannot be what the service means:
 * treat it as failed.
 */
void
evaudit_sqs_invalid_response(SqsSource *state, SqsPace *pace,
							 const SqsCall *call, const char *message)
{
	EvauditAwsResponse response = {
		.fault = EVAUDIT_AWS_INVALID,.code = "",.message = message
	};

	evaudit_sqs_failed(state, pace, call, &response);
}
