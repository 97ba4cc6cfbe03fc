/*-------------------------------------------------------------------------
 *
 * offsets.c
 *	  How far each partition of a source has been read: evaudit.offsets.
 *
 * A batch saves its offsets in its own transaction, each fenced by the
 * offset it started from: of two processes that read the same records only
 * one can commit.  Several rows of a source are locked in the order of topic
 * and partition before any of them is changed, so that a batch and a seek
 * cannot wait for each other in a circle.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "server/spi.h"
#include "sources/offsets.h"

/* Take one row of the result; palloc'd in the current context. */
static void
read_offset(int row, EvauditOffset *offset)
{
	bool		isnull;
	Datum		seen;

	offset->topic = evaudit_spi_text(row, 0);
	offset->partition = evaudit_spi_int32(row, 1);
	offset->seek = evaudit_spi_text_or_null(row, 8);
	offset->incarnation = evaudit_spi_int32(row, 9);
	offset->next_offset = offset->seek != NULL ? -1 :
		evaudit_spi_int64(row, 2);
	seen = evaudit_spi_datum(row, 3, &isnull);
	offset->seen = !isnull;
	if (offset->seen)
	{
		offset->seen_offset = DatumGetInt64(seen);
		offset->seen_time = evaudit_spi_int64(row, 4);
		offset->seen_checksum = (uint32)
			evaudit_spi_int64(row, 5);
	}
	offset->stopped = evaudit_spi_bool(row, 6);
	offset->error = evaudit_spi_text_or_null(row, 7);
	offset->reread_from = evaudit_spi_int64(row, 10);
	offset->reread_until = evaudit_spi_int64(row, 11);
	offset->reread_since =
		DatumGetTimestampTz(evaudit_spi_datum_of(row, 12, TIMESTAMPTZOID));
}

/* All partitions of a source, by topic and number, within a transaction. */
EvauditOffset *
evaudit_offsets_load(int64 source_id, int *n)
{
	static EvauditStatement load = {
		"SELECT topic, partition, next_offset, seen_offset, seen_time,"
		" seen_checksum, stopped, error, seek, incarnation,"
		" COALESCE(reread_from, 0), COALESCE(reread_until, 0),"
		" COALESCE(reread_since, '-infinity')"
		" FROM evaudit.offsets WHERE source_id = $1"
		" ORDER BY topic COLLATE \"C\", partition",
		1, {INT8OID}
	};
	MemoryContext context = CurrentMemoryContext;
	Datum		value = Int64GetDatum(source_id);
	EvauditOffset *offsets;
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	*n = (int) evaudit_spi_execute(&load, &value, NULL);
	MemoryContextSwitchTo(context);
	offsets = palloc0(Max(*n, 1) * sizeof(EvauditOffset));
	for (int i = 0; i < *n; i++)
		read_offset(i, &offsets[i]);
	evaudit_spi_end(&spi);
	return offsets;
}

/*
 * Columns of several partitions, each column an array: what the statements
 * below unnest.
 */
typedef struct OffsetColumns
{
	Datum	   *topic;
	Datum	   *partition;
	Datum	   *expected;
	Datum	   *next_offset;
	Datum	   *seen_offset;
	Datum	   *seen_time;
	Datum	   *seen_checksum;
	bool	   *unseen;
	Datum	   *stopped;
	Datum	   *error;
	bool	   *no_error;
	Datum	   *seek;
	bool	   *no_seek;
	bool	   *no_offset;
} OffsetColumns;

/* Room for n partitions. */
static OffsetColumns
make_columns(int n)
{
	OffsetColumns columns;

	columns.topic = palloc(n * sizeof(Datum));
	columns.partition = palloc(n * sizeof(Datum));
	columns.expected = palloc(n * sizeof(Datum));
	columns.next_offset = palloc(n * sizeof(Datum));
	columns.seen_offset = palloc(n * sizeof(Datum));
	columns.seen_time = palloc(n * sizeof(Datum));
	columns.seen_checksum = palloc(n * sizeof(Datum));
	columns.unseen = palloc(n * sizeof(bool));
	columns.stopped = palloc(n * sizeof(Datum));
	columns.error = palloc(n * sizeof(Datum));
	columns.no_error = palloc(n * sizeof(bool));
	columns.seek = palloc(n * sizeof(Datum));
	columns.no_seek = palloc(n * sizeof(bool));
	columns.no_offset = palloc(n * sizeof(bool));
	return columns;
}

