/*-------------------------------------------------------------------------
 *
 * deliveries.h
 *	  What becomes of deliveries besides being sent.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_DELIVERIES_H
#define EVAUDIT_DELIVERIES_H

#include "sinks/sink.h"

/*
 * In the transaction that decides a batch, before it is sent: what is to be
 * held back gets an outcome other than pending.
 */
extern void evaudit_deliveries_decide(EvauditSink *sink,
									  EvauditSinkBatch *batch);

/* In the transaction that moves the position past a batch that was sent. */
extern void evaudit_deliveries_complete(EvauditSink *sink,
										EvauditSinkBatch *batch);

/* After a batch was sent, outside of a transaction unless the kind's is. */
extern void evaudit_deliveries_sent(EvauditSink *sink,
									EvauditSinkBatch *batch);

#endif							/* EVAUDIT_DELIVERIES_H */
