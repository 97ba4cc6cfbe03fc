/*-------------------------------------------------------------------------
 *
 * kafka_admin.c
 *	  The commands of kafka_tool that make, change and show topics.
 *
 *-------------------------------------------------------------------------
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kafka_tool.h"

/* How many partitions of topic have a leader; 0 if there is no such topic. */
int
count_partitions(rd_kafka_t *rk, const char *topic)
{
	const struct rd_kafka_metadata *metadata;
	int			found = 0;

	check(rd_kafka_metadata(rk, 1, NULL, &metadata, timeout_ms), "metadata");
	for (int i = 0; i < metadata->topic_cnt; i++)
	{
		const rd_kafka_metadata_topic_t *t = &metadata->topics[i];

		if (strcmp(t->topic, topic) != 0 || t->err)
			continue;
		for (int j = 0; j < t->partition_cnt; j++)
			found += t->partitions[j].leader >= 0;
	}
	rd_kafka_metadata_destroy(metadata);
	return found;
}

/* Wait until every broker's metadata is what an admin request asked for. */
static void
await_partitions(rd_kafka_t *rk, const char *topic, int expected)
{
	time_t		deadline = time(NULL) + timeout_ms / 1000;

	while (count_partitions(rk, topic) != expected)
	{
		if (time(NULL) > deadline)
			die("topic \"%s\" did not get %d partitions", topic, expected);
		rd_kafka_poll(rk, 20);
	}
}

/* What happened to each topic of an admin request. */
static const rd_kafka_topic_result_t **
topic_results(rd_kafka_event_t *event, size_t *n)
{
	const rd_kafka_CreateTopics_result_t *created;
	const rd_kafka_DeleteTopics_result_t *deleted;
	const rd_kafka_CreatePartitions_result_t *grown;

	if ((created = rd_kafka_event_CreateTopics_result(event)) != NULL)
		return rd_kafka_CreateTopics_result_topics(created, n);
	if ((deleted = rd_kafka_event_DeleteTopics_result(event)) != NULL)
		return rd_kafka_DeleteTopics_result_topics(deleted, n);
	grown = rd_kafka_event_CreatePartitions_result(event);
	return rd_kafka_CreatePartitions_result_topics(grown, n);
}

/* Wait for the answer to an admin request about topics; give up on errors. */
static void
await_topics(rd_kafka_queue_t *queue)
{
	rd_kafka_event_t *event = rd_kafka_queue_poll(queue, timeout_ms);
	const rd_kafka_topic_result_t **topics;
	size_t		n;

	if (event == NULL)
		die("no answer from the broker");
	check(rd_kafka_event_error(event), rd_kafka_event_name(event));
	topics = topic_results(event, &n);
	for (size_t i = 0; i < n; i++)
		check(rd_kafka_topic_result_error(topics[i]),
			  rd_kafka_topic_result_name(topics[i]));
	rd_kafka_event_destroy(event);
}

/* Whether the broker answers, and leads every partition there is. */
static bool
is_ready(rd_kafka_t *rk)
{
	const struct rd_kafka_metadata *metadata;
	bool		ready;

	if (rd_kafka_metadata(rk, 1, NULL, &metadata, 1000) != 0)
		return false;
	ready = metadata->broker_cnt > 0;
	for (int i = 0; i < metadata->topic_cnt; i++)
	{
		const rd_kafka_metadata_topic_t *t = &metadata->topics[i];

		for (int j = 0; j < t->partition_cnt; j++)
			ready &= t->partitions[j].leader >= 0;
	}
	rd_kafka_metadata_destroy(metadata);
	return ready;
}

/* Wait until the broker does its work, after a crash, too. */
void
run_await(Options *options, char **args)
{
	time_t		deadline = time(NULL) + timeout_ms / 1000;
	rd_kafka_t *rk;

	set_property(options->conf, "reconnect.backoff.max.ms=200");
	set_property(options->conf, "log_level=0");
	rk = connect_as(options, RD_KAFKA_PRODUCER);
	while (!is_ready(rk))
	{
		if (time(NULL) > deadline)
			die("the broker is not ready");
		rd_kafka_poll(rk, 20);
	}
}

