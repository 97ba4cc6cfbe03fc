/*-------------------------------------------------------------------------
 *
 * stream.c
 *	  The outbox, or the audit, read by differences of snapshots.
 *
 * A batch is what is visible in a snapshot, high, and was not in the one
 * before, low: whatever was committed between the two, and nothing else.  So
 * nothing is lost, whatever the order of commits, and a transaction that stays
 * open delays no rows but its own.  Within a batch rows come by seq, which is
 * drawn when a row is written: of two events of which one was committed before
 * the other was written, the first is in an earlier batch, or comes earlier
 * in the same.
 *
 * Two parts make up a batch:
 *
 * - Rows of transactions that came to their end after low, and were not
 *	 listed in it: xid >= xmax(low).  Each of them drew its xid after
 *	 low_seq was read: it was read before an xid was drawn that was complete
 *	 in low.  And it drew its seq after its xid.  So these rows lie between
 *	 low_seq and high_seq, which is read after high was taken.
 * - Rows of transactions that low lists as running and that are visible in
 *	 high, wherever they lie.
 *
 * The audit is read like the outbox: its rows have the same two columns, drawn
 * in the same order, and a number of the epoch in which xids mean anything.
 * It is read with the rights of the sink's owner, whose row security decides.
 *
 * A batch is read in chunks, each up to a number of rows and bytes, whose end
 * is kept: done_seq.  A position survives a crash: its commit is flushed with
 * all that was visible, so that no xid below its xmax is given out again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "audit/context.h"
#include "server/setting.h"
#include "server/spi.h"
#include "sinks/stream_rows.h"

/* Rows that a chunk has room for at first. */
#define FIRST_ROWS		64

struct EvauditStream
{
	EvauditPosition *position;
	bool		audit;			/* rather than the outbox */
	MemoryContext context;		/* of the process, position's strings too */
	MemoryContext batch_context;
	int64		safe_seq;		/* read before an xid was drawn that is
								 * complete: low_seq of snapshots from now on */
	EvauditWanted *wanted;		/* topics */
	bool		late_known;
	int			nlate;			/* transactions that low lists as running and
								 * that have rows in this batch */
	Datum	   *late;			/* their xids */
};

/* Columns of the queries: enum EvauditRowColumn. */
#define ROW_COLUMNS \
	"seq, topic, event_id, key, payload, headers, event_time, subject," \
	" source, source_position, received_at"

/*
 * An audit row as an event.  Its document does not say what it is of: the key
 * and the headers do.
 */
#define AUDIT_COLUMNS \
	"a.seq, 'audit', a.id::text," \
	" convert_to(jsonb_build_array(a.relation, a.item_key)::text, 'UTF8')," \
	" $S.document(a), jsonb_strip_nulls(jsonb_build_object(" \
	"'relation', a.relation, 'operation', a.operation," \
	" 'request_id', a.request_id)), a.modification_time, a.actor," \
	" NULL::text, NULL::jsonb, a.modification_time"


/* Begin to read topics from a position, in the current memory context. */
EvauditStream *
evaudit_stream_open(EvauditPosition *position, List *topics, bool audit)
{
	EvauditStream *stream = palloc0(sizeof(EvauditStream));

	stream->position = position;
	stream->audit = audit;
	stream->context = CurrentMemoryContext;
	stream->wanted = evaudit_wanted_open(topics);
	stream->batch_context = AllocSetContextCreate(CurrentMemoryContext,
												  "evaudit stream batch",
												  ALLOCSET_SMALL_SIZES);
	/* read before the xid of the transaction that wrote the position */
	stream->safe_seq = position->high != NULL ?
		position->high_seq : position->low_seq;
	return stream;
}

/* Take the second snapshot of a batch, within a transaction without an xid. */
void
evaudit_stream_begin_batch(EvauditStream *stream)
{
	EvauditPosition *position = stream->position;
	MemoryContext previous = MemoryContextSwitchTo(stream->context);

	Assert(position->high == NULL);
	position->high = evaudit_snapshot_now();
	position->next_low_seq = stream->safe_seq;
	MemoryContextSwitchTo(previous);
	/* in this order: what is visible in high has a seq up to here */
	position->high_seq = evaudit_last_seq(stream->audit);
	stream->late_known = false;
}

