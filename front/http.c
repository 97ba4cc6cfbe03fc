/*-------------------------------------------------------------------------
 *
 * http.c
 *	  Requests as libmicrohttpd hands them over, and their responses.
 *
 * A request is refused before its body is read where its headers are enough
 * to tell.  While the database has it, its connection is suspended, which
 * costs nothing; libmicrohttpd reads nothing of it meanwhile.
 *
 * That is done when libmicrohttpd is done with what it has read, and not while
 * it asks for the response: so all requests that came at once are there for
 * the next transaction, and libmicrohttpd has noted that it wants to read
 * nothing.  Else it would read on when the connection is resumed, and close
 * that of a client that has shut down its side for writing.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <cjson/cJSON.h>
#include <microhttpd.h>

#include "access_log.h"
#include "admin.h"
#include "assets.h"
#include "between.h"
#include "client.h"
#include "config.h"
#include "headers.h"
#include "http.h"
#include "lane.h"
#include "log.h"
#include "metrics.h"
#include "operate.h"
#include "scrape.h"
#include "wait.h"

/* What the admin listener's daemon is told apart by. */
static char is_admin;

bool		http_resumed = false;

/* Requests that are complete, for http_submit(). */
static Request *complete = NULL;
static Request **complete_tail = &complete;

/* The client of a connection. */
static Client *
client_of(struct MHD_Connection *connection)
{
	return MHD_get_connection_info(connection,
								   MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

/* The response is there: let its connection send it, or wait for sinks. */
static void
answered(Request *request)
{
	buffer_free(&request->body);
	request_account(request);
	if (wait_begin(request))
		return;
	request->state = REQUEST_ANSWERED;
	client_deadline(request->client, config.response_timeout);
	MHD_resume_connection(request->connection);
	http_resumed = true;
}

/* The URI is read: a request begins. */
static void *
begin_request(void *cls, const char *uri, struct MHD_Connection *connection)
{
	Request    *request = xcalloc(1, sizeof(Request));

	request->connection = connection;
	request->client = client_of(connection);
	request->admin = cls == &is_admin;
	request->uri = xstrdup(uri);
	request->uri_start = uri;
	request->uri_end = uri + strlen(uri);
	request->started = now_us();
	request->answered = answered;
	client_deadline(request->client, config.header_timeout);
	return request;
}

/* Leave escapes in paths alone: evaudit.http() reads them. */
static size_t
keep_escapes(void *cls, struct MHD_Connection *connection, char *s)
{
	return strlen(s);
}

/* Queue a response, and give its client some time to read it. */
static enum MHD_Result
queue(Request *request, struct MHD_Response *response)
{
	enum MHD_Result result;

	if (clients_draining() || request->close)
		(void) MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION,
									   "close");
	result = MHD_queue_response(request->connection, request->status,
								response);
	MHD_destroy_response(response);
	client_deadline(request->client, config.response_timeout);
	return result;
}

/* Send the response of a request. */
static enum MHD_Result
send_response(Request *request)
{
	struct MHD_Response *response;
	const cJSON *header;

	response = MHD_create_response_from_buffer(request->response.len,
											   request->response.data,
											   MHD_RESPMEM_MUST_FREE);
	if (response == NULL)
		return MHD_NO;
	memset(&request->response, 0, sizeof(request->response));
	cJSON_ArrayForEach(header, request->response_headers)
	{
		/* between the database and the front alone */
		if (cJSON_IsString(header) &&
			strncasecmp(header->string, "X-Evaudit-", 10) != 0)
			(void) MHD_add_response_header(response, header->string,
										   header->valuestring);
	}
	return queue(request, response);
}

/* Send a file of the documentation's page. */
static enum MHD_Result
send_asset(Request *request, int fd, const char *type, size_t size)
{
	struct MHD_Response *response = MHD_create_response_from_fd(size, fd);

	if (response == NULL)
		return MHD_NO;
	request->status = MHD_HTTP_OK;
	(void) MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
								   type);
	(void) MHD_add_response_header(response, "X-Content-Type-Options",
								   "nosniff");
	(void) MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL,
								   "max-age=3600");
	return queue(request, response);
}

