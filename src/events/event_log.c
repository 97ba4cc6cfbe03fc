/*-------------------------------------------------------------------------
 *
 * event_log.c
 *	  Keeping events: evaudit.events.
 *
 * The log has one row for an id of a topic, for good: another event of that
 * id is the same event if its payload is equal, and a conflict otherwise.
 * Whoever comes first inserts the row; whoever finds it there, inserted by
 * another session perhaps while it waited, compares.  So each event ends as
 * one of
 *
 *		new			its row was inserted
 *		repeated	its row was there, with an equal payload
 *		rejected	its row was there, with another payload
 *
 * Rows are inserted in the order of their ids, so that two sessions with the
 * same ids wait for each other in the same order and cannot deadlock.  They
 * are inserted as the current user, by plain SQL: the table's grants, row
 * security and triggers decide.  Where a grant for a token's subject has
 * decided, it is the table's owner; for the comparison, since whoever may
 * publish need not be able to read, the extension's.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

#include "events/attempt.h"
#include "events/event_json.h"
#include "events/event_log.h"
#include "server/spi.h"
#include "text/compare.h"

/* Times that rows which vanish when looked at are inserted anew. */
#define MAX_ROUNDS		100

/* Compare for qsort(): by id, events of one id in the order of arrival. */
static int
compare_events(const void *a, const void *b)
{
	const EvauditEvent *one = *(EvauditEvent *const *) a;
	const EvauditEvent *other = *(EvauditEvent *const *) b;
	int			result = evaudit_text_compare(one->event_id, other->event_id);

	if (result != 0)
		return result;
	return one < other ? -1 : one > other;
}

/* A column of the table as an event has it, of type text or jsonb. */
typedef struct Column
{
	Datum		(*value) (const EvauditEvent *event, bool *isnull);
	Oid			type;
} Column;

/* The column event_id. */
static Datum
id_column(const EvauditEvent *event, bool *isnull)
{
	*isnull = false;
	return PointerGetDatum(event->event_id);
}

/* The column payload. */
static Datum
payload_column(const EvauditEvent *event, bool *isnull)
{
	*isnull = false;
	return event->stored != NULL ? PointerGetDatum(event->stored) :
		JsonbPGetDatum(event->document);
}

/* The column subject. */
static Datum
subject_column(const EvauditEvent *event, bool *isnull)
{
	*isnull = event->subject == NULL;
	return *isnull ? (Datum) 0 : CStringGetTextDatum(event->subject);
}

/* The column source. */
static Datum
source_column(const EvauditEvent *event, bool *isnull)
{
	*isnull = event->source == NULL;
	return *isnull ? (Datum) 0 : CStringGetTextDatum(event->source);
}

/* The column source_position. */
static Datum
position_column(const EvauditEvent *event, bool *isnull)
{
	Jsonb	   *position = evaudit_event_position(event);

	*isnull = position == NULL;
	return JsonbPGetDatum(position);
}

/* The columns that are the event's own, in the order of the statements. */
static const Column columns[] = {
	{id_column, TEXTOID},
	{payload_column, JSONBOID},
	{subject_column, TEXTOID},
	{source_column, TEXTOID},
	{position_column, JSONBOID},
};

/* Set the parameters that are the same for all events of a batch. */
static void
set_constants(const EvauditTopic *topic, TimestampTz now, Datum *values,
			  char *nulls)
{
	memset(nulls, ' ', lengthof(columns) + 3);
	values[0] = CStringGetTextDatum(topic->name);
	values[6] = TimestampTzGetDatum(now);
	values[7] = Int32GetDatum(topic->version);
	nulls[7] = topic->version == 0 ? 'n' : ' ';
}

/* A column of some events as an array. */
static Datum
column_array(EvauditEvent **events, int n, const Column *column)
{
	Datum	   *values = palloc(n * sizeof(Datum));
	bool	   *nulls = palloc(n * sizeof(bool));

	for (int i = 0; i < n; i++)
		values[i] = column->value(events[i], &nulls[i]);
	return evaudit_spi_array(values, nulls, n, column->type);
}