/* All of the batch is done: the next one begins where it ended. */
void
evaudit_stream_end_batch(EvauditStream *stream)
{
	EvauditPosition *position = stream->position;

	pfree(position->low);
	position->low = position->high;
	position->low_seq = position->next_low_seq;
	position->high = NULL;
	position->done_seq = 0;
}

/*
 * A transaction is committed that drew an xid after the seq was read that the
 * batch, or the one that was just begun, has.
 */
void
evaudit_stream_moved(EvauditStream *stream)
{
	stream->safe_seq = Max(stream->safe_seq, stream->position->high_seq);
}

/*
 * Find the transactions that low lists as running and that have rows in the
 * batch.
 */
static void
find_late(EvauditStream *stream, int64 after_seq)
{
	static EvauditStatement find[] = {
		{
			"SELECT x FROM pg_snapshot_xip($1::pg_snapshot) x"
			" WHERE pg_visible_in_snapshot(x, $2::pg_snapshot)"
			" AND EXISTS (SELECT FROM evaudit.outbox o"
			"  WHERE o.xid = x AND o.seq > $3)",
			3, {TEXTOID, TEXTOID, INT8OID}
		},
		{
			"SELECT x FROM pg_snapshot_xip($1::pg_snapshot) x"
			" WHERE pg_visible_in_snapshot(x, $2::pg_snapshot)"
			" AND EXISTS (SELECT FROM $S.audit a"
			"  WHERE a.xid = x AND a.seq > $3 AND a.epoch = $4)",
			4, {TEXTOID, TEXTOID, INT8OID, INT4OID}
		},
	};
	EvauditPosition *position = stream->position;
	Datum		values[4];

	if (stream->late_known)
		return;
	MemoryContextReset(stream->batch_context);
	values[0] = CStringGetTextDatum(position->low);
	values[1] = CStringGetTextDatum(position->high);
	values[2] = Int64GetDatum(after_seq);
	values[3] = Int32GetDatum(evaudit_context_epoch());
	stream->nlate = (int) evaudit_spi_read(&find[stream->audit], values, NULL);
	stream->late = MemoryContextAlloc(stream->batch_context,
									  Max(stream->nlate, 1) * sizeof(Datum));
	for (int i = 0; i < stream->nlate; i++)
		stream->late[i] = evaudit_spi_datum_of(i, 0, XID8OID);
	stream->late_known = true;
}

/*
 * Where nothing is known of where a batch of the audit begins, as in the first
 * one of a sink, find it by the index on xid: the audit may hold years.
 */
static void
find_start(EvauditStream *stream, int64 after_seq)
{
	static EvauditStatement find = {
		"SELECT COALESCE(min(a.seq) - 1, $3) FROM $S.audit a"
		" WHERE a.xid >= pg_snapshot_xmax($1::pg_snapshot)"
		" AND (a.epoch = $2) IS TRUE AND (a.seq <= $3) IS TRUE",
		3, {TEXTOID, INT4OID, INT8OID}
	};
	EvauditPosition *position = stream->position;
	Datum		values[3];

	if (!stream->audit || position->low_seq != 0 || after_seq != 0)
		return;
	values[0] = CStringGetTextDatum(position->low);
	values[1] = Int32GetDatum(evaudit_context_epoch());
	values[2] = Int64GetDatum(position->high_seq);
	(void) evaudit_spi_read(&find, values, NULL);
	position->low_seq = evaudit_spi_int64(0, 0);
}

/* A snapshot of its text; the queries would read it anew for each row. */
static Datum
snapshot_of(const char *str)
{
	return DirectFunctionCall1(pg_snapshot_in, CStringGetDatum(str));
}

