/*-------------------------------------------------------------------------
 *
 * stats.c
 *	  POST /stats/{topic}: kept events of a topic, newest first.
 *
 * A page is bounded in three ways: rows, bytes, and events that are examined
 * for the window of time.  Whichever is reached first ends it; the cursor
 * then says where to continue, so a page may have fewer rows than its limit
 * while there are more.  A row that is too large for any page is replaced by
 * one that says so, so that pages get past it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "http/routes.h"
#include "http/stats.h"
#include "server/epoch.h"
#include "server/spi.h"
#include "text/jsonb.h"

/* Rows of a page, unless the request says how many, and at most. */
#define DEFAULT_LIMIT	50
#define MAX_LIMIT		1000

/* Most events examined for a page. */
#define MAX_SCAN		10000

/* How far back a page goes by default, in milliseconds. */
#define DEFAULT_WINDOW	(INT64CONST(7) * 24 * 60 * 60 * 1000)

/* What the request asks for. */
typedef struct StatsQuery
{
	int64		start;			/* of the window, epoch milliseconds */
	int64		end;
	int64		cursor;			/* rows have lesser ids */
	int			limit;
} StatsQuery;

/* A page under construction. */
typedef struct StatsPage
{
	const StatsQuery *query;
	StringInfo	json;
	int			nrows;
	int64		last;			/* id of the last row, or of one skipped */
	bool		has_more;
} StatsPage;

/*
 * Read an integer of the body into *value, which stays as it is if there is
 * none.  False if it is not one: then there is a response.
 */
static bool
read_integer(Jsonb *body, const char *name, const char *what,
			 int64 min, int64 *value, EvauditResponse *response)
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
	evaudit_response_error(response, 400, EVAUDIT_PROBLEM_VALIDATION,
						   psprintf("Field '%s' must be %s.", name, what));
	return false;
}

/* Read what the body asks for; false if it is invalid. */
static bool
read_query(EvauditRequest *request, EvauditResponse *response,
		   StatsQuery *query)
{
	Jsonb	   *body = NULL;
	const char *error = NULL;
	EvauditBodyResult result = evaudit_request_body(request, &body, &error);
	int64		limit = DEFAULT_LIMIT;

	query->end = evaudit_epoch_millis(GetCurrentTimestamp());
	query->start = query->end - DEFAULT_WINDOW;
	query->cursor = PG_INT64_MAX;
	query->limit = DEFAULT_LIMIT;
	if (result == EVAUDIT_BODY_EMPTY)
		return true;
	if (result != EVAUDIT_BODY_JSON || !JB_ROOT_IS_OBJECT(body))
	{
		evaudit_response_error(response, 400, EVAUDIT_PROBLEM_VALIDATION,
							   result != EVAUDIT_BODY_JSON ?
							   "Request body must be valid JSON." :
							   "Request body must be a JSON object.");
		return false;
	}
	if (!read_integer(body, "timestamp_start", "an integer (epoch ms)",
					  PG_INT64_MIN, &query->start, response) ||
		!read_integer(body, "timestamp_end", "an integer (epoch ms)",
					  PG_INT64_MIN, &query->end, response) ||
		!read_integer(body, "cursor", "an integer (internal_id)",
					  PG_INT64_MIN, &query->cursor, response) ||
		!read_integer(body, "limit", "a positive integer", 1, &limit, response))
		return false;
	query->limit = (int) Min(limit, MAX_LIMIT);
	return true;
}

/*
 * Most bytes of a row, and bytes after which a page ends: together they are
 * within the limit of a response.
 */
static size_t
half_limit(void)
{
	return evaudit_response_limit() / 2;
}

/* Add a row, or what stands for one that is too large. */
static void
add_row(StatsPage *page, const EvauditKeptEvent *event, int n)
{
	if (page->nrows++ > 0)
		appendStringInfoChar(page->json, ',');
	if (!evaudit_stats_write_row(page->json, event, n, half_limit()))
		(void) evaudit_response_jsonb(page->json,
									  evaudit_stats_oversized_row(event, n),
									  half_limit());
	page->last = evaudit_stats_row_id(event, n);
}