/* Put a partition into the columns. */
static void
set_columns(OffsetColumns *columns, int i, const EvauditOffset *offset,
			int64 expected)
{
	columns->topic[i] = CStringGetTextDatum(offset->topic);
	columns->partition[i] = Int32GetDatum(offset->partition);
	columns->expected[i] = Int64GetDatum(expected);
	columns->next_offset[i] = Int64GetDatum(offset->next_offset);
	columns->seen_offset[i] = Int64GetDatum(offset->seen_offset);
	columns->seen_time[i] = Int64GetDatum(offset->seen_time);
	columns->seen_checksum[i] = Int64GetDatum((int64) offset->seen_checksum);
	columns->unseen[i] = !offset->seen;
	columns->stopped[i] = BoolGetDatum(offset->stopped);
	columns->no_error[i] = offset->error == NULL;
	columns->error[i] = offset->error == NULL ? (Datum) 0 :
		CStringGetTextDatum(offset->error);
	columns->no_seek[i] = offset->seek == NULL;
	columns->seek[i] = offset->seek == NULL ? (Datum) 0 :
		CStringGetTextDatum(offset->seek);
	columns->no_offset[i] = offset->seek != NULL;
}

/* The parameters $2 ... of the statements below. */
static void
bind_columns(Datum *values, OffsetColumns *columns, int n)
{
	values[1] = evaudit_spi_array(columns->topic, NULL, n, TEXTOID);
	values[2] = evaudit_spi_array(columns->partition, NULL, n, INT4OID);
	values[3] = evaudit_spi_array(columns->expected, NULL, n, INT8OID);
	values[4] = evaudit_spi_array(columns->next_offset, columns->no_offset, n,
								  INT8OID);
	values[5] = evaudit_spi_array(columns->seen_offset, columns->unseen, n, INT8OID);
	values[6] = evaudit_spi_array(columns->seen_time, columns->unseen, n, INT8OID);
	values[7] = evaudit_spi_array(columns->seen_checksum, columns->unseen, n,
								  INT8OID);
	values[8] = evaudit_spi_array(columns->stopped, NULL, n, BOOLOID);
	values[9] = evaudit_spi_array(columns->error, columns->no_error, n, TEXTOID);
	values[10] = evaudit_spi_array(columns->seek, columns->no_seek, n, TEXTOID);
}

#define COLUMN_TYPES \
	INT8OID, TEXTARRAYOID, INT4ARRAYOID, INT8ARRAYOID, INT8ARRAYOID, \
	INT8ARRAYOID, INT8ARRAYOID, INT8ARRAYOID, BOOLARRAYOID, TEXTARRAYOID, \
	TEXTARRAYOID
#define NCOLUMNS	11

#define COLUMN_ROWS \
	" unnest($2, $3, $4, $5, $6, $7, $8, $9, $10, $11) AS n (topic," \
	" partition, expected, next_offset, seen_offset, seen_time," \
	" seen_checksum, stopped, error, seek)"

/*
 * The row locks of the partitions in $2 and $3, taken in order: UPDATE alone
 * takes them in whatever order its join has.  To be joined with, so that the
 * lock of a row comes before its change.
 */
#define LOCKED_ROWS \
	"WITH locked AS MATERIALIZED (SELECT l.topic, l.partition" \
	" FROM evaudit.offsets l WHERE l.source_id = $1" \
	" AND EXISTS (SELECT FROM unnest($2, $3) AS k (topic, partition)" \
	" WHERE k.topic = l.topic AND k.partition = l.partition)" \
	" ORDER BY l.topic COLLATE \"C\", l.partition FOR NO KEY UPDATE) "

/*
 * Run one of the statements below for n partitions; some take the cluster, as
 * their last parameter.
 */
