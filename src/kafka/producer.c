/*-------------------------------------------------------------------------
 *
 * producer.c
 *	  A Kafka producer, with or without transactions, over librdkafka.
 *
 * It is idempotent and lives in a background worker.  The library sends
 * the values of records from where they are, and copies the rest; its reports
 * name a record by its address.  So records and their values must last until
 * all are reported, or until the process ends: they are in no memory that an
 * ERROR frees.  Reports are events, not callbacks: they are taken by
 * serve_producer(), in the worker's own thread, and no longjmp ever crosses
 * the library.
 *
 * The library retries what can be retried.  What it cannot survive, such as
 * ERR__FATAL, which librdkafka before 2.3.0 raises after some restarts of a
 * broker, is an ERROR: the process ends, and the next one has a new producer
 * and reads its position again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <unistd.h>

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "kafka/msk.h"
#include "kafka/producer_internal.h"

/* How long no record may be acknowledged before it is an error, in ms. */
#define PROGRESS_TIMEOUT	60000

/* How often to check that while waiting, in milliseconds. */
#define CHECK_INTERVAL		1000

/* Most bytes that a batch and a record in it have besides their contents. */
#define BATCH_OVERHEAD		64
#define RECORD_OVERHEAD		32
#define HEADER_OVERHEAD		10

/* Whether an error is about what a record is. */
static bool
refuses_record(rd_kafka_resp_err_t err)
{
	return err == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE ||
		err == RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE ||
		err == RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP ||
		err == RD_KAFKA_RESP_ERR_INVALID_RECORD;
}

/* Note that a record was not accepted. */
static void
fail_record(EvauditKafkaRecord *record, rd_kafka_resp_err_t err)
{
	if (refuses_record(err))
		record->fate = EVAUDIT_KAFKA_REFUSED;
	else if (err == RD_KAFKA_RESP_ERR__PURGE_QUEUE ||
			 err == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT)
		record->fate = EVAUDIT_KAFKA_PURGED;
	else
		record->fate = EVAUDIT_KAFKA_FAILED;
	record->code = rd_kafka_err2name(err);
	record->error = rd_kafka_err2str(err);
}

/* Take the reports of an event. */
static void
take_reports(EvauditKafkaProducer *producer, rd_kafka_event_t *event)
{
	const rd_kafka_message_t *message;

	while ((message = rd_kafka_event_message_next(event)) != NULL)
	{
		EvauditKafkaRecord *record = message->_private;

		if (message->err)
			fail_record(record, message->err);
		else
			record->fate = EVAUDIT_KAFKA_ACKED;
		producer->outstanding--;
	}
	producer->progressed = GetCurrentTimestamp();
}

/* Take an error of the client. */
static void
take_error(EvauditKafkaProducer *producer, rd_kafka_event_t *event)
{
	EvauditKafka *kafka = &producer->kafka;

	if (rd_kafka_event_error_is_fatal(event))
	{
		producer->fatal = true;
		(void) rd_kafka_fatal_error(kafka->client, kafka->error,
									sizeof(kafka->error));
	}
	else
		evaudit_kafka_client_note_error(kafka, rd_kafka_event_error(event),
										rd_kafka_event_error_string(event));
}

/* Take all that the library reports, without waiting. */
static void
serve_producer(EvauditKafka *kafka)
{
	EvauditKafkaProducer *producer = (EvauditKafkaProducer *) kafka;
	rd_kafka_event_t *event;

	evaudit_kafka_client_drain_pipe(kafka);
	while ((event = rd_kafka_queue_poll(kafka->queue, 0)) != NULL)
	{
		if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_DR)
			take_reports(producer, event);
		else if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_ERROR)
			take_error(producer, event);
		else if (rd_kafka_event_type(event) ==
				 RD_KAFKA_EVENT_OAUTHBEARER_TOKEN_REFRESH)
			kafka->token_wanted = true;
		rd_kafka_event_destroy(event);
	}
}

/*
 * Start a producer from options that evaudit_kafka_read_options() returned;
 * ambient: whether their user may use the server's own credentials.  With a
 * transactional_id it has transactions, and any other producer of that id is
 * fenced off once they are initialized.
 */
