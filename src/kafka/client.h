/*-------------------------------------------------------------------------
 *
 * client.h
 *	  A Kafka consumer without group membership, over librdkafka.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_KAFKA_CLIENT_H
#define EVAUDIT_KAFKA_CLIENT_H

#include "datatype/timestamp.h"
#include "nodes/pg_list.h"

/* Times that evaudit_kafka_request_offsets() takes besides milliseconds. */
#define EVAUDIT_KAFKA_LATEST	INT64CONST(-1)
#define EVAUDIT_KAFKA_EARLIEST	INT64CONST(-2)

typedef struct EvauditKafka EvauditKafka;

/* A partition with an offset: where to start, or what a lookup found. */
typedef struct EvauditKafkaOffset
{
	const char *topic;
	int32		partition;
	int64		offset;
} EvauditKafkaOffset;

/* What the broker says of a topic. */
typedef struct EvauditKafkaTopic
{
	const char *name;
	int			npartitions;
	int32	   *leaders;		/* broker of each partition, or -1: none */
} EvauditKafkaTopic;

/* What became of the lookup of a partition's offset. */
typedef struct EvauditKafkaFound
{
	int64		offset;			/* -1: not found, the error says why */
	const char *error;
} EvauditKafkaFound;

/* How a partition does, as the library's statistics have it. */
typedef struct EvauditKafkaHealth
{
	const char *topic;
	int32		partition;
	bool		connected;		/* its leader's connection is open, and was
								 * since the statistics before */
	bool		answered;		/* and the leader has answered since */
	const char *error;			/* if not: why, as far as is known */
} EvauditKafkaHealth;

typedef struct EvauditKafkaRequest EvauditKafkaRequest;

typedef enum EvauditKafkaKind
{
	EVAUDIT_KAFKA_RECORD,
	EVAUDIT_KAFKA_OUT_OF_RANGE, /* the assigned offset is not in the log */
	EVAUDIT_KAFKA_GONE,			/* the topic or partition is not there */
	EVAUDIT_KAFKA_FAULT			/* anything else about one partition */
} EvauditKafkaKind;

/* A record, or an error of a partition; valid until released. */
typedef struct EvauditKafkaMessage
{
	void	   *handle;			/* librdkafka's message */
	EvauditKafkaKind kind;
	const char *topic;
	int32		partition;
	int64		offset;
	const char *payload;		/* NULL: a tombstone; of an error, its text */
	size_t		payload_len;
	const char *key;			/* NULL: none */
	size_t		key_len;
	int64		time;			/* milliseconds since 1970; -1 for none */
} EvauditKafkaMessage;

/* conf.c: the options of servers and user mappings */
extern void evaudit_kafka_check_options(List *options, bool user_mapping,
										Oid user);
extern List *evaudit_kafka_read_options(Oid server, Oid user);

/* client.c: the consumer */
extern EvauditKafka *evaudit_kafka_client_open(List *options, bool ambient,
											   const char *group,
											   const char *shown_group);
extern int	evaudit_kafka_client_fd(EvauditKafka *kafka);
extern void evaudit_kafka_client_assign(EvauditKafka *kafka,
										const EvauditKafkaOffset *offsets, int n);
extern bool evaudit_kafka_client_seek_to(EvauditKafka *kafka,
										 const EvauditKafkaOffset *offset);
extern int	evaudit_kafka_client_drain(EvauditKafka *kafka,
									   EvauditKafkaMessage *messages, int max);
extern void evaudit_kafka_client_release(EvauditKafkaMessage *messages, int n);
extern void evaudit_kafka_client_check(EvauditKafka *kafka);
extern bool evaudit_kafka_client_header(const EvauditKafkaMessage *message, int i,
										const char **name, const char **value,
										size_t *value_len);
extern int64 evaudit_kafka_client_end(EvauditKafka *kafka, const char *topic,
									  int32 partition);
extern void evaudit_kafka_client_positions(EvauditKafka *kafka,
										   EvauditKafkaOffset *offsets, int n);

/* group.c: positions for others to see */
extern bool evaudit_kafka_group_commit(EvauditKafka *kafka,
									   const EvauditKafkaOffset *offsets, int n);
extern bool evaudit_kafka_group_commit_ended(EvauditKafka *kafka, char **error);

/* statistics.c: how brokers and partitions do */
extern List *evaudit_kafka_client_health(EvauditKafka *kafka);

/* request.c: requests to the broker, which hold up nobody */
extern EvauditKafkaRequest *evaudit_kafka_request_topics(EvauditKafka *kafka);
extern EvauditKafkaRequest *evaudit_kafka_request_offsets(EvauditKafka *kafka,
														  int64 time,
														  const EvauditKafkaOffset *offsets,
														  int n);
extern bool evaudit_kafka_request_done(EvauditKafkaRequest *request);
extern bool evaudit_kafka_request_wait(EvauditKafka *kafka,
									   EvauditKafkaRequest *request);
extern bool evaudit_kafka_request_finish_topics(EvauditKafka *kafka,
												EvauditKafkaRequest *request,
												List **topics, char **error);
extern void evaudit_kafka_request_finish_offsets(EvauditKafka *kafka,
												 EvauditKafkaRequest *request,
												 EvauditKafkaFound *found);

/* the same, waiting for the response */
extern bool evaudit_kafka_client_list_topics(EvauditKafka *kafka,
											 List **topics, char **error);
extern List *evaudit_kafka_client_topics(EvauditKafka *kafka);
extern char *evaudit_kafka_client_cluster(EvauditKafka *kafka);
extern void evaudit_kafka_client_offset_at(EvauditKafka *kafka, int64 time,
										   const EvauditKafkaOffset *partition,
										   EvauditKafkaFound *found);

#endif							/* EVAUDIT_KAFKA_CLIENT_H */
