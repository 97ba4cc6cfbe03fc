/*-------------------------------------------------------------------------
 *
 * sqs_sink.c
 *	  Sinks to queues of Amazon SQS.
 *
 *	  queue				name, URL or ARN of the queue
 *
 * A message has the topic and the event's id as attributes.  In a FIFO queue
 * its group is the event's key, and what is sent again is dropped by the queue
 * for five minutes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "sinks/aws_sink.h"
#include "text/options.h"

/* Bytes of all messages of a request, as of 2025; 262144 before. */
#define MAX_BYTES			(1024 * 1024)

static const char *const own_options[] = {
	"queue", "max_request_bytes", "max_requests", NULL
};

/* Read what the queue is named by. */
static void
read_options(Jsonb *options, EvauditAwsSink *aws)
{
	const char *queue = evaudit_option_text(options, "queue");

	if (queue == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"%s\" is required", "queue")));
	evaudit_aws_read_queue(queue, &aws->queue);
	aws->target = queue;
	aws->url = aws->queue.url;
	aws->fifo = evaudit_aws_is_fifo(&aws->queue);
}

/* Append a member that is a string. */
static void
append_member(StringInfo body, const char *name, const char *value)
{
	appendStringInfo(body, "\"%s\":", name);
	evaudit_json_quote(body, value, strlen(value));
}

/* Append the attributes of a message. */
static void
append_attributes(StringInfo body, const EvauditDelivery *delivery)
{
	const char *separator = "";

	appendStringInfoString(body, ",\"MessageAttributes\":{");
	for (int i = 0; i < EVAUDIT_AWS_ATTRIBUTES; i++)
	{
		const char *value = evaudit_aws_message_attribute(delivery, i);

		if (value == NULL)
			continue;
		appendStringInfo(body, "%s\"%s\":{\"DataType\":\"String\",", separator,
						 evaudit_aws_message_attributes[i]);
		append_member(body, "StringValue", value);
		appendStringInfoChar(body, '}');
		separator = ",";
	}
	appendStringInfoChar(body, '}');
}

/* EvauditAwsOperation.write */
static void
write_messages(const EvauditAwsSink *aws, StringInfo body,
			   const EvauditAwsEntry *entries, int n)
{
	char		id[EVAUDIT_AWS_ID_BYTES];

	appendStringInfoChar(body, '{');
	append_member(body, "QueueUrl", aws->url);
	appendStringInfoString(body, ",\"Entries\":[");
	for (int i = 0; i < n; i++)
	{
		const EvauditDelivery *delivery = entries[i].delivery;

		appendStringInfo(body, "%s{\"Id\":\"%d\",\"MessageBody\":",
						 i > 0 ? "," : "", i);
		evaudit_json_quote(body, delivery->body, delivery->body_len);
		append_attributes(body, delivery);
		if (aws->fifo)
		{
			evaudit_aws_message_group(delivery, id);
			appendStringInfoChar(body, ',');
			append_member(body, "MessageGroupId", id);
			evaudit_aws_message_repeat(aws, delivery, id);
			appendStringInfoChar(body, ',');
			append_member(body, "MessageDeduplicationId", id);
		}
		appendStringInfoChar(body, '}');
	}
	appendStringInfoString(body, "]}");
}

/* Note the entries that a list of the response names. */
static bool
read_list(const EvauditJson *list, EvauditAwsEntry *entries, int n, bool failed)
{
	const EvauditJson *item;

	for (item = evaudit_json_first(list); item != NULL;
		 item = evaudit_json_next(item))
	{
		const char *code = evaudit_json_string(item, "Code");
		const char *message = evaudit_json_string(item, "Message");
		const EvauditJson *fault = evaudit_json_get(item, "SenderFault");
		double		i;

		if (!evaudit_json_number(item, "Id", &i) || !(i >= 0 && i < n))
			return false;
		entries[(int) i].named = true;
		if (!failed)
			continue;
		entries[(int) i].failed = true;
		entries[(int) i].sender_fault = evaudit_json_is_true(fault);
		entries[(int) i].code = evaudit_aws_printable(code ? code : "", 100);
		entries[(int) i].message = evaudit_aws_printable(message ? message : "failed", 300);
	}
	return true;
}

