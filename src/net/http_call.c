/*-------------------------------------------------------------------------
 *
 * http_call.c
 *	  One HTTP request and its response, over an easy handle of libcurl.
 *
 * Every request is bounded: by the time to connect, by its whole time, by
 * the time without a byte, and by the bytes of its response.  Redirects are
 * responses like any others.  Certificates are always checked.  The callback
 * raises no ERROR and allocates with malloc(): no longjmp crosses libcurl.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/socket.h>

#include "utils/memutils.h"

#include "net/address.h"
#include "net/http_call.h"

#define DEFAULT_CONNECT_TIMEOUT	5000
#define DEFAULT_TIMEOUT			30000
#define DEFAULT_MAX_BYTES		(1024 * 1024)

/* A response's buffer that is larger is not kept for the next one. */
#define KEPT_BYTES				(256 * 1024)

/* Bytes that are read from a socket at a time. */
#define RECEIVE_BYTES			(64 * 1024L)

/* Seconds for which the address of a name is kept. */
#define MAX_RESOLVED			10L

/* Seconds after which an idle connection is not used again, and any. */
#define MAX_IDLE				45L
#define MAX_AGE					300L

/* Make room for some bytes more and a zero; false if there is none. */
static bool
make_room(HttpCall *call, size_t more)
{
	size_t		need = call->response.body_len + more + 1;
	size_t		room = Max(call->room, 4096);
	char	   *body;

	if (need <= call->room)
		return true;
	while (room < need)
		room *= 2;
	body = realloc(call->response.body, room);
	if (body == NULL)
		return false;
	call->response.body = body;
	call->room = room;
	return true;
}

/* libcurl has a piece of the response's body. */
static size_t
receive_body(char *bytes, size_t size, size_t n, void *arg)
{
	HttpCall   *call = arg;
	curl_off_t	announced;

	n *= size;
	if (n > call->max_bytes - call->response.body_len)
	{
		call->too_large = true;
		return 0;				/* not all was taken: libcurl gives up */
	}
	if (call->response.body_len == 0 &&
		curl_easy_getinfo(call->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T,
						  &announced) == CURLE_OK &&
		announced > 0 && announced <= call->max_bytes &&
		!make_room(call, announced))
		return 0;
	if (!make_room(call, n))
		return 0;
	memcpy(call->response.body + call->response.body_len, bytes, n);
	call->response.body_len += n;
	return n;
}

/*
 * libcurl is about to connect to an address of the host, as resolved now:
 * whatever name led there, and whatever it leads to the next time, no socket is
 * opened to one that is not public.
 */
static curl_socket_t
open_public_socket(void *arg, curlsocktype purpose,
				   struct curl_sockaddr *address)
{
	HttpCall   *call = arg;

	if (!evaudit_address_is_public(&address->addr))
	{
		call->not_public = true;
		return CURL_SOCKET_BAD;
	}
	return socket(address->family, address->socktype | SOCK_CLOEXEC,
				  address->protocol);
}

/* A call that is not in use. */
HttpCall *
evaudit_http_call_make(MemoryContext context)
{
	HttpCall   *call = MemoryContextAllocZero(context, sizeof(HttpCall));

	call->easy = curl_easy_init();
	if (call->easy == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	return call;
}

/* What is the same for each request. */
static CURLcode
set_common(HttpCall *call)
{
	CURL	   *easy = call->easy;
	CURLcode	code = CURLE_OK;

#define SET(option, value) \
	do { \
		if (code == CURLE_OK) \
			code = curl_easy_setopt(easy, option, value); \
	} while (0)

	SET(CURLOPT_PRIVATE, call);
	SET(CURLOPT_ERRORBUFFER, call->error);
	SET(CURLOPT_WRITEFUNCTION, receive_body);
	SET(CURLOPT_WRITEDATA, call);
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_USERAGENT, "evaudit");
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_QUICK_EXIT, 1L);
	SET(CURLOPT_TCP_KEEPALIVE, 1L);
	SET(CURLOPT_BUFFERSIZE, RECEIVE_BYTES);
	SET(CURLOPT_DNS_CACHE_TIMEOUT, MAX_RESOLVED);
	SET(CURLOPT_MAXAGE_CONN, MAX_IDLE);
	SET(CURLOPT_MAXLIFETIME_CONN, MAX_AGE);
	/* what expects "100 Continue" is sent all the same */
	SET(CURLOPT_EXPECT_100_TIMEOUT_MS, 100L);
	return code;
}

