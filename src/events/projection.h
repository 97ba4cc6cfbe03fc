/*-------------------------------------------------------------------------
 *
 * projection.h
 *	  Handing events to a function of a user.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_PROJECTION_H
#define EVAUDIT_PROJECTION_H

#include "events/event.h"
#include "events/topic.h"

extern Oid	evaudit_projection_find(const char *name);
extern Oid	evaudit_projection_name(const char *name);
extern void evaudit_project(const EvauditTopic *topic, EvauditEvent **events,
							int n);

#endif							/* EVAUDIT_PROJECTION_H */
