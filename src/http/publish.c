/*-------------------------------------------------------------------------
 *
 * publish.c
 *	  POST /topics/{topic}: publish an event.
 *
 * The order of the decisions is part of the interface: the body's JSON, the
 * token, the topic, the grant and its constraints (all in authorize.c), the
 * rate, the schema.
 *
 * Responses of event gateways that are plainly defects are corrected unless
 * evaudit.http_compat asks for the letter: a body that is not JSON is an
 * error of the sender, not of the server.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/uuid.h"

#include "auth/access.h"
#include "events/ingest.h"
#include "http/compat_message.h"
#include "http/rate_limit.h"
#include "http/routes.h"
#include "http/wait.h"
#include "schema/schema.h"
#include "server/setting.h"

/* Most violations of a schema that are listed. */
#define MAX_VIOLATIONS		20

/* Whether responses are those of the gateway to the letter. */
static bool
is_compat(void)
{
	return evaudit_http_compat == EVAUDIT_COMPAT_EVENTGATE;
}

/* The response of a gateway to what it does not expect. */
static void
respond_internal(EvauditResponse *response)
{
	evaudit_response_error(response, 500, EVAUDIT_PROBLEM_INTERNAL,
						   "Unexpected server error.");
}

/* Respond to a body that is no payload. */
static void
respond_body(EvauditBodyResult result, const char *error,
			 EvauditResponse *response)
{
	if (result == EVAUDIT_BODY_TOO_LARGE)
		evaudit_response_error(response, 413, EVAUDIT_PROBLEM_SIZE,
							   "Body is too large.");
	else if (result == EVAUDIT_BODY_NUMBER || result == EVAUDIT_BODY_NOT_GZIP)
		evaudit_response_error(response, 400, EVAUDIT_PROBLEM_VALIDATION,
							   error);
	else if (is_compat())
		respond_internal(response);
	else if (result == EVAUDIT_BODY_EMPTY)
		evaudit_response_error(response, 400, EVAUDIT_PROBLEM_VALIDATION,
							   "Request body is missing.");
	else
		evaudit_response_error(response, 400, EVAUDIT_PROBLEM_VALIDATION,
							   psprintf("Request body is not valid JSON: %s",
										error));
}

/* Read the body of POST /topics/{topic}: the payload. */
bool
evaudit_route_read_message(EvauditRequest *request, EvauditResponse *response)
{
	const char *error = NULL;
	EvauditBodyResult result = evaudit_request_body(request, &request->payload,
													&error);

	if (result != EVAUDIT_BODY_JSON)
		respond_body(result, error, response);
	else if (is_compat() && !evaudit_access_any_grants())
		respond_internal(response);
	else
		return true;
	return false;
}

/* Whether the subject keeps to its rate; else there is a response. */
bool
evaudit_route_within_rate(const EvauditRequest *request,
						  EvauditResponse *response)
{
	const char *topic = request->topic->name;
	int			seconds = evaudit_rate_limit_wait(topic, request->subject);

	if (seconds == 0)
		return true;
	evaudit_response_error(response, 429, "rate",
						   psprintf("Too many messages to topic '%s'", topic));
	evaudit_response_header(response, "Retry-After", psprintf("%d", seconds));
	return false;
}

/* List the violations of a topic's schema. */
static void
respond_violations(const EvauditTopic *topic, Jsonb *payload,
				   EvauditResponse *response)
{
	List	   *violations = evaudit_schema_errors(topic->schema, payload,
												   topic->assert_format && !is_compat(),
												   MAX_VIOLATIONS);
	ListCell   *lc;

	foreach(lc, violations)
	{
		EvauditSchemaError *violation = lfirst(lc);

		evaudit_response_error(response, 400, EVAUDIT_PROBLEM_VALIDATION,
							   *violation->instance_location == '\0' ?
							   violation->message :
							   psprintf("%s: %s", violation->instance_location,
										violation->message));
	}
}

