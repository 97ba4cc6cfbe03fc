/*-------------------------------------------------------------------------
 *
 * guard.h
 *	  Calling a function whose ERROR is to be handled, not raised.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_GUARD_H
#define EVAUDIT_GUARD_H

extern ErrorData *evaudit_guard(void (*function) (void *arg), void *arg);

#endif							/* EVAUDIT_GUARD_H */
