/*-------------------------------------------------------------------------
 *
 * batch.c
 *	  Requests in one transaction.
 *
 * Of a batch that writes the queries are
 *
 *		evaudit.http() for each request, the transaction's id, Flush, Sync
 *
 * all sent at once.  Sync commits, so no request is answered before its result;
 * Flush has the server send the rest before it commits.  If the connection is
 * lost in between, the transaction's id says by pg_xact_status() whether it was
 * committed, over another connection.  If it is lost before the id came, that
 * cannot be told: 503.
 *
 * A batch that fails as a whole had no effect, and its requests run alone.
 *
 * Of a batch that reads they are
 *
 *		BEGIN READ ONLY, evaudit.http() for each request, COMMIT, Sync
 *
 * so that a standby can answer, and what is lost is run again.
 *
 *-------------------------------------------------------------------------
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "lane.h"
#include "log.h"
#include "metrics.h"

/* How often a request is tried that failed through no fault of its own. */
#define MAX_ATTEMPTS		3

/* Milliseconds until a transaction that is still in progress is asked for. */
#define ASK_INTERVAL		100

/* Send one request. */
static bool
send_request(PGconn * conn, const Request *request)
{
	const char *values[4] = {request->method, request->uri,
		request->headers.data, request->body.data};
	int			lengths[4] = {0, 0, 0, (int) request->body.len};
	static const int formats[4] = {0, 0, 0, 1};

	return PQsendQueryPrepared(conn, "http", 4, values, lengths, formats, 1);
}

/* Send a prepared statement without parameters. */
static bool
send_statement(PGconn * conn, const char *name)
{
	return PQsendQueryPrepared(conn, name, 0, NULL, NULL, NULL, 0);
}

/* The query that the first request of a batch is. */
static int
first_query(const Connection *c)
{
	return c->lane->read_only ? 1 : 0;
}

/* Send the connection's batch; false if the connection is lost. */
bool
batch_send(Connection *c)
{
	Batch	   *batch = &c->batch;
	bool		ok = true;

	c->state = CONNECTION_BUSY;
	c->deadline = now_ms() + config.response_timeout;
	c->query = 0;
	if (c->lane->read_only)
		ok = send_statement(c->conn, "begin");
	for (int i = 0; i < batch->n && ok; i++)
		ok = send_request(c->conn, batch->requests[i]);
	if (ok)
		ok = send_statement(c->conn, c->lane->read_only ? "commit" : "xid") &&
			(c->lane->read_only || PQsendFlushRequest(c->conn)) &&
			PQpipelineSync(c->conn);
	if (!ok)
	{
		connection_lost(c, PQerrorMessage(c->conn));
		return false;
	}
	metrics_batch(c->lane->read_only, batch->n);
	connection_flush(c);
	return c->conn != NULL;
}

/* Ask what became of the lane's lost batch; false if the connection is lost. */
bool
batch_ask(Connection *c)
{
	const char *values[1] = {c->lane->lost->xid};

	c->lane->asking = true;
	c->state = CONNECTION_ASKING;
	c->deadline = now_ms() + config.response_timeout;
	c->query = 0;
	c->status[0] = '\0';
	if (!PQsendQueryPrepared(c->conn, "status", 1, values, NULL, NULL, 0) ||
		!PQpipelineSync(c->conn))
	{
		connection_lost(c, PQerrorMessage(c->conn));
		return false;
	}
	connection_flush(c);
	return c->conn != NULL;
}

/* Keep the result of a request until the transaction is committed. */
static void
keep_result(Batch *batch, int i, const PGresult * result)
{
	Request    *request = batch->requests[i];
	uint32_t	status;

	if (PQntuples(result) != 1 || PQnfields(result) != 3 ||
		PQgetlength(result, 0, 0) != sizeof(status) ||
		PQgetlength(result, 0, 1) < 1)
	{
		request_set_error(request, 500, "internal", "Unexpected server error.");
		batch->nresults++;
		return;
	}
	memcpy(&status, PQgetvalue(result, 0, 0), sizeof(status));
	/* the first byte of a jsonb is the version of its format */
	request_set_response(request, (int) ntohl(status),
						 PQgetvalue(result, 0, 1) + 1,
						 PQgetlength(result, 0, 1) - 1,
						 PQgetvalue(result, 0, 2),
						 PQgetlength(result, 0, 2));
	batch->nresults++;
}

/* Respond to all requests of a batch that is committed. */
static void
answer_batch(Batch *batch)
{
	for (int i = 0; i < batch->n; i++)
		request_answered(batch->requests[i]);
	batch->n = 0;
}

/* Respond to all requests of a batch with an error. */
static void
fail_batch(Batch *batch, int status, const char *type, const char *message)
{
	for (int i = 0; i < batch->n; i++)
	{
		request_clear_response(batch->requests[i]);
		request_set_error(batch->requests[i], status, type, message);
	}
	answer_batch(batch);
}

/* Whether an error may not come again: class 40, or a server that stops. */
static bool
is_transient(const char *sqlstate)
{
	return strncmp(sqlstate, "40", 2) == 0 ||
		strncmp(sqlstate, "57P", 3) == 0;
}

