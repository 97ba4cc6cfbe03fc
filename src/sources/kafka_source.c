/*-------------------------------------------------------------------------
 *
 * kafka_source.c
 *	  Kafka as a source of events.
 *
 * Partitions are assigned, not subscribed to, and their offsets live in
 * evaudit.offsets: rows, dead letters and offsets of a batch commit in one
 * transaction, so that each record has its effect exactly once.  librdkafka
 * keeps the bytes of a batch until the next fetch.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "server/epoch.h"
#include "server/foreign_options.h"
#include "sources/kafka_source.h"
#include "sources/transport.h"

/* How often partitions are swept while nothing arrives, milliseconds. */
#define SWEEP_INTERVAL		5000

/* Records taken from the client at a time. */
#define DRAIN_MAX			1024

/* Start the client; the transaction is for the catalogs alone. */
static void
open_client(KafkaSource *state)
{
	MemoryContext context = CurrentMemoryContext;
	List	   *options;
	bool		ambient;

	StartTransactionCommand();
	MemoryContextSwitchTo(context);
	options = copyObject(evaudit_kafka_read_options(state->source->server_oid,
													GetUserId()));
	ambient = evaudit_may_use_ambient(GetUserId());
	CommitTransactionCommand();
	MemoryContextSwitchTo(context);
	state->kafka = evaudit_kafka_client_open(options, ambient,
											 psprintf("evaudit-%s",
													  state->source->name),
											 state->group);
	state->waits = evaudit_wait_set_create(evaudit_kafka_client_fd(state->kafka));
}

/* Get ready to read. */
static void *
open_source(EvauditSource *source)
{
	KafkaSource *state = palloc0(sizeof(KafkaSource));

	state->source = source;
	state->context = AllocSetContextCreate(CurrentMemoryContext,
										   "evaudit partitions",
										   ALLOCSET_DEFAULT_SIZES);
	state->messages = MemoryContextAllocHuge(CurrentMemoryContext,
											 source->max_events *
											 sizeof(EvauditKafkaMessage));
	state->group = evaudit_kafka_source_group(source->options);
	open_client(state);
	state->cluster = evaudit_kafka_client_cluster(state->kafka);

	if (source->process->number > 0)
		evaudit_kafka_source_await_first(state);
	else
		evaudit_kafka_source_begin(state);
	evaudit_kafka_source_load(state);
	return state;
}

/* Copy the headers of a record, if it has any. */
static void
add_headers(EvauditEvent *event, EvauditBatch *batch,
			const EvauditKafkaMessage *message)
{
	EvauditHeader header;

	while (event->nheaders <= EVAUDIT_MAX_HEADERS &&
		   evaudit_kafka_client_header(message, event->nheaders, &header.name,
									   &header.value, &header.value_len))
	{
		int			n = event->nheaders;

		/* room for a power of two */
		if (n == 0)
			event->headers = MemoryContextAlloc(batch->context,
												sizeof(EvauditHeader));
		else if ((n & (n - 1)) == 0)
			event->headers = repalloc(event->headers,
									  2 * n * sizeof(EvauditHeader));
		event->headers[event->nheaders++] = header;
	}
}

/* Make an event of a record. */
static void
add_event(KafkaSource *state, EvauditBatch *batch,
		  KafkaPartition *partition, const EvauditKafkaMessage *message)
{
	EvauditEvent *event;

	partition->last_event = batch->nevents;
	event = evaudit_batch_add(state->source, batch,
							  message->payload, message->payload_len);
	event->key = message->key;
	event->key_len = message->key_len;
	/* producers may give any time */
	event->has_record_time = message->time >= 0 &&
		evaudit_epoch_time(message->time, &event->record_time);
	event->stream = partition->now.topic;
	event->log = partition->log;
	event->partition = message->partition;
	event->offset = message->offset;
	add_headers(event, batch, message);
	evaudit_bound_transport(state->source, batch, event);
}

/* Take what the client has, as far as there is room; false if there is more. */
static bool
take_messages(KafkaSource *state, EvauditBatch *batch)
{
	EvauditKafkaMessage *messages = &state->messages[state->nmessages];
	int			want = Min(DRAIN_MAX,
						   state->source->max_events - batch->nevents);
	int			n = evaudit_kafka_client_drain(state->kafka, messages, want);

	state->drain++;
	if (n > 0)
		state->drained_at = GetCurrentTimestamp();
	for (int i = 0; i < n; i++)
	{
		EvauditKafkaMessage message = messages[i];
		KafkaPartition *partition = message.topic == NULL ? NULL :
			evaudit_kafka_source_partition(state, message.topic, message.partition);
		bool		taken = false;

		if (partition == NULL)
			 /* of an assignment before */ ;
		else if (message.kind != EVAUDIT_KAFKA_RECORD)
			evaudit_kafka_source_handle_error(state, partition, &message);
		else if (evaudit_kafka_source_accept(state, partition, &message))
		{
			add_event(state, batch, partition, &message);
			taken = true;
		}

		if (taken)
			state->messages[state->nmessages++] = message;
		else
			evaudit_kafka_client_release(&message, 1);
	}
	state->drained |= n < want;
	return n < want;
}

/* Whether there is anything to commit but events. */
static bool
has_changes(const KafkaSource *state)
{
	for (int i = 0; i < state->npartitions; i++)
	{
		if (state->partitions[i].changed)
			return true;
	}
	return false;
}

