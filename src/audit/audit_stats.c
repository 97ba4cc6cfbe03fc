/*-------------------------------------------------------------------------
 *
 * audit_stats.c
 *	  How many audit rows were written for each tracked table.
 *
 * A backend counts by itself while a transaction lasts, a level for each
 * subtransaction, and adds to shared memory once, when it commits.  So the
 * numbers are of rows that are there, and counting a row costs an addition.
 * What a prepared transaction wrote is not counted: nobody here knows whether
 * it will be committed.  Shared memory is there only under preload, and is
 * empty when the server starts; without it nothing is counted.
 *
 * Tables that were dropped lose their entries when room is needed, before a
 * transaction counts for a table without one: at commit no catalog can be
 * read.
 *
 * Locks: the shared table is looked up under its lock in shared mode and
 * added to by atomics; only a table's first row takes the lock exclusively.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "audit/audit_stats.h"
#include "server/shmem.h"

PG_FUNCTION_INFO_V1(evaudit_audit_stats);

/* Tables that are counted, over all databases; those beyond are not. */
#define MAX_TABLES	4096

/* Milliseconds between two sweeps of a backend. */
#define SWEEP_INTERVAL	1000

typedef struct StatsKey
{
	Oid			database;
	Oid			relid;
} StatsKey;

typedef struct StatsEntry
{
	StatsKey	key;			/* hash key */
	pg_atomic_uint64 rows;
	pg_atomic_uint64 last;		/* TimestampTz of the last commit */
} StatsEntry;

/*
 * Counted in this transaction, at a level of subtransactions.  They are listed
 * by level, the deepest first, each table once at a level: a transaction may
 * have very many subtransactions.
 */
typedef struct PendingCount
{
	struct PendingCount *next;
	Oid			relid;
	int			level;
	uint64		rows;
} PendingCount;

static EvauditShmemTable table = {
	.name = "evaudit_audit_stats",
	.keysize = sizeof(StatsKey),
	.entrysize = sizeof(StatsEntry),
	.most = MAX_TABLES,
};
static PendingCount *pending = NULL;	/* in TopTransactionContext */

/* Reserve the shared memory; only while the server preloads libraries. */
void
evaudit_audit_stats_init(void)
{
	evaudit_shmem_register_table(&table);
}

/*
 * The shared entry of a table, made if there is none and room for one.  The
 * lock is held on return, whether or not there is an entry.
 */
static StatsEntry *
lock_entry(Oid relid)
{
	StatsKey	key = {MyDatabaseId, relid};
	StatsEntry *entry;
	bool		found;

	entry = evaudit_shmem_lock_entry(&table, &key, &found);
	if (entry && !found)
	{
		pg_atomic_init_u64(&entry->rows, 0);
		pg_atomic_init_u64(&entry->last, 0);
	}
	return entry;
}

/* Add what the transaction counted to shared memory. */
static void
flush_pending(void)
{
	for (PendingCount *count = pending; count; count = count->next)
	{
		StatsEntry *entry = lock_entry(count->relid);

		if (entry)
		{
			pg_atomic_fetch_add_u64(&entry->rows, count->rows);
			pg_atomic_write_u64(&entry->last,
								(uint64) GetCurrentTransactionStopTimestamp());
		}
		LWLockRelease(table.lock);
	}
}

/* The transaction ends: what it counted holds if its rows do for sure. */
static void
end_transaction(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_COMMIT:
			flush_pending();
			pending = NULL;
			break;
		case XACT_EVENT_PREPARE:
		case XACT_EVENT_ABORT:
			pending = NULL;
			break;
		default:
			break;
	}
}

/* Does the table of an entry exist?  That of another database may. */
static bool
entry_exists(const StatsKey *key)
{
	if (key->database == MyDatabaseId)
		return SearchSysCacheExists1(RELOID, ObjectIdGetDatum(key->relid));
	return SearchSysCacheExists1(DATABASEOID, ObjectIdGetDatum(key->database));
}

/* Copy the keys of all entries, since no catalog is read under the lock. */
static StatsKey *
copy_keys(int *nkeys)
{
	StatsKey   *keys = palloc(sizeof(StatsKey) * MAX_TABLES);
	HASH_SEQ_STATUS scan;
	StatsEntry *entry;

	*nkeys = 0;
	LWLockAcquire(table.lock, LW_SHARED);
	hash_seq_init(&scan, table.entries);
	while ((entry = hash_seq_search(&scan)) != NULL)
		keys[(*nkeys)++] = entry->key;
	LWLockRelease(table.lock);
	return keys;
}

