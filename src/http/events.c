/*-------------------------------------------------------------------------
 *
 * events.c
 *	  An event logger: POST /events and GET /events/{id}.
 *
 * Events go to the topic "http_events", whose payload is {"id", "type",
 * "payload"}.  Whether that needs a token and a grant for the topic says
 * evaudit.http_events.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "auth/access.h"
#include "http/http.h"
#include "http/rate_limit.h"
#include "server/config.h"
#include "server/spi.h"
#include "text/jsonb.h"
#include "text/rfc3339.h"

#define TOPIC	"http_events"

/* Say what is wrong with a request, as loggers do. */
static void
answer_message(EvauditGateAnswer *answer, int status, const char *message)
{
	StringInfo	json = evaudit_gate_answer_json(answer, status);

	appendStringInfoChar(json, '{');
	evaudit_gate_member(json, "message", message);
	appendStringInfoChar(json, '}');
}

/* Say which part of the body is wrong; "place" is the end of a JSON list. */
static void
answer_detail(EvauditGateAnswer *answer, const char *place,
			  const char *message, const char *type)
{
	StringInfo	json = evaudit_gate_answer_json(answer, 422);

	appendStringInfo(json, "{\"detail\":[{\"loc\":[\"body\"%s],", place);
	evaudit_gate_member(json, "msg", message);
	appendStringInfoChar(json, ',');
	evaudit_gate_member(json, "type", type);
	appendStringInfoString(json, "}]}");
}

/* Whether the request may go on; else it is answered. */
static bool
may_enter(EvauditGateRequest *request, EvauditGateAnswer *answer,
		  char **subject)
{
	*subject = NULL;
	evaudit_gate_add_header(answer, "Access-Control-Allow-Origin", "*");
	if (evaudit_http_events == EVAUDIT_LOGGER_OFF)
	{
		evaudit_gate_error(answer, 404, EVAUDIT_GATE_ROUTE,
						   "Resource not found.");
		return false;
	}
	return evaudit_http_events == EVAUDIT_LOGGER_OPEN ||
		evaudit_gate_authenticate(request, answer, subject);
}

/* Whether the subject's grant and rate allow an event, likewise. */
static bool
may_publish(const char *subject, Jsonb *event, EvauditGateAnswer *answer)
{
	int			seconds;

	if (evaudit_http_events == EVAUDIT_LOGGER_TOKEN)
	{
		EvauditAccess access = evaudit_access_decide(TOPIC,
													 subject ? subject : "",
													 event);

		if (access.code != EVAUDIT_ACCESS_GRANTED)
		{
			evaudit_gate_error(answer, 403, EVAUDIT_GATE_AUTH,
							   access.message);
			return false;
		}
	}
	seconds = evaudit_rate_limit_wait(TOPIC, subject ? subject : "");
	if (seconds > 0)
	{
		answer_message(answer, 429, "Too many events");
		evaudit_gate_add_header(answer, "Retry-After",
								psprintf("%d", seconds));
		return false;
	}
	return true;
}

/* A member of the body; NULL if it is not there or null. */
static JsonbValue *
member(Jsonb *body, const char *name)
{
	JsonbValue *value = evaudit_jsonb_member(&body->root, name);

	return value == NULL || value->type == jbvNull ? NULL : value;
}

/* A member that must be a string, not an empty one; else it is answered. */
static JsonbValue *
string_member(Jsonb *body, const char *name, EvauditGateAnswer *answer)
{
	JsonbValue *value = member(body, name);
	const char *place = psprintf(",\"%s\"", name);

	if (value == NULL)
		answer_detail(answer, place, "Field required", "missing");
	else if (value->type != jbvString)
		answer_detail(answer, place, "Input should be a valid string",
					  "string_type");
	else if (value->val.string.len == 0)
		answer_detail(answer, place,
					  "String should have at least 1 character",
					  "string_too_short");
	else
		return value;
	return NULL;
}

/* The body as JSON; NULL if it is none: then the request is answered. */
static Jsonb *
read_body(const EvauditGateRequest *request, EvauditGateAnswer *answer)
{
	Jsonb	   *body = NULL;
	const char *error = NULL;

	switch (evaudit_gate_body(request, &body, &error))
	{
		case EVAUDIT_GATE_JSON:
			if (JB_ROOT_IS_OBJECT(body))
				return body;
			answer_detail(answer, "", "Input should be a valid object",
						  "model_type");
			break;
		case EVAUDIT_GATE_JSON_EMPTY:
			answer_detail(answer, "", "Field required", "missing");
			break;
		case EVAUDIT_GATE_JSON_BAD:
			answer_detail(answer, "", psprintf("JSON decode error: %s", error),
						  "json_invalid");
			break;
		case EVAUDIT_GATE_JSON_TOO_LARGE:
			answer_message(answer, 413, "Body is too large");
			break;
	}
	return NULL;
}

/*
 * The event that a body asks for, with an id of its own if it has none; NULL
 * if it is not one: then the request is answered.
 */
