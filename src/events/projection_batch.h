/*-------------------------------------------------------------------------
 *
 * projection_batch.h
 *	  Events as an array of evaudit.event, the argument of a projection.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_PROJECTION_BATCH_H
#define EVAUDIT_PROJECTION_BATCH_H

#include "events/event.h"

/* An event as a value of evaudit.event; NULL where a pointer has none. */
typedef struct EvauditEventValue
{
	const char *topic;
	text	   *event_id;
	bytea	   *key;
	Jsonb	   *payload;
	Jsonb	   *headers;
	TimestampTz event_time;
	const char *subject;
	const char *source;
	Jsonb	   *source_position;
} EvauditEventValue;

extern Oid	evaudit_event_type(void);
extern void evaudit_event_value(const char *topic, const EvauditEvent *event,
								EvauditEventValue *value);
extern Datum evaudit_event_datum(const EvauditEventValue *event);
extern Datum evaudit_event_array(const EvauditEventValue *events, int n);

#endif							/* EVAUDIT_PROJECTION_BATCH_H */