static uint64
execute_for(EvauditStatement *statement, int64 source_id,
			OffsetColumns *columns, int n, const char *cluster)
{
	Datum		values[NCOLUMNS + 1];

	values[0] = Int64GetDatum(source_id);
	bind_columns(values, columns, n);
	if (cluster != NULL)
		values[NCOLUMNS] = CStringGetTextDatum(cluster);
	return evaudit_spi_execute(statement, values, NULL);
}

/*
 * The topic of a partition is another one than before: count its incarnation
 * up, in a transaction, unless another partition or source has; and read that.
 */
void
evaudit_offsets_count_incarnation(const char *cluster, EvauditOffset *offset)
{
	static EvauditStatement count = {
		"INSERT INTO evaudit.kafka_topics AS t (cluster, topic, incarnation)"
		" VALUES ($1, $2, $3 + 1) ON CONFLICT (cluster, topic)"
		" DO UPDATE SET incarnation = GREATEST(t.incarnation, $3 + 1)"
		" RETURNING incarnation",
		3, {TEXTOID, TEXTOID, INT4OID}
	};
	Datum		values[3] = {CStringGetTextDatum(cluster),
		CStringGetTextDatum(offset->topic),
	Int32GetDatum(offset->incarnation)};
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	(void) evaudit_spi_execute(&count, values, NULL);
	offset->incarnation = evaudit_spi_int32(0, 0);
	offset->remade = false;
	evaudit_spi_end(&spi);
}

/* Save the incarnation that a partition is read from. */
static void
save_incarnation(int64 source_id, const EvauditOffset *offset)
{
	static EvauditStatement save = {
		"UPDATE evaudit.offsets SET incarnation = $4"
		" WHERE source_id = $1 AND topic = $2 AND partition = $3",
		4, {INT8OID, TEXTOID, INT4OID, INT4OID}
	};
	Datum		values[4] = {Int64GetDatum(source_id),
		CStringGetTextDatum(offset->topic), Int32GetDatum(offset->partition),
	Int32GetDatum(offset->incarnation)};

	(void) evaudit_spi_execute(&save, values, NULL);
}

/*
 * Save what a batch changed, in its transaction.  False if one of the partitions was not where the
 * batch began: somebody else read or moved it, and nothing may be committed.
 */
bool
evaudit_offsets_save(int64 source_id, const char *cluster,
					 const EvauditOffsetChange *changes, int n)
{
	static EvauditStatement save = {
		LOCKED_ROWS
		"UPDATE evaudit.offsets o SET next_offset = n.next_offset,"
		" seen_offset = n.seen_offset, seen_time = n.seen_time,"
		" seen_checksum = n.seen_checksum, stopped = n.stopped,"
		" error = n.error FROM locked," COLUMN_ROWS
		" WHERE o.source_id = $1 AND o.topic = locked.topic"
		" AND o.partition = locked.partition AND n.topic = o.topic"
		" AND n.partition = o.partition AND o.next_offset = n.expected",
		NCOLUMNS, {COLUMN_TYPES}
	};
	OffsetColumns columns = make_columns(n);
	uint64		saved;
	EvauditSpi	spi;

	for (int i = 0; i < n; i++)
		set_columns(&columns, i, changes[i].now, changes[i].expected);
	evaudit_spi_begin(&spi);
	saved = execute_for(&save, source_id, &columns, n, NULL);
	for (int i = 0; i < n; i++)
	{
		if (!changes[i].now->remade)
			continue;
		evaudit_offsets_count_incarnation(cluster, changes[i].now);
		save_incarnation(source_id, changes[i].now);
	}
	evaudit_spi_end(&spi);
	return saved == n;
}

/*
 * Add partitions that are not known yet, and note that the source has begun;
 * within a transaction.  Those that another worker added first stay.
 */
