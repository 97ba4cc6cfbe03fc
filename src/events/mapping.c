/*-------------------------------------------------------------------------
 *
 * mapping.c
 *	  From the bytes of an event to the values that its topic names.
 *
 * Every fault of the event is a rejection, never an ERROR.  The order of the
 * checks is part of the contract, as it decides the reason that a dead
 * letter shows: the bytes, the JSON, the topic's schema, the fields in the
 * order of their columns, the event's id, its time.
 *
 * The values are copied into the caller's memory context, all in one chunk;
 * everything else is garbage in the scratch context until the next event.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

#include "events/content.h"
#include "events/mapping_compiled.h"
#include "server/epoch.h"
#include "text/rfc3339.h"

/* Copy a bit of the payload, made fit for a line of a log. */
static char *
excerpt(const char *str, int len)
{
	bool		cut = len > EVAUDIT_EXCERPT_BYTES;
	int			keep = cut ? pg_mbcliplen(str, len, EVAUDIT_EXCERPT_BYTES) : len;
	char	   *copy = palloc(keep + 4);

	memcpy(copy, str, keep);
	for (int i = 0; i < keep; i++)
		if ((unsigned char) copy[i] < ' ' || copy[i] == 0x7f)
			copy[i] = '?';
	strcpy(copy + keep, cut ? "..." : "");
	return copy;
}

/* The JSON type of a value, for an error. */
static const char *
type_name(JsonTokenType type)
{
	switch (type)
	{
		case JSON_TOKEN_STRING:
			return "a string";
		case JSON_TOKEN_NUMBER:
			return "a number";
		case JSON_TOKEN_OBJECT_START:
			return "an object";
		case JSON_TOKEN_ARRAY_START:
			return "an array";
		case JSON_TOKEN_TRUE:
		case JSON_TOKEN_FALSE:
			return "a boolean";
		default:
			return "null";
	}
}

/* Check that a value is there, with the type wanted, or reject the event. */
static bool
check_type(EvauditEvent *event, const char *pointer, const EvauditJsonValue *value,
		   JsonTokenType wanted)
{
	if (value->type == wanted)
		return true;
	if (value->type == JSON_TOKEN_INVALID)
		evaudit_event_reject(event, EVAUDIT_MISSING_FIELD,
							 "field \"%s\" is missing", pointer);
	else
		evaudit_event_reject(event, EVAUDIT_WRONG_TYPE,
							 "field \"%s\" is %s, not %s", pointer,
							 type_name(value->type), type_name(wanted));
	return false;
}

/* Check the length of an id, or reject the event. */
static bool
check_id_length(EvauditEvent *event, const char *pointer, int64 len)
{
	if (len > EVAUDIT_MAX_ID_BYTES)
	{
		evaudit_event_reject(event, EVAUDIT_TOO_LONG,
							 "field \"%s\" has %lld bytes, the limit is %d",
							 pointer, (long long) len, EVAUDIT_MAX_ID_BYTES);
		return false;
	}
	return true;
}

/* Check one of the columns' fields, or reject the event. */
static bool
check_field(EvauditEvent *event, EvauditField field, const char *pointer,
			const EvauditJsonValue *value)
{
	if (!check_type(event, pointer, value, JSON_TOKEN_STRING))
		return false;
	/* a name is for people to read, and may be empty and of any length */
	if (field == EVAUDIT_FIELD_SERVICE_NAME)
		return true;
	if (value->len == 0)
	{
		evaudit_event_reject(event, EVAUDIT_EMPTY_FIELD,
							 "field \"%s\" is empty", pointer);
		return false;
	}
	return check_id_length(event, pointer, value->len);
}

/*
 * Give a number the text that jsonb gives it, so that an event has the same
 * id by whatever door it comes.  Its digits are bounded.
 */
