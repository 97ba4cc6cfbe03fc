/*-------------------------------------------------------------------------
 *
 * main.c
 *	  evaudit-http: serves evaudit.http() of a database over HTTP.
 *
 * A program of its own, since a parser of strangers' bytes has no place in
 * the server: a crash there restarts every session.  One thread, one loop.
 * With --processes a parent starts that many and replaces those that end.
 *
 *		SIGTERM, SIGINT		accept nothing more, finish, end
 *		SIGUSR1				log more, or less
 *
 *-------------------------------------------------------------------------
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client.h"
#include "config.h"
#include "http.h"
#include "lane.h"
#include "listener.h"
#include "log.h"

/* Pause before a process that failed is started again, seconds. */
#define RESTART_PAUSE		1

static int64_t stop_by = -1;	/* when to end at the latest; -1: not asked */
static int	signals = -1;

/* Tell systemd; sd_notify(3). */
static void
notify(const char *state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const char *path = getenv("NOTIFY_SOCKET");
	socklen_t	len;
	int			fd;

	if (path == NULL || strlen(path) >= sizeof(address.sun_path))
		return;
	strcpy(address.sun_path, path);
	len = offsetof(struct sockaddr_un, sun_path) + strlen(path);
	if (path[0] == '@')
		address.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	(void) sendto(fd, state, strlen(state), MSG_NOSIGNAL,
				  (struct sockaddr *) &address, len);
	close(fd);
}

/* As many descriptors as the system allows: a connection takes one. */
static void
raise_limits(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void) setrlimit(RLIMIT_NOFILE, &limit);
}

/* Take signals by a descriptor. */
static void
open_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGUSR1);
	(void) sigprocmask(SIG_BLOCK, set, NULL);
	(void) signal(SIGPIPE, SIG_IGN);
	(void) signal(SIGHUP, SIG_IGN);
}

/* Begin to stop. */
static void
begin_stop(void)
{
	if (stop_by >= 0)
		return;
	log_line(LOG_LEVEL_INFO, "stopping");
	notify("STOPPING=1");
	stop_by = now_ms() + config.shutdown_timeout;
	http_draining = true;
	listeners_quiesce();
	clients_drain();
}

/* A signal came. */
static void
signal_ready(Watch *watch, uint32_t events)
{
	struct signalfd_siginfo info;

	while (read(signals, &info, sizeof(info)) == sizeof(info))
	{
		if (info.ssi_signo != SIGUSR1)
			begin_stop();
		else
			log_level = log_level == LOG_LEVEL_REQUEST ? LOG_LEVEL_INFO :
				LOG_LEVEL_REQUEST;
	}
}

/* The earlier of two times, of which -1 is none. */
static int64_t
earlier(int64_t a, int64_t b)
{
	return a < 0 || (b >= 0 && b < a) ? b : a;
}

/* One process: serve until told to stop. */
static void
serve(const sigset_t *set)
{
	Watch		watch = {.ready = signal_ready};

	loop_init();
	signals = signalfd(-1, set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (signals < 0)
		die("could not take signals: %s", strerror(errno));
	loop_watch(&watch, signals, EPOLLIN);
	lanes_init();
	listeners_start();
	notify("READY=1");
	while (stop_by < 0 || (clients_count() > 0 && now_ms() < stop_by))
	{
		int64_t		now = now_ms();
		int64_t		until = lanes_tick(now);

		until = earlier(until, clients_tick(now));
		until = earlier(until, stop_by);
		listeners_run();
		loop_wait(listeners_until(until));
		listeners_run();
	}
	log_line(LOG_LEVEL_INFO, "stopped");
	if (config.processes == 1)
		listeners_stop();
	/* connections of the database end with the process */
	_exit(0);
}

/* Start a process, which ends with its parent. */
static pid_t
start_process(const sigset_t *set)
{
	pid_t		parent = getpid();
	pid_t		pid = fork();

	if (pid < 0)
		die("could not start a process: %s", strerror(errno));
	if (pid > 0)
		return pid;
	(void) prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(0);
	serve(set);
	_exit(0);
}

/* The parent: keep processes running until told to stop. */
static void
supervise(sigset_t *set)
{
	pid_t		pids[64];
	bool		stopping = false;
	int			left = config.processes;

	sigaddset(set, SIGCHLD);
	(void) sigprocmask(SIG_BLOCK, set, NULL);
	for (int i = 0; i < config.processes; i++)
		pids[i] = start_process(set);
	while (left > 0)
	{
		int			signo = 0;
		pid_t		pid;

		(void) sigwait(set, &signo);
		if (signo != SIGCHLD)
		{
			stopping |= signo != SIGUSR1;
			for (int i = 0; i < config.processes; i++)
				(void) kill(pids[i], signo);
			continue;
		}
		while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
		{
			for (int i = 0; i < config.processes; i++)
			{
				if (pids[i] != pid)
					continue;
				if (stopping)
				{
					left--;
					continue;
				}
				log_line(LOG_LEVEL_ERROR, "process %d ended, starting another",
						 (int) pid);
				(void) sleep(RESTART_PAUSE);
				pids[i] = start_process(set);
			}
		}
	}
}

int
main(int argc, char **argv)
{
	sigset_t	set;

	config_read(argc, argv);
	raise_limits();
	open_signals(&set);
	listeners_prepare();
	if (config.processes == 1)
		serve(&set);
	supervise(&set);
	listeners_stop();
	return 0;
}