void
evaudit_offsets_add(int64 source_id, const char *cluster,
					const EvauditOffset *offsets, int n)
{
	static EvauditStatement begin = {
		"UPDATE evaudit.sources SET started_at = now()"
		" WHERE id = $1 AND started_at IS NULL",
		1, {INT8OID}
	};
	static EvauditStatement add = {
		"INSERT INTO evaudit.offsets (source_id, topic, partition,"
		" next_offset, seek, incarnation)"
		" SELECT $1, n.topic, n.partition, n.next_offset, n.seek,"
		" COALESCE((SELECT t.incarnation FROM evaudit.kafka_topics t"
		"  WHERE t.cluster = $12 AND t.topic = n.topic), 1)"
		" FROM (SELECT FROM evaudit.sources WHERE id = $1 FOR KEY SHARE) s,"
		COLUMN_ROWS " ON CONFLICT DO NOTHING",
		NCOLUMNS + 1, {COLUMN_TYPES, TEXTOID}
	};
	OffsetColumns columns = make_columns(n);
	Datum		id = Int64GetDatum(source_id);
	EvauditSpi	spi;

	for (int i = 0; i < n; i++)
		set_columns(&columns, i, &offsets[i], 0);
	evaudit_spi_begin(&spi);
	evaudit_spi_execute(&begin, &id, NULL);
	if (n > 0)
		execute_for(&add, source_id, &columns, n, cluster);
	evaudit_spi_end(&spi);
}

/*
 * Save the offsets of partitions that waited for their lookup, in a
 * transaction; those that wait no more, or for another one, stay.
 */
void
evaudit_offsets_found(int64 source_id, const EvauditOffset *offsets, int n)
{
	static EvauditStatement found = {
		LOCKED_ROWS
		"UPDATE evaudit.offsets o SET next_offset = n.next_offset,"
		" seek = NULL, reread_from = n.next_offset FROM locked," COLUMN_ROWS
		" WHERE o.source_id = $1 AND o.topic = locked.topic"
		" AND o.partition = locked.partition AND n.topic = o.topic"
		" AND n.partition = o.partition AND o.seek IS NOT NULL"
		" AND n.next_offset IS NOT NULL",
		NCOLUMNS, {COLUMN_TYPES}
	};
	OffsetColumns columns = make_columns(n);
	EvauditSpi	spi;

	for (int i = 0; i < n; i++)
		set_columns(&columns, i, &offsets[i], 0);
	evaudit_spi_begin(&spi);
	execute_for(&found, source_id, &columns, n, NULL);
	evaudit_spi_end(&spi);
}

/*
 * Move partitions to where seek_source() wants them, and clear the request
 * unless a later one came; within a transaction.  What is before the furthest
 * place that they were read to is read again, but for a partition that
 * stopped: its records are others by now.
 */
void
evaudit_offsets_move(int64 source_id, int seek_number,
					 const EvauditOffset *offsets, int n)
{
	static EvauditStatement move = {
		LOCKED_ROWS
		"UPDATE evaudit.offsets o SET next_offset = n.next_offset,"
		" seek = n.seek, seen_offset = NULL, seen_time = NULL,"
		" seen_checksum = NULL, stopped = false, error = NULL,"
		" reread_from = n.next_offset, reread_until = CASE WHEN NOT o.stopped"
		" THEN GREATEST(o.next_offset, o.reread_until) END,"
		" reread_since = now()"
		" FROM locked," COLUMN_ROWS
		" WHERE o.source_id = $1 AND o.topic = locked.topic"
		" AND o.partition = locked.partition AND n.topic = o.topic"
		" AND n.partition = o.partition",
		NCOLUMNS, {COLUMN_TYPES}
	};
	static EvauditStatement forget = {
		"UPDATE evaudit.sources SET seek = NULL"
		" WHERE id = $1 AND seek_number = $2",
		2, {INT8OID, INT4OID}
	};
	OffsetColumns columns = make_columns(n);
	Datum		values[2] = {Int64GetDatum(source_id),
	Int32GetDatum(seek_number)};
	EvauditSpi	spi;

	for (int i = 0; i < n; i++)
		set_columns(&columns, i, &offsets[i], 0);
	evaudit_spi_begin(&spi);
	evaudit_spi_execute(&forget, values, NULL);
	if (n > 0)
		execute_for(&move, source_id, &columns, n, NULL);
	evaudit_spi_end(&spi);
}