static void
normalize_number(EvauditJsonValue *value)
{
	char	   *number;

	if (strspn(value->text, "0123456789") >= value->len)
		return;
	number = pnstrdup(value->text, value->len);
	number = DatumGetCString(DirectFunctionCall1(numeric_out,
												 DirectFunctionCall3(numeric_in,
																	 CStringGetDatum(number),
																	 ObjectIdGetDatum(InvalidOid),
																	 Int32GetDatum(-1))));
	value->text = number;
	value->len = (int) strlen(number);
}

/*
 * Check the event's id, or reject the event.  An id that is no string or
 * number, or has no characters, names no event: the value then is none.
 */
static bool
check_event_id(EvauditEvent *event, const char *pointer, EvauditJsonValue *value,
			   MemoryContext scratch)
{
	if (value->type == JSON_TOKEN_NUMBER)
	{
		MemoryContext previous = MemoryContextSwitchTo(scratch);

		normalize_number(value);
		MemoryContextSwitchTo(previous);
	}
	else if (value->type != JSON_TOKEN_STRING || value->len == 0)
	{
		value->type = JSON_TOKEN_INVALID;
		return true;
	}
	return check_id_length(event, pointer, value->len);
}

/* Read the time as the topic writes it, or reject the event. */
static bool
read_time(const EvauditMapping *mapping, EvauditEvent *event,
		  const EvauditJsonValue *value)
{
	const char *pointer = mapping->pointers[SLOT_TIMESTAMP];
	const char *format;
	bool		ok;

	if (!check_type(event, pointer, value,
					mapping->time_format == TIME_RFC3339 ||
					mapping->time_format == TIME_ISO8601 ?
					JSON_TOKEN_STRING : JSON_TOKEN_NUMBER))
		return false;
	if (mapping->time_format == TIME_RFC3339)
	{
		format = "an RFC 3339 time";
		ok = evaudit_rfc3339_parse(value->text, value->len,
								   &event->event_time);
	}
	else if (mapping->time_format == TIME_ISO8601)
	{
		format = "an ISO 8601 time with an offset";
		ok = evaudit_iso8601_parse(value->text, value->len,
								   &event->event_time);
	}
	else if (mapping->time_format == TIME_EPOCH_S)
	{
		format = "a time in seconds since 1970";
		ok = evaudit_epoch_parse(value->text, value->len,
								 EVAUDIT_EPOCH_SECONDS, &event->event_time);
	}
	else
	{
		format = "a time in milliseconds since 1970";
		ok = evaudit_epoch_parse(value->text, value->len,
								 EVAUDIT_EPOCH_MILLISECONDS,
								 &event->event_time);
	}
	if (!ok)
		evaudit_event_reject(event, EVAUDIT_BAD_TIMESTAMP,
							 "field \"%s\" is not %s: \"%s\"", pointer,
							 format, excerpt(value->text, value->len));
	return ok;
}

/*
 * Set the event's time and check that it is none of the future.  A topic
 * that names no time has its transport's, or else the present.
 */
static bool
check_time(const EvauditMapping *mapping, EvauditEvent *event,
		   const EvauditJsonValue *value, TimestampTz now)
{
	char		shown[EVAUDIT_RFC3339_LEN];

	if (mapping->time_format != TIME_RECORD &&
		mapping->pointers[SLOT_TIMESTAMP] != NULL)
	{
		if (!read_time(mapping, event, value))
			return false;
	}
	else if (event->has_record_time)
		event->event_time = event->record_time;
	else if (mapping->time_format == TIME_RECORD)
	{
		evaudit_event_reject(event, EVAUDIT_BAD_TIMESTAMP,
							 "the record has no timestamp");
		return false;
	}
	else
		event->event_time = now;

	if (event->event_time - mapping->max_future > now)
	{
		evaudit_rfc3339_format(event->event_time, shown);
		evaudit_event_reject(event, EVAUDIT_FUTURE_TIMESTAMP,
							 "time %s is more than %s in the future", shown,
							 mapping->max_future_text);
		return false;
	}
	return true;
}

/*
 * The key is a string or a number; anything else is none.  It is not checked
 * as an id is, since nothing is looked up by it.
 */