void
run_create(Options *options, char **args)
{
	char		errstr[512];
	int			npartitions = atoi(args[1]);
	rd_kafka_t *rk = connect_as(options, RD_KAFKA_PRODUCER);
	rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
	rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(args[0], npartitions, 1,
													   errstr, sizeof(errstr));

	if (topic == NULL)
		die("%s", errstr);
	if (options->topic_config)
	{
		char	   *name = strdup(options->topic_config);
		char	   *value = strchr(name, '=');

		if (value == NULL)
			die("no \"=\" in topic configuration \"%s\"", name);
		*value++ = '\0';
		check(rd_kafka_NewTopic_set_config(topic, name, value), name);
		free(name);
	}
	rd_kafka_CreateTopics(rk, &topic, 1, NULL, queue);
	await_topics(queue);
	await_partitions(rk, args[0], npartitions);
}

void
run_delete(Options *options, char **args)
{
	rd_kafka_t *rk = connect_as(options, RD_KAFKA_PRODUCER);
	rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
	rd_kafka_DeleteTopic_t *topic = rd_kafka_DeleteTopic_new(args[0]);

	rd_kafka_DeleteTopics(rk, &topic, 1, NULL, queue);
	await_topics(queue);
	await_partitions(rk, args[0], 0);
}

void
run_partitions(Options *options, char **args)
{
	char		errstr[512];
	rd_kafka_t *rk = connect_as(options, RD_KAFKA_PRODUCER);
	rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
	rd_kafka_NewPartitions_t *topic;

	topic = rd_kafka_NewPartitions_new(args[0], (size_t) atoi(args[1]),
									   errstr, sizeof(errstr));
	if (topic == NULL)
		die("%s", errstr);
	rd_kafka_CreatePartitions(rk, &topic, 1, NULL, queue);
	await_topics(queue);
	await_partitions(rk, args[0], atoi(args[1]));
}

void
run_delete_records(Options *options, char **args)
{
	rd_kafka_t *rk = connect_as(options, RD_KAFKA_PRODUCER);
	rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
	const rd_kafka_DeleteRecords_result_t *done;
	const rd_kafka_topic_partition_list_t *offsets;
	rd_kafka_DeleteRecords_t *request;
	rd_kafka_event_t *event;

	rd_kafka_topic_partition_list_add(list, args[0], atoi(args[1]))->offset =
		atoll(args[2]);
	request = rd_kafka_DeleteRecords_new(list);
	rd_kafka_DeleteRecords(rk, &request, 1, NULL, queue);
	event = rd_kafka_queue_poll(queue, timeout_ms);
	if (event == NULL)
		die("no answer from the broker");
	check(rd_kafka_event_error(event), "delete-records");
	done = rd_kafka_event_DeleteRecords_result(event);
	offsets = rd_kafka_DeleteRecords_result_offsets(done);
	check(offsets->elems[0].err, "delete-records");
	rd_kafka_event_destroy(event);
}

/* Print partition, first offset and end offset of each partition. */
void
run_offsets(Options *options, char **args)
{
	rd_kafka_t *rk = connect_as(options, RD_KAFKA_CONSUMER);
	int			npartitions = count_partitions(rk, args[0]);

	if (npartitions == 0)
		die("no topic \"%s\"", args[0]);
	for (int32_t p = 0; p < npartitions; p++)
	{
		int64_t		low;
		int64_t		high;

		check(rd_kafka_query_watermark_offsets(rk, args[0], p, &low, &high,
											   timeout_ms), "offsets");
		printf("%d\t%lld\t%lld\n", p, (long long) low, (long long) high);
	}
}

/* committed: the offset of a group in the first partition, or "none". */
void
run_committed(Options *options, char **args)
{
	rd_kafka_t *rk = connect_as(options, RD_KAFKA_CONSUMER);
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);

	rd_kafka_topic_partition_list_add(list, args[0], 0);
	check(rd_kafka_committed(rk, list, timeout_ms), "committed");
	if (list->elems[0].offset < 0)
		puts("none");
	else
		printf("%lld\n", (long long) list->elems[0].offset);
	rd_kafka_topic_partition_list_destroy(list);
}
