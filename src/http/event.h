/*-------------------------------------------------------------------------
 *
 * event.h
 *	  Responses of the event logger: its messages, and its lists of what is
 *	  wrong with a request.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_HTTP_EVENT_H
#define EVAUDIT_HTTP_EVENT_H

#include "http/request.h"

/* events.c */
extern void evaudit_event_message(EvauditResponse *response, int status,
								  const char *message);

/* event_fault.c: each adds to the list, and begins it with the first */
extern void evaudit_event_fault(EvauditResponse *response, const char *type,
								const char *member, const char *message,
								const JsonbValue *input);
extern void evaudit_event_fault_at(EvauditResponse *response,
								   const char *part, const char *member,
								   const char *type, const char *message);
extern void evaudit_event_fault_json(EvauditResponse *response,
									 const EvauditRequest *request,
									 const char *error);

#endif							/* EVAUDIT_HTTP_EVENT_H */
