/*-------------------------------------------------------------------------
 *
 * kafka_probe.c
 *	  Looking whether a Kafka cluster can be used.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "kafka/client.h"
#include "sources/probe.h"

/* The topics that we are shown, or NULL if there is no response. */
static bool
reach(EvauditProbe *probe, List **topics)
{
	MemoryContext context = CurrentMemoryContext;
	volatile bool reached = false;

	PG_TRY();
	{
		EvauditKafka *kafka = evaudit_kafka_client_open(probe->options, probe->ambient,
														"evaudit-check");

		*topics = evaudit_kafka_client_topics(kafka);
		reached = true;
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		evaudit_probe_report(probe, false, "brokers", "%s", error->message);
	}
	PG_END_TRY();
	return reached;
}

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

/* Connect with the credentials, and look for the topics. */
void
evaudit_kafka_source_probe(EvauditProbe *probe)
{
	List	   *topics = NIL;
	ListCell   *lc;

	if (!reach(probe, &topics))
		return;
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
