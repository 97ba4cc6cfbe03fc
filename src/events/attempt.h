/*-------------------------------------------------------------------------
 *
 * attempt.h
 *	  Trying what the data may make fail, in a subtransaction.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_ATTEMPT_H
#define EVAUDIT_ATTEMPT_H

#include "server/guard.h"

extern bool evaudit_is_data_error(int sqlerrcode);
extern ErrorData *evaudit_attempt(EvauditGuarded action, void *arg);

#endif							/* EVAUDIT_ATTEMPT_H */
