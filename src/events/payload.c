/*-------------------------------------------------------------------------
 *
 * payload.c
 *	  The payload of an event, checked and parsed.
 *
 * The toolbox for JSON in text/ says what is wrong with a text; here that
 * becomes the rejection of an event.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"

#include "events/payload.h"
#include "text/jsonb_limits.h"

/* The encoding whose byte order mark a payload begins with, or NULL. */
static const char *
byte_order_mark(const EvauditEvent *event)
{
	static const struct
	{
		const char *encoding;
		const char *mark;
	}			marks[] = {
		{"UTF-8", "\xef\xbb\xbf"},
		{"UTF-16", "\xfe\xff"},
		{"UTF-16", "\xff\xfe"},
	};

	for (int i = 0; i < lengthof(marks); i++)
	{
		size_t		len = strlen(marks[i].mark);

		if (event->json != NULL && event->json_len >= len &&
			memcmp(event->json, marks[i].mark, len) == 0)
			return marks[i].encoding;
	}
	return NULL;
}

/* Reject an event whose payload is malformed in some way. */
static void
reject_text(EvauditEvent *event, EvauditJsonStatus status,
			const EvauditPayload *payload)
{
	const char *bom = byte_order_mark(event);

	switch (status)
	{
		case EVAUDIT_JSON_NOT_UTF8:
			if (bom != NULL)
				evaudit_event_reject(event, EVAUDIT_BAD_ENCODING,
									 "payload begins with a byte order mark of %s, and is not UTF-8",
									 bom);
			else if (event->json[payload->bad_byte] == '\0')
				evaudit_event_reject(event, EVAUDIT_BAD_ENCODING,
									 "payload has a NUL byte at byte %d",
									 payload->bad_byte + 1);
			else
				evaudit_event_reject(event, EVAUDIT_BAD_ENCODING,
									 "payload is not UTF-8 at byte %d (0x%02x)",
									 payload->bad_byte + 1,
									 (unsigned char) event->json[payload->bad_byte]);
			break;
		case EVAUDIT_JSON_UNTRANSLATABLE:
			evaudit_event_reject(event, EVAUDIT_BAD_ENCODING,
								 "payload has characters that encoding \"%s\" of the database cannot hold",
								 GetDatabaseEncodingName());
			break;
		case EVAUDIT_JSON_BAD_ESCAPE:
			evaudit_event_reject(event, EVAUDIT_BAD_ENCODING,
								 "payload has a Unicode escape that no text can hold (\\u0000 or half of a surrogate pair)");
			break;
		case EVAUDIT_JSON_NOT_AN_OBJECT:
			evaudit_event_reject(event, EVAUDIT_NOT_AN_OBJECT,
								 "payload is JSON, but not an object");
			break;
		default:
			if (bom != NULL)
				evaudit_event_reject(event, EVAUDIT_MALFORMED_JSON,
									 "payload begins with a byte order mark of %s, which JSON must not",
									 bom);
			else
				evaudit_event_reject(event, EVAUDIT_MALFORMED_JSON,
									 "payload is not JSON: %s", payload->detail);
			break;
	}
}

/*
 * Reject an event for what is wrong with its payload, of "size" bytes; false,
 * unless nothing is.
 */
static bool
check_status(EvauditEvent *event, EvauditJsonStatus status,
			 const EvauditPayload *payload, size_t size, size_t max_bytes)
{
	switch (status)
	{
		case EVAUDIT_JSON_OK:
			return true;
		case EVAUDIT_JSON_EMPTY:
			evaudit_event_reject(event, EVAUDIT_EMPTY_PAYLOAD, "no payload");
			break;
		case EVAUDIT_JSON_TOO_LARGE:
			evaudit_event_reject(event, EVAUDIT_TOO_LARGE,
								 "payload of %zu bytes exceeds max_payload_bytes, %zu",
								 size, max_bytes);
			break;
		case EVAUDIT_JSON_TOO_MANY:
			evaudit_event_reject(event, EVAUDIT_TOO_LARGE,
								 "payload has more than %d members and elements",
								 EVAUDIT_JSON_MAX_VALUES);
			break;
		case EVAUDIT_JSON_TOO_DEEP:
			evaudit_event_reject(event, EVAUDIT_TOO_DEEP,
								 "payload nests deeper than %d levels",
								 EVAUDIT_JSON_MAX_DEPTH);
			break;
		case EVAUDIT_JSON_NUMBER_TOO_LARGE:
			evaudit_event_reject(event, EVAUDIT_NUMBER_TOO_LARGE,
								 "payload has a number of more than %d digits",
								 EVAUDIT_JSON_MAX_DIGITS);
			break;
		default:
			reject_text(event, status, payload);
			break;
	}
	return false;
}

/*
 * Check size, encoding and depth, in this order, and leave the payload in
 * the server's encoding.
 */
bool
evaudit_payload_prepare(EvauditEvent *event, size_t max_bytes,
						EvauditPayload *payload, MemoryContext scratch)
{
	EvauditJsonStatus status = evaudit_json_prepare(event->json,
													event->json_len,
													max_bytes, scratch,
													payload);

	return check_status(event, status, payload, event->json_len, max_bytes);
}

/* Parse a prepared payload, with garbage in the scratch context. */
bool
evaudit_payload_visit(EvauditEvent *event, EvauditPayload *payload,
					  const EvauditJsonVisitor *visitor, MemoryContext scratch)
{
	MemoryContext previous = MemoryContextSwitchTo(scratch);
	EvauditJsonStatus status = evaudit_json_visit(payload, visitor);

	MemoryContextSwitchTo(previous);
	return check_status(event, status, payload, payload->len, 0);
}

/*
 * Check an event that came as a document by the limits of a payload.  What
 * was received counts, not what it is when it is rendered.
 */
bool
evaudit_payload_check_document(EvauditEvent *event, size_t max_bytes)
{
	EvauditJsonbSize size = {0};
	EvauditJsonStatus status = EVAUDIT_JSON_NOT_AN_OBJECT;
	size_t		received;

	if (JB_ROOT_IS_OBJECT(event->document))
		status = evaudit_jsonb_measure(event->document,
									   EVAUDIT_JSON_MAX_DEPTH, &size);
	received = event->payload != NULL ? event->payload_len : size.shortest;
	if (status == EVAUDIT_JSON_OK && received > max_bytes)
		status = EVAUDIT_JSON_TOO_LARGE;
	return check_status(event, status, NULL, received, max_bytes);
}

/*
 * Make the document of an event whose payload was visited, in the current
 * memory context.  Parsing takes many times its size: that is garbage in the
 * scratch context, until the next event.
 */
void
evaudit_payload_make_document(EvauditEvent *event,
							  const EvauditPayload *payload,
							  MemoryContext scratch)
{
	MemoryContext previous = MemoryContextSwitchTo(scratch);
	Jsonb	   *document = evaudit_json_to_jsonb(payload);

	MemoryContextSwitchTo(previous);
	event->document = palloc(VARSIZE(document));
	memcpy(event->document, document, VARSIZE(document));
}
