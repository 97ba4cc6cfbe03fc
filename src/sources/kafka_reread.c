/*-------------------------------------------------------------------------
 *
 * kafka_reread.c
 *	  How far a worker is with what seek_source() had it read again.
 *
 * The view stat_jobs counts the same from the table, over all workers.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "sources/kafka_source.h"

/* Whether a partition has something to read again, by the table. */
static bool
is_rereading(const KafkaPartition *partition)
{
	return !partition->now.stopped &&
		partition->committed < partition->now.reread_until;
}

/* Since when the worker's partitions read again; 0: none does. */
static TimestampTz
rereading_since(const KafkaSource *state)
{
	TimestampTz since = 0;

	for (int i = 0; i < state->npartitions; i++)
	{
		const KafkaPartition *partition = &state->partitions[i];

		if (is_rereading(partition) &&
			(since == 0 || partition->now.reread_since < since))
			since = partition->now.reread_since;
	}
	return since;
}

/*
 * Write how far it is.  Partitions that are done already count, if they were
 * moved by the same seek_source() or a later one.
 */
void
evaudit_kafka_source_show_progress(void *arg, char *line, size_t size)
{
	const KafkaSource *state = arg;
	TimestampTz since = rereading_since(state);
	int64		done = 0;
	int64		total = 0;
	int64		usec;

	line[0] = '\0';
	if (since == 0)
		return;
	for (int i = 0; i < state->npartitions; i++)
	{
		const EvauditOffset *now = &state->partitions[i].now;

		if (now->reread_since < since || now->reread_until <= now->reread_from)
			continue;
		done += Min(state->partitions[i].committed, now->reread_until) -
			now->reread_from;
		total += now->reread_until - now->reread_from;
	}
	usec = Max(GetCurrentTimestamp() - since, 1);
	snprintf(line, size, ", re-read " INT64_FORMAT " of " INT64_FORMAT
			 " records, %.0f a second", done, total,
			 (double) done * USECS_PER_SEC / usec);
}