static Jsonb *
read_event(Jsonb *body, EvauditGateAnswer *answer)
{
	EvauditJsonbState state = {0};
	JsonbValue *type = string_member(body, "type", answer);
	JsonbValue *payload = member(body, "payload");
	JsonbValue *id = member(body, "id");
	JsonbValue	made;

	if (type == NULL)
		return NULL;
	if (payload == NULL || payload->type != jbvBinary ||
		!JsonContainerIsObject(payload->val.binary.data))
	{
		answer_detail(answer, ",\"payload\"",
					  payload == NULL ? "Field required" :
					  "Input should be a valid dictionary",
					  payload == NULL ? "missing" : "dict_type");
		return NULL;
	}
	if (id != NULL && (id = string_member(body, "id", answer)) == NULL)
		return NULL;
	if (id == NULL)
	{
		made.type = jbvString;
		made.val.string.val = DatumGetCString(DirectFunctionCall1(uuid_out,
																  OidFunctionCall0(F_GEN_RANDOM_UUID)));
		made.val.string.len = (int) strlen(made.val.string.val);
		id = &made;
	}
	evaudit_compat_jsonb_push(&state, WJB_BEGIN_OBJECT, NULL);
	evaudit_jsonb_push(&state, "id", id);
	evaudit_jsonb_push(&state, "type", type);
	evaudit_jsonb_push(&state, "payload", payload);
	evaudit_compat_jsonb_push(&state, WJB_END_OBJECT, NULL);
	return JsonbValueToJsonb(state.result);
}

/* Answer with a kept event; false if there is none. */
static bool
answer_event(const char *id, int status, EvauditGateAnswer *answer)
{
	static EvauditStatement find = {
		"SELECT payload ->> 'type', payload -> 'payload', received_at"
		" FROM evaudit.events WHERE topic = '" TOPIC "' AND event_id = $1",
		1, {TEXTOID}
	};
	Datum		value = CStringGetTextDatum(id);
	char		time[EVAUDIT_RFC3339_LEN];
	EvauditSpi	spi;
	bool		found;

	evaudit_spi_begin(&spi);
	found = evaudit_spi_execute(&find, &value, NULL) > 0;
	if (found)
	{
		StringInfo	json = evaudit_gate_answer_json(answer, status);
		bool		isnull;
		Datum		payload = evaudit_spi_datum(0, 1, &isnull);
		Datum		received = evaudit_spi_datum(0, 2, &isnull);

		(void) evaudit_rfc3339_format(DatumGetTimestampTz(received), time);
		appendStringInfoChar(json, '{');
		evaudit_gate_member(json, "id", id);
		appendStringInfoChar(json, ',');
		evaudit_gate_member(json, "type", evaudit_spi_text(0, 0));
		appendStringInfoString(json, ",\"payload\":");
		evaudit_gate_jsonb(json, DatumGetJsonbP(payload));
		appendStringInfoChar(json, ',');
		evaudit_gate_member(json, "created_at", time);
		appendStringInfoChar(json, '}');
	}
	evaudit_spi_end(&spi);
	return found;
}

/* Answer to an event that its topic does not take. */
static void
answer_rejection(const EvauditEvent *event, EvauditGateAnswer *answer)
{
	if (event->reason == EVAUDIT_CONFLICT)
		answer_message(answer, 409,
					   "Event exists already, with another type or payload");
	else if (event->reason == EVAUDIT_TOO_LARGE)
		answer_message(answer, 413, event->error);
	else
		answer_detail(answer, "", event->error,
					  evaudit_reason_name(event->reason));
}

/* POST /events */
void
evaudit_gate_post_event(EvauditGateRequest *request,
						EvauditGateAnswer *answer)
{
	const EvauditTopic *topic;
	char	   *subject;
	Jsonb	   *payload;
	EvauditEvent event;

	if (!may_enter(request, answer, &subject) ||
		(payload = read_body(request, answer)) == NULL ||
		(payload = read_event(payload, answer)) == NULL ||
		!may_publish(subject, payload, answer))
		return;
	topic = evaudit_topic_load(TOPIC, true);
	if (topic == NULL || !topic->keep)
		answer_message(answer, 404, "There is no topic \"" TOPIC "\" that keeps events");
	else if (!evaudit_gate_publish(request, topic, payload, NULL, subject,
								   &event))
		answer_rejection(&event, answer);
	else if (!answer_event(text_to_cstring(event.event_id), 201, answer))
		elog(ERROR, "event was not kept");
}

/* GET /events/{id} */
void
evaudit_gate_get_event(EvauditGateRequest *request, EvauditGateAnswer *answer)
{
	char	   *subject;

	if (!may_enter(request, answer, &subject))
		return;
	if (!answer_event(request->param, 200, answer))
		answer_message(answer, 404, "Event not found");
}

/* OPTIONS /events: what a page of another origin may send. */
void
evaudit_gate_options_events(EvauditGateRequest *request,
							EvauditGateAnswer *answer)
{
	answer->status = 204;
	evaudit_gate_add_header(answer, "Access-Control-Allow-Origin", "*");
	evaudit_gate_add_header(answer, "Access-Control-Allow-Methods",
							"GET, POST, OPTIONS");
	evaudit_gate_add_header(answer, "Access-Control-Allow-Headers",
							"Authorization, Bearer, Content-Type, X-Request-Id");
	evaudit_gate_add_header(answer, "Access-Control-Max-Age", "600");
}
