/*-------------------------------------------------------------------------
 *
 * http_client.c
 *	  An HTTP client for background workers, over libcurl's multi interface.
 *
 * The sockets of all requests, and a timer, are in one epoll descriptor,
 * which a WaitEventSet can wait for like any socket.  libcurl says by two
 * callbacks what it waits for; these only note it and make system calls.
 * Connections are kept and used again, no longer than http_call.c says.
 *
 * A client belongs to a memory context, whose end closes it.  Calls and
 * their easy handles are used again, but never one that failed: after a name
 * that could not be resolved, libcurl 7.88 takes no options any more, even
 * after curl_easy_reset().  libcurl resolves names in threads of its own: so
 * signals are blocked around what may start one, and the process ends by
 * _exit() (see threads.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "net/http_call.h"
#include "server/compat.h"
#include "server/threads.h"
#include "server/wait.h"

/* Most connections that are kept open. */
#define MAX_CONNECTIONS		64L

/* Most calls that are kept for later ones. */
#define MAX_IDLE_CALLS		64

/* Sockets served in one step, and turns of libcurl's own timeouts in one. */
#define STEP_EVENTS			64
#define STEP_TURNS			16

struct EvauditHttp
{
	MemoryContext context;
	CURLM	   *multi;
	int			epoll;
	int			timer;			/* a timerfd in it */
	uint64		due;			/* when libcurl wants to be called; 0: not */
	uint64		armed;			/* when the timer fires; 0: not */
	WaitEventSet *waits;
	dlist_head	running;
	dlist_head	done;			/* to be taken */
	dlist_head	idle;
	int			nidle;
	MemoryContextCallback on_reset;
};

/* Microseconds of a clock that nobody sets. */
static uint64
now_micros(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* libcurl waits for a socket, for other events than before, or no more. */
static int
watch_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
	EvauditHttp *http = arg;
	struct epoll_event event = {.data.fd = fd};

	if (what == CURL_POLL_REMOVE)
	{
		(void) epoll_ctl(http->epoll, EPOLL_CTL_DEL, fd, &event);
		curl_multi_assign(http->multi, fd, NULL);
		return 0;
	}
	if (what & CURL_POLL_IN)
		event.events |= EPOLLIN;
	if (what & CURL_POLL_OUT)
		event.events |= EPOLLOUT;
	/* the kernel has removed a descriptor that was closed */
	if (known == NULL ||
		epoll_ctl(http->epoll, EPOLL_CTL_MOD, fd, &event) != 0)
		(void) epoll_ctl(http->epoll, EPOLL_CTL_ADD, fd, &event);
	curl_multi_assign(http->multi, fd, http);
	return 0;
}

/* libcurl wants to be called after some milliseconds; -1 for no more. */
static int
note_timeout(CURLM *multi, long timeout, void *arg)
{
	EvauditHttp *http = arg;

	http->due = timeout < 0 ? 0 : now_micros() + (uint64) timeout * 1000;
	return 0;
}

/*
 * Let the timer fire when libcurl wants to be called.  One that fires too
 * early does no harm: it is cheaper than to set it for each request.
 */
static void
arm_timer(EvauditHttp *http)
{
	struct itimerspec when = {0};

	if (http->due == 0 || (http->armed != 0 && http->armed <= http->due))
		return;
	when.it_value.tv_sec = http->due / 1000000;
	when.it_value.tv_nsec = http->due % 1000000 * 1000;
	(void) timerfd_settime(http->timer, TFD_TIMER_ABSTIME, &when, NULL);
	http->armed = http->due;
}

