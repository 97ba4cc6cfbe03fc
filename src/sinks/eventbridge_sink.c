/*-------------------------------------------------------------------------
 *
 * eventbridge_sink.c
 *	  Sinks to event buses of Amazon EventBridge.
 *
 *	  event_bus			name or ARN of the bus: default
 *	  source			of the events; their topic by default
 *	  detail_type		of the events: JSON
 *	  detail_id			member of the detail that gets the event's id; none
 *	  verify_bus		whether the bus must be seen to be there: true
 *
 * EventBridge answers "success" for a bus that does not exist, and drops what
 * it was sent.  So the bus is described before anything is sent, and whoever
 * may not describe it must say that he does without.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/timestamp.h"

#include "sinks/aws_sink.h"
#include "text/json_text.h"
#include "text/options.h"

/* Bytes of all entries: less than 1 MiB as of 2026, than 256 kiB before. */
#define MAX_BYTES			(1024 * 1024 - 1)

/* What the time of an entry counts for, in bytes. */
#define TIME_BYTES			14

/* Longest source and detail type, in characters. */
#define MAX_SOURCE			256
#define MAX_DETAIL_TYPE		128

/* Longest name of the member for the id, in bytes. */
#define MAX_MEMBER			64

static const char *const own_options[] = {
	"event_bus", "source", "detail_type", "detail_id", "verify_bus",
	"max_request_bytes", "max_requests", NULL
};

/* Raise an ERROR about an option. */
pg_noreturn static void
refuse_option(const char *name, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid value for option \"%s\"", name),
			 errhint("%s", hint)));
}

/* An option that is text of at most so many characters, or NULL. */
static const char *
read_text(Jsonb *options, const char *name, size_t max)
{
	const char *value = evaudit_option_text(options, name);

	if (value != NULL && (*value == '\0' || pg_mbstrlen(value) > max))
		refuse_option(name, psprintf("It must have 1 to %zu characters.", max));
	return value;
}

/* Whether AWS keeps a source for itself. */
static bool
is_reserved(const char *source)
{
	return strncmp(source, "aws.", 4) == 0;
}

/* Read the options that say how events look on the bus. */
static void
read_options(Jsonb *options, EvauditAwsSink *aws)
{
	const char *bus = evaudit_option_text(options, "event_bus");

	aws->target = bus == NULL ? "default" : bus;
	if (!evaudit_aws_is_bus_name(aws->target) &&
		!evaudit_aws_is_arn(aws->target, "events", "event-bus/"))
		refuse_option("event_bus", "It must be the name of an event bus or its ARN, such as arn:aws:events:eu-west-1:123456789012:event-bus/name.");
	aws->source = read_text(options, "source", MAX_SOURCE);
	if (aws->source != NULL && is_reserved(aws->source))
		refuse_option("source", "Sources that begin with \"aws.\" are those of AWS itself.");
	aws->detail_type = read_text(options, "detail_type", MAX_DETAIL_TYPE);
	if (aws->detail_type == NULL)
		aws->detail_type = "JSON";
	aws->detail_id = read_text(options, "detail_id", MAX_MEMBER);
	if (aws->detail_id != NULL && strpbrk(aws->detail_id, "\"\\") != NULL)
		refuse_option("detail_id", "It must be the name of a member, without quotes and backslashes.");
	aws->verify_bus = evaudit_option_bool(options, "verify_bus", true);
}

/* What the source of an event is. */
static const char *
source_of(const EvauditAwsSink *aws, const EvauditDelivery *delivery)
{
	return aws->source != NULL ? aws->source : delivery->topic;
}

/* Append the member that holds the id of an event. */
static void
append_id(const EvauditAwsSink *aws, StringInfo detail,
		  const EvauditDelivery *delivery)
{
	evaudit_json_quote(detail, aws->detail_id, strlen(aws->detail_id));
	appendStringInfoChar(detail, ':');
	evaudit_json_quote(detail, delivery->event_id, strlen(delivery->event_id));
}

/*
 * The value of the member that gets the id, if the event has one of its own;
 * NULL if not.
 */
