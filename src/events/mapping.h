/*-------------------------------------------------------------------------
 *
 * mapping.h
 *	  From the bytes of an event to the values that its topic names.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_MAPPING_H
#define EVAUDIT_MAPPING_H

#include "events/payload.h"
#include "utils/jsonb.h"

/* Longest id, in bytes. */
#define EVAUDIT_MAX_ID_BYTES	1024

/* A topic's options, compiled: opaque outside mapping.c. */
typedef struct EvauditMapping EvauditMapping;

/*
 * Looks at an event whose payload is known to be a JSON object, before any
 * value of it; false if the event is now rejected.  The payload is NULL if
 * the event came as a document.
 */
typedef bool (*EvauditInspect) (const void *arg, EvauditEvent *event,
								const EvauditPayload *payload,
								MemoryContext scratch);

extern EvauditMapping *evaudit_mapping_compile(Jsonb *options);
extern void evaudit_mapping_check(const EvauditMapping *mapping);
extern bool evaudit_mapping_has_field(const EvauditMapping *mapping,
									  EvauditField field);
extern bool evaudit_mapping_has_event_id(const EvauditMapping *mapping);
extern int	evaudit_mapping_max_payload(const EvauditMapping *mapping);
extern void evaudit_mapping_decode(const EvauditMapping *mapping,
								   EvauditEvent *event,
								   TimestampTz now,
								   MemoryContext scratch,
								   EvauditInspect inspect, const void *arg);

#endif							/* EVAUDIT_MAPPING_H */