/* Give libcurl the time that it wants. */
static void
run_due(EvauditHttp *http)
{
	int			running;

	for (int i = 0; i < STEP_TURNS; i++)
	{
		if (http->due == 0 || http->due > now_micros())
			break;
		http->due = 0;
		curl_multi_socket_action(http->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	}
	arm_timer(http);
}

/* Move a call to those that can be taken. */
static void
finish_call(EvauditHttp *http, HttpCall *call, CURLcode code)
{
	evaudit_http_call_finish(call, code);
	dlist_delete(&call->node);
	dlist_push_tail(&http->done, &call->node);
}

/* Note which requests libcurl has done with. */
static void
collect_done(EvauditHttp *http)
{
	CURLMsg    *message;
	int			remaining;

	while ((message = curl_multi_info_read(http->multi, &remaining)) != NULL)
	{
		CURL	   *easy = message->easy_handle;
		CURLcode	code = message->data.result;
		char	   *call;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(easy, CURLINFO_PRIVATE, &call);
		curl_multi_remove_handle(http->multi, easy);
		finish_call(http, (HttpCall *) call, code);
	}
}

/* Serve one descriptor of the epoll set. */
static void
serve_event(EvauditHttp *http, const struct epoll_event *event)
{
	int			what = 0;
	int			running;

	if (event->data.fd == http->timer)
	{
		uint64		expirations;

		(void) !read(http->timer, &expirations, sizeof(expirations));
		http->armed = 0;
		return;
	}
	if (event->events & EPOLLIN)
		what |= CURL_CSELECT_IN;
	if (event->events & EPOLLOUT)
		what |= CURL_CSELECT_OUT;
	if (event->events & (EPOLLERR | EPOLLHUP))
		what |= CURL_CSELECT_ERR;
	curl_multi_socket_action(http->multi, event->data.fd, what, &running);
}

/* Advance all requests as far as possible without waiting. */
void
evaudit_http_step(EvauditHttp *http)
{
	struct epoll_event events[STEP_EVENTS];
	sigset_t	signals;
	int			n;

	evaudit_block_signals(&signals);
	n = epoll_wait(http->epoll, events, STEP_EVENTS, 0);
	for (int i = 0; i < n; i++)
		serve_event(http, &events[i]);
	run_due(http);
	collect_done(http);
	evaudit_unblock_signals(&signals);
}

/* Close a client; its memory is about to go. */
static void
close_client(void *arg)
{
	EvauditHttp *http = arg;
	dlist_head *lists[] = {&http->running, &http->done, &http->idle};
	dlist_iter	iter;

	dlist_foreach(iter, &http->running)
		curl_multi_remove_handle(http->multi,
								 dlist_container(HttpCall, node, iter.cur)->easy);
	for (int i = 0; i < lengthof(lists); i++)
	{
		dlist_foreach(iter, lists[i])
			evaudit_http_call_free(dlist_container(HttpCall, node, iter.cur));
	}
	if (http->multi != NULL)
		curl_multi_cleanup(http->multi);
	if (http->waits != NULL)
		FreeWaitEventSet(http->waits);
	if (http->timer >= 0)
		close(http->timer);
	if (http->epoll >= 0)
		close(http->epoll);
}

/* Make the epoll set with its timer, and what waits for it. */
static void
open_descriptors(EvauditHttp *http)
{
	struct epoll_event event = {.events = EPOLLIN};

	http->epoll = epoll_create1(EPOLL_CLOEXEC);
	http->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	event.data.fd = http->timer;
	if (http->epoll < 0 || http->timer < 0 ||
		epoll_ctl(http->epoll, EPOLL_CTL_ADD, http->timer, &event) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("could not create an epoll descriptor: %m")));

	http->waits = evaudit_wait_set_create(http->epoll);
}

/* Start libcurl, and with it the library that it has for TLS. */
static void
start_library(void)
{
	EvauditHandlers handlers;
	CURLcode	code;

	evaudit_save_handlers(&handlers);
	code = curl_global_init(CURL_GLOBAL_DEFAULT);
	evaudit_check_handlers(&handlers, "libcurl");
	if (code != CURLE_OK)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_UNABLE_TO_CREATE_EXECUTION),
				 errmsg("could not initialize libcurl")));
}

/* A client in the current memory context; it goes with the context. */
EvauditHttp *
evaudit_http_open(void)
{
	static bool initialized = false;
	EvauditHttp *http = palloc0(sizeof(EvauditHttp));

	evaudit_exit_at_once();
	if (!initialized)
		start_library();
	initialized = true;

	http->context = CurrentMemoryContext;
	http->epoll = http->timer = -1;
	dlist_init(&http->running);
	dlist_init(&http->done);
	dlist_init(&http->idle);
	http->on_reset.func = close_client;
	http->on_reset.arg = http;
	MemoryContextRegisterResetCallback(http->context, &http->on_reset);

	open_descriptors(http);
	http->multi = curl_multi_init();
	if (http->multi == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
	curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http);
	curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, note_timeout);
	curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http);
	curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, MAX_CONNECTIONS);
	return http;
}

