/*-------------------------------------------------------------------------
 *
 * position.h
 *	  How far a sink has got in the outbox.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_POSITION_H
#define EVAUDIT_POSITION_H

#include "c.h"

/* Bytes of the hash of a chunk, with its end. */
#define EVAUDIT_HASH_BYTES	33

/*
 * A place in the outbox: see evaudit.sink_positions, whose rows these are.
 * Snapshots are text as pg_snapshot shows them, of the process's context.
 */
typedef struct EvauditPosition
{
	int64		version;
	char	   *low;
	int64		low_seq;
	char	   *high;			/* NULL: no batch is under way */
	int64		high_seq;
	int64		next_low_seq;
	int64		done_seq;
	int64		number;
	int64		chunk_seq;		/* of the decided chunk that is not known to
								 * be sent; 0: there is none */
	char		hash[EVAUDIT_HASH_BYTES];
} EvauditPosition;

extern char *evaudit_snapshot_now(void);
extern int64 evaudit_last_seq(bool audit);
extern void evaudit_position_load(int64 sink_id, EvauditPosition *position);
extern void evaudit_position_add(int64 sink_id, EvauditPosition *position);
extern void evaudit_position_trim(int64 sink_id, int64 from, int64 before);
extern void evaudit_position_latest(int64 sink_id);
extern bool evaudit_position_seek(int64 sink_id, const char *target,
								  bool audit);

#endif							/* EVAUDIT_POSITION_H */
