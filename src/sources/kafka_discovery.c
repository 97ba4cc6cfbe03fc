/*-------------------------------------------------------------------------
 *
 * kafka_discovery.c
 *	  Which partitions a Kafka source reads, and from where.
 *
 * The first worker of a source lists the partitions, at its start and every
 * few seconds after, and saves new ones with an absolute offset before
 * anybody reads them.  A partition can so never be started twice in
 * different places, and what was produced while nobody read is not missed.
 * Partitions that appear once the source has begun are read from their
 * beginning, whatever the option "start" says: all in them is new.
 *
 * A partition whose leader does not say where it begins, or that has none,
 * is saved with what is to be looked up, and read once that is known.
 *
 * Requests to the broker are made outside of transactions, and while others
 * are read.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "server/wait.h"
#include "sources/kafka_source.h"

/* How often a worker checks whether the first one is ready, milliseconds. */
#define FIRST_WORKER_POLL	2000

/* How often the list of partitions is compared, milliseconds. */
#define DISCOVERY_INTERVAL	10000

/* Most partitions that a source reads. */
#define MAX_PARTITIONS		10000

/*
 * Load all partitions of the source's topics that are in its share, in a
 * transaction of its own.  Those that it had before it was altered only keep
 * their place, lest they are read twice when they are wanted again.
 */
static EvauditOffset *
load_offsets(KafkaSource *state, MemoryContext context, int *n)
{
	EvauditKafkaShare share = evaudit_kafka_source_share(state->source->options);
	EvauditOffset *offsets;
	int			all;

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	MemoryContextSwitchTo(context);
	offsets = evaudit_offsets_load(state->source->id, &all);
	PopActiveSnapshot();
	CommitTransactionCommand();
	MemoryContextSwitchTo(context);

	*n = 0;
	for (int i = 0; i < all; i++)
	{
		if (evaudit_kafka_share_has(&share, offsets[i].partition) &&
			evaudit_kafka_source_topic_wanted(state->source->options,
											  offsets[i].topic))
			offsets[(*n)++] = offsets[i];
	}
	return offsets;
}

/* Whether a partition is among those known. */
static bool
is_known(const EvauditOffset *known, int n, const char *topic, int partition)
{
	for (int i = 0; i < n; i++)
	{
		if (known[i].partition == partition &&
			strcmp(known[i].topic, topic) == 0)
			return true;
	}
	return false;
}

/* The partitions of wanted topics, of our share, that are not known yet. */
static EvauditOffset *
new_partitions(KafkaSource *state, List *topics,
			   const EvauditOffset *known, int nknown, int *n)
{
	EvauditKafkaShare share = evaudit_kafka_source_share(state->source->options);
	EvauditOffset *found = NULL;
	int			room = 0;
	ListCell   *lc;

	*n = 0;
	foreach(lc, topics)
	{
		EvauditKafkaTopic *topic = lfirst(lc);

		if (!evaudit_kafka_source_topic_wanted(state->source->options, topic->name))
			continue;
		for (int p = share.first; p < topic->npartitions; p += share.count)
		{
			CHECK_FOR_INTERRUPTS();
			if (is_known(known, nknown, topic->name, p))
				continue;
			if (nknown + *n >= MAX_PARTITIONS)
				ereport(ERROR,
						(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						 errmsg("Kafka topics of source \"%s\" have more than %d partitions",
								state->source->name, MAX_PARTITIONS)));
			if (*n == room)
			{
				room = Max(16, room * 2);
				found = found == NULL ?
					palloc(room * sizeof(EvauditOffset)) :
					repalloc(found, room * sizeof(EvauditOffset));
			}
			found[*n] = (EvauditOffset)
			{
				.topic = pstrdup(topic->name),
					.partition = p,
			};
			(*n)++;
		}
	}
	return found;
}

/*
 * Show topics that the options name and that the broker does not show; it
 * does not tell those that do not exist from those that we may not read.
 */
static void
show_missing(KafkaSource *state, List *topics)
{
	static const EvauditPartitionStatus missing = {
		.end_offset = -1,
		.error = "it is not there, or may not be read",
	};
	ListCell   *lc;
	ListCell   *found;

	foreach(lc, evaudit_kafka_source_topics_named(state->source->options))
	{
		const char *name = lfirst(lc);
		bool		there = false;

		foreach(found, topics)
		{
			EvauditKafkaTopic *topic = lfirst(found);

			there |= strcmp(topic->name, name) == 0;
		}
		if (there)
			evaudit_forget_partition(state->source->id, name,
									 EVAUDIT_NO_PARTITION);
		if (!there && evaudit_show_partition(state->source->id, name,
											 EVAUDIT_NO_PARTITION, &missing))
			evaudit_source_report_error(state->source,
										"Kafka topic \"%s\" is not there, or may not be read",
										name);
	}
}

/* Let all workers of the source load their partitions anew. */
static void
announce_assignment(KafkaSource *state)
{
	evaudit_process_announce(state->source->process,
							 EVAUDIT_SOURCE_ASSIGNMENT);
}