static void
check_key(EvauditJsonValue *value)
{
	if (value->type != JSON_TOKEN_STRING && value->type != JSON_TOKEN_NUMBER)
		value->type = JSON_TOKEN_INVALID;
}

/* Copy the values found into one chunk of the current context, as texts. */
static void
store_values(EvauditEvent *event, const EvauditJsonValue *found)
{
	text	  **targets[SLOT_KEY + 1];
	Size		size = 0;
	char	   *p;

	for (int field = 0; field < EVAUDIT_NFIELDS; field++)
		targets[field] = &event->fields[field];
	targets[SLOT_EVENT_ID] = &event->event_id;
	targets[SLOT_KEY] = &event->payload_key;

	for (int slot = 0; slot <= SLOT_KEY; slot++)
		if (found[slot].type != JSON_TOKEN_INVALID)
			size += INTALIGN(VARHDRSZ + found[slot].len);
	if (size == 0)
		return;
	p = palloc(size);
	for (int slot = 0; slot <= SLOT_KEY; slot++)
	{
		const EvauditJsonValue *value = &found[slot];

		if (value->type == JSON_TOKEN_INVALID)
			continue;
		SET_VARSIZE(p, VARHDRSZ + value->len);
		memcpy(VARDATA(p), value->text, value->len);
		*targets[slot] = (text *) p;
		p += INTALIGN(VARHDRSZ + value->len);
	}
}

/* Check a payload as text, without the byte order mark that it may have. */
static bool
prepare_payload(const EvauditMapping *mapping, EvauditEvent *event,
				EvauditPayload *payload, MemoryContext scratch)
{
	static const char mark[] = "\xef\xbb\xbf";
	const size_t len = sizeof(mark) - 1;

	if (mapping->accept_bom && event->json != NULL &&
		event->json_len >= len && memcmp(event->json, mark, len) == 0)
	{
		event->json += len;
		event->json_len -= len;
	}
	return evaudit_payload_prepare(event, mapping->max_payload_bytes,
								   payload, scratch);
}

/*
 * Decode an event's payload, or the document that it came as, into its fields, id, key and time, or reject it;
 * "inspect", unless NULL, has a say when the payload is known to be JSON.
 * Resets the scratch context.
 */
void
evaudit_mapping_decode(const EvauditMapping *mapping, EvauditEvent *event,
					   TimestampTz now, MemoryContext scratch,
					   EvauditInspect inspect, const void *arg)
{
	EvauditPayload payload;
	EvauditJsonValue found[NSLOTS];
	bool		is_document = event->given_document != NULL;

	memset(event->fields, 0, sizeof(event->fields));
	event->event_id = NULL;
	event->payload_key = NULL;
	event->event_time = 0;
	event->reason = EVAUDIT_ACCEPTED;
	event->error = NULL;
	event->sqlstate = 0;
	event->document = event->given_document;
	MemoryContextReset(scratch);

	if (is_document)
	{
		if (!evaudit_mapping_find_in_document(mapping, event, scratch, found))
			return;
	}
	else
	{
		if (!evaudit_content_open(mapping->encoding,
								  mapping->max_payload_bytes, event,
								  scratch) ||
			!evaudit_content_decode(mapping->decoder,
									mapping->max_payload_bytes, event,
									scratch) ||
			!prepare_payload(mapping, event, &payload, scratch) ||
			!evaudit_mapping_find(mapping, &payload, event, scratch, found))
			return;
	}
	if (inspect != NULL &&
		!inspect(arg, event, is_document ? NULL : &payload, scratch))
		return;
	for (int field = 0; field < EVAUDIT_NFIELDS; field++)
		if (mapping->pointers[field] != NULL &&
			!check_field(event, (EvauditField) field,
						 mapping->pointers[field], &found[field]))
			return;
	if (!check_event_id(event, mapping->pointers[SLOT_EVENT_ID],
						&found[SLOT_EVENT_ID], scratch) ||
		!check_time(mapping, event, &found[SLOT_TIMESTAMP], now))
		return;
	check_key(&found[SLOT_KEY]);
	store_values(event, found);
}
