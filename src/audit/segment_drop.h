/*-------------------------------------------------------------------------
 *
 * segment_drop.h
 *	  Dropping segments of audit whose rows are too old.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_SEGMENT_DROP_H
#define EVAUDIT_SEGMENT_DROP_H

#include "datatype/timestamp.h"

/* What became of the first segment. */
typedef struct EvauditDrop
{
	const Interval *keep;
	const char *name;
	bool		dropped;
	int64		rows;			/* that it had, about */
	const char *reason;			/* why it must wait, before its name */
	const char *waiting;		/* the same with its name; NULL: it is young */
} EvauditDrop;

extern void evaudit_segment_drop_first(const Interval *keep,
									   EvauditDrop *drop);
extern Oid	evaudit_segment_rest(void);
extern bool evaudit_segment_rest_delete(const Interval *keep, int limit,
										int64 *last, uint64 *deleted);

#endif							/* EVAUDIT_SEGMENT_DROP_H */
