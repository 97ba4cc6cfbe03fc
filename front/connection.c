/*-------------------------------------------------------------------------
 *
 * connection.c
 *	  A connection to the database: made, prepared, lost, made again.
 *
 * Nothing here blocks.  A connection is in libpq's pipeline mode for its whole
 * life, so that all queries of a piece of work need one round trip.  What the
 * work is, it does not know.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "connection.h"
#include "log.h"

/* Pause after the first failure, and the longest one, milliseconds. */
#define FIRST_RETRY			100
#define MAX_RETRY			10000

/* How long connecting may take, milliseconds. */
#define CONNECT_TIMEOUT		10000

static void ready(Watch *watch, uint32_t events);

/* Close a connection, and connect again after a pause. */
static void
close_connection(Connection *c)
{
	int			pause = FIRST_RETRY;

	loop_forget(&c->watch);
	PQfinish(c->conn);
	c->conn = NULL;
	c->state = CONNECTION_CLOSED;
	for (int i = 0; i < c->failures && pause < MAX_RETRY; i++)
		pause *= 2;
	if (pause > MAX_RETRY)
		pause = MAX_RETRY;
	/* those of many processes need not all come at once */
	pause -= rand() % (pause / 4);
	c->failures++;
	c->retry_at = now_ms() + pause;
}

/* The connection failed; its work, if it has any, is over. */
static void
connection_lost(Connection *c, const char *error)
{
	Work	   *work = c->work;
	char		text[512];

	snprintf(text, sizeof(text), "%s", error);
	text[strcspn(text, "\n")] = '\0';
	log_line(LOG_LEVEL_ERROR, "connection to the database for %s failed: %s",
			 c->purpose, text);
	c->work = NULL;
	close_connection(c);
	if (work != NULL)
		work->over(work, true);
	c->changed(c);
}

/* Send what libpq holds, and wait for what comes. */
static void
flush(Connection *c)
{
	int			result = PQflush(c->conn);

	if (result < 0)
		connection_lost(c, PQerrorMessage(c->conn));
	else
		loop_watch(&c->watch, PQsocket(c->conn),
				   EPOLLIN | (result > 0 ? EPOLLOUT : 0));
}

/* Prepare the statements, by one round trip. */
static void
prepare(Connection *c)
{
	c->state = CONNECTION_PREPARING;
	c->query = 0;
	c->stale = false;
	if (PQsetnonblocking(c->conn, 1) != 0 || !PQenterPipelineMode(c->conn))
	{
		connection_lost(c, PQerrorMessage(c->conn));
		return;
	}
	for (const Statement *s = c->statements; s->name != NULL; s++)
		(void) PQsendPrepare(c->conn, s->name, s->sql, 0, NULL);
	(void) PQpipelineSync(c->conn);
	flush(c);
}

/* Continue to connect. */
static void
poll_connect(Connection *c)
{
	PostgresPollingStatusType status = PQconnectPoll(c->conn);

	/* the socket may be another one: of the next host, or address */
	if (status == PGRES_POLLING_OK)
		prepare(c);
	else if (status == PGRES_POLLING_FAILED)
		connection_lost(c, PQerrorMessage(c->conn));
	else
		loop_watch(&c->watch, PQsocket(c->conn),
				   status == PGRES_POLLING_READING ? EPOLLIN : EPOLLOUT);
}

/* Notices go to the log, in its form. */
static void
log_notice(void *arg, const char *message)
{
	char		text[512];

	snprintf(text, sizeof(text), "%s", message);
	text[strcspn(text, "\n")] = '\0';
	log_line(LOG_LEVEL_INFO, "%s", text);
}

/* Begin to connect. */
static void
start_connect(Connection *c)
{
	/* what the connection string says itself comes behind, and holds */
	const char *names[] = {"target_session_attrs", "dbname",
	"fallback_application_name", "client_encoding", NULL};
	const char *values[] = {c->writes ? "read-write" : "any", *c->conninfo,
	"evaudit-http", "UTF8", NULL};

	c->watch.ready = ready;
	c->watch.arg = c;
	c->conn = PQconnectStartParams(names, values, 1);
	c->state = CONNECTION_CONNECTING;
	c->deadline = now_ms() + CONNECT_TIMEOUT;
	if (c->conn == NULL || PQstatus(c->conn) == CONNECTION_BAD)
	{
		connection_lost(c, c->conn != NULL ? PQerrorMessage(c->conn) :
						"out of memory");
		return;
	}
	(void) PQsetNoticeProcessor(c->conn, log_notice, NULL);
	loop_watch(&c->watch, PQsocket(c->conn), EPOLLOUT);
}

