/*-------------------------------------------------------------------------
 *
 * position.c
 *	  How far a sink has got in the outbox: evaudit.sink_positions.
 *
 * Whoever moves a position adds the next version of it.  Two that do so at a
 * time, the process of a sink and seek_sink(), cannot both succeed: the second
 * violates the primary key, and a process begins again then.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "server/spi.h"
#include "sinks/position.h"
#include "text/rfc3339.h"

/* The snapshot in which nothing is visible. */
#define NOTHING		"1:1:"

/*
 * A snapshot's text with a transaction that it does not list as running.
 * What pg_current_snapshot() shows never has the transaction that calls it,
 * which then would count as complete.
 */
static char *
with_running(char *snapshot, uint64 xid)
{
	char	   *p;
	uint64		xmin = strtou64(snapshot, &p, 10);
	uint64		xmax = strtou64(p + 1, &p, 10);
	bool		listed = false;
	const char *separator = "";
	StringInfoData str;

	if (xid >= xmax)
		return snapshot;
	initStringInfo(&str);
	appendStringInfo(&str, UINT64_FORMAT ":" UINT64_FORMAT ":",
					 Min(xmin, xid), xmax);
	for (p++; *p != '\0'; p += *p == ',')
	{
		uint64		running = strtou64(p, &p, 10);

		if (!listed && xid < running)
		{
			appendStringInfo(&str, "%s" UINT64_FORMAT, separator, xid);
			separator = ",";
			listed = true;
		}
		appendStringInfo(&str, "%s" UINT64_FORMAT, separator, running);
		separator = ",";
	}
	if (!listed)
		appendStringInfo(&str, "%s" UINT64_FORMAT, separator, xid);
	return str.data;
}

/*
 * The snapshot of this moment as text, in the current memory context: what is
 * complete.  The transaction that asks is not.
 */
char *
evaudit_snapshot_now(void)
{
	FullTransactionId own = GetTopFullTransactionIdIfAny();
	char	   *shown;
	Datum		snapshot;

	PushActiveSnapshot(GetLatestSnapshot());
	snapshot = DirectFunctionCall1(pg_current_snapshot, (Datum) 0);
	PopActiveSnapshot();
	shown = DatumGetCString(DirectFunctionCall1(pg_snapshot_out, snapshot));
	return FullTransactionIdIsValid(own) ?
		with_running(shown, U64FromFullTransactionId(own)) : shown;
}

/* The greatest seq that was drawn of the outbox, or the audit. */
int64
evaudit_last_seq(bool audit)
{
	static EvauditStatement read[] = {
		{
			"SELECT last_value - CASE WHEN is_called THEN 0 ELSE 1 END"
			" FROM evaudit.outbox_seq"
		},
		{
			"SELECT last_value - CASE WHEN is_called THEN 0 ELSE 1 END"
			" FROM $S.audit_seq_seq"
		},
	};
	int64		seq;
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	(void) evaudit_spi_read_latest(&read[audit], NULL, NULL);
	seq = evaudit_spi_int64(0, 0);
	evaudit_spi_end(&spi);
	return seq;
}

/* A column that may be null, as a number: 0. */
static int64
number_or_zero(int column)
{
	return evaudit_spi_is_null(0, column) ? 0 : evaudit_spi_int64(0, column);
}

/*
 * Load the position of a sink, in the current memory context; an ERROR if it
 * has none.
 */
void
evaudit_position_load(int64 sink_id, EvauditPosition *position)
{
	static EvauditStatement load = {
		"SELECT version, low, low_seq, high, high_seq, next_low_seq, done_seq,"
		" number, chunk_seq, hash FROM evaudit.sink_positions"
		" WHERE sink_id = $1 ORDER BY version DESC LIMIT 1",
		1, {INT8OID}
	};
	MemoryContext context = CurrentMemoryContext;
	Datum		value = Int64GetDatum(sink_id);
	char	   *hash;
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	if (evaudit_spi_read_latest(&load, &value, NULL) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the sink has no place in the outbox"),
				 errhint("Use evaudit.seek_sink().")));
	MemoryContextSwitchTo(context);
	position->version = evaudit_spi_int64(0, 0);
	position->low = evaudit_spi_text(0, 1);
	position->low_seq = evaudit_spi_int64(0, 2);
	position->high = evaudit_spi_text_or_null(0, 3);
	position->high_seq = number_or_zero(4);
	position->next_low_seq = number_or_zero(5);
	position->done_seq = evaudit_spi_int64(0, 6);
	position->number = evaudit_spi_int64(0, 7);
	position->chunk_seq = number_or_zero(8);
	hash = evaudit_spi_text_or_null(0, 9);
	strlcpy(position->hash, hash == NULL ? "" : hash, EVAUDIT_HASH_BYTES);
	evaudit_spi_end(&spi);
}

