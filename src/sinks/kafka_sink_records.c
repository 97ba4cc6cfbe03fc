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

/* How many headers the records of a batch have at most. */
static size_t
count_headers(const EvauditSinkBatch *batch)
{
	size_t		n = 0;

	for (int i = 0; i < batch->n; i++)
		n += batch->deliveries[i].nheaders + 1;
	return n;
}

/* Set the headers of a delivery's record; returns where those of the next go. */
static EvauditKafkaHeader *
set_headers(KafkaSink *state, const EvauditDelivery *delivery,
			EvauditKafkaRecord *record, EvauditKafkaHeader *headers)
{
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
	return headers + n;
}

/* Have an array of the process have room; what it holds may be lost. */
static void *
make_room(KafkaSink *state, void *array, size_t *room, size_t n, size_t size)
{
	if (n <= *room)
		return array;
	if (array != NULL)
		pfree(array);
	*room = n;
	return MemoryContextAllocHuge(state->sink->process->context, n * size);
}

/*
 * Make the records of a batch's pending deliveries; those that Kafka would
 * refuse are refused.  The records last until the next batch; *n: how many.
 */
KafkaSinkRecord *
evaudit_kafka_sink_records(KafkaSink *state, EvauditSinkBatch *batch, int *n)
{
	MemoryContext old = MemoryContextSwitchTo(batch->context);
	EvauditKafkaHeader *headers;

	state->records = make_room(state, state->records, &state->records_room,
							   batch->n, sizeof(KafkaSinkRecord));
	state->headers = make_room(state, state->headers, &state->headers_room,
							   count_headers(batch),
							   sizeof(EvauditKafkaHeader));
	headers = state->headers;
	*n = 0;
	for (int i = 0; i < batch->n; i++)
	{
		EvauditDelivery *delivery = &batch->deliveries[i];
		KafkaSinkRecord *record = &state->records[*n];

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
		headers = set_headers(state, delivery, &record->record, headers);
		check_record(state, record);
		(*n)++;
	}
	MemoryContextSwitchTo(old);
	return state->records;
}
