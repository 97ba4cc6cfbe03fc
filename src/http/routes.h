/*-------------------------------------------------------------------------
 *
 * routes.h
 *	  The routes of evaudit.http(): how one is chosen, what it needs, and the
 *	  handlers, each in the file of its subject.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_HTTP_ROUTES_H
#define EVAUDIT_HTTP_ROUTES_H

#include "http/request.h"
#include "http/settings.h"

/* The topic of the event logger, which comes with the extension. */
#define EVAUDIT_LOGGER_TOPIC	"http_events"

/* What a route needs of its sender. */
typedef enum EvauditRouteNeeds
{
	EVAUDIT_NEEDS_NOTHING,
	EVAUDIT_NEEDS_PUBLISH,		/* a token, and a grant to publish */
	EVAUDIT_NEEDS_READ,			/* a token, and a grant to read */
	EVAUDIT_NEEDS_OPERATE		/* a token, and a grant to operate; a route of
								 * evaudit.http_admin(), and no other is */
} EvauditRouteNeeds;

/*
 * Reads the body into request->payload.  False if it cannot: then there is a
 * response.
 */
typedef bool (*EvauditBodyReader) (EvauditRequest *request,
								   EvauditResponse *response);

typedef void (*EvauditRouteHandler) (EvauditRequest *request,
									 EvauditResponse *response);

typedef struct EvauditRoute
{
	const char *method;
	const char *path;			/* {} stands for one part, not empty */
	EvauditRouteNeeds needs;
	const char *grant;			/* what the grant is for; NULL: for the topic
								 * that the path names */
	const int  *access;			/* setting that closes or opens the route, an
								 * EvauditRouteAccess; NULL: there is none */
	const bool *enabled;		/* a setting without which there is no such
								 * route; NULL: none */
	const char *parameter;		/* of the query, which stands for what {}
								 * does; NULL: none */
	bool		own;			/* a subject that is what {} stands for needs
								 * no grant */
	bool		writes;			/* refused where nothing can be written */
	EvauditBodyReader read_body;	/* NULL: the handler does, if at all */
	bool		body_first;		/* read it before the token */
	EvauditRouteHandler handle;
} EvauditRoute;

/* route.c */
extern void evaudit_route_handle(EvauditRequest *request,
								 EvauditResponse *response);

/* authorize.c */
extern bool evaudit_route_authorize(const EvauditRoute *route,
									EvauditRequest *request,
									EvauditResponse *response);

/* publish.c */
extern bool evaudit_route_publish(const EvauditRequest *request,
								  const EvauditTopic *topic,
								  const char *event_id, EvauditEvent *event);
extern int	evaudit_route_begin_publishing(const EvauditRequest *request);
extern bool evaudit_route_within_rate(const EvauditRequest *request,
									  EvauditResponse *response);
extern void evaudit_route_respond_rejection(const EvauditTopic *topic,
											Jsonb *payload,
											const EvauditEvent *event,
											EvauditResponse *response);

/* authorize.c */
extern bool evaudit_route_may_publish(const EvauditRequest *request,
									  Jsonb *payload,
									  EvauditResponse *response);

/* batch.c */
extern bool evaudit_route_is_batch(const EvauditRequest *request);
extern void evaudit_route_post_batch(EvauditRequest *request,
									 EvauditResponse *response);

/* The readers of bodies and the handlers. */
extern bool evaudit_route_read_message(EvauditRequest *, EvauditResponse *);
extern bool evaudit_route_read_event(EvauditRequest *, EvauditResponse *);
extern void evaudit_route_get_api(EvauditRequest *, EvauditResponse *);
extern void evaudit_route_get_docs(EvauditRequest *, EvauditResponse *);
extern void evaudit_route_get_token(EvauditRequest *, EvauditResponse *);
extern void evaudit_route_get_health(EvauditRequest *, EvauditResponse *);
extern void evaudit_route_get_topics(EvauditRequest *, EvauditResponse *);
extern void evaudit_route_get_topic(EvauditRequest *, EvauditResponse *);
extern void evaudit_route_post_topic(EvauditRequest *, EvauditResponse *);
extern void evaudit_route_post_stats(EvauditRequest *, EvauditResponse *);
extern void evaudit_route_post_terminate(EvauditRequest *, EvauditResponse *);
extern void evaudit_route_post_event(EvauditRequest *, EvauditResponse *);
extern void evaudit_route_get_events(EvauditRequest *, EvauditResponse *);
extern void evaudit_route_get_event(EvauditRequest *, EvauditResponse *);
extern void evaudit_route_get_services(EvauditRequest *, EvauditResponse *);
extern void evaudit_route_pause_source(EvauditRequest *, EvauditResponse *);
extern void evaudit_route_resume_source(EvauditRequest *, EvauditResponse *);
extern void evaudit_route_redrive(EvauditRequest *, EvauditResponse *);
extern void evaudit_route_pause_sink(EvauditRequest *, EvauditResponse *);
extern void evaudit_route_resume_sink(EvauditRequest *, EvauditResponse *);
extern void evaudit_route_redeliver(EvauditRequest *, EvauditResponse *);

/* topics.c */
extern bool evaudit_topic_is_shown(const char *name);
extern bool evaudit_route_find_topic(EvauditRequest *request,
									 EvauditResponse *response);

#endif							/* EVAUDIT_HTTP_ROUTES_H */
