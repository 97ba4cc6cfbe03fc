/*-------------------------------------------------------------------------
 *
 * shmem.c
 *	  Shared memory: each part of the extension registers its own area.
 *
 * The hooks of the server are taken once, by the first area or table.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/shmem.h"

#include "server/compat.h"
#include "server/shmem.h"

static EvauditShmemArea *areas = NULL;
static EvauditShmemTable *tables = NULL;

static shmem_request_hook_type previous_request_hook = NULL;
static shmem_startup_hook_type previous_startup_hook = NULL;

/* Ask for the memory and the locks of all areas. */
static void
request_areas(void)
{
	if (previous_request_hook)
		previous_request_hook();
	for (EvauditShmemArea *area = areas; area != NULL; area = area->next)
	{
		RequestAddinShmemSpace(area->size());
		RequestNamedLWLockTranche(area->name, 1);
	}
	for (EvauditShmemTable *table = tables; table != NULL; table = table->next)
	{
		RequestAddinShmemSpace(hash_estimate_size(table->most,
												  table->entrysize));
		RequestNamedLWLockTranche(table->name, 1);
	}
}

/* Make a table, or attach to it. */
static void
attach_table(EvauditShmemTable *table)
{
	HASHCTL		ctl = {
		.keysize = table->keysize,
		.entrysize = table->entrysize,
	};

	table->lock = &GetNamedLWLockTranche(table->name)->lock;
	table->entries = evaudit_compat_shmem_hash(table->name, table->most, &ctl,
											   HASH_ELEM | HASH_BLOBS);
}

/* Make all areas, or attach to them. */
static void
attach_areas(void)
{
	if (previous_startup_hook)
		previous_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	for (EvauditShmemArea *area = areas; area != NULL; area = area->next)
		area->attach(&GetNamedLWLockTranche(area->name)->lock);
	for (EvauditShmemTable *table = tables; table != NULL; table = table->next)
		attach_table(table);
	LWLockRelease(AddinShmemInitLock);
}

/* Take the hooks of the server, once. */
static void
take_hooks(void)
{
	static bool taken = false;

	Assert(process_shared_preload_libraries_in_progress);
	if (taken)
		return;
	previous_request_hook = shmem_request_hook;
	shmem_request_hook = request_areas;
	previous_startup_hook = shmem_startup_hook;
	shmem_startup_hook = attach_areas;
	taken = true;
}

/* Register an area; only while the server preloads libraries. */
void
evaudit_shmem_register(EvauditShmemArea *area)
{
	take_hooks();
	area->next = areas;
	areas = area;
}

/* Register a table; likewise. */
void
evaudit_shmem_register_table(EvauditShmemTable *table)
{
	take_hooks();
	table->next = tables;
	tables = table;
}

/*
 * The entry of a key in a table, made if there is none, *found is false then,
 * and there is room: the server would lend memory for more entries than were
 * asked for.  The lock is held on return, whether or not there is an entry;
 * exclusively if it was made.
 */
void *
evaudit_shmem_lock_entry(EvauditShmemTable *table, const void *key,
						 bool *found)
{
	void	   *entry;

	*found = true;
	LWLockAcquire(table->lock, LW_SHARED);
	entry = hash_search(table->entries, key, HASH_FIND, NULL);
	if (entry != NULL)
		return entry;
	LWLockRelease(table->lock);

	LWLockAcquire(table->lock, LW_EXCLUSIVE);
	if (hash_get_num_entries(table->entries) >= table->most)
		return hash_search(table->entries, key, HASH_FIND, NULL);
	return hash_search(table->entries, key, HASH_ENTER_NULL, found);
}
