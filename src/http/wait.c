/*-------------------------------------------------------------------------
 *
 * wait.c
 *	  Responses that are given when sinks have an event.
 *
 * A publisher waits if the topic's option "wait" says so, or the request's
 * Prefer: wait=N (RFC 7240), for evaudit.http_max_wait at most.  What is
 * waited for goes through the front as base64 of a JSON object: the event and
 * its place, until when, and the response if all goes well.  A role that may
 * call http_wait() learns by it what became of events that it names, and
 * nothing else.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"
#include "catalog/pg_type.h"

#include "http/settings.h"
#include "http/wait.h"
#include "sinks/await.h"
#include "text/base64.h"
#include "text/jsonb.h"

PG_FUNCTION_INFO_V1(evaudit_http_await);

/*
 * Longest that a call waits, in milliseconds.  A statement holds a snapshot,
 * which keeps VACUUM from removing what it may see: those who wait longer
 * call again.
 */
#define MAX_CALL_MS		1000

/* Longest text of what is waited for, in bytes; a response has 1 kB or so. */
#define MAX_WHAT_BYTES	(256 * 1024)

/* Most that are waited for at a time. */
#define MAX_WHAT		100000

/* Something that is waited for. */
typedef struct Waiting
{
	Datum		what;			/* text, as it came */
	TimestampTz until;
	int32		status;			/* the response if all goes well */
	Jsonb	   *headers;
	char	   *body;
} Waiting;

/* The seconds of "Prefer: wait=N"; -1: there is none. */
static long
preferred_seconds(const EvauditRequest *request)
{
	const char *prefer = evaudit_request_header(request, "prefer");

	while (prefer != NULL)
	{
		prefer += strspn(prefer, " \t,");
		if (pg_strncasecmp(prefer, "wait", 4) == 0)
		{
			const char *p = prefer + 4 + strspn(prefer + 4, " \t");
			char	   *end;
			long		seconds;

			if (*p == '=')
			{
				p++;
				p += strspn(p, " \t");
				seconds = strtol(p, &end, 10);
				end += strspn(end, " \t");
				if (*p >= '0' && *p <= '9' &&
					(*end == '\0' || *end == ',' || *end == ';'))
					return seconds;
			}
		}
		prefer = strchr(prefer, ',');
	}
	return -1;
}

/*
 * Have the response to an event that was published wait for its sinks, if the
 * topic or the request asks for it.
 */
void
evaudit_wait_begin(const EvauditRequest *request, const EvauditTopic *topic,
				   const EvauditEvent *event, EvauditResponse *response)
{
	long		seconds = preferred_seconds(request);
	int64		millis = topic->wait_ms;
	StringInfo	wait = &response->wait;

	if (seconds >= 0)
		millis = Min(seconds, INT_MAX / 1000) * INT64CONST(1000);
	millis = Min(millis, evaudit_http_max_wait);
	if (millis == 0 || !topic->has_sink)
		return;
	if (seconds >= 0)
		evaudit_response_header(response, "Preference-Applied",
								psprintf("wait=%d", (int) (millis / 1000)));
	initStringInfo(wait);
	appendStringInfoChar(wait, '{');
	evaudit_response_member(wait, "topic", topic->name);
	appendStringInfoChar(wait, ',');
	evaudit_response_member(wait, "id", text_to_cstring(event->event_id));
	if (event->outbox_seq != 0)
		appendStringInfo(wait,
						 ",\"xid\":\"" UINT64_FORMAT "\",\"seq\":\"" INT64_FORMAT "\"",
						 U64FromFullTransactionId(GetTopFullTransactionId()),
						 event->outbox_seq);
	appendStringInfo(wait, ",\"until\":\"" INT64_FORMAT "\"",
					 TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
												 millis));
}

/* Add the header to a response that is complete without it. */
void
evaudit_wait_add_header(EvauditResponse *response)
{
	StringInfo	wait = &response->wait;
	char	   *utf8;

	if (wait->data == NULL || response->status >= 300)
		return;
	appendStringInfo(wait, ",\"status\":\"%d\",\"headers\":{%s},",
					 response->status, response->headers.data);
	evaudit_response_member(wait, "body", response->body.data);
	appendStringInfoChar(wait, '}');
	utf8 = pg_server_to_any(wait->data, wait->len, PG_UTF8);
	evaudit_response_header(response, "X-Evaudit-Wait",
							evaudit_base64_encode((uint8 *) utf8,
												  strlen(utf8)));
}

/* Refuse what is not what http() named. */
static void
bad_what(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid value of header \"%s\"", "X-Evaudit-Wait")));
}

/* A member that is a number in a string; -1: there is none. */
static int64
number_member(Jsonb *document, const char *name)
{
	char	   *str = evaudit_jsonb_text(&document->root, name);
	char	   *end;
	int64		number;

	if (str == NULL)
		return -1;
	errno = 0;
	number = strtoi64(str, &end, 10);
	if (errno != 0 || end == str || *end != '\0' || number < 0)
		bad_what();
	return number;
}

/* The document of what is waited for. */
static Jsonb *
decode(Datum what)
{
	text	   *encoded = DatumGetTextPP(what);
	int			len = VARSIZE_ANY_EXHDR(encoded);
	char	   *json;
	int			json_len;

	if (len > MAX_WHAT_BYTES)
		bad_what();
	json = palloc(EVAUDIT_BASE64_BYTES(len) + 1);
	json_len = evaudit_base64_decode(VARDATA_ANY(encoded), len,
									 (uint8 *) json);
	if (json_len < 0 || !pg_verify_mbstr(PG_UTF8, json, json_len, true))
		bad_what();
	json[json_len] = '\0';
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in,
											  CStringGetDatum(pg_any_to_server(json, json_len,
																			   PG_UTF8))));
}

