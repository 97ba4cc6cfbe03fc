/*-------------------------------------------------------------------------
 *
 * kafka_sink.c
 *	  The Kafka sink: a batch is a transaction in Kafka that carries its
 *	  number.
 *
 * With delivery "exactly_once" the records of a batch and its number are
 * committed by one transaction of Kafka.  After a crash the number that Kafka
 * has tells whether the one batch that was decided and not finished is there.
 * The transactional.id and the group that holds the number are named by the
 * sink's identity, so that a process of it fences off the one before, and two
 * databases never meet.
 *
 * With "at_least_once" there is no transaction; a batch that is not
 * acknowledged as a whole is sent again as a whole, which keeps the order of
 * each key from its last beginning on.
 *
 * A record that the broker refuses nevertheless fails those around it, too,
 * so that it is not known which it was.  Then the records are sent one after
 * the other: each is alone in its request.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "kafka/client.h"
#include "server/compat.h"
#include "sinks/kafka_sink.h"
#include "text/options.h"

/*
 * Records of a batch, in a transaction and without one, unless the options
 * say.  Each transaction costs some milliseconds, whatever it holds: while
 * there is a backlog it is to hold many, but two batches of them must fit in
 * the memory that a sink may take.
 */
#define TRANSACTION_SIZE	14000
#define BATCH_SIZE		10000

/*
 * Milliseconds between two batches after which a third is not expected soon,
 * and after which a transaction that was begun for it is aborted.
 */
#define AHEAD_WITHIN	500

/* How often records are sent again that the library took back by itself. */
#define MAX_PURGES		10

/* Refuse options that a Kafka sink cannot have. */
static void
check_options(Jsonb *options)
{
	KafkaSinkOptions read;

	evaudit_kafka_sink_read_options(options, &read);
}

/* Get ready; nothing is sent to the cluster yet. */
static void *
open_sink(EvauditSink *sink, List *options)
{
	MemoryContext old = MemoryContextSwitchTo(sink->process->context);
	KafkaSink  *state = palloc0(sizeof(KafkaSink));

	state->sink = sink;
	state->server = options;
	state->identity = psprintf("evaudit-%s", sink->identity);
	state->batch_bytes = EVAUDIT_KAFKA_BATCH_BYTES;
	evaudit_kafka_sink_read_options(sink->options, &state->options);
	if (!state->options.exactly_once &&
		evaudit_option_value(sink->options, "batch_size") == NULL)
		sink->batch_size = BATCH_SIZE;
	MemoryContextSwitchTo(old);
	return state;
}

/* After a crash: whether Kafka holds the batch. */
static bool
recover(void *arg, int64 number, const char *hash)
{
	KafkaSink  *state = arg;
	EvauditSinkBatch none = {0};
	bool		held = false;
	char	   *error;

	if (!state->options.exactly_once)
		return false;
	error = evaudit_kafka_sink_find_topics(state, &none);
	if (error == NULL)
		error = evaudit_kafka_sink_compare(state, number, hash, true, &held);
	if (error != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("%s", error)));
	return held;
}

/* The topics in Kafka that records are for, each once. */
static List *
topics_of(const KafkaSinkRecord *records, int n)
{
	List	   *topics = NIL;
	const char *latest = NULL;

	for (int i = 0; i < n; i++)
	{
		const char *name = records[i].record.topic->name;
		bool		found = name == latest;
		ListCell   *lc;

		latest = name;
		foreach(lc, topics)
			found |= strcmp(lfirst(lc), name) == 0;
		if (!found)
			topics = lappend(topics, unconstify(char *, name));
	}
	return topics;
}

/* Why records were not accepted; NULL: they were. */
static char *
first_error(const KafkaSinkRecord *records, int n)
{
	for (int i = 0; i < n; i++)
	{
		const EvauditKafkaRecord *record = &records[i].record;

		if (record->fate != EVAUDIT_KAFKA_ACKED && record->error != NULL)
			return psprintf("could not write to Kafka topic \"%s\": %s",
							record->topic->name, record->error);
	}
	return NULL;
}

/* Whether a broker refused one of the records for what it is. */
static bool
any_refused(const KafkaSinkRecord *records, int n)
{
	for (int i = 0; i < n; i++)
	{
		if (records[i].record.fate == EVAUDIT_KAFKA_REFUSED)
			return true;
	}
	return false;
}

/* Have the transaction commit the batch's number; NULL, or an error. */
static char *
send_number(KafkaSink *state, EvauditSinkBatch *batch,
			const KafkaSinkRecord *records, int n)
{
	evaudit_kafka_sink_begin_number(state, batch, topics_of(records, n));
	return evaudit_kafka_transaction_wait(state->producer);
}

/*
 * Wait for the reports of records.  While none comes, what would commit the
 * transaction is tried, for that alone tells when it must be aborted.
 * Returns NULL or an error.
 */