/* Save partitions that are new or were looked up, in a transaction. */
static void
save_partitions(KafkaSource *state, const EvauditOffset *offsets, int n)
{
	MemoryContext context = CurrentMemoryContext;

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	evaudit_offsets_add(state->source->id, state->cluster, offsets, n);
	if (n > 0)
		evaudit_offsets_found(state->source->id, offsets, n);
	PopActiveSnapshot();
	CommitTransactionCommand();
	MemoryContextSwitchTo(context);
	state->source->started = true;
	announce_assignment(state);
}

/* Show why partitions are not read yet, or that they are. */
static void
show_lookup(KafkaSource *state, const EvauditOffset *offsets, int n)
{
	for (int i = 0; i < n; i++)
	{
		EvauditPartitionStatus status = {
			.end_offset = -1,
			.error = offsets[i].error,
		};

		if (evaudit_show_partition(state->source->id, offsets[i].topic,
								   offsets[i].partition, &status))
			evaudit_source_report_error(state->source,
										"partition %d of Kafka topic \"%s\": %s",
										offsets[i].partition,
										offsets[i].topic, status.error);
	}
}

/* The lookup of partitions is done: save what was found. */
static void
finish_lookup(KafkaSource *state)
{
	int			n;
	EvauditOffset *offsets = evaudit_kafka_lookup_finish(state->kafka,
														 state->lookup, &n);

	for (int i = 0; i < n; i++)
		state->lookup_changes |= offsets[i].seek == NULL;
	if (state->lookup_changes)
		save_partitions(state, offsets, n);
	show_lookup(state, offsets, n);
	evaudit_kafka_lookup_free(state->lookup);
	state->lookup = NULL;
}

/* Where partitions that were found are read from. */
static void
set_start(KafkaSource *state, EvauditOffset *found, int n)
{
	(void) evaudit_kafka_source_apply_target("earliest", found, n);
	if (!state->source->started)
		(void) evaudit_kafka_source_apply_target(evaudit_kafka_source_start(state->source->options),
												 found, n);
}

/*
 * First worker: find partitions that are not known, and begin to look up
 * these and those that were not found before.
 */
static void
find_new(KafkaSource *state, List *topics)
{
	EvauditOffset *known;
	EvauditOffset *wanted;
	int			nknown;
	int			nfound;
	int			n;

	known = load_offsets(state, CurrentMemoryContext, &nknown);
	wanted = new_partitions(state, topics, known, nknown, &nfound);
	if (nfound > 0)
	{
		set_start(state, wanted, nfound);
		ereport(LOG,
				(errmsg("source \"%s\" found %d new partitions",
						state->source->name, nfound),
				 errdetail_log("source=\"%s\" partitions=%d",
							   state->source->name, nfound)));
	}
	n = nfound;
	for (int i = 0; i < nknown; i++)
	{
		if (known[i].seek == NULL)
			continue;
		wanted = wanted == NULL ? palloc(sizeof(EvauditOffset)) :
			repalloc(wanted, (n + 1) * sizeof(EvauditOffset));
		wanted[n++] = known[i];
	}
	state->lookup_changes = nfound > 0 || !state->source->started;
	if (n > 0 || !state->source->started)
		state->lookup = evaudit_kafka_lookup_begin(state->kafka, topics,
												   wanted, n,
												   state->source->process->context);
	show_missing(state, topics);
}

/* Whether the cluster has a partition. */
static bool
is_there(List *topics, const EvauditOffset *partition)
{
	ListCell   *lc;

	foreach(lc, topics)
	{
		EvauditKafkaTopic *topic = lfirst(lc);

		if (partition->partition < topic->npartitions &&
			strcmp(partition->topic, topic->name) == 0)
			return true;
	}
	return false;
}

/*
 * Compare the partitions that the cluster has with those that are known, at
 * the start of the first worker and between two batches of any.
 */
static void
compare_partitions(KafkaSource *state, List *topics)
{
	if (state->source->process->number == 0 && state->lookup == NULL)
		find_new(state, topics);
	for (int i = 0; i < state->npartitions; i++)
		evaudit_kafka_source_set_missing(state, &state->partitions[i],
										 !is_there(topics, &state->partitions[i].now));
}

/* The list of topics is there, or the reason why not. */
static void
finish_discovery(KafkaSource *state)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "evaudit discovery",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext previous = MemoryContextSwitchTo(context);
	EvauditKafkaRequest *request = state->discovery;
	List	   *topics;
	char	   *error;

	state->discovery = NULL;
	if (evaudit_kafka_request_finish_topics(state->kafka, request,
											&topics, &error))
		compare_partitions(state, topics);
	else
		evaudit_source_report_error(state->source, "%s", error);

	MemoryContextSwitchTo(previous);
	MemoryContextDelete(context);
}

