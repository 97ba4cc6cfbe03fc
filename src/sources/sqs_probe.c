/*-------------------------------------------------------------------------
 *
 * sqs_probe.c
 *	  Checks of an AWS server and of the queues that are read from it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"

#include "aws/client.h"
#include "sources/probe.h"
#include "sources/sqs_source.h"
#include "text/json.h"
#include "text/rfc3339.h"

/* A message that is hidden for less may come again while it is worked on. */
#define SHORT_VISIBILITY	30

/* Most bytes of a redrive policy that are shown. */
#define MAX_SHOWN			500

/* What the checks share. */
typedef struct SqsProbe
{
	EvauditProbe *probe;
	EvauditHttp *http;
	EvauditAws *aws;
} SqsProbe;

/* Report a fault. */
static void
report_fault(SqsProbe *state, const char *check, const EvauditAwsResponse *response)
{
	evaudit_probe_report(state->probe, false, check, "%s%s%s", response->code,
						 response->code[0] != '\0' ? ": " : "", response->message);
}

/* Where the credentials are from.  Only the key's id is shown, its end. */
static bool
check_credentials(SqsProbe *state)
{
	char		time[EVAUDIT_RFC3339_LEN] = "";
	TimestampTz expires;
	const char *error = evaudit_aws_credentials_fetch(state->aws);
	const char *id = evaudit_aws_credentials_id(state->aws);

	if (error != NULL)
	{
		evaudit_probe_report(state->probe, false, "credentials", "%s", error);
		return false;
	}
	expires = evaudit_aws_credentials_expire_at(state->aws);
	if (expires != 0)
		(void) evaudit_rfc3339_format(expires, time);
	evaudit_probe_report(state->probe, true, "credentials",
						 "from %s, key ...%s%s%s",
						 evaudit_aws_credentials_source(state->aws),
						 strlen(id) > 4 ? id + strlen(id) - 4 : "",
						 expires != 0 ? ", expire at " : "", time);
	return true;
}

/* Who we are to AWS; skipped where only the endpoint of SQS is known. */
static void
check_identity(SqsProbe *state)
{
	char	   *str;

	if (!evaudit_aws_knows_sts(state->aws))
		return;
	if (evaudit_aws_identity(state->aws, &str))
		evaudit_probe_report(state->probe, true, "identity", "%s", str);
	else
		evaudit_probe_report(state->probe, false, "identity", "%s", str);
}

/* Whether SQS responds; the right to list queues is not needed. */
static bool
check_service(SqsProbe *state)
{
	EvauditAwsResponse *response = evaudit_aws_perform(state->aws, "ListQueues",
													   "{\"MaxResults\":1}");
	bool		ok = response->fault == EVAUDIT_AWS_OK ||
		response->fault == EVAUDIT_AWS_DENIED;

	if (ok)
		evaudit_probe_report(state->probe, true, "service", "%s responds",
							 evaudit_aws_endpoint(state->aws));
	else
		report_fault(state, "service", response);
	evaudit_aws_release(state->aws, response);
	return ok;
}

/* The URL of a queue, or NULL after a report. */
static char *
queue_url(SqsProbe *state, const char *check, const char *said)
{
	EvauditAwsQueue queue;
	StringInfoData body;
	EvauditAwsResponse *response;
	const char *url = NULL;
	const char *error;
	char	   *result = NULL;

	evaudit_aws_read_queue(said, &queue);
	error = evaudit_aws_queue_error(state->aws, &queue);
	if (error != NULL)
	{
		evaudit_probe_report(state->probe, false, check, "%s", error);
		return NULL;
	}
	if (queue.url != NULL)
		return pstrdup(queue.url);
	evaudit_aws_queue_lookup(&queue, &body);
	response = evaudit_aws_perform(state->aws, "GetQueueUrl", body.data);
	if (response->fault == EVAUDIT_AWS_OK)
		url = evaudit_json_string(response->json, "QueueUrl");
	if (url != NULL && evaudit_aws_is_queue_url(url))
		result = pstrdup(url);
	else if (response->fault != EVAUDIT_AWS_OK)
		report_fault(state, check, response);
	else
		evaudit_probe_report(state->probe, false, check,
							 "the response has no valid QueueUrl");
	evaudit_aws_release(state->aws, response);
	return result;
}

