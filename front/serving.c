/*-------------------------------------------------------------------------
 *
 * serving.c
 *	  Listening sockets, served by libmicrohttpd.
 *
 * Each socket has a daemon, as the library calls it, which is driven by our
 * loop.  What certificates and limits a daemon has cannot be changed, so a
 * reload starts others at the same sockets; the earlier ones accept nothing
 * more, and end with their last connection.
 *
 *-------------------------------------------------------------------------
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include <microhttpd.h>

#include "buffer.h"
#include "http.h"
#include "log.h"
#include "loop.h"
#include "serving.h"
#include "sockets.h"

/* Longest file of a certificate or key. */
#define MAX_FILE		(1024 * 1024)

typedef struct Serving
{
	struct Serving *next;
	const Listener *listener;
	struct MHD_Daemon *daemon;
	TlsFiles	tls;			/* kept for the daemon */
	bool		retired;
	Watch		watch;
} Serving;

static Serving *first = NULL;
static int	process;

/* A daemon's epoll descriptor is ready. */
static void
ready(Watch *watch, uint32_t events)
{
	Serving    *serving = watch->arg;

	(void) MHD_run(serving->daemon);
}

/* Read a file into memory; NULL if that fails. */
static char *
read_file(const char *path)
{
	Buffer		text = {0};
	char		part[4096];
	FILE	   *file = fopen(path, "r");
	size_t		len;

	if (file == NULL)
	{
		log_line(LOG_LEVEL_ERROR, "could not open \"%s\": %s", path,
				 strerror(errno));
		return NULL;
	}
	while ((len = fread(part, 1, sizeof(part), file)) > 0 &&
		   text.len < MAX_FILE)
		buffer_append(&text, part, len);
	fclose(file);
	return text.data;
}

/* Free a serving that has no daemon. */
static void
free_serving(Serving *serving)
{
	free(serving->tls.certificate);
	free(serving->tls.key);
	free(serving);
}

/* Serve a listener; false if that fails. */
static bool
start_serving(const Listener *listener)
{
	Serving    *serving = xcalloc(1, sizeof(Serving));
	const union MHD_DaemonInfo *info;

	serving->listener = listener;
	if (listener->tls)
	{
		serving->tls.certificate = read_file(config.certificate);
		serving->tls.key = read_file(config.key);
	}
	if (!listener->tls ||
		(serving->tls.certificate != NULL && serving->tls.key != NULL))
		serving->daemon = http_listen(listener->fds[process], listener->admin,
									  listener->tls ? &serving->tls : NULL);
	if (serving->daemon == NULL)
	{
		free_serving(serving);
		return false;
	}
	info = MHD_get_daemon_info(serving->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	serving->watch.ready = ready;
	serving->watch.arg = serving;
	loop_watch(&serving->watch, info->epoll_fd, EPOLLIN);
	serving->next = first;
	first = serving;
	return true;
}

/* Serve all listeners, as one of the processes. */
void
serving_start(int number)
{
	process = number;
	for (int i = 0; i < nlisteners; i++)
	{
		if (!start_serving(&listeners[i]))
			die("could not serve %s", listeners[i].address != NULL ?
				listeners[i].address : "a socket that was handed over");
	}
}

/* Start anew what speaks TLS, with the certificates as they are now. */
void
serving_reload(void)
{
	Serving    *earlier = first;

	for (Serving *s = earlier; s != NULL; s = s->next)
	{
		if (s->retired || !s->listener->tls)
			continue;
		if (!start_serving(s->listener))
		{
			log_line(LOG_LEVEL_ERROR, "the certificate was not reloaded");
			continue;
		}
		(void) MHD_quiesce_daemon(s->daemon);
		s->retired = true;
	}
}

/* End daemons that are retired and have no connections any more. */
static void
end_retired(void)
{
	for (Serving **link = &first; *link != NULL;)
	{
		Serving    *s = *link;

		if (!s->retired ||
			MHD_get_daemon_info(s->daemon,
								MHD_DAEMON_INFO_CURRENT_CONNECTIONS)->num_connections > 0)
		{
			link = &s->next;
			continue;
		}
		*link = s->next;
		loop_forget(&s->watch);
		MHD_stop_daemon(s->daemon);
		free_serving(s);
	}
}

/* Let connections continue that were resumed. */
void
serving_run(void)
{
	end_retired();
	while (http_resumed)
	{
		http_resumed = false;
		for (Serving *s = first; s != NULL; s = s->next)
			(void) MHD_run(s->daemon);
	}
}

/* When libmicrohttpd wants to be called at the latest. */
int64_t
serving_until(int64_t until)
{
	int64_t		now = now_ms();

	for (Serving *s = first; s != NULL; s = s->next)
	{
		MHD_UNSIGNED_LONG_LONG timeout;

		if (MHD_get_timeout(s->daemon, &timeout) != MHD_YES)
			continue;
		if (timeout == 0)
			http_resumed = true;
		if (until < 0 || now + (int64_t) timeout < until)
			until = now + (int64_t) timeout;
	}
	return until;
}

/* Accept no more connections; the admin listener continues. */
void
serving_quiesce(void)
{
	for (Serving *s = first; s != NULL; s = s->next)
	{
		if (!s->listener->admin && !s->retired)
			(void) MHD_quiesce_daemon(s->daemon);
	}
	sockets_close(false);
}
