/*-------------------------------------------------------------------------
 *
 * producer_transaction.c
 *	  Kafka transactions that carry a number.
 *
 * The number is committed in the transaction as the offset of a consumer
 * group that nobody is a member of, for the first partition of each topic
 * that the transaction writes to, with a text beside it.  So the cluster
 * itself tells whether the transaction was committed: the greatest number of
 * the group is that of the last one that was.  Initializing transactions
 * fences off any other producer of the same id, and waits for the end of what
 * that one had begun: the number read after it does not change any more.
 *
 * Each call blocks, and runs in a thread; see request.c.  One may be begun and
 * waited for later; nothing else may be asked of the producer meanwhile.  Where
 * the cluster does not respond in time a call is made again, for it then
 * continues.  A process that ends in the middle of a transaction leaves it to
 * the next one, by which it is aborted.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "kafka/producer_internal.h"

/* How often a call is made while the cluster does not respond in time. */
#define MAX_CALLS		4

/*
 * Milliseconds that librdkafka may take for a request to a group's
 * coordinator, its longest.  Nobody waits for that long: if it gave up by
 * itself, the connection of the coordinator that comes later would find the
 * request freed, and an assertion of librdkafka fail.
 */
#define ADMIN_TIMEOUT	3600000

typedef void (*SendRequest) (EvauditKafkaRequest *request);

/* In the thread, each of the calls. */
static void
send_init(EvauditKafkaRequest *request)
{
	request->error = rd_kafka_init_transactions(request->client,
												EVAUDIT_KAFKA_REQUEST_TIMEOUT);
}

static void
send_offsets(EvauditKafkaRequest *request)
{
	rd_kafka_consumer_group_metadata_t *group =
		rd_kafka_consumer_group_metadata_new(request->name);

	request->error =
		rd_kafka_send_offsets_to_transaction(request->client, request->offsets,
											 group,
											 EVAUDIT_KAFKA_REQUEST_TIMEOUT);
	rd_kafka_consumer_group_metadata_destroy(group);
}

static void
send_commit(EvauditKafkaRequest *request)
{
	request->error = rd_kafka_commit_transaction(request->client,
												 EVAUDIT_KAFKA_REQUEST_TIMEOUT);
}

static void
send_abort(EvauditKafkaRequest *request)
{
	request->error = rd_kafka_abort_transaction(request->client,
												EVAUDIT_KAFKA_REQUEST_TIMEOUT);
}

/* In the thread: ask for all offsets of a group. */
static void
send_list_offsets(EvauditKafkaRequest *request)
{
	rd_kafka_queue_t *queue = rd_kafka_queue_new(request->client);
	rd_kafka_ListConsumerGroupOffsets_t *group =
		rd_kafka_ListConsumerGroupOffsets_new(request->name, NULL);
	rd_kafka_AdminOptions_t *options =
		rd_kafka_AdminOptions_new(request->client,
								  RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS);
	rd_kafka_error_t *error =
		rd_kafka_AdminOptions_set_require_stable_offsets(options,
														 request->stable);
	char		unused[64];

	if (error != NULL)
		rd_kafka_error_destroy(error);
	(void) rd_kafka_AdminOptions_set_request_timeout(options, ADMIN_TIMEOUT,
													 unused, sizeof(unused));
	rd_kafka_ListConsumerGroupOffsets(request->client, &group, 1, options,
									  queue);
	request->event = rd_kafka_queue_poll(queue, EVAUDIT_KAFKA_REQUEST_TIMEOUT);
	rd_kafka_AdminOptions_destroy(options);
	rd_kafka_ListConsumerGroupOffsets_destroy(group);
	rd_kafka_queue_destroy(queue);
}

/*
 * The process's client for the offsets of a group: a consumer of that group,
 * which never joins it.  A producer can ask for them as well, but librdkafka
 * crashes in it when the group's coordinator has moved or is loading: it then
 * tells the group, which only a consumer has.
 */
static EvauditKafka *
group_reader(List *options, bool ambient, const char *group)
{
	static EvauditKafka *reader = NULL;

	if (reader == NULL)
	{
		EvauditKafka *kafka = MemoryContextAllocZero(TopMemoryContext,
													 sizeof(EvauditKafka));

		kafka->serve = evaudit_kafka_serve_callbacks;
		evaudit_kafka_client_start(kafka, RD_KAFKA_CONSUMER,
								   evaudit_kafka_consumer_conf(options,
															   ambient,
															   group, NULL),
								   options, ambient);
		reader = kafka;
	}
	return reader;
}

