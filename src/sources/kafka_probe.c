/*-------------------------------------------------------------------------
 *
 * kafka_probe.c
 *	  Checks of a Kafka cluster and of the topics that are read from it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "kafka/client.h"
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

/* Connect with the credentials, and check the topics. */
void
evaudit_kafka_source_probe(EvauditProbe *probe)
{
	EvauditKafka *kafka = evaudit_kafka_client_open(probe->options,
													probe->ambient,
													"evaudit-check");
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
			evaudit_probe_report(probe, true, check, "%d partitions",
								 topic->npartitions);
	}
}
