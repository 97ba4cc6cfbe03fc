/*-------------------------------------------------------------------------
 *
 * ingest.c
 *	  From received events to their effect, in one transaction.
 *
 * Whatever door an event came in by, it is decoded, checked and merged here.
 * A batch is merged as a whole; if the database refuses it for the sake of
 * its data, halves of it are tried in subtransactions until the events that
 * are to blame stand alone.  All other errors, such as a full disk, a lock
 * timeout or a missing grant, say nothing about an event: they are raised,
 * and the batch is tried again later.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/trigger.h"
#include "nodes/parsenodes.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

#include "events/ingest.h"
#include "events/merge.h"

/* SQLSTATE class P0: raised by PL/pgSQL, such as RAISE EXCEPTION. */
#define ERRCODE_CLASS_PLPGSQL	MAKE_SQLSTATE('P','0','0','0','0')

/*
 * Whether an error is about the data that was written: a value that cannot
 * be (22), a constraint (23), a check option (44), or a trigger that raised
 * an exception of its own (P0).
 */
static bool
blames_data(int sqlstate)
{
	switch (ERRCODE_TO_CATEGORY(sqlstate))
	{
		case ERRCODE_DATA_EXCEPTION:
		case ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION:
		case ERRCODE_WITH_CHECK_OPTION_VIOLATION:
		case ERRCODE_CLASS_PLPGSQL:
			return true;
		default:
			return false;
	}
}

/*
 * Merge events in a subtransaction.  NULL if that worked; else the error, if
 * it is about the data.
 */
static ErrorData *
try_merge(EvauditEvent **events, int n, uint64 *written)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		*written = evaudit_merge(events, n);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;

	if (error != NULL && !blames_data(error->sqlerrcode))
		ReThrowError(error);
	return error;
}

/* Merge events; reject those that the database refuses.  Returns the rows. */
static uint64
merge_all_that_can(EvauditEvent **events, int n)
{
	uint64		written = 0;
	ErrorData  *error;

	if (n == 0)
		return 0;
	error = try_merge(events, n, &written);
	if (error == NULL)
		return written;
	if (n > 1)
	{
		FreeErrorData(error);
		written = merge_all_that_can(events, n / 2);
		return written + merge_all_that_can(events + n / 2, n - n / 2);
	}

	evaudit_event_reject(events[0], EVAUDIT_DATABASE_ERROR, "%s",
						 error->message);
	events[0]->sqlstate = error->sqlerrcode;
	FreeErrorData(error);
	return 0;
}

/*
 * Have deferred constraints checked right after each statement for the rest
 * of the transaction, so that what they refuse is found with the event that
 * is to blame, not at commit.
 */
void
evaudit_constraints_immediate(void)
{
	ConstraintsSetStmt *all = makeNode(ConstraintsSetStmt);

	AfterTriggerSetState(all);
}

/* Decode events that carry no rejection yet; returns those that are good. */
static int
decode_events(const EvauditTopic *topic, EvauditEvent *events, int n,
			  EvauditEvent **good)
{
	TimestampTz now = GetCurrentTimestamp();
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext,
												  "evaudit decode",
												  ALLOCSET_DEFAULT_SIZES);
	int			ngood = 0;

	for (int i = 0; i < n; i++)
	{
		if (events[i].reason == EVAUDIT_ACCEPTED)
			evaudit_mapping_decode(topic->mapping, &events[i], now, scratch);
		if (events[i].reason == EVAUDIT_ACCEPTED)
			good[ngood++] = &events[i];
	}
	MemoryContextDelete(scratch);
	return ngood;
}

/*
 * Give events their effect, within a transaction; what is allocated lives in
 * the current memory context.  Events that could not be used carry a
 * rejection then.
 */
void
evaudit_ingest(const EvauditTopic *topic, EvauditEvent *events, int n,
			   EvauditIngested *result)
{
	EvauditEvent **good = palloc(n * sizeof(EvauditEvent *));
	int			ngood = decode_events(topic, events, n, good);

	result->merged = merge_all_that_can(good, ngood);
	result->rejected = 0;
	for (int i = 0; i < n; i++)
		result->rejected += events[i].reason != EVAUDIT_ACCEPTED;
}

/*
 * Give one event its effect, within a transaction.  Errors of the database
 * are raised; other reasons to reject the event are left in it.
 */
void
evaudit_ingest_one(const EvauditTopic *topic, EvauditEvent *event)
{
	EvauditEvent *good;

	if (decode_events(topic, event, 1, &good) > 0)
		(void) evaudit_merge(&good, 1);
}
