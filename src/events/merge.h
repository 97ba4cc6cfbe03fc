/*-------------------------------------------------------------------------
 *
 * merge.h
 *	  Merging events into user_services.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_MERGE_H
#define EVAUDIT_MERGE_H

#include "events/event.h"

extern uint64 evaudit_merge(EvauditEvent **events, int n);

#endif							/* EVAUDIT_MERGE_H */
