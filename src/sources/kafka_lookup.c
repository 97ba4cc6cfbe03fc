/*-------------------------------------------------------------------------
 *
 * kafka_lookup.c
 *	  Looking up the offsets that partitions are read from.
 *
 * Each broker is asked for the partitions that it leads, all at once and
 * while others are read: one that does not answer holds up its own partitions
 * alone.  A partition without a leader is not looked up now.  What is not
 * found keeps its EvauditOffset.seek and says why in EvauditOffset.error.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "sources/kafka_source.h"
#include "text/rfc3339.h"

/* Partitions of one leader, to be looked up by one time. */
typedef struct LeaderLookup
{
	int32		leader;
	const char *target;
	int		   *indexes;		/* in the lookup's offsets */
	int			n;
	EvauditKafkaRequest *request;
} LeaderLookup;

struct KafkaLookup
{
	MemoryContext context;		/* of all of this */
	EvauditOffset *offsets;
	int			n;
	List	   *leaders;		/* of LeaderLookup */
};

/* The broker that leads a partition, or -1. */
static int32
leader_of(List *topics, const EvauditOffset *offset)
{
	ListCell   *lc;

	foreach(lc, topics)
	{
		const EvauditKafkaTopic *topic = lfirst(lc);

		if (offset->partition < topic->npartitions &&
			strcmp(topic->name, offset->topic) == 0)
			return topic->leaders[offset->partition];
	}
	return -1;
}

/* Add a partition to those that its leader is asked for. */
static void
add_to_leader(KafkaLookup *lookup, int32 leader, int i)
{
	const char *target = lookup->offsets[i].seek;
	LeaderLookup *part = NULL;
	ListCell   *lc;

	foreach(lc, lookup->leaders)
	{
		LeaderLookup *other = lfirst(lc);

		if (other->leader == leader && strcmp(other->target, target) == 0)
			part = other;
	}
	if (part == NULL)
	{
		part = palloc0(sizeof(LeaderLookup));
		part->leader = leader;
		part->target = target;
		part->indexes = palloc(lookup->n * sizeof(int));
		lookup->leaders = lappend(lookup->leaders, part);
	}
	part->indexes[part->n++] = i;
}

/* Ask a leader for its partitions. */
static void
ask_leader(EvauditKafka *kafka, const KafkaLookup *lookup, LeaderLookup *part)
{
	EvauditKafkaOffset *asked = palloc(part->n * sizeof(EvauditKafkaOffset));

	for (int i = 0; i < part->n; i++)
	{
		const EvauditOffset *offset = &lookup->offsets[part->indexes[i]];

		asked[i].topic = offset->topic;
		asked[i].partition = offset->partition;
	}
	part->request =
		evaudit_kafka_request_offsets(kafka,
									  evaudit_kafka_source_target_time(part->target),
									  asked, part->n);
	pfree(asked);
}

/* Copy partitions into the current memory context. */
static EvauditOffset *
copy_offsets(const EvauditOffset *offsets, int n)
{
	EvauditOffset *copies = palloc(Max(n, 1) * sizeof(EvauditOffset));

	for (int i = 0; i < n; i++)
	{
		copies[i] = offsets[i];
		copies[i].topic = pstrdup(offsets[i].topic);
		copies[i].error = NULL;
		if (offsets[i].seek != NULL)
			copies[i].seek = pstrdup(offsets[i].seek);
	}
	return copies;
}

/*
 * Begin to look up those of some partitions that have something to look up,
 * with topics as the cluster has them.  The result lives in a context below
 * the one given, until evaudit_kafka_lookup_free().
 */
KafkaLookup *
evaudit_kafka_lookup_begin(EvauditKafka *kafka, List *topics,
						   const EvauditOffset *offsets, int n,
						   MemoryContext parent)
{
	MemoryContext context = AllocSetContextCreate(parent, "evaudit lookup",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext previous = MemoryContextSwitchTo(context);
	KafkaLookup *lookup = palloc0(sizeof(KafkaLookup));
	ListCell   *lc;

	lookup->context = context;
	lookup->offsets = copy_offsets(offsets, n);
	lookup->n = n;
	for (int i = 0; i < n; i++)
	{
		int32		leader;

		if (lookup->offsets[i].seek == NULL)
			continue;
		leader = leader_of(topics, &lookup->offsets[i]);
		if (leader < 0)
			lookup->offsets[i].error = pstrdup("it has no leader");
		else
			add_to_leader(lookup, leader, i);
	}
	foreach(lc, lookup->leaders)
		ask_leader(kafka, lookup, lfirst(lc));
	MemoryContextSwitchTo(previous);
	return lookup;
}

/* Whether all leaders have answered, or will not. */
bool
evaudit_kafka_lookup_done(const KafkaLookup *lookup)
{
	ListCell   *lc;

	foreach(lc, lookup->leaders)
	{
		LeaderLookup *part = lfirst(lc);

		if (!evaudit_kafka_request_done(part->request))
			return false;
	}
	return true;
}

/* Wait until that is so; an ERROR as soon as no broker can be reached. */
void
evaudit_kafka_lookup_wait(EvauditKafka *kafka, const KafkaLookup *lookup)
{
	ListCell   *lc;

	foreach(lc, lookup->leaders)
	{
		LeaderLookup *part = lfirst(lc);

		if (!evaudit_kafka_request_wait(kafka, part->request))
			evaudit_kafka_client_check(kafka);
	}
}

/*
 * What is looked up later must be found where it would have been found now:
 * the end of a log moves on.
 */
static char *
later_target(const char *target)
{
	char		time[64];

	if (strcmp(target, "latest") != 0)
		return pstrdup(target);
	evaudit_rfc3339_format_millis(GetCurrentTimestamp(), time);
	return pstrdup(time);
}

/* Take what a leader has answered. */
static void
take_answer(EvauditKafka *kafka, KafkaLookup *lookup, LeaderLookup *part)
{
	EvauditKafkaFound *found = palloc(part->n * sizeof(EvauditKafkaFound));

	evaudit_kafka_request_finish_offsets(kafka, part->request, found);
	for (int i = 0; i < part->n; i++)
	{
		EvauditOffset *offset = &lookup->offsets[part->indexes[i]];

		offset->error = unconstify(char *, found[i].error);
		if (found[i].error != NULL)
			continue;
		offset->next_offset = found[i].offset;
		offset->seek = NULL;
	}
}

/*
 * The partitions of a lookup that is done, with the offsets that were found.
 */
EvauditOffset *
evaudit_kafka_lookup_finish(EvauditKafka *kafka, KafkaLookup *lookup, int *n)
{
	MemoryContext previous = MemoryContextSwitchTo(lookup->context);
	ListCell   *lc;

	foreach(lc, lookup->leaders)
		take_answer(kafka, lookup, lfirst(lc));
	for (int i = 0; i < lookup->n; i++)
	{
		if (lookup->offsets[i].seek != NULL)
			lookup->offsets[i].seek = later_target(lookup->offsets[i].seek);
	}
	MemoryContextSwitchTo(previous);
	*n = lookup->n;
	return lookup->offsets;
}

/* Forget a lookup that is finished. */
void
evaudit_kafka_lookup_free(KafkaLookup *lookup)
{
	MemoryContextDelete(lookup->context);
}
