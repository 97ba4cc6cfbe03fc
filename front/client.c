/*-------------------------------------------------------------------------
 *
 * client.c
 *	  Connections of clients, and how long they may take.
 *
 * libmicrohttpd's own timeout is for silence: a byte a second would keep a
 * connection for ever, and it asks us only when the headers are complete.  So
 * each connection has a deadline for the step it is in, and whoever misses it
 * has its socket shut down, which libmicrohttpd then notices.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>
#include <sys/socket.h>

#include <microhttpd.h>

#include "buffer.h"
#include "client.h"
#include "config.h"
#include "loop.h"

/* Milliseconds between two looks at all deadlines. */
#define TICK			250

static Client *first = NULL;
static int	count = 0;
static bool draining = false;

/* A connection was accepted: its headers have some time. */
Client *
client_add(struct MHD_Connection *connection)
{
	Client	   *client = xcalloc(1, sizeof(Client));
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);

	client->fd = info->connect_fd;
	client->next = first;
	if (first != NULL)
		first->prev = client;
	first = client;
	count++;
	client_deadline(client, config.header_timeout);
	return client;
}

/* A connection was closed. */
void
client_remove(Client *client)
{
	if (client->next != NULL)
		client->next->prev = client->prev;
	if (client->prev != NULL)
		client->prev->next = client->next;
	else
		first = client->next;
	count--;
	free(client);
}

/* Give a client some time for its next step. */
void
client_deadline(Client *client, int timeout)
{
	client->responding = false;
	client->deadline = now_ms() + timeout;
}

/* It is not the client's turn now. */
void
client_suspend(Client *client)
{
	client->responding = true;
}

/* Shut down the sockets of those who are late; returns when to come again. */
int64_t
clients_tick(int64_t now)
{
	static int64_t next = 0;

	if (count == 0)
		return -1;
	if (now < next)
		return next;
	for (Client *client = first; client != NULL; client = client->next)
	{
		if (!client->responding && now >= client->deadline)
			(void) shutdown(client->fd, SHUT_RDWR);
	}
	next = now + TICK;
	return next;
}

/* No connection is kept for another request. */
void
clients_drain(void)
{
	if (draining)
		return;
	draining = true;
	for (Client *client = first; client != NULL; client = client->next)
	{
		if (!client->responding)
			(void) shutdown(client->fd, SHUT_RD);
	}
}

/* How many there are. */
int
clients_count(void)
{
	return count;
}
