/*-------------------------------------------------------------------------
 *
 * delivery.h
 *	  Events that did not leave in their turn: evaudit.delivery_store.
 *
 * A sink's position moves past such an event in the transaction that puts it
 * here, with all that was read of it.  It is one of
 *
 *		retrying	it failed alone, or somebody called redeliver(); it is
 *					sent again at a time
 *		parked		it was refused; it waits for redeliver() or
 *					skip_delivery()
 *		blocked		an earlier one of its key is here: in an ordered sink, a
 *					retrying or blocked one; in a blocking sink, a parked one
 *		skipped		somebody gave it up; the process deletes it
 *
 * The process of the sink is the only one that adds and deletes rows, between
 * two batches; so what it has read of them is true until then.  Users change
 * a row's state only to retrying, blocked or skipped.
 *
 * Of a key, the first row that stands in the way of others is never blocked:
 * whatever takes a row away lets the next one be retried, in the same
 * transaction.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_DELIVERY_H
#define EVAUDIT_DELIVERY_H

#include "sinks/shape.h"

/* delivery_hold.c */
extern void evaudit_deliveries_begin(EvauditSinkBatch *batch);
extern void evaudit_deliveries_decide(const EvauditSink *sink,
									  EvauditSinkBatch *batch);
extern bool evaudit_deliveries_review(const EvauditSink *sink,
									  EvauditSinkBatch *batch);
extern void evaudit_deliveries_store(const EvauditSink *sink,
									 EvauditSinkBatch *batch);
extern char *evaudit_delivery_clipped(const char *error);
extern TimestampTz evaudit_delivery_retry_at(int attempts);

/* delivery_retry.c; within a transaction */
extern void evaudit_deliveries_release(const EvauditSink *sink);
extern bool evaudit_deliveries_next(const EvauditSink *sink,
									TimestampTz *next);
extern EvauditStreamRow *evaudit_deliveries_load(const EvauditSink *sink,
												 int *n);
extern void evaudit_deliveries_mark(const EvauditSink *sink,
									const EvauditSinkBatch *batch,
									int64 number);
extern void evaudit_deliveries_recover(const EvauditSink *sink, int64 number,
									   bool sent);
extern void evaudit_deliveries_finish(const EvauditSink *sink,
									  const EvauditStreamRow *rows, int n,
									  const EvauditSinkBatch *batch);

#endif							/* EVAUDIT_DELIVERY_H */
