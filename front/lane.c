/*-------------------------------------------------------------------------
 *
 * lane.c
 *	  Requests that wait for the database, and who takes them.
 *
 * Requests that arrive while a transaction is under way share the next one, as
 * PostgreSQL's own group commit has it: nobody waits for a batch to fill.  Each
 * request runs in a subtransaction of its own inside evaudit.http().
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "lane.h"
#include "log.h"

/* How long to wait for a connection to come back before 503, milliseconds. */
#define DOWN_GRACE			1000

Lane		lanes[2] = {
	{.name = "writing"},
	{.name = "reading",.read_only = true},
};

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
			lane->connections[j].lane = lane;
	}
}

/* Whether a connection works, idle or not. */
static bool
works(const Connection *c)
{
	return c->state >= CONNECTION_IDLE;
}

/* Whether requests of both kinds can be served. */
bool
lanes_ready(void)
{
	return lanes[0].down_since == 0 && lanes[1].down_since == 0;
}

/* A connection came or went. */
void
lane_connection_state(Lane *lane)
{
	for (int i = 0; i < lane->nconnections; i++)
	{
		if (works(&lane->connections[i]))
		{
			lane->down_since = 0;
			return;
		}
	}
	if (lane->down_since == 0)
		lane->down_since = now_ms();
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
		lane_run(lane);
	}
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

/* Fill a batch with what waits; one that runs alone is a batch. */
static void
fill_batch(Lane *lane, Batch *batch)
{
	size_t		bytes = 0;

	memset(batch, 0, sizeof(*batch));
	batch->failed = -1;
	while (lane->head != NULL && batch->n < MAX_BATCH)
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
}

/* Put the requests of a batch back, before all others and in their order. */
void
lane_requeue(Lane *lane, Batch *batch)
{
	for (int i = batch->n - 1; i >= 0; i--)
	{
		Request    *request = batch->requests[i];

		request_clear_response(request);
		request->next = lane->head;
		if (lane->head == NULL)
			lane->tail = &request->next;
		lane->head = request;
		lane->nqueued++;
	}
	batch->n = 0;
}

/* Give idle connections something to do. */
void
lane_run(Lane *lane)
{
	for (int i = 0; i < lane->nconnections; i++)
	{
		Connection *c = &lane->connections[i];

		if (c->state != CONNECTION_IDLE)
			continue;
		if (lane->lost != NULL && !lane->asking && now_ms() >= lane->ask_at)
		{
			(void) batch_ask(c);
			continue;
		}
		if (lane->head == NULL)
			continue;
		fill_batch(lane, &c->batch);
		(void) batch_send(c);
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
	for (int i = 0; i < 2; i++)
	{
		Lane	   *lane = &lanes[i];

		for (int j = 0; j < lane->nconnections; j++)
			connection_tick(&lane->connections[j], now);
		expire(lane, now);
		lane_run(lane);
	}
	return lanes_ready() && lanes[0].lost == NULL ? now + 1000 : now + 50;
}
