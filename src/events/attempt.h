/*-------------------------------------------------------------------------
 *
 * attempt.h
 *	  Trying what the data may make fail, in a subtransaction.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_ATTEMPT_H
#define EVAUDIT_ATTEMPT_H

/*
 * What is tried, with an argument of its caller's; false to have it undone
 * without an error.
 */
typedef bool (*EvauditAction) (void *arg);

extern bool evaudit_blames_data(int sqlerrcode);
extern ErrorData *evaudit_attempt(EvauditAction action, void *arg);

#endif							/* EVAUDIT_ATTEMPT_H */
