/*-------------------------------------------------------------------------
 *
 * content.c
 *	  The JSON in what was received as an event.
 *
 * The room of formats says what is wrong with bytes; here that becomes the
 * rejection of an event.  The payload stays as it was received, for a dead
 * letter to have it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "events/content.h"

/* The reason for which a payload that cannot be decoded is rejected. */
static EvauditReason
reason_of(EvauditDecodeStatus status)
{
	switch (status)
	{
		case EVAUDIT_DECODE_TOO_LARGE:
			return EVAUDIT_TOO_LARGE;
		case EVAUDIT_DECODE_TOO_DEEP:
			return EVAUDIT_TOO_DEEP;
		case EVAUDIT_DECODE_NOT_UTF8:
			return EVAUDIT_BAD_ENCODING;
		case EVAUDIT_DECODE_UNKNOWN_SCHEMA:
			return EVAUDIT_UNKNOWN_SCHEMA;
		case EVAUDIT_DECODE_MALFORMED_AVRO:
			return EVAUDIT_MALFORMED_AVRO;
		case EVAUDIT_DECODE_MALFORMED_PROTOBUF:
			return EVAUDIT_MALFORMED_PROTOBUF;
		default:
			return EVAUDIT_BAD_FRAMING;
	}
}

/* The headers that a decoder reads; of repeated ones the last. */
static void
find_headers(const EvauditDecoder *decoder, const EvauditEvent *event,
			 EvauditContent *content)
{
	for (int which = 0; which < EVAUDIT_DECODER_NHEADERS; which++)
	{
		const char *name = evaudit_decoder_header(decoder, which);

		if (name == NULL)
			continue;
		for (int i = 0; i < event->nheaders; i++)
		{
			if (strcmp(event->headers[i].name, name) != 0)
				continue;
			content->headers[which] = event->headers[i].value;
			content->header_lens[which] = event->headers[i].value_len;
		}
	}
}

/*
 * Undo how the payload of an event is encoded.  What that was is valid until
 * the scratch context is reset.
 */
bool
evaudit_content_open(EvauditEncoding encoding, size_t max_bytes,
					 EvauditEvent *event, MemoryContext scratch)
{
	EvauditEncodingStatus status;
	MemoryContext previous;
	StringInfoData out;

	event->json = event->payload;
	event->json_len = event->payload_len;
	if (encoding == EVAUDIT_ENCODING_NONE || event->payload == NULL ||
		event->payload_len == 0)
		return true;

	previous = MemoryContextSwitchTo(scratch);
	status = evaudit_encoding_undo(encoding, event->payload,
								   event->payload_len, max_bytes, &out);
	MemoryContextSwitchTo(previous);
	if (status == EVAUDIT_ENCODING_MALFORMED)
		evaudit_event_reject(event, EVAUDIT_BAD_ENCODING,
							 "payload is not %s",
							 evaudit_encoding_names[encoding]);
	else if (status == EVAUDIT_ENCODING_TOO_LARGE)
		evaudit_event_reject(event, EVAUDIT_TOO_LARGE,
							 "payload exceeds max_payload_bytes, %zu, when %s is undone",
							 max_bytes, evaudit_encoding_names[encoding]);
	event->json = out.data;
	event->json_len = out.len;
	return status == EVAUDIT_ENCODING_OK;
}

/*
 * Decode the payload of an event by its topic's decoder, NULL for payloads
 * that are JSON as they are.  The JSON is valid until the scratch context is
 * reset.
 */
bool
evaudit_content_decode(EvauditDecoder *decoder, size_t max_bytes,
					   EvauditEvent *event, MemoryContext scratch)
{
	EvauditContent content = {
		.bytes = event->json,
		.len = event->json_len,
		.max_bytes = max_bytes,
	};
	EvauditDecodeStatus status;
	MemoryContext previous;

	/* what is not there, or too large, is found with any format alike */
	if (decoder == NULL || event->json == NULL ||
		event->json_len > max_bytes)
		return true;

	find_headers(decoder, event, &content);
	previous = MemoryContextSwitchTo(scratch);
	status = evaudit_decode(decoder, &content);
	MemoryContextSwitchTo(previous);
	if (status != EVAUDIT_DECODE_OK)
	{
		evaudit_event_reject(event, reason_of(status), "%s", content.error);
		return false;
	}
	event->json = content.bytes;
	event->json_len = content.len;
	return true;
}
