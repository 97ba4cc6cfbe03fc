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
 * cannot be told.  Nor can it after a failover: another server may give out the
 * same id again, which the timeline tells.  So may the same server after a
 * crash, if nothing that the transaction wrote had reached the disk: it was
 * lost if recovery ended before what was written when it was given its id.
 *
 * Even an error that ends the connection leaves that in doubt once the id is
 * there: a server that is shut down may say so after it has committed.  If an
 * error comes before the id, Sync was not reached: nothing was committed.
 *
 * Of a batch that reads they are
 *
 *		BEGIN READ ONLY, evaudit.http() for each request, COMMIT, Sync
 *
 * so that a standby can answer, each request as soon as its result is there,
 * and what is lost is run again.
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "batch.h"

#define TIMELINE \
	"CASE WHEN NOT pg_catalog.pg_is_in_recovery()" \
	" THEN pg_catalog.substr(pg_catalog.pg_walfile_name(" \
	"pg_catalog.pg_current_wal_insert_lsn()), 1, 8) END"

#define LSN \
	"CASE WHEN NOT pg_catalog.pg_is_in_recovery()" \
	" THEN pg_catalog.pg_current_wal_insert_lsn() END"

#define HTTP \
	"SELECT status, headers, body FROM evaudit.http(" \
	"$1::pg_catalog.text, $2::pg_catalog.text, $3::pg_catalog.jsonb," \
	" $4::pg_catalog.bytea)"

/* What connections prepare for batches that write. */
const Statement batch_write_statements[] = {
	{"http", HTTP},
	{"xid", "SELECT pg_catalog.pg_current_xact_id_if_assigned()::pg_catalog.text, "
	TIMELINE ", " LSN},
	{"status", "SELECT CASE WHEN $2::pg_catalog.text OPERATOR(pg_catalog.=) "
		TIMELINE " THEN CASE WHEN $3::pg_catalog.pg_lsn OPERATOR(pg_catalog.>)"
		" pg_catalog.pg_last_wal_replay_lsn() THEN 'aborted'"
	" ELSE pg_catalog.pg_xact_status($1::pg_catalog.xid8) END END"},
	{NULL, NULL}
};

/* Likewise, for those that read. */
const Statement batch_read_statements[] = {
	{"http", HTTP},
	{"begin", "BEGIN READ ONLY"},
	{"commit", "COMMIT"},
	{NULL, NULL}
};

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

/* Send a batch. */
static bool
send_batch(Work *work, PGconn * conn)
{
	Batch	   *batch = (Batch *) work;

	if (batch->read_only && !send_statement(conn, "begin"))
		return false;
	for (int i = 0; i < batch->n; i++)
	{
		if (!send_request(conn, batch->requests[i]))
			return false;
	}
	if (batch->read_only)
		return send_statement(conn, "commit");
	return send_statement(conn, "xid") && PQsendFlushRequest(conn);
}

/* Keep the result of a request until the transaction is committed. */
static void
keep_result(Request *request, const PGresult * result)
{
	if (PQntuples(result) != 1 || PQnfields(result) != 3 ||
		!request_take_response(request, result, 0, 0))
		request_set_error(request, 500, "internal", "Unexpected server error.");
}

/* Keep the transaction's id, and how to tell whether it was given out again. */
static void
keep_xid(Batch *batch, const PGresult * result)
{
	if (PQntuples(result) != 1 || PQnfields(result) != 3)
		return;
	snprintf(batch->xid, sizeof(batch->xid), "%s",
			 PQgetisnull(result, 0, 0) ? "0" : PQgetvalue(result, 0, 0));
	snprintf(batch->timeline, sizeof(batch->timeline), "%s",
			 PQgetvalue(result, 0, 1));
	snprintf(batch->lsn, sizeof(batch->lsn), "%s", PQgetvalue(result, 0, 2));
}

/* A result of a batch: of a request, or of its frame. */
static void
take_batch(Work *work, int query, const PGresult * result)
{
	Batch	   *batch = (Batch *) work;
	int			i = query - batch->read_only;

	if (i < 0)
		return;
	if (i < batch->n)
	{
		keep_result(batch->requests[i], result);
		batch->nresults++;
		if (batch->read_only)
		{
			request_answered(batch->requests[i]);
			batch->requests[i] = NULL;
		}
	}
	else if (!batch->read_only)
		keep_xid(batch, result);
}

/* What is known about a batch whose connection is lost. */
static BatchOutcome
outcome_of_lost(const Batch *batch)
{
	if (batch->read_only)
		return BATCH_LOST;
	if (batch->xid[0] == '\0')
		return batch->work.sqlstate[0] != '\0' ? BATCH_LOST : BATCH_UNKNOWN;
	if (batch->nresults < batch->n)
		return BATCH_UNKNOWN;
	/* without an id it wrote nothing */
	return strcmp(batch->xid, "0") == 0 ? BATCH_COMMITTED : BATCH_IN_DOUBT;
}

/* The transaction is over, or the connection. */
static void
batch_over(Work *work, bool lost)
{
	Batch	   *batch = (Batch *) work;

	if (lost)
		batch->over(batch, outcome_of_lost(batch));
	else
		batch->over(batch, work->sqlstate[0] == '\0' ? BATCH_COMMITTED :
					BATCH_ROLLED_BACK);
}

/* Make an empty batch; the caller fills it, and frees it when it is over. */
Batch *
batch_new(bool read_only)
{
	Batch	   *batch = xcalloc(1, sizeof(Batch));

	batch->work.send = send_batch;
	batch->work.take = take_batch;
	batch->work.over = batch_over;
	batch->read_only = read_only;
	return batch;
}

/* Ask what became of a batch in doubt. */
static bool
send_inquiry(Work *work, PGconn * conn)
{
	const Batch *batch = ((Inquiry *) work)->batch;
	const char *values[3] = {batch->xid, batch->timeline, batch->lsn};

	return PQsendQueryPrepared(conn, "status", 3, values, NULL, NULL, 0);
}

/* Take what became of it. */
static void
take_inquiry(Work *work, int query, const PGresult * result)
{
	Inquiry    *inquiry = (Inquiry *) work;

	if (query == 0 && PQntuples(result) == 1)
		snprintf(inquiry->status, sizeof(inquiry->status), "%s",
				 PQgetvalue(result, 0, 0));
}

/* It is known, or not. */
static void
inquiry_over(Work *work, bool lost)
{
	Inquiry    *inquiry = (Inquiry *) work;

	inquiry->over(inquiry, lost);
}

/* Make an inquiry about a batch; the caller frees it when it is over. */
Inquiry *
inquiry_new(Batch *batch)
{
	Inquiry    *inquiry = xcalloc(1, sizeof(Inquiry));

	inquiry->work.send = send_inquiry;
	inquiry->work.take = take_inquiry;
	inquiry->work.over = inquiry_over;
	inquiry->batch = batch;
	return inquiry;
}
