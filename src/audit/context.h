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
	text	   *application_name;
	Datum		client_addr;	/* inet; 0 where there is none */
	TimestampTz time;
} EvauditContext;

extern void evaudit_context_init(void);
extern EvauditContext *evaudit_context_take(void);

#endif							/* EVAUDIT_CONTEXT_H */
