/*-------------------------------------------------------------------------
 *
 * between.h
 *	  The bytes between the parts of a head that libmicrohttpd has found.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FRONT_BETWEEN_H
#define FRONT_BETWEEN_H

#include <stdbool.h>

/* Memory for the head of a request, bytes; more is 431. */
#define HEAD_BYTES			(32 * 1024)

extern bool line_is_whole(const char *method, const char *uri,
						  const char *uri_end, const char *version);
extern bool header_is_whole(const char *name_end, const char *value);
extern bool follows(const char *end, const char *next);
extern bool is_followed_by_end(const char *end);

#endif							/* FRONT_BETWEEN_H */
