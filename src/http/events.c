/*-------------------------------------------------------------------------
 *
 * events.c
 *	  An event logger: POST /events, GET /events and GET /events/{id}.
 *
 * Events go to the topic "http_events", whose payload is {"id", "type",
 * "payload"}.  Events that came to the topic another way may lack any of
 * these.  evaudit.http_events says whether a token and a grant are needed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "http/event.h"
#include "http/rate_limit.h"
#include "http/routes.h"
#include "server/spi.h"
#include "text/ascii.h"
#include "text/jsonb.h"
#include "text/rfc3339.h"

/* Events of a page, unless the request says how many, and at most. */
#define DEFAULT_LIMIT	50
#define MAX_LIMIT		1000

/* Respond with a message, as loggers do. */
void
evaudit_event_message(EvauditResponse *response, int status,
					  const char *message)
{
	StringInfo	json = evaudit_response_begin_json(response, status);

	appendStringInfoChar(json, '{');
	evaudit_response_member(json, "message", message);
	appendStringInfoChar(json, '}');
}

/* Whether the subject, or everybody together, keeps to the rate. */
static bool
within_rate(const char *subject, EvauditResponse *response)
{
	int			seconds = evaudit_rate_limit_wait(EVAUDIT_LOGGER_TOPIC,
												  subject ? subject : "");

	if (seconds == 0)
		return true;
	evaudit_event_message(response, 429, "Too many events");
	evaudit_response_header(response, "Retry-After", psprintf("%d", seconds));
	return false;
}

/* The columns of a kept event. */
#define EVENT_COLUMNS	"event_id, payload ->> 'type', payload -> 'payload', received_at"

enum
{
	EVENT_ID,
	EVENT_TYPE,
	EVENT_PAYLOAD,
	EVENT_RECEIVED_AT
};

/* Write the kept event that was read; false if it is beyond the limit. */
static bool
write_event(StringInfo json, size_t limit)
{
	Jsonb	   *payload = evaudit_spi_jsonb_or_null(0, EVENT_PAYLOAD);
	char		time[EVAUDIT_RFC3339_LEN];

	appendStringInfoChar(json, '{');
	evaudit_response_member(json, "id", evaudit_spi_text(0, EVENT_ID));
	appendStringInfoChar(json, ',');
	evaudit_response_member(json, "type",
							evaudit_spi_text_or_null(0, EVENT_TYPE));
	appendStringInfoString(json, ",\"payload\":");
	if (payload == NULL)
		appendStringInfoString(json, "null");
	else if (!evaudit_response_jsonb(json, payload, limit))
		return false;
	appendStringInfoChar(json, ',');
	(void) evaudit_rfc3339_format(evaudit_spi_timestamptz(0, EVENT_RECEIVED_AT),
								  time);
	evaudit_response_member(json, "created_at", time);
	appendStringInfoChar(json, '}');
	return true;
}

/* Respond with a kept event; false if there is none. */
static bool
respond_event(const char *id, int status, EvauditResponse *response)
{
	static EvauditStatement find = {
		"SELECT " EVENT_COLUMNS " FROM evaudit.events WHERE topic = '" EVAUDIT_LOGGER_TOPIC "'"
		" AND event_id = $1", 1, {TEXTOID}
	};
	Datum		value = CStringGetTextDatum(id);
	EvauditSpi	spi;
	bool		found;

	evaudit_spi_begin(&spi);
	found = evaudit_spi_execute(&find, &value, NULL) > 0;
	if (found &&
		!write_event(evaudit_response_begin_json(response, status),
					 evaudit_response_limit()))
		evaudit_response_too_large(response);
	evaudit_spi_end(&spi);
	return found;
}

/* Respond to an event that its topic rejects. */
static void
respond_rejection(const EvauditEvent *event, EvauditResponse *response)
{
	if (event->reason == EVAUDIT_CONFLICT)
		evaudit_event_message(response, 409,
							  "Event exists already, with another type or payload");
	else if (event->reason == EVAUDIT_TOO_LARGE)
		evaudit_event_message(response, 413, event->error);
	else
		evaudit_event_fault(response, evaudit_reason_name(event->reason),
							NULL, event->error, NULL);
}

/* POST /events */
void
evaudit_route_post_event(EvauditRequest *request, EvauditResponse *response)
{
	const EvauditTopic *topic = evaudit_topic_load(EVAUDIT_LOGGER_TOPIC, true);
	char	   *id = evaudit_jsonb_text(&request->payload->root, "id");
	EvauditEvent event;

	if (!within_rate(request->subject, response))
		return;
	if (topic == NULL || !topic->keep)
		evaudit_event_message(response, 404, "There is no topic \""
							  EVAUDIT_LOGGER_TOPIC "\" that keeps events");
	else if (!evaudit_route_publish(request, topic, id, &event))
		respond_rejection(&event, response);
	else if (!respond_event(text_to_cstring(event.event_id), 201, response))
		elog(ERROR, "event was not kept");
}

