/*-------------------------------------------------------------------------
 *
 * sns_sink.c
 *	  Sinks to topics of Amazon SNS.
 *
 *	  topic_arn			ARN of the topic
 *
 * Messages are those of sqs_sink.c, sent as a form and answered in XML.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "sinks/aws_sink.h"
#include "text/options.h"

/*
 * Bytes of all messages of a request, unless max_request_bytes says less; most
 * topics take fewer, which is the default.
 */
#define MAX_BYTES			(1024 * 1024)
#define USUAL_BYTES			(256 * 1024)

static const char *const own_options[] = {
	"topic_arn", "max_request_bytes", "max_requests", NULL
};

/* Read the ARN of the topic. */
static void
read_options(Jsonb *options, EvauditAwsSink *aws)
{
	const char *arn = evaudit_option_text(options, "topic_arn");

	if (arn == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"%s\" is required", "topic_arn")));
	if (!evaudit_aws_is_arn(arn, "sns", ""))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid value for option \"%s\"", "topic_arn"),
				 errhint("It must be the ARN of an SNS topic, such as arn:aws:sns:eu-west-1:123456789012:name.")));
	aws->target = arn;
	aws->fifo = strcmp(arn + strlen(arn) - 5, ".fifo") == 0;
}

/* Append a field of an entry, or of one of its attributes. */
static void
append_field(StringInfo body, int entry, const char *name, const char *value,
			 size_t len)
{
	char		field[100];

	snprintf(field, sizeof(field),
			 "PublishBatchRequestEntries.member.%d.%s", entry + 1, name);
	evaudit_aws_form_bytes(body, field, value, len);
}

/* Append the attributes of a message. */
static void
append_attributes(StringInfo body, int entry, const EvauditDelivery *delivery)
{
	int			n = 0;

	for (int i = 0; i < EVAUDIT_AWS_ATTRIBUTES; i++)
	{
		const char *name = evaudit_aws_message_attributes[i];
		const char *value = evaudit_aws_message_attribute(delivery, i);
		const char *const fields[][2] = {
			{"Name", name}, {"Value.DataType", "String"},
			{"Value.StringValue", value}
		};

		if (value == NULL)
			continue;
		n++;
		for (int f = 0; f < lengthof(fields); f++)
			append_field(body, entry,
						 psprintf("MessageAttributes.entry.%d.%s", n,
								  fields[f][0]),
						 fields[f][1], strlen(fields[f][1]));
	}
}

/* EvauditAwsOperation.write */
static void
write_messages(const EvauditAwsSink *aws, StringInfo body,
			   const EvauditAwsEntry *entries, int n)
{
	char		id[EVAUDIT_AWS_ID_BYTES];

	evaudit_aws_form_field(body, "TopicArn", aws->target);
	for (int i = 0; i < n; i++)
	{
		const EvauditDelivery *delivery = entries[i].delivery;

		snprintf(id, sizeof(id), "%d", i);
		append_field(body, i, "Id", id, strlen(id));
		append_field(body, i, "Message", delivery->body, delivery->body_len);
		append_attributes(body, i, delivery);
		if (!aws->fifo)
			continue;
		evaudit_aws_message_group(delivery, id);
		append_field(body, i, "MessageGroupId", id, strlen(id));
		evaudit_aws_message_repeat(aws, delivery, id);
		append_field(body, i, "MessageDeduplicationId", id, strlen(id));
	}
}

/* The text of an element of a member, to be shown. */
static const char *
shown_text(const char *member, const char *element, const char *otherwise,
		   size_t max)
{
	const char *found = evaudit_aws_xml_text(member, element);

	return found == NULL ? otherwise : evaudit_aws_printable(found, max);
}

/* Note the entries that a list of the response names. */
static bool
read_list(const char *list, EvauditAwsEntry *entries, int n, bool failed)
{
	const char *member;

	while (list != NULL &&
		   (member = evaudit_aws_xml_element(list, "member", &list)) != NULL)
	{
		const char *id = evaudit_aws_xml_text(member, "Id");
		EvauditAwsEntry *entry;

		if (id == NULL || id[0] < '0' || id[0] - '0' >= n || id[1] != '\0')
			return false;
		entry = &entries[id[0] - '0'];
		entry->named = true;
		if (!failed)
			continue;
		entry->failed = true;
		entry->sender_fault = strcmp(shown_text(member, "SenderFault", "", 10),
									 "true") == 0;
		entry->code = shown_text(member, "Code", "", 100);
		entry->message = shown_text(member, "Message", "failed", 300);
	}
	return true;
}

/* EvauditAwsOperation.read */
static bool
read_response(const EvauditAwsResponse *response, EvauditAwsEntry *entries,
			  int n)
{
	return read_list(evaudit_aws_xml_element(response->xml, "Successful", NULL),
					 entries, n, false) &&
		read_list(evaudit_aws_xml_element(response->xml, "Failed", NULL),
				  entries, n, true);
}

/*
 * EvauditAwsOperation.verify: ask for the topic.  Who may publish need not be
 * allowed to read attributes: SNS tells who sends to a topic that is not
 * there.
 */
static const char *
verify(EvauditAwsSink *aws)
{
	EvauditAwsResponse *response;
	StringInfoData body;
	const char *error = NULL;

	initStringInfo(&body);
	evaudit_aws_form_field(&body, "TopicArn", aws->target);
	response = evaudit_aws_perform(aws->aws, "GetTopicAttributes", body.data);
	aws->known = response->fault == EVAUDIT_AWS_OK;
	if (!aws->known && response->fault != EVAUDIT_AWS_DENIED)
		error = psprintf("topic \"%s\": %s", aws->target,
						 evaudit_aws_sink_describe(response));
	evaudit_aws_release(aws->aws, response);
	return error;
}

static const EvauditAwsOperation publish_messages = {
	.service = EVAUDIT_AWS_SNS,
	.name = "PublishBatch",
	.max_bytes = MAX_BYTES,
	.usual_bytes = USUAL_BYTES,
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
	evaudit_aws_sink_check(&publish_messages, options);
}

/* EvauditSinkKind.open */
static void *
open_sink(EvauditSink *sink, List *options)
{
	return evaudit_aws_sink_open(&publish_messages, sink, options);
}

/* EvauditSinkKind.probe */
static const char *
probe(EvauditSink *sink, List *options)
{
	return evaudit_aws_sink_probe(&publish_messages, sink, options);
}

const EvauditSinkKind evaudit_sns_sink = {
	.name = "sns",
	.wrapper = "evaudit_aws",
	.service = "sns",
	.own = own_options,
	.batch_size = EVAUDIT_SINK_BATCH_SIZE,
	.check = check,
	.read_options = evaudit_aws_read_options,
	.open = open_sink,
	.send = evaudit_aws_sink_send,
	.probe = probe,
};
