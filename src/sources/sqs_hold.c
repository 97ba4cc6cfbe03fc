/*-------------------------------------------------------------------------
 *
 * sqs_hold.c
 *	  Keeping the messages of a batch ours while its transaction runs.
 *
 * A function may take longer for a message than the queue hides it.  Nothing
 * of the worker's loop runs during the transaction, so a thread extends the
 * visibility of the batch's messages then, each time half of it is over (see
 * net/http_repeat.c).  What it reads, the handles of the batch and the keys,
 * stays as it is until it has stopped.
 *
 * How long a transaction took also decides how large the next batch is, and
 * whether anything is received meanwhile: a message that nobody takes is
 * hidden in vain, and one that waited for longer is not ours any more.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "sources/sqs_source.h"

/* A batch takes no more than this part of the visibility timeout, if it can. */
#define BATCH_PART			4

/* One that takes this part of it is slow; half of that, and it is not. */
#define SLOW_PART			8

/* Append to a string that has room for it. */
static char *
append(char *to, const char *from)
{
	size_t		len = strlen(from);

	memcpy(to, from, len + 1);
	return to + len;
}

/* Append a string of printable characters as JSON. */
static char *
append_quoted(char *to, const char *from)
{
	*to++ = '"';
	for (; *from != '\0'; from++)
	{
		if (*from == '"' || *from == '\\')
			*to++ = '\\';
		*to++ = *from;
	}
	*to++ = '"';
	*to = '\0';
	return to;
}

/* The body of the i-th call of a round; in the thread. */
static char *
write_body(const void *arg, int i)
{
	const SqsSource *state = arg;
	int			first = i * SQS_MAX_ENTRIES;
	int			last = Min(first + SQS_MAX_ENTRIES, state->nholding);
	size_t		room = 64 + 2 * strlen(state->url);
	char	   *body;
	char	   *to;

	if (first >= last)
		return NULL;
	for (int j = first; j < last; j++)
		room += 96 + 2 * strlen(state->held[j].handle);
	body = malloc(room);
	if (body == NULL)
		return NULL;
	to = append_quoted(append(body, "{\"QueueUrl\":"), state->url);
	to = append(to, ",\"Entries\":[");
	for (int j = first; j < last; j++)
	{
		to += sprintf(to, "%s{\"Id\":\"%d\",\"VisibilityTimeout\":%d,\"ReceiptHandle\":",
					  j > first ? "," : "", j, state->visibility);
		to = append(append_quoted(to, state->held[j].handle), "}");
	}
	append(to, "]}");
	return body;
}

/* Whether the service extended all messages of a call; in the thread. */
static const char *
check_response(const char *body)
{
	const char *failed = strstr(body, "\"Failed\"");

	if (failed == NULL)
		return NULL;
	failed = strchr(failed, '[');
	if (failed != NULL && failed[1 + strspn(failed + 1, " \t\r\n")] != ']')
		return "the service refused to hide some of them any longer";
	return NULL;
}

/* The messages' own half time, in microseconds. */
static int64
half_time(const SqsSource *state)
{
	return state->first_visibility * USECS_PER_SEC / 2;
}

/* The batch's transaction is about to begin. */
void
evaudit_sqs_hold(SqsSource *state)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz due = now + half_time(state);
	EvauditHttpRound round = {
		.body = write_body,
		.check = check_response,
		.arg = state,
		.interval = (int) (state->visibility * 1000 / 2),
	};

	state->hold_begin = now;
	state->nholding = state->nheld;
	if (state->nholding == 0)
		return;
	for (int i = 0; i < state->nheld; i++)
		due = Min(due, state->held[i].expires - half_time(state));
	round.first = TimestampDifferenceMilliseconds(now, Max(now, due));
	round.request = evaudit_aws_prepare(state->aws,
										"ChangeMessageVisibilityBatch",
										&state->hold_request);
	evaudit_http_repeat_start(state->repeat, &round);
}

/* Stop the thread, and report what it could not do. */
static void
stop_thread(SqsSource *state)
{
	char		error[256];

	if (evaudit_http_repeat_stop(state->repeat, error, sizeof(error)) ||
		state->shutting_down)
		return;
	evaudit_source_report_error(state->source,
								"could not keep messages of queue \"%s\" hidden during a transaction of %.1f s: %s",
								state->name,
								(GetCurrentTimestamp() - state->hold_begin) / 1e6,
								error);
}

/* Take the time of the transaction as the measure of the next ones. */
static void
measure(SqsSource *state)
{
	int64		visible = state->first_visibility * USECS_PER_SEC;
	int64		took = Max(state->hold_end - state->hold_begin, 1);
	int64		each = took / state->nholding;
	int64		limit;

	/* what takes longer than before counts at once, what is faster slowly */
	state->each = each > state->each ? each : (3 * state->each + each) / 4;
	limit = visible / BATCH_PART / Max(state->each, 1);
	state->batch_limit = (int) Min(Max(limit, 1), SQS_MAX_BATCH);
	if (took >= visible / SLOW_PART)
		state->slow = true;
	else if (took < visible / SLOW_PART / 2)
		state->slow = false;
}

/* The transaction is over, or the process ends. */
void
evaudit_sqs_release(SqsSource *state)
{
	if (state->nholding == 0)
		return;
	stop_thread(state);
	state->hold_end = GetCurrentTimestamp();
	measure(state);
	state->nholding = 0;
}

/*
 * Whether as little as possible is received, and only while nothing is held:
 * nothing was committed yet, or what is held takes long.
 */
bool
evaudit_sqs_is_cautious(const SqsSource *state)
{
	return !state->first_commit_done || state->slow;
}

/* Whether a slow batch must wait for calls, whose responses nobody would read. */
bool
evaudit_sqs_must_wait(const SqsSource *state, const EvauditBatch *batch)
{
	return state->slow && !evaudit_sqs_batch_full(state, batch) &&
		(state->receives > 0 ||
		 (state->deletes.pace.failures == 0 &&
		  state->deletes.nwaiting + state->deletes.ncalls > 0));
}

/*
 * Whether a call got no response because a transaction kept us from reading
 * it: which is not the service's fault.
 */
bool
evaudit_sqs_was_busy(const SqsSource *state, const SqsCall *call)
{
	return call->started < state->hold_end &&
		state->hold_end - state->hold_begin >= USECS_PER_SEC &&
		GetCurrentTimestamp() - state->hold_end < USECS_PER_SEC;
}