static const char *
own_id(const EvauditAwsSink *aws, const EvauditDelivery *delivery, size_t *len)
{
	const char *value = NULL;

	if (aws->detail_id != NULL)
		(void) evaudit_json_scan_member(delivery->body, delivery->body_len,
										aws->detail_id, &value, len);
	return value;
}

/* Why an event cannot be an event of EventBridge; NULL: it can. */
static const char *
malformed(const EvauditAwsSink *aws, const EvauditDelivery *delivery)
{
	const char *value;
	size_t		len;
	StringInfoData id;

	if (strstr(delivery->content_type, "json") == NULL ||
		delivery->body_len < 2 || delivery->body[0] != '{')
		return "a detail must be a JSON object";
	if (is_reserved(source_of(aws, delivery)))
		return "sources that begin with \"aws.\" are those of AWS itself";
	value = own_id(aws, delivery, &len);
	if (value == NULL)
		return NULL;
	initStringInfo(&id);
	evaudit_json_quote(&id, delivery->event_id, strlen(delivery->event_id));
	if (len == id.len && memcmp(value, id.data, len) == 0)
		return NULL;
	return psprintf("it has a member \"%s\" that is not the event's id",
					aws->detail_id);
}

/* The detail of an event: its payload, with the id if that was asked for. */
static const char *
detail_of(const EvauditAwsSink *aws, const EvauditDelivery *delivery,
		  size_t *len)
{
	StringInfoData detail;
	const char *rest = delivery->body + 1;
	const char *end = delivery->body + delivery->body_len;
	size_t		ignored;

	*len = delivery->body_len;
	if (aws->detail_id == NULL || own_id(aws, delivery, &ignored) != NULL)
		return delivery->body;
	initStringInfo(&detail);
	appendStringInfoChar(&detail, '{');
	append_id(aws, &detail, delivery);
	while (rest < end && strchr(" \t\r\n", *rest) != NULL)
		rest++;
	if (*rest != '}')
		appendStringInfoChar(&detail, ',');
	appendBinaryStringInfo(&detail, rest, end - rest);
	*len = detail.len;
	return detail.data;
}

/* EvauditAwsOperation.measure */
static size_t
measure(const EvauditAwsSink *aws, const EvauditDelivery *delivery,
		const char **code, const char **reason)
{
	size_t		len;

	*reason = malformed(aws, delivery);
	if (*reason != NULL)
	{
		*code = "MalformedDetail";
		return 0;
	}
	(void) detail_of(aws, delivery, &len);
	return len + strlen(source_of(aws, delivery)) + strlen(aws->detail_type) +
		(delivery->event_time != 0 ? TIME_BYTES : 0);
}

/* Append a member that is a string. */
static void
append_member(StringInfo body, const char *name, const char *value, size_t len)
{
	appendStringInfo(body, "\"%s\":", name);
	evaudit_json_quote(body, value, len);
}

/* EvauditAwsOperation.write */
static void
write_entries(const EvauditAwsSink *aws, StringInfo body,
			  const EvauditAwsEntry *entries, int n)
{
	appendStringInfoString(body, "{\"Entries\":[");
	for (int i = 0; i < n; i++)
	{
		const EvauditDelivery *delivery = entries[i].delivery;
		const char *source = source_of(aws, delivery);
		size_t		len;
		const char *detail = detail_of(aws, delivery, &len);

		appendStringInfoString(body, i > 0 ? ",{" : "{");
		append_member(body, "EventBusName", aws->target, strlen(aws->target));
		appendStringInfoChar(body, ',');
		append_member(body, "Source", source, strlen(source));
		appendStringInfoChar(body, ',');
		append_member(body, "DetailType", aws->detail_type,
					  strlen(aws->detail_type));
		appendStringInfoChar(body, ',');
		append_member(body, "Detail", detail, len);
		if (delivery->event_time != 0)
			appendStringInfo(body, ",\"Time\":%lld",
							 (long long) timestamptz_to_time_t(delivery->event_time));
		appendStringInfoChar(body, '}');
	}
	appendStringInfoString(body, "]}");
}

