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
#include "sources/partition_status.h"
#include "sources/source.h"

/* A partition that this worker reads. */
typedef struct KafkaPartition
{
	EvauditOffset now;			/* as it is after the events taken so far */
	char	   *log;			/* of its events: see EvauditEvent */
	int64		committed;		/* next_offset in the table */
	bool		changed;		/* "now" is to be saved */
	bool		verifying;		/* the next record must be the one seen */
	TimestampTz verified;		/* when the log was last known to be the same */
	uint64		rewound;		/* the drain whose further records are stale */
	bool		unavailable;	/* tried again from time to time */
	bool		missing;		/* not before the cluster has it again */
	int64		position;		/* librdkafka's, at the sweep before */
	int			last_event;		/* of the batch's events, or -1 */
	TimestampTz fetched_at;		/* its broker's last answer, or 0 */
	TimestampTz silent_since;	/* that, or when it was loaded */
	TimestampTz end_read_at;	/* when all of it was last read, or 0 */
	TimestampTz caught_up_at;	/* that, once it is committed */
	char	   *stalled;		/* why its broker does not answer, or NULL */
	bool		unshown;		/* its position is to go to the group */
} KafkaPartition;

/* Partitions whose offsets are being looked up; private to kafka_lookup.c. */
typedef struct KafkaLookup KafkaLookup;

typedef struct KafkaSource
{
	EvauditSource *source;
	EvauditKafka *kafka;
	WaitEventSet *waits;		/* for the client and the latch */
	char	   *cluster;		/* its id */
	char	   *group;			/* of the option "group_id", or NULL */
	char	   *group_error;	/* why its last commit failed, or NULL */
	TimestampTz group_retry_at; /* not before that after a failure */

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

	bool		drained;		/* all was taken, since the health before */

	TimestampTz next_discovery; /* of evaudit_kafka_source_discover() */
	EvauditKafkaRequest *discovery; /* the one under way, or NULL */
	KafkaLookup *lookup;		/* of partitions that are not read yet, or
								 * NULL */
	bool		lookup_changes; /* it changes the table in any case */
	TimestampTz next_sweep;		/* of evaudit_kafka_source_sweep() */
} KafkaSource;

/* Which partitions of its topics a source reads. */
typedef struct EvauditKafkaShare
{
	int			first;			/* that one, */
	int			count;			/* and each that many on */
} EvauditKafkaShare;

/* kafka_share.c */
extern EvauditKafkaShare evaudit_kafka_source_share(Jsonb *options);
extern bool evaudit_kafka_share_has(const EvauditKafkaShare *share,
									int32 partition);
extern bool evaudit_kafka_share_is_worked_by(const EvauditKafkaShare *share,
											 const EvauditProcess *process,
											 const char *topic,
											 int32 partition);

/* kafka_options.c */
extern void evaudit_kafka_source_check_options(Jsonb *options);
extern void evaudit_kafka_source_check_target(const char *target);
extern int	evaudit_kafka_source_workers(Jsonb *options);
extern char *evaudit_kafka_source_group(Jsonb *options);
extern char *evaudit_kafka_source_start(Jsonb *options);
extern int64 evaudit_kafka_source_target_time(const char *target);
extern int	evaudit_kafka_source_apply_target(const char *target,
											  EvauditOffset *offsets, int n);

/* kafka_lookup.c */
extern KafkaLookup *evaudit_kafka_lookup_begin(EvauditKafka *kafka, List *topics,
											   const EvauditOffset *offsets, int n,
											   MemoryContext parent);
extern bool evaudit_kafka_lookup_done(const KafkaLookup *lookup);
extern void evaudit_kafka_lookup_wait(EvauditKafka *kafka,
									  const KafkaLookup *lookup);
extern EvauditOffset *evaudit_kafka_lookup_finish(EvauditKafka *kafka,
												  KafkaLookup *lookup, int *n);
extern void evaudit_kafka_lookup_free(KafkaLookup *lookup);

/* kafka_topics.c */
extern void evaudit_kafka_source_check_topics(Jsonb *options);
extern bool evaudit_kafka_source_topic_wanted(Jsonb *options, const char *topic);
extern List *evaudit_kafka_source_topics_named(Jsonb *options);

/* kafka_discovery.c */
extern void evaudit_kafka_source_begin(KafkaSource *state);
extern void evaudit_kafka_source_run_discovery(KafkaSource *state);
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
extern uint32 evaudit_kafka_source_checksum(const char *key, size_t key_len,
											const char *payload, size_t payload_len);

/* kafka_group.c */
extern void evaudit_kafka_source_show_to_group(KafkaSource *state);

/* kafka_reread.c */
extern void evaudit_kafka_source_show_progress(void *state, char *line,
											   size_t size);

/* kafka_health.c */
extern void evaudit_kafka_source_check_health(KafkaSource *state);
extern void evaudit_kafka_source_show(KafkaSource *state,
									  KafkaPartition *partition);

#endif							/* EVAUDIT_KAFKA_SOURCE_H */
