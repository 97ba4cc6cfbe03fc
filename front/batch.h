/*-------------------------------------------------------------------------
 *
 * batch.h
 *	  Requests in one transaction.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FRONT_BATCH_H
#define FRONT_BATCH_H

#include "connection.h"
#include "request.h"

/* Requests that share a transaction, at most, and the bytes of their bodies. */
#define MAX_BATCH			64
#define MAX_BATCH_BYTES		(4 * 1024 * 1024)

typedef enum BatchOutcome
{
	BATCH_COMMITTED,			/* the responses hold */
	BATCH_ROLLED_BACK,			/* it had no effect, for work.sqlstate */
	BATCH_LOST,					/* it had no effect: the connection broke */
	BATCH_IN_DOUBT,				/* its transaction's id can tell */
	BATCH_UNKNOWN				/* nobody can tell */
} BatchOutcome;

typedef struct Batch
{
	Work		work;
	struct Batch *next;			/* in a list of its owner's */
	bool		read_only;
	Request    *requests[MAX_BATCH];	/* NULL: has its response */
	int			n;
	int			nresults;
	char		xid[24];		/* "": not known; "0": it has none */
	char		timeline[12];	/* on which it was given out */
	char		lsn[24];		/* of the WAL after what it wrote */
	void		(*over) (struct Batch *batch, BatchOutcome outcome);
	void	   *owner;
} Batch;

/* What became of a transaction, asked over another connection. */
typedef struct Inquiry
{
	Work		work;
	Batch	   *batch;
	char		status[16];		/* as pg_xact_status() has it; "": not known */
	void		(*over) (struct Inquiry *inquiry, bool lost);
} Inquiry;

extern const Statement batch_write_statements[];
extern const Statement batch_read_statements[];

extern Batch *batch_new(bool read_only);
extern Inquiry *inquiry_new(Batch *batch);

#endif							/* FRONT_BATCH_H */
