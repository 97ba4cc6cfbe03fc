/*-------------------------------------------------------------------------
 *
 * segment_times.h
 *	  What a segment of audit knows of its times once all its numbers are drawn.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_SEGMENT_TIMES_H
#define EVAUDIT_SEGMENT_TIMES_H

#include "utils/rel.h"

/* The constraint of a segment that says from when to when its rows are. */
#define EVAUDIT_TIMES_CONSTRAINT	"evaudit_modification_time"

extern bool evaudit_audit_is_subscribed(Oid audit);
extern bool evaudit_segment_times_wanted(Relation audit);
extern bool evaudit_segment_add_times(void);
extern bool evaudit_segment_has_times(Relation segment);
extern void evaudit_segment_forget_times(Oid segment);
extern void evaudit_segments_forget_times(Oid audit);

#endif							/* EVAUDIT_SEGMENT_TIMES_H */
