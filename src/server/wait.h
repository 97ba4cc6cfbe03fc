/*-------------------------------------------------------------------------
 *
 * wait.h
 *	  Waiting in background workers: latch, timeout, a descriptor,
 *	  interrupts and SIGHUP, in one place.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_WAIT_H
#define EVAUDIT_WAIT_H

#include "server/compat.h"

/* What ended a wait, a set of bits; none: the time is over. */
#define EVAUDIT_WAIT_LATCH		0x1
#define EVAUDIT_WAIT_READABLE	0x2

/* How often the configuration was read again in this process. */
extern int	evaudit_reloads;

extern void evaudit_process_interrupts(void);
extern int	evaudit_wait(long timeout);
extern int	evaudit_wait_fd(int fd, long timeout);
extern WaitEventSet *evaudit_wait_set_create(int fd);
extern int	evaudit_wait_set(WaitEventSet *set, long timeout);

#endif							/* EVAUDIT_WAIT_H */