/* Between two batches: begin a discovery that is due, take what is done. */
void
evaudit_kafka_source_run_discovery(KafkaSource *state)
{
	TimestampTz now = GetCurrentTimestamp();

	if (state->lookup != NULL && evaudit_kafka_lookup_done(state->lookup))
		finish_lookup(state);
	if (state->discovery != NULL)
	{
		if (evaudit_kafka_request_done(state->discovery))
			finish_discovery(state);
	}
	else if (now >= state->next_discovery)
	{
		state->next_discovery =
			TimestampTzPlusMilliseconds(now, DISCOVERY_INTERVAL);
		state->discovery = evaudit_kafka_request_topics(state->kafka);
	}
}

/*
 * Carry out a pending seek_source(), before anybody reads.  Partitions that
 * the cluster does not have stay where they are; those whose leader does not
 * say where they are to be read from wait until it does.
 */
static void
seek_partitions(KafkaSource *state, List *topics)
{
	EvauditSource *source = state->source;
	MemoryContext context = CurrentMemoryContext;
	EvauditOffset *offsets;
	KafkaLookup *lookup;
	int			known;
	int			n = 0;

	offsets = load_offsets(state, context, &known);
	for (int i = 0; i < known; i++)
	{
		if (is_there(topics, &offsets[i]))
			offsets[n++] = offsets[i];
	}
	n = evaudit_kafka_source_apply_target(source->seek, offsets, n);
	lookup = evaudit_kafka_lookup_begin(state->kafka, topics, offsets, n, context);
	evaudit_kafka_lookup_wait(state->kafka, lookup);
	offsets = evaudit_kafka_lookup_finish(state->kafka, lookup, &n);

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	evaudit_offsets_move(source->id, source->seek_number, offsets, n);
	PopActiveSnapshot();
	CommitTransactionCommand();
	MemoryContextSwitchTo(context);

	show_lookup(state, offsets, n);
	ereport(LOG,
			(errmsg("source \"%s\" moved %d partitions to \"%s\"",
					source->name, n, source->seek),
			 errdetail_log("source=\"%s\" partitions=%d target=\"%s\"",
						   source->name, n, source->seek)));
	source->seek = NULL;
	announce_assignment(state);
	evaudit_kafka_lookup_free(lookup);
}

/*
 * The first worker's beginning: list the topics, or fail, begin to look up
 * new partitions, and move what is to be moved.
 */
void
evaudit_kafka_source_begin(KafkaSource *state)
{
	List	   *topics = evaudit_kafka_client_topics(state->kafka);

	state->next_discovery = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
														DISCOVERY_INTERVAL);
	compare_partitions(state, topics);
	if (state->source->seek == NULL)
		return;
	if (state->lookup != NULL)
	{
		/* new partitions are moved, too */
		evaudit_kafka_lookup_wait(state->kafka, state->lookup);
		finish_lookup(state);
	}
	seek_partitions(state, topics);
}

/* Whether the partitions are known and no seek is pending. */
static bool
first_worker_is_ready(KafkaSource *state)
{
	MemoryContext context = CurrentMemoryContext;
	const EvauditSourceKind *kind;
	EvauditSource *now;
	bool		ready;

	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	now = evaudit_load_source(state->source->id, &kind);
	ready = now != NULL && now->started && now->seek == NULL;
	PopActiveSnapshot();
	CommitTransactionCommand();
	MemoryContextSwitchTo(context);
	return ready;
}

/* Wait until the first worker has found the partitions and moved them. */
void
evaudit_kafka_source_await_first(KafkaSource *state)
{
	while (!first_worker_is_ready(state))
	{
		(void) evaudit_wait(FIRST_WORKER_POLL);
	}
}

/*
 * Load this worker's partitions as the table has them, between two batches;
 * what was read before continues where it was.
 */
void
evaudit_kafka_source_load(KafkaSource *state)
{
	MemoryContext context = CurrentMemoryContext;
	EvauditKafkaShare share = evaudit_kafka_source_share(state->source->options);
	EvauditOffset *all;
	int			n;

	state->assignment = evaudit_process_counter(state->source->process,
												EVAUDIT_SOURCE_ASSIGNMENT);

	MemoryContextReset(state->context);
	all = load_offsets(state, state->context, &n);
	state->partitions = palloc0(Max(n, 1) * sizeof(KafkaPartition));
	state->npartitions = 0;
	state->latest = 0;
	for (int i = 0; i < n; i++)
	{
		KafkaPartition *partition = &state->partitions[state->npartitions];

		if (all[i].seek != NULL ||
			!evaudit_kafka_share_is_worked_by(&share, state->source->process,
											  all[i].topic, all[i].partition))
			continue;
		partition->now = all[i];
		partition->committed = all[i].next_offset;
		/* the last record seen is of use only where reading follows it */
		partition->now.seen &= all[i].seen_offset < all[i].next_offset;
		partition->verifying = partition->now.seen;
		partition->log = psprintf("%s:%s:%d", state->cluster, all[i].topic,
								  all[i].incarnation);
		partition->last_event = -1;
		partition->unshown = true;
		partition->silent_since = GetCurrentTimestamp();
		state->npartitions++;
	}
	state->reassign = true;
	MemoryContextSwitchTo(context);
}
