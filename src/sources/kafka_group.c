/*-------------------------------------------------------------------------
 *
 * kafka_group.c
 *	  The option "group_id": positions for others' monitoring.
 *
 * After each commit the positions are committed to that group, too, as best
 * can be: without waiting, and whatever becomes of it.  A failure is told
 * once, and shown until a later attempt succeeds.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "sources/kafka_source.h"

/* Pause after a failure, milliseconds. */
#define RETRY_PAUSE		5000

/* Note how the last commit to the group ended; NULL: well. */
static void
note_result(KafkaSource *state, const char *error)
{
	char	   *before = state->group_error;

	/* the same again is not logged */
	if (error != NULL)
		evaudit_source_report_error(state->source,
									"could not commit offsets to consumer group \"%s\": %s",
									state->group, error);
	state->group_error = error == NULL ? NULL :
		MemoryContextStrdup(TopMemoryContext, error);
	if (before != NULL)
		pfree(before);
	if (error == NULL)
		return;
	state->group_retry_at = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
														RETRY_PAUSE);
	for (int i = 0; i < state->npartitions; i++)
		state->partitions[i].unshown = true;
}

/* Begin to commit the positions that the group does not have yet. */
static void
commit_positions(KafkaSource *state)
{
	EvauditKafkaOffset *offsets = palloc(Max(state->npartitions, 1) *
										 sizeof(EvauditKafkaOffset));
	int			n = 0;

	for (int i = 0; i < state->npartitions; i++)
	{
		const KafkaPartition *partition = &state->partitions[i];

		if (!partition->unshown)
			continue;
		offsets[n].topic = partition->now.topic;
		offsets[n].partition = partition->now.partition;
		offsets[n++].offset = partition->committed;
	}
	if (n > 0 && evaudit_kafka_group_commit(state->kafka, offsets, n))
	{
		for (int i = 0; i < state->npartitions; i++)
			state->partitions[i].unshown = false;
	}
	pfree(offsets);
}

/* Tell the group the positions that are committed; see the top of this file. */
void
evaudit_kafka_source_show_to_group(KafkaSource *state)
{
	char	   *error;

	if (state->group == NULL)
		return;
	if (evaudit_kafka_group_commit_ended(state->kafka, &error))
	{
		note_result(state, error);
		if (error != NULL)
			pfree(error);
	}
	if (GetCurrentTimestamp() >= state->group_retry_at)
		commit_positions(state);
}
