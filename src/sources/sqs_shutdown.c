/*-------------------------------------------------------------------------
 *
 * sqs_leave.c
 *	  Leaving the queue when the process ends, whatever the reason.
 *
 * Deletes of what is committed are brought to an end, and messages that are
 * not become visible again at once, instead of when their time is over.  A
 * receive under way cannot be called back: the service hands out messages to
 * a connection that nobody reads any more.  So its response is waited for, and
 * what is in it is put back; and only then, as it would get again what was
 * put back before.
 *
 * All that takes no more than LEAVE_TIMEOUT, as a shutdown or DROP DATABASE
 * waits for it.  What is not done by then comes again by itself.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "storage/ipc.h"
#include "storage/pmsignal.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "sources/sqs_source.h"

/* How long leaving may take, and how long of it receives are waited for, in
 * milliseconds. */
#define LEAVE_TIMEOUT		2500
#define RECEIVE_TIMEOUT		(SQS_SHORT_WAIT * 1000 + 250)

/* Put back the messages of the batch that is not acknowledged. */
static void
release_batch(SqsSource *state)
{
	int			n = state->nheld;

	state->nheld = 0;
	for (int i = 0; i < n; i++)
		evaudit_sqs_add_entry(state, &state->changes,
							  state->held[i].handle, 0);
}

/* Whether anything is left to do that is worth the wait. */
static bool
is_busy(const SqsSource *state, bool receives)
{
	return state->queue_state == SQS_QUEUE_READY &&
		(state->deletes.nwaiting + state->deletes.ncalls > 0 ||
		 state->changes.nwaiting + state->changes.ncalls > 0 ||
		 (receives && state->receives > 0));
}

/* At exit: leave in good order, as far as the time allows. */
static void
leave_queue(int code, Datum arg)
{
	SqsSource  *state = (SqsSource *) DatumGetPointer(arg);
	TimestampTz begin = GetCurrentTimestamp();
	TimestampTz end = TimestampTzPlusMilliseconds(begin, LEAVE_TIMEOUT);
	TimestampTz patience = TimestampTzPlusMilliseconds(begin, RECEIVE_TIMEOUT);
	EvauditBatch none = {0};
	TimestampTz now = begin;

	if (!PostmasterIsAlive())
		return;
	/* no locks are held while others are waited for */
	AbortOutOfAnyTransaction();
	none.context = AllocSetContextCreate(TopMemoryContext, "evaudit leave",
										 ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(none.context);
	state->shutting_down = true;
	release_batch(state);
	/* many calls at a time, and no pause between them */
	state->wanted = state->options.max_receives;
	state->deletes.pace.not_before = 0;
	while (now < end && is_busy(state, now < patience))
	{
		TimestampTz until = now < patience ? patience : end;

		state->changes.pace.not_before = state->receives > 0 ? patience : 0;
		evaudit_sqs_start_due_calls(state, &none);
		(void) evaudit_http_wait(state->http,
								 TimestampDifferenceMilliseconds(now, until));
		evaudit_sqs_take(state, &none);
		now = GetCurrentTimestamp();
	}
}

/* Have the queue left in good order when the process ends. */
void
evaudit_sqs_register_shutdown(SqsSource *state)
{
	before_shmem_exit(leave_queue, PointerGetDatum(state));
}
