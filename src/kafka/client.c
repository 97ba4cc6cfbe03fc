/*-------------------------------------------------------------------------
 *
 * client.c
 *	  A Kafka consumer without group membership, over librdkafka.
 *
 * Partitions are assigned with absolute offsets, so that there is nothing to
 * rebalance and Postgres alone says where reading continues.  The client lives
 * in a background worker, from after its fork to its end, and is never torn
 * down: without a group there is nothing to tell the broker, and waiting for
 * the library's threads could hold up a shutdown (see threads.c).
 *
 * The library's threads never touch Postgres.  All callbacks come from
 * evaudit_kafka_serve_callbacks(), in the worker's own thread, and only write into
 * EvauditKafka: no longjmp ever crosses the library.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <unistd.h>

#include "utils/memutils.h"

#include "kafka/msk.h"
#include "server/threads.h"
#include "text/ascii.h"

/* How long the client's own thread may take to move a partition, in ms. */
#define SEEK_TIMEOUT		1000

/* How often the library says how it does, in milliseconds. */
#define STATISTICS_INTERVAL	"5000"

/* The number of the broker whose name an error begins with, or -1. */
static int32
broker_of(const char *reason)
{
	const char *end = strstr(reason, ": ");
	const char *number = end;

	while (number != NULL && number > reason && evaudit_is_digit(number[-1]))
		number--;
	if (number == NULL || number == end || number == reason ||
		number[-1] != '/')
		return -1;
	return (int32) strtol(number, NULL, 10);
}

/* Keep the latest error of a broker. */
static void
keep_error(EvauditKafka *kafka, const char *reason)
{
	int32		broker = broker_of(reason);
	int			i = 0;

	while (i < KAFKA_BROKER_ERRORS &&
		   (kafka->errors[i].text[0] == '\0' ||
			kafka->errors[i].broker != broker))
		i++;
	if (i == KAFKA_BROKER_ERRORS)
	{
		i = kafka->next_error;
		kafka->next_error = (i + 1) % KAFKA_BROKER_ERRORS;
	}
	kafka->errors[i].broker = broker;
	strlcpy(kafka->errors[i].text, reason, sizeof(kafka->errors[i].text));
}

/* Keep the library's latest error, and whether no broker can be reached. */
void
evaudit_kafka_client_note_error(EvauditKafka *kafka, int err,
								const char *reason)
{
	if (err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
		kafka->down = true;
	else
	{
		strlcpy(kafka->error, reason, sizeof(kafka->error));
		keep_error(kafka, reason);
	}
}

/* Keep the library's latest statistics; they are ours to free then. */
static int
statistics_callback(rd_kafka_t *client, char *json, size_t len, void *opaque)
{
	EvauditKafka *kafka = opaque;

	if (kafka->statistics != NULL)
		rd_kafka_mem_free(client, kafka->statistics);
	kafka->statistics = json;
	kafka->statistics_len = len;
	return 1;
}

/* The library's callback for a consumer's errors. */
static void
error_callback(rd_kafka_t *client, int err, const char *reason, void *opaque)
{
	evaudit_kafka_client_note_error(opaque, err, reason);
}

/* Drop the library's own log lines: what matters comes as an error. */
static void
log_callback(const rd_kafka_t *client, int level, const char *facility,
			 const char *str)
{
}

/* Run a consumer's callbacks that are due. */
void
evaudit_kafka_serve_callbacks(EvauditKafka *kafka)
{
	(void) rd_kafka_poll(kafka->client, 0);
}

/* EvauditKafka.serve of a client whose reports are of no use. */
void
evaudit_kafka_serve_nothing(EvauditKafka *kafka)
{
}

/*
 * Start the library's client of a configuration that was made of options, and
 * is used up; ambient as in evaudit_kafka_client_open().  It lives as long as
 * the process, which must be a background worker.
 */
void
evaudit_kafka_client_start(EvauditKafka *kafka, rd_kafka_type_t type,
						   rd_kafka_conf_t *conf, List *options, bool ambient)
{
	char		error[512];
	sigset_t	signals;
	EvauditHandlers handlers;

	rd_kafka_conf_set_log_cb(conf, log_callback);
	rd_kafka_conf_set_opaque(conf, kafka);
	evaudit_kafka_msk_open(kafka, conf, options, ambient);
	evaudit_exit_at_once();
	if (pipe2(kafka->pipe, O_NONBLOCK | O_CLOEXEC) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not create a pipe: %m")));

	evaudit_save_handlers(&handlers);
	evaudit_block_signals(&signals);
	kafka->client = rd_kafka_new(type, conf, error, sizeof(error));
	evaudit_unblock_signals(&signals);
	evaudit_check_handlers(&handlers, "librdkafka");
	if (kafka->client == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_UNABLE_TO_CREATE_EXECUTION),
				 errmsg("could not start a Kafka client: %s", error)));
	evaudit_kafka_msk_begin(kafka);
}

