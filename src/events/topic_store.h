/*-------------------------------------------------------------------------
 *
 * topic_store.h
 *	  Changing evaudit.topics and evaudit.topic_schemas.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_TOPIC_STORE_H
#define EVAUDIT_TOPIC_STORE_H

#include "utils/jsonb.h"

/*
 * Each is false if there is such a topic already, or none.  A schema of NULL
 * stays as it is, one of JSON null is none; options of NULL stay.
 */
extern bool evaudit_topic_create(const char *name, Jsonb *schema,
								 Jsonb *options);
extern bool evaudit_topic_alter(const char *name, Jsonb *schema,
								Jsonb *options);
extern bool evaudit_topic_drop(const char *name);

#endif							/* EVAUDIT_TOPIC_STORE_H */
