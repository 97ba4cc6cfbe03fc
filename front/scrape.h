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

/* What is read. */
typedef enum ScrapeKind
{
	SCRAPE_METRICS,
	SCRAPE_STATUS,				/* of the page, see page.c */
	SCRAPE_SAMPLE,				/* for nobody who waits */
	SCRAPE_KINDS
} ScrapeKind;

/*
 * What became of it: the request is NULL for a sample, the text NULL where
 * nothing could be read.
 */
typedef void (*ScrapeDone) (ScrapeKind kind, Request *request,
							const char *text);

extern void scrape_init(ScrapeDone done);
extern bool scrape_wanted(const Request *request);
extern void scrape_submit(Request *request);
extern int64_t scrape_tick(int64_t now);

#endif							/* FRONT_SCRAPE_H */
