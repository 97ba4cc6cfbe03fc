/*-------------------------------------------------------------------------
 *
 * headers.h
 *	  The head of a request: checked, and as evaudit.http() takes it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FRONT_HEADERS_H
#define FRONT_HEADERS_H

#include "request.h"

struct MHD_Connection;

extern int	headers_read(Request *request, const char **error);
extern void headers_put_path(Buffer *line, const char *uri);
extern void headers_put_client(Buffer *line, struct MHD_Connection *connection);

#endif							/* FRONT_HEADERS_H */
