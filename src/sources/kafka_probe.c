/*-------------------------------------------------------------------------
 *
 * kafka_probe.c
 *	  Checks of a Kafka cluster and of the topics that are read from it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "sources/kafka_source.h"
#include "sources/probe.h"

/* The topic of a name, or NULL. */
static EvauditKafkaTopic *
find_topic(List *topics, const char *name)
{
	ListCell   *lc;

	foreach(lc, topics)
	{
		EvauditKafkaTopic *topic = lfirst(lc);

		if (strcmp(topic->name, name) == 0)
			return topic;
	}
	return NULL;
}

/*
 * Check that each partition of a topic has a leader that says where it
 * begins, with the rights that reading takes.
 */
static void
check_leaders(EvauditProbe *probe, EvauditKafka *kafka, List *topics,
			  const EvauditKafkaTopic *topic, const char *check)
{
	EvauditOffset *offsets = palloc0(Max(topic->npartitions, 1) *
									 sizeof(EvauditOffset));
	KafkaLookup *lookup;
	int			n;

	for (int i = 0; i < topic->npartitions; i++)
	{
		offsets[i].topic = pstrdup(topic->name);
		offsets[i].partition = i;
		offsets[i].seek = "earliest";
	}
	lookup = evaudit_kafka_lookup_begin(kafka, topics, offsets,
										topic->npartitions,
										CurrentMemoryContext);
	evaudit_kafka_lookup_wait(kafka, lookup);
	offsets = evaudit_kafka_lookup_finish(kafka, lookup, &n);
	for (int i = 0; i < n; i++)
	{
		if (offsets[i].error != NULL)
		{
			evaudit_probe_report(probe, false, check, "partition %d: %s",
								 offsets[i].partition, offsets[i].error);
			return;
		}
	}
	evaudit_probe_report(probe, true, check, "%d partitions", n);
}

/* Connect with the credentials, and check the topics. */
void
evaudit_kafka_source_probe(EvauditProbe *probe)
{
	EvauditKafka *kafka = evaudit_kafka_client_open(probe->options,
													probe->ambient,
													"evaudit-check", NULL);
	List	   *topics = NIL;
	char	   *error;
	ListCell   *lc;

	if (!evaudit_kafka_client_list_topics(kafka, &topics, &error))
	{
		evaudit_probe_report(probe, false, "brokers", "%s", error);
		return;
	}
	evaudit_probe_report(probe, true, "brokers",
						 "reached, with the credentials given; %d topics can be seen",
						 list_length(topics));
	foreach(lc, probe->streams)
	{
		EvauditProbeStream *stream = lfirst(lc);
		EvauditKafkaTopic *topic = find_topic(topics, stream->name);
		char	   *check = psprintf("topic \"%s\"", stream->name);

		if (topic == NULL)
			evaudit_probe_report(probe, false, check,
								 "is not there, or may not be read");
		else
			check_leaders(probe, kafka, topics, topic, check);
	}
}