/* EvauditAwsOperation.read */
static bool
read_response(const EvauditAwsResponse *response, EvauditAwsEntry *entries,
			  int n)
{
	return read_list(evaudit_json_get(response->json, "Successful"), entries,
					 n, false) &&
		read_list(evaudit_json_get(response->json, "Failed"), entries, n, true);
}

/* What is wrong with a response of a look-up; NULL: nothing. */
static const char *
lookup_error(const EvauditAwsSink *aws, const EvauditAwsResponse *response)
{
	if (response->fault == EVAUDIT_AWS_OK)
		return NULL;
	return psprintf("queue \"%s\": %s", aws->target,
					evaudit_aws_sink_describe(response));
}

/* Find the URL of the queue. */
static const char *
find_url(EvauditAwsSink *aws)
{
	EvauditAwsResponse *response;
	StringInfoData body;
	const char *error;
	const char *url;

	error = evaudit_aws_queue_error(aws->aws, &aws->queue);
	if (error != NULL)
		return error;
	evaudit_aws_queue_lookup(&aws->queue, &body);
	response = evaudit_aws_perform(aws->aws, "GetQueueUrl", body.data);
	error = lookup_error(aws, response);
	url = evaudit_json_string(response->json, "QueueUrl");
	if (error == NULL && (url == NULL || !evaudit_aws_is_queue_url(url)))
		error = psprintf("queue \"%s\": the response has no valid QueueUrl",
						 aws->target);
	if (error == NULL && (aws->url == NULL || strcmp(aws->url, url) != 0))
		aws->url = MemoryContextStrdup(GetMemoryChunkContext(aws), url);
	evaudit_aws_release(aws->aws, response);
	return error;
}

/*
 * EvauditAwsOperation.verify: find the queue, and the size of its messages.
 * Who may send need not be allowed to read attributes.
 */
static const char *
verify(EvauditAwsSink *aws)
{
	EvauditAwsResponse *response;
	StringInfoData body;
	const char *error = NULL;
	double		bytes;

	if (aws->queue.url == NULL)
		error = find_url(aws);
	if (error != NULL)
		return error;
	initStringInfo(&body);
	appendStringInfoChar(&body, '{');
	append_member(&body, "QueueUrl", aws->url);
	appendStringInfoString(&body, ",\"AttributeNames\":[\"MaximumMessageSize\"]}");
	response = evaudit_aws_perform(aws->aws, "GetQueueAttributes", body.data);
	aws->known = response->fault == EVAUDIT_AWS_OK;
	if (aws->known &&
		evaudit_json_number(evaudit_json_get(response->json, "Attributes"),
							"MaximumMessageSize", &bytes) && bytes >= 1)
		aws->max_entry_bytes = (size_t) Min(bytes, MAX_BYTES);
	else if (response->fault != EVAUDIT_AWS_DENIED)
		error = lookup_error(aws, response);
	evaudit_aws_release(aws->aws, response);
	return error;
}

static const EvauditAwsOperation send_messages = {
	.service = EVAUDIT_AWS_SQS,
	.name = "SendMessageBatch",
	.max_bytes = MAX_BYTES,
	.usual_bytes = MAX_BYTES,
	.read_options = read_options,
	.measure = evaudit_aws_message_bytes,
	.write = write_messages,
	.read = read_response,
	.is_refusal = evaudit_aws_message_refused,
	.verify = verify,
};

/* EvauditSinkKind.check */
static void
check(Jsonb *options)
{
	evaudit_aws_sink_check(&send_messages, options);
}

/* EvauditSinkKind.open */
static void *
open_sink(EvauditSink *sink, List *options)
{
	return evaudit_aws_sink_open(&send_messages, sink, options);
}

/* EvauditSinkKind.probe */
static const char *
probe(EvauditSink *sink, List *options)
{
	return evaudit_aws_sink_probe(&send_messages, sink, options);
}

const EvauditSinkKind evaudit_sqs_sink = {
	.name = "sqs",
	.wrapper = "evaudit_aws",
	.service = "sqs",
	.own = own_options,
	.batch_size = EVAUDIT_SINK_BATCH_SIZE,
	.check = check,
	.read_options = evaudit_aws_read_options,
	.open = open_sink,
	.send = evaudit_aws_sink_send,
	.probe = probe,
};
