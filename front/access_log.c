/*-------------------------------------------------------------------------
 *
 * access_log.c
 *	  A line of the log for each request.
 *
 * Route and subject are what evaudit.http() says in headers that the front
 * removes.  A path is logged without its query.
 *
 *-------------------------------------------------------------------------
 */
#include "access_log.h"
#include "headers.h"
#include "log.h"
#include "loop.h"
#include "utf8.h"

/* Add a member, if there is a value. */
static void
put(Buffer *line, const char *name, const char *value)
{
	if (value == NULL || value[0] == '\0' || !is_utf8(value))
		return;
	buffer_printf(line, ",\"%s\":", name);
	buffer_json(line, value);
}

/* Log a request that is over; the status is 0 if it was not answered. */
void
access_log(const Request *request, const Address *peer)
{
	Buffer		line = {0};
	char		client[64];

	if (log_level < LOG_LEVEL_REQUEST)
		return;
	log_begin(&line, "info");
	put(&line, "method", request->method);
	buffer_puts(&line, ",\"path\":");
	headers_put_path(&line, request->uri);
	put(&line, "route", request_header(request, "X-Evaudit-Route"));
	buffer_printf(&line, ",\"status\":%d,\"bytes\":%zu,\"ms\":%.3f",
				  request->status, request->sent,
				  (double) (now_us() - request->started) / 1000);
	put(&line, "request_id", request_header(request, "X-Request-Id"));
	put(&line, "subject", request_header(request, "X-Evaudit-Subject"));
	headers_client(request, peer, client, sizeof(client));
	put(&line, "client", client);
	log_end(&line);
}
