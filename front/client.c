/*-------------------------------------------------------------------------
 *
 * client.c
 *	  Connections of clients, how many there may be, and how long they may take.
 *
 * libmicrohttpd's own timeout is for silence: a byte a second would keep a
 * connection for ever, and it asks us only when the headers are complete.  So
 * each connection has a deadline for the step it is in, and whoever misses it
 * has its socket shut down, which libmicrohttpd then notices.  Its own limits
 * of connections hold for each listener, and for proxies; ours do neither.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>
#include <sys/socket.h>

#include "buffer.h"
#include "client.h"
#include "config.h"
#include "loop.h"
#include "metrics.h"

/* Milliseconds between two rounds over all deadlines. */
#define TICK			250

static Client *first = NULL;
static int	count = 0;			/* without those of the admin listener */
static bool draining = false;

/* Whether there may be one more, from an address. */
bool
client_admit(const struct sockaddr *from)
{
	Address		address;

	address_of_socket(&address, from);
	if (count < config.max_connections &&
		(address_clients(&address) < config.max_per_address ||
		 address_is_trusted(&address)))
		return true;
	metrics_refused();
	return false;
}

/* A connection was accepted: its headers have some time. */
Client *
client_add(int fd, const struct sockaddr *from, bool admin)
{
	Client	   *client = xcalloc(1, sizeof(Client));

	client->fd = fd;
	client->admin = admin;
	client->next = first;
	if (first != NULL)
		first->prev = client;
	first = client;
	if (!admin)
	{
		address_of_socket(&client->address, from);
		address_count(&client->address, 1);
		count++;
	}
	metrics_clients(count);
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
	if (!client->admin)
	{
		address_count(&client->address, -1);
		count--;
	}
	metrics_clients(count);
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

	if (first == NULL)
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
		if (!client->responding && !client->admin)
			(void) shutdown(client->fd, SHUT_RD);
	}
}

/* Whether responses close their connections. */
bool
clients_draining(void)
{
	return draining;
}

/* How many there are. */
int
clients_count(void)
{
	return count;
}