/* Insert the row of one event; false if there is one of its id. */
static bool
insert_row(const EvauditTopic *topic, const EvauditEvent *event,
		   TimestampTz now)
{
	static EvauditStatement insert = {
		"INSERT INTO evaudit.events (topic, event_id, payload, subject,"
		" source, source_position, received_at, schema_version)"
		" VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING",
		8, {TEXTOID, TEXTOID, JSONBOID, TEXTOID, TEXTOID, JSONBOID,
		TIMESTAMPTZOID, INT4OID}
	};
	Datum		values[8];
	char		nulls[8];

	set_constants(topic, now, values, nulls);
	for (int i = 0; i < lengthof(columns); i++)
	{
		bool		isnull;

		values[i + 1] = columns[i].value(event, &isnull);
		nulls[i + 1] = isnull ? 'n' : ' ';
	}
	return evaudit_spi_execute(&insert, values, nulls) > 0;
}

/* Rows to insert by one statement. */
typedef struct Rows
{
	const EvauditTopic *topic;
	EvauditEvent **events;
	int			n;
	TimestampTz now;
	uint64		inserted;
} Rows;

/* Insert rows; false, to undo it, if it is not known which were inserted. */
static bool
insert_at_once(void *arg)
{
	static EvauditStatement insert = {
		"INSERT INTO evaudit.events (topic, event_id, payload, subject,"
		" source, source_position, received_at, schema_version)"
		" SELECT $1, pg_catalog.unnest($2), pg_catalog.unnest($3),"
		" pg_catalog.unnest($4), pg_catalog.unnest($5),"
		" pg_catalog.unnest($6), $7, $8 ON CONFLICT DO NOTHING",
		8, {TEXTOID, TEXTARRAYOID, JSONBARRAYOID, TEXTARRAYOID, TEXTARRAYOID,
		JSONBARRAYOID, TIMESTAMPTZOID, INT4OID}
	};
	Rows	   *rows = arg;
	Datum		values[8];
	char		nulls[8];

	set_constants(rows->topic, rows->now, values, nulls);
	for (int i = 0; i < lengthof(columns); i++)
		values[i + 1] = column_array(rows->events, rows->n, &columns[i]);
	rows->inserted = evaudit_spi_execute(&insert, values, nulls);
	return rows->inserted == 0 || rows->inserted == rows->n;
}

/*
 * Insert rows for events of different ids.  Those that have one already are
 * left in "rest"; returns how many these are.
 */
static int
insert_rows(const EvauditTopic *topic, EvauditEvent **events, int n,
			TimestampTz now, EvauditEvent **rest)
{
	Rows		rows = {.topic = topic,.events = events,.n = n,.now = now};
	ErrorData  *error;
	int			nrest = 0;

	if (n > 1)
	{
		error = evaudit_attempt(insert_at_once, &rows);
		if (error != NULL)
			ReThrowError(error);
		if (rows.inserted == n)
			return 0;
		if (rows.inserted == 0)
		{
			memcpy(rest, events, n * sizeof(EvauditEvent *));
			return n;
		}
	}
	/* some have a row: find out which, one by one */
	for (int i = 0; i < n; i++)
		if (!insert_row(topic, events[i], now))
			rest[nrest++] = events[i];
	return nrest;
}

/*
 * The row of the last query that has an id, among those from "row" on, all of
 * them in the order of their ids; "row" is left at the first that is not less.
 */
static bool
find_row(const text *id, int nrows, int *row)
{
	for (; *row < nrows; (*row)++)
	{
		text	   *found = DatumGetTextPP(evaudit_spi_datum_of(*row, 0, TEXTOID));
		int			order = evaudit_text_compare(found, id);

		if (order >= 0)
			return order == 0;
	}
	return false;
}

/* Whether a row of the last query has the payload of an event. */
static bool
has_payload(int row, const EvauditEvent *event)
{
	Datum		stored = evaudit_spi_datum_of(row, 1, JSONBOID);
	Jsonb	   *payload = DatumGetJsonbP(stored);
	bool		same = compareJsonbContainers(&payload->root,
											  &event->document->root) == 0;

	/* rows may hold more than memory should, so one is read at a time */
	if ((Pointer) payload != DatumGetPointer(stored))
		pfree(payload);
	return same;
}

/*
 * Compare events with the rows of their ids: they are repeated or rejected
 * then.  Those without a row are left in "rest"; returns how many these are.
 * The statement names its ids by ANY and joins nothing, so that it can be
 * sent to where the rows are if the table is distributed.
 */
