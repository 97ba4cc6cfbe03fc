/*-------------------------------------------------------------------------
 *
 * producer_internal.h
 *	  What the files of the Kafka producer share; nobody else includes it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_KAFKA_PRODUCER_INTERNAL_H
#define EVAUDIT_KAFKA_PRODUCER_INTERNAL_H

#include "kafka/client_internal.h"
#include "kafka/producer.h"
#include "server/wait.h"

struct EvauditKafkaProducer
{
	EvauditKafka kafka;			/* must be first */
	WaitEventSet *waits;		/* for reports and the latch */
	int64		max_bytes;		/* of a record, by message.max.bytes */
	int			outstanding;	/* records without a report yet */
	TimestampTz progressed;		/* when the latest report arrived */
	bool		fatal;			/* the library's client is of no use any more */
	bool		transactional;
	bool		initialized;	/* its transactions are */
	EvauditKafkaRequest *call;	/* of a transaction, under way; or NULL */
	const char *call_what;		/* what it is to do, for errors */
};

/* producer.c */
extern void evaudit_kafka_producer_check(EvauditKafkaProducer *producer);

#endif							/* EVAUDIT_KAFKA_PRODUCER_INTERNAL_H */
