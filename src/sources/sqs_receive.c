/*-------------------------------------------------------------------------
 *
 * sqs_receive.c
 *	  Receiving messages and making events of them.
 *
 * Receives are long polls that follow each other without a gap: while a
 * batch is committed, the responses of those under way wait in the kernel.
 * How many there are follows the load: each response that is full asks for
 * one more, each that is nearly empty for one less.  An idle queue is asked
 * by one, three times a minute; only that one waits for long, since what it
 * waits for cannot be called back.
 *
 * Until the first batch is committed there is only one, too: if the
 * database takes nothing, as few messages as possible use up the receives
 * that their queue allows them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "server/epoch.h"
#include "sources/sqs_source.h"

/* A response of no more messages than this says that there is no backlog. */
#define FEW_MESSAGES		2

/* More milliseconds than any time has that is of use. */
#define MAX_MILLIS			1e15

/* Most messages that wait for being deleted while further ones come. */
static int
most_undeleted(const SqsSource *state)
{
	return 3 * state->source->batch_size + 1000;
}

/*
 * Put a receive; one waits for long, the others not.  Nor does the first one
 * after a failure: its response says that all is well again.
 */
static void
start_receive(SqsSource *state)
{
	SqsCall    *call = evaudit_sqs_new_call(state, SQS_RECEIVE);
	bool		brief = state->long_wait || state->pace.failures > 0;
	const char *body = brief ? state->short_receive : state->long_receive;

	call->wait = brief ? SQS_SHORT_WAIT : SQS_LONG_WAIT;
	call->visibility = brief ? state->visibility : state->first_visibility;
	state->long_wait |= !brief;
	state->receives++;
	evaudit_sqs_call(state, call, body, strlen(body));
}

/* Put as many receives as the load calls for. */
void
evaudit_sqs_start_receives(SqsSource *state, TimestampTz now)
{
	if (state->shutting_down || now < state->pace.not_before ||
		state->deletes.nwaiting > most_undeleted(state))
		return;
	/* see the top of this file */
	if (!state->first_commit_done && state->nheld > 0)
		return;
	while (state->receives < state->wanted)
		start_receive(state);
}

/* Follow the load: n messages came at once. */
static void
follow_load(SqsSource *state, int n)
{
	if (n == SQS_MAX_ENTRIES && state->first_commit_done)
		state->wanted = Min(state->wanted + 1, state->options.max_receives);
	else if (n <= FEW_MESSAGES)
		state->wanted = Max(state->wanted - 1, 1);
}

/* Make headers of a message's attributes, those of type Binary in Base64. */
static void
add_headers(EvauditEvent *event, const EvauditJson *attributes)
{
	const EvauditJson *item;
	int			n = 0;

	for (item = evaudit_json_first(attributes); item != NULL;
		 item = evaudit_json_next(item))
		n++;
	if (n == 0)
		return;
	event->headers = palloc(n * sizeof(EvauditHeader));
	for (item = evaudit_json_first(attributes); item != NULL;
		 item = evaudit_json_next(item))
	{
		EvauditHeader *header = &event->headers[event->nheaders];

		header->name = evaudit_json_name(item);
		header->value = evaudit_json_string(item, "StringValue");
		if (header->value == NULL)
			header->value = evaudit_json_string(item, "BinaryValue");
		header->value_len = header->value ? strlen(header->value) : 0;
		if (header->name != NULL)
			event->nheaders++;
	}
}

/* Fill in what the queue says of a message. */
static void
fill_event(SqsSource *state, EvauditEvent *event, SqsHeld *held,
		   const EvauditJson *message)
{
	const EvauditJson *attributes = evaudit_json_get(message, "Attributes");
	double		number;

	event->stream = state->name;
	event->message_id = evaudit_json_string(message, "MessageId");
	if (event->message_id == NULL)
		event->message_id = "";
	event->transport_id = event->message_id;
	if (evaudit_json_number(attributes, "ApproximateReceiveCount", &number))
		event->receive_count = (int) Min(Max(number, 0), PG_INT32_MAX);
	if (evaudit_json_number(attributes, "SentTimestamp", &number) &&
		number >= 0 && number < MAX_MILLIS)
		event->has_record_time = evaudit_epoch_time((int64) number,
													&event->record_time);
	add_headers(event, evaudit_json_get(message, "MessageAttributes"));

	held->handle = evaudit_json_string(message, "ReceiptHandle");
	held->group = evaudit_json_string(attributes, "MessageGroupId");
	if (held->group != NULL)
	{
		event->key = held->group;
		event->key_len = strlen(held->group);
	}
}

/*
 * Take a message into the batch; or put it back into the queue for a while,
 * if what is needed to judge it is not to be had now.
 */
static void
add_message(SqsSource *state, EvauditBatch *batch, const EvauditJson *message,
			TimestampTz expires)
{
	SqsHeld    *held = &state->held[batch->nevents];
	const char *body = evaudit_json_string(message, "Body");
	const char *error = NULL;
	EvauditEvent *event;

	event = evaudit_batch_add(state->source, batch, body,
							  body == NULL ? 0 : strlen(body));
	fill_event(state, event, held, message);
	held->expires = expires;
	if (event->reason == EVAUDIT_ACCEPTED &&
		!evaudit_envelope_open(state->envelope, event, &error))
	{
		batch->nevents--;
		evaudit_source_report_error(state->source, "%s", error);
		evaudit_sqs_add_entry(state, &state->changes, held->handle,
							  evaudit_sqs_delay(event->receive_count));
	}
	state->nheld = batch->nevents;
}

/* Take the messages of a response. */
static void
take_messages(SqsSource *state, EvauditBatch *batch, const SqsCall *call,
			  EvauditAwsResponse *response)
{
	EvauditJson *json = evaudit_json_parse(response->body, response->body_len);
	const EvauditJson *message =
		evaudit_json_first(evaudit_json_get(json, "Messages"));
	TimestampTz received = Max(call->started, state->stepped_at);
	int			n = 0;

	for (; message != NULL && n < SQS_MAX_ENTRIES;
		 message = evaudit_json_next(message))
	{
		const char *handle = evaudit_json_string(message, "ReceiptHandle");

		if (handle == NULL)
			continue;
		n++;
		if (state->shutting_down)
			evaudit_sqs_add_entry(state, &state->changes, handle, 0);
		else
			add_message(state, batch, message,
						received + call->visibility * USECS_PER_SEC);
	}
	follow_load(state, n);
}

/* A receive was answered. */
void
evaudit_sqs_received(SqsSource *state, EvauditBatch *batch,
					 const SqsCall *call, EvauditAwsResponse *response)
{
	MemoryContext previous;

	state->receives--;
	if (call->wait == SQS_LONG_WAIT)
		state->long_wait = false;
	if (response->fault != EVAUDIT_AWS_OK)
	{
		state->wanted = Max(state->wanted / 2, 1);
		evaudit_sqs_failed(state, &state->pace, call, response);
		if (response->fault == EVAUDIT_AWS_MISSING)
			evaudit_sqs_forget_queue(state);
		return;
	}
	evaudit_sqs_succeeded(state, &state->pace, call);
	previous = MemoryContextSwitchTo(batch->context);
	take_messages(state, batch, call, response);
	MemoryContextSwitchTo(previous);
}
