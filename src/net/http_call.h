/*-------------------------------------------------------------------------
 *
 * http_call.h
 *	  What http_client.c and http_call.c share; nobody else includes it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_HTTP_CALL_H
#define EVAUDIT_HTTP_CALL_H

#include <curl/curl.h>

#include "lib/ilist.h"
#include "net/http_client.h"

/*
 * A request from its start to the release of its response, then kept for the
 * next one.  What libcurl's callbacks write to is from malloc(): they may
 * not raise errors.
 */
typedef struct HttpCall
{
	EvauditHttpResponse response;	/* must be first */
	dlist_node	node;			/* of the client's running, done or idle */
	bool		done;
	CURL	   *easy;
	struct curl_slist *headers;
	char	   *sent;			/* the request's body */
	size_t		sent_room;
	size_t		room;			/* of response.body */
	size_t		max_bytes;
	bool		too_large;
	bool		not_public;		/* an address of the host was refused */
	bool		sensitive;		/* wipe sent and response.body */
	char		error[CURL_ERROR_SIZE];
} HttpCall;

extern HttpCall *evaudit_http_call_make(MemoryContext context);
extern CURLcode evaudit_http_call_prepare(HttpCall *call,
										  const EvauditHttpRequest *request);
extern void evaudit_http_call_finish(HttpCall *call, CURLcode code);
extern void evaudit_http_call_clear(HttpCall *call);
extern void evaudit_http_call_free(HttpCall *call);

#endif							/* EVAUDIT_HTTP_CALL_H */