/* Why a call failed, palloc'd; the error is freed. */
static char *
error_text(const char *what, rd_kafka_error_t *error)
{
	char	   *message =
		psprintf("could not %s: %s", what,
				 evaudit_kafka_client_reason(rd_kafka_error_string(error)));

	rd_kafka_error_destroy(error);
	return message;
}

/* Raise the ERROR of a call. */
pg_noreturn static void
raise_error(const char *what, rd_kafka_error_t *error)
{
	ereport(ERROR,
			(errcode(ERRCODE_CONNECTION_FAILURE),
			 errmsg("%s", error_text(what, error))));
}

/* Begin a call; the offsets, or NULL, are released at its end. */
static void
begin_call(EvauditKafkaProducer *producer, const char *what, SendRequest send,
		   const char *name, rd_kafka_topic_partition_list_t *offsets)
{
	EvauditKafkaRequest *request =
		evaudit_kafka_request_make(&producer->kafka, send);

	Assert(producer->call == NULL);
	request->name = name;
	request->offsets = offsets;
	producer->call = request;
	producer->call_what = what;
	evaudit_kafka_request_start(request);
}

/* Whether a call that was begun, or a record, has no response yet. */
bool
evaudit_kafka_transaction_busy(EvauditKafkaProducer *producer)
{
	producer->kafka.serve(&producer->kafka);
	return producer->outstanding > 0 ||
		(producer->call != NULL && !evaudit_kafka_request_done(producer->call));
}

/*
 * Wait for the call that was begun, and make it again while it may be
 * continued.  Returns NULL, or why the transaction must be aborted; anything
 * worse is an ERROR.
 */
char *
evaudit_kafka_transaction_wait(EvauditKafkaProducer *producer)
{
	EvauditKafkaRequest *request = producer->call;
	rd_kafka_error_t *error;

	for (int calls = 1;; calls++)
	{
		if (!evaudit_kafka_request_end(&producer->kafka, request, false))
			evaudit_kafka_client_fail(&producer->kafka, "reach a Kafka broker",
									  RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN);
		error = request->error;
		request->error = NULL;
		if (error == NULL || !rd_kafka_error_is_retriable(error) ||
			calls == MAX_CALLS)
			break;
		rd_kafka_error_destroy(error);
		evaudit_kafka_request_start(request);
	}
	producer->call = NULL;
	if (request->offsets != NULL)
		rd_kafka_topic_partition_list_destroy(request->offsets);
	free(request);
	producer->kafka.serve(&producer->kafka);
	if (error == NULL)
		return NULL;
	if (!rd_kafka_error_txn_requires_abort(error))
		raise_error(producer->call_what, error);
	return error_text(producer->call_what, error);
}

/*
 * Be the only producer of the transactional id.  Returns NULL, or why that is
 * not so yet: it may be tried again.
 */
char *
evaudit_kafka_transaction_init(EvauditKafkaProducer *producer)
{
	EvauditKafkaRequest *request;
	rd_kafka_error_t *error;

	if (producer->initialized)
		return NULL;
	request = evaudit_kafka_request_make(&producer->kafka, send_init);
	(void) evaudit_kafka_request_run(&producer->kafka, request, true);
	error = request->error;
	free(request);
	if (error == NULL)
	{
		producer->initialized = true;
		return NULL;
	}
	if (rd_kafka_error_is_fatal(error) || !rd_kafka_error_is_retriable(error))
		raise_error("initialize transactions in Kafka", error);
	return error_text("initialize transactions in Kafka", error);
}

/* Take the greatest number of the offsets listed, with its metadata. */
static void
greatest_number(const rd_kafka_topic_partition_list_t *offsets, int64 *number,
				char **metadata)
{
	for (int i = 0; offsets != NULL && i < offsets->cnt; i++)
	{
		const rd_kafka_topic_partition_t *offset = &offsets->elems[i];

		if (offset->err || offset->offset <= *number)
			continue;
		*number = offset->offset;
		*metadata = pnstrdup(offset->metadata ? offset->metadata : "",
							 offset->metadata_size);
	}
}