/* Read what is waited for; an ERROR if it is nothing that http() named. */
static void
read_what(Datum what, Waiting *waiting, EvauditAwaited *event)
{
	Jsonb	   *document = decode(what);
	JsonbValue *headers;
	int64		xid;
	int64		seq;

	if (!JB_ROOT_IS_OBJECT(document))
		bad_what();
	event->topic = evaudit_jsonb_text(&document->root, "topic");
	event->event_id = evaudit_jsonb_text(&document->root, "id");
	xid = number_member(document, "xid");
	seq = number_member(document, "seq");
	waiting->what = what;
	waiting->until = number_member(document, "until");
	waiting->status = (int32) number_member(document, "status");
	waiting->body = evaudit_jsonb_text(&document->root, "body");
	headers = evaudit_jsonb_member(&document->root, "headers");
	if (event->topic == NULL || event->event_id == NULL ||
		waiting->body == NULL || headers == NULL ||
		headers->type != jbvBinary ||
		!JsonContainerIsObject(headers->val.binary.data) ||
		(xid < 0) != (seq < 0))
		bad_what();
	waiting->headers = JsonbValueToJsonb(headers);
	event->placed = xid >= 0;
	event->xid = FullTransactionIdFromU64((uint64) Max(xid, 0));
	event->seq = seq;
	if (!event->placed && !evaudit_await_place(event))
		bad_what();
}

/* The response to a request whose event a sink does not have. */
static void
respond_failures(const EvauditAwaited *event, EvauditResponse *response)
{
	ListCell   *lc;

	evaudit_response_init(response);
	foreach(lc, event->sinks)
	{
		const EvauditAwaitedSink *sink = lfirst(lc);

		if (sink->state == EVAUDIT_DELIVERY_PARKED)
			evaudit_response_error(response, 500, sink->name,
								   "The destination refused the event.");
		else if (sink->state == EVAUDIT_DELIVERY_PENDING)
			evaudit_response_error(response, 500, sink->name,
								   "The destination did not respond in time.");
	}
}

/* Add the row of a response. */
static void
add_row(ReturnSetInfo *rsinfo, const Waiting *waiting,
		const EvauditAwaited *event)
{
	EvauditResponse failures;
	Datum		values[4];
	bool		nulls[4] = {false};
	char	   *body = waiting->body;
	int32		status = waiting->status;

	respond_failures(event, &failures);
	if (failures.nerrors > 0)
	{
		status = failures.status;
		body = failures.body.data;
	}
	body = pg_server_to_any(body, strlen(body), PG_UTF8);
	values[0] = waiting->what;
	values[1] = Int32GetDatum(status);
	values[2] = JsonbPGetDatum(waiting->headers);
	values[3] = PointerGetDatum(cstring_to_text(body));
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

/*
 * Return the responses of those that are decided, or have no more time; how
 * many.  Otherwise "next" is when the first one's time is over, if that is
 * earlier.
 */
static int
add_decided(ReturnSetInfo *rsinfo, const Waiting *waiting,
			EvauditAwaited *events, int n, TimestampTz *next)
{
	TimestampTz now = GetCurrentTimestamp();
	int			added = 0;

	evaudit_await_check(events, n);
	for (int i = 0; i < n; i++)
	{
		if (events[i].decided || waiting[i].until <= now)
		{
			add_row(rsinfo, &waiting[i], &events[i]);
			added++;
		}
		else
			*next = Min(*next, waiting[i].until);
	}
	return added;
}

/*
 * http_wait(what text[], timeout interval) returns table (what text, status
 * integer, headers jsonb, body bytea)
 */
Datum
evaudit_http_await(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	TimestampTz until = evaudit_await_until(PG_GETARG_INTERVAL_P(1),
											MAX_CALL_MS);
	MemoryContext round;
	MemoryContext previous;
	Waiting    *waiting;
	EvauditAwaited *events;
	Datum	   *what;
	bool	   *nulls;
	int			n;

	InitMaterializedSRF(fcinfo, 0);
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(0), TEXTOID, -1, false,
					  TYPALIGN_INT, &what, &nulls, &n);
	if (n == 0)
		return (Datum) 0;
	if (n > MAX_WHAT)
		bad_what();
	waiting = palloc_extended(n * sizeof(Waiting), MCXT_ALLOC_HUGE);
	events = palloc_extended(n * sizeof(EvauditAwaited),
							 MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (int i = 0; i < n; i++)
	{
		if (nulls[i])
			bad_what();
		read_what(what[i], &waiting[i], &events[i]);
	}

	round = AllocSetContextCreate(CurrentMemoryContext, "evaudit wait",
								  ALLOCSET_DEFAULT_SIZES);
	previous = MemoryContextSwitchTo(round);
	for (;;)
	{
		uint64		since = evaudit_await_begin();
		TimestampTz next = until;

		MemoryContextReset(round);
		if (add_decided(rsinfo, waiting, events, n, &next) > 0)
			break;
		if (!evaudit_await_sleep(since, next) && next == until)
			break;
	}
	evaudit_await_end();
	MemoryContextSwitchTo(previous);
	return (Datum) 0;
}