/* Copy the request's body to where it lives as long as the call. */
static bool
keep_body(HttpCall *call, const EvauditHttpRequest *request)
{
	if (request->body_len > call->sent_room)
	{
		char	   *sent = realloc(call->sent, request->body_len);

		if (sent == NULL)
			return false;
		call->sent = sent;
		call->sent_room = request->body_len;
	}
	if (request->body_len > 0)
		memcpy(call->sent, request->body, request->body_len);
	return true;
}

/* The request's method, headers and body. */
static CURLcode
set_content(HttpCall *call, const EvauditHttpRequest *request)
{
	CURL	   *easy = call->easy;
	CURLcode	code = CURLE_OK;

	for (int i = 0; request->headers != NULL && request->headers[i]; i++)
	{
		struct curl_slist *more = curl_slist_append(call->headers,
													request->headers[i]);

		if (more == NULL)
			return CURLE_OUT_OF_MEMORY;
		call->headers = more;
	}
	SET(CURLOPT_HTTPHEADER, call->headers);
	if (request->body != NULL)
	{
		if (!keep_body(call, request))
			return CURLE_OUT_OF_MEMORY;
		SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t) request->body_len);
		SET(CURLOPT_POSTFIELDS, request->body_len > 0 ? call->sent : "");
	}
	if (request->method != NULL)
		SET(CURLOPT_CUSTOMREQUEST, request->method);
	if (request->sigv4 != NULL)
	{
		SET(CURLOPT_AWS_SIGV4, request->sigv4);
		SET(CURLOPT_USERNAME, request->key_id);
		SET(CURLOPT_PASSWORD, request->secret);
	}
	return code;
}

/* Where the request goes, and how long it may take. */
static CURLcode
set_bounds(HttpCall *call, const EvauditHttpRequest *request)
{
	CURL	   *easy = call->easy;
	CURLcode	code = CURLE_OK;
	long		connect_timeout = request->connect_timeout > 0 ?
		request->connect_timeout : DEFAULT_CONNECT_TIMEOUT;
	long		timeout = request->timeout > 0 ?
		request->timeout : DEFAULT_TIMEOUT;

	call->max_bytes = request->max_bytes > 0 ?
		request->max_bytes : DEFAULT_MAX_BYTES;
	SET(CURLOPT_URL, request->url);
	SET(CURLOPT_CONNECTTIMEOUT_MS, Min(connect_timeout, timeout));
	SET(CURLOPT_TIMEOUT_MS, timeout);
	if (request->quiet_timeout > 0)
	{
		SET(CURLOPT_LOW_SPEED_LIMIT, 1L);
		SET(CURLOPT_LOW_SPEED_TIME, (long) (request->quiet_timeout + 999) / 1000);
	}
	SET(CURLOPT_MAXFILESIZE_LARGE, (curl_off_t) call->max_bytes);
	if (request->ca_file != NULL)
		SET(CURLOPT_CAINFO, request->ca_file);
	/* a proxy would connect for us, and resolve the name */
	if (request->direct || request->public_only)
		SET(CURLOPT_PROXY, "");
	if (request->public_only)
	{
		SET(CURLOPT_OPENSOCKETFUNCTION, open_public_socket);
		SET(CURLOPT_OPENSOCKETDATA, call);
	}
	return code;
}

/* Make a call ready to be given to libcurl. */
CURLcode
evaudit_http_call_prepare(HttpCall *call, const EvauditHttpRequest *request)
{
	CURLcode	code;

	call->response.owner = request->owner;
	call->response.tag = request->tag;
	call->sensitive = request->sensitive;
	code = set_common(call);
	if (code == CURLE_OK)
		code = set_bounds(call, request);
	if (code == CURLE_OK)
		code = set_content(call, request);
	return code;
}

