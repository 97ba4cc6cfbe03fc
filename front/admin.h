/*-------------------------------------------------------------------------
 *
 * admin.h
 *	  The admin listener: /live, /ready and /metrics.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FRONT_ADMIN_H
#define FRONT_ADMIN_H

#include "request.h"

extern void admin_respond(Request *request);
extern void admin_respond_metrics(Request *request, const char *database);

#endif							/* FRONT_ADMIN_H */