/* Take out the entries of tables and databases that were dropped. */
static void
remove_dropped(void)
{
	int			nkeys;
	StatsKey   *keys = copy_keys(&nkeys);

	for (int i = 0; i < nkeys; i++)
	{
		if (entry_exists(&keys[i]))
			continue;
		LWLockAcquire(table.lock, LW_EXCLUSIVE);
		(void) hash_search(table.entries, &keys[i], HASH_REMOVE, NULL);
		LWLockRelease(table.lock);
	}
	pfree(keys);
}

/*
 * See to it that a table can have an entry when the transaction commits.
 * Where all belong to tables that exist, a sweep is in vain, so that a
 * backend makes one in a second.
 */
static void
make_room(Oid relid)
{
	static TimestampTz last = 0;
	StatsKey	key = {MyDatabaseId, relid};
	TimestampTz now;
	bool		room;

	LWLockAcquire(table.lock, LW_SHARED);
	room = hash_get_num_entries(table.entries) < MAX_TABLES ||
		hash_search(table.entries, &key, HASH_FIND, NULL) != NULL;
	LWLockRelease(table.lock);
	if (room)
		return;
	now = GetCurrentTimestamp();
	if (TimestampDifferenceExceeds(last, now, SWEEP_INTERVAL))
		remove_dropped();
	last = now;
}

/*
 * Add rows to what is counted for a table at a level, the deepest so far.
 * Returns whether they are the first.
 */
static bool
add_pending(Oid relid, int level, uint64 rows)
{
	PendingCount *count;

	for (count = pending; count && count->level == level; count = count->next)
	{
		if (count->relid == relid)
		{
			count->rows += rows;
			return false;
		}
	}
	count = MemoryContextAlloc(TopTransactionContext, sizeof(PendingCount));
	count->relid = relid;
	count->level = level;
	count->rows = rows;
	count->next = pending;
	pending = count;
	return true;
}

/* A subtransaction ends: its counts become its parent's, or nothing. */
static void
end_subtransaction(SubXactEvent event, SubTransactionId subid,
				   SubTransactionId parent, void *arg)
{
	int			level = GetCurrentTransactionNestLevel();
	PendingCount *ended = pending;

	if (event != SUBXACT_EVENT_COMMIT_SUB && event != SUBXACT_EVENT_ABORT_SUB)
		return;
	while (pending && pending->level >= level)
		pending = pending->next;
	while (ended && ended->level >= level)
	{
		PendingCount *next = ended->next;

		if (event == SUBXACT_EVENT_COMMIT_SUB)
			(void) add_pending(ended->relid, level - 1, ended->rows);
		pfree(ended);
		ended = next;
	}
}

/* Count rows written for a table in this transaction. */
void
evaudit_audit_stats_count(Oid relid, int rows)
{
	static bool registered = false;

	if (table.entries == NULL)
		return;
	if (!registered)
	{
		RegisterXactCallback(end_transaction, NULL);
		RegisterSubXactCallback(end_subtransaction, NULL);
		registered = true;
	}
	if (add_pending(relid, GetCurrentTransactionNestLevel(), rows))
		make_room(relid);
}

/*
 * SQL: evaudit.audit_stats(relation, OUT rows_written, OUT last_written_at)
 *
 * Both are NULL where nothing is counted: also if the table came too late to
 * have a place among those that are.
 */
Datum
evaudit_audit_stats(PG_FUNCTION_ARGS)
{
	StatsKey	key = {MyDatabaseId, PG_GETARG_OID(0)};
	StatsEntry *entry;
	TupleDesc	desc;
	Datum		values[2] = {0};
	bool		isnull[2] = {true, true};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (table.entries)
	{
		LWLockAcquire(table.lock, LW_SHARED);
		entry = hash_search(table.entries, &key, HASH_FIND, NULL);
		values[0] = Int64GetDatum(entry ?
								  (int64) pg_atomic_read_u64(&entry->rows) : 0);
		isnull[0] = entry == NULL && hash_get_num_entries(table.entries) >= MAX_TABLES;
		if (entry)
		{
			values[1] = TimestampTzGetDatum((TimestampTz)
											pg_atomic_read_u64(&entry->last));
			isnull[1] = false;
		}
		LWLockRelease(table.lock);
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc),
													  values, isnull)));
}
