/*-------------------------------------------------------------------------
 *
 * threads.c
 *	  Living with libraries that start threads of their own.
 *
 * librdkafka has threads for brokers, libcurl one for each name that it
 * resolves.  They never touch Postgres and see no signal of it.  At the end
 * of the process they are not waited for, since a name server may be slow:
 * the process ends by _exit() once Postgres has cleaned up after itself,
 * because exit handlers of libraries must not run beside those threads.
 *
 * A library that installs a signal handler of its own would make the process
 * deaf to cancellation, barriers and shutdown.  So handlers are compared
 * around the start of each library.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <unistd.h>

#include "storage/ipc.h"

#include "server/threads.h"

#ifdef EVAUDIT_COVERAGE
extern void __gcov_dump(void);	/* what exit() would call */
#endif

/* Keep signals of Postgres away from threads that a call may start. */
void
evaudit_block_signals(sigset_t *saved)
{
	sigset_t	all;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, saved);
}

/* Undo evaudit_block_signals(). */
void
evaudit_unblock_signals(const sigset_t *saved)
{
	pthread_sigmask(SIG_SETMASK, saved, NULL);
}

/* Note the handlers of all signals, before a library is started. */
void
evaudit_save_handlers(EvauditHandlers *handlers)
{
	for (int signo = 1; signo < EVAUDIT_SIGNALS; signo++)
		handlers->known[signo] =
			sigaction(signo, NULL, &handlers->actions[signo]) == 0;
}

/* Whether two actions are the same; a mask has no order to compare by. */
static bool
same_action(const struct sigaction *a, const struct sigaction *b)
{
	if ((a->sa_flags & SA_SIGINFO) != (b->sa_flags & SA_SIGINFO))
		return false;
	if (a->sa_flags & SA_SIGINFO)
		return a->sa_sigaction == b->sa_sigaction;
	return a->sa_handler == b->sa_handler;
}

/*
 * Raise an ERROR if a library has replaced a handler, after putting back all
 * that it replaced: the process can still be ended then.
 */
void
evaudit_check_handlers(const EvauditHandlers *handlers, const char *library)
{
	int			replaced = 0;

	for (int signo = 1; signo < EVAUDIT_SIGNALS; signo++)
	{
		struct sigaction now;

		if (!handlers->known[signo] || sigaction(signo, NULL, &now) != 0 ||
			same_action(&handlers->actions[signo], &now))
			continue;
		replaced = signo;
		(void) sigaction(signo, &handlers->actions[signo], NULL);
	}
	if (replaced != 0)
		ereport(ERROR,
				(errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
				 errmsg("%s has replaced the handler of signal %d",
						library, replaced)));
}

/* The last to run at the end of the process. */
static void
exit_now(int code, Datum arg)
{
#ifdef EVAUDIT_COVERAGE
	__gcov_dump();
#endif
	_exit(code);
}

/* From now on, let this process end by _exit(). */
void
evaudit_exit_at_once(void)
{
	static bool registered = false;

	if (!registered)
		on_proc_exit(exit_now, (Datum) 0);
	registered = true;
}
