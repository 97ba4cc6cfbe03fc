/*-------------------------------------------------------------------------
 *
 * request.h
 *	  A request to evaudit.http().
 *
 * It lives in the memory context of the call.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_HTTP_REQUEST_H
#define EVAUDIT_HTTP_REQUEST_H

#include "events/topic.h"
#include "http/response.h"

typedef struct EvauditRequest
{
	const char *method;
	const char *path;			/* without the query */
	const char *query;			/* not decoded; NULL: none */
	const char *param;			/* what stands for {} in the route, decoded */
	const char *id;				/* goes through logs and audit rows */
	Jsonb	   *headers;		/* an object, or NULL */
	const char *idempotency_key;	/* NULL: none */
	const char *body;			/* NULL: none; not terminated by a zero; once
								 * it is read, without its encoding */
	size_t		body_len;
	bool		admin;			/* of evaudit.http_admin() */

	/* set on the way to the route's handler (route.c) */
	const char *route;			/* its path, with {}; NULL: there is none */
	char	   *subject;		/* of the token; NULL: it has none, or the
								 * route is open */
	Oid			grantor;		/* with whose privileges it operates */
	const EvauditTopic *topic;	/* that the path names */
	Jsonb	   *payload;		/* what the body publishes */
} EvauditRequest;

/* The result of parsing a body. */
typedef enum EvauditBodyResult
{
	EVAUDIT_BODY_JSON,
	EVAUDIT_BODY_EMPTY,			/* there is no body */
	EVAUDIT_BODY_INVALID,		/* it is not JSON that can be stored */
	EVAUDIT_BODY_NUMBER,		/* it has a number of too many digits */
	EVAUDIT_BODY_NOT_GZIP,		/* though its headers say so */
	EVAUDIT_BODY_TOO_LARGE
} EvauditBodyResult;

extern bool evaudit_request_read(EvauditRequest *request, const char *method,
								 const char *path, EvauditResponse *response);
extern const char *evaudit_request_decode(const char *path, size_t len);
extern const char *evaudit_request_header(const EvauditRequest *request,
										  const char *name);
extern const char *evaudit_request_give_id(const EvauditRequest *request);
extern const char *evaudit_request_parameter(const EvauditRequest *request,
											 const char *name);

/* body.c */
extern bool evaudit_request_check_media(const EvauditRequest *request,
										EvauditResponse *response);
extern EvauditBodyResult evaudit_request_body(EvauditRequest *request,
											  Jsonb **json,
											  const char **error);

#endif							/* EVAUDIT_HTTP_REQUEST_H */