/* Have the pipe written to when something arrives in a queue. */
void
evaudit_kafka_client_watch(EvauditKafka *kafka, rd_kafka_queue_t *queue)
{
	rd_kafka_queue_io_event_enable(queue, kafka->pipe[1], "", 1);
}

/*
 * Start a consumer from options that evaudit_kafka_read_options() returned;
 * ambient: whether their user may use the server's own credentials.  The
 * group is what requests name that need one, unless the options say another;
 * shown_group that of group.c, or NULL.  Call this once in a process.
 */
EvauditKafka *
evaudit_kafka_client_open(List *options, bool ambient, const char *group,
						  const char *shown_group)
{
	EvauditKafka *kafka = MemoryContextAllocZero(TopMemoryContext,
												 sizeof(EvauditKafka));
	rd_kafka_conf_t *conf = evaudit_kafka_consumer_conf(options, ambient,
														group, shown_group);
	rd_kafka_queue_t *events;

	rd_kafka_conf_set_error_cb(conf, error_callback);
	rd_kafka_conf_set_stats_cb(conf, statistics_callback);
	rd_kafka_conf_set_offset_commit_cb(conf, evaudit_kafka_group_committed);
	(void) rd_kafka_conf_set(conf, "statistics.interval.ms",
							 STATISTICS_INTERVAL, NULL, 0);
	kafka->serve = evaudit_kafka_serve_callbacks;
	evaudit_kafka_client_start(kafka, RD_KAFKA_CONSUMER, conf, options,
							   ambient);

	kafka->queue = rd_kafka_queue_get_consumer(kafka->client);
	events = rd_kafka_queue_get_main(kafka->client);
	evaudit_kafka_client_watch(kafka, kafka->queue);
	evaudit_kafka_client_watch(kafka, events);
	rd_kafka_queue_destroy(events);
	return kafka;
}

/* A descriptor that becomes readable when there is something to drain. */
int
evaudit_kafka_client_fd(EvauditKafka *kafka)
{
	return kafka->pipe[0];
}

/* Empty the pipe; do so before the queues, or a wake-up could be lost. */
void
evaudit_kafka_client_drain_pipe(EvauditKafka *kafka)
{
	char		wakeups[64];

	while (read(kafka->pipe[0], wakeups, sizeof(wakeups)) > 0)
		;
}

/* Whether an error only says that something went wrong underneath. */
static bool
unspecific_error(rd_kafka_resp_err_t err)
{
	return err == RD_KAFKA_RESP_ERR__TRANSPORT ||
		err == RD_KAFKA_RESP_ERR__TIMED_OUT ||
		err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN;
}

/*
 * The library's text of an error, palloc'd, without how long it took: so the
 * same error reads the same.
 */
char *
evaudit_kafka_client_reason(const char *error)
{
	const char *took = strstr(error, " (after ");

	return took == NULL ? pstrdup(error) : pnstrdup(error, took - error);
}

/*
 * Describe an error of the broker, palloc'd.  Where the code alone would say
 * little, the client's own latest error, such as a refused password, says
 * more.
 */
char *
evaudit_kafka_client_error(EvauditKafka *kafka, const char *what,
						   rd_kafka_resp_err_t err)
{
	kafka->serve(kafka);
	return psprintf("could not %s: %s", what,
					kafka->error[0] && unspecific_error(err) ?
					evaudit_kafka_client_reason(kafka->error) :
					rd_kafka_err2str(err));
}

/* Raise an ERROR about the broker. */
void
evaudit_kafka_client_fail(EvauditKafka *kafka, const char *what,
						  rd_kafka_resp_err_t err)
{
	ereport(ERROR,
			(errcode(ERRCODE_CONNECTION_FAILURE),
			 errmsg("%s", evaudit_kafka_client_error(kafka, what, err))));
}

/* Whether any broker can be reached, as far as is known. */
bool
evaudit_kafka_client_is_up(EvauditKafka *kafka)
{
	kafka->serve(kafka);
	return !kafka->down;
}

/* Raise an ERROR if no broker can be reached. */
void
evaudit_kafka_client_check(EvauditKafka *kafka)
{
	evaudit_kafka_msk_renew(kafka);
	if (!evaudit_kafka_client_is_up(kafka))
		evaudit_kafka_client_fail(kafka, "reach a Kafka broker",
								  RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN);
}

/* Build librdkafka's list of partitions. */
rd_kafka_topic_partition_list_t *
evaudit_kafka_client_list(const EvauditKafkaOffset *offsets, int n)
{
	rd_kafka_topic_partition_list_t *list =
		rd_kafka_topic_partition_list_new(n);

	for (int i = 0; i < n; i++)
		rd_kafka_topic_partition_list_add(list, offsets[i].topic,
										  offsets[i].partition)->offset =
			offsets[i].offset;
	return list;
}

/* Read these partitions from these offsets, and no others any more. */
void
evaudit_kafka_client_assign(EvauditKafka *kafka, const EvauditKafkaOffset *offsets,
							int n)
{
	rd_kafka_topic_partition_list_t *list = evaudit_kafka_client_list(offsets, n);
	rd_kafka_resp_err_t err = rd_kafka_assign(kafka->client, list);

	rd_kafka_topic_partition_list_destroy(list);
	if (err)
		evaudit_kafka_client_fail(kafka, "assign Kafka partitions", err);
}

