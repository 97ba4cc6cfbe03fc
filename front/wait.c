/*-------------------------------------------------------------------------
 *
 * wait.c
 *	  Requests whose events are stored and that wait for sinks.
 *
 * evaudit.http() names in a header X-Evaudit-Wait what a response should wait
 * for, once its transaction is committed.  All that waits does so by one call
 * after the other of
 *
 *		evaudit.http_wait(what text[], timeout interval)
 *
 * over one connection.  A call returns as soon as something is decided, with
 * the responses of that, or after a short time, so that what came meanwhile is
 * part of the next one.  Where that cannot be asked, the response is the one
 * that evaudit.http() has given: the event is stored.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "connection.h"
#include "log.h"
#include "metrics.h"
#include "wait.h"

#define HEADER			"X-Evaudit-Wait"

/*
 * Milliseconds of a call at most, which those have to wait that come meanwhile;
 * and how many waiting requests add one to the pause until the next, since each
 * call names them all.
 */
#define CALL_TIME		"20 milliseconds"
#define NAMES_PER_MS	50

/* Most requests of a call. */
#define MAX_CALL		4096

/* How long a request may wait at most, milliseconds; http_wait() decides. */
#define MAX_WAIT		600000

static const Statement statements[] = {{NULL, NULL}};
static bool needed = false;		/* something has waited */

static Request *first = NULL;
static Request **tail = &first;
static int	count = 0;
static int64_t next_call = 0;

static void run(void);
static void changed(Connection *c);

/* It is made when something waits. */
static Connection connection = {
	.purpose = "waiting",
	.conninfo = &config.conninfo,
	.writes = true,
	.statements = statements,
	.changed = changed,
};

/* It works, or no longer does. */
static void
changed(Connection *c)
{
	run();
}

/* Have a request wait, if its response says so; the lane is done with it. */
bool
wait_begin(Request *request)
{
	const char *what = request_header(request, HEADER);

	if (what == NULL || request->wait != NULL)
		return false;
	request->wait = xstrdup(what);
	request->deadline = now_ms() + MAX_WAIT;
	request->next = NULL;
	*tail = request;
	tail = &request->next;
	count++;
	needed = true;
	metrics_waits(count);
	return true;
}

/* End the wait of the request that a link leads to. */
static void
end_wait(Request **link)
{
	Request    *request = *link;

	*link = request->next;
	if (*link == NULL)
		tail = link;
	count--;
	metrics_waits(count);
	request_answered(request);
}

/* Add an element to an array in text. */
static void
add_element(Buffer *array, const char *text)
{
	buffer_puts(array, array->len > 1 ? ",\"" : "\"");
	for (const char *p = text; *p != '\0'; p++)
	{
		if (*p == '"' || *p == '\\')
			buffer_append(array, "\\", 1);
		buffer_append(array, p, 1);
	}
	buffer_puts(array, "\"");
}

/* Call for all that waits. */
static bool
send_call(Work *work, PGconn * conn)
{
	Buffer		array = {0};
	const char *values[2];
	bool		ok;
	int			n = 0;

	buffer_puts(&array, "{");
	for (Request *r = first; r != NULL && n < MAX_CALL; r = r->next, n++)
		add_element(&array, r->wait);
	buffer_puts(&array, "}");
	values[0] = array.data;
	values[1] = CALL_TIME;
	ok = PQsendQueryParams(conn,
						   "SELECT what, status, headers, body FROM evaudit.http_wait("
						   "$1::pg_catalog.text[], $2::pg_catalog.interval)",
						   2, NULL, values, NULL, NULL, 1);
	buffer_free(&array);
	return ok;
}

/* Respond to all requests that wait for something that is decided. */
static void
take_decided(const PGresult * result, int row)
{
	const char *what = PQgetvalue(result, row, 0);

	for (Request **link = &first; *link != NULL;)
	{
		Request    *request = *link;

		if (strcmp(request->wait, what) == 0 &&
			request_take_response(request, result, row, 1))
			end_wait(link);
		else
			link = &request->next;
	}
}

/* Take what is decided. */
static void
take_call(Work *work, int query, const PGresult * result)
{
	if (PQnfields(result) != 4)
		return;
	for (int i = 0; i < PQntuples(result); i++)
		take_decided(result, i);
}

/* A call is over.  If it failed, the next one would. */
static void
call_over(Work *work, bool lost)
{
	if (!lost && work->sqlstate[0] != '\0')
	{
		while (first != NULL)
			end_wait(&first);
	}
	next_call = now_ms() + count / NAMES_PER_MS;
	free(work);
}

/* Call, if something waits. */
static void
run(void)
{
	Work	   *work;

	if (first == NULL || connection.state != CONNECTION_IDLE ||
		now_ms() < next_call)
		return;
	work = xcalloc(1, sizeof(Work));
	work->send = send_call;
	work->take = take_call;
	work->over = call_over;
	connection_start(&connection, work, config.response_timeout);
}

/* What time has brought; returns when to come again. */
int64_t
waits_tick(int64_t now)
{
	if (!needed)
		return -1;
	connection_tick(&connection, now);
	/* without a database, for no longer than any other request */
	for (Request **link = &first; *link != NULL;)
	{
		if (now >= (*link)->deadline ||
			(connection.state == CONNECTION_CLOSED && connection.failures > 3))
			end_wait(link);
		else
			link = &(*link)->next;
	}
	run();
	if (first == NULL || connection.state == CONNECTION_BUSY)
		return now + 1000;
	return connection.state == CONNECTION_IDLE ? next_call : now + 50;
}
