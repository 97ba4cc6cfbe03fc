/*-------------------------------------------------------------------------
 *
 * redrive.c
 *	  evaudit.redrive(): dead letters are tried again.
 *
 * They go the way of a source's events, in the caller's transaction and with
 * the caller's rights, some hundred at a time.  Those that go through are
 * marked; the others say why they did not this time.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "events/event_json.h"
#include "events/ingest.h"
#include "server/spi.h"

/* Dead letters that are loaded and tried at a time, and bytes of these. */
#define REDRIVE_BATCH	500
#define REDRIVE_BYTES	(16 * 1024 * 1024)

PG_FUNCTION_INFO_V1(evaudit_redrive_ids);
PG_FUNCTION_INFO_V1(evaudit_redrive_source);

/* Dead letters of one topic. */
typedef struct Letters
{
	char	   *topic;
	int64	   *ids;
	EvauditEvent *events;
	int			n;
} Letters;

/*
 * The ids of those among the wanted dead letters that the current user may
 * see and that are still to be tried, by topic: the view decides.
 */
static int64 *
permitted_ids(EvauditStatement *select, Datum wanted, int *n)
{
	MemoryContext context = CurrentMemoryContext;
	int64	   *ids;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	*n = (int) evaudit_spi_execute(select, &wanted, NULL);
	ids = MemoryContextAllocHuge(context, Max(*n, 1) * sizeof(int64));
	for (int i = 0; i < *n; i++)
		ids[i] = evaudit_spi_int64(i, 0);
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "could not disconnect from SPI");
	return ids;
}

