/*-------------------------------------------------------------------------
 *
 * tombstone.h
 *	  Records without a payload, which say that something is no more.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_TOMBSTONE_H
#define EVAUDIT_TOMBSTONE_H

#include "events/topic.h"

extern bool evaudit_tombstone_decode(const EvauditTopic *topic,
									 EvauditEvent *event);
extern uint64 evaudit_tombstones_apply(const EvauditTopic *topic,
									   EvauditEvent **events, int n);

#endif							/* EVAUDIT_TOMBSTONE_H */
