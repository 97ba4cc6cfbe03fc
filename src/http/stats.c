/*-------------------------------------------------------------------------
 *
 * stats.c
 *	  POST /stats/{topic}: kept events of a topic, newest first.
 *
 * A page is bounded in three ways: rows, bytes, and events that are looked at
 * for the window of time.  Whichever is reached first ends it; the cursor
 * then says where to go on, so a page may have fewer rows than its limit
 * while there are more.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "http/http.h"
#include "http/stats.h"
#include "server/config.h"
#include "server/epoch.h"
#include "server/spi.h"
#include "text/jsonb.h"

/* Rows of a page, unless the request says how many, and at most. */
#define DEFAULT_LIMIT	50
#define MAX_LIMIT		1000

/* Bytes of a page, but for its last row, and most events looked at. */
#define MAX_BYTES		(8 * 1024 * 1024)
#define MAX_SCAN		10000

/* How far back a page looks by default, in milliseconds. */
#define DEFAULT_WINDOW	(INT64CONST(7) * 24 * 60 * 60 * 1000)

/* What is asked for. */
typedef struct StatsQuery
{
	int64		start;			/* of the window, epoch milliseconds */
	int64		end;
	int64		cursor;			/* rows have lesser ids */
	int			limit;
} StatsQuery;

/* A page as it is made. */
typedef struct StatsPage
{
	const StatsQuery *query;
	StringInfo	json;
	int			nrows;
	int64		last;			/* the last row's id, or of what was passed by */
	bool		has_more;
} StatsPage;

/*
 * Read an integer of the body into *value, which stays as it is if there is
 * none.  False: it is not one, and the request is answered.
 */
static bool
read_integer(Jsonb *body, const char *name, const char *what,
			 int64 min, int64 *value, EvauditGateAnswer *answer)
{
	JsonbValue *v = evaudit_jsonb_member(&body->root, name);
	char	   *str;
	char	   *end;
	int64		number;

	if (v == NULL || v->type == jbvNull)
		return true;
	if (v->type == jbvNumeric)
	{
		str = numeric_normalize(v->val.numeric);
		errno = 0;
		number = strtoll(str, &end, 10);
		if (errno == 0 && *end == '\0' && number >= min)
		{
			*value = number;
			return true;
		}
	}
	evaudit_gate_error(answer, 400, EVAUDIT_GATE_VALIDATION,
					   psprintf("Field '%s' must be %s.", name, what));
	return false;
}

/* Read what the body asks for; false: the request is answered. */
static bool
read_query(const EvauditGateRequest *request, EvauditGateAnswer *answer,
		   StatsQuery *query)
{
	Jsonb	   *body = NULL;
	const char *error = NULL;
	EvauditGateJson result = evaudit_gate_body(request, &body, &error);
	int64		limit = DEFAULT_LIMIT;

	query->end = evaudit_epoch_millis(GetCurrentTimestamp());
	query->start = query->end - DEFAULT_WINDOW;
	query->cursor = PG_INT64_MAX;
	query->limit = DEFAULT_LIMIT;
	if (result == EVAUDIT_GATE_JSON_EMPTY)
		return true;
	if (result != EVAUDIT_GATE_JSON || !JB_ROOT_IS_OBJECT(body))
	{
		evaudit_gate_error(answer, 400, EVAUDIT_GATE_VALIDATION,
						   result != EVAUDIT_GATE_JSON ?
						   "Request body must be valid JSON." :
						   "Request body must be a JSON object.");
		return false;
	}
	if (!read_integer(body, "timestamp_start", "an integer (epoch ms)",
					  PG_INT64_MIN, &query->start, answer) ||
		!read_integer(body, "timestamp_end", "an integer (epoch ms)",
					  PG_INT64_MIN, &query->end, answer) ||
		!read_integer(body, "cursor", "an integer (internal_id)",
					  PG_INT64_MIN, &query->cursor, answer) ||
		!read_integer(body, "limit", "a positive integer", 1, &limit, answer))
		return false;
	query->limit = (int) Min(limit, MAX_LIMIT);
	return true;
}

