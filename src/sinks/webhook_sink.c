/*-------------------------------------------------------------------------
 *
 * webhook_sink.c
 *	  Sinks to an endpoint of HTTP, as Standard Webhooks has them.
 *
 * Each event is a POST of its own, signed by the secrets of the user mapping.
 * By the status of the response it is delivered (2xx), refused for what it is,
 * tried again alone, or later with all others; 410 stops the sink.  Redirects
 * are not followed, and only public addresses are connected to, unless the
 * server's owner may use the server's own place in the network.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <time.h>

#include "commands/defrem.h"
#include "fmgr.h"

#include "crypto/digest.h"
#include "crypto/webhook.h"
#include "net/http_client.h"
#include "net/url.h"
#include "server/foreign_options.h"
#include "sinks/ready.h"
#include "sinks/sink.h"
#include "text/ascii.h"
#include "text/options.h"

PG_FUNCTION_INFO_V1(evaudit_webhook_validator);

#define MAX_URL				2048
#define MAX_RESPONSE		65536

/* Longest id of an event that is used as it is. */
#define MAX_ID				128

/* Longest wait that a response may ask for, in seconds. */
#define MAX_RETRY_AFTER		86400

static const char *const own_options[] = {"max_requests", NULL};

#define READ_MAX_REQUESTS(options) \
	evaudit_option_int(options, "max_requests", 4, 1, 64)

/* A sink at work. */
typedef struct Webhook
{
	EvauditSink *sink;
	EvauditHttp *http;
	EvauditHttpRequest request; /* what is the same for each */
	bool		allow_private;
	int			max_requests;
	EvauditWebhookSecrets secrets;
} Webhook;

/* Take the value of an option; an ERROR if it is invalid, false if unknown. */
static bool
take_option(Webhook *hook, DefElem *option)
{
	const char *name = option->defname;
	char	   *value = defGetString(option);

	if (strcmp(name, "secret") == 0)
	{
		if (!evaudit_webhook_secrets(value, &hook->secrets))
			evaudit_refuse_value(name, "A secret is whsec_ and 24 to 64 bytes in base64; up to four can have spaces between them.");
	}
	else if (strcmp(name, "url") == 0)
		hook->request.url = value;
	else if (strcmp(name, "ca_file") == 0)
		hook->request.ca_file = value;
	else if (strcmp(name, "request_timeout") == 0)
		hook->request.timeout = evaudit_millis(name, value, 100, 300000);
	else if (strcmp(name, "allow_private") == 0)
		hook->allow_private = defGetBoolean(option);
	else
		return false;
	return true;
}

/* Check the options of a server, whose owner has the rights that they need. */
static void
check_server(const Webhook *hook, Oid owner)
{
	const char *url = hook->request.url;

	if (url == NULL)
		evaudit_refuse_missing("url");
	if (!evaudit_is_word(url, MAX_URL) || !evaudit_url_is_endpoint(url) ||
		(!hook->allow_private && pg_strncasecmp(url, "https://", 8) != 0))
		evaudit_refuse_value("url", "It must be a URL without credentials, of https unless option \"allow_private\" is set.");
	if (hook->request.ca_file != NULL)
		evaudit_check_file_option("ca_file", owner);
	if (hook->allow_private)
		evaudit_check_network_option("allow_private", owner);
}

/* Check the options of a server or a user mapping. */
static void
check_options(List *options, bool user_mapping, Oid user)
{
	Webhook		hook = {0};
	ListCell   *lc;

	foreach(lc, options)
	{
		DefElem    *option = lfirst_node(DefElem, lc);
		bool		secret = strcmp(option->defname, "secret") == 0;

		if (secret && !user_mapping)
			evaudit_refuse_secret(option->defname);
		if (secret != user_mapping || !take_option(&hook, option))
			evaudit_refuse_option(option->defname, user_mapping,
								  user_mapping ? "secret" :
								  "url, allow_private, ca_file, request_timeout");
	}
	if (!user_mapping)
		check_server(&hook, user);
	explicit_bzero(&hook.secrets, sizeof(hook.secrets));
}

/* webhook_validator(options text[], catalog oid) */
Datum
evaudit_webhook_validator(PG_FUNCTION_ARGS)
{
	return evaudit_validate_options(fcinfo, check_options);
}

/* EvauditSinkKind.read_options */
List *
evaudit_webhook_read_options(Oid server, Oid user)
{
	return evaudit_server_options(server, user, check_options);
}

/* EvauditSinkKind.check */
static void
check(Jsonb *options)
{
	(void) READ_MAX_REQUESTS(options);
}

/* EvauditSinkKind.open */
static void *
open_sink(EvauditSink *sink, List *options)
{
	Webhook    *hook = palloc0(sizeof(Webhook));
	ListCell   *lc;

	foreach(lc, options)
		(void) take_option(hook, lfirst_node(DefElem, lc));
	if (hook->secrets.n == 0)
		evaudit_refuse_missing("secret");
	hook->sink = sink;
	hook->http = evaudit_http_open();
	hook->max_requests = READ_MAX_REQUESTS(sink->options);
	hook->request.owner = hook;
	hook->request.public_only = !hook->allow_private;
	hook->request.max_bytes = MAX_RESPONSE;
	return hook;
}