EvauditKafkaProducer *
evaudit_kafka_producer_open(List *options, bool ambient,
							const char *transactional_id, int batch_bytes)
{
	EvauditKafkaProducer *producer =
		MemoryContextAllocZero(TopMemoryContext, sizeof(EvauditKafkaProducer));
	EvauditKafka *kafka = &producer->kafka;
	rd_kafka_conf_t *conf = evaudit_kafka_producer_conf(options, ambient,
														transactional_id,
														batch_bytes);
	char		value[32] = "";
	size_t		size = sizeof(value);

	(void) rd_kafka_conf_get(conf, "message.max.bytes", value, &size);
	producer->max_bytes = atoi(value);
	producer->transactional = transactional_id != NULL;
	rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR);
	kafka->serve = serve_producer;
	evaudit_kafka_client_start(kafka, RD_KAFKA_PRODUCER, conf, options,
							   ambient);
	kafka->queue = rd_kafka_queue_get_main(kafka->client);
	evaudit_kafka_client_watch(kafka, kafka->queue);
	producer->waits = evaudit_wait_set_create(kafka->pipe[0]);
	return producer;
}

/* In the thread: end the library's client. */
static void
send_destroy(EvauditKafkaRequest *request)
{
	rd_kafka_destroy(request->client);
}

/*
 * Close a producer that has no record outstanding, to open one with other
 * settings.  Its topics must have been released.
 */
void
evaudit_kafka_producer_close(EvauditKafkaProducer *producer)
{
	EvauditKafka *kafka = &producer->kafka;
	EvauditKafkaRequest *request = evaudit_kafka_request_make(kafka,
															  send_destroy);

	evaudit_kafka_msk_close(kafka);
	kafka->serve = evaudit_kafka_serve_nothing;
	rd_kafka_queue_io_event_enable(kafka->queue, -1, NULL, 0);
	rd_kafka_queue_destroy(kafka->queue);
	(void) evaudit_kafka_request_run(kafka, request, true);
	free(request);
	FreeWaitEventSet(producer->waits);
	close(kafka->pipe[0]);
	close(kafka->pipe[1]);
	pfree(producer);
}

/*
 * Whether no broker could be reached since this was asked last.  A broker that
 * closes an idle connection counts: what is asked of the cluster next tells
 * whether it is there.
 */
bool
evaudit_kafka_producer_was_down(EvauditKafkaProducer *producer)
{
	bool		down;

	producer->kafka.serve(&producer->kafka);
	evaudit_kafka_msk_renew(&producer->kafka);
	down = producer->kafka.down;
	producer->kafka.down = false;
	return down;
}

/* While nothing is sent: have a token, if the producer logs in by one. */
void
evaudit_kafka_producer_keep(EvauditKafkaProducer *producer)
{
	if (producer->kafka.msk == NULL)
		return;
	producer->kafka.serve(&producer->kafka);
	evaudit_kafka_msk_renew(&producer->kafka);
}

/* The largest record that the client takes. */
int64
evaudit_kafka_producer_max_bytes(EvauditKafkaProducer *producer)
{
	return producer->max_bytes;
}

/* At least the bytes of a batch that holds a record alone, uncompressed. */
size_t
evaudit_kafka_record_bytes(const EvauditKafkaRecord *record)
{
	size_t		bytes = BATCH_OVERHEAD + RECORD_OVERHEAD +
		record->key_len + record->value_len;

	for (int i = 0; i < record->nheaders; i++)
		bytes += HEADER_OVERHEAD + strlen(record->headers[i].name) +
			record->headers[i].value_len;
	return bytes;
}

/* Raise an ERROR if the producer cannot send any more. */
void
evaudit_kafka_producer_check(EvauditKafkaProducer *producer)
{
	EvauditKafka *kafka = &producer->kafka;

	if (producer->fatal)
		ereport(ERROR,
				(errcode(ERRCODE_CONNECTION_FAILURE),
				 errmsg("the Kafka producer failed: %s", kafka->error)));
	evaudit_kafka_client_check(kafka);
	if (producer->outstanding > 0 &&
		TimestampDifferenceExceeds(producer->progressed, GetCurrentTimestamp(),
								   PROGRESS_TIMEOUT))
		ereport(ERROR,
				(errcode(ERRCODE_CONNECTION_FAILURE),
				 errmsg("no record was acknowledged by Kafka within %d seconds",
						PROGRESS_TIMEOUT / 1000),
				 kafka->error[0] ? errdetail("%s", kafka->error) : 0));
}

