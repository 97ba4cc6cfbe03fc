/*-------------------------------------------------------------------------
 *
 * producer.h
 *	  A Kafka producer, with or without transactions, over librdkafka.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_KAFKA_PRODUCER_H
#define EVAUDIT_KAFKA_PRODUCER_H

#include "nodes/pg_list.h"

/* Bytes of the records in one request, unless a topic takes less. */
#define EVAUDIT_KAFKA_BATCH_BYTES	1000000

typedef struct EvauditKafkaProducer EvauditKafkaProducer;

/* What the cluster says of a topic that is written to. */
typedef struct EvauditKafkaDestination
{
	const char *name;
	void	   *handle;			/* librdkafka's topic */
	int64		max_bytes;		/* largest batch of records; 0: not known */
	bool		compacted;		/* each record must have a key */
} EvauditKafkaDestination;

typedef struct EvauditKafkaHeader
{
	const char *name;
	const char *value;			/* NULL: a header without a value */
	size_t		value_len;
} EvauditKafkaHeader;

/* What became of a record. */
typedef enum EvauditKafkaFate
{
	EVAUDIT_KAFKA_UNSENT,
	EVAUDIT_KAFKA_SENT,			/* not acknowledged yet */
	EVAUDIT_KAFKA_ACKED,
	EVAUDIT_KAFKA_REFUSED,		/* for what it is: it can never go */
	EVAUDIT_KAFKA_PURGED,		/* taken back by the library */
	EVAUDIT_KAFKA_FAILED		/* for another reason */
} EvauditKafkaFate;

typedef struct EvauditKafkaRecord
{
	const EvauditKafkaDestination *topic;
	const char *key;			/* NULL: none */
	size_t		key_len;
	const char *value;			/* lasts until the report; NULL: a tombstone */
	size_t		value_len;
	const EvauditKafkaHeader *headers;
	int			nheaders;
	EvauditKafkaFate fate;
	const char *code;			/* of an error, by librdkafka's name; static */
	const char *error;			/* its text; static */
} EvauditKafkaRecord;

/* producer.c: the client and its records */
extern EvauditKafkaProducer *evaudit_kafka_producer_open(List *options, bool ambient,
														 const char *transactional_id,
														 int batch_bytes);
extern void evaudit_kafka_producer_close(EvauditKafkaProducer *producer);
extern void evaudit_kafka_producer_keep(EvauditKafkaProducer *producer);
extern bool evaudit_kafka_producer_was_down(EvauditKafkaProducer *producer);
extern int64 evaudit_kafka_producer_max_bytes(EvauditKafkaProducer *producer);
extern size_t evaudit_kafka_record_bytes(const EvauditKafkaRecord *record);
extern bool evaudit_kafka_producer_send(EvauditKafkaProducer *producer,
										EvauditKafkaRecord *record);
extern bool evaudit_kafka_producer_wait(EvauditKafkaProducer *producer);

/* producer_topic.c: what the cluster says of topics */
extern char *evaudit_kafka_producer_find_topic(EvauditKafkaProducer *producer,
											   const char *name,
											   EvauditKafkaDestination *found);
extern void evaudit_kafka_producer_release_topic(EvauditKafkaDestination *found);

/* producer_transaction.c: transactions that carry a number */
extern char *evaudit_kafka_transaction_init(EvauditKafkaProducer *producer);
extern char *evaudit_kafka_transaction_number(List *options, bool ambient,
											  const char *group, bool stable,
											  int64 *number, char **metadata);
extern void evaudit_kafka_transaction_begin(EvauditKafkaProducer *producer);
extern void evaudit_kafka_transaction_position(EvauditKafkaProducer *producer,
											   const char *group,
											   List *topics, int64 number,
											   const char *metadata);
extern void evaudit_kafka_transaction_commit(EvauditKafkaProducer *producer);
extern bool evaudit_kafka_transaction_busy(EvauditKafkaProducer *producer);
extern char *evaudit_kafka_transaction_wait(EvauditKafkaProducer *producer);
extern void evaudit_kafka_transaction_abort(EvauditKafkaProducer *producer);

#endif							/* EVAUDIT_KAFKA_PRODUCER_H */