/* EvauditAwsOperation.read: the response has one element for each entry. */
static bool
read_response(const EvauditAwsResponse *response, EvauditAwsEntry *entries,
			  int n)
{
	const EvauditJson *item =
		evaudit_json_first(evaudit_json_get(response->json, "Entries"));
	int			i;

	for (i = 0; i < n && item != NULL; i++, item = evaudit_json_next(item))
	{
		EvauditAwsEntry *entry = &entries[i];

		entry->code = evaudit_json_string(item, "ErrorCode");
		entry->message = evaudit_json_string(item, "ErrorMessage");
		entry->failed = entry->code != NULL || entry->message != NULL;
		entry->named = entry->failed ||
			evaudit_json_string(item, "EventId") != NULL;
		entry->code = evaudit_aws_printable(entry->code ? entry->code : "", 100);
		entry->message = evaudit_aws_printable(entry->message ?
											   entry->message : "failed", 300);
	}
	return i == n && item == NULL;
}

/* EvauditAwsOperation.is_refusal */
static bool
is_refusal(const EvauditAwsEntry *entry)
{
	static const char *const codes[] = {
		"MalformedDetail", "InvalidArgument", "RedactionFailure",
		"PayloadTooLarge", "RequestEntityTooLarge", NULL
	};

	for (int i = 0; codes[i] != NULL; i++)
	{
		if (strcmp(entry->code, codes[i]) == 0)
			return true;
	}
	return false;
}

/* EvauditAwsOperation.verify: ask for the bus. */
static const char *
verify(EvauditAwsSink *aws)
{
	EvauditAwsResponse *response;
	StringInfoData body;
	const char *error = NULL;

	if (!aws->verify_bus)
		return NULL;
	initStringInfo(&body);
	appendStringInfoChar(&body, '{');
	append_member(&body, "Name", aws->target, strlen(aws->target));
	appendStringInfoChar(&body, '}');
	response = evaudit_aws_perform(aws->aws, "DescribeEventBus", body.data);
	if (response->fault == EVAUDIT_AWS_MISSING)
		error = psprintf("event bus \"%s\" does not exist: %s", aws->target,
						 evaudit_aws_sink_describe(response));
	else if (response->fault == EVAUDIT_AWS_DENIED)
		error = psprintf("whether event bus \"%s\" exists cannot be known without the right to DescribeEventBus (or option \"verify_bus\": false): %s",
						 aws->target, evaudit_aws_sink_describe(response));
	else if (response->fault != EVAUDIT_AWS_OK)
		error = psprintf("DescribeEventBus of \"%s\": %s", aws->target,
						 evaudit_aws_sink_describe(response));
	else if (evaudit_json_string(response->json, "Arn") == NULL)
		error = psprintf("DescribeEventBus of \"%s\": the response has no Arn",
						 aws->target);
	else
		aws->known = true;
	evaudit_aws_release(aws->aws, response);
	return error;
}

static const EvauditAwsOperation put_events = {
	.service = EVAUDIT_AWS_EVENTS,
	.name = "PutEvents",
	.max_bytes = MAX_BYTES,
	.usual_bytes = MAX_BYTES,
	.read_options = read_options,
	.measure = measure,
	.write = write_entries,
	.read = read_response,
	.is_refusal = is_refusal,
	.verify = verify,
};

/* EvauditSinkKind.check */
static void
check(Jsonb *options)
{
	evaudit_aws_sink_check(&put_events, options);
}

/* EvauditSinkKind.open */
static void *
open_sink(EvauditSink *sink, List *options)
{
	return evaudit_aws_sink_open(&put_events, sink, options);
}

/* EvauditSinkKind.probe */
static const char *
probe(EvauditSink *sink, List *options)
{
	return evaudit_aws_sink_probe(&put_events, sink, options);
}

const EvauditSinkKind evaudit_eventbridge_sink = {
	.name = "eventbridge",
	.wrapper = "evaudit_aws",
	.service = "eventbridge",
	.own = own_options,
	.batch_size = EVAUDIT_SINK_BATCH_SIZE,
	.check = check,
	.read_options = evaudit_aws_read_options,
	.open = open_sink,
	.send = evaudit_aws_sink_send,
	.probe = probe,
};
