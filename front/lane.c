/*-------------------------------------------------------------------------
 *
 * lane.c
 *	  Requests that wait for the database, and who takes them.
 *
 * Requests that arrive while a transaction is under way share the next one, as
 * PostgreSQL's own group commit has it: nobody waits for a batch to fill.  Each
 * request runs in a subtransaction of its own inside evaudit.http().
 *
 * A batch that fails as a whole had no effect, and its requests run alone.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "lane.h"
#include "log.h"
#include "metrics.h"
#include "startup.h"

/* How often a request is tried that failed through no fault of its own. */
#define MAX_ATTEMPTS		3

/* Milliseconds until a transaction that is still in progress is asked for. */
#define ASK_INTERVAL		100

/* How long to wait for a connection to come back before 503, milliseconds. */
#define DOWN_GRACE			1000

/* Requests of a batch that reads: their responses are in memory at once. */
#define MAX_READS			32

Lane		lanes[2] = {
	{.name = "writing"},
	{.name = "reading",.read_only = true},
};

static void run(Lane *lane);

/* What metrics say about a lane. */
static void
report(const Lane *lane)
{
	metrics_lane(lane->read_only, lane->nqueued, lane->down_since == 0);
}

/* A connection works, or no longer does: give it something to do. */
static void
connection_changed(Connection *c)
{
	Lane	   *lane = c->owner;
	bool		up = false;

	for (int i = 0; i < lane->nconnections; i++)
		up |= lane->connections[i].state >= CONNECTION_IDLE;
	if (up)
		lane->down_since = 0;
	else if (lane->down_since == 0)
		lane->down_since = now_ms();
	run(lane);
	report(lane);
}

/* Begin: connections are made by the first tick. */
void
lanes_init(void)
{
	for (int i = 0; i < 2; i++)
	{
		Lane	   *lane = &lanes[i];

		lane->tail = &lane->head;
		lane->down_since = now_ms();
		lane->nconnections = lane->read_only ? config.read_connections :
			config.write_connections;
		lane->connections = xcalloc(lane->nconnections, sizeof(Connection));
		for (int j = 0; j < lane->nconnections; j++)
		{
			Connection *c = &lane->connections[j];

			c->purpose = lane->name;
			c->conninfo = lane->read_only && config.read_conninfo != NULL ?
				&config.read_conninfo : &config.conninfo;
			c->writes = !lane->read_only;
			c->statements = lane->read_only ? batch_read_statements :
				batch_write_statements;
			c->changed = connection_changed;
			c->owner = lane;
		}
		report(lane);
	}
}

/* Respond that the database cannot be used now. */
static void
refuse(Request *request, const char *message)
{
	request_set_error(request, 503, "unavailable", message);
	request_answered(request);
}

/* Queue a request, or refuse it where waiting is no use. */
void
lane_submit(Request *request)
{
	bool		reads = strcmp(request->method, "GET") == 0 ||
		strcmp(request->method, "HEAD") == 0 ||
		strcmp(request->method, "OPTIONS") == 0;
	Lane	   *lane = &lanes[reads ? 1 : 0];

	if (lane->nqueued >= config.max_queue)
		refuse(request, "Too many requests wait.");
	else if (lane->down_since != 0 &&
			 now_ms() - lane->down_since > DOWN_GRACE)
		refuse(request, "The database is not available now.");
	else
	{
		request->next = NULL;
		*lane->tail = request;
		lane->tail = &request->next;
		lane->nqueued++;
	}
}

/* Put the requests of a batch back, before all others and in their order. */
static void
requeue(Lane *lane, Batch *batch, bool alone)
{
	for (int i = batch->n - 1; i >= 0; i--)
	{
		Request    *request = batch->requests[i];

		if (request == NULL)
			continue;
		request_clear_response(request);
		request->alone |= alone;
		request->next = lane->head;
		if (lane->head == NULL)
			lane->tail = &request->next;
		lane->head = request;
		lane->nqueued++;
	}
}

/* Respond to all requests of a batch with what they got. */
static void
answer(Batch *batch)
{
	for (int i = 0; i < batch->n; i++)
	{
		if (batch->requests[i] != NULL)
			request_answered(batch->requests[i]);
	}
}

/* Respond to all requests of a batch with an error. */
static void
fail(Batch *batch, int status, const char *type, const char *message)
{
	for (int i = 0; i < batch->n; i++)
	{
		if (batch->requests[i] != NULL)
			request_set_error(batch->requests[i], status, type, message);
	}
	answer(batch);
}

/* Whether a batch may be tried again, which counts. */
static bool
try_again(Batch *batch)
{
	bool		all = true;

	for (int i = 0; i < batch->n; i++)
	{
		if (batch->requests[i] != NULL)
			all &= ++batch->requests[i]->attempts < MAX_ATTEMPTS;
	}
	return all;
}

/* Whether an error may not come again: class 40, or a server that stops. */
static bool
is_transient(const char *sqlstate)
{
	return strncmp(sqlstate, "40", 2) == 0 ||
		strncmp(sqlstate, "57P", 3) == 0 || strcmp(sqlstate, "26000") == 0 ||
		strcmp(sqlstate, "0A000") == 0;
}

