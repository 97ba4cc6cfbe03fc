/*-------------------------------------------------------------------------
 *
 * sqs_shutdown.c
 *	  The end of a worker that reads a queue, whatever the reason.
 *
 * Deletes of what is committed are completed, and messages that are not
 * become visible again at once, not only when their time is over.  A receive
 * under way cannot be cancelled: the service would send its messages to a
 * connection that nobody reads any more.  So its response is waited for, and
 * its messages are made visible; the other ones only after that, as the
 * receive would get them again.
 *
 * All that takes no more than SHUTDOWN_TIMEOUT, as a shutdown or DROP
 * DATABASE waits for it.  The queue delivers again what is not done by then.
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

/* How long all of it may take, and waiting for receives, in milliseconds. */
#define SHUTDOWN_TIMEOUT	2500
#define RECEIVE_TIMEOUT		(SQS_SHORT_WAIT * 1000 + 250)

/* Make the messages of a batch visible that is not acknowledged. */
static void
release_batch(SqsSource *state)
{
	int			n = state->nheld;

	state->nheld = 0;
	for (int i = 0; i < n; i++)
		evaudit_sqs_add_entry(state, &state->changes,
							  state->held[i].handle, 0);
}

/* Whether there are calls that are worth waiting for. */
static bool
is_busy(const SqsSource *state, bool receives)
{
	return state->queue_state == SQS_QUEUE_READY &&
		(state->deletes.nwaiting + state->deletes.ncalls > 0 ||
		 state->changes.nwaiting + state->changes.ncalls > 0 ||
		 (receives && state->receives > 0));
}

/* At exit: complete what is under way, as far as the time allows. */
static void
shut_down(int code, Datum arg)
{
	SqsSource  *state = (SqsSource *) DatumGetPointer(arg);
	TimestampTz begin = GetCurrentTimestamp();
	TimestampTz end = TimestampTzPlusMilliseconds(begin, SHUTDOWN_TIMEOUT);
	TimestampTz receives_end = TimestampTzPlusMilliseconds(begin, RECEIVE_TIMEOUT);
	EvauditBatch none = {0};
	TimestampTz now = begin;

	if (!PostmasterIsAlive())
		return;
	/* no locks are held while others are waited for */
	AbortOutOfAnyTransaction();
	none.context = AllocSetContextCreate(TopMemoryContext, "evaudit shutdown",
										 ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(none.context);
	state->shutting_down = true;
	evaudit_sqs_release(state);
	release_batch(state);
	/* many calls at a time, and no pause between them */
	state->wanted = state->options.max_receives;
	state->deletes.pace.not_before = 0;
	while (now < end && is_busy(state, now < receives_end))
	{
		TimestampTz until = now < receives_end ? receives_end : end;

		state->changes.pace.not_before = state->receives > 0 ? receives_end : 0;
		evaudit_sqs_start_due_calls(state);
		(void) evaudit_http_wait(state->http,
								 TimestampDifferenceMilliseconds(now, until));
		evaudit_sqs_handle_responses(state, &none);
		now = GetCurrentTimestamp();
	}
}

/* Have all that done when the process ends. */
void
evaudit_sqs_register_shutdown(SqsSource *state)
{
	before_shmem_exit(shut_down, PointerGetDatum(state));
}
