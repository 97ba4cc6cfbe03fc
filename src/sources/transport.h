/*-------------------------------------------------------------------------
 *
 * transport.h
 *	  Bounds of what a transport adds to a payload: key, headers, ids.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_TRANSPORT_H
#define EVAUDIT_TRANSPORT_H

#include "sources/source.h"

/* Most headers of an event, and most bytes of the name of one. */
#define EVAUDIT_MAX_HEADERS			1000
#define EVAUDIT_MAX_HEADER_NAME		1024

/* Longest id that an envelope may give an event. */
#define EVAUDIT_MAX_TRANSPORT_ID	256

extern void evaudit_bound_transport(const EvauditSource *source,
									EvauditBatch *batch, EvauditEvent *event);

#endif							/* EVAUDIT_TRANSPORT_H */
