/*-------------------------------------------------------------------------
 *
 * authorize.c
 *	  Whether a request has what its route needs: a server that can write, a
 *	  token, a topic, a grant.
 *
 * The order of the decisions is part of the interface: a client that sees
 * 404 has a valid token, and one that sees 403 names a topic that exists.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"

#include "auth/access.h"
#include "auth/token.h"
#include "http/routes.h"

/* A header's value without space around it, or NULL if nothing remains. */
static const char *
trimmed_header(const EvauditRequest *request, const char *name)
{
	const char *value = evaudit_request_header(request, name);
	size_t		len;

	if (value == NULL)
		return NULL;
	value += strspn(value, " \t");
	len = strlen(value);
	while (len > 0 && (value[len - 1] == ' ' || value[len - 1] == '\t'))
		len--;
	return len > 0 ? pnstrdup(value, len) : NULL;
}

/*
 * The token: a header "bearer" as it is, else "Authorization: Bearer", which
 * alone will do for the admin listener.
 */
static const char *
find_token(const EvauditRequest *request)
{
	const char *value = NULL;

	if (!request->admin)
		value = trimmed_header(request, "bearer");
	if (value != NULL)
		return value;
	value = trimmed_header(request, "authorization");
	if (value == NULL || pg_strncasecmp(value, "bearer ", 7) != 0)
		return NULL;
	value += 7;
	return value + strspn(value, " \t");
}

/*
 * Respond to a request without a valid token; error is NULL if it has none at
 * all.  Of what is wrong with one, its sender is told what he can mend, once
 * its signature has been found good.
 */
static void
refuse_token(const EvauditTokenError *error, EvauditResponse *response)
{
	const char *challenge = "Bearer";

	if (error != NULL)
		challenge = "Bearer error=\"invalid_token\"";
	if (error != NULL && error->code >= EVAUDIT_TOKEN_EXPIRED)
	{
		char	   *description = pstrdup(error->message);

		for (char *p = description; *p != '\0'; p++)
			*p = *p == '"' ? '\'' : *p;
		challenge = psprintf("%s, error_description=\"%s\"", challenge,
							 description);
	}
	evaudit_response_error(response, 401, EVAUDIT_PROBLEM_AUTH,
						   "Invalid or missing token");
	evaudit_response_header(response, "WWW-Authenticate", challenge);
}

/*
 * Verify the token of a request and set its subject, which is NULL if the
 * token names none.  False if there is no valid token.
 */
static bool
authenticate(EvauditRequest *request, EvauditResponse *response)
{
	const char *token = find_token(request);
	EvauditTokenError error;
	Jsonb	   *claims = NULL;

	if (token != NULL)
		claims = evaudit_token_verify(token, strlen(token), &error);
	if (claims == NULL)
	{
		refuse_token(token != NULL ? &error : NULL, response);
		return false;
	}
	request->subject = evaudit_token_subject(claims);
	return true;
}

/* Respond to a request whose subject has no sufficient grant, if so. */
static void
refuse(const EvauditAccess *access, EvauditResponse *response)
{
	switch (access->code)
	{
		case EVAUDIT_ACCESS_GRANTED:
			break;
		case EVAUDIT_ACCESS_NO_GRANT:
		case EVAUDIT_ACCESS_INVALID_GRANT:
			evaudit_response_error(response, 403, EVAUDIT_PROBLEM_AUTH,
								   access->message);
			evaudit_response_header(response, "WWW-Authenticate",
									"Bearer error=\"insufficient_scope\"");
			break;
		case EVAUDIT_ACCESS_NOT_AN_OBJECT:
			if (evaudit_http_compat == EVAUDIT_COMPAT_EVENTGATE)
				evaudit_response_error(response, 500,
									   EVAUDIT_PROBLEM_INTERNAL,
									   "Unexpected server error.");
			else
				evaudit_response_error(response, 400,
									   EVAUDIT_PROBLEM_VALIDATION,
									   access->message);
			break;
		case EVAUDIT_ACCESS_MISSING_FIELD:
		case EVAUDIT_ACCESS_FORBIDDEN_VALUE:
			evaudit_response_error(response, 403, "permission",
								   access->message);
			break;
	}
}

