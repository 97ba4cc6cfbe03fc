/*-------------------------------------------------------------------------
 *
 * http.c
 *	  Requests as libmicrohttpd hands them over, and their responses.
 *
 * A request is refused before its body is read where its headers are enough
 * to tell.  While the database has it, its connection is suspended, which
 * costs nothing; libmicrohttpd reads nothing of it meanwhile.
 *
 * What could mean two things to two programs is refused: Content-Length twice,
 * or beside Transfer-Encoding (RFC 9112, 6.3), and Authorization twice.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <cjson/cJSON.h>
#include <microhttpd.h>

#include "client.h"
#include "config.h"
#include "headers.h"
#include "http.h"
#include "lane.h"
#include "log.h"
#include "metrics.h"

/* Memory for the head of a request, bytes; more is 431. */
#define HEAD_BYTES			(32 * 1024)

bool		http_draining = false;
bool		http_resumed = false;

/* The client of a connection. */
static Client *
client_of(struct MHD_Connection *connection)
{
	return MHD_get_connection_info(connection,
								   MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

/* The URI is read: a request begins. */
static void *
begin_request(void *cls, const char *uri, struct MHD_Connection *connection)
{
	Request    *request = xcalloc(1, sizeof(Request));

	request->connection = connection;
	request->client = client_of(connection);
	request->admin = cls != NULL;
	request->uri = xstrdup(uri);
	request->started = now_ms();
	client_deadline(request->client, config.header_timeout);
	return request;
}

/* Leave escapes in paths alone: evaudit.http() reads them. */
static size_t
keep_escapes(void *cls, struct MHD_Connection *connection, char *s)
{
	return strlen(s);
}

/* Send the response of a request. */
static enum MHD_Result
send_response(Request *request)
{
	struct MHD_Response *response;
	enum MHD_Result result;
	const cJSON *header;

	response = MHD_create_response_from_buffer(request->response.len,
											   request->response.data,
											   MHD_RESPMEM_MUST_FREE);
	if (response == NULL)
		return MHD_NO;
	memset(&request->response, 0, sizeof(request->response));
	cJSON_ArrayForEach(header, request->response_headers)
	{
		if (cJSON_IsString(header))
			(void) MHD_add_response_header(response, header->string,
										   header->valuestring);
	}
	if (http_draining)
		(void) MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION,
									   "close");
	result = MHD_queue_response(request->connection, request->status,
								response);
	MHD_destroy_response(response);
	client_deadline(request->client, config.response_timeout);
	return result;
}

/* Send a file of the documentation's page. */
static enum MHD_Result
send_asset(Request *request, int fd, const char *type, size_t size)
{
	struct MHD_Response *response = MHD_create_response_from_fd(size, fd);
	enum MHD_Result result;

	if (response == NULL)
		return MHD_NO;
	request->status = MHD_HTTP_OK;
	(void) MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
								   type);
	(void) MHD_add_response_header(response, "X-Content-Type-Options",
								   "nosniff");
	result = MHD_queue_response(request->connection, MHD_HTTP_OK, response);
	MHD_destroy_response(response);
	client_deadline(request->client, config.response_timeout);
	return result;
}

/* Read the head of a request; refuse it, or wait for its body. */
static enum MHD_Result
take_head(Request *request, const char *method)
{
	const char *error;
	int			status;

	request->method = method;
	request->state = REQUEST_BODY;
	client_deadline(request->client, config.body_timeout);
	status = headers_read(request, &error);
	if (status == 0)
		return MHD_YES;
	request_set_error(request, status,
					  status == MHD_HTTP_CONTENT_TOO_LARGE ? "size" :
					  "validation", error);
	request->state = REQUEST_ANSWERED;
	return send_response(request);
}

/* Take some of the body. */
static void
take_body(Request *request, const char *data, size_t len)
{
	/* one byte too many is kept, to tell */
	if (request->body.len <= config.max_body)
		buffer_append(&request->body, data,
					  len <= config.max_body - request->body.len ? len :
					  config.max_body - request->body.len + 1);
}

