/*-------------------------------------------------------------------------
 *
 * listener.c
 *	  Listening sockets: of addresses, of paths, or handed over by systemd.
 *
 * Sockets of paths, and what systemd hands over, are shared by all processes;
 * those of addresses each process has of its own, by SO_REUSEPORT, and the
 * kernel spreads connections over them.
 *
 *-------------------------------------------------------------------------
 */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <microhttpd.h>

#include "buffer.h"
#include "config.h"
#include "http.h"
#include "listener.h"
#include "log.h"
#include "loop.h"

/* The first descriptor that systemd hands over; sd_listen_fds(3). */
#define FIRST_HANDED	3

typedef struct Listener
{
	const char *address;		/* NULL: handed over */
	bool		admin;
	bool		by_address;		/* clients have addresses to be counted by */
	int			fd;				/* -1: not open */
	struct MHD_Daemon *daemon;
	Watch		watch;
} Listener;

static Listener listeners[MAX_LISTENERS + 1];
static int	nlisteners = 0;

/* Add a listener. */
static Listener *
add_listener(const char *address, bool admin, int fd)
{
	Listener   *listener;

	if (nlisteners == MAX_LISTENERS + 1)
		die("more than %d listeners", MAX_LISTENERS);
	listener = &listeners[nlisteners++];
	listener->address = address;
	listener->admin = admin;
	listener->by_address = true;
	listener->fd = fd;
	return listener;
}

/* Listen at a path. */
static void
open_path(Listener *listener, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct stat st;

	if (strlen(path) >= sizeof(address.sun_path))
		die("\"%s\": path is too long", path);
	strcpy(address.sun_path, path);
	listener->by_address = false;
	listener->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* what an earlier run has left; never a file that is no socket */
	if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
		(void) unlink(path);
	if (listener->fd < 0 ||
		bind(listener->fd, (struct sockaddr *) &address, sizeof(address)) != 0 ||
		listen(listener->fd, SOMAXCONN) != 0)
		die("could not listen at \"%s\": %s", path, strerror(errno));
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

/* Listen at an address. */
static void
open_address(Listener *listener)
{
	struct addrinfo hints = {.ai_flags = AI_PASSIVE,.ai_socktype = SOCK_STREAM};
	struct addrinfo *found;
	char	   *copy = xstrdup(listener->address);
	char	   *host;
	char	   *port = split_port(copy, &host);
	int			on = 1;
	int			result = getaddrinfo(*host != '\0' ? host : NULL, port, &hints,
									 &found);

	if (result != 0)
		die("\"%s\": %s", listener->address, gai_strerror(result));
	listener->fd = socket(found->ai_family,
						  SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (listener->fd < 0 ||
		setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
		(config.processes > 1 &&
		 setsockopt(listener->fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) != 0) ||
		bind(listener->fd, found->ai_addr, found->ai_addrlen) != 0 ||
		listen(listener->fd, SOMAXCONN) != 0)
		die("could not listen at \"%s\": %s", listener->address, strerror(errno));
	freeaddrinfo(found);
	free(copy);
}

/* Take what systemd hands over; returns how many sockets that are. */
static int
take_handed(void)
{
	const char *pid = getenv("LISTEN_PID");
	const char *fds = getenv("LISTEN_FDS");
	int			n = 0;

	if (pid == NULL || fds == NULL || atoi(pid) != (int) getpid())
		return 0;
	n = atoi(fds);
	for (int i = 0; i < n; i++)
	{
		(void) fcntl(FIRST_HANDED + i, F_SETFD, FD_CLOEXEC);
		(void) fcntl(FIRST_HANDED + i, F_SETFL, O_NONBLOCK);
		(void) add_listener(NULL, false, FIRST_HANDED + i);
	}
	return n;
}

/* Open what all processes share. */
void
listeners_prepare(void)
{
	if (take_handed() == 0)
	{
		for (int i = 0; i < config.nlisten; i++)
			(void) add_listener(config.listen[i], false, -1);
	}
	if (config.admin != NULL)
		(void) add_listener(config.admin, true, -1);
	for (int i = 0; i < nlisteners; i++)
	{
		Listener   *listener = &listeners[i];

		if (listener->address != NULL &&
			strncmp(listener->address, "unix:", 5) == 0)
			open_path(listener, listener->address + 5);
	}
}

/* A listener's epoll descriptor is ready. */
static void
ready(Watch *watch, uint32_t events)
{
	Listener   *listener = watch->arg;

	(void) MHD_run(listener->daemon);
}

/* Serve all listeners. */
void
listeners_start(void)
{
	for (int i = 0; i < nlisteners; i++)
	{
		Listener   *listener = &listeners[i];
		const union MHD_DaemonInfo *info;

		if (listener->fd < 0)
			open_address(listener);
		listener->daemon = http_listen(listener->fd, listener->admin,
									   listener->by_address &&
									   !listener->admin);
		if (listener->daemon == NULL)
			die("could not start to serve");
		info = MHD_get_daemon_info(listener->daemon, MHD_DAEMON_INFO_EPOLL_FD);
		listener->watch.ready = ready;
		listener->watch.arg = listener;
		loop_watch(&listener->watch, info->listen_fd, EPOLLIN);
		if (listener->address != NULL)
			log_line(LOG_LEVEL_INFO, "listening at %s", listener->address);
	}
}

/* Let connections go on that were resumed. */
void
listeners_run(void)
{
	while (http_resumed)
	{
		http_resumed = false;
		for (int i = 0; i < nlisteners; i++)
			(void) MHD_run(listeners[i].daemon);
	}
}

/* When libmicrohttpd wants to be called at the latest. */
int64_t
listeners_until(int64_t until)
{
	int64_t		now = now_ms();

	for (int i = 0; i < nlisteners; i++)
	{
		MHD_UNSIGNED_LONG_LONG timeout;

		if (MHD_get_timeout(listeners[i].daemon, &timeout) != MHD_YES)
			continue;
		if (timeout == 0)
			http_resumed = true;
		if (until < 0 || now + (int64_t) timeout < until)
			until = now + (int64_t) timeout;
	}
	return until;
}

/* Accept no more connections; the admin listener goes on. */
void
listeners_quiesce(void)
{
	for (int i = 0; i < nlisteners; i++)
	{
		MHD_socket	fd;

		if (listeners[i].admin)
			continue;
		fd = MHD_quiesce_daemon(listeners[i].daemon);
		if (fd != MHD_INVALID_SOCKET)
			close(fd);
	}
}

/* The end: remove sockets of paths. */
void
listeners_stop(void)
{
	for (int i = 0; i < nlisteners; i++)
	{
		const char *address = listeners[i].address;

		if (address != NULL && strncmp(address, "unix:", 5) == 0)
			(void) unlink(address + 5);
	}
}