/* The transaction of a batch was rolled back. */
static void
batch_failed(Connection *c)
{
	Batch	   *batch = &c->batch;
	Request    *request = batch->requests[0];

	if (batch->n > 1 || (is_transient(batch->sqlstate) &&
						 ++request->attempts < MAX_ATTEMPTS))
	{
		for (int i = 0; i < batch->n; i++)
			batch->requests[i]->alone = true;
		lane_requeue(c->lane, batch);
		return;
	}
	log_line(LOG_LEVEL_ERROR, "request failed with SQLSTATE %s",
			 batch->sqlstate);
	if (strcmp(batch->sqlstate, "57014") == 0)
		fail_batch(batch, 504, "timeout", "The request took too long.");
	else if (is_transient(batch->sqlstate) ||
			 strncmp(batch->sqlstate, "53", 2) == 0 ||
			 strcmp(batch->sqlstate, "25006") == 0)
		fail_batch(batch, 503, "unavailable", "Service is not available now.");
	else
		fail_batch(batch, 500, "internal", "Unexpected server error.");
}

/* A result of a batch: of a request, of its frame, or the end. */
static bool
busy_result(Connection *c, PGresult * result)
{
	Batch	   *batch = &c->batch;
	int			i = c->query - first_query(c);
	const char *sqlstate;

	switch (PQresultStatus(result))
	{
		case PGRES_TUPLES_OK:
			if (i >= 0 && i < batch->n)
				keep_result(batch, i, result);
			else if (PQgetisnull(result, 0, 0))
				strcpy(batch->xid, "0");
			else
				snprintf(batch->xid, sizeof(batch->xid), "%s",
						 PQgetvalue(result, 0, 0));
			return true;
		case PGRES_PIPELINE_SYNC:
			c->state = CONNECTION_IDLE;
			if (batch->sqlstate[0] != '\0')
				batch_failed(c);
			else
				answer_batch(batch);
			return true;
		case PGRES_FATAL_ERROR:
			sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
			if (sqlstate == NULL || strcmp(sqlstate, "26000") == 0 ||
				strcmp(sqlstate, "0A000") == 0)
			{
				/* broken off, or a statement that has to be prepared anew */
				connection_lost(c, PQresultErrorMessage(result));
				return false;
			}
			if (batch->sqlstate[0] == '\0')
				snprintf(batch->sqlstate, sizeof(batch->sqlstate), "%s",
						 sqlstate);
			return true;
		default:
			return true;
	}
}

/* What became of the lane's first lost batch is known, or not. */
static void
lost_batch_known(Connection *c)
{
	Lane	   *lane = c->lane;
	Batch	   *batch = lane->lost;

	lane->asking = false;
	if (strcmp(c->status, "in progress") == 0 &&
		now_ms() < batch->requests[0]->deadline)
	{
		lane->ask_at = now_ms() + ASK_INTERVAL;
		return;
	}
	log_line(LOG_LEVEL_INFO, "transaction %s, whose commit was not answered: %s",
			 batch->xid, c->status[0] != '\0' ? c->status : "not known");
	lane->lost = batch->next;
	if (strcmp(c->status, "committed") == 0)
		answer_batch(batch);
	else if (strcmp(c->status, "aborted") == 0)
		lane_requeue(lane, batch);
	else
		fail_batch(batch, 503, "unavailable", "Whether this took effect is not known.");
	free(batch);
}

/* A result while the lost batch is asked for. */
static bool
asking_result(Connection *c, PGresult * result)
{
	switch (PQresultStatus(result))
	{
		case PGRES_TUPLES_OK:
			snprintf(c->status, sizeof(c->status), "%s",
					 PQgetvalue(result, 0, 0));
			return true;
		case PGRES_PIPELINE_SYNC:
			c->state = CONNECTION_IDLE;
			lost_batch_known(c);
			return true;
		default:
			return true;
	}
}

/* Take a result; false if the connection is lost. */
bool
batch_result(Connection *c, PGresult * result)
{
	return c->state == CONNECTION_BUSY ? busy_result(c, result) :
		asking_result(c, result);
}

/* The connection is lost while its batch was under way. */
void
batch_lost(Connection *c)
{
	Lane	   *lane = c->lane;
	Batch	   *batch = &c->batch;
	bool		complete = batch->nresults == batch->n &&
		batch->sqlstate[0] == '\0';

	if (batch->sqlstate[0] != '\0' || lane->read_only)
	{
		/* rolled back, or without effect */
		Request    *request = batch->requests[0];

		if (++request->attempts < MAX_ATTEMPTS)
			lane_requeue(lane, batch);
		else
			fail_batch(batch, 503, "unavailable",
					   "Service is not available now.");
	}
	else if (complete && strcmp(batch->xid, "0") == 0)
		answer_batch(batch);	/* it wrote nothing */
	else if (complete && batch->xid[0] != '\0')
	{
		Batch	   *lost = xcalloc(1, sizeof(Batch));

		*lost = *batch;
		lost->next = lane->lost;
		lane->lost = lost;
		batch->n = 0;
	}
	else
		fail_batch(batch, 503, "unavailable",
				   "Whether this took effect is not known.");
}
