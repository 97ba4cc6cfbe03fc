/*-------------------------------------------------------------------------
 *
 * admin.c
 *	  The admin listener: /live, /ready and /metrics.
 *
 * Any process answers for all of them.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>
#include <string.h>

#include "admin.h"
#include "client.h"
#include "metrics.h"

/* Respond with plain text. */
static void
respond(Request *request, int status, const char *text)
{
	static const char headers[] =
		"{\"Content-Type\":\"text/plain; version=0.0.4; charset=utf-8\"}";

	request_set_response(request, status, headers, strlen(headers), text,
						 strlen(text));
}

/* Respond with the metrics, and the database's if these could be read. */
static void
respond_metrics(Request *request, const char *database)
{
	Buffer		text = {0};

	metrics_memory(request_memory);
	metrics_write(&text);
	if (database != NULL)
		buffer_puts(&text, database);
	respond(request, 200, text.data);
	buffer_free(&text);
}

/* The same, for a request that has waited. */
void
admin_respond_metrics(Request *request, const char *database)
{
	respond_metrics(request, database);
	request_answered(request);
}

/* Respond to a request of the admin listener. */
void
admin_respond(Request *request)
{
	bool		get = strcmp(request->method, "GET") == 0 ||
		strcmp(request->method, "HEAD") == 0;
	bool		ready = metrics_ready() && !clients_draining();

	if (!get)
		respond(request, 405, "Method not allowed.\n");
	else if (strcmp(request->uri, "/live") == 0)
		respond(request, 200, "live\n");
	else if (strcmp(request->uri, "/ready") == 0)
		respond(request, ready ? 200 : 503, ready ? "ready\n" : "not ready\n");
	else if (strcmp(request->uri, "/metrics") == 0)
		respond_metrics(request, NULL);
	else
		respond(request, 404, "Not found.\n");
}
