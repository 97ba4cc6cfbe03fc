/*-------------------------------------------------------------------------
 *
 * request.c
 *	  Requests to a Kafka broker that the latch can interrupt.
 *
 * librdkafka's requests block until the response or a timeout, deaf to
 * signals.  Each runs in a thread of its own, which touches nothing of
 * Postgres, while the worker waits on its latch.  A request is abandoned only
 * if the process is about to end; its thread and its memory, which is from
 * malloc(), last until then.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include "miscadmin.h"

#include "kafka/client_internal.h"
#include "server/threads.h"
#include "server/wait.h"
#include "text/ascii.h"

/* How often to check whether any broker can be reached, milliseconds. */
#define CHECK_INTERVAL		200

/* Longest name of a topic, in bytes. */
#define MAX_TOPIC_NAME		249

/* The thread's body. */
static void *
run_in_thread(void *arg)
{
	EvauditKafkaRequest *request = arg;

	request->send(request);
	(void) !write(request->done[1], "", 1);
	return NULL;
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
	}
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
	return request;
}

/*
 * Send a request in a thread and wait for the response; one that is patient
 * waits for it also where no broker can be reached.  False if none can: the
 * request is abandoned, and the process must end soon.
 */
bool
evaudit_kafka_request_run(EvauditKafka *kafka, EvauditKafkaRequest *request,
						  bool patient)
{
	pthread_t	thread;
	sigset_t	signals;
	int			failed;

	if (pipe2(request->done, O_NONBLOCK | O_CLOEXEC) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not create a pipe: %m")));
	evaudit_block_signals(&signals);
	failed = pthread_create(&thread, NULL, run_in_thread, request);
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

	if (!wait_for_response(kafka, request, patient))
		return false;
	pthread_join(thread, NULL);
	close(request->done[0]);
	close(request->done[1]);
	return true;
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
		topics = lappend(topics, topic);
	}
	return topics;
}

/*
 * List the topics that the broker shows us, as EvauditKafkaTopic.  False, with
 * the reason, if there was no response; the process must end soon then.
 */
bool
evaudit_kafka_client_list_topics(EvauditKafka *kafka, List **topics,
								 char **error)
{
	EvauditKafkaRequest *request = evaudit_kafka_request_make(kafka, send_metadata);

	if (!evaudit_kafka_request_run(kafka, request, false))
		*error = evaudit_kafka_client_error(kafka, "reach a Kafka broker",
											RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN);
	else if (request->err)
	{
		*error = evaudit_kafka_client_error(kafka,
											"read the topics of the Kafka cluster",
											request->err);
		free(request);
	}
	else
	{
		*topics = copy_topics(request->metadata);
		rd_kafka_metadata_destroy(request->metadata);
		free(request);
		return true;
	}
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

/* In the thread: request the offsets of times. */
static void
send_offsets(EvauditKafkaRequest *request)
{
	request->err = rd_kafka_offsets_for_times(request->client,
											  request->offsets,
											  EVAUDIT_KAFKA_REQUEST_TIMEOUT);
}

/*
 * Set each offset to the first record at or after a time, which is
 * milliseconds since 1970 or one of EVAUDIT_KAFKA_EARLIEST and _LATEST; -1
 * where there is no such record.
 */
void
evaudit_kafka_client_offsets_at(EvauditKafka *kafka, int64 time,
								EvauditKafkaOffset *offsets, int n)
{
	EvauditKafkaRequest *request;
	rd_kafka_resp_err_t err;

	if (n == 0)
		return;
	request = evaudit_kafka_request_make(kafka, send_offsets);
	request->offsets = rd_kafka_topic_partition_list_new(n);
	for (int i = 0; i < n; i++)
		rd_kafka_topic_partition_list_add(request->offsets, offsets[i].topic,
										  offsets[i].partition)->offset = time;

	if (!evaudit_kafka_request_run(kafka, request, false))
		evaudit_kafka_client_fail(kafka, "reach a Kafka broker",
								  RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN);
	err = request->err;
	for (int i = 0; i < n && !err; i++)
	{
		err = request->offsets->elems[i].err;
		offsets[i].offset = request->offsets->elems[i].offset;
	}
	rd_kafka_topic_partition_list_destroy(request->offsets);
	free(request);
	if (err)
		evaudit_kafka_client_fail(kafka, "look up offsets in the Kafka cluster", err);
}
