/*-------------------------------------------------------------------------
 *
 * await_shmem.c
 *	  Telling those who wait for deliveries that a sink has moved.
 *
 * Shared memory has a condition variable and a counter for databases, which
 * share them by the hash of their oid: a wake-up too many does no harm.  The
 * counter is increased before the broadcast, and read before places are
 * compared: no move between the two is missed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/condition_variable.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "server/shmem.h"
#include "sinks/await.h"

#define NPLACES		64

/* Where those of a database wait. */
typedef struct Place
{
	pg_atomic_uint64 moves;
	ConditionVariable moved;
} Place;

static Place *places = NULL;

/* Bytes of shared memory. */
static Size
places_size(void)
{
	return mul_size(NPLACES, sizeof(Place));
}

/* Make the places, or attach to them. */
static void
attach_places(LWLock *lock)
{
	bool		found;

	places = ShmemInitStruct("evaudit waits", places_size(), &found);
	if (found)
		return;
	for (int i = 0; i < NPLACES; i++)
	{
		pg_atomic_init_u64(&places[i].moves, 0);
		ConditionVariableInit(&places[i].moved);
	}
}

/* Register the area; while the server preloads libraries. */
void
evaudit_await_init(void)
{
	static EvauditShmemArea area = {
		.name = "evaudit_waits",
		.size = places_size,
		.attach = attach_places,
	};

	evaudit_shmem_register(&area);
}

/* The place of this database. */
static Place *
my_place(void)
{
	return &places[hash_uint32(MyDatabaseId) % NPLACES];
}

/* A sink of this database has moved, and that is committed. */
void
evaudit_await_announce(void)
{
	Place	   *place = my_place();

	pg_atomic_fetch_add_u64(&place->moves, 1);
	ConditionVariableBroadcast(&place->moved);
}

/*
 * Before places are compared: what moves from here on ends the next sleep.
 * Without the library preloaded there are no sinks, and nothing moves.
 */
uint64
evaudit_await_begin(void)
{
	Place	   *place;

	if (places == NULL)
		return 0;
	place = my_place();
	ConditionVariablePrepareToSleep(&place->moved);
	return pg_atomic_read_u64(&place->moves);
}

/* Sleep until something has moved; false: the time is over. */
bool
evaudit_await_sleep(uint64 since, TimestampTz until)
{
	Place	   *place = places == NULL ? NULL : my_place();

	for (;;)
	{
		TimestampTz now = GetCurrentTimestamp();

		if (place == NULL || now >= until)
			return false;
		if (pg_atomic_read_u64(&place->moves) != since)
			return true;
		(void) ConditionVariableTimedSleep(&place->moved,
										   TimestampDifferenceMilliseconds(now, until) + 1,
										   PG_WAIT_EXTENSION);
	}
}

/* After the last sleep; an error does as much. */
void
evaudit_await_end(void)
{
	ConditionVariableCancelSleep();
}
