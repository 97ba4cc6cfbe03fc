/*-------------------------------------------------------------------------
 *
 * route.c
 *	  Which handler a request goes to.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "http/http.h"

typedef struct Route
{
	const char *method;
	const char *path;			/* {} stands for one part, not empty */
	EvauditGateHandler handler;
} Route;

static const Route routes[] = {
	/* of an event gateway */
	{"POST", "/topics/{}", evaudit_gate_post_topic},
	{"GET", "/topics/{}", evaudit_gate_get_topic},
	{"GET", "/topics", evaudit_gate_get_topics},
	{"POST", "/stats/{}", evaudit_gate_post_stats},
	{"GET", "/health", evaudit_gate_get_health},
	{"GET", "/token", evaudit_gate_get_token},
	{"GET", "/api", evaudit_gate_get_api},
	{"GET", "/docs", evaudit_gate_get_docs},
	{"POST", "/terminate", evaudit_gate_post_terminate},
	/* of an event logger */
	{"POST", "/events", evaudit_gate_post_event},
	{"GET", "/events/{}", evaudit_gate_get_event},
	{"OPTIONS", "/events", evaudit_gate_options_events},
	{"OPTIONS", "/events/{}", evaudit_gate_options_events},
	/* of the query */
	{"GET", "/users/{}/services", evaudit_gate_get_services},
};

/*
 * Whether a path is that of a route; "start" and "len" then say what stands
 * for the route's {}.
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

/* Whether a route takes a method: whatever can be got has a head, too. */
static bool
takes(const Route *route, const char *method)
{
	return strcmp(route->method, method) == 0 ||
		(strcmp(method, "HEAD") == 0 && strcmp(route->method, "GET") == 0);
}

/* Answer a request. */
void
evaudit_gate_route(EvauditGateRequest *request, EvauditGateAnswer *answer)
{
	for (int i = 0; i < lengthof(routes); i++)
	{
		const Route *route = &routes[i];
		const char *start = NULL;
		size_t		len = 0;

		if (!takes(route, request->method) ||
			!matches(route->path, request->path, &start, &len))
			continue;
		request->param = start == NULL ? NULL :
			evaudit_gate_decode(start, len);
		if (start != NULL && request->param == NULL)
			evaudit_gate_error(answer, 400, EVAUDIT_GATE_VALIDATION,
							   "Path is not valid.");
		else
			route->handler(request, answer);
		return;
	}
	evaudit_gate_error(answer, 404, EVAUDIT_GATE_ROUTE, "Resource not found.");
}
