/*-------------------------------------------------------------------------
 *
 * client.h
 *	  Connections of clients, how many there may be, and how long they may take.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FRONT_CLIENT_H
#define FRONT_CLIENT_H

#include <stdint.h>

#include "address.h"

typedef struct Client
{
	struct Client *prev;
	struct Client *next;
	int			fd;
	Address		address;
	int64_t		deadline;		/* until its next step; see now_ms() */
	bool		responding;		/* waits for the database, not for it */
	bool		admin;			/* not counted, and there to the end */
} Client;

extern bool client_admit(const struct sockaddr *from);
extern Client *client_add(int fd, const struct sockaddr *from, bool admin);
extern void client_remove(Client *client);
extern void client_deadline(Client *client, int timeout);
extern void client_suspend(Client *client);
extern int64_t clients_tick(int64_t now);
extern void clients_drain(void);
extern bool clients_draining(void);
extern int	clients_count(void);

#endif							/* FRONT_CLIENT_H */
