/*-------------------------------------------------------------------------
 *
 * wait.c
 *	  Waiting in background workers: latch, timeout, a descriptor,
 *	  interrupts and SIGHUP, in one place.
 *
 * Every wait resets the latch before it serves interrupts, so that what is
 * signalled meanwhile ends the next wait.  The death of the postmaster ends
 * the process.  The configuration is read again outside of transactions only,
 * as in the server's own workers: within one, a setting keeps its value.
 *
 * Client backends may use these functions, too: they read the configuration
 * between two commands, by the server's own loop, and never here.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/latch.h"
#include "utils/guc.h"
#include "utils/wait_event.h"

#include "server/wait.h"

int			evaudit_reloads = 0;

/* Serve interrupts, and read the configuration again after SIGHUP. */
void
evaudit_process_interrupts(void)
{
	CHECK_FOR_INTERRUPTS();
	if (ConfigReloadPending && MyBgworkerEntry != NULL &&
		!IsTransactionState())
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
		evaudit_reloads++;
	}
}

/* What a wait that is over found; the latch is reset. */
static int
finish_wait(bool latch, bool readable)
{
	if (latch)
		ResetLatch(MyLatch);
	evaudit_process_interrupts();
	return (latch ? EVAUDIT_WAIT_LATCH : 0) |
		(readable ? EVAUDIT_WAIT_READABLE : 0);
}

/* Wait for the latch, at most some milliseconds. */
int
evaudit_wait(long timeout)
{
	int			events = WaitLatch(MyLatch,
								   WL_LATCH_SET | WL_TIMEOUT |
								   WL_EXIT_ON_PM_DEATH,
								   timeout, PG_WAIT_EXTENSION);

	return finish_wait((events & WL_LATCH_SET) != 0, false);
}

/* Wait for the latch or until a descriptor is readable, likewise. */
int
evaudit_wait_fd(int fd, long timeout)
{
	int			events = WaitLatchOrSocket(MyLatch,
										   WL_LATCH_SET | WL_SOCKET_READABLE |
										   WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
										   fd, timeout, PG_WAIT_EXTENSION);

	return finish_wait((events & WL_LATCH_SET) != 0,
					   (events & WL_SOCKET_READABLE) != 0);
}

/*
 * The same for a descriptor that is waited for often: nothing is set up for
 * each wait.  The one who makes the set frees it by FreeWaitEventSet().
 */
WaitEventSet *
evaudit_wait_set_create(int fd)
{
	WaitEventSet *set = evaudit_compat_create_waits(3);

	AddWaitEventToSet(set, WL_LATCH_SET, PGINVALID_SOCKET, MyLatch, NULL);
	AddWaitEventToSet(set, WL_EXIT_ON_PM_DEATH, PGINVALID_SOCKET, NULL, NULL);
	AddWaitEventToSet(set, WL_SOCKET_READABLE, fd, NULL, NULL);
	return set;
}

/* Wait for a set, at most some milliseconds; -1: for ever. */
int
evaudit_wait_set(WaitEventSet *set, long timeout)
{
	WaitEvent	events[2];
	int			n = WaitEventSetWait(set, timeout, events, lengthof(events),
									 PG_WAIT_EXTENSION);
	bool		latch = false;
	bool		readable = false;

	for (int i = 0; i < n; i++)
	{
		latch |= (events[i].events & WL_LATCH_SET) != 0;
		readable |= (events[i].events & WL_SOCKET_READABLE) != 0;
	}
	return finish_wait(latch, readable);
}
