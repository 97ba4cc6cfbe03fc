/*-------------------------------------------------------------------------
 *
 * publish.h
 *	  An event from a door inside the database: SQL, or HTTP by way of SQL.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_PUBLISH_H
#define EVAUDIT_PUBLISH_H

#include "events/topic.h"

/*
 * Put one event through its topic, within the caller's transaction and with
 * the current user's rights.  event_id may be NULL: then the payload names
 * the id, or one is made.  subject, who publishes, may be NULL.  granted says
 * that something other than the current user's rights on evaudit.events has
 * decided that the event may be kept.
 *
 * False: the event was rejected, and nothing was written; event->reason and
 * event->error say why (EVAUDIT_CONFLICT: its id was kept with another
 * payload; EVAUDIT_SCHEMA_VIOLATION: evaudit_schema_errors() has all of them).  True:
 * event->event_id is its id, and event->repeated says that the same event was
 * kept before.  Whatever the tables or a projection raise is an ERROR.
 *
 * The event needs no initialization.  What it points to is allocated in the
 * current memory context, or is the caller's.
 */
extern bool evaudit_publish_event(const EvauditTopic *topic, Jsonb *payload,
								  const char *event_id, const char *subject,
								  bool granted, EvauditEvent *event);

#endif							/* EVAUDIT_PUBLISH_H */