/* Add the rows of an event that the cursor leaves; false: the page is full. */
static bool
add_event(StatsPage *page, const EvauditKeptEvent *event)
{
	int			nrows = evaudit_stats_nrows(event);

	for (int n = 0; n < nrows; n++)
	{
		int64		id = evaudit_stats_row_id(event, n);

		if (id >= page->query->cursor)
			continue;
		if (page->nrows == page->query->limit || page->json->len > MAX_BYTES)
		{
			page->has_more = true;
			return false;
		}
		if (page->nrows++ > 0)
			appendStringInfoChar(page->json, ',');
		evaudit_gate_jsonb(page->json, evaudit_stats_row(event, n));
		page->last = id;
	}
	return true;
}

/* Read one kept event and add its rows; false: the page is full. */
static bool
add_event_of_id(StatsPage *page, const char *topic, int64 id)
{
	static EvauditStatement find = {
		"SELECT event_id, subject, received_at, payload FROM evaudit.events"
		" WHERE topic = $1 AND id = $2", 2, {TEXTOID, INT8OID}
	};
	Datum		values[] = {CStringGetTextDatum(topic), Int64GetDatum(id)};
	EvauditKeptEvent event = {id};
	bool		isnull;

	if (evaudit_spi_execute(&find, values, NULL) == 0)
		return true;
	event.event_id = evaudit_spi_text(0, 0);
	event.subject = evaudit_spi_text_or_null(0, 1);
	event.received_at = DatumGetTimestampTz(evaudit_spi_datum(0, 2, &isnull));
	event.payload = DatumGetJsonbP(evaudit_spi_datum(0, 3, &isnull));
	return add_event(page, &event);
}

/*
 * The ids of the events that a page may be made of: those of its window among
 * the first MAX_SCAN below the cursor.  An event's time is the payload's
 * "timestamp_start", if that is a number, else when it was received.  The
 * lowest id that was looked at is in *lowest, 0 if these were all.
 */
static int64 *
find_events(const char *topic, const StatsQuery *query, int *n, int64 *lowest)
{
	static EvauditStatement scan = {
		"SELECT min(id), count(*) FROM (SELECT id FROM evaudit.events"
		" WHERE topic = $1 AND id <= $2 ORDER BY id DESC LIMIT $3) e",
		3, {TEXTOID, INT8OID, INT4OID}
	};
	static EvauditStatement select = {
		"SELECT id FROM evaudit.events"
		" WHERE topic = $1 AND id <= $2 AND id >= $3 AND"
		"  CASE pg_catalog.jsonb_typeof(payload -> 'timestamp_start')"
		"   WHEN 'number' THEN (payload ->> 'timestamp_start')::numeric"
		"   ELSE pg_catalog.trunc(1000 * EXTRACT(epoch FROM received_at))"
		"  END BETWEEN $4 AND $5"
		" ORDER BY id DESC LIMIT $6",
		6, {TEXTOID, INT8OID, INT8OID, INT8OID, INT8OID, INT4OID}
	};
	int64		highest = query->cursor >> EVAUDIT_STATS_ROWS_BITS;
	Datum		bounds[] = {CStringGetTextDatum(topic),
	Int64GetDatum(highest), Int32GetDatum(MAX_SCAN)};
	Datum		values[6];
	int64	   *ids;
	bool		isnull;

	*n = 0;
	(void) evaudit_spi_execute(&scan, bounds, NULL);
	*lowest = DatumGetInt64(evaudit_spi_datum(0, 0, &isnull));
	if (isnull)
		return NULL;
	values[0] = bounds[0];
	values[1] = bounds[1];
	values[2] = Int64GetDatum(*lowest);
	if (DatumGetInt64(evaudit_spi_datum(0, 1, &isnull)) < MAX_SCAN)
		*lowest = 0;
	values[3] = Int64GetDatum(query->start);
	values[4] = Int64GetDatum(query->end);
	values[5] = Int32GetDatum(query->limit + 1);
	*n = (int) evaudit_spi_execute(&select, values, NULL);
	ids = palloc(sizeof(int64) * Max(*n, 1));
	for (int i = 0; i < *n; i++)
		ids[i] = DatumGetInt64(evaudit_spi_datum(i, 0, &isnull));
	return ids;
}

