/*-------------------------------------------------------------------------
 *
 * settings.h
 *	  The settings evaudit.http_* and evaudit.rate_*.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_HTTP_SETTINGS_H
#define EVAUDIT_HTTP_SETTINGS_H

/* Whether responses are those of a certain gateway, defects included. */
typedef enum EvauditHttpCompat
{
	EVAUDIT_COMPAT_OFF,
	EVAUDIT_COMPAT_EVENTGATE
} EvauditHttpCompat;

/* For whom a route is there, as a setting says. */
typedef enum EvauditRouteAccess
{
	EVAUDIT_ROUTE_OFF,			/* for nobody: 404 */
	EVAUDIT_ROUTE_TOKEN,		/* for those with a token and a grant */
	EVAUDIT_ROUTE_OPEN			/* for everybody */
} EvauditRouteAccess;

extern int	evaudit_http_compat;

/* Each an EvauditRouteAccess. */
extern int	evaudit_http_events;
extern int	evaudit_http_stats;
extern int	evaudit_http_services;
extern int	evaudit_http_terminate;

/* An event of the logger without an id is refused. */
extern bool evaudit_http_events_require_id;

/* GET /?user_id= is the query of a user's services, too. */
extern bool evaudit_http_services_root;

/* Pages of which origins may ask, and what else they may (cors.c). */
extern char *evaudit_http_cors_origins;
extern char *evaudit_http_cors_headers;
extern bool evaudit_http_cors_credentials;
extern int	evaudit_http_cors_max_age;

/* Longest body of a request, and of a response, kilobytes. */
extern int	evaudit_http_max_body;
extern int	evaudit_http_max_response;

/* Longest that a response waits for sinks, in milliseconds. */
extern int	evaudit_http_max_wait;

/* Where the page at /docs finds Swagger UI. */
extern char *evaudit_http_docs_assets;

/* Messages a second from a subject to a topic, and at once; 0: any number. */
extern double evaudit_rate_limit;
extern int	evaudit_rate_burst;

extern void evaudit_http_init(void);

#endif							/* EVAUDIT_HTTP_SETTINGS_H */
