/*-------------------------------------------------------------------------
 *
 * kafka_partition.c
 *	  One partition of a Kafka source: records, errors, its end.
 *
 * A partition stops, until seek_source(), when what follows the last record
 * read is not in its log any more: retention was faster, or the topic was
 * made anew.  The latter cannot be told from offsets alone, since the new
 * topic's may have grown past the old one's.  Reading therefore begins with
 * the last record seen, whose time and checksum are kept with the offset:
 * another record there means another log.  The same is done when a partition
 * speaks again after a silence, in which its topic may have been made anew
 * without any error, and once in a while when it does not.
 *
 * A partition that is not there at all may come back, as when a broker
 * starts; it is tried again from time to time, and then checked as above.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "port/pg_crc32c.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "sources/kafka_source.h"

/*
 * A silence in which a topic could be made anew and grow, milliseconds.  Its
 * end is an error to the fetch that waits, after which librdkafka fetches again
 * no sooner than fetch.error.backoff.ms, which kafka/client.c sets.
 */
#define SILENCE				400

/* How often the log of a silent partition is verified, milliseconds. */
#define VERIFY_INTERVAL		60000

/* CRC-32C over key and payload. */
uint32
evaudit_kafka_source_checksum(const char *key, size_t key_len,
							  const char *payload, size_t payload_len)
{
	pg_crc32c	crc;

	INIT_CRC32C(crc);
	if (key != NULL)
		COMP_CRC32C(crc, key, key_len);
	if (payload != NULL)
		COMP_CRC32C(crc, payload, payload_len);
	FIN_CRC32C(crc);
	return crc;
}

/* The partition of a topic's name and a number, or NULL. */
KafkaPartition *
evaudit_kafka_source_partition(KafkaSource *state, const char *topic, int32 number)
{
	/* records come in runs of one partition */
	for (int i = 0; i < state->npartitions; i++)
	{
		int			at = (state->latest + i) % state->npartitions;
		KafkaPartition *partition = &state->partitions[at];

		if (partition->now.partition == number &&
			strcmp(partition->now.topic, topic) == 0)
		{
			state->latest = at;
			return partition;
		}
	}
	return NULL;
}

/*
 * Set the error of a partition; NULL: none any more.  It lives as long as the
 * partition, whose errors come and go, so the one before is freed.
 */
static void
set_error(KafkaSource *state, KafkaPartition *partition, const char *error)
{
	char	   *before = partition->now.error;

	if (error == before ||
		(error != NULL && before != NULL && strcmp(error, before) == 0))
		return;
	partition->now.error = error == NULL ? NULL :
		MemoryContextStrdup(state->context, error);
	if (before != NULL)
		pfree(before);
	partition->changed = true;
	if (error != NULL)
		evaudit_source_report_error(state->source,
									"partition %d of Kafka topic \"%s\": %s",
									partition->now.partition,
									partition->now.topic, error);
}

/* Stop reading a partition until seek_source(). */
static void
stop_partition(KafkaSource *state, KafkaPartition *partition,
			   const char *error)
{
	partition->now.stopped = true;
	state->reassign = true;
	set_error(state, partition, error);
}

/* Stop reading a partition until the next sweep. */
static void
suspend_partition(KafkaSource *state, KafkaPartition *partition,
				  const char *error)
{
	partition->unavailable = true;
	state->reassign = true;
	set_error(state, partition, error);
}

/* Whether the record is the one that was read last. */
static bool
is_record_seen(const EvauditOffset *now, const EvauditKafkaMessage *message)
{
	return message->time == now->seen_time &&
		evaudit_kafka_source_checksum(message->key, message->key_len,
									  message->payload, message->payload_len) ==
		now->seen_checksum;
}

/* Read the last record seen once more, to know whether it is the same log. */
static void
verify_again(KafkaSource *state, KafkaPartition *partition)
{
	EvauditKafkaOffset last = {.topic = partition->now.topic,
		.partition = partition->now.partition,
	.offset = partition->now.seen_offset};

	partition->verifying = true;
	partition->rewound = state->drain;
	if (!evaudit_kafka_client_seek_to(state->kafka, &last))
		state->reassign = true;
}

/*
 * Take a record that arrived.  True if it is the partition's next one; false
 * if it was read before, or is not what it should be.
 */
bool
evaudit_kafka_source_accept(KafkaSource *state, KafkaPartition *partition,
							const EvauditKafkaMessage *message)
{
	EvauditOffset *now = &partition->now;

	if (now->stopped || partition->unavailable ||
		partition->rewound == state->drain)
		return false;
	if (!partition->verifying && now->seen &&
		state->drained_at > partition->verified + SILENCE * INT64CONST(1000))
	{
		verify_again(state, partition);
		return false;
	}
	partition->verified = state->drained_at;
	partition->fetched_at = state->drained_at;
	partition->silent_since = state->drained_at;
	if (partition->verifying)
	{
		partition->verifying = false;
		if (message->offset == now->seen_offset &&
			!is_record_seen(now, message))
		{
			now->remade = true;
			stop_partition(state, partition,
						   psprintf("another record stands at offset %lld than the one read before: the topic was made anew, or its log was cut",
									(long long) now->seen_offset));
			return false;
		}
	}
	if (message->offset < now->next_offset)
		return false;
	now->next_offset = message->offset + 1;
	partition->changed = true;
	set_error(state, partition, NULL);
	return true;
}

