/*-------------------------------------------------------------------------
 *
 * sqs_probe.c
 *	  Looking whether an AWS server can be used, and its queues for it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"

#include "aws/client.h"
#include "sources/probe.h"
#include "text/json.h"
#include "text/rfc3339.h"

/* A message that is hidden for less may come again while it is worked on. */
#define SHORT_VISIBILITY	30

/* What the looking needs. */
typedef struct Look
{
	EvauditProbe *probe;
	EvauditHttp *http;
	EvauditAws *aws;
} Look;

/* Make a call and wait for its response. */
static EvauditAwsResponse *
call(Look *look, const char *operation, const char *body)
{
	EvauditAwsResponse *response;

	evaudit_aws_call(look->aws, operation, body, strlen(body), NULL, 0);
	while ((response = evaudit_aws_take(look->aws)) == NULL)
		(void) evaudit_http_wait(look->http, -1);
	return response;
}

/* Report a fault. */
static void
report_fault(Look *look, const char *check, const EvauditAwsResponse *response)
{
	evaudit_probe_report(look->probe, false, check, "%s%s%s", response->code,
						 response->code[0] != '\0' ? ": " : "", response->message);
}

/* Where the credentials are from.  Only the key's id is shown, its end. */
static bool
check_credentials(Look *look)
{
	char		time[EVAUDIT_RFC3339_LEN] = "";
	TimestampTz expires;
	const char *error = evaudit_aws_credentials_fetch(look->aws);
	const char *id = evaudit_aws_credentials_id(look->aws);

	if (error != NULL)
	{
		evaudit_probe_report(look->probe, false, "credentials", "%s", error);
		return false;
	}
	expires = evaudit_aws_credentials_expire_at(look->aws);
	if (expires != 0)
		(void) evaudit_rfc3339_format(expires, time);
	evaudit_probe_report(look->probe, true, "credentials",
						 "from %s, key ...%s%s%s",
						 evaudit_aws_credentials_source(look->aws),
						 strlen(id) > 4 ? id + strlen(id) - 4 : "",
						 expires != 0 ? ", expire at " : "", time);
	return true;
}

/* Who we are to AWS; not asked where only the queues' endpoint is known. */
static void
check_identity(Look *look)
{
	char	   *str;

	if (!evaudit_aws_knows_sts(look->aws))
		return;
	if (evaudit_aws_identity(look->aws, &str))
		evaudit_probe_report(look->probe, true, "identity", "%s", str);
	else
		evaudit_probe_report(look->probe, false, "identity", "%s", str);
}

/* Whether SQS responds; that queues may be listed is not needed. */
static bool
check_service(Look *look)
{
	EvauditAwsResponse *response = call(look, "ListQueues", "{\"MaxResults\":1}");
	bool		ok = response->fault == EVAUDIT_AWS_OK ||
		response->fault == EVAUDIT_AWS_DENIED;

	if (ok)
		evaudit_probe_report(look->probe, true, "service", "%s responds",
							 evaudit_aws_endpoint(look->aws));
	else
		report_fault(look, "service", response);
	evaudit_aws_release(look->aws, response);
	return ok;
}

/* The URL of a queue, or NULL after a report. */
static char *
queue_url(Look *look, const char *check, const char *queue)
{
	StringInfoData body;
	EvauditAwsResponse *response;
	const char *url = NULL;
	char	   *result = NULL;

	if (strchr(queue, '/') != NULL)
		return pstrdup(queue);
	initStringInfo(&body);
	appendStringInfoString(&body, "{\"QueueName\":");
	evaudit_json_quote(&body, queue, strlen(queue));
	appendStringInfoChar(&body, '}');
	response = call(look, "GetQueueUrl", body.data);
	if (response->fault == EVAUDIT_AWS_OK)
		url = evaudit_json_string(evaudit_json_parse(response->body,
													 response->body_len),
								  "QueueUrl");
	if (url != NULL)
		result = pstrdup(url);
	else if (response->fault != EVAUDIT_AWS_OK)
		report_fault(look, check, response);
	else
		evaudit_probe_report(look->probe, false, check,
							 "the service answered without a URL");
	evaudit_aws_release(look->aws, response);
	return result;
}

/* What is amiss with the attributes of a queue, or fit. */
static void
check_attributes(Look *look, const char *check,
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

	evaudit_probe_report(look->probe, true, check, "about %.0f messages wait",
						 waiting);
	evaudit_probe_report(look->probe, visibility >= SHORT_VISIBILITY,
						 psprintf("%s: visibility timeout", check),
						 visibility >= SHORT_VISIBILITY ? "%.0f s" :
						 "%.0f s is short: messages may come again while they are worked on",
						 visibility);
	evaudit_probe_report(look->probe, redrive != NULL,
						 psprintf("%s: redrive policy", check), "%s",
						 redrive != NULL ? redrive :
						 "there is none: what evaudit leaves in the queue comes again for as long as the queue keeps it");
}

/* Look at a queue. */
static void
check_queue(Look *look, const EvauditProbeStream *stream)
{
	char	   *check = psprintf("queue \"%s\"", stream->name);
	char	   *url = queue_url(look, check, stream->name);
	const EvauditJson *attributes;
	EvauditAwsResponse *response;
	StringInfoData body;

	if (url == NULL)
		return;
	initStringInfo(&body);
	appendStringInfoString(&body, "{\"AttributeNames\":[\"All\"],\"QueueUrl\":");
	evaudit_json_quote(&body, url, strlen(url));
	appendStringInfoChar(&body, '}');
	response = call(look, "GetQueueAttributes", body.data);
	if (response->fault != EVAUDIT_AWS_OK)
		report_fault(look, check, response);
	else
	{
		attributes = evaudit_json_get(evaudit_json_parse(response->body,
														 response->body_len),
									  "Attributes");
		check_attributes(look, check, stream, attributes);
	}
	evaudit_aws_release(look->aws, response);
}

/* Look at credentials, service and queues. */
void
evaudit_sqs_probe(EvauditProbe *probe)
{
	Look		look = {.probe = probe};
	ListCell   *lc;

	look.http = evaudit_http_open();
	look.aws = evaudit_aws_open_options(look.http, probe->options,
										probe->ambient, EVAUDIT_AWS_SQS);
	if (!check_credentials(&look))
		return;
	check_identity(&look);
	if (!check_service(&look))
		return;
	foreach(lc, probe->streams)
		check_queue(&look, lfirst(lc));
}