/* Whether requests have as much memory as they may. */
static bool
memory_is_full(void)
{
	return request_memory >= (size_t) config.max_memory * 1024 * 1024;
}

/*
 * Read the head of a request; refuse it, or wait for its body.  What follows a
 * refused head may be anything, so the connection is closed.
 */
static enum MHD_Result
take_head(Request *request, const char *method, const char *version)
{
	const char *error;
	int			status;

	request->method = method;
	request->state = REQUEST_BODY;
	client_deadline(request->client, config.body_timeout);
	status = headers_read(request, version, &error);
	if (status == 0 && !request->admin && memory_is_full())
	{
		status = MHD_HTTP_SERVICE_UNAVAILABLE;
		error = "Memory is short.";
	}
	if (status == 0)
		return MHD_YES;
	request_set_error(request, status,
					  status == MHD_HTTP_CONTENT_TOO_LARGE ? "size" :
					  status == MHD_HTTP_SERVICE_UNAVAILABLE ? "unavailable" :
					  "validation", error);
	request->close = true;
	request->state = REQUEST_ANSWERED;
	return send_response(request);
}

/* Take some of the body; of what is refused nothing is kept. */
static void
take_body(Request *request, const char *data, size_t len)
{
	if (request->refused != 0)
		return;
	if (len > config_max_body() - request->body.len)
		request->refused = MHD_HTTP_CONTENT_TOO_LARGE;
	else if (memory_is_full())
		request->refused = MHD_HTTP_SERVICE_UNAVAILABLE;
	else
		buffer_append(&request->body, data, len);
	if (request->refused != 0)
		buffer_free(&request->body);
	request_account(request);
}

/* The request is complete: have it submitted, or respond here. */
static enum MHD_Result
take_request(Request *request)
{
	const char *type;
	size_t		size;
	int			fd;

	if (request->refused == MHD_HTTP_CONTENT_TOO_LARGE)
		request_set_error(request, request->refused, "size",
						  "Body is too large.");
	else if (request->refused != 0)
		request_set_error(request, request->refused, "unavailable",
						  "Memory is short.");
	else if (request->admin && !scrape_wanted(request) &&
			 !operate_wanted(request))
		admin_respond(request);
	else if (!request->admin &&
			 (fd = asset_open(request->uri, &type, &size)) >= 0)
		return send_asset(request, fd, type, size);
	else
	{
		request->state = REQUEST_COMPLETE;
		request->next = NULL;
		*complete_tail = request;
		complete_tail = &request->next;
		return MHD_YES;
	}
	request->close |= request->refused != 0;
	request->state = REQUEST_ANSWERED;
	return send_response(request);
}

/* Hand over the requests that libmicrohttpd has read. */
void
http_submit(void)
{
	while (complete != NULL)
	{
		Request    *request = complete;

		complete = request->next;
		if (complete == NULL)
			complete_tail = &complete;
		if (request->body.data == NULL)
			buffer_append(&request->body, "", 0);
		request->state = REQUEST_WAITING;
		request->deadline = now_ms() + config.response_timeout;
		client_suspend(request->client);
		MHD_suspend_connection(request->connection);
		if (!request->admin)
			lane_submit(request);
		else if (operate_wanted(request))
			operate_submit(request);
		else
			scrape_submit(request);
	}
}

/* libmicrohttpd has something of a request, or can send its response. */
static enum MHD_Result
handle(void *cls, struct MHD_Connection *connection, const char *url,
	   const char *method, const char *version, const char *data,
	   size_t *len, void **context)
{
	Request    *request = *context;

	switch (request->state)
	{
		case REQUEST_HEADERS:
			return take_head(request, method, version);
		case REQUEST_BODY:
			if (*len == 0)
				return take_request(request);
			take_body(request, data, *len);
			*len = 0;
			return MHD_YES;
		case REQUEST_ANSWERED:
			return send_response(request);
		case REQUEST_COMPLETE:
		case REQUEST_WAITING:
			break;
	}
	return MHD_YES;
}

