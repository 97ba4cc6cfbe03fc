/*-------------------------------------------------------------------------
 *
 * event_json.h
 *	  What comes with an event, as documents: its position and headers.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_EVENT_JSON_H
#define EVAUDIT_EVENT_JSON_H

#include "events/event.h"

extern Jsonb *evaudit_event_position(const EvauditEvent *event);
extern Jsonb *evaudit_event_headers(const EvauditEvent *event);
extern void evaudit_event_set_position(EvauditEvent *event, Jsonb *position);
extern void evaudit_event_set_headers(EvauditEvent *event, Jsonb *headers);

#endif							/* EVAUDIT_EVENT_JSON_H */
