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

/* One more than the greatest number of a signal. */
#define EVAUDIT_SIGNALS		NSIG

/* The handlers that a process has. */
typedef struct EvauditHandlers
{
	bool		known[EVAUDIT_SIGNALS]; /* it is a signal that can be handled */
	struct sigaction actions[EVAUDIT_SIGNALS];
} EvauditHandlers;

extern void evaudit_save_handlers(EvauditHandlers *handlers);
extern void evaudit_check_handlers(const EvauditHandlers *handlers,
								   const char *library);
extern void evaudit_block_signals(sigset_t *saved);
extern void evaudit_unblock_signals(const sigset_t *saved);
extern void evaudit_exit_at_once(void);

#endif							/* EVAUDIT_THREADS_H */
