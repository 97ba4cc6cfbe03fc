/*-------------------------------------------------------------------------
 *
 * client.h
 *	  Connections of clients, and how long they may take.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FRONT_CLIENT_H
#define FRONT_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

struct MHD_Connection;

typedef struct Client
{
	struct Client *prev;
	struct Client *next;
	int			fd;
	int64_t		deadline;		/* until its next step; see now_ms() */
	bool		responding;		/* waits for the database, not for it */
} Client;

extern Client *client_add(struct MHD_Connection *connection);
extern void client_remove(Client *client);
extern void client_deadline(Client *client, int timeout);
extern void client_suspend(Client *client);
extern int64_t clients_tick(int64_t now);
extern void clients_drain(void);
extern int	clients_count(void);

#endif							/* FRONT_CLIENT_H */
