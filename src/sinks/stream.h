/*-------------------------------------------------------------------------
 *
 * stream.h
 *	  The outbox, or the audit, read by differences of snapshots.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_STREAM_H
#define EVAUDIT_STREAM_H

#include "events/projection_batch.h"
#include "nodes/pg_list.h"
#include "sinks/position.h"

/* A row of the outbox, the audit or evaudit.delivery_store. */
typedef struct EvauditStreamRow
{
	int64		seq;
	EvauditEventValue event;
	TimestampTz received_at;

	/* of evaudit.delivery_store; else all zero */
	int64		id;
	int			attempts;
	bool		has_key_hash;
	int64		key_hash;
} EvauditStreamRow;

/*
 * What a chunk may hold, and what it holds: rows by seq.  What they point to
 * lives in the context that the chunk was read in; their array is kept for the
 * next time.
 */
typedef struct EvauditChunk
{
	int			max_rows;
	int64		after_seq;		/* the chunk before it ended here */
	EvauditStreamRow *rows;
	int			room;			/* in rows */
	int			n;
	int64		end_seq;		/* all up to here are in it, or not wanted */
	bool		last;			/* the batch has no more */
} EvauditChunk;

/* A sink's reading; lives as long as its process. */
typedef struct EvauditStream EvauditStream;

extern EvauditStream *evaudit_stream_open(EvauditPosition *position,
										  List *topics, bool audit);
extern void evaudit_stream_begin_batch(EvauditStream *stream);
extern void evaudit_stream_end_batch(EvauditStream *stream);
extern void evaudit_stream_moved(EvauditStream *stream);
extern void evaudit_stream_read(EvauditStream *stream, EvauditChunk *chunk);

#endif							/* EVAUDIT_STREAM_H */
