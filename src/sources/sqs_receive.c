/*-------------------------------------------------------------------------
 *
 * sqs_receive.c
 *	  Receiving messages.
 *
 * Receives are long polls that follow each other without a gap: while a
 * batch is committed, the responses of those under way wait in the kernel.
 * How many there are follows the load: each response that is full adds one,
 * each that is nearly empty takes one away.  An idle queue has one,
 * three times a minute; only that one waits for long, since a receive cannot
 * be cancelled.
 *
 * Until the first batch is committed there is only one, too: if the
 * database takes nothing, as few messages as possible use up the receives
 * that their queue allows them.  Likewise while batches take long, and then
 * none during a transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "sources/sqs_source.h"
#include "text/ascii.h"

/* A response of no more messages than this says that there is no backlog. */
#define FEW_MESSAGES		2

/* Longest receipt handle, in bytes. */
#define MAX_HANDLE_BYTES	4096

/* Most messages that wait for being deleted while further ones come. */
static int
most_undeleted(const SqsSource *state)
{
	return 3 * state->source->batch_size + 1000;
}

/* Write the body of a receive of at most so many messages. */
static void
write_receive(const SqsSource *state, const SqsCall *call, int most,
			  StringInfo body)
{
	initStringInfo(body);
	appendStringInfoString(body, "{\"QueueUrl\":");
	evaudit_json_quote(body, state->url, strlen(state->url));
	appendStringInfo(body, ",\"MaxNumberOfMessages\":%d,\"WaitTimeSeconds\":%d",
					 most, call->wait);
	appendStringInfo(body, ",\"VisibilityTimeout\":%d", call->visibility);
	appendStringInfoString(body, ",\"MessageSystemAttributeNames\":["
						   "\"ApproximateReceiveCount\",\"SentTimestamp\","
						   "\"MessageGroupId\"]");
	appendStringInfoString(body, ",\"MessageAttributeNames\":[\"All\"]}");
}

/*
 * Send a receive; one waits for long, the others not.  Nor does the first one
 * after a failure, whose response shows that the service has recovered, or one
 * that a slow batch would have to wait for.
 */
static void
start_receive(SqsSource *state)
{
	SqsCall    *call = evaudit_sqs_new_call(state, SQS_RECEIVE);
	bool		brief = state->long_wait || state->pace.failures > 0 ||
		state->slow;
	int			most = state->slow ?
		Min(state->batch_limit, SQS_MAX_ENTRIES) : SQS_MAX_ENTRIES;
	StringInfoData body;

	call->wait = brief ? SQS_SHORT_WAIT : SQS_LONG_WAIT;
	call->visibility = brief ? state->visibility : state->first_visibility;
	state->long_wait |= !brief;
	state->receives++;
	write_receive(state, call, most, &body);
	evaudit_sqs_call(state, call, body.data, body.len);
	pfree(body.data);
}

/* Send as many receives as the load needs. */
void
evaudit_sqs_start_receives(SqsSource *state, TimestampTz now)
{
	if (state->shutting_down || now < state->pace.not_before ||
		state->deletes.nwaiting > most_undeleted(state))
		return;
	/* see the top of this file */
	if (evaudit_sqs_is_cautious(state) && state->nheld > 0)
		return;
	while (state->receives < (evaudit_sqs_is_cautious(state) ? 1 : state->wanted))
		start_receive(state);
}

/* Follow the load: n messages came at once. */
static void
follow_load(SqsSource *state, int n)
{
	if (n == SQS_MAX_ENTRIES && !evaudit_sqs_is_cautious(state))
		state->wanted = Min(state->wanted + 1, state->options.max_receives);
	else if (n <= FEW_MESSAGES)
		state->wanted = Max(state->wanted - 1, 1);
}

/* The number of messages that a response has; -1 if it is malformed. */
static int
count_messages(const EvauditJson *messages)
{
	const EvauditJson *message;
	int			n = 0;

	if (messages == NULL)
		return 0;
	if (!evaudit_json_is_array(messages))
		return -1;
	for (message = evaudit_json_first(messages); message != NULL;
		 message = evaudit_json_next(message))
		n++;
	return n <= SQS_MAX_ENTRIES ? n : -1;
}

/*
 * Messages came while a transaction took longer than they are hidden: they
 * are not ours any more, but delivered again.
 */
static void
report_late(SqsSource *state, const EvauditJson *messages)
{
	if (evaudit_json_first(messages) != NULL)
		evaudit_source_report_error(state->source,
									"messages of queue \"%s\" waited for longer than they are hidden, while a batch took %.1f s: they are received again",
									state->name,
									(state->hold_end - state->hold_begin) / 1e6);
}

/*
 * Take the messages of a response.  False if one has no receipt handle, by
 * which it could be deleted; it is skipped.
 */
static bool
take_messages(SqsSource *state, EvauditBatch *batch, const SqsCall *call,
			  const EvauditJson *messages)
{
	TimestampTz received = Max(call->started, state->stepped_at);
	TimestampTz expires = received + call->visibility * USECS_PER_SEC;
	const EvauditJson *message;
	bool		complete = true;

	if (expires <= GetCurrentTimestamp() && !state->shutting_down)
	{
		report_late(state, messages);
		return true;
	}

	for (message = evaudit_json_first(messages); message != NULL;
		 message = evaudit_json_next(message))
	{
		const char *handle = evaudit_json_string(message, "ReceiptHandle");

		if (handle == NULL || !evaudit_is_word(handle, MAX_HANDLE_BYTES))
			complete = false;
		else if (expires <= GetCurrentTimestamp() && !state->shutting_down)
			return complete;	/* what was fetched took too long */
		else if (state->shutting_down)
			evaudit_sqs_add_entry(state, &state->changes, handle, 0);
		else
			evaudit_sqs_add_message(state, batch, message, handle,
									expires);
	}
	return complete;
}

/* Handle the response of a receive. */
void
evaudit_sqs_received(SqsSource *state, EvauditBatch *batch,
					 const SqsCall *call, const EvauditAwsResponse *response)
{
	const EvauditJson *messages = evaudit_json_get(response->json, "Messages");
	int			n = count_messages(messages);

	state->receives--;
	if (call->wait == SQS_LONG_WAIT)
		state->long_wait = false;
	if (response->fault != EVAUDIT_AWS_OK)
	{
		state->wanted = Max(state->wanted / 2, 1);
		evaudit_sqs_failed(state, &state->pace, call, response);
		if (response->fault == EVAUDIT_AWS_MISSING)
			evaudit_sqs_forget_queue(state);
	}
	else if (n < 0)
		evaudit_sqs_invalid_response(state, &state->pace, call,
									 "the response is not a list of at most ten messages");
	else if (!take_messages(state, batch, call, messages))
		evaudit_sqs_invalid_response(state, &state->pace, call,
									 "a message has no valid ReceiptHandle");
	else
	{
		evaudit_sqs_succeeded(state, &state->pace, call);
		follow_load(state, n);
	}
}
