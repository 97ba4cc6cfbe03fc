/*-------------------------------------------------------------------------
 *
 * transport.c
 *	  Bounds of what a transport adds to a payload: key, headers, ids.
 *
 * Whoever controls a broker or a queue, or only produces to it, can make them
 * as large as the transport carries.  They count towards the size of an event
 * and of a batch as the payload does, and what breaks a bound is dropped, so
 * that the event can still become a dead letter.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "sources/transport.h"

/* Bytes of the headers; *names_fit: whether no name is too long. */
static size_t
header_bytes(const EvauditEvent *event, bool *names_fit)
{
	size_t		bytes = 0;

	*names_fit = true;
	for (int i = 0; i < event->nheaders; i++)
	{
		size_t		len = strlen(event->headers[i].name);

		*names_fit &= len <= EVAUDIT_MAX_HEADER_NAME;
		bytes += len + event->headers[i].value_len;
	}
	return bytes;
}

/* What is wrong with the headers; NULL: nothing. */
static char *
headers_error(const EvauditSource *source, const EvauditEvent *event,
			  size_t bytes, bool names_fit)
{
	if (event->nheaders > EVAUDIT_MAX_HEADERS)
		return psprintf("event has more than %d headers",
						EVAUDIT_MAX_HEADERS);
	if (!names_fit)
		return psprintf("name of a header has more than %d bytes",
						EVAUDIT_MAX_HEADER_NAME);
	if (bytes > source->max_event_bytes)
		return psprintf("headers of %zu bytes exceed max_event_bytes, %d",
						bytes, source->max_event_bytes);
	return NULL;
}

/* Reject an event, unless it is rejected already. */
static void
reject(EvauditEvent *event, const char *error)
{
	if (event->reason == EVAUDIT_ACCEPTED)
		evaudit_event_reject(event, EVAUDIT_TOO_LARGE, "%s", error);
}

/* Check the key and the headers of an event of a batch, and count them. */
void
evaudit_bound_transport(const EvauditSource *source, EvauditBatch *batch,
						EvauditEvent *event)
{
	bool		names_fit;
	size_t		bytes = header_bytes(event, &names_fit);
	char	   *error = headers_error(source, event, bytes, names_fit);

	if (error != NULL)
	{
		reject(event, error);
		event->headers = NULL;
		event->nheaders = 0;
		bytes = 0;
	}
	if (event->key_len > source->max_event_bytes)
	{
		reject(event, psprintf("key of %zu bytes exceeds max_event_bytes, %d",
							   event->key_len, source->max_event_bytes));
		event->key = NULL;
		event->key_len = 0;
	}
	batch->bytes += event->key_len + bytes;
}
