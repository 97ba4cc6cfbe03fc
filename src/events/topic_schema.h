/*-------------------------------------------------------------------------
 *
 * topic_schema.h
 *	  Checking events by the schema of their topic.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_TOPIC_SCHEMA_H
#define EVAUDIT_TOPIC_SCHEMA_H

#include "events/topic.h"

extern bool evaudit_topic_schema_check(const EvauditTopic *topic,
									   EvauditEvent *event);

#endif							/* EVAUDIT_TOPIC_SCHEMA_H */
