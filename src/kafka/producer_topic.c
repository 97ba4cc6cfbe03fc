/*-------------------------------------------------------------------------
 *
 * producer_topic.c
 *	  What a Kafka cluster says of a topic that is written to.
 *
 * A record is checked against the limits of its topic before it is sent,
 * since one that a broker refuses fails its whole batch there, in the middle
 * of those of its key.  The limits need the right to describe the topic's
 * configuration; without it they are not known.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "kafka/producer_internal.h"

/* How long the cluster may take to tell of a topic, in milliseconds. */
#define TOPIC_TIMEOUT		5000

/* In the thread: request what is known of one topic. */
static void
send_topic_metadata(EvauditKafkaRequest *request)
{
	request->err = rd_kafka_metadata(request->client, 0, request->topic,
									 &request->metadata, TOPIC_TIMEOUT);
}

/* In the thread: request the configuration of a topic. */
static void
send_describe(EvauditKafkaRequest *request)
{
	rd_kafka_queue_t *queue = rd_kafka_queue_new(request->client);
	rd_kafka_ConfigResource_t *resource =
		rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, request->name);
	rd_kafka_AdminOptions_t *options =
		rd_kafka_AdminOptions_new(request->client,
								  RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
	char		error[64];

	(void) rd_kafka_AdminOptions_set_request_timeout(options, TOPIC_TIMEOUT,
													 error, sizeof(error));
	rd_kafka_DescribeConfigs(request->client, &resource, 1, options, queue);
	request->event = rd_kafka_queue_poll(queue, TOPIC_TIMEOUT + 1000);
	rd_kafka_AdminOptions_destroy(options);
	rd_kafka_ConfigResource_destroy(resource);
	rd_kafka_queue_destroy(queue);
}

/* Read the limits from the entries of a topic's configuration. */
static void
read_limits(const rd_kafka_ConfigResource_t *resource,
			EvauditKafkaDestination *found)
{
	size_t		n;
	const rd_kafka_ConfigEntry_t **entries =
		rd_kafka_ConfigResource_configs(resource, &n);

	for (size_t i = 0; i < n; i++)
	{
		const char *name = rd_kafka_ConfigEntry_name(entries[i]);
		const char *value = rd_kafka_ConfigEntry_value(entries[i]);

		if (value == NULL)
			continue;
		if (strcmp(name, "max.message.bytes") == 0)
			found->max_bytes = Max(strtol(value, NULL, 10), 0);
		else if (strcmp(name, "cleanup.policy") == 0)
			found->compacted = strstr(value, "compact") != NULL;
	}
}

/* Ask for the limits of a topic; they stay unknown where it may not be. */
static void
describe_topic(EvauditKafkaProducer *producer, EvauditKafkaDestination *found)
{
	EvauditKafkaRequest *request =
		evaudit_kafka_request_make(&producer->kafka, send_describe);
	size_t		n = 0;
	const rd_kafka_ConfigResource_t **resources;

	request->name = rd_kafka_topic_name(found->handle);
	(void) evaudit_kafka_request_run(&producer->kafka, request, true);
	if (request->event != NULL)
	{
		if (!rd_kafka_event_error(request->event))
		{
			resources = rd_kafka_DescribeConfigs_result_resources(
																  rd_kafka_event_DescribeConfigs_result(request->event), &n);
			if (n == 1 && !rd_kafka_ConfigResource_error(resources[0]))
				read_limits(resources[0], found);
		}
		rd_kafka_event_destroy(request->event);
	}
	free(request);
}

/* Whether a response names a topic as one that can be written to. */
static rd_kafka_resp_err_t
topic_error(const EvauditKafkaRequest *request)
{
	if (request->err)
		return request->err;
	if (request->metadata->topic_cnt != 1)
		return RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC;
	return request->metadata->topics[0].err;
}

/*
 * Find a topic of the cluster.  Returns NULL, or why it cannot be written to.
 * Waits for the response some seconds, also where no broker can be reached.
 */
char *
evaudit_kafka_producer_find_topic(EvauditKafkaProducer *producer,
								  const char *name,
								  EvauditKafkaDestination *found)
{
	EvauditKafka *kafka = &producer->kafka;
	EvauditKafkaRequest *request = evaudit_kafka_request_make(kafka,
															  send_topic_metadata);
	rd_kafka_resp_err_t err;

	memset(found, 0, sizeof(EvauditKafkaDestination));
	found->name = name;
	found->handle = rd_kafka_topic_new(kafka->client, name, NULL);
	if (found->handle == NULL)
	{
		free(request);
		return psprintf("could not use Kafka topic \"%s\": %s", name,
						rd_kafka_err2str(rd_kafka_last_error()));
	}
	request->topic = found->handle;
	(void) evaudit_kafka_request_run(kafka, request, true);
	err = topic_error(request);
	if (request->metadata != NULL)
		rd_kafka_metadata_destroy(request->metadata);
	free(request);
	if (err)
		return evaudit_kafka_client_error(kafka,
										  psprintf("use Kafka topic \"%s\"", name),
										  err);
	describe_topic(producer, found);
	return NULL;
}

/* Give up what was found of a topic; no record of it may be outstanding. */
void
evaudit_kafka_producer_release_topic(EvauditKafkaDestination *found)
{
	if (found->handle != NULL)
		rd_kafka_topic_destroy(found->handle);
	found->handle = NULL;
}
