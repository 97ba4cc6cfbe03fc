/*-------------------------------------------------------------------------
 *
 * loop.c
 *	  One wait for everything, by epoll.
 *
 *-------------------------------------------------------------------------
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include "log.h"
#include "loop.h"

/* Events served at a time. */
#define MAX_EVENTS		64

static int	epoll = -1;

/* What epoll_wait() has returned and is not served yet. */
static struct epoll_event events[MAX_EVENTS];
static int	nevents = 0;

/* Begin. */
void
loop_init(void)
{
	epoll = epoll_create1(EPOLL_CLOEXEC);
	if (epoll < 0)
		die("could not create an epoll descriptor: %s", strerror(errno));
}

/* Microseconds of a clock that only goes forward. */
int64_t
now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t) t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* Milliseconds of the same. */
int64_t
now_ms(void)
{
	return now_us() / 1000;
}

/* Wait for events of a descriptor, which may be another one than before. */
void
loop_watch(Watch *watch, int fd, uint32_t wanted)
{
	struct epoll_event event = {.events = wanted,.data.ptr = watch};
	int			op = EPOLL_CTL_MOD;

	if (watch->events != 0 && watch->fd == fd && watch->events == wanted)
		return;
	if (watch->events == 0 || watch->fd != fd)
	{
		loop_forget(watch);
		op = EPOLL_CTL_ADD;
	}
	/* a library may have closed the descriptor and opened another like it */
	if (epoll_ctl(epoll, op, fd, &event) != 0 &&
		(op != EPOLL_CTL_MOD || errno != ENOENT ||
		 epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0))
		die("could not wait for descriptor %d: %s", fd, strerror(errno));
	watch->fd = fd;
	watch->events = wanted;
}

/* Wait for a descriptor no longer; its watch may be freed. */
void
loop_forget(Watch *watch)
{
	if (watch->events != 0)
		(void) epoll_ctl(epoll, EPOLL_CTL_DEL, watch->fd, NULL);
	watch->events = 0;
	for (int i = 0; i < nevents; i++)
	{
		if (events[i].data.ptr == watch)
			events[i].data.ptr = NULL;
	}
}

/* Wait until something happens, or some time of now_ms(); -1 for ever. */
void
loop_wait(int64_t until)
{
	int64_t		timeout = -1;

	if (until >= 0)
	{
		timeout = until - now_ms();
		if (timeout < 0)
			timeout = 0;
		else if (timeout > 60000)
			timeout = 60000;
	}
	nevents = epoll_wait(epoll, events, MAX_EVENTS, (int) timeout);
	if (nevents < 0 && errno != EINTR)
		die("could not wait: %s", strerror(errno));
	for (int i = 0; i < nevents; i++)
	{
		Watch	   *watch = events[i].data.ptr;

		if (watch != NULL)
			watch->ready(watch, events[i].events);
	}
	nevents = 0;
}