/* A call to use, new or not. */
static HttpCall *
get_call(EvauditHttp *http)
{
	if (dlist_is_empty(&http->idle))
		return evaudit_http_call_make(http->context);
	http->nidle--;
	return dlist_container(HttpCall, node, dlist_pop_head_node(&http->idle));
}

/* Begin a request. */
EvauditHttpResponse *
evaudit_http_start(EvauditHttp *http, const EvauditHttpRequest *request)
{
	HttpCall   *call = get_call(http);
	CURLcode	code;
	sigset_t	signals;

	dlist_push_tail(&http->running, &call->node);
	code = evaudit_http_call_prepare(call, request);
	if (code == CURLE_OK &&
		curl_multi_add_handle(http->multi, call->easy) != CURLM_OK)
		code = CURLE_OUT_OF_MEMORY;
	if (code != CURLE_OK)
		finish_call(http, call, code);
	else
	{
		/* send it at once */
		evaudit_block_signals(&signals);
		run_due(http);
		collect_done(http);
		evaudit_unblock_signals(&signals);
	}
	return &call->response;
}

/* Answer a request that is not even sent, for the owner to take. */
EvauditHttpResponse *
evaudit_http_fail(EvauditHttp *http, void *owner, void *tag)
{
	HttpCall   *call = get_call(http);

	call->response.owner = owner;
	call->response.tag = tag;
	evaudit_http_call_finish(call, CURLE_OK);
	call->response.fault = EVAUDIT_HTTP_UNSENT;
	dlist_push_tail(&http->done, &call->node);
	return &call->response;
}

/* Wait for the latch or the sockets, once; true if the latch was set. */
static bool
wait_once(EvauditHttp *http, long timeout)
{
	int			events = evaudit_wait_set(http->waits, timeout);

	if (events & EVAUDIT_WAIT_READABLE)
		evaudit_http_step(http);
	return (events & EVAUDIT_WAIT_LATCH) != 0;
}

/* Wait until there is a response, the latch is set or the time is over. */
bool
evaudit_http_wait(EvauditHttp *http, long timeout)
{
	TimestampTz end = timeout <= 0 ? 0 :
		TimestampTzPlusMilliseconds(GetCurrentTimestamp(), timeout);

	evaudit_process_interrupts();
	while (dlist_is_empty(&http->done))
	{
		if (wait_once(http, timeout) || timeout == 0)
			break;
		if (timeout > 0)
			timeout = TimestampDifferenceMilliseconds(GetCurrentTimestamp(),
													  end);
	}
	return !dlist_is_empty(&http->done);
}

/* The oldest response for an owner, or NULL. */
EvauditHttpResponse *
evaudit_http_take(EvauditHttp *http, void *owner)
{
	dlist_iter	iter;

	dlist_foreach(iter, &http->done)
	{
		HttpCall   *call = dlist_container(HttpCall, node, iter.cur);

		if (call->response.owner == owner)
		{
			dlist_delete(&call->node);
			/* until it is released, it is among those under way */
			dlist_push_tail(&http->running, &call->node);
			return &call->response;
		}
	}
	return NULL;
}

/* Send a request and wait for its response; others continue meanwhile. */
EvauditHttpResponse *
evaudit_http_perform(EvauditHttp *http, const EvauditHttpRequest *request)
{
	EvauditHttpRequest mine = *request;
	EvauditHttpResponse *response;
	bool		latch = false;

	mine.owner = &mine;
	response = evaudit_http_start(http, &mine);
	while (!((HttpCall *) response)->done)
		latch |= wait_once(http, -1);
	/* set it again for whoever else waits for it */
	if (latch)
		SetLatch(MyLatch);
	return evaudit_http_take(http, &mine);
}

/* Give a response back. */
void
evaudit_http_release(EvauditHttp *http, EvauditHttpResponse *response)
{
	HttpCall   *call = (HttpCall *) response;

	/* see the top of this file */
	bool		failed = response->fault != EVAUDIT_HTTP_OK &&
		response->fault != EVAUDIT_HTTP_UNSENT;

	dlist_delete(&call->node);
	evaudit_http_call_clear(call);
	if (failed || http->nidle >= MAX_IDLE_CALLS)
	{
		evaudit_http_call_free(call);
		pfree(call);
		return;
	}
	dlist_push_head(&http->idle, &call->node);
	http->nidle++;
}
