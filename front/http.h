/*-------------------------------------------------------------------------
 *
 * http.h
 *	  Requests as libmicrohttpd hands them over, and their responses.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FRONT_HTTP_H
#define FRONT_HTTP_H

#include <stdbool.h>

struct MHD_Daemon;

extern bool http_draining;		/* responses close their connections */
extern bool http_resumed;		/* a connection has a response to send */

extern struct MHD_Daemon *http_listen(int fd, bool admin, bool by_address);

/* admin.c */
struct Request;
extern void admin_respond(struct Request *request);

/* assets.c */
extern int	asset_open(const char *uri, const char **type, size_t *size);

#endif							/* FRONT_HTTP_H */
