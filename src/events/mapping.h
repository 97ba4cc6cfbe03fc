/*-------------------------------------------------------------------------
 *
 * mapping.h
 *	  From the bytes of an event to the values that its topic names.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_MAPPING_H
#define EVAUDIT_MAPPING_H

#include "events/event.h"
#include "utils/jsonb.h"

/* How deep a payload may nest, counting its outermost object as 1. */
#define EVAUDIT_MAX_DEPTH		128

/* Longest id, in bytes. */
#define EVAUDIT_MAX_ID_BYTES	1024

/* A topic's options, compiled: opaque outside mapping.c. */
typedef struct EvauditMapping EvauditMapping;

extern EvauditMapping *evaudit_mapping_compile(Jsonb *options);
extern void evaudit_mapping_decode(const EvauditMapping *mapping,
								   EvauditEvent *event,
								   TimestampTz now,
								   MemoryContext scratch);

#endif							/* EVAUDIT_MAPPING_H */
