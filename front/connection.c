/*-------------------------------------------------------------------------
 *
 * connection.c
 *	  A connection to the database: made, prepared, lost, made again.
 *
 * Nothing here blocks.  A connection is in libpq's pipeline mode for its whole
 * life, so that the requests of a batch need one round trip.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "config.h"
#include "lane.h"
#include "log.h"

/* Pause after the first failure, and the longest one, milliseconds. */
#define FIRST_RETRY			100
#define MAX_RETRY			10000

/* How long connecting may take, milliseconds. */
#define CONNECT_TIMEOUT		10000

/* The statements that a connection prepares, in the order of NPREPARED. */
static const char *const statements[][2] = {
	{"http", "SELECT status, headers, body FROM evaudit.http("
		"$1::pg_catalog.text, $2::pg_catalog.text, $3::pg_catalog.jsonb,"
	" $4::pg_catalog.bytea)"},
	{"xid", "SELECT pg_catalog.pg_current_xact_id_if_assigned()::pg_catalog.text"},
	{"status", "SELECT pg_catalog.pg_xact_status($1::pg_catalog.xid8)"},
	{"begin", "BEGIN READ ONLY"},
	{"commit", "COMMIT"},
};

#define NPREPARED ((int) (sizeof(statements) / sizeof(statements[0])))

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
	c->failures++;
	c->retry_at = now_ms() + (pause < MAX_RETRY ? pause : MAX_RETRY);
}

/* The connection failed; its batch, if it has one, is dealt with. */
void
connection_lost(Connection *c, const char *error)
{
	char		text[512];

	snprintf(text, sizeof(text), "%s", error);
	text[strcspn(text, "\n")] = '\0';
	log_line(LOG_LEVEL_ERROR, "connection to the database for %s failed: %s",
			 c->lane->name, text);
	if (c->state == CONNECTION_BUSY)
		batch_lost(c);
	else if (c->state == CONNECTION_ASKING)
		c->lane->asking = false;
	close_connection(c);
	lane_connection_state(c->lane);
}

/* Prepare the statements, by one round trip. */
static void
prepare(Connection *c)
{
	c->state = CONNECTION_PREPARING;
	c->query = 0;
	if (PQsetnonblocking(c->conn, 1) != 0 || !PQenterPipelineMode(c->conn))
	{
		connection_lost(c, PQerrorMessage(c->conn));
		return;
	}
	for (int i = 0; i < NPREPARED; i++)
		(void) PQsendPrepare(c->conn, statements[i][0], statements[i][1], 0,
							 NULL);
	(void) PQpipelineSync(c->conn);
	connection_flush(c);
}

/* Go on connecting. */
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

/* Begin to connect. */
static void
start_connect(Connection *c)
{
	const char *names[] = {"dbname", "fallback_application_name",
	"client_encoding", NULL};
	const char *values[] = {config.conninfo, "evaudit-http", "UTF8", NULL};

	c->watch.ready = ready;
	c->watch.arg = c;
	c->conn = PQconnectStartParams(names, values, 1);
	c->state = CONNECTION_CONNECTING;
	c->deadline = now_ms() + CONNECT_TIMEOUT;
	if (c->conn == NULL || PQstatus(c->conn) == CONNECTION_BAD)
		connection_lost(c, c->conn != NULL ? PQerrorMessage(c->conn) :
						"out of memory");
	else
		loop_watch(&c->watch, PQsocket(c->conn), EPOLLOUT);
}

/* Send what libpq holds, and wait for what comes. */
void
connection_flush(Connection *c)
{
	int			result = PQflush(c->conn);

	if (result < 0)
		connection_lost(c, PQerrorMessage(c->conn));
	else
		loop_watch(&c->watch, PQsocket(c->conn),
				   EPOLLIN | (result > 0 ? EPOLLOUT : 0));
}

/* A result while statements are prepared; false if the connection is lost. */
static bool
prepare_result(Connection *c, PGresult * result)
{
	switch (PQresultStatus(result))
	{
		case PGRES_COMMAND_OK:
			return true;
		case PGRES_PIPELINE_SYNC:
			log_line(LOG_LEVEL_INFO, "connected to the database for %s",
					 c->lane->name);
			c->state = CONNECTION_IDLE;
			c->failures = 0;
			lane_connection_state(c->lane);
			return true;
		default:
			connection_lost(c, PQresultErrorMessage(result));
			return false;
	}
}

/* Take a result; false if the connection is lost or has nothing more to say. */
static bool
take_result(Connection *c, PGresult * result)
{
	bool		going_on;

	switch (c->state)
	{
		case CONNECTION_PREPARING:
			going_on = prepare_result(c, result);
			break;
		case CONNECTION_BUSY:
		case CONNECTION_ASKING:
			going_on = batch_result(c, result);
			break;
		default:
			going_on = true;
	}
	PQclear(result);
	return going_on && c->state != CONNECTION_IDLE;
}

/* Read the results that are there. */
static void
read_results(Connection *c)
{
	Lane	   *lane = c->lane;
	int			nulls = 0;

	if (!PQconsumeInput(c->conn))
	{
		connection_lost(c, PQerrorMessage(c->conn));
		return;
	}
	while (!PQisBusy(c->conn))
	{
		PGresult   *result = PQgetResult(c->conn);

		if (result != NULL)
		{
			nulls = 0;
			if (!take_result(c, result))
				break;
		}
		else if (++nulls > 1)
			break;				/* nothing is under way */
		else
			c->query++;
	}
	if (c->conn != NULL && PQstatus(c->conn) == CONNECTION_BAD)
		connection_lost(c, PQerrorMessage(c->conn));
	lane_run(lane);
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
		connection_flush(c);
	if (c->conn != NULL && (events & ~(uint32_t) EPOLLOUT))
		read_results(c);
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
