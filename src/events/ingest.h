/*-------------------------------------------------------------------------
 *
 * ingest.h
 *	  From received events to their effect, in one transaction.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_INGEST_H
#define EVAUDIT_INGEST_H

#include "events/topic.h"

/* What became of some events. */
typedef struct EvauditIngested
{
	uint64		merged;			/* rows written, events for a function */
	uint64		rejected;		/* events that carry a rejection now */
	bool		schemas_missing;	/* nothing was done: schemas of payloads
									 * are to be fetched first */
} EvauditIngested;

extern void evaudit_constraints_immediate(void);
extern void evaudit_ingest(const EvauditTopic *topic, EvauditEvent *events,
						   int n, EvauditIngested *result);
extern void evaudit_ingest_one(const EvauditTopic *topic, EvauditEvent *event);

#endif							/* EVAUDIT_INGEST_H */
