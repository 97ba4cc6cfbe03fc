/*-------------------------------------------------------------------------
 *
 * page.h
 *	  The page of the admin listener, and what it shows.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FRONT_PAGE_H
#define FRONT_PAGE_H

#include "buffer.h"

extern const char page_html[];
extern const char page_status_query[];
extern const char page_sample_query[];

extern void page_add_sample(const char *sample);
extern void page_put_status(Buffer *json, const char *status);

#endif							/* FRONT_PAGE_H */
