/*-------------------------------------------------------------------------
 *
 * scrape.c
 *	  The database's own metrics, for the admin listener.
 *
 * They are read by evaudit.metrics() over a connection of their own, of a
 * member of pg_monitor: the role of the front may call evaudit.http() and no
 * more.  Where they cannot be read, the response has the front's alone.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "connection.h"
#include "scrape.h"

/* How long the database may take, milliseconds. */
#define TIMEOUT			5000

static const Statement statements[] = {{NULL, NULL}};
static Connection connection;
static void (*respond_to) (Request *request, const char *metrics);

static Request *first = NULL;	/* that wait for the next call */

typedef struct Scrape
{
	Work		work;
	Request    *first;			/* that wait for this one */
	Buffer		text;
} Scrape;

static void run(void);

/* It works, or no longer does. */
static void
changed(Connection *c)
{
	run();
}

/* Begin. */
void
scrape_init(void (*respond) (Request *request, const char *metrics))
{
	respond_to = respond;
	connection.purpose = "metrics";
	connection.conninfo = &config.metrics_conninfo;
	connection.statements = statements;
	connection.changed = changed;
}

/* Whether a request of the admin listener is for the database's metrics. */
bool
scrape_wanted(const Request *request)
{
	return config.metrics_conninfo != NULL &&
		connection.state >= CONNECTION_IDLE &&
		strcmp(request->method, "GET") == 0 &&
		strcmp(request->uri, "/metrics") == 0;
}

/* Read them for a request. */
void
scrape_submit(Request *request)
{
	request->next = first;
	first = request;
	run();
}

/* Ask for them. */
static bool
send_scrape(Work *work, PGconn * conn)
{
	return PQsendQueryParams(conn, "SELECT evaudit.metrics()", 0, NULL, NULL,
							 NULL, NULL, 0);
}

/* Take them. */
static void
take_scrape(Work *work, int query, const PGresult * result)
{
	if (PQntuples(result) == 1 && PQnfields(result) == 1)
		buffer_append(&((Scrape *) work)->text, PQgetvalue(result, 0, 0),
					  PQgetlength(result, 0, 0));
}

/* Respond to all that asked. */
static void
respond_all(Request *requests, const char *metrics)
{
	while (requests != NULL)
	{
		Request    *request = requests;

		requests = request->next;
		respond_to(request, metrics);
	}
}

/* They are there, or not to be had. */
static void
scrape_over(Work *work, bool lost)
{
	Scrape	   *scrape = (Scrape *) work;

	respond_all(scrape->first, scrape->text.data);
	buffer_free(&scrape->text);
	free(scrape);
}

/* Ask, if somebody waits for them. */
static void
run(void)
{
	Scrape	   *scrape;

	if (first != NULL && connection.state < CONNECTION_IDLE)
	{
		Request    *requests = first;

		first = NULL;
		respond_all(requests, NULL);
	}
	if (first == NULL || connection.state != CONNECTION_IDLE)
		return;
	scrape = xcalloc(1, sizeof(Scrape));
	scrape->work.send = send_scrape;
	scrape->work.take = take_scrape;
	scrape->work.over = scrape_over;
	scrape->first = first;
	first = NULL;
	connection_start(&connection, &scrape->work, TIMEOUT);
}

/* What time has brought; returns when to come again. */
int64_t
scrape_tick(int64_t now)
{
	if (config.metrics_conninfo == NULL)
		return -1;
	connection_tick(&connection, now);
	return now + (connection.state == CONNECTION_IDLE ? 1000 : 100);
}
