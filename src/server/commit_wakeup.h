/*-------------------------------------------------------------------------
 *
 * commit_wakeup.h
 *	  Telling the launcher and the schedulers that something changed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_COMMIT_WAKEUP_H
#define EVAUDIT_COMMIT_WAKEUP_H

extern void evaudit_wake_process(pid_t pid);
extern void evaudit_wake_scheduler_at_commit(void);
extern void evaudit_wake_fetcher(void);
extern void evaudit_need_scheduler(void);

#endif							/* EVAUDIT_COMMIT_WAKEUP_H */
