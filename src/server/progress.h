/*-------------------------------------------------------------------------
 *
 * progress.h
 *	  How far long work is, for evaudit.stat_jobs and pg_stat_activity.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_PROGRESS_H
#define EVAUDIT_PROGRESS_H

typedef struct EvauditProgress EvauditProgress;

extern void evaudit_progress_init(void);
extern EvauditProgress *evaudit_progress_begin(const char *work,
											   const char *subject,
											   const char *unit, int64 total);
extern void evaudit_progress_add(EvauditProgress *progress, int64 n);
extern void evaudit_progress_end(EvauditProgress *progress);

#endif							/* EVAUDIT_PROGRESS_H */