/* All statements are prepared. */
static void
prepared(Connection *c)
{
	log_line(LOG_LEVEL_INFO, "connected to the database for %s", c->purpose);
	c->state = CONNECTION_IDLE;
	c->failures = 0;
}

/* The Sync behind the queries was answered: the transaction is over. */
static void
work_over(Connection *c)
{
	Work	   *work = c->work;

	c->work = NULL;
	c->state = CONNECTION_IDLE;
	if (c->stale)
	{
		close_connection(c);
		c->failures = 0;
		c->retry_at = now_ms();
	}
	work->over(work, false);
}

/* An error of a query.  Without an SQLSTATE the connection is broken. */
static void
take_error(Connection *c, const PGresult * result)
{
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);

	if (sqlstate == NULL || c->work == NULL)
	{
		connection_lost(c, PQresultErrorMessage(result));
		return;
	}
	if (c->work->sqlstate[0] == '\0')
	{
		snprintf(c->work->sqlstate, sizeof(c->work->sqlstate), "%s", sqlstate);
		log_line(LOG_LEVEL_ERROR, "a transaction of %s failed: %s", c->purpose,
				 PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY));
	}
	/* no such statement, or a cached plan whose result has changed */
	c->stale |= strcmp(sqlstate, "26000") == 0 ||
		strcmp(sqlstate, "0A000") == 0;
}

/* Take a result; false if there is nothing more to read. */
static bool
take_result(Connection *c, const PGresult * result)
{
	switch (PQresultStatus(result))
	{
		case PGRES_PIPELINE_SYNC:
			if (c->state == CONNECTION_PREPARING)
				prepared(c);
			else if (c->work != NULL)
				work_over(c);
			return false;
		case PGRES_FATAL_ERROR:
			take_error(c, result);
			return c->conn != NULL;
		case PGRES_TUPLES_OK:
		case PGRES_COMMAND_OK:
			if (c->work != NULL)
				c->work->take(c->work, c->query, result);
			return true;
		default:
			return true;
	}
}

/* Read the results that are there. */
static void
read_results(Connection *c)
{
	bool		consumed = PQconsumeInput(c->conn);
	bool		more = true;
	int			nulls = 0;

	/* what came before the connection broke is there, and is read first */
	while (more && !PQisBusy(c->conn))
	{
		PGresult   *result = PQgetResult(c->conn);

		if (result != NULL)
		{
			nulls = 0;
			more = take_result(c, result);
			PQclear(result);
		}
		else if (++nulls > 1)
			break;				/* nothing is under way */
		else
			c->query++;
	}
	if (c->conn != NULL && (!consumed || PQstatus(c->conn) == CONNECTION_BAD))
		connection_lost(c, PQerrorMessage(c->conn));
	else if (!more && (c->state == CONNECTION_IDLE ||
					   c->state == CONNECTION_CLOSED))
		c->changed(c);
}

/* The socket is ready. */
static void
ready(Watch *watch, uint32_t events)
{
	Connection *c = watch->arg;

	if (c->state == CONNECTION_CONNECTING)
	{
		poll_connect(c);
		return;
	}
	if (events & EPOLLOUT)
		flush(c);
	if (c->conn != NULL && (events & ~(uint32_t) EPOLLOUT))
		read_results(c);
}

/* Begin some work on an idle connection; milliseconds until it is given up. */
void
connection_start(Connection *c, Work *work, int timeout)
{
	c->work = work;
	c->state = CONNECTION_BUSY;
	c->deadline = now_ms() + timeout;
	c->query = 0;
	if (!work->send(work, c->conn) || !PQpipelineSync(c->conn))
		connection_lost(c, PQerrorMessage(c->conn));
	else
		flush(c);
}

/* Close an idle connection and make it anew. */
void
connection_renew(Connection *c)
{
	if (c->state != CONNECTION_IDLE)
		return;
	c->failures = 0;
	close_connection(c);
	c->failures = 0;
	c->retry_at = now_ms();
	c->changed(c);
}

/* Connect where that is due, and give up what takes too long. */
void
connection_tick(Connection *c, int64_t now)
{
	if (c->state == CONNECTION_CLOSED && now >= c->retry_at)
		start_connect(c);
	else if (c->state != CONNECTION_CLOSED && c->state != CONNECTION_IDLE &&
			 now >= c->deadline)
		connection_lost(c, "timeout expired");
}
