/*-------------------------------------------------------------------------
 *
 * partition_status.c
 *	  How partitions of Kafka do, as their workers last saw it.
 *
 * A table in shared memory of a fixed size, evaudit.max_partitions: where it
 * is full, further partitions are not shown.  A topic that is named but cannot
 * be read has an entry, too, of EVAUDIT_NO_PARTITION.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "sources/partition_status.h"
#include "sources/source_table.h"

PG_FUNCTION_INFO_V1(evaudit_partition_stats);

/* Columns of partition_stats(). */
enum PartitionColumn
{
	SOURCE_ID_COLUMN,
	TOPIC_COLUMN,
	PARTITION_COLUMN,
	END_OFFSET_COLUMN,
	FETCHED_AT_COLUMN,
	CAUGHT_UP_AT_COLUMN,
	ERROR_COLUMN,
	PARTITION_COLUMNS
};

/* Longest error of a partition that is kept, in bytes. */
#define ERROR_BYTES		256

typedef struct StatusKey
{
	EvauditSourceKey source;
	char		topic[EVAUDIT_STREAM_BYTES];
} StatusKey;

typedef struct StatusEntry
{
	StatusKey	key;			/* hash key */
	int64		end_offset;
	TimestampTz fetched_at;
	TimestampTz caught_up_at;
	char		error[ERROR_BYTES]; /* "": none */
} StatusEntry;

static int	max_partitions = 4096;
static EvauditShmemTable table = {
	.name = "evaudit_partitions",
	.keysize = sizeof(StatusKey),
	.entrysize = sizeof(StatusEntry),
};

/* Reserve the shared memory; only while the server preloads libraries. */
void
evaudit_partition_status_init(void)
{
	DefineCustomIntVariable("evaudit.max_partitions",
							"Partitions whose progress can be shown, over all sources.",
							NULL,
							&max_partitions, 4096, 16, 1048576,
							PGC_POSTMASTER, 0, NULL, NULL, NULL);
	table.most = max_partitions;
	evaudit_shmem_register_table(&table);
}

/* The key of a partition of a source in this database. */
static StatusKey
make_key(int64 source_id, const char *topic, int32 partition)
{
	StatusKey	key;

	memset(&key, 0, sizeof(key));
	key.source.database = MyDatabaseId;
	key.source.source_id = source_id;
	key.source.partition = partition;
	strlcpy(key.topic, topic, sizeof(key.topic));
	return key;
}

/*
 * Show how a partition of a source in this database does, if there is room.
 * True if it has an error now, and not the one of before.
 */
bool
evaudit_show_partition(int64 source_id, const char *topic, int32 partition,
					   const EvauditPartitionStatus *status)
{
	StatusKey	key = make_key(source_id, topic, partition);
	const char *error = status->error == NULL ? "" : status->error;
	int			error_len = pg_mbcliplen(error, strlen(error),
										 ERROR_BYTES - 1);
	StatusEntry *entry;
	bool		found;
	bool		is_new = error_len > 0;

	LWLockAcquire(table.lock, LW_EXCLUSIVE);
	entry = hash_search(table.entries, &key, HASH_ENTER_NULL, &found);
	if (entry != NULL)
	{
		is_new &= !found || strncmp(entry->error, error, error_len) != 0;
		entry->end_offset = status->end_offset;
		entry->fetched_at = status->fetched_at;
		entry->caught_up_at = status->caught_up_at;
		memcpy(entry->error, error, error_len);
		entry->error[error_len] = '\0';
	}
	LWLockRelease(table.lock);
	return is_new;
}

/* Show a partition of a source in this database no longer. */
void
evaudit_forget_partition(int64 source_id, const char *topic, int32 partition)
{
	StatusKey	key = make_key(source_id, topic, partition);

	LWLockAcquire(table.lock, LW_EXCLUSIVE);
	(void) hash_search(table.entries, &key, HASH_REMOVE, NULL);
	LWLockRelease(table.lock);
}

/* Show no partition of a source any longer. */
void
evaudit_forget_partitions(Oid database, int64 source_id)
{
	evaudit_source_table_forget(&table, database, source_id);
}

/* Add the row of one partition. */
static void
add_row(ReturnSetInfo *rsinfo, const StatusEntry *entry)
{
	Datum		values[PARTITION_COLUMNS];
	bool		nulls[PARTITION_COLUMNS] = {false};

	values[SOURCE_ID_COLUMN] = Int64GetDatum(entry->key.source.source_id);
	values[TOPIC_COLUMN] = CStringGetTextDatum(entry->key.topic);
	values[PARTITION_COLUMN] = Int32GetDatum(entry->key.source.partition);
	nulls[PARTITION_COLUMN] = entry->key.source.partition == EVAUDIT_NO_PARTITION;
	values[END_OFFSET_COLUMN] = Int64GetDatum(entry->end_offset);
	nulls[END_OFFSET_COLUMN] = entry->end_offset < 0;
	values[FETCHED_AT_COLUMN] = TimestampTzGetDatum(entry->fetched_at);
	nulls[FETCHED_AT_COLUMN] = entry->fetched_at == 0;
	values[CAUGHT_UP_AT_COLUMN] = TimestampTzGetDatum(entry->caught_up_at);
	nulls[CAUGHT_UP_AT_COLUMN] = entry->caught_up_at == 0;
	values[ERROR_COLUMN] = CStringGetTextDatum(entry->error);
	nulls[ERROR_COLUMN] = entry->error[0] == '\0';
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/* partition_stats(): partitions of the sources that the user may see. */
Datum
evaudit_partition_stats(PG_FUNCTION_ARGS)
{
	StatusEntry *copies;
	int			n;

	InitMaterializedSRF(fcinfo, 0);
	copies = evaudit_source_table_visible(&table, &n);
	for (int i = 0; i < n; i++)
		add_row((ReturnSetInfo *) fcinfo->resultinfo, &copies[i]);
	return (Datum) 0;
}
