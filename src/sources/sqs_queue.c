/*-------------------------------------------------------------------------
 *
 * sqs_queue.c
 *	  The lookup of the queue: its URL, and how long it hides what was received.
 *
 * Neither is requested again while the queue exists.  When it is gone the
 * lookup is repeated until it exists again: one made anew has the same name,
 * and may have other attributes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "sources/sqs_source.h"

/* What a received message is hidden for if the queue does not tell: AWS's
 * own default, in seconds. */
#define USUAL_VISIBILITY	30

/* Request the URL of the queue. */
static void
request_url(SqsSource *state)
{
	StringInfoData body;

	evaudit_aws_queue_lookup(state->queue, &body);
	evaudit_sqs_call(state, evaudit_sqs_new_call(state, SQS_GET_URL),
					 body.data, body.len);
	pfree(body.data);
}

/* Request the attributes of the queue. */
static void
request_attributes(SqsSource *state)
{
	StringInfoData body;

	initStringInfo(&body);
	appendStringInfoString(&body, "{\"QueueUrl\":");
	evaudit_json_quote(&body, state->url, strlen(state->url));
	appendStringInfoString(&body, ",\"AttributeNames\":[\"VisibilityTimeout\"]}");
	evaudit_sqs_call(state, evaudit_sqs_new_call(state, SQS_GET_ATTRIBUTES),
					 body.data, body.len);
	pfree(body.data);
}

/* Take the next step of the lookup. */
void
evaudit_sqs_start_lookup(SqsSource *state)
{
	state->lookup_pending = true;
	if (state->queue_state == SQS_QUEUE_UNKNOWN)
		request_url(state);
	else
		request_attributes(state);
}

/*
 * The queue is known: from now on it can be received from.  Its own time of
 * invisibility holds unless the source has an option, or it is not known.
 *
 * The response of a long wait may come when we are gone; so it hides messages
 * for a short time, which is extended like any other.  Not so in a FIFO
 * queue, where a commit that takes longer would cost the order of a group, nor
 * where payloads are fetched first.
 */
static void
make_ready(SqsSource *state, int visibility)
{
	if (state->options.visibility > 0)
		visibility = state->options.visibility;
	else if (visibility <= 0)
		visibility = USUAL_VISIBILITY;
	state->visibility = state->first_visibility = visibility;
	if (!state->fifo && state->s3 == NULL)
		state->first_visibility = Min(visibility, SQS_SHORT_VISIBILITY);
	state->queue_state = SQS_QUEUE_READY;
}

/* Take the queue's URL from a response; what is wrong with it, or NULL. */
static const char *
take_url(SqsSource *state, const EvauditJson *json)
{
	const char *url = evaudit_json_string(json, "QueueUrl");

	if (url == NULL || !evaudit_aws_is_queue_url(url))
		return "the response has no valid QueueUrl";
	if (state->url != NULL)
		pfree(state->url);
	state->url = MemoryContextStrdup(state->context, url);
	state->queue_state = SQS_QUEUE_FOUND;
	return NULL;
}

/*
 * Take the queue's visibility timeout from a response; what is wrong with it,
 * or NULL.  Who may receive need not be allowed to read attributes, and some
 * services have none.
 */
static const char *
take_attributes(SqsSource *state, const EvauditJson *json)
{
	double		visibility = 0;

	if (evaudit_json_number(evaudit_json_get(json, "Attributes"),
							"VisibilityTimeout", &visibility) &&
		!(visibility >= 0 && visibility <= SQS_MAX_VISIBILITY))
		return "the response has an invalid VisibilityTimeout";
	make_ready(state, (int) visibility);
	return NULL;
}

/* Whether the lookup can do without the attributes. */
static bool
are_attributes_denied(const SqsCall *call, const EvauditAwsResponse *response)
{
	return call->operation == SQS_GET_ATTRIBUTES &&
		(response->fault == EVAUDIT_AWS_DENIED ||
		 (response->fault == EVAUDIT_AWS_INVALID && response->status >= 400));
}

/* Handle a response of the lookup. */
void
evaudit_sqs_lookup_done(SqsSource *state, const SqsCall *call,
						const EvauditAwsResponse *response)
{
	const char *error;

	state->lookup_pending = false;
	if (are_attributes_denied(call, response))
		error = take_attributes(state, NULL);
	else if (response->fault != EVAUDIT_AWS_OK)
	{
		evaudit_sqs_failed(state, &state->pace, call, response);
		return;
	}
	else if (call->operation == SQS_GET_ATTRIBUTES)
		error = take_attributes(state, response->json);
	else
		error = take_url(state, response->json);
	if (error != NULL)
		evaudit_sqs_invalid_response(state, &state->pace, call, error);
}

/* The queue is gone: begin the lookup anew. */
void
evaudit_sqs_forget_queue(SqsSource *state)
{
	state->queue_state = state->queue->url != NULL ?
		SQS_QUEUE_FOUND : SQS_QUEUE_UNKNOWN;
}
