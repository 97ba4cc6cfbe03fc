/*-------------------------------------------------------------------------
 *
 * sqs_depth.c
 *	  How many messages are in the queue, for stat_queues and metrics().
 *
 * One of the queue's workers asks once a minute at most, whenever it has
 * something to do anyway: a receive of an empty queue ends three times a
 * minute.  Nothing depends on the response, so that its failure is no error of
 * the source: who may receive need not be allowed to read attributes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "sources/queue_status.h"
#include "sources/sqs_source.h"

/* Seconds between two calls. */
#define MEASURE_INTERVAL	60

/* More messages than a queue can have. */
#define MAX_MESSAGES		1e15

/* Whether this worker is the one of its queue's that asks. */
static bool
is_first_of_queue(const SqsSource *state)
{
	return state->source->process->number <
		list_length(state->options.queues);
}

/* Ask how many messages there are, if that is due. */
void
evaudit_sqs_start_measure(SqsSource *state, TimestampTz now)
{
	StringInfoData body;

	if (state->measuring || state->shutting_down || now < state->measure_at ||
		!is_first_of_queue(state))
		return;
	state->measuring = true;
	state->measure_at = now + MEASURE_INTERVAL * USECS_PER_SEC;
	initStringInfo(&body);
	appendStringInfoString(&body, "{\"QueueUrl\":");
	evaudit_json_quote(&body, state->url, strlen(state->url));
	appendStringInfoString(&body, ",\"AttributeNames\":["
						   "\"ApproximateNumberOfMessages\","
						   "\"ApproximateNumberOfMessagesNotVisible\","
						   "\"ApproximateNumberOfMessagesDelayed\"]}");
	evaudit_sqs_call(state, evaudit_sqs_new_call(state, SQS_MEASURE),
					 body.data, body.len);
	pfree(body.data);
}

/* A number of messages in a response; 0 if it has none that can be. */
static int64
read_number(const EvauditJson *attributes, const char *name)
{
	double		number = 0;

	if (!evaudit_json_number(attributes, name, &number) ||
		!(number >= 0 && number <= MAX_MESSAGES))
		return 0;
	return (int64) number;
}

/* Show what a response says. */
void
evaudit_sqs_measured(SqsSource *state, const EvauditAwsResponse *response)
{
	const EvauditJson *attributes = evaudit_json_get(response->json,
													 "Attributes");
	EvauditQueueDepth depth;

	state->measuring = false;
	if (response->fault != EVAUDIT_AWS_OK || attributes == NULL)
		return;
	depth.visible = read_number(attributes, "ApproximateNumberOfMessages");
	depth.in_flight =
		read_number(attributes, "ApproximateNumberOfMessagesNotVisible");
	depth.delayed =
		read_number(attributes, "ApproximateNumberOfMessagesDelayed");
	evaudit_show_queue(state->source->id, state->name, &depth);
}
