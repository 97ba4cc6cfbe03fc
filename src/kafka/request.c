/*-------------------------------------------------------------------------
 *
 * request.c
 *	  Requests to a Kafka broker that hold up nobody.
 *
 * librdkafka's requests block until the response or a timeout, deaf to
 * signals.  Each runs in a thread of its own, which touches nothing of
 * Postgres, while the worker waits on its latch or does something else; the
 * thread wakes it as records do.  A request is abandoned only if the process
 * is about to end; its thread and its memory, which is from malloc(), last
 * until then.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include "miscadmin.h"

#include "kafka/msk.h"
#include "server/threads.h"
#include "server/wait.h"
#include "text/ascii.h"

/* How often to check whether any broker can be reached, milliseconds. */
#define CHECK_INTERVAL		200

/* Longest id of a cluster, in bytes; Kafka makes ones of 22. */
#define MAX_CLUSTER_ID		128

/* Longest name of a topic, in bytes. */
#define MAX_TOPIC_NAME		249

/* The thread's body. */
static void *
run_in_thread(void *arg)
{
	EvauditKafkaRequest *request = arg;

	request->send(request);
	(void) !write(request->done[1], "", 1);
	(void) !write(request->wakeup, "", 1);
	return NULL;
}

/* Make a request that a function will send; all in it is malloc'd. */
EvauditKafkaRequest *
evaudit_kafka_request_make(EvauditKafka *kafka, void (*send) (EvauditKafkaRequest *))
{
	EvauditKafkaRequest *request = calloc(1, sizeof(EvauditKafkaRequest));

	if (request == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	request->send = send;
	request->client = kafka->client;
	request->wakeup = kafka->pipe[1];
	return request;
}

/* Send a request in a thread; evaudit_kafka_request_end() is to follow. */
void
evaudit_kafka_request_start(EvauditKafkaRequest *request)
{
	sigset_t	signals;
	int			failed;

	if (pipe2(request->done, O_NONBLOCK | O_CLOEXEC) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not create a pipe: %m")));
	evaudit_block_signals(&signals);
	failed = pthread_create(&request->thread, NULL, run_in_thread, request);
	evaudit_unblock_signals(&signals);
	if (failed)
	{
		close(request->done[0]);
		close(request->done[1]);
		errno = failed;
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("could not start a thread: %m")));
	}
}

/* Whether a request is complete. */
bool
evaudit_kafka_request_done(EvauditKafkaRequest *request)
{
	struct pollfd done = {.fd = request->done[0],.events = POLLIN};

	return poll(&done, 1, 0) > 0;
}

/*
 * Wait for the response, serving interrupts.  Unless patient, false as soon
 * as no broker can be reached: the request would take its whole timeout to
 * find out.
 */
static bool
wait_for_response(EvauditKafka *kafka, EvauditKafkaRequest *request,
				  bool patient)
{
	for (;;)
	{
		int			events = evaudit_wait_fd(request->done[0],
											 CHECK_INTERVAL);

		if (events & EVAUDIT_WAIT_READABLE)
			return true;
		if (!evaudit_kafka_client_is_up(kafka) && !patient)
			return false;
		evaudit_kafka_msk_renew(kafka);
	}
}

/* Release what a request that is complete was sent by. */
static void
end_request(EvauditKafkaRequest *request)
{
	pthread_join(request->thread, NULL);
	close(request->done[0]);
	close(request->done[1]);
}

/* Release a request that is complete, and its results. */
static void
free_request(EvauditKafkaRequest *request)
{
	end_request(request);
	if (request->metadata != NULL)
		rd_kafka_metadata_destroy(request->metadata);
	if (request->offsets != NULL)
		rd_kafka_topic_partition_list_destroy(request->offsets);
	free(request);
}

/*
 * Wait for the response to a request that was started; one that is patient
 * waits for it also where no broker can be reached.  False if none can: the
 * request is abandoned, and the process must end soon.
 */
bool
evaudit_kafka_request_end(EvauditKafka *kafka, EvauditKafkaRequest *request,
						  bool patient)
{
	if (!wait_for_response(kafka, request, patient))
		return false;
	end_request(request);
	return true;
}

/* Send a request in a thread and wait for the response, likewise. */
bool
evaudit_kafka_request_run(EvauditKafka *kafka, EvauditKafkaRequest *request,
						  bool patient)
{
	evaudit_kafka_request_start(request);
	return evaudit_kafka_request_end(kafka, request, patient);
}

/*
 * Wait for the response to a request that was begun.  False if no broker can
 * be reached: it is abandoned, and the process must end soon.
 */
