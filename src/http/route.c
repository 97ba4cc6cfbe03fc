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
		.writes = true,.cors = true,.read_body = evaudit_route_read_event,
	.handle = evaudit_route_post_event},
	{"GET", "/events/{}", EVAUDIT_NEEDS_READ, EVAUDIT_LOGGER_TOPIC,
		&evaudit_http_events,
	.cors = true,.handle = evaudit_route_get_event},
	{"OPTIONS", "/events", EVAUDIT_NEEDS_NOTHING, NULL, &evaudit_http_events,
	.cors = true,.handle = evaudit_route_options_events},
	{"OPTIONS", "/events/{}", EVAUDIT_NEEDS_NOTHING, NULL,
		&evaudit_http_events,
	.cors = true,.handle = evaudit_route_options_events},
	/* of the query */
	{"GET", "/users/{}/services", EVAUDIT_NEEDS_READ, EVAUDIT_GRANT_SERVICES,
		&evaudit_http_services,
	.handle = evaudit_route_get_services},
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

/* The route of a request, NULL if there is none; sets what stands for {}. */
static const EvauditRoute *
find_route(EvauditRequest *request, const char **start, size_t *len)
{
	for (int i = 0; i < lengthof(routes); i++)
	{
		const EvauditRoute *route = &routes[i];

		*start = NULL;
		if (takes(route, request->method) &&
			matches(route->path, request->path, start, len) &&
			(route->access == NULL || *route->access != EVAUDIT_ROUTE_OFF))
			return route;
	}
	return NULL;
}

/* Make the response to a request. */
void
evaudit_route_handle(EvauditRequest *request, EvauditResponse *response)
{
	const char *start;
	size_t		len;
	const EvauditRoute *route = find_route(request, &start, &len);

	if (route == NULL)
	{
		evaudit_response_error(response, 404, EVAUDIT_PROBLEM_ROUTE,
							   "Resource not found.");
		return;
	}
	if (route->cors)
		evaudit_response_header(response, "Access-Control-Allow-Origin", "*");
	if (start != NULL)
	{
		request->param = evaudit_request_decode(start, len);
		if (request->param == NULL)
		{
			evaudit_response_error(response, 400, EVAUDIT_PROBLEM_VALIDATION,
								   "Path is not valid.");
			return;
		}
	}
	if (evaudit_route_authorize(route, request, response))
		route->handle(request, response);
}