/* Make the page in the body of an answer that has been begun. */
static void
make_page(const char *topic, StatsPage *page)
{
	MemoryContext scratch;
	EvauditSpi	spi;
	int64	   *ids;
	int64		lowest;
	int			n;
	int			i;

	evaudit_spi_begin(&spi);
	scratch = AllocSetContextCreate(CurrentMemoryContext,
									"evaudit row of events",
									ALLOCSET_DEFAULT_SIZES);
	ids = find_events(topic, page->query, &n, &lowest);
	for (i = 0; i < n; i++)
	{
		MemoryContext previous = MemoryContextSwitchTo(scratch);
		bool		goes_on = add_event_of_id(page, topic, ids[i]);

		SPI_freetuptable(SPI_tuptable);
		MemoryContextSwitchTo(previous);
		MemoryContextReset(scratch);
		if (!goes_on)
			break;
	}
	/* what was looked at is used up, but there is more */
	if (i == n && !page->has_more && (n > page->query->limit || lowest > 0))
	{
		page->has_more = true;
		page->last = (n > page->query->limit ? ids[n - 1] : lowest) <<
			EVAUDIT_STATS_ROWS_BITS;
	}
	evaudit_spi_end(&spi);
}

/*
 * A gateway has statistics of runs alone: topics whose schema has a list of
 * "jobs".  Whether this is one; else the request is answered.
 */
static bool
has_runs(const EvauditTopic *topic, EvauditGateAnswer *answer)
{
	static EvauditStatement list = {
		"SELECT string_agg(t.name, ', ' ORDER BY t.name COLLATE \"C\"),"
		" COALESCE(bool_or(t.name = $1), false) FROM evaudit.topics t"
		" JOIN evaudit.topic_schemas s"
		" ON s.topic = t.name AND s.version = t.schema_version"
		" WHERE s.schema #>> '{properties,jobs,type}' = 'array'",
		1, {TEXTOID}
	};
	Datum		name = CStringGetTextDatum(topic->name);
	EvauditSpi	spi;
	bool		isnull;
	bool		known;
	char	   *names;

	evaudit_spi_begin(&spi);
	(void) evaudit_spi_execute(&list, &name, NULL);
	known = DatumGetBool(evaudit_spi_datum(0, 1, &isnull));
	names = evaudit_spi_text_or_null(0, 0);
	if (!known)
		evaudit_gate_error(answer, 400, EVAUDIT_GATE_VALIDATION,
						   psprintf("Stats are only supported for topics '%s'.",
									names != NULL ? names : ""));
	evaudit_spi_end(&spi);
	return known;
}

/* POST /stats/{topic} */
void
evaudit_gate_post_stats(EvauditGateRequest *request,
						EvauditGateAnswer *answer)
{
	bool		compat = evaudit_http_compat == EVAUDIT_COMPAT_EVENTGATE;
	const EvauditTopic *topic;
	char	   *subject;
	StatsQuery	query;
	StatsPage	page = {0};

	if ((!compat && !evaudit_gate_authenticate(request, answer, &subject)) ||
		(topic = evaudit_gate_find_topic(request, answer)) == NULL ||
		(compat && !has_runs(topic, answer)) ||
		!read_query(request, answer, &query))
		return;

	page.query = &query;
	page.json = evaudit_gate_answer_json(answer, 200);
	appendStringInfoString(page.json,
						   "{\"success\":true,\"statusCode\":200,\"data\":[");
	make_page(topic->name, &page);
	appendStringInfoString(page.json, "],\"pagination\":{\"cursor\":");
	if (page.has_more)
		appendStringInfo(page.json, INT64_FORMAT, page.last);
	else
		appendStringInfoString(page.json, "null");
	appendStringInfo(page.json, ",\"has_more\":%s,\"limit\":%d}}",
					 page.has_more ? "true" : "false", query.limit);
}
