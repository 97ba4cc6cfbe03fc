/*-------------------------------------------------------------------------
 *
 * sqs_rejected.c
 *	  What becomes of events that were rejected: a dead letter, or another
 *	  delivery by the queue.
 *
 *	  on_bad_event "leave"		a bad event is deferred: it stays in the
 *								queue, hidden for the usual time, and the
 *								queue's redrive policy decides in the end
 *	  refused by the database	deferred max_attempts times; each time the
 *								queue hides it for longer
 *
 * In a FIFO queue, what follows a deferred message must wait for it: the rest
 * of its group is deferred, too, and is visible again at once, behind it.
 * Other groups are not affected.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/hsearch.h"

#include "sources/sqs_source.h"

/* Longest time that a failing message is hidden for, seconds. */
#define MAX_DELAY		900

/* Longest id of a group, with its terminating zero. */
#define GROUP_BYTES		129

/* Seconds until a message is tried again that was received so many times. */
int
evaudit_sqs_delay(int receive_count)
{
	return receive_count > 10 ? MAX_DELAY : 1 << Max(receive_count - 1, 0);
}

/* Whether a rejected event is deferred, and for how many seconds. */
static bool
is_deferred(const SqsSource *state, const EvauditEvent *event, int *hide)
{
	if (event->reason != EVAUDIT_DATABASE_ERROR)
	{
		*hide = state->visibility;
		return state->options.defer_bad;
	}
	*hide = evaudit_sqs_delay(event->receive_count);
	return event->receive_count < state->options.max_attempts;
}

/* Defer an event for some seconds. */
static void
defer_event(EvauditEvent *event, SqsHeld *held, int hide)
{
	event->deferred = true;
	held->hide = hide;
}

/*
 * Defer the events that follow a deferred one of their group.  False if one
 * of them has had an effect.
 */
static bool
defer_groups(SqsSource *state, EvauditBatch *batch)
{
	HASHCTL		control = {
		.keysize = GROUP_BYTES,
		.entrysize = GROUP_BYTES,
		.hcxt = CurrentMemoryContext,
	};
	HTAB	   *stopped;
	bool		clean = true;

	stopped = hash_create("evaudit groups", 16, &control,
						  HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
	for (int i = 0; i < batch->nevents; i++)
	{
		EvauditEvent *event = &batch->events[i];
		SqsHeld    *held = &state->held[i];
		bool		found;

		if (held->group == NULL)
			continue;
		(void) hash_search(stopped, held->group,
						   event->deferred ? HASH_ENTER : HASH_FIND, &found);
		if (event->deferred || !found)
			continue;
		clean &= event->reason != EVAUDIT_ACCEPTED;
		evaudit_event_reject(event, EVAUDIT_DATABASE_ERROR,
							 "an earlier message of its group is not done");
		defer_event(event, held, 0);
	}
	hash_destroy(stopped);
	return clean;
}

/*
 * The batch is ingested again: an event that was in conflict with one that
 * has no effect now has another chance.
 */
static void
forget_conflicts(EvauditBatch *batch)
{
	for (int i = 0; i < batch->nevents; i++)
	{
		EvauditEvent *event = &batch->events[i];

		if (event->reason == EVAUDIT_CONFLICT && !event->deferred)
			event->reason = EVAUDIT_ACCEPTED;
	}
}

/* See EvauditSourceKind. */
bool
evaudit_sqs_handle_rejected(void *arg, EvauditBatch *batch)
{
	SqsSource  *state = arg;
	const EvauditEvent *first = NULL;
	int			n = 0;

	for (int i = 0; i < batch->nevents; i++)
	{
		EvauditEvent *event = &batch->events[i];
		int			hide;

		if (event->reason == EVAUDIT_ACCEPTED || event->deferred ||
			!is_deferred(state, event, &hide))
			continue;
		defer_event(event, &state->held[i], hide);
		if (n++ == 0)
			first = event;
	}
	if (n == 0)
		return true;
	evaudit_source_report_error(state->source,
								"%d messages stay in queue \"%s\" for now, the first one %s: %s",
								n, state->name, first->message_id, first->error);
	if (!state->fifo || defer_groups(state, batch))
		return true;
	forget_conflicts(batch);
	return false;
}
