/*-------------------------------------------------------------------------
 *
 * scrape.h
 *	  The database's own metrics, for the admin listener.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FRONT_SCRAPE_H
#define FRONT_SCRAPE_H

#include <stdbool.h>
#include <stdint.h>

#include "request.h"

extern void scrape_init(void (*respond) (Request *request, const char *metrics));
extern bool scrape_wanted(const Request *request);
extern void scrape_submit(Request *request);
extern int64_t scrape_tick(int64_t now);

#endif							/* FRONT_SCRAPE_H */
