/*-------------------------------------------------------------------------
 *
 * event_function.h
 *	  Calling a function of a user with events.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_EVENT_FUNCTION_H
#define EVAUDIT_EVENT_FUNCTION_H

#include "events/projection_batch.h"

/* What calls a function, and for whom. */
typedef struct EvauditFunctionUse
{
	const char *function;		/* by name, with its schema */
	const char *noun;			/* topic, sink: for messages */
	const char *name;
	bool		granted;		/* a grant for a token's subject has decided */
} EvauditFunctionUse;

extern Oid	evaudit_event_function_find(const char *option, const char *name);
extern Oid	evaudit_event_function_owner(Oid function);
extern void evaudit_event_function_call(const EvauditFunctionUse *use,
										Oid function, Oid owner,
										const EvauditEventValue *events,
										int n);

#endif							/* EVAUDIT_EVENT_FUNCTION_H */
