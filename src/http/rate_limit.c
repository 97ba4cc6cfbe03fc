/*-------------------------------------------------------------------------
 *
 * rate_limit.c
 *	  How often a subject may publish to a topic: GCRA in shared memory.
 *
 * The generic cell rate algorithm keeps one number for each subject and
 * topic: the time at which its next message is due if all kept to the rate.
 * A message may come early by as much as the burst is worth.  That is exact,
 * and costs 16 bytes.
 *
 * The table has a fixed number of sets of a few places, by a hash of
 * database, topic and subject.  A place whose time has passed is free.  Where
 * all places of a set are in use, the one that is due first is reused: a
 * flood of subjects can only make limits more lenient, never use more memory
 * or refuse those who keep to theirs.
 *
 * Locks: each set has a spinlock, held for some tens of instructions.
 *
 * Without preload there is no shared memory; then each session has a table of
 * its own and the limit holds within a session, as check_front() reports.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "storage/spin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "http/rate_limit.h"
#include "http/settings.h"
#include "server/shmem.h"
#include "text/casefold.h"

/* 4,096 sets of 7 places are half a megabyte. */
#define NSETS		4096
#define NPLACES		7

typedef struct RatePlace
{
	uint64		key;			/* 0: never used */
	TimestampTz due;			/* when the next message is, at the rate */
} RatePlace;

typedef struct RateSet
{
	slock_t		lock;			/* guards the places */
	RatePlace	places[NPLACES];
} RateSet;

static RateSet *sets = NULL;
static bool sets_are_own = false;	/* they are the session's */

/* Initialize every place as free. */
static void
init_sets(void)
{
	memset(sets, 0, NSETS * sizeof(RateSet));
	for (int i = 0; i < NSETS; i++)
		SpinLockInit(&sets[i].lock);
}

/* Bytes of the table. */
static Size
table_size(void)
{
	return NSETS * sizeof(RateSet);
}

/* Make the table, or attach to it; its sets have locks of their own. */
static void
attach_table(LWLock *lock)
{
	bool		found;

	sets = ShmemInitStruct("evaudit rate limit", table_size(), &found);
	if (!found)
		init_sets();
}

/* Reserve the shared memory; only while the server preloads libraries. */
void
evaudit_rate_limit_init(void)
{
	static EvauditShmemArea area = {
		.name = "evaudit_rate_limit",
		.size = table_size,
		.attach = attach_table,
	};

	evaudit_shmem_register(&area);
}

/* Whether the limit holds for all sessions together. */
bool
evaudit_rate_limit_is_shared(void)
{
	return sets != NULL && !sets_are_own;
}

/* The table of a session in a server that did not preload the library. */
static void
use_own_sets(void)
{
	sets = MemoryContextAlloc(TopMemoryContext, NSETS * sizeof(RateSet));
	sets_are_own = true;
	init_sets();
}

/* The key of a subject and a topic of this database; never 0. */
static uint64
hash_key(const char *topic, const char *subject)
{
	uint64		hash;
	char	   *folded = evaudit_casefold(subject);

	hash = hash_combine64(hash_bytes_extended((const unsigned char *) topic,
											  (int) strlen(topic),
											  MyDatabaseId),
						  hash_bytes_extended((const unsigned char *) folded,
											  (int) strlen(folded), 0));
	return hash != 0 ? hash : 1;
}

/*
 * The place of a key: its own, else one that is reused.  The caller holds the
 * set's lock.
 */
static RatePlace *
find_place(RateSet *set, uint64 key)
{
	RatePlace  *first = &set->places[0];

	for (int i = 0; i < NPLACES; i++)
	{
		if (set->places[i].key == key)
			return &set->places[i];
		if (set->places[i].due < first->due)
			first = &set->places[i];
	}
	first->key = key;
	first->due = 0;
	return first;
}

/*
 * Count a message of a subject to a topic.  Returns 0 if it is within the
 * rate; else it is not counted and may be sent again after so many seconds.
 */
int
evaudit_rate_limit_wait(const char *topic, const char *subject)
{
	double		burst = evaudit_rate_burst > 0 ? evaudit_rate_burst :
		Max(evaudit_rate_limit, 1.0);
	int64		interval;
	int64		tolerance;
	int64		early;
	TimestampTz now;
	uint64		key;
	RateSet    *set;
	RatePlace  *place;

	if (evaudit_rate_limit <= 0)
		return 0;
	if (sets == NULL)
		use_own_sets();
	interval = (int64) rint(Min(USECS_PER_SEC / evaudit_rate_limit,
								(double) USECS_PER_DAY));
	tolerance = (int64) rint((burst - 1) * interval);
	key = hash_key(topic, subject);
	now = GetCurrentTimestamp();

	set = &sets[key % NSETS];
	SpinLockAcquire(&set->lock);
	place = find_place(set, key);
	if (place->due < now || place->due > now + tolerance + interval)
		place->due = now;		/* long ago; or the clock or the limit changed */
	early = place->due - now - tolerance;
	if (early <= 0)
		place->due += interval;
	SpinLockRelease(&set->lock);

	return early <= 0 ? 0 :
		(int) Min((early + USECS_PER_SEC - 1) / USECS_PER_SEC, PG_INT32_MAX);
}
