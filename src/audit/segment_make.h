/*-------------------------------------------------------------------------
 *
 * segment_make.h
 *	  Making segments of audit.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_SEGMENT_MAKE_H
#define EVAUDIT_SEGMENT_MAKE_H

/* evaudit.segment_rows: how many numbers a segment has. */
extern int	evaudit_segment_rows;

extern bool evaudit_segment_wanted(void);
extern bool evaudit_segment_make(void);
extern void evaudit_segments_give(Oid audit);
extern char *evaudit_segment_name(Oid relid);
extern void evaudit_segment_run(const char *command);

#endif							/* EVAUDIT_SEGMENT_MAKE_H */