/* Check the attributes of a queue. */
static void
check_attributes(SqsProbe *state, const char *check,
				 const EvauditProbeStream *stream, const EvauditJson *attributes)
{
	const char *redrive = evaudit_json_string(attributes, "RedrivePolicy");
	double		visibility = 0;
	double		waiting = 0;

	(void) evaudit_json_number(attributes, "VisibilityTimeout", &visibility);
	(void) evaudit_json_number(attributes, "ApproximateNumberOfMessages",
							   &waiting);
	if (stream->visibility > 0)
		visibility = stream->visibility;

	evaudit_probe_report(state->probe, true, check, "about %.0f messages wait",
						 waiting);
	evaudit_probe_report(state->probe, visibility >= SHORT_VISIBILITY,
						 psprintf("%s: visibility timeout", check),
						 visibility >= SHORT_VISIBILITY ? "%.0f s" :
						 "%.0f s is short: messages may come again while they are worked on",
						 visibility);
	evaudit_probe_report(state->probe, redrive != NULL,
						 psprintf("%s: redrive policy", check), "%s",
						 redrive != NULL ? evaudit_aws_printable(redrive, MAX_SHOWN) :
						 "there is none: a message that stays in the queue is delivered again for as long as the queue keeps it");
}

/* What the response to a batch of one entry means for that entry. */
static EvauditAwsFault
entry_fault(const EvauditAwsResponse *response)
{
	const EvauditJson *failed = evaudit_json_get(response->json, "Failed");
	const char *code = evaudit_json_string(evaudit_json_first(failed), "Code");

	return code == NULL ? response->fault : evaudit_aws_classify(code);
}

/*
 * Whether messages may be deleted, or be hidden for longer, by a call that
 * names none of them: who may not is refused before its handle is read.
 */
static void
check_right(SqsProbe *state, const char *queue, const char *url,
			const char *operation, const char *more)
{
	char	   *check = psprintf("%s: %s", queue, operation);
	EvauditAwsResponse *response;
	EvauditAwsFault fault;
	StringInfoData body;

	initStringInfo(&body);
	appendStringInfo(&body, "{\"Entries\":[{\"Id\":\"0\",\"ReceiptHandle\":\"none\"%s}],\"QueueUrl\":",
					 more);
	evaudit_json_quote(&body, url, strlen(url));
	appendStringInfoChar(&body, '}');
	response = evaudit_aws_perform(state->aws, operation, body.data);
	fault = entry_fault(response);
	if (fault == EVAUDIT_AWS_OK || fault == EVAUDIT_AWS_STALE ||
		fault == EVAUDIT_AWS_INVALID)
		evaudit_probe_report(state->probe, true, check, "allowed");
	else if (response->fault == EVAUDIT_AWS_OK)
		evaudit_probe_report(state->probe, false, check, "not allowed");
	else
		report_fault(state, check, response);
	evaudit_aws_release(state->aws, response);
}

/* Check a queue. */
static void
check_queue(SqsProbe *state, const EvauditProbeStream *stream)
{
	char	   *check = psprintf("queue \"%s\"", stream->name);
	char	   *url = queue_url(state, check, stream->name);
	const EvauditJson *attributes;
	EvauditAwsResponse *response;
	StringInfoData body;

	if (url == NULL)
		return;
	initStringInfo(&body);
	appendStringInfoString(&body, "{\"AttributeNames\":[\"All\"],\"QueueUrl\":");
	evaudit_json_quote(&body, url, strlen(url));
	appendStringInfoChar(&body, '}');
	response = evaudit_aws_perform(state->aws, "GetQueueAttributes", body.data);
	if (response->fault != EVAUDIT_AWS_OK)
		report_fault(state, check, response);
	else
	{
		attributes = evaudit_json_get(response->json, "Attributes");
		check_attributes(state, check, stream, attributes);
	}
	evaudit_aws_release(state->aws, response);
	check_right(state, check, url, "DeleteMessageBatch", "");
	check_right(state, check, url, "ChangeMessageVisibilityBatch",
				",\"VisibilityTimeout\":0");
}

/* Check credentials, service and queues. */
void
evaudit_sqs_probe(EvauditProbe *probe)
{
	SqsProbe	state = {.probe = probe};
	ListCell   *lc;

	state.http = evaudit_http_open();
	state.aws = evaudit_aws_open_options(state.http, probe->options,
										 probe->ambient, EVAUDIT_AWS_SQS);
	if (!check_credentials(&state))
		return;
	check_identity(&state);
	if (!check_service(&state))
		return;
	foreach(lc, probe->streams)
		check_queue(&state, lfirst(lc));
}