/* Add the next version of a position. */
void
evaudit_position_add(int64 sink_id, EvauditPosition *position)
{
	static EvauditStatement add = {
		"INSERT INTO evaudit.sink_positions VALUES ($1, $2, $3::pg_snapshot,"
		" $4, $5::pg_snapshot, $6, $7, $8, $9, NULLIF($10, 0), $11)",
		11, {INT8OID, INT8OID, TEXTOID, INT8OID, TEXTOID, INT8OID, INT8OID,
		INT8OID, INT8OID, INT8OID, TEXTOID}
	};
	Datum		values[11];
	char		nulls[11];
	EvauditSpi	spi;

	memset(nulls, ' ', sizeof(nulls));
	values[0] = Int64GetDatum(sink_id);
	values[1] = Int64GetDatum(position->version + 1);
	values[2] = CStringGetTextDatum(position->low);
	values[3] = Int64GetDatum(position->low_seq);
	if (position->high != NULL)
		values[4] = CStringGetTextDatum(position->high);
	else
		nulls[4] = nulls[5] = nulls[6] = 'n';
	values[5] = Int64GetDatum(position->high_seq);
	values[6] = Int64GetDatum(position->next_low_seq);
	values[7] = Int64GetDatum(position->done_seq);
	values[8] = Int64GetDatum(position->number);
	values[9] = Int64GetDatum(position->chunk_seq);
	values[10] = CStringGetTextDatum(position->hash);
	evaudit_spi_begin(&spi);
	(void) evaudit_spi_execute(&add, values, nulls);
	evaudit_spi_end(&spi);
	position->version++;
}

/*
 * Delete versions of a position.  "from" is the oldest that may be there, so
 * that those which were deleted before are not visited again.
 */
void
evaudit_position_trim(int64 sink_id, int64 from, int64 before)
{
	static EvauditStatement trim = {
		"DELETE FROM evaudit.sink_positions"
		" WHERE sink_id = $1 AND version >= $2 AND version < $3",
		3, {INT8OID, INT8OID, INT8OID}
	};
	Datum		values[3] = {Int64GetDatum(sink_id), Int64GetDatum(from),
	Int64GetDatum(before)};
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	(void) evaudit_spi_execute(&trim, values, NULL);
	evaudit_spi_end(&spi);
}

/*
 * Have a position follow the one that there is.  Its number begins anew, for
 * whoever moves a sink gives it another identity: what destinations remember
 * is of the one before.
 */
static void
continue_from(int64 sink_id, EvauditPosition *position)
{
	static EvauditStatement find = {
		"SELECT version FROM evaudit.sink_positions"
		" WHERE sink_id = $1 ORDER BY version DESC LIMIT 1",
		1, {INT8OID}
	};
	Datum		value = Int64GetDatum(sink_id);
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	if (evaudit_spi_read_latest(&find, &value, NULL) > 0)
		position->version = evaudit_spi_int64(0, 0);
	evaudit_spi_end(&spi);
}

/* Put a sink where nothing that is committed now is before it. */
void
evaudit_position_latest(int64 sink_id)
{
	EvauditPosition position = {.low = evaudit_snapshot_now()};

	continue_from(sink_id, &position);
	evaudit_position_add(sink_id, &position);
}

/* The seq before that of the first event received at a time or later. */
static bool
seq_before(TimestampTz time, bool audit, int64 *seq)
{
	static EvauditStatement find[] = {
		{
			"SELECT min(seq) - 1 FROM evaudit.outbox WHERE received_at >= $1",
			1, {TIMESTAMPTZOID}
		},
		{
			"SELECT min(seq) - 1 FROM $S.audit WHERE modification_time >= $1",
			1, {TIMESTAMPTZOID}
		},
	};
	Datum		value = TimestampTzGetDatum(time);
	bool		found;
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	(void) evaudit_spi_read_latest(&find[audit], &value, NULL);
	found = !evaudit_spi_is_null(0, 0);
	if (found)
		*seq = evaudit_spi_int64(0, 0);
	evaudit_spi_end(&spi);
	return found;
}

/*
 * Move a sink to "earliest", "latest" or a time; false if the target is none
 * of these.
 */
bool
evaudit_position_seek(int64 sink_id, const char *target, bool audit)
{
	EvauditPosition position = {.low = NOTHING};
	TimestampTz time;

	if (strcmp(target, "latest") == 0)
	{
		evaudit_position_latest(sink_id);
		return true;
	}
	if (strcmp(target, "earliest") != 0)
	{
		if (!evaudit_rfc3339_parse(target, strlen(target), &time))
			return false;
		if (!seq_before(time, audit, &position.done_seq))
		{
			evaudit_position_latest(sink_id);
			return true;
		}
	}
	continue_from(sink_id, &position);
	evaudit_position_add(sink_id, &position);
	return true;
}
