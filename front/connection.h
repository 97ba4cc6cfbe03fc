/*-------------------------------------------------------------------------
 *
 * connection.h
 *	  A connection to the database, and one piece of work at a time on it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FRONT_CONNECTION_H
#define FRONT_CONNECTION_H

#include <libpq-fe.h>

#include "loop.h"

typedef enum ConnectionState
{
	CONNECTION_CLOSED,			/* until retry_at */
	CONNECTION_CONNECTING,
	CONNECTION_PREPARING,
	CONNECTION_IDLE,
	CONNECTION_BUSY				/* with its work */
} ConnectionState;

/*
 * Queries that are sent at once and end with a Sync, and what becomes of
 * them.  Embed it, first, in what it belongs to.
 */
typedef struct Work
{
	/* Send the queries; false if libpq refuses. */
	bool		(*send) (struct Work *work, PGconn * conn);

	/* Take a query's result, which is no error; the first query is 0. */
	void		(*take) (struct Work *work, int query, const PGresult * result);

	/*
	 * The work is over, and may be freed: all results are there, or the
	 * connection is lost.  The connection is no longer its own.
	 */
	void		(*over) (struct Work *work, bool lost);

	char		sqlstate[6];	/* of the first error; "": none */
} Work;

/* A prepared statement. */
typedef struct Statement
{
	const char *name;			/* NULL ends a list of them */
	const char *sql;
} Statement;

typedef struct Connection
{
	/* set by its owner, for its life */
	const char *purpose;		/* for the log */
	const char *const *conninfo;	/* read whenever it connects */
	bool		writes;			/* to a server that takes writes */
	const Statement *statements;
	void		(*changed) (struct Connection *connection); /* idle, or closed */
	void	   *owner;

	ConnectionState state;
	PGconn	   *conn;
	Watch		watch;
	int64_t		retry_at;
	int			failures;		/* in a row */
	int64_t		deadline;		/* of what it is doing */
	int			query;			/* whose results are read next */
	bool		stale;			/* its statements have to be prepared anew */
	Work	   *work;			/* NULL: none */
} Connection;

extern void connection_tick(Connection *c, int64_t now);
extern void connection_start(Connection *c, Work *work, int timeout);
extern void connection_renew(Connection *c);

#endif							/* FRONT_CONNECTION_H */
