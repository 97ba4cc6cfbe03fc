/*-------------------------------------------------------------------------
 *
 * context.h
 *	  Who makes a change, and from where.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_CONTEXT_H
#define EVAUDIT_CONTEXT_H

/* NULL stands for what is unknown or empty. */
typedef struct EvauditContext
{
	text	   *actor;
	text	   *request_id;
	text	   *session_role;
	text	   *application_name;
	Datum		client_addr;	/* inet; 0 where there is none */
} EvauditContext;

extern const EvauditContext *evaudit_context_get(void);

#endif							/* EVAUDIT_CONTEXT_H */
