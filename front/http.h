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

/* Certificate and key, in PEM; NULL: none. */
typedef struct TlsFiles
{
	char	   *certificate;
	char	   *key;
} TlsFiles;

extern bool http_resumed;		/* a connection has a response to send */

extern struct MHD_Daemon *http_listen(int fd, bool admin, const TlsFiles *tls);
extern void http_submit(void);

#endif							/* FRONT_HTTP_H */
