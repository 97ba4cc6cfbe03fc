/*-------------------------------------------------------------------------
 *
 * threads.c
 *	  Living with libraries that start threads of their own.
 *
 * librdkafka has threads for brokers, libcurl one for each look-up of a
 * name.  They never touch Postgres and see no signal of it.  At the end of
 * the process they are not waited for, since a name server may be slow: it
 * leaves by _exit() once Postgres has cleaned up after itself, because exit
 * handlers of libraries must not run beside those threads.
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

/* The last to run at the end of the process. */
static void
leave(int code, Datum arg)
{
#ifdef EVAUDIT_COVERAGE
	__gcov_dump();
#endif
	_exit(code);
}

/* From now on, let this process end by _exit(). */
void
evaudit_leave_at_once(void)
{
	static bool registered = false;

	if (!registered)
		on_proc_exit(leave, (Datum) 0);
	registered = true;
}