/* Respond to an event that its topic rejects. */
void
evaudit_route_respond_rejection(const EvauditTopic *topic, Jsonb *payload,
								const EvauditEvent *event,
								EvauditResponse *response)
{
	const char *message = NULL;

	if (is_compat() && topic->schema != NULL &&
		(event->reason == EVAUDIT_SCHEMA_VIOLATION ||
		 event->reason == EVAUDIT_NOT_AN_OBJECT))
		message = evaudit_compat_message(topic, payload);
	if (message != NULL)
		evaudit_response_error(response, 400, EVAUDIT_PROBLEM_VALIDATION,
							   message);
	else if (event->reason == EVAUDIT_SCHEMA_VIOLATION)
		respond_violations(topic, payload, response);
	if (response->nerrors > 0)
		return;
	if (event->reason == EVAUDIT_CONFLICT)
		evaudit_response_error(response, 409, "conflict", event->error);
	else if (event->reason == EVAUDIT_DATABASE_ERROR)
		evaudit_response_data_error(response, event->sqlstate, event->error);
	else if (event->reason == EVAUDIT_TOO_LARGE)
		evaudit_response_error(response, 413, EVAUDIT_PROBLEM_SIZE, event->error);
	else
		evaudit_response_error(response, 400, EVAUDIT_PROBLEM_VALIDATION,
							   event->error);
}

/*
 * Have what a projection writes audited as the subject's, within this request,
 * until AtEOXact_GUC() of the nesting level that is returned.
 */
int
evaudit_route_begin_publishing(const EvauditRequest *request)
{
	int			level = NewGUCNestLevel();

	if (request->subject != NULL)
		evaudit_set_locally("evaudit.actor", request->subject);
	evaudit_set_locally("evaudit.request_id", request->id);
	return level;
}

/*
 * Publish the request's payload for its subject, which may be NULL.  The body
 * is the event's bytes as received, so that limits count those.  False if the
 * event was rejected.
 */
bool
evaudit_route_publish(const EvauditRequest *request,
					  const EvauditTopic *topic, const char *event_id,
					  EvauditEvent *event)
{
	int			level = evaudit_route_begin_publishing(request);

	memset(event, 0, sizeof(EvauditEvent));
	event->payload = request->body;
	event->payload_len = request->body_len;
	event->given_document = request->payload;
	event->given_id = event_id;
	event->subject = request->subject;
	event->granted = true;
	event->any_format = is_compat();
	evaudit_ingest_one(topic, event);
	AtEOXact_GUC(true, level);
	return event->reason == EVAUDIT_ACCEPTED;
}

/*
 * Publish an event once more under an id of its own, if its id was kept with
 * another payload: a gateway takes both.  False if it was rejected for that,
 * or for something else.
 */
static bool
publish_again(const EvauditRequest *request, EvauditEvent *event)
{
	if (event->reason != EVAUDIT_CONFLICT)
		return false;
	return evaudit_route_publish(request, request->topic,
								 DatumGetCString(DirectFunctionCall1(uuid_out,
																	 OidFunctionCall0(F_GEN_RANDOM_UUID))),
								 event);
}

/* POST /topics/{topic} */
void
evaudit_route_post_topic(EvauditRequest *request, EvauditResponse *response)
{
	EvauditEvent event;
	const char *id = evaudit_mapping_has_event_id(request->topic->mapping) ?
		NULL : request->idempotency_key;

	if (evaudit_route_is_batch(request))
		evaudit_route_post_batch(request, response);
	else if (!evaudit_route_within_rate(request, response))
		return;
	else if (evaudit_route_publish(request, request->topic, id, &event) ||
			 (is_compat() && publish_again(request, &event)))
	{
		evaudit_response_success(response, 202);
		evaudit_wait_begin(request, request->topic, &event, response);
	}
	else
		evaudit_route_respond_rejection(request->topic, request->payload,
										&event, response);
}
