/*-------------------------------------------------------------------------
 *
 * events.c
 *	  An event logger: POST /events and GET /events/{id}.
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
#include "utils/fmgroids.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "http/rate_limit.h"
#include "http/routes.h"
#include "server/spi.h"
#include "text/jsonb.h"
#include "text/rfc3339.h"

/* Respond with a message, as loggers do. */
static void
respond_message(EvauditResponse *response, int status, const char *message)
{
	StringInfo	json = evaudit_response_begin_json(response, status);

	appendStringInfoChar(json, '{');
	evaudit_response_member(json, "message", message);
	appendStringInfoChar(json, '}');
}

/* Say which part of the body is invalid; "place" ends a JSON list. */
static void
respond_detail(EvauditResponse *response, const char *place,
			   const char *message, const char *type)
{
	StringInfo	json = evaudit_response_begin_json(response, 422);

	appendStringInfo(json, "{\"detail\":[{\"loc\":[\"body\"%s],", place);
	evaudit_response_member(json, "msg", message);
	appendStringInfoChar(json, ',');
	evaudit_response_member(json, "type", type);
	appendStringInfoString(json, "}]}");
}

/* Whether the subject, or everybody together, keeps to the rate. */
static bool
within_rate(const char *subject, EvauditResponse *response)
{
	int			seconds = evaudit_rate_limit_wait(EVAUDIT_LOGGER_TOPIC,
												  subject ? subject : "");

	if (seconds == 0)
		return true;
	respond_message(response, 429, "Too many events");
	evaudit_response_header(response, "Retry-After", psprintf("%d", seconds));
	return false;
}

/* A member of the body; NULL if it is not there or null. */
static JsonbValue *
member(Jsonb *body, const char *name)
{
	JsonbValue *value = evaudit_jsonb_member(&body->root, name);

	return value == NULL || value->type == jbvNull ? NULL : value;
}

/*
 * A member that must be a string, not an empty one; else NULL, and there is a
 * response.
 */
static JsonbValue *
string_member(Jsonb *body, const char *name, EvauditResponse *response)
{
	JsonbValue *value = member(body, name);
	const char *place = psprintf(",\"%s\"", name);

	if (value == NULL)
		respond_detail(response, place, "Field required", "missing");
	else if (value->type != jbvString)
		respond_detail(response, place, "Input should be a valid string",
					   "string_type");
	else if (value->val.string.len == 0)
		respond_detail(response, place,
					   "String should have at least 1 character",
					   "string_too_short");
	else
		return value;
	return NULL;
}

/* The body as a JSON object; else NULL, and there is a response. */
static Jsonb *
read_body(EvauditRequest *request, EvauditResponse *response)
{
	Jsonb	   *body = NULL;
	const char *error = NULL;

	switch (evaudit_request_body(request, &body, &error))
	{
		case EVAUDIT_BODY_JSON:
			if (JB_ROOT_IS_OBJECT(body))
				return body;
			respond_detail(response, "", "Input should be a valid object",
						   "model_type");
			break;
		case EVAUDIT_BODY_EMPTY:
			respond_detail(response, "", "Field required", "missing");
			break;
		case EVAUDIT_BODY_INVALID:
			respond_detail(response, "", psprintf("JSON decode error: %s", error),
						   "json_invalid");
			break;
		case EVAUDIT_BODY_NOT_GZIP:
			respond_detail(response, "", error, "json_invalid");
			break;
		case EVAUDIT_BODY_NUMBER:
			respond_detail(response, "", error, "number_too_large");
			break;
		case EVAUDIT_BODY_TOO_LARGE:
			respond_message(response, 413, "Body is too large");
			break;
	}
	return NULL;
}

/*
 * The event that a body asks for, with a new id if it has none; else NULL,
 * and there is a response.
 */
static Jsonb *
make_event(Jsonb *body, EvauditResponse *response)
{
	EvauditJsonbState state = {0};
	JsonbValue *type = string_member(body, "type", response);
	JsonbValue *payload = member(body, "payload");
	JsonbValue *id = member(body, "id");
	JsonbValue	made;

	if (type == NULL)
		return NULL;
	if (payload == NULL || payload->type != jbvBinary ||
		!JsonContainerIsObject(payload->val.binary.data))
	{
		respond_detail(response, ",\"payload\"",
					   payload == NULL ? "Field required" :
					   "Input should be a valid dictionary",
					   payload == NULL ? "missing" : "dict_type");
		return NULL;
	}
	if (id != NULL && (id = string_member(body, "id", response)) == NULL)
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

/* Read the body of POST /events. */
bool
evaudit_route_read_event(EvauditRequest *request, EvauditResponse *response)
{
	Jsonb	   *body = read_body(request, response);

	if (body != NULL)
		request->payload = make_event(body, response);
	return request->payload != NULL;
}

/* The columns of a kept event. */
enum
{
	EVENT_TYPE,
	EVENT_PAYLOAD,
	EVENT_RECEIVED_AT
};

/* Write the kept event that was read; false if it is too large. */
static bool
write_event(const char *id, StringInfo json)
{
	Jsonb	   *payload = evaudit_spi_jsonb_or_null(0, EVENT_PAYLOAD);
	char		time[EVAUDIT_RFC3339_LEN];

	appendStringInfoChar(json, '{');
	evaudit_response_member(json, "id", id);
	appendStringInfoChar(json, ',');
	evaudit_response_member(json, "type",
							evaudit_spi_text_or_null(0, EVENT_TYPE));
	appendStringInfoString(json, ",\"payload\":");
	if (payload == NULL)
		appendStringInfoString(json, "null");
	else if (!evaudit_response_jsonb(json, payload, evaudit_response_limit()))
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
		"SELECT payload ->> 'type', payload -> 'payload', received_at"
		" FROM evaudit.events WHERE topic = '" EVAUDIT_LOGGER_TOPIC "'"
		" AND event_id = $1", 1, {TEXTOID}
	};
	Datum		value = CStringGetTextDatum(id);
	EvauditSpi	spi;
	bool		found;

	evaudit_spi_begin(&spi);
	found = evaudit_spi_execute(&find, &value, NULL) > 0;
	if (found &&
		!write_event(id, evaudit_response_begin_json(response, status)))
		evaudit_response_too_large(response);
	evaudit_spi_end(&spi);
	return found;
}

/* Respond to an event that its topic rejects. */
static void
respond_rejection(const EvauditEvent *event, EvauditResponse *response)
{
	if (event->reason == EVAUDIT_CONFLICT)
		respond_message(response, 409,
						"Event exists already, with another type or payload");
	else if (event->reason == EVAUDIT_TOO_LARGE)
		respond_message(response, 413, event->error);
	else
		respond_detail(response, "", event->error,
					   evaudit_reason_name(event->reason));
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
		respond_message(response, 404, "There is no topic \""
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
		respond_message(response, 404, "Event not found");
}