/* Open the parts of the batch; returns how many there are. */
static int
open_parts(EvauditStream *stream, int64 after_seq, Portal *parts)
{
	static EvauditStatement recent[] = {
		{
			"SELECT " ROW_COLUMNS " FROM evaudit.outbox"
			" WHERE seq > $1 AND seq <= $2"
			/* IS TRUE: not by the index on xid */
			" AND (xid >= $3) IS TRUE"
			" AND pg_visible_in_snapshot(xid, $4) ORDER BY seq",
			4, {INT8OID, INT8OID, XID8OID, PG_SNAPSHOTOID},
			CURSOR_OPT_GENERIC_PLAN
		},
		{
			"SELECT " AUDIT_COLUMNS " FROM $S.audit a"
			" WHERE a.seq > $1 AND a.seq <= $2 AND a.epoch = $5"
			" AND (a.xid >= $3) IS TRUE"
			" AND pg_visible_in_snapshot(a.xid, $4)"
			" ORDER BY a.seq",
			5, {INT8OID, INT8OID, XID8OID, PG_SNAPSHOTOID, INT4OID},
			CURSOR_OPT_GENERIC_PLAN
		},
	};
	static EvauditStatement late[] = {
		{
			"SELECT " ROW_COLUMNS " FROM evaudit.outbox"
			" WHERE xid = $1 AND seq > $2 ORDER BY seq",
			2, {XID8OID, INT8OID}, CURSOR_OPT_GENERIC_PLAN
		},
		{
			"SELECT " AUDIT_COLUMNS " FROM $S.audit a"
			" WHERE a.xid = $1 AND a.seq > $2 AND a.epoch = $3 ORDER BY a.seq",
			3, {XID8OID, INT8OID, INT4OID}, CURSOR_OPT_GENERIC_PLAN
		},
	};
	EvauditPosition *position = stream->position;
	Datum		epoch = Int32GetDatum(evaudit_context_epoch());
	Datum		values[5];

	values[0] = Int64GetDatum(Max(after_seq, position->low_seq));
	values[1] = Int64GetDatum(position->high_seq);
	values[2] = DirectFunctionCall1(pg_snapshot_xmax,
									snapshot_of(position->low));
	values[3] = snapshot_of(position->high);
	values[4] = epoch;
	parts[0] = evaudit_spi_open(&recent[stream->audit], values, NULL);
	for (int i = 0; i < stream->nlate; i++)
	{
		values[0] = stream->late[i];
		values[1] = Int64GetDatum(after_seq);
		values[2] = epoch;
		parts[i + 1] = evaudit_spi_open(&late[stream->audit], values, NULL);
	}
	return stream->nlate + 1;
}

/*
 * Have the parts read by their indexes, in the order of seq: nothing is known
 * of how the outbox is filled, and a sort would read all of a backlog for each
 * chunk.  Returns what evaudit_spi_end() undoes.
 */
static void
plan_by_indexes(void)
{
	static const char *const settings[] = {
		"enable_seqscan", "enable_bitmapscan", "enable_sort", "jit"
	};

	for (int i = 0; i < lengthof(settings); i++)
		evaudit_set_locally(settings[i], "off");
}

/*
 * Read the chunk of the batch that follows a seq, within a transaction and in
 * the current memory context.
 */
void
evaudit_stream_read(EvauditStream *stream, EvauditChunk *chunk)
{
	MemoryContext context = CurrentMemoryContext;
	Portal	   *parts;
	int			nparts;
	EvauditSpi	spi;

	if (chunk->rows == NULL)
	{
		chunk->room = FIRST_ROWS;
		chunk->rows = MemoryContextAlloc(stream->context, FIRST_ROWS *
										 sizeof(EvauditStreamRow));
	}
	chunk->end_seq = chunk->after_seq;
	if (stream->audit)
		evaudit_spi_begin_as(&spi, GetUserId());
	else
		evaudit_spi_begin(&spi);
	plan_by_indexes();
	PushActiveSnapshot(GetLatestSnapshot());
	find_start(stream, chunk->after_seq);
	find_late(stream, chunk->after_seq);
	parts = palloc((stream->nlate + 1) * sizeof(Portal));
	nparts = open_parts(stream, chunk->after_seq, parts);
	evaudit_stream_take(parts, nparts, stream->wanted, context, chunk);
	for (int i = 0; i < nparts; i++)
		SPI_cursor_close(parts[i]);
	PopActiveSnapshot();
	evaudit_spi_end(&spi);
}
