/*-------------------------------------------------------------------------
 *
 * queue_status.c
 *	  How many messages are in the queues of sources, as SQS last said it.
 *
 * A table in shared memory of a fixed size.  A queue that finds no room is not
 * shown.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "server/spi.h"
#include "sources/queue_status.h"
#include "sources/source_table.h"
#include "sources/sqs_source.h"

PG_FUNCTION_INFO_V1(evaudit_queue_stats);
PG_FUNCTION_INFO_V1(evaudit_sqs_queues);

/* Queues that are shown, over all databases. */
#define MAX_QUEUES		1024

/* Longest name of a queue, with its terminating zero. */
#define NAME_BYTES		128

typedef struct QueueKey
{
	EvauditSourceKey source;
	char		queue[NAME_BYTES];
} QueueKey;

typedef struct QueueEntry
{
	QueueKey	key;			/* hash key */
	EvauditQueueDepth depth;
	TimestampTz measured_at;
} QueueEntry;

static EvauditShmemTable table = {
	.name = "evaudit_queues",
	.keysize = sizeof(QueueKey),
	.entrysize = sizeof(QueueEntry),
	.most = MAX_QUEUES,
};

/* Reserve the shared memory; only while the server preloads libraries. */
void
evaudit_queue_status_init(void)
{
	evaudit_shmem_register_table(&table);
}

/* Show how many messages a queue of a source in this database has. */
void
evaudit_show_queue(int64 source_id, const char *queue,
				   const EvauditQueueDepth *depth)
{
	QueueKey	key;
	QueueEntry *entry;

	memset(&key, 0, sizeof(key));
	key.source.source_id = source_id;
	key.source.database = MyDatabaseId;
	strlcpy(key.queue, queue, sizeof(key.queue));
	LWLockAcquire(table.lock, LW_EXCLUSIVE);
	entry = hash_search(table.entries, &key,
						hash_get_num_entries(table.entries) < MAX_QUEUES ?
						HASH_ENTER_NULL : HASH_FIND, NULL);
	if (entry != NULL)
	{
		entry->depth = *depth;
		entry->measured_at = GetCurrentTimestamp();
	}
	LWLockRelease(table.lock);
}

/* Show no queue of a source any longer. */
void
evaudit_forget_queues(Oid database, int64 source_id)
{
	evaudit_source_table_forget(&table, database, source_id);
}

/* queue_stats(): queues of the sources that the user may see. */
Datum
evaudit_queue_stats(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	QueueEntry *copies;
	int			n;

	InitMaterializedSRF(fcinfo, 0);
	copies = evaudit_source_table_visible(&table, &n);
	for (int i = 0; i < n; i++)
	{
		const QueueEntry *entry = &copies[i];
		Datum		values[] = {
			Int64GetDatum(entry->key.source.source_id),
			CStringGetTextDatum(entry->key.queue),
			Int64GetDatum(entry->depth.visible),
			Int64GetDatum(entry->depth.in_flight),
			Int64GetDatum(entry->depth.delayed),
			TimestampTzGetDatum(entry->measured_at)
		};
		bool		nulls[lengthof(values)] = {false};

		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* sqs_queues(options jsonb): the names of the queues that these name. */
Datum
evaudit_sqs_queues(PG_FUNCTION_ARGS)
{
	SqsOptions	options;
	Datum	   *names;
	int			n = 0;
	ListCell   *lc;

	evaudit_sqs_read_options(PG_GETARG_JSONB_P(0), &options);
	names = palloc(list_length(options.queues) * sizeof(Datum));
	foreach(lc, options.queues)
		names[n++] = CStringGetTextDatum(((EvauditAwsQueue *) lfirst(lc))->name);
	PG_RETURN_DATUM(evaudit_spi_array(names, NULL, n, TEXTOID));
}
