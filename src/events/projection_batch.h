/*-------------------------------------------------------------------------
 *
 * projection_batch.h
 *	  Events as an array of evaudit.event, the argument of a projection.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_PROJECTION_BATCH_H
#define EVAUDIT_PROJECTION_BATCH_H

#include "events/event.h"
#include "events/topic.h"

extern Oid	evaudit_event_type(void);
extern Datum evaudit_event_array(const EvauditTopic *topic,
								 EvauditEvent **events, int n);

#endif							/* EVAUDIT_PROJECTION_BATCH_H */