/* Why a list of offsets was not to be had; NULL: it is there. */
static const char *
list_error(rd_kafka_event_t *event,
		   const rd_kafka_topic_partition_list_t **offsets)
{
	const rd_kafka_group_result_t **groups;
	size_t		n;

	if (rd_kafka_event_error(event))
		return rd_kafka_event_error_string(event);
	groups = rd_kafka_ListConsumerGroupOffsets_result_groups(
															 rd_kafka_event_ListConsumerGroupOffsets_result(event), &n);
	if (n != 1)
		return rd_kafka_err2str(RD_KAFKA_RESP_ERR__BAD_MSG);
	if (rd_kafka_group_result_error(groups[0]) != NULL)
		return rd_kafka_error_string(rd_kafka_group_result_error(groups[0]));
	*offsets = rd_kafka_group_result_partitions(groups[0]);
	return NULL;
}

/*
 * Read the number of the last transaction committed for a group, and the text
 * beside it; -1 if there is none.  Returns NULL, or why it was not to be had.
 * A request without a response is an ERROR: the process ends, and librdkafka
 * with it, which has the request still.  A stable number, that does not change
 * any more, is to be had once transactions are initialized.
 */
char *
evaudit_kafka_transaction_number(List *options, bool ambient,
								 const char *group, bool stable,
								 int64 *number, char **metadata)
{
	EvauditKafka *reader = group_reader(options, ambient, group);
	EvauditKafkaRequest *request =
		evaudit_kafka_request_make(reader, send_list_offsets);
	const rd_kafka_topic_partition_list_t *offsets = NULL;
	const char *reason;
	char	   *error = NULL;

	request->name = group;
	request->stable = stable;
	(void) evaudit_kafka_request_run(reader, request, true);
	if (request->event == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_CONNECTION_FAILURE),
				 errmsg("could not read the offsets of Kafka group \"%s\": %s",
						group,
						rd_kafka_err2str(RD_KAFKA_RESP_ERR__TIMED_OUT))));
	*number = -1;
	reason = list_error(request->event, &offsets);
	if (reason != NULL)
		error = psprintf("could not read the offsets of Kafka group \"%s\": %s",
						 group, reason);
	else
		greatest_number(offsets, number, metadata);
	rd_kafka_event_destroy(request->event);
	free(request);
	return error;
}

/* Begin a transaction: what is sent from now on is of it. */
void
evaudit_kafka_transaction_begin(EvauditKafkaProducer *producer)
{
	rd_kafka_error_t *error =
		rd_kafka_begin_transaction(producer->kafka.client);

	if (error != NULL)
		raise_error("begin a transaction in Kafka", error);
}

/*
 * Begin to have the transaction commit a number for a group, whose name must
 * last, by way of the topics that are named.
 */
void
evaudit_kafka_transaction_position(EvauditKafkaProducer *producer,
								   const char *group, List *topics,
								   int64 number, const char *metadata)
{
	rd_kafka_topic_partition_list_t *offsets =
		rd_kafka_topic_partition_list_new(list_length(topics));
	ListCell   *lc;

	foreach(lc, topics)
	{
		rd_kafka_topic_partition_t *offset =
			rd_kafka_topic_partition_list_add(offsets, lfirst(lc), 0);

		offset->offset = number;
		offset->metadata = strdup(metadata);
		offset->metadata_size = offset->metadata ? strlen(metadata) : 0;
	}
	begin_call(producer, "write to Kafka in a transaction", send_offsets,
			   group, offsets);
}

/* Begin to commit; all records must have their reports. */
void
evaudit_kafka_transaction_commit(EvauditKafkaProducer *producer)
{
	begin_call(producer, "commit a transaction in Kafka", send_commit, NULL,
			   NULL);
}

/* Abort, and wait for the reports of the records that this takes back. */
void
evaudit_kafka_transaction_abort(EvauditKafkaProducer *producer)
{
	char	   *error;

	begin_call(producer, "abort a transaction in Kafka", send_abort, NULL,
			   NULL);
	error = evaudit_kafka_transaction_wait(producer);
	if (error != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_CONNECTION_FAILURE), errmsg("%s", error)));
	while (!evaudit_kafka_producer_wait(producer))
		;
}
