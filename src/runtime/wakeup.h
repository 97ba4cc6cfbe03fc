/*-------------------------------------------------------------------------
 *
 * wakeup.h
 *	  Telling the launcher and the schedulers that something changed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_WAKEUP_H
#define EVAUDIT_WAKEUP_H

#include "runtime/job.h"

extern void evaudit_wake_scheduler_at_commit(void);
extern void evaudit_wake_processes_at_commit(void);
extern void evaudit_request_job(const EvauditJobKind *kind);
extern void evaudit_need_scheduler(void);

#endif							/* EVAUDIT_WAKEUP_H */
