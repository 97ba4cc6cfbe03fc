/*-------------------------------------------------------------------------
 *
 * partition_end.c
 *	  Where partitions of Kafka end, as their workers last saw it.
 *
 * A table in shared memory of a fixed size, evaudit.max_partitions: where it
 * is full, the ends of further partitions are not shown.  It has a lock of its
 * own, taken after the runtime's where both are held.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/tuplestore.h"

#include "server/compat.h"
#include "server/shmem.h"
#include "sources/partition_end.h"
#include "sources/source.h"

PG_FUNCTION_INFO_V1(evaudit_partition_stats);

/* Columns of partition_stats(). */
enum PartitionColumn
{
	SOURCE_ID_COLUMN,
	TOPIC_COLUMN,
	PARTITION_COLUMN,
	END_OFFSET_COLUMN,
	PARTITION_COLUMNS
};

typedef struct EndKey
{
	Oid			database;
	int32		partition;
	int64		source_id;
	char		topic[EVAUDIT_STREAM_BYTES];
} EndKey;

typedef struct EndEntry
{
	EndKey		key;			/* hash key */
	int64		end_offset;
} EndEntry;

static int	max_partitions = 4096;
static HTAB *ends = NULL;		/* NULL without preload */
static LWLock *ends_lock = NULL;

/* Bytes of the table. */
static Size
ends_size(void)
{
	return hash_estimate_size(max_partitions, sizeof(EndEntry));
}

/* Make the table, or attach to it. */
static void
attach_ends(LWLock *lock)
{
	HASHCTL		info = {
		.keysize = sizeof(EndKey),
		.entrysize = sizeof(EndEntry),
	};

	ends_lock = lock;
	ends = evaudit_compat_shmem_hash("evaudit partitions", max_partitions,
									 &info, HASH_ELEM | HASH_BLOBS);
}

/* Reserve the shared memory; only while the server preloads libraries. */
void
evaudit_partition_ends_init(void)
{
	static EvauditShmemArea area = {
		.name = "evaudit_partitions",
		.size = ends_size,
		.attach = attach_ends,
	};

	DefineCustomIntVariable("evaudit.max_partitions",
							"Partitions whose progress can be shown, over all sources.",
							NULL,
							&max_partitions, 4096, 16, 1048576,
							PGC_POSTMASTER, 0, NULL, NULL, NULL);
	evaudit_shmem_register(&area);
}

/* Show the end of a partition of a source in this database, if there is room. */
void
evaudit_show_partition_end(int64 source_id, const char *topic,
						   int32 partition, int64 end_offset)
{
	EndKey		key;
	EndEntry   *entry;

	memset(&key, 0, sizeof(key));
	key.database = MyDatabaseId;
	key.source_id = source_id;
	key.partition = partition;
	strlcpy(key.topic, topic, sizeof(key.topic));

	LWLockAcquire(ends_lock, LW_EXCLUSIVE);
	entry = hash_search(ends, &key, HASH_ENTER_NULL, NULL);
	if (entry != NULL)
		entry->end_offset = end_offset;
	LWLockRelease(ends_lock);
}

/* Forget the ends of a source's partitions. */
void
evaudit_forget_partition_ends(Oid database, int64 source_id)
{
	HASH_SEQ_STATUS scan;
	EndEntry   *end;

	LWLockAcquire(ends_lock, LW_EXCLUSIVE);
	hash_seq_init(&scan, ends);
	while ((end = hash_seq_search(&scan)) != NULL)
	{
		if (end->key.database == database && end->key.source_id == source_id)
			(void) hash_search(ends, &end->key, HASH_REMOVE, NULL);
	}
	LWLockRelease(ends_lock);
}

/* Copies of the ends of this database's partitions. */
static EndEntry *
copy_ends(int *n)
{
	EndEntry   *copies;
	EndEntry   *end;
	HASH_SEQ_STATUS scan;

	*n = 0;
	LWLockAcquire(ends_lock, LW_SHARED);
	copies = palloc(Max(hash_get_num_entries(ends), 1) *
					sizeof(EndEntry));
	hash_seq_init(&scan, ends);
	while ((end = hash_seq_search(&scan)) != NULL)
	{
		if (end->key.database == MyDatabaseId)
			copies[(*n)++] = *end;
	}
	LWLockRelease(ends_lock);
	return copies;
}

/* Compare the id of a source with one in a list of jobs. */
static int
by_source_id(const void *key, const void *element)
{
	int64		id = *(const int64 *) key;
	int64		other = ((const EvauditJobStats *) element)->id;

	return (id > other) - (id < other);
}

/* partition_stats(): where partitions end, of sources the user may see. */
Datum
evaudit_partition_stats(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	EvauditJobStats *sources;
	EndEntry   *copies;
	int			nsources;
	int			n;

	InitMaterializedSRF(fcinfo, 0);
	if (ends == NULL)
		return (Datum) 0;

	sources = evaudit_source_stats_visible(&nsources);
	copies = copy_ends(&n);
	for (int i = 0; i < n && nsources > 0; i++)
	{
		const EndKey *key = &copies[i].key;
		Datum		values[PARTITION_COLUMNS];
		bool		nulls[PARTITION_COLUMNS] = {false};

		if (bsearch(&key->source_id, sources, nsources,
					sizeof(EvauditJobStats), by_source_id) == NULL)
			continue;
		values[SOURCE_ID_COLUMN] = Int64GetDatum(key->source_id);
		values[TOPIC_COLUMN] = CStringGetTextDatum(key->topic);
		values[PARTITION_COLUMN] = Int32GetDatum(key->partition);
		values[END_OFFSET_COLUMN] = Int64GetDatum(copies[i].end_offset);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc,
							 values, nulls);
	}
	return (Datum) 0;
}
