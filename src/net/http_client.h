/*-------------------------------------------------------------------------
 *
 * http_call.h
 *	  An HTTP client for background workers: many requests at a time, none
 *	  of which blocks.
 *
 *		http = evaudit_http_open();
 *		evaudit_http_start(http, &request);		any number of times
 *		evaudit_http_wait(http, timeout);		latch, sockets, postmaster
 *		while ((response = evaudit_http_take(http, owner)) != NULL)
 *			... evaudit_http_release(http, response);
 *
 * Everything that can go wrong with a request is in its response; ERRORs are
 * raised for lack of memory and descriptors alone.  Never open a client in
 * the postmaster or in a client backend: libcurl resolves names in threads.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_HTTP_CLIENT_H
#define EVAUDIT_HTTP_CLIENT_H

typedef struct EvauditHttp EvauditHttp;

/* Why there is no response. */
typedef enum EvauditHttpFault
{
	EVAUDIT_HTTP_OK,			/* there is one, whatever its status */
	EVAUDIT_HTTP_UNREACHABLE,	/* no address, no connection */
	EVAUDIT_HTTP_TIMEOUT,		/* too late, or silent for too long */
	EVAUDIT_HTTP_CUT,			/* the connection broke, or is not HTTP */
	EVAUDIT_HTTP_UNTRUSTED,		/* TLS: certificate, name, ca_file */
	EVAUDIT_HTTP_TOO_LARGE,		/* more than max_bytes */
	EVAUDIT_HTTP_IMPOSSIBLE,	/* the request itself: a bad URL */
	EVAUDIT_HTTP_UNSENT			/* evaudit_http_fail() */
} EvauditHttpFault;

/* A request.  Nothing in it needs to outlive evaudit_http_start(). */
typedef struct EvauditHttpRequest
{
	void	   *owner;			/* whose evaudit_http_take() returns it */
	void	   *tag;			/* for the owner to know it by */

	const char *method;			/* NULL: POST with a body, else GET */
	const char *url;			/* http or https */
	const char *const *headers; /* "Name: value", up to NULL; or NULL */
	const char *body;			/* or NULL */
	size_t		body_len;

	/* signing by SigV4, if sigv4 is not NULL: "aws:amz:region:service" */
	const char *sigv4;
	const char *key_id;
	const char *secret;

	const char *ca_file;		/* NULL: the system's authorities */
	bool		direct;			/* never by way of a proxy */
	bool		public_only;	/* direct, and to public addresses alone; for
								 * all requests of a client or for none, since
								 * they share connections */
	bool		sensitive;		/* wipe body and response in the end */

	/* 0 stands for a default */
	int			connect_timeout;	/* milliseconds; 5 s */
	int			timeout;		/* of all of it, milliseconds; 30 s */
	int			quiet_timeout;	/* without a byte, milliseconds; timeout */
	size_t		max_bytes;		/* of the response's body; 1 MiB */
} EvauditHttpRequest;

/* What became of a request; valid until it is released. */
typedef struct EvauditHttpResponse
{
	void	   *owner;
	void	   *tag;
	EvauditHttpFault fault;
	const char *error;			/* describes the fault; never a secret */
	int			status;			/* 200, ...; 0: none */
	char	   *body;			/* the caller may scribble on it */
	size_t		body_len;		/* a zero follows */
} EvauditHttpResponse;

/* A client in the current memory context; it goes with the context. */
extern EvauditHttp *evaudit_http_open(void);

/* Begin a request.  What is returned will be its response. */
extern EvauditHttpResponse *evaudit_http_start(EvauditHttp *http,
											   const EvauditHttpRequest *request);

/* Answer a request that is not even sent, for the owner to take. */
extern EvauditHttpResponse *evaudit_http_fail(EvauditHttp *http, void *owner,
											  void *tag);

/* Advance all requests as far as possible without waiting. */
extern void evaudit_http_step(EvauditHttp *http);

/*
 * Wait until a response can be taken (by any owner), the latch is set or some
 * milliseconds have passed (-1: for ever); resets the latch and serves
 * interrupts.  True if there is a response to be taken.
 */
extern bool evaudit_http_wait(EvauditHttp *http, long timeout);

/* The oldest response for an owner, or NULL. */
extern EvauditHttpResponse *evaudit_http_take(EvauditHttp *http, void *owner);

/* Send a request and wait for its response; others continue meanwhile. */
extern EvauditHttpResponse *evaudit_http_perform(EvauditHttp *http,
												 const EvauditHttpRequest *request);

/* A header of the response, or NULL. */
extern const char *evaudit_http_header(const EvauditHttpResponse *response,
									   const char *name);

/* Seconds that the response asks us to wait; 0: none. */
extern int64 evaudit_http_retry_after(const EvauditHttpResponse *response);

extern void evaudit_http_release(EvauditHttp *http, EvauditHttpResponse *response);

#endif							/* EVAUDIT_HTTP_CLIENT_H */
