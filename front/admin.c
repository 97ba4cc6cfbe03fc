/*-------------------------------------------------------------------------
 *
 * admin.c
 *	  The admin listener: /live, /ready, /metrics, and a page with its /status;
 *	  what the page can do is in operate.c.
 *
 * Any process answers for all of them, but for the samples of the last hour,
 * which are its own.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>
#include <string.h>

#include "admin.h"
#include "client.h"
#include "metrics.h"
#include "page.h"

/* Headers of responses of each kind. */
#define TEXT "{\"Content-Type\":\"text/plain; version=0.0.4; charset=utf-8\"}"
#define JSON "{\"Content-Type\":\"application/json\"," \
	"\"Cache-Control\":\"no-store\",\"X-Content-Type-Options\":\"nosniff\"}"
#define PAGE "{\"Content-Type\":\"text/html; charset=utf-8\"," \
	"\"Content-Security-Policy\":\"default-src 'none'; connect-src 'self';" \
	" style-src 'unsafe-inline'; script-src 'unsafe-inline';" \
	" form-action 'none'; base-uri 'none'; frame-ancestors 'none'\",\"X-Content-Type-Options\":\"nosniff\"}"

/* Respond with something of a kind. */
static void
respond_with(Request *request, const char *headers, const char *body)
{
	request_set_response(request, 200, headers, strlen(headers), body,
						 strlen(body));
}

/* Respond with plain text. */
static void
respond(Request *request, int status, const char *text)
{
	request_set_response(request, status, TEXT, strlen(TEXT), text,
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

/* Respond with the state of the database, if it could be read. */
static void
respond_status(Request *request, const char *status)
{
	Buffer		json = {0};

	page_put_status(&json, status);
	respond_with(request, JSON, json.data);
	buffer_free(&json);
}

/* The database was asked: for a request that has waited, or for a sample. */
void
admin_scraped(ScrapeKind kind, Request *request, const char *text)
{
	if (kind == SCRAPE_SAMPLE)
	{
		page_add_sample(text);
		return;
	}
	if (kind == SCRAPE_STATUS)
		respond_status(request, text);
	else
		respond_metrics(request, text);
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
	else if (strcmp(request->uri, "/status") == 0)
		respond_status(request, NULL);
	else if (strcmp(request->uri, "/") == 0)
		respond_with(request, PAGE, page_html);
	else
		respond(request, 404, "Not found.\n");
}
