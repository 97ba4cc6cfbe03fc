/*-------------------------------------------------------------------------
 *
 * topic_stats.h
 *	  How many events each topic accepted, and rejected for which reason.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_TOPIC_STATS_H
#define EVAUDIT_TOPIC_STATS_H

#include "events/event.h"

extern void evaudit_events_init(void);
extern void evaudit_topic_count(const char *topic, const EvauditEvent *events,
								int n);

#endif							/* EVAUDIT_TOPIC_STATS_H */
