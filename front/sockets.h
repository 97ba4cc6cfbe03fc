/*-------------------------------------------------------------------------
 *
 * sockets.h
 *	  Listening sockets.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FRONT_SOCKETS_H
#define FRONT_SOCKETS_H

#include <stdbool.h>

#include "config.h"

/* Where the program listens. */
typedef struct Listener
{
	const char *address;		/* NULL: handed over */
	bool		admin;
	bool		tls;
	int			fds[MAX_PROCESSES]; /* of each process; all the same, or not */
} Listener;

extern Listener listeners[];
extern int	nlisteners;

extern void sockets_open(void);
extern void sockets_close(bool admin_too);
extern void sockets_remove(void);

#endif							/* FRONT_SOCKETS_H */
