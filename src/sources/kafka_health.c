/*-------------------------------------------------------------------------
 *
 * kafka_health.c
 *	  Whether the brokers of a Kafka source's partitions answer, and what
 *	  stat_partitions shows.
 *
 * A broker that does not answer is no error to librdkafka until a request
 * times out, and one that has no leader never is.  A partition whose broker
 * has not answered for a while is shown as stalled, with what is known of the
 * reason; the others are read.  A broker whose connection is open is not
 * asked for anything while records wait for us in the client's queue: its
 * silence means nothing then.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "sources/kafka_source.h"

/* Silence after which a partition is shown as stalled, milliseconds. */
#define STALLED_AFTER		10000

/*
 * Show a partition in stat_partitions.  The end that was read counts as
 * reached once it is committed: a batch may wait for long in the database.
 */
void
evaudit_kafka_source_show(KafkaSource *state, KafkaPartition *partition)
{
	EvauditOffset *now = &partition->now;
	EvauditPartitionStatus status = {
		.end_offset = evaudit_kafka_client_end(state->kafka, now->topic,
											   now->partition),
		.fetched_at = partition->fetched_at,
		.error = partition->stalled,
	};

	if (status.end_offset >= 0 && partition->stalled == NULL &&
		now->next_offset >= status.end_offset)
		partition->end_read_at = partition->fetched_at;
	if (!partition->changed)
		partition->caught_up_at = partition->end_read_at;
	status.caught_up_at = partition->caught_up_at;
	(void) evaudit_show_partition(state->source->id, now->topic,
								  now->partition, &status);
}

/* Note why a partition is stalled; NULL: it is not. */
static void
set_stalled(KafkaSource *state, KafkaPartition *partition, const char *error)
{
	char	   *before = partition->stalled;
	bool		is_new = error != NULL &&
		(before == NULL || strcmp(before, error) != 0);

	partition->stalled = error == NULL ? NULL :
		MemoryContextStrdup(state->context, error);
	if (before != NULL)
		pfree(before);
	if (is_new)
		evaudit_source_report_error(state->source,
									"partition %d of Kafka topic \"%s\": %s",
									partition->now.partition,
									partition->now.topic, error);
}

/* Take what the statistics say of a partition. */
static void
note_health(KafkaSource *state, KafkaPartition *partition,
			const EvauditKafkaHealth *health)
{
	TimestampTz now = GetCurrentTimestamp();

	if (health->answered)
		partition->fetched_at = now;
	if (health->answered || (health->connected && !state->drained))
		partition->silent_since = now;
	if (now - partition->silent_since < STALLED_AFTER * INT64CONST(1000))
		set_stalled(state, partition, NULL);
	else
		set_stalled(state, partition, health->error);
}

/* Whether all partitions of this worker are read, and shown to the group. */
static bool
all_is_well(const KafkaSource *state)
{
	if (state->group_error != NULL)
		return false;
	for (int i = 0; i < state->npartitions; i++)
	{
		const KafkaPartition *partition = &state->partitions[i];

		if (partition->stalled != NULL || partition->now.error != NULL)
			return false;
	}
	return true;
}

/* Take the library's statistics, if there are any new ones. */
void
evaudit_kafka_source_check_health(KafkaSource *state)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "evaudit health",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext previous = MemoryContextSwitchTo(context);
	List	   *partitions = evaudit_kafka_client_health(state->kafka);
	ListCell   *lc;

	foreach(lc, partitions)
	{
		const EvauditKafkaHealth *health = lfirst(lc);
		KafkaPartition *partition =
			evaudit_kafka_source_partition(state, health->topic,
										   health->partition);

		if (partition != NULL && !partition->now.stopped &&
			!partition->unavailable)
			note_health(state, partition, health);
	}
	if (partitions != NIL)
	{
		state->drained = false;
		if (all_is_well(state))
			evaudit_source_recovered(state->source);
	}
	MemoryContextSwitchTo(previous);
	MemoryContextDelete(context);
}
