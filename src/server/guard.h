/*-------------------------------------------------------------------------
 *
 * guard.h
 *	  Calling a function whose ERROR is to be handled, not raised.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_GUARD_H
#define EVAUDIT_GUARD_H

/* Returns false to have what it did rolled back, without an ERROR. */
typedef bool (*EvauditGuarded) (void *arg);

extern ErrorData *evaudit_guard(EvauditGuarded function, void *arg);

#endif							/* EVAUDIT_GUARD_H */
