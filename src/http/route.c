/*-------------------------------------------------------------------------
 *
 * route.c
 *	  Which handler a request goes to, and what it needs to get there.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "auth/access.h"
#include "http/routes.h"

/*
 * Every route with what it needs.  One that shows kept payloads, or changes
 * anything, needs a grant, unless the setting beside it opens it.
 */
static const EvauditRoute routes[] = {
	/* of an event gateway */
	{"POST", "/topics/{}", EVAUDIT_NEEDS_PUBLISH,
		.writes = true,.read_body = evaudit_route_read_message,
	.body_first = true,.handle = evaudit_route_post_topic},
	{"GET", "/topics/{}", EVAUDIT_NEEDS_NOTHING,
	.handle = evaudit_route_get_topic},
	{"GET", "/topics", EVAUDIT_NEEDS_NOTHING,
	.handle = evaudit_route_get_topics},
	{"POST", "/stats/{}", EVAUDIT_NEEDS_READ, NULL, &evaudit_http_stats,
	.handle = evaudit_route_post_stats},
	{"GET", "/health", EVAUDIT_NEEDS_NOTHING,
	.handle = evaudit_route_get_health},
	{"GET", "/token", EVAUDIT_NEEDS_NOTHING,
	.handle = evaudit_route_get_token},
	{"GET", "/api", EVAUDIT_NEEDS_NOTHING,
	.handle = evaudit_route_get_api},
	{"GET", "/docs", EVAUDIT_NEEDS_NOTHING,
	.handle = evaudit_route_get_docs},
	{"POST", "/terminate", EVAUDIT_NEEDS_PUBLISH, EVAUDIT_GRANT_TERMINATE,
		&evaudit_http_terminate,
	.writes = true,.handle = evaudit_route_post_terminate},
	/* of an event logger */
	{"POST", "/events", EVAUDIT_NEEDS_PUBLISH, EVAUDIT_LOGGER_TOPIC,
		&evaudit_http_events,
		.writes = true,.read_body = evaudit_route_read_event,
	.handle = evaudit_route_post_event},
	{"GET", "/events", EVAUDIT_NEEDS_READ, EVAUDIT_LOGGER_TOPIC,
		&evaudit_http_events,
	.handle = evaudit_route_get_events},
	{"GET", "/events/{}", EVAUDIT_NEEDS_READ, EVAUDIT_LOGGER_TOPIC,
		&evaudit_http_events,
	.handle = evaudit_route_get_event},
	/* of the query */
	{"GET", "/users/{}/services", EVAUDIT_NEEDS_READ, EVAUDIT_GRANT_SERVICES,
		&evaudit_http_services,
	.own = true,.handle = evaudit_route_get_services},
	{"GET", "/", EVAUDIT_NEEDS_READ, EVAUDIT_GRANT_SERVICES,
		&evaudit_http_services,
		.enabled = &evaudit_http_services_root,.parameter = "user_id",
	.own = true,.handle = evaudit_route_get_services},
	/* of the admin listener */
	{"POST", "/sources/{}/pause", EVAUDIT_NEEDS_OPERATE,
	.writes = true,.handle = evaudit_route_pause_source},
	{"POST", "/sources/{}/resume", EVAUDIT_NEEDS_OPERATE,
	.writes = true,.handle = evaudit_route_resume_source},
	{"POST", "/sources/{}/redrive", EVAUDIT_NEEDS_OPERATE,
	.writes = true,.handle = evaudit_route_redrive},
	{"POST", "/sinks/{}/pause", EVAUDIT_NEEDS_OPERATE,
	.writes = true,.handle = evaudit_route_pause_sink},
	{"POST", "/sinks/{}/resume", EVAUDIT_NEEDS_OPERATE,
	.writes = true,.handle = evaudit_route_resume_sink},
	{"POST", "/sinks/{}/redeliver", EVAUDIT_NEEDS_OPERATE,
	.writes = true,.handle = evaudit_route_redeliver},
};

/*
 * Whether a path is that of a route; *start and *len then say what stands for
 * the route's {}.
 */
static bool
matches(const char *route, const char *path, const char **start, size_t *len)
{
	while (*route != '\0')
	{
		if (strncmp(route, "{}", 2) == 0)
		{
			*start = path;
			*len = strcspn(path, "/");
			if (*len == 0)
				return false;
			path += *len;
			route += 2;
		}
		else if (*route++ != *path++)
			return false;
	}
	return *path == '\0';
}

