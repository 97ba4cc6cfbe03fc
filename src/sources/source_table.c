/*-------------------------------------------------------------------------
 *
 * source_table.c
 *	  Tables in shared memory of what sources consist of.
 *
 * Their keys begin with the source.  The lock of such a table is taken after
 * the runtime's where both are held.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"

#include "sources/source.h"
#include "sources/source_table.h"

/* Take out all entries of a source. */
void
evaudit_source_table_forget(EvauditShmemTable *table, Oid database,
							int64 source_id)
{
	HASH_SEQ_STATUS scan;
	EvauditSourceKey *key;

	LWLockAcquire(table->lock, LW_EXCLUSIVE);
	hash_seq_init(&scan, table->entries);
	while ((key = hash_seq_search(&scan)) != NULL)
	{
		if (key->database == database && key->source_id == source_id)
			(void) hash_search(table->entries, key, HASH_REMOVE, NULL);
	}
	LWLockRelease(table->lock);
}

/*
 * Copies of the entries of those sources of this database that the user may
 * see, in one array; none without preload.
 */
void *
evaudit_source_table_visible(EvauditShmemTable *table, int *n)
{
	EvauditJobStats *sources;
	EvauditSourceKey *key;
	HASH_SEQ_STATUS scan;
	char	   *copies;
	int			nsources;

	*n = 0;
	if (table->entries == NULL)
		return NULL;
	sources = evaudit_job_stats_visible(&evaudit_source_job, &nsources);
	LWLockAcquire(table->lock, LW_SHARED);
	copies = palloc_extended(Max(hash_get_num_entries(table->entries), 1) *
							 table->entrysize, MCXT_ALLOC_HUGE);
	hash_seq_init(&scan, table->entries);
	while ((key = hash_seq_search(&scan)) != NULL)
	{
		if (key->database == MyDatabaseId &&
			evaudit_job_stats_has(sources, nsources, key->source_id))
			memcpy(copies + (*n)++ * table->entrysize, key, table->entrysize);
	}
	LWLockRelease(table->lock);
	return copies;
}
