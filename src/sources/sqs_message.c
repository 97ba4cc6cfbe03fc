/*-------------------------------------------------------------------------
 *
 * sqs_message.c
 *	  Events of the messages of a queue.
 *
 * What a service sends is bounded, whatever SQS itself allows: a message that
 * cannot be used becomes a dead letter, with what of it fits into one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"

#include "server/epoch.h"
#include "sources/sqs_source.h"
#include "sources/transport.h"
#include "text/ascii.h"

/* Longest id of a message, in bytes. */
#define MAX_ID_BYTES		100

/* More milliseconds than any useful time has. */
#define MAX_MILLIS			1e15

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

/*
 * Set the id of a message.  One that is none could be no part of an index: the
 * message is rejected under an id made of what there is, so that a repeat
 * has the same.
 */
static void
set_message_id(EvauditEvent *event, const EvauditJson *message)
{
	const char *id = evaudit_json_string(message, "MessageId");
	uint64		hash;

	if (id != NULL && evaudit_is_word(id, MAX_ID_BYTES))
		event->message_id = id;
	else
	{
		hash = id != NULL ?
			hash_bytes_extended((const unsigned char *) id,
								(int) strlen(id), 0) :
			hash_bytes_extended((const unsigned char *) event->payload,
								(int) event->payload_len, 1);
		event->message_id = psprintf("invalid-" UINT64_FORMAT, hash);
		evaudit_event_reject(event, EVAUDIT_BAD_ENVELOPE,
							 "MessageId is not 1 to %d printable characters",
							 MAX_ID_BYTES);
	}
	event->transport_id = event->message_id;
}

/* Fill in what the queue says of a message. */
static void
fill_event(SqsSource *state, EvauditEvent *event, SqsHeld *held,
		   const EvauditJson *message)
{
	const EvauditJson *attributes = evaudit_json_get(message, "Attributes");
	double		number;

	event->stream = state->name;
	set_message_id(event, message);
	if (evaudit_json_number(attributes, "ApproximateReceiveCount", &number))
		event->receive_count = (int) Min(Max(number, 0), PG_INT32_MAX);
	if (evaudit_json_number(attributes, "SentTimestamp", &number) &&
		number >= 0 && number < MAX_MILLIS)
		event->has_record_time = evaudit_epoch_time((int64) number,
													&event->record_time);
	add_headers(event, evaudit_json_get(message, "MessageAttributes"));

	held->group = evaudit_json_string(attributes, "MessageGroupId");
	if (held->group != NULL)
	{
		event->key = held->group;
		event->key_len = strlen(held->group);
	}
}

/*
 * Add a message to the batch; or make it visible again after a while, if what
 * is needed to check it cannot be had now.
 */
void
evaudit_sqs_add_message(SqsSource *state, EvauditBatch *batch,
						const EvauditJson *message, const char *handle,
						TimestampTz expires)
{
	SqsHeld    *held = &state->held[batch->nevents];
	const char *body = evaudit_json_string(message, "Body");
	const char *error = NULL;
	EvauditEvent *event;

	event = evaudit_batch_add(state->source, batch, body,
							  body == NULL ? 0 : strlen(body));
	held->handle = handle;
	held->expires = expires;
	held->object = NULL;
	fill_event(state, event, held, message);
	if (event->reason == EVAUDIT_ACCEPTED &&
		(!evaudit_sqs_fetch_payload(state, batch, event, held, message,
									&error) ||
		 (event->reason == EVAUDIT_ACCEPTED &&
		  !evaudit_envelope_open(state->envelope, event, &error))))
	{
		batch->nevents--;
		evaudit_source_report_error(state->source, "%s", error);
		evaudit_sqs_add_entry(state, &state->changes, held->handle,
							  evaudit_sqs_delay(event->receive_count));
	}
	else
		evaudit_bound_transport(state->source, batch, event);
	state->nheld = batch->nevents;
}
