/*-------------------------------------------------------------------------
 *
 * operate.c
 *	  Requests of the admin listener that change something.
 *
 * They go to
 *
 *		evaudit.http_admin(method text, path text, headers jsonb)
 *
 * which decides by the token in their header Authorization; the front decides
 * nothing and keeps nothing.  A header that pages of other origins cannot set
 * is all that counts: no cookie, and no body.
 *
 * One after the other takes a connection of its own, as the role that serves
 * requests, which is made when the first of them comes.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "connection.h"
#include "operate.h"

/* Most requests that wait. */
#define MAX_WAITING			32

/* How long one waits for a connection, milliseconds. */
#define DOWN_GRACE			5000

/* A request on its way. */
typedef struct Call
{
	Work		work;
	Request    *request;
	bool		answered;		/* it has a response, if the Sync comes */
} Call;

static const Statement statements[] = {{NULL, NULL}};
static bool needed = false;		/* there was a request */

static Request *first = NULL;
static int	count = 0;

static void run(void);
static void changed(Connection *c);

/* It is made when the first request comes. */
static Connection connection = {
	.purpose = "operating",
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

/* Whether a request of the admin listener is one. */
bool
operate_wanted(const Request *request)
{
	return strcmp(request->method, "POST") == 0 &&
		(strncmp(request->uri, "/sources/", 9) == 0 ||
		 strncmp(request->uri, "/sinks/", 7) == 0);
}

/* Respond that it cannot be done now. */
static void
refuse(Request *request, int status, const char *type, const char *message)
{
	request_set_error(request, status, type, message);
	request_answered(request);
}

/* Have it done. */
void
operate_submit(Request *request)
{
	Request   **link = &first;

	if (count >= MAX_WAITING)
	{
		refuse(request, 503, "unavailable", "Too many requests wait.");
		return;
	}
	while (*link != NULL)
		link = &(*link)->next;
	request->next = NULL;
	*link = request;
	request->deadline = now_ms() + DOWN_GRACE;
	count++;
	needed = true;
	run();
}

/* Take the first request off the queue. */
static Request *
take_first(void)
{
	Request    *request = first;

	first = request->next;
	count--;
	return request;
}

/* Send it. */
static bool
send_call(Work *work, PGconn * conn)
{
	const Request *request = ((Call *) work)->request;
	const char *values[] = {request->method, request->uri,
	request->headers.data};

	return PQsendQueryParams(conn,
							 "SELECT status, headers, body FROM evaudit.http_admin("
							 "$1::pg_catalog.text, $2::pg_catalog.text,"
							 " $3::pg_catalog.jsonb)",
							 3, NULL, values, NULL, NULL, 1);
}

/* Keep the response until the transaction is committed. */
static void
take_call(Work *work, int query, const PGresult * result)
{
	Call	   *call = (Call *) work;

	if (PQntuples(result) == 1 && PQnfields(result) == 3)
		call->answered = request_take_response(call->request, result, 0, 0);
}

/* It is over. */
static void
call_over(Work *work, bool lost)
{
	Call	   *call = (Call *) work;
	Request    *request = call->request;
	const char *sqlstate = work->sqlstate;

	if (lost)
		refuse(request, 503, "unavailable",
			   "Whether this took effect is not known.");
	else if (strcmp(sqlstate, "42501") == 0 || strcmp(sqlstate, "42883") == 0)
		refuse(request, 403, "auth",
			   "The role of this front may not call evaudit.http_admin().");
	else if (sqlstate[0] != '\0' || !call->answered)
		refuse(request, 503, "unavailable", "Service is not available now.");
	else
		request_answered(request);
	free(call);
}

/* Send the next request, if there is one. */
static void
run(void)
{
	Call	   *call;

	if (first == NULL || connection.state != CONNECTION_IDLE)
		return;
	call = xcalloc(1, sizeof(Call));
	call->request = take_first();
	call->work.send = send_call;
	call->work.take = take_call;
	call->work.over = call_over;
	connection_start(&connection, &call->work, config.response_timeout);
}

/* What time has brought; returns when to come again. */
int64_t
operate_tick(int64_t now)
{
	if (!needed)
		return -1;
	connection_tick(&connection, now);
	while (first != NULL && now >= first->deadline &&
		   connection.state != CONNECTION_BUSY)
		refuse(take_first(), 503, "unavailable",
			   "The database is not available now.");
	run();
	return now + (connection.state >= CONNECTION_IDLE ? 1000 : 50);
}
