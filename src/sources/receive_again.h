/*-------------------------------------------------------------------------
 *
 * receive_again.h
 *	  Dead letters as their sources would receive them now.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_RECEIVE_AGAIN_H
#define EVAUDIT_RECEIVE_AGAIN_H

#include "events/event.h"

extern void evaudit_receive_again(EvauditEvent *events, int n);

#endif							/* EVAUDIT_RECEIVE_AGAIN_H */
