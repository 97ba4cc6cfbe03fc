/*-------------------------------------------------------------------------
 *
 * counters.c
 *	  What is counted for metrics, for each database, in shared memory.
 *
 * A transaction that is rolled back takes nothing back: what is refused by an
 * ERROR has to count, too.  Shared memory is there only under preload, and is
 * empty when the server starts.
 *
 * Locks: the entry of a database is made under the lock, and is never removed;
 * a process looks its own up once, and adds to it by atomics alone.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "port/atomics.h"

#include "server/counters.h"
#include "server/shmem.h"

/* Databases that are counted in, since the server started. */
#define MAX_DATABASES	256

/* Most counters of all rooms. */
#define MAX_COUNTERS	192

typedef struct DatabaseEntry
{
	Oid			database;		/* hash key */
	pg_atomic_uint64 counters[MAX_COUNTERS];
} DatabaseEntry;

static int	ncounters = 0;
static EvauditShmemTable table = {
	.name = "evaudit_counters",
	.keysize = sizeof(Oid),
	.entrysize = sizeof(DatabaseEntry),
	.most = MAX_DATABASES,
};

/* Reserve the shared memory, while the server preloads libraries. */
void
evaudit_counters_init(void)
{
	if (process_shared_preload_libraries_in_progress)
		evaudit_shmem_register_table(&table);
}

/*
 * Give a room its counters.  Every process that loads the library does so in
 * the same order: a counter's number means the same in each.
 */
void
evaudit_counters_register(EvauditCounters *counters)
{
	if (ncounters + counters->n > MAX_COUNTERS)
		elog(ERROR, "too many counters");
	counters->first = ncounters;
	ncounters += counters->n;
}

/* The entry of this database, made if there is none; NULL: no room. */
static DatabaseEntry *
find_entry(void)
{
	static DatabaseEntry *entry = NULL;
	bool		found;

	if (entry != NULL || table.entries == NULL || !OidIsValid(MyDatabaseId))
		return entry;
	entry = evaudit_shmem_lock_entry(&table, &MyDatabaseId, &found);
	for (int i = 0; entry != NULL && !found && i < MAX_COUNTERS; i++)
		pg_atomic_init_u64(&entry->counters[i], 0);
	LWLockRelease(table.lock);
	return entry;
}

/* Count so many more in this database. */
void
evaudit_count(const EvauditCounters *counters, int which, uint64 n)
{
	DatabaseEntry *entry = find_entry();

	Assert(which >= 0 && which < counters->n);
	if (entry != NULL)
		pg_atomic_fetch_add_u64(&entry->counters[counters->first + which],
								(int64) n);
}

/* How many were counted in this database. */
uint64
evaudit_counted(const EvauditCounters *counters, int which)
{
	DatabaseEntry *entry = find_entry();

	Assert(which >= 0 && which < counters->n);
	return entry == NULL ? 0 :
		pg_atomic_read_u64(&entry->counters[counters->first + which]);
}
