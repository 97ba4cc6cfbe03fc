/*-------------------------------------------------------------------------
 *
 * deliveries.c
 *	  What becomes of deliveries besides being sent.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "sinks/deliveries.h"

/* See deliveries.h. */
void
evaudit_deliveries_decide(EvauditSink *sink, EvauditSinkBatch *batch)
{
}

/* See deliveries.h.  A delivery that was refused stops the sink. */
void
evaudit_deliveries_complete(EvauditSink *sink, EvauditSinkBatch *batch)
{
	for (int i = 0; i < batch->n; i++)
	{
		const EvauditDelivery *delivery = &batch->deliveries[i];

		if (delivery->outcome == EVAUDIT_OUTCOME_REFUSED)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("event \"%s\" of topic \"%s\" cannot be sent: %s",
							delivery->event_id, delivery->topic,
							delivery->error != NULL ? delivery->error :
							"the destination refuses it")));
	}
}

/* See deliveries.h. */
void
evaudit_deliveries_sent(EvauditSink *sink, EvauditSinkBatch *batch)
{
}
