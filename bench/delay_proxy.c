/*-------------------------------------------------------------------------
 *
 * delay_proxy.c
 *	  Passes on TCP connections between ports of loopback, and holds back what
 *	  clients send for some milliseconds: a longer way to the server.
 *
 *		delay_proxy PORT MILLISECONDS
 *
 * prints the port that it listens on.  What is sent within those milliseconds
 * is all on its way at once; answers pass at once.  It ends with its input.
 *
 *-------------------------------------------------------------------------
 */
#define _GNU_SOURCE

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#define MAX_PAIRS	256
#define CHUNK		65536

/* Bytes on their way to the server. */
typedef struct Chunk
{
	struct Chunk *next;
	double		due;			/* milliseconds */
	size_t		len;
	char		bytes[];
} Chunk;

typedef struct Pair
{
	int			client;
	int			server;
	Chunk	   *first;
	Chunk	   *last;
	bool		ended;			/* the client sends no more */
} Pair;

static Pair pairs[MAX_PAIRS];
static int	npairs;
static double delay;
static struct sockaddr_in target;

static void
die(const char *what)
{
	perror(what);
	exit(1);
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static void
at_once(int fd)
{
	int			on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

/* A listener on a free port, which is printed. */
static int
listen_somewhere(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t	len = sizeof(address);
	int			fd = socket(AF_INET, SOCK_STREAM, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(fd, (struct sockaddr *) &address, len) != 0 ||
		listen(fd, MAX_PAIRS) != 0 ||
		getsockname(fd, (struct sockaddr *) &address, &len) != 0)
		die("listen");
	printf("%d\n", ntohs(address.sin_port));
	fflush(stdout);
	return fd;
}

static void
take_client(int listener)
{
	int			client = accept(listener, NULL, NULL);
	int			server = socket(AF_INET, SOCK_STREAM, 0);

	if (client < 0 || npairs == MAX_PAIRS ||
		connect(server, (struct sockaddr *) &target, sizeof(target)) != 0)
	{
		close(client);
		close(server);
		return;
	}
	at_once(client);
	at_once(server);
	pairs[npairs++] = (Pair)
	{
		.client = client,.server = server
	};
}

static bool
write_all(int fd, const char *bytes, size_t len)
{
	while (len > 0)
	{
		ssize_t		n = write(fd, bytes, len);

		if (n <= 0)
			return false;
		bytes += n;
		len -= n;
	}
	return true;
}

/* Keep what a client sent for a while. */
static void
hold(Pair *pair)
{
	Chunk	   *chunk = malloc(sizeof(Chunk) + CHUNK);
	ssize_t		n = read(pair->client, chunk->bytes, CHUNK);

	if (n <= 0)
	{
		free(chunk);
		pair->ended = true;
		return;
	}
	chunk->len = n;
	chunk->due = now() + delay;
	chunk->next = NULL;
	if (pair->first == NULL)
		pair->first = chunk;
	else
		pair->last->next = chunk;
	pair->last = chunk;
}

/* Send what is due; false when the pair is done. */
static bool
let_go(Pair *pair, double when)
{
	while (pair->first != NULL && pair->first->due <= when)
	{
		Chunk	   *chunk = pair->first;
		bool		done = write_all(pair->server, chunk->bytes, chunk->len);

		pair->first = chunk->next;
		free(chunk);
		if (!done)
			return false;
	}
	return pair->first != NULL || !pair->ended;
}

/* Pass on an answer; false when the server has closed. */
static bool
pass_answer(Pair *pair)
{
	char		bytes[CHUNK];
	ssize_t		n = read(pair->server, bytes, sizeof(bytes));

	return n > 0 && write_all(pair->client, bytes, n);
}

static void
forget(int i)
{
	Pair	   *pair = &pairs[i];

	while (pair->first != NULL)
	{
		Chunk	   *chunk = pair->first;

		pair->first = chunk->next;
		free(chunk);
	}
	close(pair->client);
	close(pair->server);
	*pair = pairs[--npairs];
}

/* Milliseconds until something is due; -1: nothing is under way. */
static double
next_due(void)
{
	double		due = -1;

	for (int i = 0; i < npairs; i++)
	{
		if (pairs[i].first != NULL && (due < 0 || pairs[i].first->due < due))
			due = pairs[i].first->due;
	}
	return due < 0 ? -1 : due > now() ? due - now() : 0;
}

/* One turn: wait, then serve whoever is ready. */
static void
turn(int listener)
{
	struct pollfd fds[2 + 2 * MAX_PAIRS];
	int			n = npairs;
	double		wait = next_due();
	struct timespec timeout = {
		.tv_sec = wait / 1e3,
		.tv_nsec = (long) (wait * 1e6) % 1000000000
	};

	fds[0] = (struct pollfd)
	{
		.fd = STDIN_FILENO,.events = POLLIN
	};
	fds[1] = (struct pollfd)
	{
		.fd = listener,.events = POLLIN
	};
	for (int i = 0; i < n; i++)
	{
		fds[2 + 2 * i] = (struct pollfd)
		{
			.fd = pairs[i].ended ? -1 : pairs[i].client,.events = POLLIN
		};
		fds[3 + 2 * i] = (struct pollfd)
		{
			.fd = pairs[i].server,.events = POLLIN
		};
	}
	if (ppoll(fds, 2 + 2 * n, wait < 0 ? NULL : &timeout, NULL) < 0)
		die("poll");
	if (fds[0].revents != 0)
		exit(0);
	for (int i = n - 1; i >= 0; i--)
	{
		bool		alive = true;

		if (fds[2 + 2 * i].revents != 0)
			hold(&pairs[i]);
		if (fds[3 + 2 * i].revents != 0)
			alive = pass_answer(&pairs[i]);
		if (!alive || !let_go(&pairs[i], now()))
			forget(i);
	}
	if (fds[1].revents != 0)
		take_client(listener);
}

int
main(int argc, char **argv)
{
	int			listener;

	if (argc != 3)
	{
		fprintf(stderr, "usage: delay_proxy PORT MILLISECONDS\n");
		return 2;
	}
	target.sin_family = AF_INET;
	target.sin_port = htons(atoi(argv[1]));
	target.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	delay = atof(argv[2]);
	listener = listen_somewhere();
	for (;;)
		turn(listener);
}
