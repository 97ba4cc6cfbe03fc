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
 *		SIGHUP				read options and certificates again
 *		SIGUSR1				the next log level
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

#include "address.h"
#include "admin.h"
#include "client.h"
#include "config.h"
#include "http.h"
#include "lane.h"
#include "log.h"
#include "metrics.h"
#include "operate.h"
#include "scrape.h"
#include "serving.h"
#include "sockets.h"
#include "startup.h"
#include "wait.h"

/* Pause before a process that failed is started again, seconds. */
#define RESTART_PAUSE		1

/* Files that are no connections of clients. */
#define OTHER_FILES			200

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
	if (limit.rlim_cur < (rlim_t) config.max_connections + OTHER_FILES)
		log_line(LOG_LEVEL_ERROR, "warning: %d connections need more than the %llu files that this process may open",
				 config.max_connections, (unsigned long long) limit.rlim_cur);
}

/* Take signals by a descriptor. */
static void
open_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGHUP);
	sigaddset(set, SIGUSR1);
	(void) sigprocmask(SIG_BLOCK, set, NULL);
	(void) signal(SIGPIPE, SIG_IGN);
}

/* Begin to stop. */
static void
begin_stop(void)
{
	if (stop_by >= 0)
		return;
	log_line(LOG_LEVEL_INFO, "stopping");
	if (config.processes == 1)
		notify("STOPPING=1");
	stop_by = now_ms() + config.shutdown_timeout;
	serving_quiesce();
	clients_drain();
}

/* Read again what can be read again. */
static void
reload(void)
{
	config_reload();
	address_check_trusted();
	serving_reload();
	lanes_renew();
	startup_check_again();
}

/* The next log level. */
static void
next_log_level(void)
{
	log_level = (log_level + 1) % (LOG_LEVEL_REQUEST + 1);
}

/* A signal came. */
static void
signal_ready(Watch *watch, uint32_t events)
{
	struct signalfd_siginfo info;

	while (read(signals, &info, sizeof(info)) == sizeof(info))
	{
		if (info.ssi_signo == SIGHUP)
			reload();
		else if (info.ssi_signo == SIGUSR1)
			next_log_level();
		else
			begin_stop();
	}
}

/* The earlier of two times, of which -1 is none. */
static int64_t
earlier(int64_t a, int64_t b)
{
	return a < 0 || (b >= 0 && b < a) ? b : a;
}

/* One round: what was read goes to the database, what it said to clients. */
static void
run_once(void)
{
	int64_t		now;
	int64_t		until;

	serving_run();
	http_submit();
	now = now_ms();
	until = lanes_tick(now);
	until = earlier(until, waits_tick(now));
	until = earlier(until, scrape_tick(now));
	until = earlier(until, operate_tick(now));
	until = earlier(until, clients_tick(now));
	until = earlier(until, stop_by);
	metrics_memory(request_memory);
	log_flush();
	loop_wait(serving_until(http_resumed ? now : until));
}

/* One process: serve until told to stop. */
static void
serve(const sigset_t *set, int process)
{
	Watch		watch = {.ready = signal_ready};

	srand((unsigned int) getpid());
	loop_init();
	signals = signalfd(-1, set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (signals < 0)
		die("could not take signals: %s", strerror(errno));
	loop_watch(&watch, signals, EPOLLIN);
	metrics_begin(process);
	lanes_init();
	scrape_init(admin_scraped);
	serving_start(process);
	if (config.processes == 1)
		notify("READY=1");
	while (stop_by < 0 || (clients_count() > 0 && now_ms() < stop_by))
		run_once();
	log_line(LOG_LEVEL_INFO, "stopped");
	if (config.processes == 1)
		sockets_remove();
	/* connections of the database end with the process */
	_exit(0);
}

/* Start a process, which ends with its parent. */
static pid_t
start_process(const sigset_t *set, int process)
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
	serve(set, process);
	_exit(0);
}

/* The parent takes a signal, and passes it on. */
static void
pass_signal(const pid_t *pids, int signo, bool *stopping)
{
	if (signo == SIGHUP)
		config_reload();
	else if (signo == SIGUSR1)
		next_log_level();
	else if (!*stopping)
	{
		*stopping = true;
		notify("STOPPING=1");
		sockets_close(true);
	}
	for (int i = 0; i < config.processes; i++)
	{
		if (pids[i] > 0)
			(void) kill(pids[i], signo);
	}
}

/* Take processes that have ended; returns how many run. */
static int
take_ended(const sigset_t *set, pid_t *pids, bool stopping)
{
	int			running = 0;
	pid_t		pid;

	while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
	{
		for (int i = 0; i < config.processes; i++)
		{
			if (pids[i] != pid)
				continue;
			pids[i] = 0;
			if (stopping)
				continue;
			log_line(LOG_LEVEL_ERROR, "process %d ended, starting another",
					 (int) pid);
			(void) sleep(RESTART_PAUSE);
			pids[i] = start_process(set, i);
		}
	}
	for (int i = 0; i < config.processes; i++)
		running += pids[i] > 0;
	return running;
}

/* The parent: keep processes running until told to stop. */
static void
supervise(sigset_t *set)
{
	pid_t		pids[MAX_PROCESSES];
	bool		stopping = false;
	int			running = config.processes;

	sigaddset(set, SIGCHLD);
	(void) sigprocmask(SIG_BLOCK, set, NULL);
	for (int i = 0; i < config.processes; i++)
		pids[i] = start_process(set, i);
	notify("READY=1");
	while (running > 0)
	{
		int			signo = 0;

		(void) sigwait(set, &signo);
		if (signo == SIGCHLD)
			running = take_ended(set, pids, stopping);
		else
			pass_signal(pids, signo, &stopping);
	}
}

int
main(int argc, char **argv)
{
	sigset_t	set;

	config_read(argc, argv);
	address_check_trusted();
	raise_limits();
	open_signals(&set);
	metrics_init();
	sockets_open();
	if (config.processes == 1)
		serve(&set, 0);
	supervise(&set);
	sockets_remove();
	return 0;
}
