/*-------------------------------------------------------------------------
 *
 * segment_job.h
 *	  The job that makes segments of audit.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_SEGMENT_JOB_H
#define EVAUDIT_SEGMENT_JOB_H

extern void evaudit_segments_init(void);
extern void evaudit_segments_drawn(int64 previous, int64 seq);

#endif							/* EVAUDIT_SEGMENT_JOB_H */
