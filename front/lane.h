/*-------------------------------------------------------------------------
 *
 * lane.h
 *	  A queue of requests and the connections to the database that serve it.
 *
 * There are two lanes: requests that only read, and those that may write.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FRONT_LANE_H
#define FRONT_LANE_H

#include <libpq-fe.h>

#include "loop.h"
#include "request.h"

/* Requests that share a transaction, at most, and the bytes of their bodies. */
#define MAX_BATCH			64
#define MAX_BATCH_BYTES		(4 * 1024 * 1024)

typedef enum ConnectionState
{
	CONNECTION_CLOSED,			/* until retry_at */
	CONNECTION_CONNECTING,
	CONNECTION_PREPARING,
	CONNECTION_IDLE,
	CONNECTION_BUSY,			/* with a batch */
	CONNECTION_ASKING			/* what became of a lost batch */
} ConnectionState;

/* Requests in one transaction, in the order they were sent in. */
typedef struct Batch
{
	struct Batch *next;			/* of those whose COMMIT was not answered */
	Request    *requests[MAX_BATCH];
	int			n;
	int			nresults;		/* requests with a result */
	char		xid[32];		/* "": not known; "0": it has none */
	char		sqlstate[6];	/* of the first error; "": none */
	int			failed;			/* the query that raised it */
} Batch;

typedef struct Connection
{
	struct Lane *lane;
	ConnectionState state;
	PGconn	   *conn;
	Watch		watch;
	int64_t		retry_at;
	int			failures;		/* in a row */
	int64_t		deadline;		/* of what it is doing */
	int			query;			/* whose results are read next */
	char		status[16];		/* CONNECTION_ASKING: what it found */
	Batch		batch;
} Connection;

typedef struct Lane
{
	const char *name;
	bool		read_only;
	Request    *head;			/* of the queue */
	Request   **tail;
	int			nqueued;
	int64_t		down_since;		/* no connection works; 0: one does */
	Batch	   *lost;			/* their COMMIT was not answered; or NULL */
	bool		asking;			/* for the first of them, under way */
	int64_t		ask_at;			/* when to ask for it again */
	int			nconnections;
	Connection *connections;
} Lane;

extern Lane lanes[2];			/* writes, reads */

/* lane.c */
extern void lanes_init(void);
extern void lane_submit(Request *request);
extern void lane_run(Lane *lane);
extern int64_t lanes_tick(int64_t now);
extern bool lanes_ready(void);
extern void lane_connection_state(Lane *lane);
extern void lane_requeue(Lane *lane, Batch *batch);

/* connection.c */
extern void connection_tick(Connection *c, int64_t now);
extern void connection_flush(Connection *c);
extern void connection_lost(Connection *c, const char *error);

/* batch.c */
extern bool batch_send(Connection *c);
extern bool batch_ask(Connection *c);
extern bool batch_result(Connection *c, PGresult * result);
extern void batch_lost(Connection *c);

#endif							/* FRONT_LANE_H */
