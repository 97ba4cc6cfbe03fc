/*-------------------------------------------------------------------------
 *
 * kafka_sink_topics.c
 *	  The topics in Kafka that a sink writes to.
 *
 * All topics of a batch are found, with their limits, before any of it is
 * sent.  What was found is used for a minute, and until anything goes wrong.
 * No request to a broker is larger than the smallest limit of a topic seen so
 * far, since a broker refuses a batch of records as a whole.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "sinks/kafka_sink.h"

/* How long what was found of a topic is used, in milliseconds. */
#define USED_FOR		60000

/* Topics that are remembered from one batch to the next. */
#define MAX_TOPICS		4096

/* Smallest size of requests, in bytes: a record of any size makes one. */
#define MIN_BATCH_BYTES	1024

typedef struct KafkaSinkTopic
{
	char		topic[NAMEDATALEN * 4]; /* the event's; hash key */
	EvauditKafkaDestination destination;
	TimestampTz found_at;
} KafkaSinkTopic;

/* The table of topics; made when it is first used. */
static HTAB *
topics_of(KafkaSink *state)
{
	HASHCTL		ctl = {
		.keysize = sizeof(((KafkaSinkTopic *) NULL)->topic),
		.entrysize = sizeof(KafkaSinkTopic),
		.hcxt = state->sink->process->context,
	};

	if (state->topics == NULL)
		state->topics = hash_create("topics of a Kafka sink", 16, &ctl,
									HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
	return state->topics;
}

/* Forget what was found: the next batch finds it again. */
void
evaudit_kafka_sink_forget_topics(KafkaSink *state)
{
	HASH_SEQ_STATUS status;
	KafkaSinkTopic *topic;

	state->latest = NULL;
	if (state->topics == NULL)
		return;
	hash_seq_init(&status, state->topics);
	while ((topic = hash_seq_search(&status)) != NULL)
	{
		evaudit_kafka_producer_release_topic(&topic->destination);
		pfree(unconstify(char *, topic->destination.name));
	}
	hash_destroy(state->topics);
	state->topics = NULL;
}

/* The entry of an event's topic, or NULL. */
static KafkaSinkTopic *
find_entry(KafkaSink *state, const char *topic)
{
	if (state->latest == NULL || strcmp(state->latest->topic, topic) != 0)
		state->latest = hash_search(topics_of(state), topic, HASH_FIND, NULL);
	return state->latest;
}

/* Where events of a topic go; it was found before. */
const EvauditKafkaDestination *
evaudit_kafka_sink_destination(KafkaSink *state, const char *topic)
{
	KafkaSinkTopic *entry = find_entry(state, topic);

	if (entry == NULL)
		elog(ERROR, "topic \"%s\" was not looked up in Kafka", topic);
	return &entry->destination;
}

/* Find where events of a topic go.  Returns NULL, or why they cannot. */
static char *
find_topic(KafkaSink *state, const char *topic)
{
	EvauditKafkaDestination found;
	KafkaSinkTopic *entry = find_entry(state, topic);
	char	   *name;
	char	   *error;

	if (entry != NULL)
		return NULL;
	if (strlen(topic) >= sizeof(entry->topic))
		return psprintf("name of topic \"%s\" is too long", topic);
	name = MemoryContextStrdup(state->sink->process->context,
							   evaudit_kafka_sink_topic(state->options.topic,
														topic));
	error = evaudit_kafka_producer_find_topic(state->producer, name, &found);
	if (error != NULL)
	{
		evaudit_kafka_producer_release_topic(&found);
		pfree(name);
		return error;
	}
	entry = hash_search(topics_of(state), topic, HASH_ENTER, NULL);
	entry->destination = found;
	entry->found_at = GetCurrentTimestamp();
	state->latest = entry;
	return NULL;
}

/* Whether anything was found too long ago, or too much. */
static bool
is_outdated(KafkaSink *state)
{
	HASH_SEQ_STATUS status;
	KafkaSinkTopic *topic;
	TimestampTz now = GetCurrentTimestamp();
	bool		outdated =
		hash_get_num_entries(topics_of(state)) > MAX_TOPICS;

	hash_seq_init(&status, topics_of(state));
	while ((topic = hash_seq_search(&status)) != NULL)
		outdated |= TimestampDifferenceExceeds(topic->found_at, now, USED_FOR);
	return outdated;
}

/* The smallest limit of a topic, or what requests have at most. */
static int
smallest_limit(KafkaSink *state)
{
	HASH_SEQ_STATUS status;
	KafkaSinkTopic *topic;
	int64		limit = state->batch_bytes;

	hash_seq_init(&status, topics_of(state));
	while ((topic = hash_seq_search(&status)) != NULL)
	{
		if (topic->destination.max_bytes > 0)
			limit = Min(limit, topic->destination.max_bytes);
	}
	return Max(limit, MIN_BATCH_BYTES);
}

/* Find the topics of a batch with the producer that there is. */
static char *
find_all(KafkaSink *state, EvauditSinkBatch *batch)
{
	char	   *error = NULL;

	for (int i = 0; i < batch->n && error == NULL; i++)
	{
		if (batch->deliveries[i].outcome == EVAUDIT_OUTCOME_PENDING)
			error = find_topic(state, batch->deliveries[i].topic);
	}
	return error;
}

/*
 * Find the topics of a batch, and have a producer whose requests fit all of
 * them.  Returns NULL, or why the batch cannot be sent now.
 */
char *
evaudit_kafka_sink_find_topics(KafkaSink *state, EvauditSinkBatch *batch)
{
	for (;;)
	{
		const char *id = state->options.exactly_once ? state->identity : NULL;
		char	   *error;
		int			limit;

		if (state->producer == NULL)
		{
			state->compared = false;
			state->producer = evaudit_kafka_producer_open(state->server,
														  state->sink->ambient,
														  id,
														  state->batch_bytes);
		}
		if (evaudit_kafka_producer_was_down(state->producer) ||
			is_outdated(state))
			evaudit_kafka_sink_forget_topics(state);
		error = find_all(state, batch);
		if (error != NULL)
			return error;
		limit = smallest_limit(state);
		if (limit == state->batch_bytes)
			return NULL;

		/* one with smaller requests */
		evaudit_kafka_sink_abort_ahead(state);
		evaudit_kafka_sink_forget_topics(state);
		evaudit_kafka_producer_close(state->producer);
		state->producer = NULL;
		state->batch_bytes = limit;
	}
}