static int
compare_rows(const EvauditTopic *topic, EvauditEvent **events, int n,
			 MemoryContext context, EvauditEvent **rest)
{
	static EvauditStatement find = {
		"SELECT event_id, payload FROM evaudit.events"
		" WHERE topic = $1 AND event_id = ANY ($2)"
		" ORDER BY event_id COLLATE \"C\"",
		2, {TEXTOID, TEXTARRAYOID}
	};
	Datum		values[2];
	int			nrest = 0;
	int			nrows;
	int			row = 0;
	EvauditSpi	spi;

	qsort(events, n, sizeof(EvauditEvent *), compare_events);
	values[0] = CStringGetTextDatum(topic->name);
	values[1] = column_array(events, n, &columns[0]);
	evaudit_spi_begin(&spi);
	nrows = (int) evaudit_spi_execute(&find, values, NULL);
	for (int i = 0; i < n; i++)
	{
		MemoryContext previous;

		if (!find_row(events[i]->event_id, nrows, &row))
			rest[nrest++] = events[i];
		else if (has_payload(row, events[i]))
			events[i]->repeated = true;
		else
		{
			previous = MemoryContextSwitchTo(context);
			evaudit_event_reject(events[i], EVAUDIT_CONFLICT,
								 "event \"%s\" was kept before, with another payload",
								 text_to_cstring(events[i]->event_id));
			MemoryContextSwitchTo(previous);
		}
	}
	evaudit_spi_end(&spi);
	return nrest;
}

/*
 * One round: insert the first event of each id, compare all that were not
 * inserted.  Events without a row then are moved to the front; returns how
 * many these are, and adds to the rows inserted.
 */
static int
add_round(const EvauditTopic *topic, EvauditEvent **events, int n,
		  TimestampTz now, MemoryContext context, uint64 *ninserted)
{
	EvauditEvent **firsts = palloc(n * sizeof(EvauditEvent *));
	EvauditEvent **others = palloc(n * sizeof(EvauditEvent *));
	int			nfirsts = 0;
	int			nothers = 0;
	int			nleft;

	for (int i = 0; i < n; i++)
	{
		if (i > 0 &&
			evaudit_text_compare(events[i]->event_id, events[i - 1]->event_id) == 0)
			others[nothers++] = events[i];
		else
			firsts[nfirsts++] = events[i];
	}
	nleft = insert_rows(topic, firsts, nfirsts, now, others + nothers);
	*ninserted += nfirsts - nleft;
	nothers += nleft;
	if (nothers == 0)
		return 0;
	return compare_rows(topic, others, nothers, context, events);
}

/* Whether it was decided before that all of these may be kept. */
static bool
all_granted(EvauditEvent **events, int n)
{
	for (int i = 0; i < n; i++)
	{
		if (!events[i]->granted)
			return false;
	}
	return true;
}

/*
 * Keep events, within a transaction, and find out which were kept before.
 * Returns how many rows were inserted.
 */
uint64
evaudit_event_log_add(const EvauditTopic *topic, EvauditEvent **events, int n,
					  TimestampTz now)
{
	MemoryContext context = CurrentMemoryContext;
	EvauditEvent **pending;
	uint64		ninserted = 0;
	bool		granted;
	EvauditSpi	spi;

	if (n <= 0)					/* silences -Walloc-size-larger-than */
		return 0;
	granted = all_granted(events, n);
	if (granted)
		evaudit_spi_begin_on(&spi, get_relname_relid("events",
													 get_namespace_oid("evaudit",
																	   false)));
	else if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	pending = palloc(n * sizeof(EvauditEvent *));
	memcpy(pending, events, n * sizeof(EvauditEvent *));
	for (int round = 0; n > 0; round++)
	{
		/* a row may be deleted between the two statements, but not for ever */
		if (round == MAX_ROUNDS)
			ereport(ERROR,
					(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
					 errmsg("could not store event \"%s\" of topic \"%s\"",
							text_to_cstring(pending[0]->event_id), topic->name),
					 errdetail("Its row was neither inserted nor found.")));
		CHECK_FOR_INTERRUPTS();
		qsort(pending, n, sizeof(EvauditEvent *), compare_events);
		n = add_round(topic, pending, n, now, context, &ninserted);
	}
	if (granted)
		evaudit_spi_end(&spi);
	else if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "could not disconnect from SPI");
	return ninserted;
}
