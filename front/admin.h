/*-------------------------------------------------------------------------
 *
 * admin.h
 *	  The admin listener: /live, /ready, /metrics, and a page with its /status.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FRONT_ADMIN_H
#define FRONT_ADMIN_H

#include "request.h"
#include "scrape.h"

extern void admin_respond(Request *request);
extern void admin_scraped(ScrapeKind kind, Request *request, const char *text);

#endif							/* FRONT_ADMIN_H */
