/*-------------------------------------------------------------------------
 *
 * kafka_sink_records.c
 *	  The records of a batch for Kafka, checked against the limits of their
 *	  topics.
 *
 * What Kafka would refuse is refused here, before anything is sent: a broker
 * refuses it only after what was before it, together with what is around it.
 * Sizes are counted without compression.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "sinks/kafka_sink.h"

/* Refuse a delivery. */
static void
refuse(EvauditDelivery *delivery, const char *code, const char *error)
{
	delivery->outcome = EVAUDIT_OUTCOME_REFUSED;
	delivery->code = code;
	delivery->error = error;
}

/* Refuse a delivery that its topic does not take. */
static void
check_record(KafkaSink *state, KafkaSinkRecord *record)
{
	const EvauditKafkaDestination *topic = record->record.topic;
	int64		bytes = evaudit_kafka_record_bytes(&record->record);
	int64		limit = evaudit_kafka_producer_max_bytes(state->producer);

	if (topic->max_bytes > 0 && bytes > topic->max_bytes)
		refuse(record->delivery, "MSG_SIZE_TOO_LARGE",
			   psprintf("record of %lld bytes exceeds max.message.bytes of Kafka topic \"%s\", %lld",
						(long long) bytes, topic->name,
						(long long) topic->max_bytes));
	else if (bytes > limit)
		refuse(record->delivery, "MSG_SIZE_TOO_LARGE",
			   psprintf("record of %lld bytes exceeds message.max.bytes of the Kafka server, %lld",
						(long long) bytes, (long long) limit));
	else if (topic->compacted && record->record.key == NULL)
		refuse(record->delivery, "INVALID_RECORD",
			   psprintf("record without a key cannot be in Kafka topic \"%s\", which is compacted",
						topic->name));
}

/* The headers of a delivery's record. */
static void
add_headers(KafkaSink *state, const EvauditDelivery *delivery,
			EvauditKafkaRecord *record)
{
	EvauditKafkaHeader *headers =
		palloc((delivery->nheaders + 1) * sizeof(EvauditKafkaHeader));
	int			n = 0;

	for (int i = 0; i < delivery->nheaders; i++)
	{
		headers[n].name = delivery->headers[i].name;
		headers[n].value = delivery->headers[i].value;
		headers[n++].value_len = delivery->headers[i].value_len;
	}
	if (state->options.content_type && delivery->content_type != NULL)
	{
		headers[n].name = "content-type";
		headers[n].value = delivery->content_type;
		headers[n++].value_len = strlen(delivery->content_type);
	}
	record->headers = headers;
	record->nheaders = n;
}

/*
 * Make the records of a batch's pending deliveries, in the batch's context;
 * those that Kafka would refuse are refused.  *n: how many.
 */
KafkaSinkRecord *
evaudit_kafka_sink_records(KafkaSink *state, EvauditSinkBatch *batch, int *n)
{
	MemoryContext old = MemoryContextSwitchTo(batch->context);
	KafkaSinkRecord *records = MemoryContextAllocHuge(batch->context,
													  Max(batch->n, 1) *
													  sizeof(KafkaSinkRecord));

	*n = 0;
	for (int i = 0; i < batch->n; i++)
	{
		EvauditDelivery *delivery = &batch->deliveries[i];
		KafkaSinkRecord *record = &records[*n];

		if (delivery->outcome != EVAUDIT_OUTCOME_PENDING)
			continue;
		memset(record, 0, sizeof(KafkaSinkRecord));
		record->delivery = delivery;
		record->record.topic = evaudit_kafka_sink_destination(state,
															  delivery->topic);
		record->record.key = delivery->key;
		record->record.key_len = delivery->key_len;
		record->record.value = delivery->body;
		record->record.value_len = delivery->body_len;
		add_headers(state, delivery, &record->record);
		check_record(state, record);
		(*n)++;
	}
	MemoryContextSwitchTo(old);
	return records;
}
