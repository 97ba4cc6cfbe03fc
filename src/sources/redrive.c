/*-------------------------------------------------------------------------
 *
 * redrive.c
 *	  evaudit.redrive(): dead letters are tried again.
 *
 * They go the way of a source's events, with the caller's rights, and by the
 * options that source and topic have now (receive_again.c).  Those that go
 * through are marked; the others say why they did not this time.  Schemas that
 * they miss are requested (schema_request.c): a backend asks no registry.
 *
 * They are taken in chunks of ids, in their order, so that memory does not
 * grow with their number.  redrive() is one transaction, the caller's;
 * redrive_all() commits after each chunk.  Only letters are taken that are
 * there at the start: a source that goes on failing would keep it busy for
 * ever.  Statements are planned for the ids of each chunk; a plan for ids not
 * known compares each row with each of them.
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
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "events/event_json.h"
#include "events/ingest.h"
#include "formats/format.h"
#include "server/arguments.h"
#include "server/procedure.h"
#include "server/progress.h"
#include "server/spi.h"
#include "sources/receive_again.h"
#include "sources/schema_request.h"

/* Dead letters that are taken at a time, and bytes that are loaded of these. */
#define CHUNK_LETTERS	2000
#define LOADED_BYTES	(16 * 1024 * 1024)

PG_FUNCTION_INFO_V1(evaudit_redrive_ids);
PG_FUNCTION_INFO_V1(evaudit_redrive_source);
PG_FUNCTION_INFO_V1(evaudit_redrive_all);

/* Dead letters of one topic. */
typedef struct Letters
{
	char	   *topic;
	int64	   *ids;
	EvauditEvent *events;
	int			n;
} Letters;

/* The letters of a source that are still to be taken. */
typedef struct Remaining
{
	Datum		source;			/* text */
	EvauditProgress *progress;
	int64		after;			/* those of larger ids, */
	int64		last;			/* up to this one */
} Remaining;

/*
 * The ids that the rows of the last query have in their first column, as an
 * array in the given context.
 */
static int64 *
result_ids(MemoryContext context, int n)
{
	int64	   *ids = MemoryContextAlloc(context, Max(n, 1) * sizeof(int64));

	for (int i = 0; i < n; i++)
		ids[i] = evaudit_spi_int64(i, 0);
	return ids;
}

/*
 * The next chunk of a source's letters that are still to be tried, in the
 * current memory context.
 */
static int64 *
next_chunk(Remaining *remaining, int *n)
{
	static EvauditStatement select = {
		"SELECT id FROM evaudit.dead_letter_store"
		" WHERE source = $1 AND redriven_at IS NULL AND id > $2 AND id <= $3"
		" ORDER BY id LIMIT $4",
		4, {TEXTOID, INT8OID, INT8OID, INT4OID}
	};
	MemoryContext context = CurrentMemoryContext;
	Datum		values[] = {remaining->source,
		Int64GetDatum(remaining->after), Int64GetDatum(remaining->last),
	Int32GetDatum(CHUNK_LETTERS)};
	int64	   *ids;
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	*n = (int) evaudit_spi_execute(&select, values, NULL);
	ids = result_ids(context, *n);
	evaudit_spi_end(&spi);
	if (*n > 0)
		remaining->after = ids[*n - 1];
	return ids;
}

/*
 * Those of a chunk that the view shows to the current user, by topic, in the
 * current memory context.
 */
static int64 *
permitted_ids(const int64 *wanted, int nwanted, int *n)
{
	static EvauditStatement select = {
		"SELECT id FROM evaudit.dead_letters"
		" WHERE id OPERATOR(pg_catalog.=) ANY ($1) AND redriven_at IS NULL"
		" ORDER BY topic, id",
		1, {INT8ARRAYOID},.plan_options = CURSOR_OPT_CUSTOM_PLAN
	};
	MemoryContext context = CurrentMemoryContext;
	Datum		value = evaudit_spi_int64_array(wanted, nwanted);
	int64	   *ids;

	SPI_connect();
	*n = (int) evaudit_spi_execute(&select, &value, NULL);
	ids = result_ids(context, *n);
	SPI_finish();
	return ids;
}

