/*-------------------------------------------------------------------------
 *
 * statistics.c
 *	  How brokers and partitions do, as librdkafka's statistics have it.
 *
 * The library says nothing of a broker that does not answer until a request
 * times out, and nothing of a partition without a leader.  Its statistics
 * count the responses of each broker: one that reads from us, and whose
 * connection is open, answers a fetch at least every fetch.wait.max.ms.  A
 * connection that breaks again and again, as over a response that is too
 * large, is one that does not answer, either.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "kafka/client_internal.h"
#include "text/ascii.h"
#include "text/json.h"

/* A broker in the statistics. */
typedef struct KafkaBroker
{
	int32		id;
	int64		responses;		/* received, since the client started */
	int64		disconnects;	/* likewise */
	bool		connected;		/* is and was, since the statistics before */
	bool		answered;		/* sent a response since then */
} KafkaBroker;

/* The broker of a number in a list, or NULL. */
static KafkaBroker *
find_broker(List *brokers, int32 id)
{
	ListCell   *lc;

	foreach(lc, brokers)
	{
		KafkaBroker *broker = lfirst(lc);

		if (broker->id == id)
			return broker;
	}
	return NULL;
}

/* The integer that a member is, or another value if it is none. */
static int64
get_integer(const EvauditJson *json, const char *name, int64 otherwise)
{
	double		number;

	/* within what a double has without loss */
	if (!evaudit_json_number(json, name, &number) ||
		!(number >= -1 && number < 9e15))
		return otherwise;
	return (int64) number;
}

/* A broker as it is now, compared with how it was. */
static KafkaBroker *
read_broker(const EvauditJson *json, List *before)
{
	KafkaBroker *broker = palloc(sizeof(KafkaBroker));
	const char *state = evaudit_json_string(json, "state");
	const KafkaBroker *last;

	broker->id = (int32) get_integer(json, "nodeid", -1);
	broker->responses = get_integer(json, "rx", 0);
	broker->disconnects = get_integer(json, "disconnects", 0);
	last = find_broker(before, broker->id);
	broker->connected = state != NULL && strcmp(state, "UP") == 0 &&
		broker->disconnects == (last == NULL ? 0 : last->disconnects);
	broker->answered = broker->connected &&
		broker->responses > (last == NULL ? 0 : last->responses);
	return broker;
}

/* The brokers as they are now; the list lives until the next statistics. */
static List *
read_brokers(const EvauditJson *statistics, List *before)
{
	MemoryContext previous = MemoryContextSwitchTo(TopMemoryContext);
	List	   *brokers = NIL;

	for (const EvauditJson *broker =
		 evaudit_json_first(evaudit_json_get(statistics, "brokers"));
		 broker != NULL; broker = evaudit_json_next(broker))
	{
		/* those of bootstrap.servers are known by their numbers, too */
		if (get_integer(broker, "nodeid", -1) >= 0)
			brokers = lappend(brokers, read_broker(broker, before));
	}
	MemoryContextSwitchTo(previous);
	return brokers;
}

/* The latest error of a broker that does not answer; palloc'd. */
static char *
broker_error(const EvauditKafka *kafka, int32 broker)
{
	for (int i = 0; i < KAFKA_BROKER_ERRORS; i++)
	{
		const KafkaBrokerError *error = &kafka->errors[i];

		if (error->text[0] != '\0' && error->broker == broker)
			return pstrdup(error->text);
	}
	return psprintf("broker %d does not respond", broker);
}

/* Forget the errors of brokers that answer again. */
static void
forget_errors(EvauditKafka *kafka)
{
	for (int i = 0; i < KAFKA_BROKER_ERRORS; i++)
	{
		const KafkaBroker *broker = find_broker(kafka->brokers,
												kafka->errors[i].broker);

		if (broker != NULL && broker->answered)
			kafka->errors[i].text[0] = '\0';
	}
}

/* How a partition does. */
static EvauditKafkaHealth *
read_partition(const EvauditKafka *kafka, const char *topic,
			   const EvauditJson *json)
{
	EvauditKafkaHealth *health = palloc0(sizeof(EvauditKafkaHealth));
	int32		id = (int32) get_integer(json, "leader", -1);
	const KafkaBroker *broker = find_broker(kafka->brokers, id);

	health->topic = topic;
	health->partition = (int32) get_integer(json, "partition", -1);
	health->connected = broker != NULL && broker->connected;
	health->answered = broker != NULL && broker->answered;
	if (id < 0)
		health->error = "it has no leader";
	else if (!health->answered)
		health->error = broker_error(kafka, id);
	return health;
}

/* How the partitions of the client do. */
static List *
read_partitions(const EvauditKafka *kafka, const EvauditJson *statistics)
{
	List	   *partitions = NIL;

	for (const EvauditJson *topic =
		 evaudit_json_first(evaudit_json_get(statistics, "topics"));
		 topic != NULL; topic = evaudit_json_next(topic))
	{
		for (const EvauditJson *partition =
			 evaudit_json_first(evaudit_json_get(topic, "partitions"));
			 partition != NULL; partition = evaudit_json_next(partition))
			partitions = lappend(partitions,
								 read_partition(kafka,
												evaudit_json_name(topic),
												partition));
	}
	return partitions;
}

/*
 * How partitions do, as EvauditKafkaHealth in the current memory context;
 * those of the client, and others of their topics.  NIL if nothing is known
 * that was not returned before.
 */
List *
evaudit_kafka_client_health(EvauditKafka *kafka)
{
	EvauditJson *statistics = NULL;
	List	   *brokers;

	if (kafka->statistics == NULL)
		return NIL;
	statistics = evaudit_json_parse(kafka->statistics, kafka->statistics_len);
	rd_kafka_mem_free(kafka->client, kafka->statistics);
	kafka->statistics = NULL;

	brokers = read_brokers(statistics, kafka->brokers);
	list_free_deep(kafka->brokers);
	kafka->brokers = brokers;
	forget_errors(kafka);
	return read_partitions(kafka, statistics);
}
