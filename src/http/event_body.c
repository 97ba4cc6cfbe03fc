/*-------------------------------------------------------------------------
 *
 * event_body.c
 *	  The body of POST /events: {"id", "type", "payload"}.
 *
 * All that is wrong with it is listed, in this order of the members, in the
 * words of FastAPI, so that clients written for such a logger understand it.
 * An id that is not there is made, unless evaudit.http_events_require_id has
 * it missed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/uuid.h"

#include "http/event.h"
#include "http/routes.h"
#include "text/jsonb.h"

/* The body as a JSON object; else NULL, and there is a response. */
static Jsonb *
read_body(EvauditRequest *request, EvauditResponse *response)
{
	Jsonb	   *body = NULL;
	JsonbValue	scalar;
	const char *error = NULL;

	switch (evaudit_request_body(request, &body, &error))
	{
		case EVAUDIT_BODY_JSON:
			if (JB_ROOT_IS_OBJECT(body))
				return body;
			if (!JB_ROOT_IS_SCALAR(body) ||
				!JsonbExtractScalar(&body->root, &scalar))
			{
				scalar.type = jbvBinary;
				scalar.val.binary.data = &body->root;
				scalar.val.binary.len = VARSIZE(body) - VARHDRSZ;
			}
			evaudit_event_fault(response, "model_attributes_type", NULL,
								"Input should be a valid dictionary or object to extract fields from",
								&scalar);
			break;
		case EVAUDIT_BODY_EMPTY:
			evaudit_event_fault(response, "missing", NULL, "Field required",
								NULL);
			break;
		case EVAUDIT_BODY_INVALID:
			evaudit_event_fault_json(response, request, error);
			break;
		case EVAUDIT_BODY_NOT_GZIP:
			evaudit_event_fault(response, "encoding_invalid", NULL, error,
								NULL);
			break;
		case EVAUDIT_BODY_NUMBER:
			evaudit_event_fault(response, "number_too_large", NULL, error,
								NULL);
			break;
		case EVAUDIT_BODY_TOO_LARGE:
			evaudit_event_message(response, 413, "Body is too large");
			break;
	}
	return NULL;
}

/* Report a member that is not there. */
static void
report_missing(Jsonb *body, const char *name, EvauditResponse *response)
{
	JsonbValue	whole = {.type = jbvBinary};

	whole.val.binary.data = &body->root;
	whole.val.binary.len = VARSIZE(body) - VARHDRSZ;
	evaudit_event_fault(response, "missing", name, "Field required", &whole);
}

/* A member that must be a string, not an empty one; else it is reported. */
static JsonbValue *
string_member(Jsonb *body, const char *name, EvauditResponse *response)
{
	JsonbValue *value = evaudit_jsonb_member(&body->root, name);

	if (value == NULL)
		report_missing(body, name, response);
	else if (value->type != jbvString)
		evaudit_event_fault(response, "string_type", name,
							"Input should be a valid string", value);
	else if (value->val.string.len == 0)
		evaudit_event_fault(response, "string_too_short", name,
							"String should have at least 1 character", value);
	return value;
}

/* The member that must be an object; else it is reported. */
static JsonbValue *
payload_member(Jsonb *body, EvauditResponse *response)
{
	JsonbValue *value = evaudit_jsonb_member(&body->root, "payload");

	if (value == NULL)
		report_missing(body, "payload", response);
	else if (value->type != jbvBinary ||
			 !JsonContainerIsObject(value->val.binary.data))
		evaudit_event_fault(response, "dict_type", "payload",
							"Input should be a valid dictionary", value);
	return value;
}

/* The event's id: the body's, else the request's, else a new one. */
static JsonbValue *
id_member(Jsonb *body, const EvauditRequest *request,
		  EvauditResponse *response)
{
	JsonbValue *id = evaudit_jsonb_member(&body->root, "id");
	const char *key = request->idempotency_key;

	if ((id != NULL && id->type != jbvNull) ||
		(evaudit_http_events_require_id && (id != NULL || key == NULL)))
		return string_member(body, "id", response);
	if (key == NULL)
		key = DatumGetCString(DirectFunctionCall1(uuid_out,
												  OidFunctionCall0(F_GEN_RANDOM_UUID)));
	id = palloc(sizeof(JsonbValue));
	id->type = jbvString;
	id->val.string.val = unconstify(char *, key);
	id->val.string.len = (int) strlen(key);
	return id;
}

/* The event that a body asks for; else NULL, and there is a response. */
static Jsonb *
make_event(Jsonb *body, const EvauditRequest *request,
		   EvauditResponse *response)
{
	EvauditJsonbState state = {0};
	JsonbValue *id = id_member(body, request, response);
	JsonbValue *type = string_member(body, "type", response);
	JsonbValue *payload = payload_member(body, response);

	if (response->nerrors > 0)
		return NULL;
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
		request->payload = make_event(body, request, response);
	return request->payload != NULL;
}