/* The id of an event where it can be one of a webhook, else its hash. */
static const char *
webhook_id(const EvauditDelivery *delivery)
{
	const char *id = delivery->event_id;
	char	   *hash = palloc(EVAUDIT_SHA256_HEX);

	if (evaudit_is_word(id, MAX_ID) && strchr(id, '.') == NULL)
		return id;
	evaudit_sha256_hex(id, strlen(id), hash);
	return hash;
}

/* Start the request of an event. */
static void
start_request(Webhook *hook, EvauditDelivery *delivery)
{
	const char *id = webhook_id(delivery);
	long long	now = time(NULL);
	StringInfoData signature;
	const char *headers[] = {
		psprintf("content-type: %s", delivery->content_type),
		psprintf("webhook-id: %s", id),
		psprintf("webhook-timestamp: %lld", now),
		NULL, NULL
	};

	initStringInfo(&signature);
	appendStringInfoString(&signature, "webhook-signature: ");
	evaudit_webhook_sign(&hook->secrets, id, now, delivery->body,
						 delivery->body_len, &signature);
	headers[3] = signature.data;
	hook->request.tag = delivery;
	hook->request.headers = headers;
	hook->request.body = delivery->body;
	hook->request.body_len = delivery->body_len;
	(void) evaudit_http_start(hook->http, &hook->request);
}

/*
 * Handle a response; with an error of the batch no more is sent.  Of a body
 * that is too large the status counts.
 */
static void
handle_response(EvauditReady *ready, EvauditSinkBatch *batch,
				const EvauditHttpResponse *response)
{
	EvauditDelivery *delivery = response->tag;
	bool		reached = response->fault == EVAUDIT_HTTP_OK ||
		response->fault == EVAUDIT_HTTP_TOO_LARGE;
	int			status = reached ? response->status : 0;
	int64		wait = Min(evaudit_http_retry_after(response), MAX_RETRY_AFTER);

	delivery->code = reached ? psprintf("%d", status) : NULL;
	delivery->error = reached ? psprintf("HTTP status %d%s", status,
										 status >= 300 && status < 400 ?
										 ": redirects are not followed" :
										 status == 410 ?
										 ": the endpoint wants no more events" : "") :
		psprintf("the endpoint cannot be reached: %s", response->error);
	if (status >= 200 && status < 300)
		delivery->outcome = EVAUDIT_OUTCOME_DELIVERED;
	else if (status == 400 || (status >= 413 && status <= 415) ||
			 status == 422 || status == 431)
		delivery->outcome = EVAUDIT_OUTCOME_REFUSED;
	else if (wait == 0 && (status == 409 || status == 425 || status == 500 ||
						   status == 501))
		evaudit_ready_failed(ready, delivery);
	else
	{
		batch->stop |= status == 410;
		batch->error = delivery->error;
		batch->retry_after = Max(batch->retry_after, 1000 * wait);
	}
	if (delivery->outcome != EVAUDIT_OUTCOME_PENDING)
		evaudit_ready_done(ready, delivery);
}

/* EvauditSinkKind.send */
static void
send_batch(void *state, EvauditSinkBatch *batch)
{
	Webhook    *hook = state;
	MemoryContext previous = MemoryContextSwitchTo(batch->context);
	EvauditReady *ready = evaudit_ready_make(hook->sink, batch);
	EvauditHttpResponse *response;
	EvauditDelivery *delivery;
	int			nrequests = 0;

	do
	{
		for (; batch->error == NULL && nrequests < hook->max_requests &&
			 (delivery = evaudit_ready_first(ready)) != NULL; nrequests++)
		{
			evaudit_ready_take(ready);
			start_request(hook, delivery);
		}
		if (nrequests > 0)
			(void) evaudit_http_wait(hook->http, -1);
		while ((response = evaudit_http_take(hook->http, hook)) != NULL)
		{
			handle_response(ready, batch, response);
			evaudit_http_release(hook->http, response);
			nrequests--;
		}
	} while (nrequests > 0 ||
			 (batch->error == NULL && evaudit_ready_first(ready) != NULL));
	evaudit_ready_end(ready);
	MemoryContextSwitchTo(previous);
}

/* EvauditSinkKind.probe: any response will do. */
static const char *
probe(EvauditSink *sink, List *options)
{
	Webhook    *hook = open_sink(sink, options);
	EvauditHttpResponse *response;

	hook->request.method = "HEAD";
	response = evaudit_http_perform(hook->http, &hook->request);
	return response->fault == EVAUDIT_HTTP_OK ? NULL : response->error;
}

const EvauditSinkKind evaudit_webhook_sink = {
	.name = "webhook",
	.wrapper = "evaudit_webhook",
	.own = own_options,
	.batch_size = EVAUDIT_SINK_BATCH_SIZE,
	.check = check,
	.read_options = evaudit_webhook_read_options,
	.open = open_sink,
	.send = send_batch,
	.probe = probe,
};