/* The transaction of a batch was rolled back. */
static void
rolled_back(Lane *lane, Batch *batch)
{
	const char *sqlstate = batch->work.sqlstate;

	if (batch->n > 1)
		requeue(lane, batch, true);
	else if (is_transient(sqlstate) && try_again(batch))
		requeue(lane, batch, false);
	else if (strcmp(sqlstate, "57014") == 0)
		fail(batch, 504, "timeout", "The request took too long.");
	else if (is_transient(sqlstate) || strncmp(sqlstate, "53", 2) == 0 ||
			 strcmp(sqlstate, "25006") == 0)
		fail(batch, 503, "unavailable", "Service is not available now.");
	else
		fail(batch, 500, "internal", "Unexpected server error.");
}

/* A batch is over. */
static void
batch_over(Batch *batch, BatchOutcome outcome)
{
	Lane	   *lane = batch->owner;
	Batch	  **link;

	switch (outcome)
	{
		case BATCH_COMMITTED:
			answer(batch);
			break;
		case BATCH_ROLLED_BACK:
			rolled_back(lane, batch);
			break;
		case BATCH_LOST:
			if (try_again(batch))
				requeue(lane, batch, false);
			else
				fail(batch, 503, "unavailable", "Service is not available now.");
			break;
		case BATCH_IN_DOUBT:
			/* behind the one that is asked for */
			for (link = &lane->in_doubt; *link != NULL; link = &(*link)->next)
				;
			*link = batch;
			return;
		case BATCH_UNKNOWN:
			fail(batch, 503, "unavailable",
				 "Whether this took effect is not known.");
			break;
	}
	free(batch);
}

/* What became of the lane's first batch in doubt is known, or not. */
static void
inquiry_over(Inquiry *inquiry, bool lost)
{
	Batch	   *batch = inquiry->batch;
	Lane	   *lane = batch->owner;
	const char *status = inquiry->status;

	lane->asking = false;
	if ((lost || strcmp(status, "in progress") == 0) &&
		now_ms() < batch->requests[0]->deadline)
	{
		lane->ask_at = now_ms() + ASK_INTERVAL;
		free(inquiry);
		return;
	}
	log_line(LOG_LEVEL_INFO, "transaction %s, whose commit was not answered: %s",
			 batch->xid, *status != '\0' ? status : "not known");
	lane->in_doubt = batch->next;
	batch_over(batch, strcmp(status, "committed") == 0 ? BATCH_COMMITTED :
			   strcmp(status, "aborted") == 0 ? BATCH_LOST : BATCH_UNKNOWN);
	free(inquiry);
}

/* Take the next request off a queue that is not empty. */
static Request *
take_first(Lane *lane)
{
	Request    *request = lane->head;

	lane->head = request->next;
	if (lane->head == NULL)
		lane->tail = &lane->head;
	lane->nqueued--;
	return request;
}

/* Make a batch of what waits; one that runs alone is a batch. */
static Batch *
next_batch(Lane *lane)
{
	Batch	   *batch = batch_new(lane->read_only);
	int			max = lane->read_only ? MAX_READS : MAX_BATCH;
	size_t		bytes = 0;

	batch->over = batch_over;
	batch->owner = lane;
	while (lane->head != NULL && batch->n < max)
	{
		Request    *first = lane->head;

		if (batch->n > 0 &&
			(first->alone || bytes + first->body.len > MAX_BATCH_BYTES))
			break;
		bytes += first->body.len;
		batch->requests[batch->n++] = take_first(lane);
		if (first->alone)
			break;
	}
	metrics_batch(lane->read_only, batch->n);
	return batch;
}

/* Give idle connections something to do. */
static void
run(Lane *lane)
{
	for (int i = 0; i < lane->nconnections; i++)
	{
		Connection *c = &lane->connections[i];

		if (c->state != CONNECTION_IDLE)
			continue;
		if (lane->in_doubt != NULL && !lane->asking && now_ms() >= lane->ask_at)
		{
			Inquiry    *inquiry = inquiry_new(lane->in_doubt);

			inquiry->over = inquiry_over;
			lane->asking = true;
			connection_start(c, &inquiry->work, config.response_timeout);
		}
		else if (lane->head != NULL)
			connection_start(c, &next_batch(lane)->work,
							 config.response_timeout);
		else if (!lane->read_only)
			startup_check(c);
	}
}

/* Respond to requests that have waited for too long. */
static void
expire(Lane *lane, int64_t now)
{
	Request   **link = &lane->head;
	bool		down = lane->down_since != 0 &&
		now - lane->down_since > DOWN_GRACE;

	lane->tail = &lane->head;
	while (*link != NULL)
	{
		Request    *request = *link;

		if (down || now >= request->deadline)
		{
			*link = request->next;
			lane->nqueued--;
			refuse(request, down ? "The database is not available now." :
				   "The database did not answer in time.");
		}
		else
			link = &request->next;
		lane->tail = link;
	}
}

/* What time has brought; returns when to come again. */
int64_t
lanes_tick(int64_t now)
{
	static int64_t next = 0;

	for (int i = 0; i < 2; i++)
	{
		Lane	   *lane = &lanes[i];

		if (now >= next)
		{
			for (int j = 0; j < lane->nconnections; j++)
				connection_tick(&lane->connections[j], now);
			expire(lane, now);
		}
		run(lane);
		report(lane);
	}
	if (now >= next)
		next = now + (lanes[0].down_since == 0 && lanes[1].down_since == 0 &&
					  lanes[0].in_doubt == NULL ? 250 : 50);
	return next;
}

/* Make connections anew that are idle: what they are made by was reloaded. */
void
lanes_renew(void)
{
	for (int i = 0; i < 2; i++)
	{
		for (int j = 0; j < lanes[i].nconnections; j++)
			connection_renew(&lanes[i].connections[j]);
	}
}
