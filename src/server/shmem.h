/*-------------------------------------------------------------------------
 *
 * shmem.h
 *	  Shared memory: each part of the extension registers its own area.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_SHMEM_H
#define EVAUDIT_SHMEM_H

#include "storage/lwlock.h"
#include "utils/hsearch.h"

/*
 * An area of shared memory with a lock of its own.  Declare it static and
 * register it while the server preloads libraries.
 */
typedef struct EvauditShmemArea
{
	const char *name;			/* of the lock's tranche */

	/* How many bytes it needs; settings are read by then. */
	Size		(*size) (void);

	/*
	 * Make what is in it, or attach to it, by ShmemInitStruct() or
	 * ShmemInitHash().  AddinShmemInitLock is held.  Runs again after each
	 * crash of the server.
	 */
	void		(*attach) (LWLock *lock);

	struct EvauditShmemArea *next;	/* private to shmem.c */
} EvauditShmemArea;

/*
 * A hash table in shared memory, by the bytes of its keys, with a lock of its
 * own.  Declare it static with the first four and register it likewise; the
 * others are set when it is made, or attached to.
 */
typedef struct EvauditShmemTable
{
	const char *name;			/* of the table, and of the lock's tranche */
	Size		keysize;
	Size		entrysize;		/* the key comes first */
	int			most;			/* entries */

	HTAB	   *entries;		/* NULL without preload */
	LWLock	   *lock;
	struct EvauditShmemTable *next; /* private to shmem.c */
} EvauditShmemTable;

extern void evaudit_shmem_register(EvauditShmemArea *area);
extern void evaudit_shmem_register_table(EvauditShmemTable *table);
extern void *evaudit_shmem_lock_entry(EvauditShmemTable *table,
									  const void *key, bool *found);

#endif							/* EVAUDIT_SHMEM_H */
