/*-------------------------------------------------------------------------
 *
 * payload.h
 *	  The payload of an event, checked and parsed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_PAYLOAD_H
#define EVAUDIT_PAYLOAD_H

#include "events/event.h"
#include "text/json_text.h"

typedef EvauditJsonText EvauditPayload;

/*
 * Most bytes of a payload that is made into a document: jsonb of the longest
 * arrays of the shortest elements takes seven times as much, and ends at
 * 256 MB.
 */
#define EVAUDIT_MAX_DOCUMENT_BYTES	(32 * 1024 * 1024)

/* Each is false if the event is now rejected. */
extern bool evaudit_payload_prepare(EvauditEvent *event, size_t max_bytes,
									EvauditPayload *payload,
									MemoryContext scratch);
extern bool evaudit_payload_visit(EvauditEvent *event, EvauditPayload *payload,
								  const EvauditJsonVisitor *visitor,
								  MemoryContext scratch);
extern bool evaudit_payload_check_document(EvauditEvent *event,
										   size_t max_bytes);

extern void evaudit_payload_make_document(EvauditEvent *event,
										  const EvauditPayload *payload,
										  MemoryContext scratch);

#endif							/* EVAUDIT_PAYLOAD_H */