/* Some ids as an array. */
static Datum
id_array(const int64 *ids, int n)
{
	Datum	   *values = palloc(Max(n, 1) * sizeof(Datum));

	for (int i = 0; i < n; i++)
		values[i] = Int64GetDatum(ids[i]);
	return PointerGetDatum(construct_array(values, n, INT8OID, sizeof(int64),
										   FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

/* A bytea of the result as bytes; NULL stays NULL. */
static const char *
read_bytes(int row, int column, size_t *len)
{
	bool		isnull;
	Datum		value = evaudit_spi_datum(row, column, &isnull);
	bytea	   *bytes;

	*len = 0;
	if (isnull)
		return NULL;
	bytes = DatumGetByteaPCopy(value);
	*len = VARSIZE(bytes) - VARHDRSZ;
	return VARDATA(bytes);
}

/* Make an event of a row of load_letters(), as it was received. */
static void
read_event(int row, EvauditEvent *event)
{
	bool		isnull;
	Datum		value;

	event->key = read_bytes(row, 2, &event->key_len);
	event->payload = read_bytes(row, 3, &event->payload_len);
	value = evaudit_spi_datum(row, 4, &isnull);
	event->has_record_time = !isnull;
	event->record_time = DatumGetTimestampTz(value);
	event->source = evaudit_spi_text(row, 5);
	value = evaudit_spi_datum(row, 6, &isnull);
	if (!isnull)
		evaudit_event_set_position(event, DatumGetJsonbP(value));
	value = evaudit_spi_datum(row, 7, &isnull);
	if (!isnull)
		evaudit_event_set_headers(event, DatumGetJsonbP(value));
	event->transport_id = evaudit_spi_text_or_null(row, 8);
}

/*
 * Load and lock dead letters, up to the first of another topic and as many as
 * memory should hold.  Returns how many of the ids are done with then.
 *
 * Those that somebody else put through meanwhile are left out.  So are those
 * whose envelope was not believed: what it holds would go past the check that
 * refused it, unless their source takes messages without envelopes now.
 */
static int
load_letters(const int64 *ids, int n, Letters *letters)
{
	static EvauditStatement load = {
		"SELECT id, topic, key, payload, record_time, source,"
		" source_position, headers, transport_id"
		" FROM evaudit.dead_letter d"
		" WHERE id = ANY ($1) AND redriven_at IS NULL"
		" AND (reason NOT IN ('bad_envelope', 'bad_signature')"
		"  OR EXISTS (SELECT FROM evaudit.sources s WHERE s.name = d.source"
		"   AND COALESCE(s.options->>'envelope', 'raw') = 'raw'))"
		" ORDER BY topic, id FOR UPDATE OF d",
		1, {INT8ARRAYOID}
	};
	MemoryContext context = CurrentMemoryContext;
	Datum		value = id_array(ids, n);
	int			found;
	int			done = n;
	size_t		bytes = 0;
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	found = (int) evaudit_spi_execute(&load, &value, NULL);
	MemoryContextSwitchTo(context);
	letters->n = 0;
	letters->ids = palloc(Max(found, 1) * sizeof(int64));
	letters->events = palloc0(Max(found, 1) * sizeof(EvauditEvent));
	for (int i = 0; i < found; i++)
	{
		EvauditEvent *event = &letters->events[i];
		char	   *topic = evaudit_spi_text(i, 1);

		letters->ids[i] = evaudit_spi_int64(i, 0);
		if (i > 0 &&
			(bytes >= REDRIVE_BYTES || strcmp(topic, letters->topic) != 0))
		{
			for (done = 0; ids[done] != letters->ids[i]; done++)
				;
			break;
		}
		letters->topic = topic;
		read_event(i, event);
		bytes += event->payload_len;
		letters->n++;
	}
	evaudit_spi_end(&spi);
	return done;
}

/* Mark those that went through; note why the others did not. */
static void
save_outcome(const Letters *letters)
{
	static EvauditStatement mark = {
		"UPDATE evaudit.dead_letter SET redriven_at = clock_timestamp()"
		" WHERE id = $1",
		1, {INT8OID}
	};
	static EvauditStatement note = {
		"UPDATE evaudit.dead_letter"
		" SET reason = $2, error = $3, sqlstate = $4 WHERE id = $1",
		4, {INT8OID, TEXTOID, TEXTOID, TEXTOID}
	};
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	for (int i = 0; i < letters->n; i++)
	{
		const EvauditEvent *event = &letters->events[i];
		Datum		values[4] = {Int64GetDatum(letters->ids[i])};
		char		nulls[4] = {' ', ' ', ' ', 'n'};

		if (event->reason == EVAUDIT_ACCEPTED)
		{
			(void) evaudit_spi_execute(&mark, values, NULL);
			continue;
		}
		values[1] = CStringGetTextDatum(evaudit_reason_name(event->reason));
		values[2] = CStringGetTextDatum(event->error);
		if (event->sqlstate != 0)
		{
			values[3] = CStringGetTextDatum(unpack_sql_state(event->sqlstate));
			nulls[3] = ' ';
		}
		(void) evaudit_spi_execute(&note, values, nulls);
	}
	evaudit_spi_end(&spi);
}

/*
 * Try again those of the wanted dead letters that the current user may see;
 * returns how many now went through.  Constraints are immediate from here to
 * the end of the caller's transaction: else one letter could undo the others
 * at commit, and the number would be none.
 */
static int64
redrive(EvauditStatement *permitted, Datum wanted)
{
	int			n;
	const int64 *ids = permitted_ids(permitted, wanted, &n);
	MemoryContext batch = AllocSetContextCreate(CurrentMemoryContext,
												"evaudit redrive",
												ALLOCSET_DEFAULT_SIZES);
	int64		through = 0;

	if (n > 0)
		evaudit_constraints_immediate();
	while (n > 0)
	{
		MemoryContext previous = MemoryContextSwitchTo(batch);
		Letters		letters;
		EvauditIngested result;
		int			done = load_letters(ids, Min(n, REDRIVE_BATCH), &letters);

		if (letters.n > 0)
		{
			evaudit_ingest(evaudit_topic_load(letters.topic, false),
						   letters.events, letters.n, &result);
			save_outcome(&letters);
			through += letters.n - (int64) result.rejected;
		}
		ids += done;
		n -= done;
		MemoryContextSwitchTo(previous);
		MemoryContextReset(batch);
		CHECK_FOR_INTERRUPTS();
	}
	MemoryContextDelete(batch);
	return through;
}

/* redrive(ids bigint[]) returns bigint */
Datum
evaudit_redrive_ids(PG_FUNCTION_ARGS)
{
	static EvauditStatement permitted = {
		"SELECT id FROM evaudit.dead_letters"
		" WHERE id OPERATOR(pg_catalog.=) ANY ($1) AND redriven_at IS NULL"
		" ORDER BY topic, id",
		1, {INT8ARRAYOID}
	};

	PG_RETURN_INT64(redrive(&permitted, PG_GETARG_DATUM(0)));
}

/* redrive(source text) returns bigint */
Datum
evaudit_redrive_source(PG_FUNCTION_ARGS)
{
	static EvauditStatement permitted = {
		"SELECT id FROM evaudit.dead_letters"
		" WHERE source OPERATOR(pg_catalog.=) $1 AND redriven_at IS NULL"
		" ORDER BY topic, id",
		1, {TEXTOID}
	};

	PG_RETURN_INT64(redrive(&permitted, PG_GETARG_DATUM(0)));
}
