/*-------------------------------------------------------------------------
 *
 * payload.h
 *	  The bytes of an event, made safe for the JSON parser.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_PAYLOAD_H
#define EVAUDIT_PAYLOAD_H

#include "events/event.h"

/* A payload in the server's encoding, not terminated by a zero. */
typedef struct EvauditPayload
{
	const char *json;
	int			len;
	bool		has_escapes;	/* a backslash is in it */
} EvauditPayload;

extern char *evaudit_utf8_to_server(const char *bytes, size_t len,
									int *result_len);
extern bool evaudit_payload_prepare(EvauditEvent *event, size_t max_bytes,
									EvauditPayload *payload,
									MemoryContext scratch);

#endif							/* EVAUDIT_PAYLOAD_H */
