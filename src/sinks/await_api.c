/*-------------------------------------------------------------------------
 *
 * await_api.c
 *	  evaudit.wait_delivered(): wait for the delivery of one event.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "sinks/await.h"
#include "sinks/sink.h"

PG_FUNCTION_INFO_V1(evaudit_wait_delivered);

/* Longest that one may wait. */
#define MAX_WAIT_MS		(24 * 60 * 60 * INT64CONST(1000))

/* The name of a state. */
static const char *
state_name(EvauditDeliveryState state)
{
	switch (state)
	{
		case EVAUDIT_DELIVERY_DELIVERED:
			return "delivered";
		case EVAUDIT_DELIVERY_PARKED:
			return "parked";
		case EVAUDIT_DELIVERY_PENDING:
			break;
	}
	return "pending";
}

/* When an interval from now is over, or that many milliseconds are. */
TimestampTz
evaudit_await_until(Interval *timeout, int64 max_millis)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz last = TimestampTzPlusMilliseconds(now, max_millis);
	TimestampTz until =
		DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval,
												TimestampTzGetDatum(now),
												IntervalPGetDatum(timeout)));

	return Min(until, last);
}

/*
 * Wait until an event is pending at no sink, or the time is over; what is
 * known of it then is in the current memory context.
 */
static void
wait_for(EvauditAwaited *event, TimestampTz until)
{
	MemoryContext result = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(result, "evaudit wait",
												  ALLOCSET_SMALL_SIZES);

	for (;;)
	{
		uint64		since = evaudit_await_begin();

		MemoryContextReset(context);
		MemoryContextSwitchTo(context);
		evaudit_await_check(event, 1);
		MemoryContextSwitchTo(result);
		if (event->decided || !evaudit_await_sleep(since, until))
			break;
	}
	evaudit_await_end();
}

/*
 * wait_delivered(topic text, event_id text, timeout interval) returns table
 * (sink text, state text, error text)
 */
Datum
evaudit_wait_delivered(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	EvauditAwaited event = {
		.topic = text_to_cstring(PG_GETARG_TEXT_PP(0)),
		.event_id = text_to_cstring(PG_GETARG_TEXT_PP(1)),
	};
	TimestampTz until = evaudit_await_until(PG_GETARG_INTERVAL_P(2),
											MAX_WAIT_MS);
	ListCell   *lc;

	InitMaterializedSRF(fcinfo, 0);
	evaudit_sink_check_rights(GetUserId(),
							  list_make1(unconstify(char *, event.topic)));
	if (!evaudit_await_place(&event))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("event \"%s\" of topic \"%s\" is not known",
						event.event_id, event.topic)));
	if (event.placed &&
		TransactionIdIsCurrentTransactionId(XidFromFullTransactionId(event.xid)))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("event \"%s\" of topic \"%s\" is not committed",
						event.event_id, event.topic),
				 errhint("Wait after the commit of the transaction that published it.")));
	wait_for(&event, until);
	foreach(lc, event.sinks)
	{
		const EvauditAwaitedSink *sink = lfirst(lc);
		Datum		values[3];
		bool		nulls[3] = {false};

		values[0] = CStringGetTextDatum(sink->name);
		values[1] = CStringGetTextDatum(state_name(sink->state));
		nulls[2] = sink->error == NULL;
		if (sink->error != NULL)
			values[2] = CStringGetTextDatum(sink->error);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values,
							 nulls);
	}
	return (Datum) 0;
}