/* Whether a route takes a method: HEAD is taken wherever GET is. */
static bool
takes(const EvauditRoute *route, const char *method)
{
	return strcmp(route->method, method) == 0 ||
		(strcmp(method, "HEAD") == 0 && strcmp(route->method, "GET") == 0);
}

/*
 * Whether the request's listener has such a route, as settings say.  The
 * routes of the admin listener are out of reach of any other.
 */
static bool
is_enabled(const EvauditRoute *route, const EvauditRequest *request)
{
	return (route->needs == EVAUDIT_NEEDS_OPERATE) == request->admin &&
		(route->access == NULL || *route->access != EVAUDIT_ROUTE_OFF) &&
		(route->enabled == NULL || *route->enabled);
}

/*
 * The route of a request, NULL if there is none; sets what stands for {}, and
 * lists the methods that the path takes, none of them twice.
 */
static const EvauditRoute *
find_route(const EvauditRequest *request, const char **start, size_t *len,
		   StringInfo methods)
{
	const EvauditRoute *found = NULL;
	const char *part = NULL;
	size_t		part_len = 0;

	for (int i = 0; i < lengthof(routes); i++)
	{
		const EvauditRoute *route = &routes[i];

		if (!matches(route->path, request->path, &part, &part_len) ||
			!is_enabled(route, request))
			continue;
		appendStringInfo(methods, "%s, ", route->method);
		if (strcmp(route->method, "GET") == 0)
			appendStringInfoString(methods, "HEAD, ");
		if (found == NULL && takes(route, request->method))
		{
			found = route;
			*start = part;
			*len = part_len;
		}
	}
	if (methods->len > 0)
		appendStringInfoString(methods, "OPTIONS");
	return found;
}

/* Respond to a method that a path does not take, or to OPTIONS. */
static void
respond_methods(const EvauditRequest *request, const char *methods,
				EvauditResponse *response)
{
	if (strcmp(request->method, "OPTIONS") == 0)
	{
		response->status = 204;
		if (evaudit_request_header(request, "access-control-request-method"))
			response->preflight = methods;
	}
	else
		evaudit_response_error(response, 405, "method",
							   "Method is not allowed here.");
	evaudit_response_header(response, "Allow", methods);
}

/* Respond to a request that no route takes. */
static void
respond_no_route(const EvauditRequest *request, const char *methods,
				 EvauditResponse *response)
{
	/* gateways know no methods but those of their routes */
	bool		compat = evaudit_http_compat == EVAUDIT_COMPAT_EVENTGATE &&
		strcmp(request->method, "OPTIONS") != 0;

	if (*methods != '\0' && !compat)
		respond_methods(request, methods, response);
	else
		evaudit_response_error(response, 404, EVAUDIT_PROBLEM_ROUTE,
							   compat && *methods != '\0' ?
							   "Resource not found" : "Resource not found.");
}

/* Set what stands for {} in the route; else there is a response. */
static bool
read_parameter(const EvauditRoute *route, EvauditRequest *request,
			   const char *start, size_t len, EvauditResponse *response)
{
	if (route->parameter != NULL)
		request->param = evaudit_request_parameter(request, route->parameter);
	else if (start != NULL)
		request->param = evaudit_request_decode(start, len);
	else
		return true;
	if (request->param != NULL && *request->param != '\0')
		return true;
	evaudit_response_error(response, 400, EVAUDIT_PROBLEM_VALIDATION,
						   route->parameter == NULL ? "Path is not valid." :
						   psprintf("Parameter '%s' is missing, or not valid.",
									route->parameter));
	return false;
}

/* Make the response to a request. */
void
evaudit_route_handle(EvauditRequest *request, EvauditResponse *response)
{
	const char *start = NULL;
	size_t		len = 0;
	StringInfoData methods;
	const EvauditRoute *route;

	initStringInfo(&methods);
	route = find_route(request, &start, &len, &methods);
	request->route = route != NULL ? route->path : NULL;
	if (route == NULL)
		respond_no_route(request, methods.data, response);
	else if (read_parameter(route, request, start, len, response) &&
			 evaudit_request_check_media(request, response) &&
			 evaudit_route_authorize(route, request, response))
		route->handle(request, response);
}
