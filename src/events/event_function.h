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

/* What a function takes and gives. */
typedef enum EvauditFunctionForm
{
	EVAUDIT_FUNCTION_OF_BATCH,	/* evaudit.event[]; what it returns is of no
								 * interest */
	EVAUDIT_FUNCTION_OF_EVENT	/* evaudit.event; it returns jsonb */
} EvauditFunctionForm;

/* What calls a function, and for whom. */
typedef struct EvauditFunctionUse
{
	const char *function;		/* by name, with its schema */
	const char *noun;			/* topic, sink: for messages */
	const char *name;
	bool		granted;		/* a grant for a token's subject has decided */
	bool		read_only;		/* it may be called again for the same events */
} EvauditFunctionUse;

extern Oid	evaudit_event_function_find(const char *option, const char *name,
										EvauditFunctionForm form);
extern Oid	evaudit_event_function_owner(Oid function);
extern void evaudit_event_function_call(const EvauditFunctionUse *use,
										Oid function, Oid owner,
										const EvauditEventValue *events,
										int n);
extern Jsonb *evaudit_event_function_apply(const EvauditFunctionUse *use,
										   Oid function, Oid owner,
										   const EvauditEventValue *event);

#endif							/* EVAUDIT_EVENT_FUNCTION_H */
