/*-------------------------------------------------------------------------
 *
 * outbox.h
 *	  Events of topics that have a sink, written with the transaction.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_OUTBOX_H
#define EVAUDIT_OUTBOX_H

#include "events/event.h"
#include "events/topic.h"
#include "utils/array.h"

/* outbox_topics.c */
extern List *evaudit_sink_topics(ArrayType *topics);
extern bool evaudit_sink_wants_topic(List *topics, const char *topic);

/* outbox.c */
extern void evaudit_outbox_compress(const EvauditTopic *topic,
									EvauditEvent *event);
extern void evaudit_outbox_add(const EvauditTopic *topic,
							   EvauditEvent **events, int n, TimestampTz now);

#endif							/* EVAUDIT_OUTBOX_H */