/*
 * Read a partition from another offset on.  What was fetched before is not
 * handed out any more.  False if the client does not have the partition.
 */
bool
evaudit_kafka_client_seek_to(EvauditKafka *kafka, const EvauditKafkaOffset *offset)
{
	rd_kafka_topic_partition_list_t *list = evaudit_kafka_client_list(offset, 1);
	rd_kafka_error_t *error = rd_kafka_seek_partitions(kafka->client, list,
													   SEEK_TIMEOUT);
	bool		done = error == NULL &&
		list->elems[0].err == RD_KAFKA_RESP_ERR_NO_ERROR;

	if (error != NULL)
		rd_kafka_error_destroy(error);
	rd_kafka_topic_partition_list_destroy(list);
	return done;
}

/* What a message of librdkafka is about. */
static EvauditKafkaKind
message_kind(const rd_kafka_message_t *m)
{
	switch (m->err)
	{
		case RD_KAFKA_RESP_ERR_NO_ERROR:
			return EVAUDIT_KAFKA_RECORD;
		case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
		case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
			return EVAUDIT_KAFKA_OUT_OF_RANGE;
		case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
		case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
		case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
			return EVAUDIT_KAFKA_GONE;
		default:
			return EVAUDIT_KAFKA_FAULT;
	}
}

/* Describe a message of librdkafka in our own words. */
static void
describe_message(rd_kafka_message_t *m, EvauditKafkaMessage *message)
{
	message->handle = m;
	message->kind = message_kind(m);
	message->topic = m->rkt ? rd_kafka_topic_name(m->rkt) : NULL;
	message->partition = m->partition;
	message->offset = m->offset;
	if (message->kind == EVAUDIT_KAFKA_RECORD)
	{
		rd_kafka_timestamp_type_t type;

		message->payload = m->payload;
		message->payload_len = m->len;
		message->key = m->key;
		message->key_len = m->key_len;
		message->time = rd_kafka_message_timestamp(m, &type);
	}
	else
	{
		message->payload = rd_kafka_message_errstr(m);
		message->payload_len = strlen(message->payload);
		message->key = NULL;
		message->key_len = 0;
		message->time = -1;
	}
}

/*
 * Take what is there, at most max messages, without waiting.  Every message
 * must be released.
 */
int
evaudit_kafka_client_drain(EvauditKafka *kafka, EvauditKafkaMessage *messages,
						   int max)
{
	rd_kafka_message_t *taken[512];
	int			n = 0;

	evaudit_kafka_client_drain_pipe(kafka);
	while (n < max)
	{
		int			want = Min(max - n, (int) lengthof(taken));
		ssize_t		got = rd_kafka_consume_batch_queue(kafka->queue, 0,
													   taken, want);

		for (int i = 0; i < got; i++)
			describe_message(taken[i], &messages[n++]);
		if (got < want)
			break;
	}
	return n;
}

/* Give messages back to librdkafka. */
void
evaudit_kafka_client_release(EvauditKafkaMessage *messages, int n)
{
	for (int i = 0; i < n; i++)
		rd_kafka_message_destroy(messages[i].handle);
}

/* The i-th header of a record; false when there is none. */
bool
evaudit_kafka_client_header(const EvauditKafkaMessage *message, int i,
							const char **name, const char **value, size_t *value_len)
{
	rd_kafka_headers_t *headers;
	const void *bytes;

	if (rd_kafka_message_headers(message->handle, &headers) !=
		RD_KAFKA_RESP_ERR_NO_ERROR ||
		rd_kafka_header_get_all(headers, i, name, &bytes, value_len) !=
		RD_KAFKA_RESP_ERR_NO_ERROR)
		return false;
	*value = bytes;
	return true;
}

/* The end of a partition's log as of the last fetch, or -1. */
int64
evaudit_kafka_client_end(EvauditKafka *kafka, const char *topic, int32 partition)
{
	int64_t		low;
	int64_t		high;

	if (rd_kafka_get_watermark_offsets(kafka->client, topic, partition,
									   &low, &high) != RD_KAFKA_RESP_ERR_NO_ERROR)
		return -1;
	return high;
}

/*
 * Set each offset to the one after the last record taken, or after what
 * followed it and holds no record, such as the end of a transaction; -1
 * where nothing was taken yet.
 */
void
evaudit_kafka_client_positions(EvauditKafka *kafka, EvauditKafkaOffset *offsets,
							   int n)
{
	rd_kafka_topic_partition_list_t *list = evaudit_kafka_client_list(offsets, n);
	rd_kafka_resp_err_t err = rd_kafka_position(kafka->client, list);

	for (int i = 0; i < n; i++)
		offsets[i].offset = err || list->elems[i].offset < 0 ? -1 :
			list->elems[i].offset;
	rd_kafka_topic_partition_list_destroy(list);
}
