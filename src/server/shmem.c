/*-------------------------------------------------------------------------
 *
 * shmem.c
 *	  What the processes of evaudit share.
 *
 * Slots of fixed number under one lock, as the logical replication launcher
 * has them: a slot is taken, given back and read under evaudit_shared->lock.
 * It is held for microseconds, never across a transaction or the network.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/shmem.h"

#include "server/compat.h"
#include "server/config.h"
#include "server/shmem.h"

EvauditShared *evaudit_shared = NULL;
HTAB	   *evaudit_partition_ends = NULL;

static shmem_request_hook_type previous_request_hook = NULL;
static shmem_startup_hook_type previous_startup_hook = NULL;

/* One slot for each database that can have a scheduler, and some to spare. */
static int
database_slots(void)
{
	return max_worker_processes * 2;
}

/* Bytes of everything but the partitions. */
static Size
shared_size(void)
{
	Size		size = MAXALIGN(sizeof(EvauditShared));

	size = add_size(size, MAXALIGN(mul_size(database_slots(),
											sizeof(EvauditDatabase))));
	return add_size(size, mul_size(evaudit_max_sources,
								   sizeof(EvauditSourceSlot)));
}

/* Say how much memory and which lock the server shall set aside. */
static void
request_shared_memory(void)
{
	if (previous_request_hook)
		previous_request_hook();
	RequestAddinShmemSpace(add_size(shared_size(),
									hash_estimate_size(evaudit_max_partitions,
													   sizeof(EvauditPartitionEnd))));
	RequestNamedLWLockTranche("evaudit", 1);
}

/* Lay out the memory; runs again after each crash of the server. */
static void
startup_shared_memory(void)
{
	HASHCTL		info = {
		.keysize = sizeof(EvauditPartitionKey),
		.entrysize = sizeof(EvauditPartitionEnd),
	};
	bool		found;

	if (previous_startup_hook)
		previous_startup_hook();

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	evaudit_shared = ShmemInitStruct("evaudit", shared_size(), &found);
	if (!found)
	{
		char	   *p = (char *) evaudit_shared;

		memset(p, 0, shared_size());
		evaudit_shared->lock = &GetNamedLWLockTranche("evaudit")->lock;
		evaudit_shared->rescan = true;
		evaudit_shared->ndatabases = database_slots();
		evaudit_shared->nsources = evaudit_max_sources;
		p += MAXALIGN(sizeof(EvauditShared));
		evaudit_shared->databases = (EvauditDatabase *) p;
		p += MAXALIGN(database_slots() * sizeof(EvauditDatabase));
		evaudit_shared->sources = (EvauditSourceSlot *) p;
	}
	evaudit_partition_ends = evaudit_compat_shmem_hash("evaudit partitions",
													   evaudit_max_partitions,
													   &info, HASH_ELEM | HASH_BLOBS);
	LWLockRelease(AddinShmemInitLock);
}

/* Reserve the shared memory; only while the server preloads libraries. */
void
evaudit_shmem_init(void)
{
	previous_request_hook = shmem_request_hook;
	shmem_request_hook = request_shared_memory;
	previous_startup_hook = shmem_startup_hook;
	shmem_startup_hook = startup_shared_memory;
}

/* Refuse what needs the launcher where there is none. */
void
evaudit_require_preload(void)
{
	if (evaudit_shared == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("evaudit must be loaded through \"shared_preload_libraries\" to run sources"),
				 errhint("Add evaudit to \"shared_preload_libraries\" and restart the server.")));
}

/* The slot of a source, or NULL; the caller holds the lock. */
EvauditSourceSlot *
evaudit_find_source(Oid database, int64 source_id)
{
	for (int i = 0; i < evaudit_shared->nsources; i++)
	{
		EvauditSourceSlot *slot = &evaudit_shared->sources[i];

		if (slot->database == database && slot->source_id == source_id)
			return slot;
	}
	return NULL;
}

/* Whether no worker is in a slot, or expected there. */
static bool
is_idle(const EvauditSourceSlot *slot)
{
	for (int i = 0; i < EVAUDIT_MAX_WORKERS; i++)
	{
		if (slot->pids[i] != 0)
			return false;
	}
	return slot->state == EVAUDIT_SOURCE_STOPPED;
}

/*
 * A slot that a source can have: a free one, or one that keeps no more than
 * the counters of a source that is paused; NULL if there is none.  The caller
 * holds the lock.
 */
EvauditSourceSlot *
evaudit_free_slot(void)
{
	EvauditSourceSlot *slot = evaudit_find_source(InvalidOid, 0);

	for (int i = 0; slot == NULL && i < evaudit_shared->nsources; i++)
	{
		if (is_idle(&evaudit_shared->sources[i]))
			slot = &evaudit_shared->sources[i];
	}
	return slot;
}

/* Give back the slot of a source and its partitions' ends, likewise. */
void
evaudit_free_source(EvauditSourceSlot *slot)
{
	HASH_SEQ_STATUS scan;
	EvauditPartitionEnd *end;

	hash_seq_init(&scan, evaudit_partition_ends);
	while ((end = hash_seq_search(&scan)) != NULL)
	{
		if (end->key.database == slot->database &&
			end->key.source_id == slot->source_id)
			(void) hash_search(evaudit_partition_ends, &end->key,
							   HASH_REMOVE, NULL);
	}
	memset(slot, 0, sizeof(EvauditSourceSlot));
}

/*
 * Show when something is tried again next: a worker that ended is started,
 * at the time given if that is not 0, or one that runs goes on.  If nothing
 * waits, show the other state.  The caller holds the lock.
 */
void
evaudit_show_retry(EvauditSourceSlot *slot, TimestampTz restart,
				   EvauditSourceState otherwise)
{
	TimestampTz retry = restart;

	for (int i = 0; i < EVAUDIT_MAX_WORKERS; i++)
	{
		if (slot->retry_at[i] != 0 &&
			(retry == 0 || slot->retry_at[i] < retry))
			retry = slot->retry_at[i];
	}
	slot->next_retry_at = retry;
	slot->state = retry != 0 ? EVAUDIT_SOURCE_BACKOFF : otherwise;
}

/* The slot of a database, or NULL; the caller holds the lock. */
EvauditDatabase *
evaudit_find_database(Oid database)
{
	for (int i = 0; i < evaudit_shared->ndatabases; i++)
	{
		if (evaudit_shared->databases[i].database == database)
			return &evaudit_shared->databases[i];
	}
	return NULL;
}

/* Copy an error text into a slot, cut at a character boundary. */
void
evaudit_copy_error(char *target, const char *str)
{
	int			len = pg_mbcliplen(str, strlen(str),
								   EVAUDIT_ERROR_BYTES - 1);

	memcpy(target, str, len);
	target[len] = '\0';
}
