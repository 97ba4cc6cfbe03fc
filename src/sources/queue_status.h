/*-------------------------------------------------------------------------
 *
 * queue_status.h
 *	  How many messages are in the queues of sources, as SQS last said it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_QUEUE_STATUS_H
#define EVAUDIT_QUEUE_STATUS_H

#include "c.h"

/* Approximate numbers of messages. */
typedef struct EvauditQueueDepth
{
	int64		visible;		/* may be received */
	int64		in_flight;		/* were received, and are not deleted */
	int64		delayed;		/* may be received later */
} EvauditQueueDepth;

extern void evaudit_queue_status_init(void);
extern void evaudit_show_queue(int64 source_id, const char *queue,
							   const EvauditQueueDepth *depth);
extern void evaudit_forget_queues(Oid database, int64 source_id);

#endif							/* EVAUDIT_QUEUE_STATUS_H */
