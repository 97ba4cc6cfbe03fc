/*-------------------------------------------------------------------------
 *
 * admin.c
 *	  The admin listener: /live, /ready and /metrics.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "http.h"
#include "lane.h"
#include "metrics.h"
#include "request.h"

/* Respond with plain text. */
static void
respond(Request *request, int status, const char *text)
{
	static const char headers[] =
		"{\"Content-Type\":\"text/plain; version=0.0.4; charset=utf-8\"}";

	request_set_response(request, status, headers, strlen(headers), text,
						 strlen(text));
}

/* Respond to a request of the admin listener. */
void
admin_respond(Request *request)
{
	bool		get = strcmp(request->method, "GET") == 0 ||
		strcmp(request->method, "HEAD") == 0;
	Buffer		text = {0};

	if (!get)
		respond(request, 405, "Method not allowed.\n");
	else if (strcmp(request->uri, "/live") == 0)
		respond(request, 200, "live\n");
	else if (strcmp(request->uri, "/ready") == 0)
	{
		bool		ready = lanes_ready() && !http_draining;

		respond(request, ready ? 200 : 503, ready ? "ready\n" : "not ready\n");
	}
	else if (strcmp(request->uri, "/metrics") == 0)
	{
		metrics_write(&text);
		respond(request, 200, text.data);
		buffer_free(&text);
	}
	else
		respond(request, 404, "Not found.\n");
}