/* What an error of libcurl means to us. */
static EvauditHttpFault
fault_of(const HttpCall *call, CURLcode code)
{
	if (call->too_large)
		return EVAUDIT_HTTP_TOO_LARGE;
	switch (code)
	{
		case CURLE_OK:
			return EVAUDIT_HTTP_OK;
		case CURLE_COULDNT_RESOLVE_PROXY:
		case CURLE_COULDNT_RESOLVE_HOST:
		case CURLE_COULDNT_CONNECT:
			return EVAUDIT_HTTP_UNREACHABLE;
		case CURLE_OPERATION_TIMEDOUT:
			return EVAUDIT_HTTP_TIMEOUT;
		case CURLE_FILESIZE_EXCEEDED:
			return EVAUDIT_HTTP_TOO_LARGE;
		case CURLE_PEER_FAILED_VERIFICATION:
		case CURLE_SSL_CACERT_BADFILE:
		case CURLE_SSL_CERTPROBLEM:
		case CURLE_SSL_ISSUER_ERROR:
			return EVAUDIT_HTTP_UNTRUSTED;
		case CURLE_URL_MALFORMAT:
		case CURLE_UNSUPPORTED_PROTOCOL:
		case CURLE_BAD_FUNCTION_ARGUMENT:
		case CURLE_UNKNOWN_OPTION:
		case CURLE_NOT_BUILT_IN:
			return EVAUDIT_HTTP_IMPOSSIBLE;
		default:
			return EVAUDIT_HTTP_CUT;
	}
}

/* libcurl has done with a call: write down what came of it. */
void
evaudit_http_call_finish(HttpCall *call, CURLcode code)
{
	long		status = 0;

	call->done = true;
	call->response.fault = fault_of(call, code);
	(void) curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
	call->response.status = (int) status;
	if (call->response.body == NULL && !make_room(call, 0))
	{
		call->response.body = NULL;
		call->response.fault = EVAUDIT_HTTP_TOO_LARGE;
	}
	else
		call->response.body[call->response.body_len] = '\0';

	call->response.error = "";
	if (call->response.fault == EVAUDIT_HTTP_TOO_LARGE)
		call->response.error = "the response is too large";
	else if (call->response.fault == EVAUDIT_HTTP_UNREACHABLE &&
			 call->not_public)
		call->response.error = "its address is not public";
	else if (call->response.fault != EVAUDIT_HTTP_OK)
		call->response.error = call->error[0] != '\0' ?
			call->error : curl_easy_strerror(code);
}

/* Forget request and response, for the next one. */
void
evaudit_http_call_clear(HttpCall *call)
{
	char	   *body = call->response.body;

	if (call->sensitive && body != NULL)
		explicit_bzero(body, call->room);
	if (call->sensitive && call->sent != NULL)
		explicit_bzero(call->sent, call->sent_room);
	call->sensitive = false;
	curl_easy_reset(call->easy);
	curl_slist_free_all(call->headers);
	call->headers = NULL;
	if (call->room > KEPT_BYTES)
	{
		free(body);
		body = NULL;
		call->room = 0;
	}
	if (call->sent_room > KEPT_BYTES)
	{
		free(call->sent);
		call->sent = NULL;
		call->sent_room = 0;
	}
	memset(&call->response, 0, sizeof(call->response));
	call->response.body = body;
	call->done = false;
	call->too_large = false;
	call->not_public = false;
	call->error[0] = '\0';
}

/* Give back what a call has of libcurl and malloc(). */
void
evaudit_http_call_free(HttpCall *call)
{
	curl_easy_cleanup(call->easy);
	curl_slist_free_all(call->headers);
	free(call->sent);
	free(call->response.body);
}

/* Seconds that the response asks us to wait; 0: none. */
int64
evaudit_http_retry_after(const EvauditHttpResponse *response)
{
	const HttpCall *call = (const HttpCall *) response;
	curl_off_t	seconds;

	if (curl_easy_getinfo(call->easy, CURLINFO_RETRY_AFTER,
						  &seconds) != CURLE_OK || seconds < 0)
		return 0;
	return seconds;
}

/* A header of the response, or NULL. */
const char *
evaudit_http_header(const EvauditHttpResponse *response, const char *name)
{
	const HttpCall *call = (const HttpCall *) response;
	struct curl_header *header;

	if (curl_easy_header(call->easy, name, 0, CURLH_HEADER, -1,
						 &header) != CURLHE_OK)
		return NULL;
	return header->value;
}
