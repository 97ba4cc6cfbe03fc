/*-------------------------------------------------------------------------
 *
 * topic_stats.c
 *	  How many events each topic accepted, and rejected for which reason.
 *
 * Counted in shared memory when events have got their effect, whatever door
 * they came in by, and not taken back if the transaction is rolled back
 * afterwards: a rejection that raises an ERROR has to count, too.  Shared
 * memory is there only under preload, and is empty when the server starts.
 *
 * Names are those of topics that exist, so that nobody who publishes makes
 * entries; a topic that is dropped keeps its own until the server restarts.
 *
 * Locks: an entry is looked up under the lock in shared mode and added to by
 * atomics; only a topic's first event takes the lock exclusively.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

#include "events/topic.h"
#include "events/topic_stats.h"
#include "server/shmem.h"

PG_FUNCTION_INFO_V1(evaudit_topic_stats);

/* Topics that are counted, over all databases; those beyond are not. */
#define MAX_TOPICS		1024

/* A counter for each reason, that of EVAUDIT_ACCEPTED, and one for repeats. */
#define REPEATED		EVAUDIT_NREASONS
#define NCOUNTERS		(REPEATED + 1)

typedef struct TopicKey
{
	Oid			database;
	char		topic[EVAUDIT_MAX_TOPIC_BYTES + 1];
} TopicKey;

typedef struct TopicEntry
{
	TopicKey	key;			/* hash key */
	pg_atomic_uint64 counters[NCOUNTERS];
} TopicEntry;

static EvauditShmemTable table = {
	.name = "evaudit_topic_stats",
	.keysize = sizeof(TopicKey),
	.entrysize = sizeof(TopicEntry),
	.most = MAX_TOPICS,
};

/* Reserve the shared memory, while the server preloads libraries. */
void
evaudit_events_init(void)
{
	if (process_shared_preload_libraries_in_progress)
		evaudit_shmem_register_table(&table);
}

/*
 * The entry of a topic, made if there is none and room for one.  The lock is
 * held on return, whether or not there is an entry.
 */
static TopicEntry *
lock_entry(const char *topic)
{
	TopicKey	key = {0};
	TopicEntry *entry;
	bool		found;

	key.database = MyDatabaseId;
	strlcpy(key.topic, topic, sizeof(key.topic));
	entry = evaudit_shmem_lock_entry(&table, &key, &found);
	for (int i = 0; entry != NULL && !found && i < NCOUNTERS; i++)
		pg_atomic_init_u64(&entry->counters[i], 0);
	return entry;
}

/* Count events that have got their effect, or a reason why not. */
void
evaudit_topic_count(const char *topic, const EvauditEvent *events, int n)
{
	uint64		counts[NCOUNTERS] = {0};
	TopicEntry *entry;

	if (table.entries == NULL || n == 0)
		return;
	for (int i = 0; i < n; i++)
	{
		if (events[i].reason == EVAUDIT_ACCEPTED && events[i].repeated)
			counts[REPEATED]++;
		else
			counts[events[i].reason]++;
	}
	entry = lock_entry(topic);
	for (int i = 0; entry != NULL && i < NCOUNTERS; i++)
	{
		if (counts[i] > 0)
			pg_atomic_fetch_add_u64(&entry->counters[i], counts[i]);
	}
	LWLockRelease(table.lock);
}

/* Put a topic's counters into the result. */
static void
put_topic(ReturnSetInfo *rsinfo, const char *topic, const uint64 *counts)
{
	for (int i = 0; i < NCOUNTERS; i++)
	{
		Datum		values[] = {
			CStringGetTextDatum(topic),
			CStringGetTextDatum(i == REPEATED ? "repeated" :
								evaudit_reason_name((EvauditReason) i)),
			Int64GetDatum((int64) counts[i])
		};
		bool		nulls[lengthof(values)] = {false};

		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values,
							 nulls);
	}
}

/* topic_stats(topic text) returns setof (topic text, outcome text, events bigint) */
Datum
evaudit_topic_stats(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	char	   *topic = text_to_cstring(PG_GETARG_TEXT_PP(0));
	uint64		counts[NCOUNTERS] = {0};
	TopicKey	key = {0};

	InitMaterializedSRF(fcinfo, 0);
	key.database = MyDatabaseId;
	strlcpy(key.topic, topic, sizeof(key.topic));
	if (table.entries != NULL)
	{
		TopicEntry *entry;

		LWLockAcquire(table.lock, LW_SHARED);
		entry = hash_search(table.entries, &key, HASH_FIND, NULL);
		for (int i = 0; entry != NULL && i < NCOUNTERS; i++)
			counts[i] = pg_atomic_read_u64(&entry->counters[i]);
		LWLockRelease(table.lock);
	}
	put_topic(rsinfo, topic, counts);
	return (Datum) 0;
}
