/*-------------------------------------------------------------------------
 *
 * sqs_payload.c
 *	  Payloads that are in S3, as Amazon's extended client puts them there: the
 *	  message has an attribute that tells, and its body points to the object.
 *
 * Who may send to the queue names the object, and the source's credentials
 * fetch it: so only buckets that the source names are read.  A message whose
 * payload cannot be had now is hidden for a while, like one whose signature
 * cannot be checked; one whose object is not there is a dead letter.
 *
 * Payloads are fetched outside of any transaction, one after the other; the
 * messages that wait meanwhile are hidden for longer first.  An object is
 * deleted after its message, if at all: as best can be, since what is left
 * behind harms nobody.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/timestamp.h"

#include "sources/sqs_source.h"

/* For how long nothing is fetched after a failure, in milliseconds. */
#define PAUSE				1000

/* Most bytes of a name that are shown. */
#define MAX_SHOWN			200

/* The attribute that tells of a payload in S3, or NULL. */
static const char *
telling_attribute(const EvauditJson *message)
{
	static const char *const names[] = {
		"ExtendedPayloadSize", "SQSLargePayloadSize"
	};
	const EvauditJson *attributes = evaudit_json_get(message,
													 "MessageAttributes");

	for (int i = 0; i < lengthof(names); i++)
	{
		if (evaudit_json_get(attributes, names[i]) != NULL)
			return names[i];
	}
	return NULL;
}

/*
 * Read ["software.amazon.payloadoffloading.PayloadS3Pointer",
 * {"s3BucketName": ..., "s3Key": ...}]; false if a body is nothing like it.
 */
static bool
read_pointer(const EvauditEvent *event, const char **bucket, const char **key)
{
	char	   *body = pnstrdup(event->payload, event->payload_len);
	EvauditJson *json = evaudit_json_parse(body, event->payload_len);
	const EvauditJson *place;

	if (json == NULL || !evaudit_json_is_array(json))
		return false;
	place = evaudit_json_next(evaudit_json_first(json));
	if (place == NULL || evaudit_json_next(place) != NULL)
		return false;
	*bucket = evaudit_json_string(place, "s3BucketName");
	*key = evaudit_json_string(place, "s3Key");
	return *bucket != NULL && *key != NULL &&
		evaudit_aws_is_object_key(*key);
}

/* Whether the source reads from a bucket. */
static bool
is_accepted(const SqsSource *state, const char *bucket)
{
	ListCell   *lc;

	foreach(lc, state->options.buckets)
	{
		if (strcmp(lfirst(lc), bucket) == 0)
			return true;
	}
	return false;
}

/* The payload was fetched: it is the event's. */
static void
take_payload(SqsSource *state, EvauditBatch *batch, EvauditEvent *event,
			 const EvauditHttpResponse *http)
{
	char	   *payload = palloc(http->body_len + 1);

	memcpy(payload, http->body, http->body_len);
	payload[http->body_len] = '\0';
	event->payload = payload;
	event->payload_len = http->body_len;
	batch->bytes += http->body_len;
	evaudit_source_check_size(state->source, event);
}

/*
 * Whether a failure is the object's, which no later attempt mends.  Who may
 * not list a bucket is denied what is not there; so what is denied again and
 * again is taken for that.
 */
static bool
is_final(const SqsSource *state, const EvauditEvent *event,
		 const EvauditAwsResponse *response)
{
	return response->status == 404 ||
		(response->fault == EVAUDIT_AWS_DENIED &&
		 event->receive_count >= state->options.max_attempts);
}

/* Handle a response; false if the payload cannot be had now. */
static bool
take_response(SqsSource *state, EvauditBatch *batch, EvauditEvent *event,
			  EvauditHttpResponse *http, const char *object,
			  const char **error)
{
	EvauditAwsResponse response = {0};

	if (http->fault == EVAUDIT_HTTP_OK && http->status == 200)
	{
		take_payload(state, batch, event, http);
		return true;
	}
	if (http->fault == EVAUDIT_HTTP_TOO_LARGE)
	{
		evaudit_event_reject(event, EVAUDIT_TOO_LARGE,
							 "payload in S3 exceeds max_event_bytes, %d",
							 state->source->max_event_bytes);
		return true;
	}
	evaudit_aws_describe(state->s3, http, &response);
	*error = psprintf("could not fetch the payload s3://%s: %s%s%s", object,
					  response.code, response.code[0] ? ": " : "",
					  response.message);
	if (!is_final(state, event, &response))
		return false;
	evaudit_event_reject(event, EVAUDIT_BAD_ENVELOPE, "%s", *error);
	return true;
}

/*
 * Fetch the payload of a message that only points to it.  False if it cannot
 * be had now; *error says why.  What can never be used is rejected.
 */
bool
evaudit_sqs_fetch_payload(SqsSource *state, EvauditBatch *batch,
						  EvauditEvent *event, SqsHeld *held,
						  const EvauditJson *message, const char **error)
{
	const char *attribute = telling_attribute(message);
	const char *bucket;
	const char *key;
	char	   *object;
	EvauditHttpResponse *http;
	bool		taken;

	if (state->s3 == NULL || attribute == NULL)
		return true;
	if (!read_pointer(event, &bucket, &key) || !is_accepted(state, bucket))
	{
		evaudit_event_reject(event, EVAUDIT_BAD_ENVELOPE,
							 "message has the attribute \"%s\", but is no pointer to an object of the source's s3_buckets",
							 attribute);
		return true;
	}
	*error = "payloads in S3 cannot be fetched now";
	if (GetCurrentTimestamp() < state->s3_not_before)
		return false;
	object = psprintf("%s/%s", bucket, evaudit_aws_printable(key, MAX_SHOWN));
	http = evaudit_aws_object(state->s3, state->http, "GET", bucket, key,
							  state->source->max_event_bytes, true, error);
	taken = http != NULL &&
		take_response(state, batch, event, http, object, error);
	if (http != NULL)
		evaudit_http_release(state->http, http);
	if (!taken)
		state->s3_not_before = TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
														   PAUSE);
	else if (state->options.delete_payloads &&
			 event->reason == EVAUDIT_ACCEPTED)
		held->object = psprintf("%s/%s", bucket, key);
	return taken;
}

/* The message of an object, bucket/key, was deleted: so is the object. */
void
evaudit_sqs_delete_payload(SqsSource *state, char *object)
{
	char	   *key = strchr(object, '/');
	const char *error;

	*key++ = '\0';
	if (evaudit_aws_object(state->s3, state->http, "DELETE", object, key, 0,
						   false, &error) == NULL && !state->shutting_down)
		evaudit_source_report_error(state->source, "%s", error);
}

/* Report deletes of objects that failed. */
void
evaudit_sqs_payloads_deleted(SqsSource *state)
{
	EvauditHttpResponse *http;

	while (state->s3 != NULL &&
		   (http = evaudit_http_take(state->http, state->s3)) != NULL)
	{
		EvauditAwsResponse response = {0};

		if (http->fault != EVAUDIT_HTTP_OK || http->status / 100 != 2)
		{
			evaudit_aws_describe(state->s3, http, &response);
			evaudit_source_report_error(state->source,
										"could not delete a payload from S3: %s%s%s",
										response.code,
										response.code[0] ? ": " : "",
										response.message);
		}
		evaudit_http_release(state->http, http);
	}
}
