/*-------------------------------------------------------------------------
 *
 * context.h
 *	  Who makes a change, from where and when.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_CONTEXT_H
#define EVAUDIT_CONTEXT_H

#include "datatype/timestamp.h"

/* NULL stands for what is unknown or empty. */
typedef struct EvauditContext
{
	text	   *actor;
	text	   *request_id;
	text	   *session_role;
	text	   *role_name;		/* the current role */
	text	   *application_name;
	Datum		client_addr;	/* inet; 0 where there is none */
	TimestampTz time;
	int32		epoch;			/* numbers of transactions belong to it */
} EvauditContext;

extern void evaudit_context_init(void);
extern EvauditContext *evaudit_context_take(void);
extern int32 evaudit_context_epoch(void);

#endif							/* EVAUDIT_CONTEXT_H */