/* What is to be done from time to time, between two batches. */
static void
run_maintenance(KafkaSource *state)
{
	TimestampTz now = GetCurrentTimestamp();

	evaudit_kafka_source_run_discovery(state);
	evaudit_kafka_source_show_to_group(state);
	if (evaudit_process_counter(state->source->process,
								EVAUDIT_SOURCE_ASSIGNMENT) !=
		state->assignment)
		evaudit_kafka_source_load(state);

	if (now >= state->next_sweep)
	{
		evaudit_kafka_source_sweep(state);
		state->next_sweep = TimestampTzPlusMilliseconds(now, SWEEP_INTERVAL);
	}
	if (state->reassign)
		evaudit_kafka_source_assign_all(state);
}

/* Forget the batch before; its transaction is over. */
static void
begin_batch(KafkaSource *state)
{
	int64		busy = !state->backlog ? 0 :
		GetCurrentTimestamp() - state->drained_at;

	evaudit_kafka_client_release(state->messages, state->nmessages);
	state->nmessages = 0;
	for (int i = 0; i < state->npartitions; i++)
	{
		state->partitions[i].last_event = -1;
		/* while we did not listen to what waits, nobody was silent */
		state->partitions[i].verified += busy;
	}
}

/*
 * Fill a batch.  It is done when it is full; or holds batch_size events and
 * no more wait; or batch_interval has passed since its first.
 */
static void
fill_batch(KafkaSource *state, EvauditBatch *batch)
{
	EvauditSource *source = state->source;
	TimestampTz deadline = 0;

	begin_batch(state);
	for (;;)
	{
		bool		drained;
		long		timeout = SWEEP_INTERVAL;

		evaudit_process_interrupts();
		evaudit_kafka_client_check(state->kafka);
		if (batch->nevents == 0)
			run_maintenance(state);
		else if (state->reassign)
			evaudit_kafka_source_assign_all(state);

		drained = take_messages(state, batch);
		state->backlog = evaudit_batch_full(source, batch);
		if (state->backlog)
			return;
		if (!drained)
			continue;

		state->backlog = batch->nevents >= source->batch_size;
		if (state->backlog)
			return;
		if (batch->nevents == 0 && has_changes(state))
			return;
		if (batch->nevents > 0)
		{
			TimestampTz now = GetCurrentTimestamp();

			if (deadline == 0)
				deadline = TimestampTzPlusMilliseconds(now,
													   source->batch_interval);
			timeout = TimestampDifferenceMilliseconds(now, deadline);
			if (timeout <= 0)
				return;
		}
		(void) evaudit_wait_set(state->waits, timeout);
	}
}

/*
 * Fill a batch, and show how far its partitions reach: it may wait for long
 * in the database.
 */
static bool
fetch_batch(void *arg, EvauditBatch *batch)
{
	KafkaSource *state = arg;

	fill_batch(state, batch);
	for (int i = 0; i < state->npartitions; i++)
	{
		if (state->partitions[i].changed)
			evaudit_kafka_source_show(state, &state->partitions[i]);
	}
	return true;
}

/* Remember the last record of a partition in this batch. */
static void
remember_last(KafkaPartition *partition, const EvauditKafkaMessage *last)
{
	partition->now.seen = true;
	partition->now.seen_offset = last->offset;
	partition->now.seen_time = last->time;
	partition->now.seen_checksum =
		evaudit_kafka_source_checksum(last->key, last->key_len,
									  last->payload, last->payload_len);
}

/* Keep the place after this batch, in the batch's transaction. */
static void
commit_batch(void *arg, EvauditBatch *batch)
{
	KafkaSource *state = arg;
	EvauditOffsetChange *changes = palloc(Max(state->npartitions, 1) *
										  sizeof(EvauditOffsetChange));
	int			n = 0;

	for (int i = 0; i < state->npartitions; i++)
	{
		KafkaPartition *partition = &state->partitions[i];

		if (!partition->changed)
			continue;
		if (partition->last_event >= 0)
			remember_last(partition, &state->messages[partition->last_event]);
		changes[n].now = &partition->now;
		changes[n].expected = partition->committed;
		n++;
	}
	if (n > 0 && !evaudit_offsets_save(state->source->id, state->cluster,
									   changes, n))
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("partitions of source \"%s\" were moved while they were read",
						state->source->name)));
	pfree(changes);
}

/* The batch is committed: so are the offsets. */
static void
acknowledge_batch(void *arg, EvauditBatch *batch)
{
	KafkaSource *state = arg;

	for (int i = 0; i < state->npartitions; i++)
	{
		KafkaPartition *partition = &state->partitions[i];

		if (!partition->changed)
			continue;
		partition->changed = false;
		partition->unshown = true;
		partition->committed = partition->now.next_offset;
		partition->caught_up_at = partition->end_read_at;
	}
	evaudit_kafka_source_show_to_group(state);
}

/* The options themselves tell what is received again. */
static void *
make_receiver(Jsonb *options)
{
	return options;
}

/* A record is received again if its topic still is among those that are read. */
static void
receive_again(void *arg, EvauditEvent *event)
{
	if (event->stream != NULL &&
		!evaudit_kafka_source_topic_wanted(arg, event->stream))
		evaudit_event_reject(event, EVAUDIT_BAD_ENVELOPE,
							 "Kafka topic \"%s\" is not among those that the source reads",
							 event->stream);
}

const EvauditSourceKind evaudit_kafka_source = {
	.name = "kafka",
	.wrapper = "evaudit_kafka",
	.check = evaudit_kafka_source_check_options,
	.read_options = evaudit_kafka_read_options,
	.check_target = evaudit_kafka_source_check_target,
	.workers = evaudit_kafka_source_workers,
	.open = open_source,
	.fetch = fetch_batch,
	.commit = commit_batch,
	.show_progress = evaudit_kafka_source_show_progress,
	.ack = acknowledge_batch,
	.receiver = make_receiver,
	.receive_again = receive_again,
};