/* GET /events/{id} */
void
evaudit_route_get_event(EvauditRequest *request, EvauditResponse *response)
{
	if (!respond_event(request->param, 200, response))
		evaudit_event_message(response, 404, "Event not found");
}

/* A page of events under construction. */
typedef struct EventPage
{
	int64		cursor;			/* ids are less; 0: from the newest on */
	int			limit;
	int64		last;			/* id of the last event on it */
	bool		has_more;
} EventPage;

/*
 * A number of the query, at least 1; false if it is none: then there is a
 * response.
 */
static bool
read_number(const EvauditRequest *request, const char *name, int64 *number,
			EvauditResponse *response)
{
	const char *value = evaudit_request_parameter(request, name);
	char	   *end;

	if (value == NULL)
		return true;
	errno = 0;
	*number = strtoll(value, &end, 10);
	if (evaudit_is_digit(*value) && errno == 0 && *end == '\0' && *number > 0)
		return true;
	evaudit_event_fault_at(response, "query", name, "int_parsing",
						   "Input should be a valid integer greater than 0");
	return false;
}

/* The ids of a page, and of one event more, if there is one. */
static int64 *
find_page(const EventPage *page, int *n)
{
	static EvauditStatement select = {
		"SELECT id FROM evaudit.events WHERE topic = '" EVAUDIT_LOGGER_TOPIC
		"' AND id < $1 ORDER BY id DESC LIMIT $2", 2, {INT8OID, INT4OID}
	};
	Datum		values[] = {Int64GetDatum(page->cursor > 0 ? page->cursor :
										  PG_INT64_MAX),
	Int32GetDatum(page->limit + 1)};
	int64	   *ids;

	*n = (int) evaudit_spi_execute(&select, values, NULL);
	ids = palloc(sizeof(int64) * Max(*n, 1));
	for (int i = 0; i < *n; i++)
		ids[i] = evaudit_spi_int64(i, 0);
	return ids;
}

/*
 * Write an event to a page, without its payload if that is too large for any
 * page.
 */
static void
add_event(StringInfo json, int64 id, size_t limit)
{
	static EvauditStatement find = {
		"SELECT " EVENT_COLUMNS " FROM evaudit.events"
		" WHERE topic = '" EVAUDIT_LOGGER_TOPIC "' AND id = $1", 1, {INT8OID}
	};
	static EvauditStatement find_large = {
		"SELECT event_id, NULL::text, NULL::jsonb, received_at"
		" FROM evaudit.events"
		" WHERE topic = '" EVAUDIT_LOGGER_TOPIC "' AND id = $1", 1, {INT8OID}
	};
	Datum		value = Int64GetDatum(id);
	int			before = json->len;

	if (before > 0 && json->data[before - 1] == '}')
		appendStringInfoChar(json, ',');
	if (evaudit_spi_execute(&find, &value, NULL) == 0 ||
		write_event(json, limit))
		return;
	json->len = before;
	if (json->data[before - 1] == '}')
		appendStringInfoChar(json, ',');
	(void) evaudit_spi_execute(&find_large, &value, NULL);
	(void) write_event(json, limit);
}

/*
 * Write a page, which ends early where it has half the bytes of a response;
 * no event takes more than the other half.
 */
static void
write_page(EventPage *page, StringInfo json)
{
	size_t		half = evaudit_response_limit() / 2;
	EvauditSpi	spi;
	int64	   *ids;
	int			n;
	int			i;

	evaudit_spi_begin(&spi);
	ids = find_page(page, &n);
	for (i = 0; i < Min(n, page->limit) && json->len <= half; i++)
	{
		add_event(json, ids[i], half);
		SPI_freetuptable(SPI_tuptable);
		page->last = ids[i];
	}
	page->has_more = i < n;
	evaudit_spi_end(&spi);
}

/* GET /events: the newest first, in pages. */
void
evaudit_route_get_events(EvauditRequest *request, EvauditResponse *response)
{
	EventPage	page = {0};
	int64		limit = DEFAULT_LIMIT;
	StringInfo	json;

	if (!read_number(request, "limit", &limit, response) ||
		!read_number(request, "cursor", &page.cursor, response))
		return;
	page.limit = (int) Min(limit, MAX_LIMIT);
	json = evaudit_response_begin_json(response, 200);
	appendStringInfoString(json, "{\"data\":[");
	write_page(&page, json);
	appendStringInfoString(json, "],\"pagination\":{\"cursor\":");
	if (page.has_more)
		appendStringInfo(json, INT64_FORMAT, page.last);
	else
		appendStringInfoString(json, "null");
	appendStringInfo(json, ",\"has_more\":%s,\"limit\":%d}}",
					 page.has_more ? "true" : "false", page.limit);
}
