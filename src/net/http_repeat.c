/*-------------------------------------------------------------------------
 *
 * http_repeat.c
 *	  Requests that a thread repeats while the process is busy.
 *
 * The thread has an easy handle of its own, waits on a condition and touches
 * nothing of Postgres; it shares with the process what is in
 * EvauditHttpRepeat, under its mutex.  It is started once and ends with the
 * process.  The process only ever waits for it in stop(), for as long as
 * libcurl takes to notice that its request is given up.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <pthread.h>
#include <time.h>

#include "utils/memutils.h"

#include "net/http_call.h"
#include "net/http_repeat.h"
#include "server/threads.h"

struct EvauditHttpRepeat
{
	HttpCall   *call;			/* the thread's */
	bool		running;		/* the thread was started; the process's */

	pthread_mutex_t mutex;		/* guards what follows */
	pthread_cond_t changed;		/* some of it */
	EvauditHttpRound round;
	bool		wanted;			/* between start and stop */
	bool		busy;			/* the thread uses the round */
	char		error[256];		/* of the latest round; "": none */
};

/* The time in so many milliseconds, for a condition. */
static struct timespec
time_in(int millis)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += millis / 1000;
	t.tv_nsec += (millis % 1000) * 1000000L;
	if (t.tv_nsec >= 1000000000L)
	{
		t.tv_sec++;
		t.tv_nsec -= 1000000000L;
	}
	return t;
}

/* Whether the round is wanted yet; in the thread. */
static bool
is_wanted(EvauditHttpRepeat *repeat)
{
	bool		wanted;

	pthread_mutex_lock(&repeat->mutex);
	wanted = repeat->wanted;
	pthread_mutex_unlock(&repeat->mutex);
	return wanted;
}

/* libcurl asks from time to time whether to go on. */
static int
check_wanted(void *arg, curl_off_t dltotal, curl_off_t dlnow,
			 curl_off_t ultotal, curl_off_t ulnow)
{
	return is_wanted(arg) ? 0 : 1;
}

/* Note what is wrong, in the thread; NULL: nothing. */
static void
note_error(EvauditHttpRepeat *repeat, const char *error)
{
	pthread_mutex_lock(&repeat->mutex);
	strlcpy(repeat->error, error == NULL ? "" : error, sizeof(repeat->error));
	pthread_mutex_unlock(&repeat->mutex);
}

/* What is wrong with a response, or NULL. */
static const char *
check_response(const EvauditHttpRound *round,
			   const EvauditHttpResponse *response)
{
	if (response->fault != EVAUDIT_HTTP_OK)
		return response->error;
	if (response->status == 200)
		return round->check(response->body);
	return "the service refused the request";
}

/* Make one request; in the thread. */
static void
make_request(EvauditHttpRepeat *repeat, char *body)
{
	HttpCall   *call = repeat->call;
	EvauditHttpRequest request = *repeat->round.request;
	const char *error;
	CURLcode	code;

	request.body = body;
	request.body_len = strlen(body);
	code = evaudit_http_call_prepare(call, &request);
	if (code == CURLE_OK)
		code = curl_easy_setopt(call->easy, CURLOPT_NOPROGRESS, 0L);
	if (code == CURLE_OK)
		code = curl_easy_setopt(call->easy, CURLOPT_XFERINFOFUNCTION,
								check_wanted);
	if (code == CURLE_OK)
		code = curl_easy_setopt(call->easy, CURLOPT_XFERINFODATA, repeat);
	if (code == CURLE_OK)
		code = curl_easy_perform(call->easy);
	evaudit_http_call_finish(call, code);
	error = check_response(&repeat->round, &call->response);
	if (error != NULL && code != CURLE_ABORTED_BY_CALLBACK)
		note_error(repeat, error);
	evaudit_http_call_clear(call);
}

/* Make the requests of a round; in the thread, without the mutex. */
static void
make_round(EvauditHttpRepeat *repeat)
{
	char	   *body;

	note_error(repeat, NULL);
	for (int i = 0; is_wanted(repeat) &&
		 (body = repeat->round.body(repeat->round.arg, i)) != NULL; i++)
	{
		make_request(repeat, body);
		free(body);
	}
}

/* Wait for some time, or until the round is not wanted; with the mutex. */
static void
wait_for(EvauditHttpRepeat *repeat, int millis)
{
	struct timespec until = time_in(millis);

	while (repeat->wanted &&
		   pthread_cond_timedwait(&repeat->changed, &repeat->mutex,
								  &until) == 0)
		;
}

/* The thread's body. */
static void *
run_thread(void *arg)
{
	EvauditHttpRepeat *repeat = arg;

	pthread_mutex_lock(&repeat->mutex);
	for (;;)
	{
		while (!repeat->wanted)
			pthread_cond_wait(&repeat->changed, &repeat->mutex);
		wait_for(repeat, repeat->round.first);
		while (repeat->wanted)
		{
			repeat->busy = true;
			pthread_mutex_unlock(&repeat->mutex);
			make_round(repeat);
			pthread_mutex_lock(&repeat->mutex);
			repeat->busy = false;
			pthread_cond_broadcast(&repeat->changed);
			wait_for(repeat, repeat->round.interval);
		}
	}
	return NULL;
}

/* Prepare a thread; it is started when it is needed. */
EvauditHttpRepeat *
evaudit_http_repeat_open(void)
{
	EvauditHttpRepeat *repeat = MemoryContextAllocZero(TopMemoryContext,
													   sizeof(EvauditHttpRepeat));
	pthread_condattr_t clock;

	repeat->call = evaudit_http_call_make(TopMemoryContext);
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_mutex_init(&repeat->mutex, NULL);
	pthread_cond_init(&repeat->changed, &clock);
	pthread_condattr_destroy(&clock);
	return repeat;
}

/* Start the thread. */
static void
start_thread(EvauditHttpRepeat *repeat)
{
	pthread_t	thread;
	sigset_t	signals;
	int			failed;

	evaudit_exit_at_once();
	evaudit_block_signals(&signals);
	failed = pthread_create(&thread, NULL, run_thread, repeat);
	evaudit_unblock_signals(&signals);
	if (failed)
	{
		errno = failed;
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("could not start a thread: %m")));
	}
	pthread_detach(thread);
	repeat->running = true;
}

/* Begin to repeat; see http_repeat.h. */
void
evaudit_http_repeat_start(EvauditHttpRepeat *repeat,
						  const EvauditHttpRound *round)
{
	if (!repeat->running)
		start_thread(repeat);
	pthread_mutex_lock(&repeat->mutex);
	repeat->round = *round;
	repeat->error[0] = '\0';
	repeat->wanted = true;
	pthread_cond_broadcast(&repeat->changed);
	pthread_mutex_unlock(&repeat->mutex);
}

/* Repeat no more; see http_repeat.h. */
bool
evaudit_http_repeat_stop(EvauditHttpRepeat *repeat, char *error, size_t size)
{
	pthread_mutex_lock(&repeat->mutex);
	repeat->wanted = false;
	pthread_cond_broadcast(&repeat->changed);
	while (repeat->busy)
		pthread_cond_wait(&repeat->changed, &repeat->mutex);
	strlcpy(error, repeat->error, size);
	pthread_mutex_unlock(&repeat->mutex);
	return error[0] == '\0';
}