/* The broker has no record at the requested offset: find out why. */
static void
out_of_range(KafkaSource *state, KafkaPartition *partition)
{
	int64		next = partition->now.next_offset;
	EvauditKafkaOffset asked = {.topic = partition->now.topic,
	.partition = partition->now.partition};
	EvauditKafkaFound low;
	EvauditKafkaFound high;

	evaudit_kafka_client_offset_at(state->kafka, EVAUDIT_KAFKA_EARLIEST,
								   &asked, &low);
	evaudit_kafka_client_offset_at(state->kafka, EVAUDIT_KAFKA_LATEST,
								   &asked, &high);

	if (low.error != NULL || high.error != NULL)
		suspend_partition(state, partition,
						  low.error != NULL ? low.error : high.error);
	else if (next < low.offset)
		stop_partition(state, partition,
					   psprintf("records %lld to %lld were removed from the log before they were read",
								(long long) next,
								(long long) low.offset - 1));
	else if (next > high.offset)
	{
		partition->now.remade = true;
		stop_partition(state, partition,
					   psprintf("the log ends at offset %lld, before the next record to read, %lld: the topic was made anew, or its log was cut",
								(long long) high.offset, (long long) next));
	}
	else if (partition->verifying && partition->now.seen_offset < low.offset)
	{
		/* the last record seen was removed since; the next one is there */
		partition->verifying = false;
		partition->now.seen = false;
		partition->changed = true;
		state->reassign = true;
	}
	else						/* not any more: the log has just changed */
		suspend_partition(state, partition, "offset out of range");
}

/* Handle a message that is an error of a partition. */
void
evaudit_kafka_source_handle_error(KafkaSource *state, KafkaPartition *partition,
								  const EvauditKafkaMessage *message)
{
	if (partition->now.stopped || partition->unavailable)
		return;
	if (message->kind == EVAUDIT_KAFKA_OUT_OF_RANGE)
		out_of_range(state, partition);
	else if (message->kind == EVAUDIT_KAFKA_GONE)
		suspend_partition(state, partition, "it is not there any more");
	else
		suspend_partition(state, partition, message->payload);
}

/* Try a partition again that was not available; its log may be another. */
static void
resume_partition(KafkaSource *state, KafkaPartition *partition)
{
	partition->unavailable = false;
	partition->verifying = partition->now.seen;
	state->reassign = true;
}

/*
 * Note that the cluster does not have a partition any more, or has it again:
 * librdkafka keeps requesting one that is gone, without an error.
 */
void
evaudit_kafka_source_set_missing(KafkaSource *state, KafkaPartition *partition,
								 bool missing)
{
	if (missing == partition->missing || partition->now.stopped)
		return;
	partition->missing = missing;
	if (missing)
		suspend_partition(state, partition, "it is not there any more");
	else
		resume_partition(state, partition);
}

/* Tell librdkafka which partitions to read, from where. */
void
evaudit_kafka_source_assign_all(KafkaSource *state)
{
	EvauditKafkaOffset *offsets = palloc(Max(state->npartitions, 1) *
										 sizeof(EvauditKafkaOffset));
	int			n = 0;

	for (int i = 0; i < state->npartitions; i++)
	{
		KafkaPartition *partition = &state->partitions[i];

		if (partition->now.stopped || partition->unavailable)
			continue;
		offsets[n].topic = partition->now.topic;
		offsets[n].partition = partition->now.partition;
		offsets[n].offset = partition->verifying ?
			partition->now.seen_offset : partition->now.next_offset;
		n++;
	}
	evaudit_kafka_client_assign(state->kafka, offsets, n);
	pfree(offsets);
	state->reassign = false;
}

/*
 * Step over what follows the last record and holds none, such as the mark at
 * the end of a transaction.  librdkafka 2.2 to 2.13.1 may say a position too
 * far for a moment (issue 4844): it must have stayed since the sweep before.
 */
static void
step_over_markers(KafkaSource *state, KafkaPartition *partition)
{
	EvauditKafkaOffset position = {.topic = partition->now.topic,
	.partition = partition->now.partition};

	evaudit_kafka_client_positions(state->kafka, &position, 1);
	if (position.offset > partition->now.next_offset &&
		position.offset == partition->position)
	{
		partition->now.next_offset = position.offset;
		partition->changed = true;
	}
	partition->position = position.offset;
}

/*
 * Every few seconds, with nothing taken that is not committed: step over the
 * ends of transactions, try again what was not available, show how they do.
 */
void
evaudit_kafka_source_sweep(KafkaSource *state)
{
	TimestampTz now = GetCurrentTimestamp();

	evaudit_kafka_source_check_health(state);
	for (int i = 0; i < state->npartitions; i++)
	{
		KafkaPartition *partition = &state->partitions[i];

		if (partition->now.stopped || partition->missing)
			continue;
		if (partition->unavailable)
		{
			resume_partition(state, partition);
			continue;
		}
		set_error(state, partition, NULL);
		if (!partition->verifying)
			step_over_markers(state, partition);
		if (!partition->verifying && partition->now.seen &&
			now > partition->verified + VERIFY_INTERVAL * INT64CONST(1000))
			verify_again(state, partition);
		evaudit_kafka_source_show(state, partition);
	}
}