/* The columns of load_letters(). */
enum
{
	LETTER_ID,
	LETTER_TOPIC,
	LETTER_KEY,
	LETTER_PAYLOAD,
	LETTER_RECORD_TIME,
	LETTER_SOURCE,
	LETTER_POSITION,
	LETTER_HEADERS,
	LETTER_TRANSPORT_ID,
	LETTER_ENVELOPE,
	LETTER_TOPIC_ARN,
	LETTER_VERIFIED,
	LETTER_REASON,
	LETTER_ERROR
};

/* A bytea of the result as bytes; NULL stays NULL. */
static const char *
read_bytes(int row, int column, size_t *len)
{
	bytea	   *bytes = evaudit_spi_bytea_or_null(row, column);

	*len = 0;
	if (bytes == NULL)
		return NULL;
	*len = VARSIZE(bytes) - VARHDRSZ;
	return VARDATA(bytes);
}

/* Make an event of a row of load_letters(), as it was received. */
static void
read_event(int row, EvauditEvent *event)
{
	char	   *reason = evaudit_spi_text(row, LETTER_REASON);
	Jsonb	   *document;

	event->key = read_bytes(row, LETTER_KEY, &event->key_len);
	event->payload = read_bytes(row, LETTER_PAYLOAD, &event->payload_len);
	event->has_record_time = !evaudit_spi_is_null(row, LETTER_RECORD_TIME);
	if (event->has_record_time)
		event->record_time = evaudit_spi_timestamptz(row, LETTER_RECORD_TIME);
	event->redriven = true;
	event->source = evaudit_spi_text(row, LETTER_SOURCE);
	document = evaudit_spi_jsonb_or_null(row, LETTER_POSITION);
	if (document != NULL)
		evaudit_event_set_position(event, document);
	document = evaudit_spi_jsonb_or_null(row, LETTER_HEADERS);
	if (document != NULL)
		evaudit_event_set_headers(event, document);
	event->transport_id = evaudit_spi_text_or_null(row, LETTER_TRANSPORT_ID);
	event->envelope = evaudit_spi_text_or_null(row, LETTER_ENVELOPE);
	event->topic_arn = evaudit_spi_text_or_null(row, LETTER_TOPIC_ARN);
	event->verified = evaudit_spi_bool(row, LETTER_VERIFIED);

	/* what was not trusted is not, unless its source says otherwise now */
	if (strcmp(reason, evaudit_reason_name(EVAUDIT_BAD_ENVELOPE)) == 0)
		event->reason = EVAUDIT_BAD_ENVELOPE;
	else if (strcmp(reason, evaudit_reason_name(EVAUDIT_BAD_SIGNATURE)) == 0)
		event->reason = EVAUDIT_BAD_SIGNATURE;
	if (event->reason != EVAUDIT_ACCEPTED)
		event->error = evaudit_spi_text(row, LETTER_ERROR);
}

/*
 * Load and lock dead letters, up to the first of another topic and as many as
 * memory should hold.  Returns how many of the ids are done with then.
 *
 * Those that somebody else put through meanwhile are left out.
 */