/* A request is no longer to be submitted. */
static void
forget_complete(const Request *request)
{
	Request   **link = &complete;

	while (*link != NULL && *link != request)
		link = &(*link)->next;
	if (*link == NULL)
		return;
	*link = request->next;
	if (*link == NULL)
		complete_tail = link;
}

/* A request is over, answered or not. */
static void
end_request(void *cls, struct MHD_Connection *connection, void **context,
			enum MHD_RequestTerminationCode reason)
{
	Request    *request = *context;

	if (request == NULL)
		return;
	if (request->state == REQUEST_COMPLETE)
		forget_complete(request);
	if (!request->admin)
	{
		access_log(request, &request->client->address);
		metrics_request(request->status, now_us() - request->started);
	}
	client_deadline(request->client, config.idle_timeout);
	request_free(request);
	*context = NULL;
}

/* A connection was accepted or closed. */
static void
notify_connection(void *cls, struct MHD_Connection *connection,
				  void **context, enum MHD_ConnectionNotificationCode code)
{
	if (code == MHD_CONNECTION_NOTIFY_STARTED)
	{
		const union MHD_ConnectionInfo *fd =
			MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
		const union MHD_ConnectionInfo *from =
			MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);

		*context = client_add(fd->connect_fd,
							  from != NULL ? from->client_addr : NULL,
							  cls == &is_admin);
	}
	else if (*context != NULL)
	{
		client_remove(*context);
		*context = NULL;
	}
}

/* Whether a connection is accepted. */
static enum MHD_Result
admit(void *cls, const struct sockaddr *from, socklen_t len)
{
	return cls == &is_admin || client_admit(from) ? MHD_YES : MHD_NO;
}

/* libmicrohttpd's own messages: about clients that misbehave, mostly. */
static void
log_library(void *arg, const char *fmt, va_list args)
{
	char		text[512];

	if (log_level < LOG_LEVEL_REQUEST)
		return;
	vsnprintf(text, sizeof(text), fmt, args);
	text[strcspn(text, "\n")] = '\0';
	log_line(LOG_LEVEL_REQUEST, "libmicrohttpd: %s", text);
}

/* Serve a listening socket; NULL if that fails. */
struct MHD_Daemon *
http_listen(int fd, bool admin, const TlsFiles *tls)
{
	void	   *cls = admin ? &is_admin : NULL;
	unsigned int flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME |
		MHD_USE_ERROR_LOG | (tls != NULL ? MHD_USE_TLS : 0);
	struct MHD_OptionItem secure[] = {
		{MHD_OPTION_HTTPS_MEM_CERT, 0, tls != NULL ? tls->certificate : NULL},
		{MHD_OPTION_HTTPS_MEM_KEY, 0, tls != NULL ? tls->key : NULL},
		{MHD_OPTION_HTTPS_PRIORITIES, 0,
		"SECURE128:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"},
		{MHD_OPTION_END, 0, NULL}
	};

	if (tls == NULL)
		secure[0].option = MHD_OPTION_END;
	return MHD_start_daemon(flags, 0, admit, cls, handle, cls,
							MHD_OPTION_EXTERNAL_LOGGER, log_library, NULL,
							MHD_OPTION_LISTEN_SOCKET, fd,
							MHD_OPTION_CONNECTION_LIMIT, 200000u,
							MHD_OPTION_CONNECTION_MEMORY_LIMIT,
							(size_t) HEAD_BYTES,
							MHD_OPTION_STRICT_FOR_CLIENT, 1,
							MHD_OPTION_URI_LOG_CALLBACK, begin_request, cls,
							MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL,
							MHD_OPTION_NOTIFY_COMPLETED, end_request, NULL,
							MHD_OPTION_NOTIFY_CONNECTION, notify_connection, cls,
							MHD_OPTION_ARRAY, secure,
							MHD_OPTION_END);
}