static char *
await_reports(KafkaSink *state, EvauditSinkBatch *batch,
			  const KafkaSinkRecord *records, int n)
{
	while (!evaudit_kafka_producer_wait(state->producer))
	{
		char	   *error = NULL;

		if (state->options.exactly_once)
			error = send_number(state, batch, records, n);
		if (error != NULL)
			return error;
	}
	return first_error(records, n);
}

/*
 * Send all records at once, and what is to be sent of the batch's number.
 * Returns NULL or an error.
 */
static char *
send_together(KafkaSink *state, EvauditSinkBatch *batch,
			  KafkaSinkRecord *records, int n, KafkaSinkNumber number)
{
	char	   *error = NULL;

	if (number == KAFKA_NUMBER_FIRST)
		error = send_number(state, batch, records, n);
	if (error != NULL)
		return error;
	for (int i = 0; i < n; i++)
	{
		if (!evaudit_kafka_producer_send(state->producer, &records[i].record))
			break;
	}

	/* while the records are under way */
	if (number == KAFKA_NUMBER_BESIDE)
		evaudit_kafka_sink_begin_number(state, batch, topics_of(records, n));
	evaudit_sink_read_ahead(batch);
	if (evaudit_kafka_transaction_busy(state->producer))
		evaudit_sink_read_ahead(batch);
	if (number == KAFKA_NUMBER_BESIDE)
		error = evaudit_kafka_transaction_wait(state->producer);
	return error != NULL ? error : await_reports(state, batch, records, n);
}

/*
 * Send the records one after the other, each when the one before it is
 * acknowledged.  A transaction with a record that the broker refused looks for
 * further ones in another, which is not to be committed.  Returns NULL or an
 * error.
 */
static char *
send_singly(KafkaSink *state, EvauditSinkBatch *batch,
			KafkaSinkRecord *records, int n)
{
	int			purges = 0;

	for (int i = 0; i < n; i++)
	{
		EvauditKafkaRecord *record = &records[i].record;
		char	   *error = NULL;

		if (evaudit_kafka_producer_send(state->producer, record))
			error = await_reports(state, batch, &records[i], 1);
		if (record->fate == EVAUDIT_KAFKA_ACKED)
			continue;

		/* librdkafka may still take back what the transaction before had */
		if (record->fate == EVAUDIT_KAFKA_PURGED && i > 0 &&
			purges++ < MAX_PURGES)
			i--;
		else if (record->fate != EVAUDIT_KAFKA_REFUSED)
			return error != NULL ? error : first_error(records, n);
		if (!state->options.exactly_once)
			return NULL;
		evaudit_kafka_transaction_abort(state->producer);
		evaudit_kafka_transaction_begin(state->producer);
	}
	if (!state->options.exactly_once || any_refused(records, n))
		return NULL;
	return purges > 0 ? pstrdup("records were taken back by the Kafka client") :
		send_number(state, batch, records, n);
}

/* Refuse the deliveries that the broker refused. */
static void
refuse_deliveries(EvauditSinkBatch *batch, const KafkaSinkRecord *records,
				  int n)
{
	for (int i = 0; i < n; i++)
	{
		const EvauditKafkaRecord *record = &records[i].record;
		EvauditDelivery *delivery = records[i].delivery;

		if (record->fate != EVAUDIT_KAFKA_REFUSED)
			continue;
		delivery->outcome = EVAUDIT_OUTCOME_REFUSED;
		delivery->code = record->code;
		delivery->error = MemoryContextStrdup(batch->context, record->error);
	}
}

/*
 * Commit the transaction of a batch, and begin the next one's if that is
 * likely to come soon.  Returns NULL or an error.
 */
static char *
commit(KafkaSink *state, EvauditSinkBatch *batch,
	   const KafkaSinkRecord *records, int n)
{
	TimestampTz before = state->known_at;
	const EvauditSinkBatch *next;
	char	   *error;

	evaudit_kafka_transaction_commit(state->producer);
	/* meanwhile, unless it was done while the records were under way */
	evaudit_sink_read_ahead(batch);
	next = evaudit_sink_next(batch);
	error = evaudit_kafka_transaction_wait(state->producer);
	if (error != NULL)
		return error;
	evaudit_kafka_sink_known(state, batch->number);
	if (next != NULL ||
		!TimestampDifferenceExceeds(before, state->known_at, AHEAD_WITHIN))
		evaudit_kafka_sink_begin_ahead(state, next != NULL ? next : batch,
									   topics_of(records, n));
	return NULL;
}

/*
 * Send records in one of the two ways, and commit them, or take them back if
 * they were not all accepted.  Returns NULL or an error; without one, some
 * may be refused.
 */
