/*-------------------------------------------------------------------------
 *
 * await.h
 *	  Waiting until sinks have delivered events.
 *
 * A sink's process announces that it has moved, after its commit; whoever
 * waits in its database wakes up then and compares places, all events at
 * once.  So nothing is polled, no event is registered anywhere, and it does
 * not matter how many are waited for.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_AWAIT_H
#define EVAUDIT_AWAIT_H

#include "access/transam.h"
#include "datatype/timestamp.h"
#include "nodes/pg_list.h"
#include "utils/timestamp.h"

/* What became of an event at a sink. */
typedef enum EvauditDeliveryState
{
	EVAUDIT_DELIVERY_PENDING,
	EVAUDIT_DELIVERY_DELIVERED, /* or not for this sink, by its filter */
	EVAUDIT_DELIVERY_PARKED
} EvauditDeliveryState;

/* An event that is waited for. */
typedef struct EvauditAwaited
{
	const char *topic;
	const char *event_id;
	bool		placed;			/* the next two are known; else no sink has it
								 * before it any more */
	FullTransactionId xid;		/* of the transaction that wrote it */
	int64		seq;			/* in the outbox */

	/* set by evaudit_await_check(), in the memory context of the call */
	bool		decided;		/* no sink has it pending */
	List	   *sinks;			/* EvauditAwaitedSink *, by name */
} EvauditAwaited;

/* An event at a sink. */
typedef struct EvauditAwaitedSink
{
	const char *name;
	EvauditDeliveryState state;
	const char *error;			/* NULL: none is known */
} EvauditAwaitedSink;

/* await_shmem.c */
extern void evaudit_await_init(void);
extern void evaudit_await_announce(void);
extern uint64 evaudit_await_begin(void);
extern bool evaudit_await_sleep(uint64 since, TimestampTz until);
extern void evaudit_await_end(void);

/* await_api.c */
extern TimestampTz evaudit_await_until(Interval *timeout, int64 max_millis);

/* await.c; within a transaction */
extern bool evaudit_await_place(EvauditAwaited *event);
extern void evaudit_await_check(EvauditAwaited *events, int n);

#endif							/* EVAUDIT_AWAIT_H */