/* The request is complete: hand it to the database, or respond here. */
static enum MHD_Result
take_request(Request *request)
{
	const char *type;
	size_t		size;
	int			fd;

	request->state = REQUEST_WAITING;
	request->deadline = now_ms() + config.response_timeout;
	if (request->body.len > config.max_body)
		request_set_error(request, MHD_HTTP_CONTENT_TOO_LARGE, "size",
						  "Body is too large.");
	else if (request->admin)
		admin_respond(request);
	else if ((fd = asset_open(request->uri, &type, &size)) >= 0)
		return send_asset(request, fd, type, size);
	else
	{
		if (request->body.data == NULL)
			buffer_append(&request->body, "", 0);
		client_suspend(request->client);
		MHD_suspend_connection(request->connection);
		lane_submit(request);
		return MHD_YES;
	}
	request->state = REQUEST_ANSWERED;
	return send_response(request);
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
			return take_head(request, method);
		case REQUEST_BODY:
			if (*len == 0)
				return take_request(request);
			take_body(request, data, *len);
			*len = 0;
			return MHD_YES;
		case REQUEST_ANSWERED:
			return send_response(request);
		case REQUEST_WAITING:
			break;
	}
	return MHD_YES;
}

/* The response is there: let its connection send it. */
void
request_answered(Request *request)
{
	request->state = REQUEST_ANSWERED;
	client_deadline(request->client, config.response_timeout);
	MHD_resume_connection(request->connection);
	http_resumed = true;
}

/* Log a request that is over. */
static void
log_request(const Request *request, size_t bytes)
{
	const cJSON *id = cJSON_GetObjectItem(request->response_headers,
										  "X-Request-Id");
	Buffer		line = {0};

	if (log_level < LOG_LEVEL_REQUEST || request->admin)
		return;
	log_begin(&line, "info");
	buffer_puts(&line, ",\"method\":");
	buffer_json(&line, request->method != NULL ? request->method : "");
	buffer_puts(&line, ",\"path\":");
	headers_put_path(&line, request->uri);
	buffer_printf(&line, ",\"status\":%d,\"bytes\":%zu,\"ms\":%d",
				  request->status, bytes, (int) (now_ms() - request->started));
	if (cJSON_IsString(id))
	{
		buffer_puts(&line, ",\"request_id\":");
		buffer_json(&line, id->valuestring);
	}
	buffer_puts(&line, ",\"client\":");
	headers_put_client(&line, request->connection);
	log_end(&line);
}

/* A request is over, answered or not. */
static void
end_request(void *cls, struct MHD_Connection *connection, void **context,
			enum MHD_RequestTerminationCode reason)
{
	Request    *request = *context;

	if (request == NULL)
		return;
	log_request(request, request->sent);
	if (!request->admin)
		metrics_request(request->status, now_ms() - request->started);
	client_deadline(request->client, config.idle_timeout);
	buffer_free(&request->headers);
	buffer_free(&request->body);
	request_clear_response(request);
	free(request->uri);
	free(request);
	*context = NULL;
}

/* A connection was accepted or closed. */
static void
notify_connection(void *cls, struct MHD_Connection *connection,
				  void **context, enum MHD_ConnectionNotificationCode code)
{
	if (code == MHD_CONNECTION_NOTIFY_STARTED)
		*context = client_add(connection);
	else if (*context != NULL)
	{
		client_remove(*context);
		*context = NULL;
	}
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
http_listen(int fd, bool admin, bool by_address)
{
	static char is_admin;
	void	   *cls = admin ? &is_admin : NULL;
	unsigned int flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME |
		MHD_USE_ERROR_LOG;

	return MHD_start_daemon(flags, 0, NULL, NULL, handle, cls,
							MHD_OPTION_EXTERNAL_LOGGER, log_library, NULL,
							MHD_OPTION_LISTEN_SOCKET, fd,
							MHD_OPTION_CONNECTION_LIMIT,
							(unsigned int) config.max_connections,
							MHD_OPTION_PER_IP_CONNECTION_LIMIT,
							by_address ? (unsigned int) config.max_per_address : 0,
							MHD_OPTION_CONNECTION_MEMORY_LIMIT,
							(size_t) HEAD_BYTES,
							MHD_OPTION_STRICT_FOR_CLIENT, 1,
							MHD_OPTION_URI_LOG_CALLBACK, begin_request, cls,
							MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL,
							MHD_OPTION_NOTIFY_COMPLETED, end_request, NULL,
							MHD_OPTION_NOTIFY_CONNECTION, notify_connection, NULL,
							MHD_OPTION_END);
}
