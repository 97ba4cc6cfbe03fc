/*-------------------------------------------------------------------------
 *
 * sink_work.h
 *	  What the process of a sink works on.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_SINK_WORK_H
#define EVAUDIT_SINK_WORK_H

#include "pgstat.h"
#include "sinks/delivery.h"
#include "sinks/stream.h"

/* In place of a chunk's end: the batch is of evaudit.delivery_store. */
#define EVAUDIT_REDELIVERY	(-1)

/* What is done of a chunk before the one before it is sent. */
typedef enum EvauditAhead
{
	EVAUDIT_AHEAD_NOTHING,
	EVAUDIT_AHEAD_READ,			/* its rows are there */
	EVAUDIT_AHEAD_SHAPED		/* they are deliveries */
} EvauditAhead;

/* For the whole life of the process. */
typedef struct EvauditSinkWork
{
	EvauditProcess *process;
	EvauditSink *sink;
	const EvauditSinkKind *kind;
	void	   *state;			/* the kind's own */
	EvauditShape *shape;
	EvauditPosition position;	/* as it is to be kept */
	EvauditStream *stream;
	EvauditSinkBatch batches[2];	/* the current one, and the one before */
	int			current;
	EvauditSinkBatch *sent;		/* is to be completed, or NULL */
	EvauditChunk chunk;			/* of the current batch */
	EvauditChunk ahead;			/* of the other one, if anything of it is done
								 * while the current one is sent: */
	EvauditAhead done_ahead;
	char		next_hash[EVAUDIT_HASH_BYTES];	/* of the other batch */
	EvauditSinkBatch again;		/* of evaudit.delivery_store */
	bool		moved;			/* the position is not kept yet */
	TimestampTz kept_at;
	int64		kept_seq;
	int64		oldest;			/* version of the position that may be there */
	int			failures;		/* attempts to send in a row without effect */
} EvauditSinkWork;

/* sink_worker.c */
extern void evaudit_sink_begin(void);
extern void evaudit_sink_commit(const EvauditSinkWork *work);
extern void evaudit_sink_keep_position(EvauditSinkWork *work);
extern void evaudit_sink_position_kept(EvauditSinkWork *work);
extern void evaudit_sink_decide(EvauditSinkWork *work, EvauditSinkBatch *batch,
								int64 end_seq, bool anew);

/* sink_send.c */
extern void evaudit_sink_report(const EvauditSinkWork *work,
								BackendState state, const char *what, int n);
extern void evaudit_sink_send(EvauditSinkWork *work, EvauditSinkBatch *batch,
							  int64 end_seq);
extern void evaudit_sink_set_hash(const EvauditSinkBatch *batch, char *hash);
extern void evaudit_sink_send_once(EvauditSinkWork *work,
								   EvauditSinkBatch *batch);
extern void evaudit_sink_show_progress(EvauditSinkWork *work,
									   const EvauditSinkBatch *batch);

/* redelivery.c */
extern bool evaudit_sink_redeliver(EvauditSinkWork *work, TimestampTz *next);
extern void evaudit_sink_recover_redelivery(EvauditSinkWork *work, bool sent);

#endif							/* EVAUDIT_SINK_WORK_H */
