/*-------------------------------------------------------------------------
 *
 * request.c
 *	  Questions to a Kafka broker that the latch can interrupt.
 *
 * librdkafka's requests block until the response or a timeout, deaf to
 * signals.  Each runs in a thread of its own, which touches nothing of
 * Postgres, while the worker waits on its latch.  A request is only given up
 * because the process ends; thread and memory, from malloc(), go with it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/wait_event.h"

#include "kafka/client_internal.h"
#include "server/threads.h"
#include "server/wait.h"

/* How long a broker may take to response, in milliseconds. */
#define REQUEST_TIMEOUT		15000

/* How often to look whether brokers are there at all, milliseconds. */
#define CHECK_INTERVAL		200

typedef struct KafkaRequest
{
	void		(*ask) (struct KafkaRequest *request);
	rd_kafka_t *client;
	int			done[2];		/* pipe: written to when answered */
	rd_kafka_resp_err_t err;
	const struct rd_kafka_metadata *metadata;
	rd_kafka_topic_partition_list_t *offsets;
} KafkaRequest;

/* The thread's body. */
static void *
run_in_thread(void *arg)
{
	KafkaRequest *request = arg;

	request->ask(request);
	(void) !write(request->done[1], "", 1);
	return NULL;
}

/*
 * Wait for the response, serving interrupts.  The wait is over by an ERROR as
 * soon as no broker can be reached: the request would take its whole timeout
 * to find out.
 */
static void
wait_for_response(EvauditKafka *kafka, KafkaRequest *request)
{
	for (;;)
	{
		int			events = evaudit_wait_fd(request->done[0],
											 CHECK_INTERVAL);

		if (events & EVAUDIT_WAIT_READABLE)
			return;
		evaudit_kafka_client_check(kafka);
	}
}

/* Make a request that ask() will put; everything in it is malloc'd. */
static KafkaRequest *
make_request(EvauditKafka *kafka, void (*ask) (KafkaRequest *))
{
	KafkaRequest *request = calloc(1, sizeof(KafkaRequest));

	if (request == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	request->ask = ask;
	request->client = kafka->client;
	return request;
}

/* Put the question in a thread and wait for the response. */
static void
run_request(EvauditKafka *kafka, KafkaRequest *request)
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

	wait_for_response(kafka, request);
	pthread_join(thread, NULL);
	close(request->done[0]);
	close(request->done[1]);
}

/* In the thread: what topics are there? */
static void
ask_metadata(KafkaRequest *request)
{
	request->err = rd_kafka_metadata(request->client, 1, NULL,
									 &request->metadata, REQUEST_TIMEOUT);
}

/* All topics that the broker shows us: a list of EvauditKafkaTopic. */
List *
evaudit_kafka_client_topics(EvauditKafka *kafka)
{
	KafkaRequest *request = make_request(kafka, ask_metadata);
	List	   *topics = NIL;

	run_request(kafka, request);
	if (request->err)
	{
		rd_kafka_resp_err_t err = request->err;

		free(request);
		evaudit_kafka_client_fail(kafka, "read the topics of the Kafka cluster", err);
	}
	for (int i = 0; i < request->metadata->topic_cnt; i++)
	{
		const rd_kafka_metadata_topic_t *found = &request->metadata->topics[i];
		EvauditKafkaTopic *topic;

		if (found->err != RD_KAFKA_RESP_ERR_NO_ERROR)
			continue;
		topic = palloc(sizeof(EvauditKafkaTopic));
		topic->name = pstrdup(found->topic);
		topic->npartitions = found->partition_cnt;
		topics = lappend(topics, topic);
	}
	rd_kafka_metadata_destroy(request->metadata);
	free(request);
	return topics;
}

/* In the thread: which offsets do these times have? */
static void
ask_offsets(KafkaRequest *request)
{
	request->err = rd_kafka_offsets_for_times(request->client,
											  request->offsets,
											  REQUEST_TIMEOUT);
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
	KafkaRequest *request;
	rd_kafka_resp_err_t err;

	if (n == 0)
		return;
	request = make_request(kafka, ask_offsets);
	request->offsets = rd_kafka_topic_partition_list_new(n);
	for (int i = 0; i < n; i++)
		rd_kafka_topic_partition_list_add(request->offsets, offsets[i].topic,
										  offsets[i].partition)->offset = time;

	run_request(kafka, request);
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