static char *
send_as(KafkaSink *state, EvauditSinkBatch *batch, KafkaSinkRecord *records,
		int n, bool singly)
{
	bool		exactly_once = state->options.exactly_once;
	KafkaSinkNumber number = KAFKA_NUMBER_NOTHING;
	char	   *error;

	for (int i = 0; i < n; i++)
		records[i].record.fate = EVAUDIT_KAFKA_UNSENT;
	if (exactly_once)
		number = evaudit_kafka_sink_begin(state, batch, topics_of(records, n));
	error = singly ? send_singly(state, batch, records, n) :
		send_together(state, batch, records, n, number);
	if (!exactly_once)
		return error;
	if (error == NULL && !any_refused(records, n))
	{
		error = commit(state, batch, records, n);
		if (error == NULL)
			return NULL;
	}
	evaudit_kafka_transaction_abort(state->producer);
	return error;
}

/* Send records.  Returns NULL or an error; without one, some may be refused. */
static char *
send_records(KafkaSink *state, EvauditSinkBatch *batch,
			 KafkaSinkRecord *records, int n)
{
	char	   *error;

	if (!state->singly)
	{
		error = send_as(state, batch, records, n, false);
		if (!any_refused(records, n))
			return error;
		state->singly = true;
	}
	error = send_as(state, batch, records, n, true);
	if (any_refused(records, n))
	{
		/* they are known: the others can go together again */
		state->singly = false;
		refuse_deliveries(batch, records, n);
	}
	return error;
}

/* Whether a delivery was refused. */
static bool
refused(const KafkaSinkRecord *records, int n)
{
	for (int i = 0; i < n; i++)
	{
		if (records[i].delivery->outcome == EVAUDIT_OUTCOME_REFUSED)
			return true;
	}
	return false;
}

/* Send the records of a batch.  Returns NULL or an error. */
static char *
send_all(KafkaSink *state, EvauditSinkBatch *batch)
{
	int			n;
	KafkaSinkRecord *records = evaudit_kafka_sink_records(state, batch, &n);
	bool		held = false;
	char	   *error = NULL;

	if (n == 0 || refused(records, n))
		return NULL;
	if (state->options.exactly_once && !state->compared)
		error = evaudit_kafka_sink_compare(state, batch->number, batch->hash,
										   false, &held);
	if (error == NULL && !held)
		error = send_records(state, batch, records, n);
	if (error != NULL || refused(records, n))
		return error;
	for (int i = 0; i < n; i++)
		records[i].delivery->outcome = EVAUDIT_OUTCOME_DELIVERED;
	return NULL;
}

/* Send a batch, as a whole or not at all. */
static void
send_batch(void *arg, EvauditSinkBatch *batch)
{
	KafkaSink  *state = arg;
	char	   *error = evaudit_kafka_sink_find_topics(state, batch);

	if (error == NULL)
		error = send_all(state, batch);
	if (error != NULL)
	{
		batch->error = MemoryContextStrdup(batch->context, error);
		evaudit_kafka_sink_abort_ahead(state);
		evaudit_kafka_sink_forget_topics(state);
	}
}

/* EvauditSinkKind.idle */
static void
keep_producer(void *arg)
{
	KafkaSink  *state = arg;

	if (state->producer == NULL)
		return;
	if (state->ahead != NULL &&
		TimestampDifferenceExceeds(state->ahead_at, GetCurrentTimestamp(),
								   AHEAD_WITHIN))
		evaudit_kafka_sink_abort_ahead(state);
	evaudit_kafka_producer_keep(state->producer);
}

/*
 * For check_server(): whether the topic is there, if it does not depend on the
 * event's, and whether transactions are allowed.
 */
static const char *
probe_sink(EvauditSink *sink, List *server)
{
	KafkaSinkOptions options;
	EvauditKafkaProducer *producer;
	EvauditKafkaDestination found;
	char	   *error = NULL;

	evaudit_kafka_sink_read_options(sink->options, &options);
	producer = evaudit_kafka_producer_open(server, sink->ambient,
										   options.exactly_once ?
										   "evaudit-check" : NULL,
										   EVAUDIT_KAFKA_BATCH_BYTES);
	if (strcmp(evaudit_kafka_sink_topic(options.topic, ""), options.topic) == 0)
		error = evaudit_kafka_producer_find_topic(producer, options.topic,
												  &found);
	if (error == NULL && options.exactly_once)
		error = evaudit_kafka_transaction_init(producer);
	return error;
}

const EvauditSinkKind evaudit_kafka_sink = {
	.name = "kafka",
	.wrapper = "evaudit_kafka",
	.own = evaudit_kafka_sink_own_options,
	.batch_size = TRANSACTION_SIZE,
	.cloudevents_prefix = "ce_",
	.check = check_options,
	.read_options = evaudit_kafka_read_options,
	.probe = probe_sink,
	.open = open_sink,
	.renew = evaudit_kafka_sink_renew,
	.idle = keep_producer,
	.recover = recover,
	.send = send_batch,
};
