/*-------------------------------------------------------------------------
 *
 * event_log.h
 *	  Keeping events: evaudit.events.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_EVENT_LOG_H
#define EVAUDIT_EVENT_LOG_H

#include "events/topic.h"

extern uint64 evaudit_event_log_add(const EvauditTopic *topic,
									EvauditEvent **events, int n,
									TimestampTz now);

#endif							/* EVAUDIT_EVENT_LOG_H */