/* Add the rows of an event below the cursor; false: the page is full. */
static bool
add_event(StatsPage *page, const EvauditKeptEvent *event)
{
	int			nrows = evaudit_stats_nrows(event);

	for (int n = 0; n < nrows; n++)
	{
		int64		id = evaudit_stats_row_id(event, n);

		if (id >= page->query->cursor)
			continue;
		if (page->nrows == page->query->limit ||
			page->json->len > half_limit())
		{
			page->has_more = true;
			return false;
		}
		add_row(page, event, n);
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
	enum
	{
		EVENT_ID,
		SUBJECT,
		RECEIVED_AT,
		PAYLOAD
	};
	Datum		values[] = {CStringGetTextDatum(topic), Int64GetDatum(id)};
	EvauditKeptEvent event = {id};

	if (evaudit_spi_execute(&find, values, NULL) == 0)
		return true;
	event.event_id = evaudit_spi_text(0, EVENT_ID);
	event.subject = evaudit_spi_text_or_null(0, SUBJECT);
	event.received_at = evaudit_spi_timestamptz(0, RECEIVED_AT);
	event.payload = evaudit_spi_jsonb(0, PAYLOAD);
	return add_event(page, &event);
}

/*
 * The ids of the events that a page may be made of: those of its window among
 * the first MAX_SCAN below the cursor.  An event's time is the payload's
 * "timestamp_start", if that is a number, else when it was received.  The
 * lowest id that was examined is in *lowest, 0 if these were all.
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
	enum
	{
		LOWEST,
		EXAMINED
	};
	int64		highest = query->cursor >> EVAUDIT_STATS_ROWS_BITS;
	Datum		bounds[] = {CStringGetTextDatum(topic),
	Int64GetDatum(highest), Int32GetDatum(MAX_SCAN)};
	Datum		values[6];
	int64	   *ids;

	*n = 0;
	*lowest = 0;
	(void) evaudit_spi_execute(&scan, bounds, NULL);
	if (evaudit_spi_is_null(0, LOWEST))
		return NULL;
	*lowest = evaudit_spi_int64(0, LOWEST);
	values[0] = bounds[0];
	values[1] = bounds[1];
	values[2] = Int64GetDatum(*lowest);
	if (evaudit_spi_int64(0, EXAMINED) < MAX_SCAN)
		*lowest = 0;
	values[3] = Int64GetDatum(query->start);
	values[4] = Int64GetDatum(query->end);
	values[5] = Int32GetDatum(query->limit + 1);
	*n = (int) evaudit_spi_execute(&select, values, NULL);
	ids = palloc(sizeof(int64) * Max(*n, 1));
	for (int i = 0; i < *n; i++)
		ids[i] = evaudit_spi_int64(i, 0);
	return ids;
}

/* Make the page in a body that has been begun. */
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
	/* every event examined is on the page, but there are more */
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
 * "jobs".  Whether this is one; else there is a response.
 */
static bool
has_runs(const EvauditTopic *topic, EvauditResponse *response)
{
	static EvauditStatement list = {
		"SELECT string_agg(t.name, ', ' ORDER BY t.name COLLATE \"C\"),"
		" COALESCE(bool_or(t.name = $1), false) FROM evaudit.topics t"
		" JOIN evaudit.topic_schemas s"
		" ON s.topic = t.name AND s.version = t.schema_version"
		" WHERE s.schema #>> '{properties,jobs,type}' = 'array'",
		1, {TEXTOID}
	};
	enum
	{
		NAMES,
		KNOWN
	};
	Datum		name = CStringGetTextDatum(topic->name);
	EvauditSpi	spi;
	bool		known;
	char	   *names;

	evaudit_spi_begin(&spi);
	(void) evaudit_spi_execute(&list, &name, NULL);
	known = evaudit_spi_bool(0, KNOWN);
	names = evaudit_spi_text_or_null(0, NAMES);
	if (!known)
		evaudit_response_error(response, 400, EVAUDIT_PROBLEM_VALIDATION,
							   psprintf("Stats are only supported for topics '%s'.",
										names != NULL ? names : ""));
	evaudit_spi_end(&spi);
	return known;
}

/* POST /stats/{topic} */
void
evaudit_route_post_stats(EvauditRequest *request, EvauditResponse *response)
{
	StatsQuery	query;
	StatsPage	page = {0};

	if ((evaudit_http_compat == EVAUDIT_COMPAT_EVENTGATE &&
		 !has_runs(request->topic, response)) ||
		!read_query(request, response, &query))
		return;

	page.query = &query;
	page.json = evaudit_response_begin_json(response, 200);
	appendStringInfoString(page.json,
						   "{\"success\":true,\"statusCode\":200,\"data\":[");
	make_page(request->topic->name, &page);
	appendStringInfoString(page.json, "],\"pagination\":{\"cursor\":");
	if (page.has_more)
		appendStringInfo(page.json, INT64_FORMAT, page.last);
	else
		appendStringInfoString(page.json, "null");
	appendStringInfo(page.json, ",\"has_more\":%s,\"limit\":%d}}",
					 page.has_more ? "true" : "false", query.limit);
}