bool
evaudit_kafka_request_wait(EvauditKafka *kafka, EvauditKafkaRequest *request)
{
	return wait_for_response(kafka, request, false);
}

/* In the thread: request the list of topics. */
static void
send_metadata(EvauditKafkaRequest *request)
{
	request->err = rd_kafka_metadata(request->client, 1, NULL,
									 &request->metadata, EVAUDIT_KAFKA_REQUEST_TIMEOUT);
}

/* Whether this is a name that Kafka gives topics. */
static bool
is_topic_name(const char *name)
{
	for (const char *c = name; *c != '\0'; c++)
	{
		if (!evaudit_is_alnum(*c) && strchr("._-", *c) == NULL)
			return false;
	}
	return evaudit_is_word(name, MAX_TOPIC_NAME);
}

/* The broker that leads each partition of a topic, by the partition's number. */
static int32 *
copy_leaders(const rd_kafka_metadata_topic_t *topic)
{
	int32	   *leaders = palloc(Max(topic->partition_cnt, 1) * sizeof(int32));

	for (int i = 0; i < topic->partition_cnt; i++)
		leaders[i] = -1;
	for (int i = 0; i < topic->partition_cnt; i++)
	{
		int32		number = topic->partitions[i].id;

		if (number >= 0 && number < topic->partition_cnt)
			leaders[number] = topic->partitions[i].leader;
	}
	return leaders;
}

/*
 * Copy the topics of a response.  Those that the broker reports an error of,
 * or whose name no broker may give, are left out.
 */
static List *
copy_topics(const struct rd_kafka_metadata *metadata)
{
	List	   *topics = NIL;

	for (int i = 0; i < metadata->topic_cnt; i++)
	{
		const rd_kafka_metadata_topic_t *found = &metadata->topics[i];
		EvauditKafkaTopic *topic;

		if (found->err != RD_KAFKA_RESP_ERR_NO_ERROR ||
			!is_topic_name(found->topic))
			continue;
		topic = palloc(sizeof(EvauditKafkaTopic));
		topic->name = pstrdup(found->topic);
		topic->npartitions = found->partition_cnt;
		topic->leaders = copy_leaders(found);
		topics = lappend(topics, topic);
	}
	return topics;
}

/* Begin to list the topics that the broker shows us. */
EvauditKafkaRequest *
evaudit_kafka_request_topics(EvauditKafka *kafka)
{
	EvauditKafkaRequest *request = evaudit_kafka_request_make(kafka, send_metadata);

	evaudit_kafka_request_start(request);
	return request;
}

/*
 * Take the topics of a complete request, as EvauditKafkaTopic, and release
 * it.  False, with the reason, if there was no response.
 */
bool
evaudit_kafka_request_finish_topics(EvauditKafka *kafka,
									EvauditKafkaRequest *request,
									List **topics, char **error)
{
	bool		done = request->err == RD_KAFKA_RESP_ERR_NO_ERROR;

	if (done)
		*topics = copy_topics(request->metadata);
	else
		*error = evaudit_kafka_client_error(kafka,
											"read the topics of the Kafka cluster",
											request->err);
	free_request(request);
	return done;
}

/*
 * List the topics that the broker shows us, as EvauditKafkaTopic.  False, with
 * the reason, if there was no response; the process must end soon then.
 */
bool
evaudit_kafka_client_list_topics(EvauditKafka *kafka, List **topics,
								 char **error)
{
	EvauditKafkaRequest *request = evaudit_kafka_request_topics(kafka);

	if (evaudit_kafka_request_wait(kafka, request))
		return evaudit_kafka_request_finish_topics(kafka, request, topics, error);
	*error = evaudit_kafka_client_error(kafka, "reach a Kafka broker",
										RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN);
	return false;
}

/* The same, with an ERROR if there was no response. */
List *
evaudit_kafka_client_topics(EvauditKafka *kafka)
{
	List	   *topics = NIL;
	char	   *error;

	if (!evaudit_kafka_client_list_topics(kafka, &topics, &error))
		ereport(ERROR,
				(errcode(ERRCODE_CONNECTION_FAILURE), errmsg("%s", error)));
	return topics;
}

/* In the thread: request the id of the cluster. */
static void
send_cluster(EvauditKafkaRequest *request)
{
	request->cluster = rd_kafka_clusterid(request->client,
										  EVAUDIT_KAFKA_REQUEST_TIMEOUT);
}

