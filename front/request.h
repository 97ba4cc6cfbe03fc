/*-------------------------------------------------------------------------
 *
 * request.h
 *	  A request from its first byte to its response.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FRONT_REQUEST_H
#define FRONT_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "buffer.h"

struct MHD_Connection;
struct Client;
struct cJSON;

typedef enum RequestState
{
	REQUEST_HEADERS,			/* its URI is known */
	REQUEST_BODY,				/* its headers are, and were accepted */
	REQUEST_WAITING,			/* in a lane's queue or batch */
	REQUEST_ANSWERED			/* has a response */
} RequestState;

typedef struct Request
{
	struct Request *next;		/* in a queue or batch */
	RequestState state;
	struct MHD_Connection *connection;
	struct Client *client;
	bool		admin;

	char	   *uri;			/* as sent, with its query */
	const char *method;			/* libmicrohttpd's */
	Buffer		headers;		/* a JSON object */
	Buffer		body;
	int64_t		started;		/* see now_ms() */
	int64_t		deadline;		/* of the state it is in */

	/* for the database */
	bool		alone;			/* shared a transaction that failed */
	int			attempts;

	/* the response */
	int			status;
	struct cJSON *response_headers; /* an object of strings, or NULL */
	Buffer		response;
	size_t		sent;			/* bytes of its body */
} Request;

extern void request_set_error(Request *request, int status, const char *type,
							  const char *message);
extern void request_set_response(Request *request, int status,
								 const char *headers, size_t headers_len,
								 const char *body, size_t body_len);
extern void request_clear_response(Request *request);
extern void request_answered(Request *request);

#endif							/* FRONT_REQUEST_H */
