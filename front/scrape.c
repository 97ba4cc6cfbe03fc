/*-------------------------------------------------------------------------
 *
 * scrape.c
 *	  What the admin listener shows of the database.
 *
 * Metrics and status are read over a connection of their own, of a member of
 * pg_monitor: the role of the front may call evaudit.http() and no more.  Now
 * and then a sample is taken, for the plots of the page.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "connection.h"
#include "page.h"
#include "scrape.h"

/* How long the database may take, milliseconds. */
#define TIMEOUT			5000

static const Statement statements[] = {{NULL, NULL}};
static ScrapeDone done;

static Request *waiting[SCRAPE_KINDS];	/* for the next call of each kind */
static int64_t next_sample = 0;
static bool sampling = false;	/* a sample is due */

typedef struct Scrape
{
	Work		work;
	ScrapeKind	kind;
	Request    *first;			/* that wait for this one */
	Buffer		text;
} Scrape;

static void run(void);
static void changed(Connection *c);

static Connection connection = {
	.purpose = "metrics",
	.conninfo = &config.metrics_conninfo,
	.statements = statements,
	.changed = changed,
};

/* It works, or no longer does. */
static void
changed(Connection *c)
{
	run();
}

/* Begin: who is told of each scrape. */
void
scrape_init(ScrapeDone on_done)
{
	done = on_done;
}

/* What a path of the admin listener shows of the database. */
static ScrapeKind
kind_of(const char *uri)
{
	return strcmp(uri, "/metrics") == 0 ? SCRAPE_METRICS :
		strcmp(uri, "/status") == 0 ? SCRAPE_STATUS : SCRAPE_KINDS;
}

/* Whether a request of the admin listener is for something of the database. */
bool
scrape_wanted(const Request *request)
{
	return config.metrics_conninfo != NULL &&
		connection.state >= CONNECTION_IDLE &&
		strcmp(request->method, "GET") == 0 &&
		kind_of(request->uri) < SCRAPE_KINDS;
}

/* Read it for a request. */
void
scrape_submit(Request *request)
{
	ScrapeKind	kind = kind_of(request->uri);

	request->next = waiting[kind];
	waiting[kind] = request;
	run();
}

/*
 * Ask for it.  Queries that are long and read little are not worth compiling,
 * which takes seconds where processors are busy.
 */
static bool
send_scrape(Work *work, PGconn * conn)
{
	ScrapeKind	kind = ((Scrape *) work)->kind;

	return PQsendQueryParams(conn,
							 "SELECT pg_catalog.set_config('jit', 'off', true)",
							 0, NULL, NULL, NULL, NULL, 0) &&
		PQsendQueryParams(conn, kind == SCRAPE_METRICS ?
						  "SELECT evaudit.metrics()" :
						  kind == SCRAPE_STATUS ? page_status_query :
						  page_sample_query, 0, NULL, NULL, NULL, NULL, 0);
}

/* Take it. */
static void
take_scrape(Work *work, int query, const PGresult * result)
{
	if (query == 1 && PQntuples(result) == 1 && PQnfields(result) == 1)
		buffer_append(&((Scrape *) work)->text, PQgetvalue(result, 0, 0),
					  PQgetlength(result, 0, 0));
}

/* Respond to all that asked. */
static void
respond_all(ScrapeKind kind, Request *requests, const char *text)
{
	while (requests != NULL)
	{
		Request    *request = requests;

		requests = request->next;
		done(kind, request, text);
	}
}

/* It is there, or not to be had. */
static void
scrape_over(Work *work, bool lost)
{
	Scrape	   *scrape = (Scrape *) work;

	if (scrape->kind == SCRAPE_SAMPLE)
		done(scrape->kind, NULL, scrape->text.data);
	respond_all(scrape->kind, scrape->first, scrape->text.data);
	buffer_free(&scrape->text);
	free(scrape);
}

/* What somebody waits for, or a sample that is due; or SCRAPE_KINDS. */
static ScrapeKind
next_kind(void)
{
	for (ScrapeKind kind = 0; kind < SCRAPE_KINDS; kind++)
	{
		if (waiting[kind] != NULL || (kind == SCRAPE_SAMPLE && sampling))
			return kind;
	}
	return SCRAPE_KINDS;
}

/* Begin to read something. */
static void
start(ScrapeKind kind)
{
	Scrape	   *scrape = xcalloc(1, sizeof(Scrape));

	scrape->work.send = send_scrape;
	scrape->work.take = take_scrape;
	scrape->work.over = scrape_over;
	scrape->kind = kind;
	scrape->first = waiting[kind];
	waiting[kind] = NULL;
	if (kind == SCRAPE_SAMPLE)
		sampling = false;
	connection_start(&connection, &scrape->work, TIMEOUT);
}

/* Ask, if there is something to ask for; nobody waits for a connection. */
static void
run(void)
{
	ScrapeKind	kind = next_kind();

	if (connection.state == CONNECTION_IDLE && kind < SCRAPE_KINDS)
		start(kind);
	for (kind = 0; kind < SCRAPE_KINDS &&
		 connection.state < CONNECTION_IDLE; kind++)
	{
		Request    *requests = waiting[kind];

		waiting[kind] = NULL;
		respond_all(kind, requests, NULL);
	}
}

/* What time has brought; returns when to come again. */
int64_t
scrape_tick(int64_t now)
{
	if (config.metrics_conninfo == NULL)
		return -1;
	connection_tick(&connection, now);
	if (now >= next_sample && connection.state == CONNECTION_IDLE)
	{
		next_sample = now + config.sample_interval;
		sampling = true;
		run();
	}
	return now + (connection.state == CONNECTION_IDLE ? 1000 : 100);
}
