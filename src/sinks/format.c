/*-------------------------------------------------------------------------
 *
 * format.c
 *	  Events in the form in which they leave.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "sinks/format.h"
#include "text/rfc3339.h"

/* A string of the database as UTF-8. */
static const char *
utf8(const char *string)
{
	return (const char *)
		pg_do_encoding_conversion((unsigned char *) unconstify(char *, string),
								  (int) strlen(string), GetDatabaseEncoding(),
								  PG_UTF8);
}

/* Add a header unless it has no value. */
static void
add_header(EvauditDelivery *delivery, const char *name, const char *value)
{
	EvauditHeader *header;

	if (value == NULL)
		return;
	header = &delivery->headers[delivery->nheaders++];
	header->name = name;
	header->value = utf8(value);
	header->value_len = strlen(header->value);
}

/* The headers that say what the payload does not. */
static void
add_headers(EvauditDelivery *delivery, const EvauditEventValue *event)
{
	char	   *time = palloc(EVAUDIT_RFC3339_LEN);

	evaudit_rfc3339_format(event->event_time, time);
	delivery->headers = palloc(3 * sizeof(EvauditHeader));
	add_header(delivery, "id", delivery->event_id);
	add_header(delivery, "subject", event->subject);
	add_header(delivery, "time", time);
}

/* Make the delivery of a row. */
static void
make_delivery(const EvauditStreamRow *row, EvauditDelivery *delivery)
{
	const EvauditEventValue *event = &row->event;

	delivery->seq = row->seq;
	delivery->topic = utf8(event->topic);
	delivery->event_id = utf8(text_to_cstring(event->event_id));
	if (event->key != NULL)
	{
		delivery->key = VARDATA(event->key);
		delivery->key_len = VARSIZE(event->key) - VARHDRSZ;
	}
	delivery->body = utf8(JsonbToCString(NULL, &event->payload->root,
										 VARSIZE(event->payload)));
	delivery->body_len = strlen(delivery->body);
	delivery->content_type = "application/json";
	delivery->event_time = event->event_time;
	delivery->event = event;
	add_headers(delivery, event);
}

/* See format.h. */
void
evaudit_format(EvauditSink *sink, const EvauditChunk *chunk,
			   EvauditSinkBatch *batch)
{
	MemoryContext previous = MemoryContextSwitchTo(batch->context);

	batch->deliveries = palloc0(Max(chunk->n, 1) * sizeof(EvauditDelivery));
	batch->n = chunk->n;
	for (int i = 0; i < chunk->n; i++)
	{
		make_delivery(&chunk->rows[i], &batch->deliveries[i]);
		batch->bytes += batch->deliveries[i].body_len;
	}
	MemoryContextSwitchTo(previous);
}