/* The id of the cluster, palloc'd, or an ERROR. */
char *
evaudit_kafka_client_cluster(EvauditKafka *kafka)
{
	EvauditKafkaRequest *request = evaudit_kafka_request_make(kafka,
															  send_cluster);
	char	   *cluster = NULL;

	if (!evaudit_kafka_request_run(kafka, request, false))
		evaudit_kafka_client_fail(kafka, "reach a Kafka broker",
								  RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN);
	if (request->cluster != NULL &&
		evaudit_is_word(request->cluster, MAX_CLUSTER_ID) &&
		strchr(request->cluster, ':') == NULL)
		cluster = pstrdup(request->cluster);
	if (request->cluster != NULL)
		rd_kafka_mem_free(kafka->client, request->cluster);
	free(request);
	if (cluster == NULL)
		evaudit_kafka_client_fail(kafka, "read the id of the Kafka cluster",
								  RD_KAFKA_RESP_ERR__TIMED_OUT);
	return cluster;
}

/*
 * In the thread: request the ends of those partitions that have no record as
 * late as was asked for.
 */
static void
send_ends(EvauditKafkaRequest *request)
{
	rd_kafka_topic_partition_list_t *late =
		rd_kafka_topic_partition_list_new(request->offsets->cnt);

	for (int i = 0; i < request->offsets->cnt; i++)
	{
		rd_kafka_topic_partition_t *found = &request->offsets->elems[i];

		if (!found->err && found->offset < 0)
			rd_kafka_topic_partition_list_add(late, found->topic,
											  found->partition)->offset =
				EVAUDIT_KAFKA_LATEST;
	}
	if (late->cnt > 0)
		request->err = rd_kafka_offsets_for_times(request->client, late,
												  EVAUDIT_KAFKA_REQUEST_TIMEOUT);
	for (int i = 0; i < late->cnt && !request->err; i++)
	{
		rd_kafka_topic_partition_t *found =
			rd_kafka_topic_partition_list_find(request->offsets,
											   late->elems[i].topic,
											   late->elems[i].partition);

		found->offset = late->elems[i].offset;
		found->err = late->elems[i].err;
	}
	rd_kafka_topic_partition_list_destroy(late);
}

/* In the thread: request the offsets of times. */
static void
send_offsets(EvauditKafkaRequest *request)
{
	request->err = rd_kafka_offsets_for_times(request->client,
											  request->offsets,
											  EVAUDIT_KAFKA_REQUEST_TIMEOUT);
	if (!request->err)
		send_ends(request);
}

/*
 * Begin to look up the first record of each partition at or after a time,
 * which is milliseconds since 1970 or one of EVAUDIT_KAFKA_EARLIEST and
 * _LATEST; where there is no such record, the end.  An error of one broker is
 * one of the whole request: ask each for its own partitions alone.
 */
EvauditKafkaRequest *
evaudit_kafka_request_offsets(EvauditKafka *kafka, int64 time,
							  const EvauditKafkaOffset *offsets, int n)
{
	EvauditKafkaRequest *request = evaudit_kafka_request_make(kafka, send_offsets);

	request->offsets = rd_kafka_topic_partition_list_new(n);
	for (int i = 0; i < n; i++)
		rd_kafka_topic_partition_list_add(request->offsets, offsets[i].topic,
										  offsets[i].partition)->offset = time;
	evaudit_kafka_request_start(request);
	return request;
}

/*
 * Take what a complete request found, in the order of its partitions, and
 * release it.
 */
void
evaudit_kafka_request_finish_offsets(EvauditKafka *kafka,
									 EvauditKafkaRequest *request,
									 EvauditKafkaFound *found)
{
	for (int i = 0; i < request->offsets->cnt; i++)
	{
		const rd_kafka_topic_partition_t *elem = &request->offsets->elems[i];
		rd_kafka_resp_err_t err = request->err ? request->err : elem->err;

		found[i].offset = err || elem->offset < 0 ? -1 : elem->offset;
		found[i].error = found[i].offset >= 0 ? NULL :
			evaudit_kafka_client_error(kafka, "look up its offset",
									   err ? err : RD_KAFKA_RESP_ERR__FAIL);
	}
	free_request(request);
}

/* Look up the offset of one partition, as above, waiting for the response. */
void
evaudit_kafka_client_offset_at(EvauditKafka *kafka, int64 time,
							   const EvauditKafkaOffset *partition,
							   EvauditKafkaFound *found)
{
	EvauditKafkaRequest *request =
		evaudit_kafka_request_offsets(kafka, time, partition, 1);

	if (!evaudit_kafka_request_wait(kafka, request))
		evaudit_kafka_client_fail(kafka, "reach a Kafka broker",
								  RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN);
	evaudit_kafka_request_finish_offsets(kafka, request, found);
}
