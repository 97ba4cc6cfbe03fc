/*-------------------------------------------------------------------------
 *
 * publish.c
 *	  POST /topics/{topic}: publish an event.
 *
 * The order of the decisions is part of the interface: the body's JSON, the
 * token, the topic, the grant and its constraints, the rate, the schema.
 *
 * What event gateways answer that is plainly a defect is done better unless
 * evaudit.http_compat asks for the letter: a body that is no JSON is the
 * sender's fault, not the server's.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/guc.h"

#include "auth/access.h"
#include "events/publish.h"
#include "http/http.h"
#include "http/rate_limit.h"
#include "schema/schema.h"
#include "server/config.h"

/* Most violations of a schema that are told. */
#define MAX_VIOLATIONS		20

/* Whether answers follow the gateway's to the letter. */
static bool
is_compat(void)
{
	return evaudit_http_compat == EVAUDIT_COMPAT_EVENTGATE;
}

/* What a gateway answers to whatever it has not thought of. */
static void
answer_internal(EvauditGateAnswer *answer)
{
	evaudit_gate_error(answer, 500, EVAUDIT_GATE_INTERNAL,
					   "Unexpected server error.");
}

/* The payload; NULL if it is none: then the request is answered. */
static Jsonb *
read_payload(const EvauditGateRequest *request, EvauditGateAnswer *answer)
{
	Jsonb	   *payload = NULL;
	const char *error = NULL;
	EvauditGateJson result = evaudit_gate_body(request, &payload, &error);

	if (result == EVAUDIT_GATE_JSON)
		return payload;
	if (result == EVAUDIT_GATE_JSON_TOO_LARGE)
		evaudit_gate_error(answer, 413, "size", "Body is too large.");
	else if (is_compat())
		answer_internal(answer);
	else if (result == EVAUDIT_GATE_JSON_EMPTY)
		evaudit_gate_error(answer, 400, EVAUDIT_GATE_VALIDATION,
						   "Request body is missing.");
	else
		evaudit_gate_error(answer, 400, EVAUDIT_GATE_VALIDATION,
						   psprintf("Request body is not valid JSON: %s",
									error));
	return NULL;
}

/* Whether the grants let a subject publish; else the request is answered. */
static bool
is_allowed(const EvauditTopic *topic, const char *subject, Jsonb *payload,
		   EvauditGateAnswer *answer)
{
	EvauditAccess access;

	if (subject == NULL)
	{
		evaudit_gate_error(answer, 403, EVAUDIT_GATE_AUTH,
						   psprintf("User 'None' is not authorized for topic '%s'",
									topic->name));
		return false;
	}
	access = evaudit_access_decide(topic->name, subject, payload);
	switch (access.code)
	{
		case EVAUDIT_ACCESS_GRANTED:
			return true;
		case EVAUDIT_ACCESS_NO_GRANT:
			evaudit_gate_error(answer, 403, EVAUDIT_GATE_AUTH,
							   access.message);
			break;
		case EVAUDIT_ACCESS_NOT_AN_OBJECT:
			if (is_compat())
				answer_internal(answer);
			else
				evaudit_gate_error(answer, 400, EVAUDIT_GATE_VALIDATION,
								   access.message);
			break;
		case EVAUDIT_ACCESS_MISSING_FIELD:
		case EVAUDIT_ACCESS_FORBIDDEN_VALUE:
			evaudit_gate_error(answer, 403, "permission", access.message);
			break;
	}
	return false;
}

/* Whether a subject keeps to its rate; else the request is answered. */
static bool
within_rate(const char *topic, const char *subject, EvauditGateAnswer *answer)
{
	int			seconds = evaudit_rate_limit_wait(topic, subject);

	if (seconds == 0)
		return true;
	evaudit_gate_error(answer, 429, "rate",
					   psprintf("Too many messages to topic '%s'", topic));
	evaudit_gate_add_header(answer, "Retry-After", psprintf("%d", seconds));
	return false;
}

/* List what a payload breaks of its schema. */
static void
answer_violations(const EvauditTopic *topic, Jsonb *payload,
				  EvauditGateAnswer *answer)
{
	List	   *violations = evaudit_schema_errors(topic->schema, payload,
												   topic->assert_format,
												   MAX_VIOLATIONS);
	ListCell   *lc;

	foreach(lc, violations)
	{
		EvauditSchemaError *violation = lfirst(lc);

		evaudit_gate_error(answer, 400, EVAUDIT_GATE_VALIDATION,
						   *violation->instance_location == '\0' ?
						   violation->message :
						   psprintf("%s: %s", violation->instance_location,
									violation->message));
	}
}

/* Answer to an event that its topic does not take. */
static void
answer_rejection(const EvauditTopic *topic, Jsonb *payload,
				 const EvauditEvent *event, EvauditGateAnswer *answer)
{
	if (event->reason == EVAUDIT_SCHEMA_VIOLATION)
		answer_violations(topic, payload, answer);
	if (answer->nerrors > 0)
		return;
	if (event->reason == EVAUDIT_CONFLICT)
		evaudit_gate_error(answer, 409, "conflict", event->error);
	else if (event->reason == EVAUDIT_TOO_LARGE)
		evaudit_gate_error(answer, 413, "size", event->error);
	else
		evaudit_gate_error(answer, 400, EVAUDIT_GATE_VALIDATION,
						   event->error);
}

/* Set a setting until the end of the nesting level. */
static void
set_locally(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
}

/*
 * Publish in the name of a subject, which may be NULL: what a projection
 * writes is audited as its doing, within this request.  False if the event
 * was rejected.
 */
bool
evaudit_gate_publish(const EvauditGateRequest *request,
					 const EvauditTopic *topic, Jsonb *payload,
					 const char *event_id, const char *subject,
					 EvauditEvent *event)
{
	int			level = NewGUCNestLevel();
	bool		accepted;

	if (subject != NULL)
		set_locally("evaudit.actor", subject);
	set_locally("evaudit.request_id", request->id);
	accepted = evaudit_publish_event(topic, payload, event_id, subject, true,
									 event);
	AtEOXact_GUC(true, level);
	return accepted;
}

/* POST /topics/{topic} */
void
evaudit_gate_post_topic(EvauditGateRequest *request,
						EvauditGateAnswer *answer)
{
	Jsonb	   *payload = read_payload(request, answer);
	char	   *subject;
	const EvauditTopic *topic;
	EvauditEvent event;

	if (payload == NULL)
		return;
	if (is_compat() && !evaudit_access_any_grants())
	{
		answer_internal(answer);
		return;
	}
	if (!evaudit_gate_authenticate(request, answer, &subject) ||
		(topic = evaudit_gate_find_topic(request, answer)) == NULL ||
		!is_allowed(topic, subject, payload, answer) ||
		!within_rate(topic->name, subject, answer))
		return;
	if (!evaudit_gate_publish(request, topic, payload, NULL, subject, &event))
	{
		answer_rejection(topic, payload, &event, answer);
		return;
	}
	appendStringInfoString(evaudit_gate_answer_json(answer, 202),
						   "{\"success\":true,\"statusCode\":202}");
}
