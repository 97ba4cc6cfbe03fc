/*-------------------------------------------------------------------------
 *
 * headers.h
 *	  The head of a request: checked, and as evaudit.http() takes it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FRONT_HEADERS_H
#define FRONT_HEADERS_H

#include "address.h"
#include "request.h"

extern int	headers_read(Request *request, const char *version,
						 const char **error);
extern void headers_put_path(Buffer *line, const char *uri);
extern void headers_client(const Request *request, const Address *peer,
						   char *text, int size);

#endif							/* FRONT_HEADERS_H */
