/*-------------------------------------------------------------------------
 *
 * topic_define.h
 *	  From the definition of a topic, as it is stored, to one of use: between
 *	  topic.c, which keeps them, and topic_api.c, which takes them from users.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_TOPIC_DEFINE_H
#define EVAUDIT_TOPIC_DEFINE_H

#include "events/topic.h"

extern EvauditTopic *evaudit_topic_define(const char *name, Jsonb *options,
										  Jsonb *schema, int version,
										  bool has_sink);

#endif							/* EVAUDIT_TOPIC_DEFINE_H */