static int
load_letters(const int64 *ids, int n, Letters *letters)
{
	static EvauditStatement load = {
		"SELECT id, topic, key, payload, record_time, source,"
		" source_position, headers, transport_id, envelope, topic_arn,"
		" verified, reason, error"
		" FROM evaudit.dead_letter_store d"
		" WHERE id = ANY ($1) AND redriven_at IS NULL"
		" ORDER BY topic, id FOR UPDATE OF d",
		1, {INT8ARRAYOID},.plan_options = CURSOR_OPT_CUSTOM_PLAN
	};
	MemoryContext context = CurrentMemoryContext;
	Datum		value = evaudit_spi_int64_array(ids, n);
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
		char	   *topic = evaudit_spi_text(i, LETTER_TOPIC);

		letters->ids[i] = evaudit_spi_int64(i, LETTER_ID);
		if (i > 0 &&
			(bytes >= LOADED_BYTES || strcmp(topic, letters->topic) != 0))
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

/* Mark letters that went through, and note why the others did not. */
static void
save_outcome(const Letters *letters)
{
	static EvauditStatement mark = {
		"UPDATE evaudit.dead_letter_store SET redriven_at = clock_timestamp()"
		" WHERE id = ANY ($1)",
		1, {INT8ARRAYOID},.plan_options = CURSOR_OPT_CUSTOM_PLAN
	};
	static EvauditStatement note = {
		"UPDATE evaudit.dead_letter_store d"
		" SET reason = n.reason, error = n.error, sqlstate = n.sqlstate"
		" FROM unnest($1, $2, $3, $4) AS n (id, reason, error, sqlstate)"
		" WHERE d.id = n.id AND (d.reason, d.error, d.sqlstate)"
		"  IS DISTINCT FROM (n.reason, n.error, n.sqlstate)",
		4, {INT8ARRAYOID, TEXTARRAYOID, TEXTARRAYOID, TEXTARRAYOID}
	};
	int64	   *through = palloc(letters->n * sizeof(int64));
	int64	   *failed = palloc(letters->n * sizeof(int64));
	Datum	   *columns[3];
	bool	   *no_sqlstate = palloc0(letters->n * sizeof(bool));
	Datum		values[4];
	int			nthrough = 0;
	int			nfailed = 0;
	EvauditSpi	spi;

	for (int i = 0; i < lengthof(columns); i++)
		columns[i] = palloc0(letters->n * sizeof(Datum));
	for (int i = 0; i < letters->n; i++)
	{
		const EvauditEvent *event = &letters->events[i];

		if (event->reason == EVAUDIT_ACCEPTED)
		{
			through[nthrough++] = letters->ids[i];
			continue;
		}
		columns[0][nfailed] = CStringGetTextDatum(evaudit_reason_name(event->reason));
		columns[1][nfailed] = CStringGetTextDatum(event->error);
		no_sqlstate[nfailed] = event->sqlstate == 0;
		if (event->sqlstate != 0)
			columns[2][nfailed] = CStringGetTextDatum(unpack_sql_state(event->sqlstate));
		failed[nfailed++] = letters->ids[i];
	}

	evaudit_spi_begin(&spi);
	values[0] = evaudit_spi_int64_array(through, nthrough);
	if (nthrough > 0)
		(void) evaudit_spi_execute(&mark, values, NULL);
	values[0] = evaudit_spi_int64_array(failed, nfailed);
	values[1] = evaudit_spi_array(columns[0], NULL, nfailed, TEXTOID);
	values[2] = evaudit_spi_array(columns[1], NULL, nfailed, TEXTOID);
	values[3] = evaudit_spi_array(columns[2], no_sqlstate, nfailed, TEXTOID);
	if (nfailed > 0)
		(void) evaudit_spi_execute(&note, values, NULL);
	evaudit_spi_end(&spi);
}

/*
 * Try letters again, those that the current user may see; returns how many
 * now went through.  What is allocated is garbage in the current memory
 * context.
 */
static int64
redrive_chunk(const int64 *wanted, int nwanted)
{
	int			n;
	const int64 *ids = permitted_ids(wanted, nwanted, &n);
	int64		through = 0;

	while (n > 0)
	{
		Letters		letters;
		EvauditIngested result;
		int			done = load_letters(ids, n, &letters);

		if (letters.n > 0)
		{
			evaudit_receive_again(letters.events, letters.n);
			evaudit_schemas_collect(EVAUDIT_SCHEMAS_REQUESTED);
			evaudit_ingest(evaudit_topic_load(letters.topic, false),
						   letters.events, letters.n, &result);
			evaudit_request_schemas(letters.events, letters.n);
			save_outcome(&letters);
			through += letters.n - (int64) result.rejected;
		}
		ids += done;
		n -= done;
		CHECK_FOR_INTERRUPTS();
	}
	return through;
}

/* A context for what a chunk takes. */
static MemoryContext
chunk_context(void)
{
	return AllocSetContextCreate(CurrentMemoryContext, "evaudit redrive",
								 ALLOCSET_DEFAULT_SIZES);
}

/*
 * redrive(ids bigint[]) returns bigint.  Constraints are immediate from here
 * to the end of the caller's transaction: else one letter could undo the
 * others at commit, and the number would be none.
 */
Datum
evaudit_redrive_ids(PG_FUNCTION_ARGS)
{
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(0);
	MemoryContext chunk = chunk_context();
	int64		through = 0;
	Datum	   *values;
	bool	   *nulls;
	int64	   *ids;
	int			nvalues;
	int			nids = 0;

	deconstruct_array(array, INT8OID, sizeof(int64), FLOAT8PASSBYVAL,
					  TYPALIGN_DOUBLE, &values, &nulls, &nvalues);
	ids = palloc_extended(Max(nvalues, 1) * sizeof(int64), MCXT_ALLOC_HUGE);
	for (int i = 0; i < nvalues; i++)
		if (!nulls[i])
			ids[nids++] = DatumGetInt64(values[i]);
	pfree(values);
	pfree(nulls);

	evaudit_constraints_immediate();
	for (int i = 0; i < nids; i += CHUNK_LETTERS)
	{
		MemoryContext previous = MemoryContextSwitchTo(chunk);

		through += redrive_chunk(ids + i, Min(nids - i, CHUNK_LETTERS));
		MemoryContextSwitchTo(previous);
		MemoryContextReset(chunk);
	}
	MemoryContextDelete(chunk);
	PG_RETURN_INT64(through);
}

/* The letters of a source that there are now; it begins to tell how far it is. */
static Remaining
remaining_letters(Datum source)
{
	static EvauditStatement find_last = {
		"SELECT COALESCE(max(id), 0), count(*) FROM evaudit.dead_letter_store"
		" WHERE source = $1 AND redriven_at IS NULL", 1, {TEXTOID}
	};
	Remaining	remaining = {.source = source,.after = PG_INT64_MIN};
	int64		total;
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	(void) evaudit_spi_execute(&find_last, &source, NULL);
	remaining.last = evaudit_spi_int64(0, 0);
	total = evaudit_spi_int64(0, 1);
	evaudit_spi_end(&spi);
	remaining.progress = evaudit_progress_begin("redrive",
												TextDatumGetCString(source),
												"letters", total);
	return remaining;
}

/* Take one chunk of a source's letters; false if there was none. */
static bool
redrive_next(Remaining *remaining, MemoryContext chunk, int64 *through)
{
	MemoryContext previous = MemoryContextSwitchTo(chunk);
	int			n;
	int64	   *ids = next_chunk(remaining, &n);

	*through += redrive_chunk(ids, n);
	evaudit_progress_add(remaining->progress, n);
	MemoryContextSwitchTo(previous);
	MemoryContextReset(chunk);
	return n > 0;
}

/* redrive(source text) returns bigint: see redrive(ids bigint[]) */
Datum
evaudit_redrive_source(PG_FUNCTION_ARGS)
{
	Remaining	remaining = remaining_letters(PG_GETARG_DATUM(0));
	MemoryContext chunk = chunk_context();
	int64		through = 0;

	evaudit_constraints_immediate();
	while (redrive_next(&remaining, chunk, &through))
		;
	evaudit_progress_end(remaining.progress);
	MemoryContextDelete(chunk);
	PG_RETURN_INT64(through);
}

/*
 * redrive_all(source text, INOUT redriven bigint): as redrive(), but with a
 * commit after each chunk.
 */
Datum
evaudit_redrive_all(PG_FUNCTION_ARGS)
{
	char	   *source = evaudit_text_argument(fcinfo, 0, "source");
	MemoryContext chunk;
	Remaining	remaining;
	int64		through = 0;
	bool		more = true;

	evaudit_check_nonatomic(fcinfo, "evaudit.redrive_all()",
							"Use evaudit.redrive() there.");
	/* what is allocated now outlives the transactions */
	SPI_connect_ext(SPI_OPT_NONATOMIC);
	remaining = remaining_letters(CStringGetTextDatum(source));
	chunk = chunk_context();
	while (more)
	{
		PushActiveSnapshot(GetTransactionSnapshot());
		evaudit_constraints_immediate();
		more = redrive_next(&remaining, chunk, &through);
		PopActiveSnapshot();
		if (more)
			SPI_commit();
	}
	evaudit_progress_end(remaining.progress);
	SPI_finish();
	return evaudit_row_of_int64(fcinfo, through);
}
