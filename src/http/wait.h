/*-------------------------------------------------------------------------
 *
 * wait.h
 *	  Responses that are given when sinks have an event.
 *
 * http() names what is waited for in a header, X-Evaudit-Wait, which a front
 * removes; it asks http_wait() for the response then, of thousands at a time.
 * What the header says is all that there is to know: nothing is kept between
 * the two, and no session waits for a client.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_HTTP_WAIT_H
#define EVAUDIT_HTTP_WAIT_H

#include "events/event.h"
#include "http/request.h"

extern void evaudit_wait_begin(const EvauditRequest *request,
							   const EvauditTopic *topic,
							   const EvauditEvent *event,
							   EvauditResponse *response);
extern void evaudit_wait_add_header(EvauditResponse *response);

#endif							/* EVAUDIT_HTTP_WAIT_H */
