/*-------------------------------------------------------------------------
 *
 * sink_send.c
 *	  Sending a batch until nothing of it is pending.
 *
 * What is refused, fails alone or waits behind these stays behind.  What is
 * pending with an error of the batch waits for a pause; nothing of the batch,
 * and nothing that follows it, is sent meanwhile.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <inttypes.h>

#include "common/hashfn.h"
#include "pgstat.h"
#include "utils/timestamp.h"

#include "server/wait.h"
#include "sinks/sink_work.h"

/* Say in pg_stat_activity what the process does. */
void
evaudit_sink_report(const EvauditSinkWork *work, BackendState state,
					const char *what, int n)
{
	char		str[128];

	if (n > 0)
		snprintf(str, sizeof(str), "sink \"%s\": %s %d events",
				 work->sink->name, what, n);
	else
		snprintf(str, sizeof(str), "sink \"%s\": %s", work->sink->name, what);
	pgstat_report_activity(state, str);
}

/* How many deliveries of a batch have an outcome. */
static int
count(const EvauditSinkBatch *batch, EvauditOutcome outcome)
{
	int			n = 0;

	for (int i = 0; i < batch->n; i++)
		n += batch->deliveries[i].outcome == outcome;
	return n;
}

/* Wait before what is pending is sent again. */
static void
pause_sending(EvauditSinkWork *work, const EvauditSinkBatch *batch)
{
	const char *error = batch->error != NULL ? batch->error :
		"deliveries are pending";
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz until;

	if (batch->stop)
		evaudit_sink_stop(work->sink, error);
	until = TimestampTzPlusMilliseconds(now,
										Max(evaudit_backoff(work->failures++),
											batch->retry_after));
	if (evaudit_process_report_error(work->process, error))
		ereport(LOG,
				(errcode(ERRCODE_SYSTEM_ERROR),
				 errmsg("sink \"%s\": %s", work->sink->name, error),
				 errdetail_log("sink=\"%s\"", work->sink->name)));
	evaudit_process_retry_at(work->process, until);
	evaudit_sink_report(work, STATE_IDLE, "waiting to try again", 0);
	while (now < until)
	{
		(void) evaudit_wait(TimestampDifferenceMilliseconds(now, until) + 1);
		now = GetCurrentTimestamp();
	}
	evaudit_process_retry_at(work->process, 0);
}

/* Show what was sent. */
void
evaudit_sink_show_progress(EvauditSinkWork *work, const EvauditSinkBatch *batch)
{
	uint64		counters[EVAUDIT_SINK_COUNTERS] = {
		[EVAUDIT_SINK_DELIVERED] = count(batch, EVAUDIT_OUTCOME_DELIVERED),
		[EVAUDIT_SINK_BATCHES] = 1,
	};
	TimestampTz times[EVAUDIT_SINK_TIMES] = {
		[EVAUDIT_SINK_LAST_DELIVERED] = GetCurrentTimestamp(),
	};

	evaudit_process_progressed(work->process, counters, times);
	/* what an attempt before it reported is over */
	evaudit_process_recovered(work->process);
}

/* Hand a batch over once. */
static void
hand_over(EvauditSinkWork *work, EvauditSinkBatch *batch, int pending)
{
	evaudit_sink_report(work, STATE_RUNNING, "sending", pending);
	batch->error = NULL;
	batch->retry_after = 0;
	/* what an earlier attempt has left says nothing about this one */
	for (int i = 0; i < batch->n; i++)
		if (batch->deliveries[i].outcome == EVAUDIT_OUTCOME_PENDING)
		{
			batch->deliveries[i].error = batch->deliveries[i].code = NULL;
			batch->deliveries[i].failed = false;
		}
	work->kind->send(work->state, batch);
	MemoryContextSwitchTo(work->process->iteration);
}

/*
 * Send a batch that was decided, until nothing of it is pending.  A kind whose
 * destination remembers batches has sent nothing of one in which it refuses
 * some: the rest is decided anew.
 */
void
evaudit_sink_send(EvauditSinkWork *work, EvauditSinkBatch *batch,
				  int64 end_seq)
{
	bool		more = evaudit_deliveries_review(work->sink, batch);

	while (more)
	{
		int			before = count(batch, EVAUDIT_OUTCOME_PENDING);
		int			refused = count(batch, EVAUDIT_OUTCOME_REFUSED);

		hand_over(work, batch, before);
		more = evaudit_deliveries_review(work->sink, batch);
		if (count(batch, EVAUDIT_OUTCOME_PENDING) < before)
			work->failures = 0;
		else if (more)
			pause_sending(work, batch);
		if (more && work->kind->recover != NULL &&
			count(batch, EVAUDIT_OUTCOME_REFUSED) > refused)
			evaudit_sink_decide(work, batch, end_seq, true);
	}
}

/*
 * Set the digest of what is to be sent of a batch: of the place and the id of
 * each, and of when it was received, for two copies of a database may number
 * other rows alike.
 */
void
evaudit_sink_set_hash(const EvauditSinkBatch *batch, char *hash)
{
	uint64		digest[2] = {0, 1};

	for (int i = 0; i < batch->n; i++)
	{
		const EvauditDelivery *delivery = &batch->deliveries[i];
		uint64		what[3];

		if (delivery->outcome != EVAUDIT_OUTCOME_PENDING)
			continue;
		what[0] = (uint64) delivery->seq;
		what[1] = (uint64) delivery->received_at;
		what[2] = hash_bytes_extended((const unsigned char *) delivery->event_id,
									  (int) strlen(delivery->event_id), 0);
		for (int j = 0; j < lengthof(digest); j++)
			digest[j] = hash_bytes_extended((const unsigned char *) what,
											sizeof(what), digest[j]);
	}
	snprintf(hash, EVAUDIT_HASH_BYTES, "%016" PRIx64 "%016" PRIx64,
			 digest[0], digest[1]);
}

/*
 * The batch that was made while this one was sent, so that it is most likely
 * sent next, or NULL.  It has the number and the hash with which it is decided
 * then, unless something of it is held or what is sent next is another batch.
 */
const EvauditSinkBatch *
evaudit_sink_next(const EvauditSinkBatch *batch)
{
	EvauditSinkWork *work = batch->work;
	EvauditSinkBatch *next;

	if (work == NULL || work->done_ahead != EVAUDIT_AHEAD_SHAPED)
		return NULL;
	next = &work->batches[1 - work->current];
	if (next->n == 0)
		return NULL;
	if (next->number != batch->number + 1)
	{
		evaudit_sink_set_hash(next, work->next_hash);
		next->number = batch->number + 1;
		next->hash = work->next_hash;
	}
	return next;
}

/* Send a batch in the transaction that moves the position. */
void
evaudit_sink_send_once(EvauditSinkWork *work, EvauditSinkBatch *batch)
{
	hand_over(work, batch, batch->n);
	if (evaudit_deliveries_review(work->sink, batch))
		elog(ERROR, "deliveries of a transaction are pending");
}
