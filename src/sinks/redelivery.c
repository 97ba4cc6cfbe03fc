/*-------------------------------------------------------------------------
 *
 * redelivery.c
 *	  The process of a sink sends again what stayed behind.
 *
 * Between two chunks of the stream, and as these: what is loaded of
 * evaudit.delivery_store is a batch, decided where the destination remembers
 * batches.  Its rows carry its number then; the one that follows a crash finds
 * them by it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "sinks/await.h"
#include "sinks/sink_work.h"

/*
 * Load what is due and make it a batch, within a transaction; NULL if nothing
 * is.
 */
static EvauditStreamRow *
load(EvauditSinkWork *work, int *n)
{
	EvauditSinkBatch *batch = &work->again;
	EvauditStreamRow *rows;

	MemoryContextReset(batch->context);
	MemoryContextSwitchTo(batch->context);
	rows = evaudit_deliveries_load(work->sink, n);
	if (rows == NULL)
		return NULL;
	evaudit_shape_apply(work->shape, rows, *n, batch);
	evaudit_deliveries_begin(batch);
	return rows;
}

/* Send what was loaded, and record what became of it; in a transaction. */
static void
send_in_transaction(EvauditSinkWork *work, const EvauditStreamRow *rows, int n)
{
	if (work->again.n > 0 &&
		evaudit_deliveries_review(work->sink, &work->again))
		evaudit_sink_send_once(work, &work->again);
	evaudit_deliveries_finish(work->sink, rows, n, &work->again);
	evaudit_sink_commit(work);
}

/* Send what was loaded, outside of a transaction; record it in another. */
static void
send_and_record(EvauditSinkWork *work, const EvauditStreamRow *rows, int n)
{
	bool		remembered = work->kind->recover != NULL && work->again.n > 0;

	evaudit_sink_commit(work);
	if (remembered)
		evaudit_sink_decide(work, &work->again, EVAUDIT_REDELIVERY, false);
	evaudit_sink_send(work, &work->again, EVAUDIT_REDELIVERY);
	evaudit_sink_begin();
	evaudit_deliveries_finish(work->sink, rows, n, &work->again);
	if (remembered)
	{
		work->position.chunk_seq = 0;
		evaudit_sink_keep_position(work);
	}
	evaudit_sink_commit(work);
	if (remembered)
		evaudit_sink_position_kept(work);
}

/*
 * Send again what is due; false if nothing more is.  "next" is when something
 * will be due, or 0.
 */
bool
evaudit_sink_redeliver(EvauditSinkWork *work, TimestampTz *next)
{
	EvauditStreamRow *rows;
	int			n;

	*next = 0;
	evaudit_sink_begin();
	if (!evaudit_deliveries_next(work->sink, next) ||
		*next > GetCurrentTimestamp() ||
		(rows = load(work, &n)) == NULL)
	{
		evaudit_sink_commit(work);
		/* what users gave up may be gone */
		if (*next != 0 && *next <= GetCurrentTimestamp())
		{
			evaudit_await_announce();
			*next = 0;
		}
		return false;
	}
	if (work->kind->transactional)
		send_in_transaction(work, rows, n);
	else
		send_and_record(work, rows, n);
	evaudit_sink_show_progress(work, &work->again);
	evaudit_await_announce();
	return true;
}

/*
 * Take up what the process before decided to send again: the destination has
 * it, or it is as it was.
 */
void
evaudit_sink_recover_redelivery(EvauditSinkWork *work, bool sent)
{
	evaudit_sink_begin();
	evaudit_deliveries_recover(work->sink, work->position.number, sent);
	if (!sent)
		work->position.number--;
	work->position.chunk_seq = 0;
	evaudit_sink_keep_position(work);
	evaudit_sink_commit(work);
	evaudit_sink_position_kept(work);
}
