/*-------------------------------------------------------------------------
 *
 * kafka_sink.h
 *	  What the files of the Kafka sink share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_KAFKA_SINK_H
#define EVAUDIT_KAFKA_SINK_H

#include "utils/hsearch.h"

#include "kafka/producer.h"
#include "sinks/sink.h"

/* Longest name of a topic of Kafka, in bytes. */
#define KAFKA_MAX_TOPIC		249

/* The options of a Kafka sink, as they are used. */
typedef struct KafkaSinkOptions
{
	const char *topic;			/* with {topic} for the event's own */
	bool		exactly_once;
	bool		content_type;	/* is a header of each record */
} KafkaSinkOptions;

/* What is still to be sent of a batch's number. */
typedef enum KafkaSinkNumber
{
	KAFKA_NUMBER_NOTHING,
	KAFKA_NUMBER_FIRST,			/* before the records */
	KAFKA_NUMBER_BESIDE			/* while they are under way */
} KafkaSinkNumber;

typedef struct KafkaSink
{
	EvauditSink *sink;
	List	   *server;			/* options of the server and the mapping */
	KafkaSinkOptions options;
	const char *identity;		/* transactional.id and group in Kafka */

	EvauditKafkaProducer *producer; /* NULL: not open */
	int			batch_bytes;	/* of the producer's requests */
	bool		compared;		/* the number in Kafka was, since the producer
								 * is open */
	int64		known;			/* the number that Kafka has, */
	TimestampTz known_at;		/* as of this moment */
	bool		singly;			/* records are sent one after the other */
	char	   *ahead;			/* what is sent of the number in a transaction
								 * that was begun for the next batch; NULL:
								 * none was */
	TimestampTz ahead_at;		/* when; it must not stay open for long */

	struct KafkaSinkRecord *records;	/* of the batch; both arrays are kept */
	size_t		records_room;
	EvauditKafkaHeader *headers;	/* of the records */
	size_t		headers_room;

	HTAB	   *topics;			/* KafkaSinkTopic by name, of the producer */
	struct KafkaSinkTopic *latest;	/* the one found last */
} KafkaSink;

/* A delivery that is to be sent, as the producer wants it. */
typedef struct KafkaSinkRecord
{
	EvauditKafkaRecord record;	/* must be first */
	EvauditDelivery *delivery;
} KafkaSinkRecord;

/* kafka_sink_options.c */
extern const char *const evaudit_kafka_sink_own_options[];
extern void evaudit_kafka_sink_read_options(Jsonb *options,
											KafkaSinkOptions *read);
extern char *evaudit_kafka_sink_topic(const char *option, const char *topic);

/* kafka_sink_topics.c */
extern char *evaudit_kafka_sink_find_topics(KafkaSink *state,
											EvauditSinkBatch *batch);
extern void evaudit_kafka_sink_forget_topics(KafkaSink *state);
extern const EvauditKafkaDestination *evaudit_kafka_sink_destination(KafkaSink *state,
																	 const char *topic);

/* kafka_sink_number.c */
extern void evaudit_kafka_sink_known(KafkaSink *state, int64 number);
extern char *evaudit_kafka_sink_metadata(const KafkaSink *state,
										 const char *hash);
extern char *evaudit_kafka_sink_compare(KafkaSink *state, int64 number,
										const char *hash, bool undecided,
										bool *held);
extern void evaudit_kafka_sink_begin_number(KafkaSink *state,
											const EvauditSinkBatch *batch,
											List *topics);
extern KafkaSinkNumber evaudit_kafka_sink_begin(KafkaSink *state,
												const EvauditSinkBatch *batch,
												List *topics);
extern void evaudit_kafka_sink_begin_ahead(KafkaSink *state,
										   const EvauditSinkBatch *batch,
										   List *topics);
extern void evaudit_kafka_sink_abort_ahead(KafkaSink *state);
extern void evaudit_kafka_sink_renew(void *arg, EvauditSinkBatch *batch,
									 int64 number);

/* kafka_sink_records.c */
extern KafkaSinkRecord *evaudit_kafka_sink_records(KafkaSink *state,
												   EvauditSinkBatch *batch,
												   int *n);

#endif							/* EVAUDIT_KAFKA_SINK_H */
