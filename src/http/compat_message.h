/*-------------------------------------------------------------------------
 *
 * compat_message.h
 *	  What a gateway says to an event that its schema refuses.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_HTTP_COMPAT_MESSAGE_H
#define EVAUDIT_HTTP_COMPAT_MESSAGE_H

#include "events/topic.h"

/* One message, in python-jsonschema's words; NULL if nothing is refused. */
extern const char *evaudit_compat_message(const EvauditTopic *topic,
										  Jsonb *payload);

#endif							/* EVAUDIT_HTTP_COMPAT_MESSAGE_H */
