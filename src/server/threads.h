/*-------------------------------------------------------------------------
 *
 * threads.h
 *	  Living with libraries that start threads of their own, in background
 *	  workers only.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_THREADS_H
#define EVAUDIT_THREADS_H

#include <signal.h>

extern void evaudit_block_signals(sigset_t *saved);
extern void evaudit_unblock_signals(const sigset_t *saved);
extern void evaudit_leave_at_once(void);

#endif							/* EVAUDIT_THREADS_H */
