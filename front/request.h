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

#include <libpq-fe.h>

#include "buffer.h"

struct MHD_Connection;
struct Client;
struct cJSON;

typedef enum RequestState
{
	REQUEST_HEADERS,			/* its URI is known */
	REQUEST_BODY,				/* its headers are, and were accepted */
	REQUEST_COMPLETE,			/* all of it is there */
	REQUEST_WAITING,			/* for the database; its connection sleeps */
	REQUEST_ANSWERED			/* has a response */
} RequestState;

typedef struct Request
{
	struct Request *next;		/* in a queue */
	RequestState state;
	struct MHD_Connection *connection;
	struct Client *client;
	bool		admin;

	char	   *uri;			/* as sent, with its query */
	const char *uri_start;		/* libmicrohttpd's, until the head is read */
	const char *uri_end;
	const char *method;			/* libmicrohttpd's */
	char		id[65];			/* "": not known */
	Buffer		headers;		/* a JSON object */
	Buffer		body;
	int			refused;		/* status, while the body is still read; or 0 */
	int64_t		started;		/* microseconds, see now_us() */
	int64_t		deadline;		/* until which the database may take */

	/* for the database */
	bool		alone;			/* shared a transaction that failed */
	int			attempts;
	char	   *wait;			/* what the response waits for; or NULL */

	/* the response */
	int			status;
	struct cJSON *response_headers; /* an object of strings, or NULL */
	Buffer		response;
	size_t		sent;			/* bytes of its body */
	bool		close;			/* the connection is closed behind it */
	void		(*answered) (struct Request *request);

	size_t		memory;			/* that it has in request_memory */
} Request;

/* Bytes of bodies and responses of all requests. */
extern size_t request_memory;

extern void request_set_error(Request *request, int status, const char *type,
							  const char *message);
extern void request_set_response(Request *request, int status,
								 const char *headers, size_t headers_len,
								 const char *body, size_t body_len);
extern bool request_take_response(Request *request, const PGresult * result,
								  int row, int column);
extern void request_clear_response(Request *request);
extern const char *request_header(const Request *request, const char *name);
extern void request_answered(Request *request);
extern void request_account(Request *request);
extern void request_free(Request *request);

#endif							/* FRONT_REQUEST_H */
