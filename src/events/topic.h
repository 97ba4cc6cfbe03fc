/*-------------------------------------------------------------------------
 *
 * topic.h
 *	  What an event of a topic is and what becomes of it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_TOPIC_H
#define EVAUDIT_TOPIC_H

#include "events/mapping.h"

typedef struct EvauditTopic
{
	char	   *name;
	EvauditMapping *mapping;
} EvauditTopic;

extern EvauditTopic *evaudit_topic_load(const char *name, bool missing_ok);

#endif							/* EVAUDIT_TOPIC_H */