/* Wait for reports, for a while. */
static void
wait_for_reports(EvauditKafkaProducer *producer)
{
	(void) evaudit_wait_set(producer->waits, CHECK_INTERVAL);
	producer->kafka.serve(&producer->kafka);
	evaudit_kafka_producer_check(producer);
}

/*
 * Wait until each record sent has its report, serving interrupts.  False if
 * there was none for a second; an ERROR if that can be no delay any more.
 */
bool
evaudit_kafka_producer_wait(EvauditKafkaProducer *producer)
{
	int			before;

	producer->kafka.serve(&producer->kafka);
	evaudit_kafka_producer_check(producer);
	while (producer->outstanding > 0)
	{
		TimestampTz start = GetCurrentTimestamp();

		before = producer->outstanding;
		wait_for_reports(producer);
		if (producer->outstanding == before &&
			TimestampDifferenceExceeds(start, GetCurrentTimestamp(),
									   CHECK_INTERVAL))
			return false;
	}
	return true;
}

/* The headers of a record as the library wants them; NULL: none. */
static rd_kafka_headers_t *
make_headers(const EvauditKafkaRecord *record)
{
	rd_kafka_headers_t *headers;

	if (record->nheaders == 0)
		return NULL;
	headers = rd_kafka_headers_new(record->nheaders);
	for (int i = 0; i < record->nheaders; i++)
		(void) rd_kafka_header_add(headers, record->headers[i].name, -1,
								   record->headers[i].value,
								   record->headers[i].value_len);
	return headers;
}

/* Hand a record to the library. */
static rd_kafka_resp_err_t
produce(EvauditKafkaProducer *producer, EvauditKafkaRecord *record)
{
	rd_kafka_headers_t *headers = make_headers(record);
	rd_kafka_vu_t what[] = {
		{.vtype = RD_KAFKA_VTYPE_RKT,.u.rkt = record->topic->handle},
		/* the value is neither copied nor freed */
		{.vtype = RD_KAFKA_VTYPE_MSGFLAGS,.u.i = 0},
		{.vtype = RD_KAFKA_VTYPE_OPAQUE,.u.ptr = record},
		{.vtype = RD_KAFKA_VTYPE_KEY,
		.u.mem = {unconstify(char *, record->key), record->key_len}},
		{.vtype = RD_KAFKA_VTYPE_VALUE,
		.u.mem = {unconstify(char *, record->value), record->value_len}},
		{.vtype = RD_KAFKA_VTYPE_HEADERS,.u.headers = headers},
	};
	rd_kafka_error_t *error;
	rd_kafka_resp_err_t err;

	error = rd_kafka_produceva(producer->kafka.client, what,
							   lengthof(what) - (headers == NULL ? 1 : 0));
	if (error == NULL)
		return RD_KAFKA_RESP_ERR_NO_ERROR;
	err = rd_kafka_error_code(error);
	rd_kafka_error_destroy(error);
	if (headers != NULL)
		rd_kafka_headers_destroy(headers);
	return err;
}

/*
 * Send a record, waiting for room in the queue.  False if it did not get
 * there; record->fate then says more.
 */
bool
evaudit_kafka_producer_send(EvauditKafkaProducer *producer,
							EvauditKafkaRecord *record)
{
	rd_kafka_resp_err_t err;

	if (producer->outstanding == 0)
		producer->progressed = GetCurrentTimestamp();
	while ((err = produce(producer, record)) == RD_KAFKA_RESP_ERR__QUEUE_FULL)
		wait_for_reports(producer);
	if (err)
	{
		producer->kafka.serve(&producer->kafka);
		evaudit_kafka_producer_check(producer);
		fail_record(record, err);
		return false;
	}
	record->fate = EVAUDIT_KAFKA_SENT;
	producer->outstanding++;
	return true;
}