/*
 * Whether the subject may publish a payload to the request's topic; else
 * there is a response.
 */
bool
evaudit_route_may_publish(const EvauditRequest *request, Jsonb *payload,
						  EvauditResponse *response)
{
	EvauditAccess access = evaudit_access_publish(request->topic->name,
												  request->subject, payload);

	refuse(&access, response);
	return access.code == EVAUDIT_ACCESS_GRANTED;
}

/*
 * Whether the subject may publish anything to the request's topic: of a batch,
 * each element is decided on its own.
 */
static EvauditAccess
publish_any(const char *topic, const EvauditRequest *request)
{
	EvauditAccess access = evaudit_access_publish(topic, request->subject, NULL);

	if (access.code == EVAUDIT_ACCESS_NOT_AN_OBJECT)
		access.code = EVAUDIT_ACCESS_GRANTED;
	return access;
}

/* Whether the subject may operate, and with whose privileges. */
static bool
may_operate(EvauditRequest *request, EvauditResponse *response)
{
	EvauditAccess access = {EVAUDIT_ACCESS_NO_GRANT};

	if (request->subject != NULL)
		request->grantor = evaudit_operate_grantor(request->subject);
	if (OidIsValid(request->grantor))
		return true;
	access.message = psprintf("User '%s' is not authorized to operate",
							  request->subject != NULL ?
							  request->subject : "None");
	refuse(&access, response);
	return false;
}

/* Whether the subject has the grant that a route needs. */
static bool
has_grant(const EvauditRoute *route, const EvauditRequest *request,
		  EvauditResponse *response)
{
	const char *grant = route->grant != NULL ? route->grant :
		request->topic->name;
	EvauditAccess access;

	if (route->own && request->subject != NULL &&
		strcmp(request->subject, request->param) == 0)
		return true;
	if (request->subject == NULL)
	{
		access.code = EVAUDIT_ACCESS_NO_GRANT;
		access.message = psprintf(route->needs == EVAUDIT_NEEDS_READ ?
								  "User 'None' is not authorized to read '%s'" :
								  "User 'None' is not authorized for topic '%s'",
								  grant);
	}
	else if (route->needs == EVAUDIT_NEEDS_READ)
		access = evaudit_access_read(grant, request->subject);
	else if (evaudit_route_is_batch(request))
		access = publish_any(grant, request);
	else
		access = evaudit_access_publish(grant, request->subject,
										request->payload);
	refuse(&access, response);
	return access.code == EVAUDIT_ACCESS_GRANTED;
}

/* Whether anything can be written in this transaction. */
static bool
can_write(EvauditResponse *response)
{
	if (!XactReadOnly)
		return true;
	evaudit_response_error(response, 503, EVAUDIT_PROBLEM_UNAVAILABLE,
						   RecoveryInProgress() ?
						   "Server is a standby, which only serves reads; send the request to the primary." :
						   "Transaction is read-only.");
	return false;
}

/* Read the body, if the route has a reader for it. */
static bool
read_body(const EvauditRoute *route, EvauditRequest *request,
		  EvauditResponse *response)
{
	return route->read_body == NULL || route->read_body(request, response);
}

/*
 * Whether a request may go to the handler of its route, with its subject,
 * topic and payload set as far as the route needs them; else there is a
 * response.
 */
bool
evaudit_route_authorize(const EvauditRoute *route, EvauditRequest *request,
						EvauditResponse *response)
{
	bool		open = route->needs == EVAUDIT_NEEDS_NOTHING ||
		(route->access != NULL && *route->access == EVAUDIT_ROUTE_OPEN);

	if (route->writes && !can_write(response))
		return false;
	if (route->body_first && !read_body(route, request, response))
		return false;
	if (!open && !authenticate(request, response))
		return false;
	if (route->needs == EVAUDIT_NEEDS_OPERATE)
		return may_operate(request, response);
	if (route->needs != EVAUDIT_NEEDS_NOTHING && route->grant == NULL &&
		!evaudit_route_find_topic(request, response))
		return false;
	if (!route->body_first && !read_body(route, request, response))
		return false;
	return open || has_grant(route, request, response);
}
