/*-------------------------------------------------------------------------
 *
 * shmem.c
 *	  Shared memory: each part of the extension registers its own area.
 *
 * The hooks of the server are taken once, by the first area.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/shmem.h"

#include "server/shmem.h"

static EvauditShmemArea *areas = NULL;

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
	LWLockRelease(AddinShmemInitLock);
}

/* Register an area; only while the server preloads libraries. */
void
evaudit_shmem_register(EvauditShmemArea *area)
{
	Assert(process_shared_preload_libraries_in_progress);
	if (areas == NULL)
	{
		previous_request_hook = shmem_request_hook;
		shmem_request_hook = request_areas;
		previous_startup_hook = shmem_startup_hook;
		shmem_startup_hook = attach_areas;
	}
	area->next = areas;
	areas = area;
}

/*
 * The entry of a key in a shared table, made if there is none, *found is false
 * then, and it has fewer than so many: the server would lend memory for more
 * of them than were asked for.  The lock is held on return, whether or not
 * there is an entry; exclusively if it was made.
 */
void *
evaudit_shmem_lock_entry(HTAB *table, LWLock *lock, const void *key, long most,
						 bool *found)
{
	void	   *entry;

	*found = true;
	LWLockAcquire(lock, LW_SHARED);
	entry = hash_search(table, key, HASH_FIND, NULL);
	if (entry != NULL)
		return entry;
	LWLockRelease(lock);

	LWLockAcquire(lock, LW_EXCLUSIVE);
	if (hash_get_num_entries(table) >= most)
		return hash_search(table, key, HASH_FIND, NULL);
	return hash_search(table, key, HASH_ENTER_NULL, found);
}
