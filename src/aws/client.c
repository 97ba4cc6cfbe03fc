/*-------------------------------------------------------------------------
 *
 * client.c
 *	  Calls of AWS services.
 *
 * A call is a POST to the root of the endpoint; what is called is in a
 * header, or in the form of services that speak the older protocol (query.c).
 * libcurl signs it by SigV4.  In 7.88 it signs headers that it does
 * not send, so none is ever blanked, and it adds X-Amz-Date by itself.
 *
 * Credentials are made ready before a call, which may wait for whoever gives
 * them out.  If there are none the call fails without being sent.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/ilist.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/memutils.h"

#include "aws/client_internal.h"
#include "server/foreign_options.h"

/*
 * Largest response.  Ten messages are at most 1 MiB, of which escapes can make
 * six times as much, and headers of their own.
 */
#define MAX_RESPONSE		(8 * 1024 * 1024)

/* What is particular to a service. */
static const struct
{
	const char *host;			/* before the region */
	const char *name;			/* to sign for */
	const char *target;			/* before the operation; NULL: a form */
	const char *content_type;
	const char *version;		/* of a form */
}			services[] = {

	[EVAUDIT_AWS_SQS] = {
		"sqs", "sqs", "AmazonSQS.",
		"Content-Type: application/x-amz-json-1.0"
	},
	[EVAUDIT_AWS_EVENTS] = {
		"events", "events", "AWSEvents.",
		"Content-Type: application/x-amz-json-1.1"
	},
	[EVAUDIT_AWS_GLUE] = {
		"glue", "glue", "AWSGlue.",
		"Content-Type: application/x-amz-json-1.1"
	},
	/* its requests have no body, which it wants to be told */
	[EVAUDIT_AWS_S3] = {
		"s3", "s3", NULL,
		"x-amz-content-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	},
	[EVAUDIT_AWS_SNS] = {
		"sns", "sns", NULL,
		"Content-Type: application/x-www-form-urlencoded; charset=utf-8",
		"2010-03-31"
	},
};

/* A call from its start to the release of its response, then kept. */
typedef struct AwsCall
{
	EvauditAwsResponse response;	/* must be first */
	dlist_node	node;			/* of the client's running or idle */
	EvauditHttpResponse *http;
	uint32		generation;		/* of the keys that signed it */
	MemoryContext texts;		/* code and message; or NULL */
} AwsCall;

struct EvauditAws
{
	EvauditHttp *http;
	EvauditAwsService service;
	const AwsConf *conf;
	const char *endpoint;
	const char *scope;			/* what libcurl signs for */
	AwsCredentials *credentials;
	MemoryContext context;
	char	   *token_header;	/* or NULL */
	uint32		generation;		/* of the keys that it is of */
	dlist_head	running;		/* not taken yet */
	dlist_head	idle;
};

/* A client of a service for a user of a foreign server; see client.h. */
EvauditAws *
evaudit_aws_open(EvauditHttp *http, Oid server, Oid user,
				 EvauditAwsService service)
{
	return evaudit_aws_open_options(http, evaudit_aws_read_options(server, user),
									evaudit_may_use_ambient(user), service);
}

/* A client of a service by options; see client.h. */
EvauditAws *
evaudit_aws_open_options(EvauditHttp *http, List *options, bool ambient,
						 EvauditAwsService service)
{
	EvauditAws *aws = palloc0(sizeof(EvauditAws));

	aws->http = http;
	aws->service = service;
	aws->context = CurrentMemoryContext;
	aws->conf = evaudit_aws_conf(options, ambient);
	aws->endpoint = service == EVAUDIT_AWS_S3 ? aws->conf->s3_endpoint :
		aws->conf->endpoint;
	if (aws->endpoint == NULL)
		aws->endpoint = evaudit_aws_own_endpoint(aws->conf,
												 services[service].host);
	aws->scope = psprintf("aws:amz:%s:%s", aws->conf->region,
						  services[service].name);
	aws->credentials = evaudit_aws_credentials_open(http, aws->conf);
	dlist_init(&aws->running);
	dlist_init(&aws->idle);
	return aws;
}

/* A call to use, new or not. */
static AwsCall *
get_call(EvauditAws *aws)
{
	AwsCall    *call;

	if (dlist_is_empty(&aws->idle))
		return MemoryContextAllocZero(aws->context, sizeof(AwsCall));
	call = dlist_container(AwsCall, node, dlist_pop_head_node(&aws->idle));
	memset(call, 0, sizeof(AwsCall));
	return call;
}

/* The header of the session token, which changes with the keys. */
static const char *
token_header(EvauditAws *aws)
{
	AwsCredentials *credentials = aws->credentials;

	if (aws->generation == credentials->generation)
		return aws->token_header;
	if (aws->token_header != NULL)
	{
		explicit_bzero(aws->token_header, strlen(aws->token_header));
		pfree(aws->token_header);
	}
	aws->token_header = NULL;
	aws->generation = credentials->generation;
	if (credentials->keys.token != NULL)
	{
		MemoryContext context = MemoryContextSwitchTo(aws->context);

		aws->token_header = psprintf("X-Amz-Security-Token: %s",
									 credentials->keys.token);
		MemoryContextSwitchTo(context);
	}
	return aws->token_header;
}

/* A call as a request without its body; see client.h. */
const EvauditHttpRequest *
evaudit_aws_prepare(EvauditAws *aws, const char *operation,
					EvauditAwsRequest *place)
{
	EvauditHttpRequest *request = &place->request;
	int			n = 0;

	memset(place, 0, sizeof(EvauditAwsRequest));
	place->headers[n++] = services[aws->service].content_type;
	if (services[aws->service].target != NULL)
	{
		snprintf(place->target, sizeof(place->target), "X-Amz-Target: %s%s",
				 services[aws->service].target, operation);
		place->headers[n++] = place->target;
	}
	place->headers[n] = token_header(aws);
	request->owner = aws;
	request->url = aws->endpoint;
	request->headers = place->headers;
	request->sigv4 = aws->scope;
	request->key_id = aws->credentials->keys.key_id;
	request->secret = aws->credentials->keys.secret;
	request->ca_file = aws->conf->ca_file;
	request->connect_timeout = aws->conf->connect_timeout;
	request->timeout = aws->conf->request_timeout;
	request->quiet_timeout = aws->conf->request_timeout / 2;
	request->max_bytes = MAX_RESPONSE;
	return request;
}

/* Send a call. */
static void
send_call(EvauditAws *aws, AwsCall *call, const char *operation,
		  const char *body, size_t body_len, int hold)
{
	EvauditAwsRequest place;
	EvauditHttpRequest *request = &place.request;
	StringInfoData form = {0};

	(void) evaudit_aws_prepare(aws, operation, &place);
	request->tag = call;
	request->body = body;
	request->body_len = body_len;
	request->timeout += hold;
	request->quiet_timeout += hold;
	if (services[aws->service].target == NULL)
	{
		initStringInfo(&form);
		evaudit_aws_form_field(&form, "Action", operation);
		evaudit_aws_form_field(&form, "Version",
							   services[aws->service].version);
		appendStringInfo(&form, "&%s", body);
		request->body = form.data;
		request->body_len = form.len;
	}
	call->generation = aws->credentials->generation;
	call->http = evaudit_http_start(aws->http, request);
	if (form.data != NULL)
		pfree(form.data);
}

/* Make a call; see client.h. */
void
evaudit_aws_call(EvauditAws *aws, const char *operation,
				 const char *body, size_t body_len, void *tag, int hold)
{
	AwsCall    *call = get_call(aws);

	call->response.tag = tag;
	call->response.call = call;
	dlist_push_tail(&aws->running, &call->node);
	if (evaudit_aws_credentials_ready(aws->credentials))
		send_call(aws, call, operation, body, body_len, hold);
	else
		call->http = evaudit_http_fail(aws->http, aws, call);
}

/*
 * The body of a response with status 200, in the current memory context; NULL
 * if it is no JSON object.  One of no bytes is an empty object.
 */
static const EvauditJson *
parse_body(EvauditHttpResponse *http)
{
	EvauditJson *json;

	if (http->fault != EVAUDIT_HTTP_OK || http->status != 200)
		return NULL;
	if (http->body_len == 0)
		http->body_len = strlcpy(http->body, "{}", 3);	/* there is room */
	json = evaudit_json_parse(http->body, http->body_len);
	return evaudit_json_is_object(json) ? json : NULL;
}

/*
 * Whether the body of a response with status 200 is what a service answers,
 * and of which form.  Each answer in XML has the request's id.
 */
static bool
read_body(EvauditAws *aws, EvauditAwsResponse *response,
		  EvauditHttpResponse *http)
{
	char	   *id;

	response->json = NULL;
	response->xml = NULL;
	if (services[aws->service].target != NULL)
		response->json = parse_body(http);
	else if (http->fault == EVAUDIT_HTTP_OK && http->status == 200 &&
			 (id = evaudit_aws_xml_text(http->body, "RequestId")) != NULL)
	{
		pfree(id);
		response->xml = http->body;
	}
	return response->json != NULL || response->xml != NULL;
}

/* What a response to a prepared request means; see client.h. */
void
evaudit_aws_describe(EvauditAws *aws, const EvauditHttpResponse *http,
					 EvauditAwsResponse *response)
{
	evaudit_aws_classify_response(response, http);
	if (http->fault != EVAUDIT_HTTP_OK)
		response->message = psprintf("could not reach %s: %s", aws->endpoint,
									 response->message);
	else if (response->fault == EVAUDIT_AWS_CREDENTIALS)
		evaudit_aws_credentials_refused(aws->credentials,
										aws->credentials->generation);
}

/* Find out what a response means. */
static void
classify(EvauditAws *aws, AwsCall *call)
{
	MemoryContext context;
	EvauditHttpResponse *http = call->http;
	EvauditAwsResponse *response = &call->response;

	if (read_body(aws, response, http))
	{
		response->fault = EVAUDIT_AWS_OK;
		response->status = 200;
		response->code = response->message = "";
		return;
	}
	call->texts = AllocSetContextCreate(aws->context, "evaudit AWS response",
										ALLOCSET_SMALL_SIZES);
	context = MemoryContextSwitchTo(call->texts);
	evaudit_aws_classify_response(response, http);
	if (http->fault == EVAUDIT_HTTP_UNSENT)
	{
		response->fault = EVAUDIT_AWS_CREDENTIALS;
		response->message = pstrdup(aws->credentials->error);
	}
	else if (http->fault != EVAUDIT_HTTP_OK)
		response->message = psprintf("could not reach %s: %s",
									 aws->endpoint, response->message);
	else if (response->fault == EVAUDIT_AWS_CREDENTIALS)
		evaudit_aws_credentials_refused(aws->credentials, call->generation);
	MemoryContextSwitchTo(context);
}

/* The oldest response, or NULL. */
EvauditAwsResponse *
evaudit_aws_take(EvauditAws *aws)
{
	EvauditHttpResponse *http = evaudit_http_take(aws->http, aws);
	AwsCall    *call;

	if (http == NULL)
		return NULL;
	call = http->tag;
	dlist_delete(&call->node);
	classify(aws, call);
	return &call->response;
}

/* Make a call and wait for its response, while no other is under way. */
EvauditAwsResponse *
evaudit_aws_perform(EvauditAws *aws, const char *operation,
					const char *body)
{
	EvauditAwsResponse *response;

	evaudit_aws_call(aws, operation, body, strlen(body), NULL, 0);
	while ((response = evaudit_aws_take(aws)) == NULL)
		(void) evaudit_http_wait(aws->http, -1);
	/* it was reset: set it again for whoever else waits for it */
	SetLatch(MyLatch);
	return response;
}

/* Give a response back. */
void
evaudit_aws_release(EvauditAws *aws, EvauditAwsResponse *response)
{
	AwsCall    *call = response->call;

	evaudit_http_release(aws->http, call->http);
	if (call->texts != NULL)
		MemoryContextDelete(call->texts);
	dlist_push_head(&aws->idle, &call->node);
}

/* When the credentials in use expire; 0: never, or there are none. */
TimestampTz
evaudit_aws_credentials_expire_at(const EvauditAws *aws)
{
	return aws->credentials->keys.expires;
}

/* Where the credentials are from, for people. */
const char *
evaudit_aws_credentials_source(const EvauditAws *aws)
{
	return aws->credentials->keys.source;
}

/* Fetch credentials if there are none yet: NULL, or why there are none. */
const char *
evaudit_aws_credentials_fetch(EvauditAws *aws)
{
	return evaudit_aws_credentials_ready(aws->credentials) ? NULL :
		aws->credentials->error;
}

/* The id of the key in use, which is no secret; NULL if there is none. */
const char *
evaudit_aws_credentials_id(const EvauditAws *aws)
{
	return aws->credentials->keys.key_id;
}

/* Whether it is known where STS is: not if only endpoint_url says. */
bool
evaudit_aws_knows_sts(const EvauditAws *aws)
{
	return aws->conf->endpoint == NULL || aws->conf->sts_endpoint != NULL ||
		evaudit_aws_variable("AWS_ENDPOINT_URL_STS") != NULL;
}

/* Ask STS who we are: the ARN, or false and why not. */
bool
evaudit_aws_identity(EvauditAws *aws, char **str)
{
	return evaudit_aws_caller(aws->credentials, str);
}

/* The region that calls are made to. */
const char *
evaudit_aws_region(const EvauditAws *aws)
{
	return aws->conf->region;
}

/* Where calls go to. */
const char *
evaudit_aws_endpoint(const EvauditAws *aws)
{
	return aws->endpoint;
}

/* The file of the certificates that servers are checked by, or NULL. */
const char *
evaudit_aws_ca_file(const EvauditAws *aws)
{
	return aws->conf->ca_file;
}
