/*-------------------------------------------------------------------------
 *
 * kafka_source.h
 *	  What the files of the Kafka source share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_KAFKA_SOURCE_H
#define EVAUDIT_KAFKA_SOURCE_H

#include "kafka/client.h"
#include "server/wait.h"
#include "sources/offsets.h"
#include "sources/partition_end.h"
#include "sources/source.h"

/* A partition that this worker reads. */
typedef struct KafkaPartition
{
	EvauditOffset now;			/* as it is after the events taken so far */
	int64		committed;		/* next_offset in the table */
	bool		changed;		/* "now" is to be saved */
	bool		verifying;		/* the next record must be the one seen */
	TimestampTz verified;		/* when the log was last known to be the same */
	uint64		rewound;		/* the drain whose further records are stale */
	bool		unavailable;	/* tried again from time to time */
	bool		missing;		/* not before the cluster has it again */
	int64		position;		/* librdkafka's, at the sweep before */
	int			last_event;		/* of the batch's events, or -1 */
} KafkaPartition;

typedef struct KafkaSource
{
	EvauditSource *source;
	EvauditKafka *kafka;
	WaitEventSet *waits;		/* for the client and the latch */

	MemoryContext context;		/* of the partitions; reset at each reload */
	KafkaPartition *partitions; /* by topic and number */
	int			npartitions;
	int			latest;			/* index of the partition found last */
	uint64		assignment;		/* the counter when they were loaded */
	bool		reassign;		/* librdkafka must be told anew */

	uint64		drain;			/* number of the last call to the client, */
	TimestampTz drained_at;		/* and its time */
	EvauditKafkaMessage *messages;	/* of the batch's events, one each */
	int			nmessages;
	bool		backlog;		/* the batch was full before all was taken */

	TimestampTz next_discovery; /* of evaudit_kafka_source_discover() */
	TimestampTz next_sweep;		/* of evaudit_kafka_source_sweep() */
} KafkaSource;

/* kafka_options.c */
extern void evaudit_kafka_source_check_options(Jsonb *options);
extern void evaudit_kafka_source_check_target(const char *target);
extern int	evaudit_kafka_source_workers(Jsonb *options);
extern char *evaudit_kafka_source_start(Jsonb *options);
extern int	evaudit_kafka_source_resolve_target(EvauditKafka *kafka, const char *target,
												EvauditOffset *offsets, int n);

/* kafka_topics.c */
extern void evaudit_kafka_source_check_topics(Jsonb *options);
extern bool evaudit_kafka_source_topic_wanted(Jsonb *options, const char *topic);
extern List *evaudit_kafka_source_topics_named(Jsonb *options);

/* kafka_discovery.c */
extern void evaudit_kafka_source_discover(KafkaSource *state);
extern void evaudit_kafka_source_seek(KafkaSource *state);
extern void evaudit_kafka_source_await_first(KafkaSource *state);
extern void evaudit_kafka_source_load(KafkaSource *state);

/* kafka_partition.c */
extern KafkaPartition *evaudit_kafka_source_partition(KafkaSource *state,
													  const char *topic,
													  int32 number);
extern bool evaudit_kafka_source_accept(KafkaSource *state, KafkaPartition *partition,
										const EvauditKafkaMessage *message);
extern void evaudit_kafka_source_handle_error(KafkaSource *state, KafkaPartition *partition,
											  const EvauditKafkaMessage *message);
extern void evaudit_kafka_source_set_missing(KafkaSource *state,
											 KafkaPartition *partition, bool missing);
extern void evaudit_kafka_source_assign_all(KafkaSource *state);
extern void evaudit_kafka_source_sweep(KafkaSource *state);
extern void evaudit_kafka_source_show_end(KafkaSource *state,
										  const KafkaPartition *partition);
extern uint32 evaudit_kafka_source_checksum(const char *key, size_t key_len,
											const char *payload, size_t payload_len);

#endif							/* EVAUDIT_KAFKA_SOURCE_H */
