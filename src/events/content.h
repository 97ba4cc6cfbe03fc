/*-------------------------------------------------------------------------
 *
 * content.h
 *	  The JSON in what was received as an event.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_CONTENT_H
#define EVAUDIT_CONTENT_H

#include "events/event.h"
#include "formats/format.h"
#include "text/encoding.h"

/* Undo how the payload is encoded; false if the event is now rejected. */
extern bool evaudit_content_open(EvauditEncoding encoding, size_t max_bytes,
								 EvauditEvent *event, MemoryContext scratch);

/* False if the event is now rejected. */
extern bool evaudit_content_decode(EvauditDecoder *decoder,
								   size_t max_bytes, EvauditEvent *event,
								   MemoryContext scratch);

#endif							/* EVAUDIT_CONTENT_H */
