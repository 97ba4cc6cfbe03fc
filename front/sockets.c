/*-------------------------------------------------------------------------
 *
 * sockets.c
 *	  Listening sockets: of addresses, of paths, or handed over by systemd.
 *
 * All are opened before there are other processes, so that what cannot be
 * opened ends the start, and a process that takes the place of another goes on
 * with the connections that wait for it.  Of an address each process has a
 * socket of its own, by SO_REUSEPORT, and the kernel spreads connections over
 * them; those of paths, of the admin listener and what systemd hands over
 * are shared.
 *
 *-------------------------------------------------------------------------
 */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "buffer.h"
#include "log.h"
#include "sockets.h"

/* The first descriptor that systemd hands over; sd_listen_fds(3). */
#define FIRST_HANDED	3

#define MAX_ALL			(3 * MAX_LISTENERS)

#define UNIX_PREFIX		"unix:"

Listener	listeners[MAX_ALL];
int			nlisteners = 0;

/* Add a listener. */
static Listener *
add_listener(const char *address, bool admin, bool tls)
{
	Listener   *listener;

	if (nlisteners == MAX_ALL)
		die("too many listeners");
	listener = &listeners[nlisteners++];
	listener->address = address;
	listener->admin = admin;
	listener->tls = tls;
	return listener;
}

/* Share a socket between all processes. */
static void
share(Listener *listener, int fd)
{
	for (int i = 0; i < config.processes; i++)
		listener->fds[i] = fd;
}

/* The path of a listener, or NULL. */
static const char *
path_of(const Listener *listener)
{
	return listener->address != NULL &&
		strncmp(listener->address, UNIX_PREFIX, strlen(UNIX_PREFIX)) == 0 ?
		listener->address + strlen(UNIX_PREFIX) : NULL;
}

/* Remove what an earlier run has left: a socket where nobody listens. */
static void
remove_stale(const struct sockaddr_un *address)
{
	struct stat st;
	int			fd;

	if (lstat(address->sun_path, &st) != 0 || !S_ISSOCK(st.st_mode))
		return;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 &&
		connect(fd, (const struct sockaddr *) address, sizeof(*address)) != 0 &&
		errno == ECONNREFUSED)
		(void) unlink(address->sun_path);
	if (fd >= 0)
		close(fd);
}

/* Listen at a path. */
static int
open_path(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int			fd;

	if (strlen(path) >= sizeof(address.sun_path))
		die("\"%s\": path is too long", path);
	strcpy(address.sun_path, path);
	remove_stale(&address);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 ||
		bind(fd, (struct sockaddr *) &address, sizeof(address)) != 0 ||
		listen(fd, SOMAXCONN) != 0)
		die("could not listen at \"%s\": %s", path, strerror(errno));
	return fd;
}

/* Split host:port or [v6]:port, in place. */
static char *
split_port(char *address, char **host)
{
	char	   *colon = strrchr(address, ':');

	if (colon == NULL)
		die("\"%s\" is not host:port", address);
	*colon = '\0';
	*host = address;
	if (address[0] == '[' && colon > address && colon[-1] == ']')
	{
		colon[-1] = '\0';
		*host = address + 1;
	}
	return colon + 1;
}

/* Listen at an address, perhaps with others of ours. */
static int
open_address(const char *address, bool several)
{
	struct addrinfo hints = {.ai_flags = AI_PASSIVE,.ai_socktype = SOCK_STREAM};
	struct addrinfo *found;
	char	   *copy = xstrdup(address);
	char	   *host;
	char	   *port = split_port(copy, &host);
	int			on = 1;
	int			result = getaddrinfo(*host != '\0' ? host : NULL, port, &hints,
									 &found);
	int			fd;

	if (result != 0)
		die("\"%s\": %s", address, gai_strerror(result));
	fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 ||
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
		(several &&
		 setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) != 0) ||
		bind(fd, found->ai_addr, found->ai_addrlen) != 0 ||
		listen(fd, SOMAXCONN) != 0)
		die("could not listen at \"%s\": %s", address, strerror(errno));
	freeaddrinfo(found);
	free(copy);
	return fd;
}

/* Open the sockets of a listener. */
static void
open_listener(Listener *listener)
{
	const char *path = path_of(listener);
	bool		several = config.processes > 1 && !listener->admin;

	if (path != NULL)
		share(listener, open_path(path));
	else if (!several)
		share(listener, open_address(listener->address, false));
	else
	{
		for (int i = 0; i < config.processes; i++)
			listener->fds[i] = open_address(listener->address, true);
	}
}

/* Take what systemd hands over, by its name; false if there is nothing. */
static bool
take_handed(void)
{
	const char *pid = getenv("LISTEN_PID");
	const char *fds = getenv("LISTEN_FDS");
	const char *name = getenv("LISTEN_FDNAMES");
	int			n;

	if (pid == NULL || fds == NULL || atoi(pid) != (int) getpid())
		return false;
	n = atoi(fds);
	for (int i = 0; i < n; i++)
	{
		size_t		len = name != NULL ? strcspn(name, ":") : 0;
		bool		admin = len == 5 && strncmp(name, "admin", len) == 0;
		bool		tls = len == 5 && strncmp(name, "https", len) == 0;

		if (tls && config.certificate == NULL)
			die("a socket named \"https\" needs option \"tls-certificate\"");
		(void) fcntl(FIRST_HANDED + i, F_SETFD, FD_CLOEXEC);
		(void) fcntl(FIRST_HANDED + i, F_SETFL, O_NONBLOCK);
		share(add_listener(NULL, admin, tls), FIRST_HANDED + i);
		if (name != NULL)
			name = name[len] == ':' ? name + len + 1 : NULL;
	}
	return n > 0;
}

/* Open all sockets of all processes. */
void
sockets_open(void)
{
	if (!take_handed())
	{
		for (int i = 0; i < config.listen.n; i++)
			(void) add_listener(config.listen.values[i], false, false);
		for (int i = 0; i < config.listen_tls.n; i++)
			(void) add_listener(config.listen_tls.values[i], false, true);
	}
	if (config.admin != NULL)
		(void) add_listener(config.admin, true, false);
	for (int i = 0; i < nlisteners; i++)
	{
		if (listeners[i].address == NULL)
			continue;
		open_listener(&listeners[i]);
		log_line(LOG_LEVEL_INFO, "listening at %s", listeners[i].address);
	}
}

/* Close this process's descriptors: no connection waits at them any more. */
void
sockets_close(bool admin_too)
{
	for (int i = 0; i < nlisteners; i++)
	{
		if (listeners[i].admin && !admin_too)
			continue;
		for (int j = 0; j < config.processes; j++)
		{
			if (j == 0 || listeners[i].fds[j] != listeners[i].fds[0])
				close(listeners[i].fds[j]);
		}
	}
}

/* The end: remove sockets of paths. */
void
sockets_remove(void)
{
	for (int i = 0; i < nlisteners; i++)
	{
		if (path_of(&listeners[i]) != NULL)
			(void) unlink(path_of(&listeners[i]));
	}
}
