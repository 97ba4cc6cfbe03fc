/*-------------------------------------------------------------------------
 *
 * names.c
 *	  What queues, topics and buses are called.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "aws/client.h"
#include "text/ascii.h"
#include "text/json.h"

/* Longest names, URLs and ARNs, in bytes. */
#define MAX_QUEUE_BYTES		80
#define MAX_URL_BYTES		1024
#define MAX_BUS_BYTES		256
#define MAX_ARN_BYTES		1600
#define MAX_ACCOUNT_BYTES	20

#define DIGITS "0123456789"
#define ALNUM "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" DIGITS

/* Whether a string has characters, and none but some, up to a suffix. */
static bool
consists_of(const char *string, const char *allowed, const char *suffix,
			size_t max)
{
	size_t		len = strlen(string);
	size_t		valid = strspn(string, allowed);

	if (suffix != NULL && strcmp(string + valid, suffix) == 0)
		valid = len;
	return len > 0 && len <= max && valid == len;
}

/* Whether this can be the name of a queue. */
static bool
is_queue_name(const char *name)
{
	return consists_of(name, ALNUM "-_", ".fifo", MAX_QUEUE_BYTES);
}

/* Whether this can be the URL of a queue. */
bool
evaudit_aws_is_queue_url(const char *url)
{
	if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
		return false;
	return evaudit_is_word(url, MAX_URL_BYTES) &&
		is_queue_name(strrchr(url, '/') + 1);
}

/* Whether this can be the name of an event bus. */
bool
evaudit_aws_is_bus_name(const char *name)
{
	return consists_of(name, ALNUM "-_./", NULL, MAX_BUS_BYTES);
}

/*
 * Whether this can be an ARN of a service, whose resource begins so: it is
 * arn:aws:events:eu-west-1:123456789012:event-bus/name, with "events" and
 * "event-bus/".
 */
bool
evaudit_aws_is_arn(const char *arn, const char *service, const char *resource)
{
	const char *field = arn;
	const char *ends[5];

	if (!evaudit_is_word(arn, MAX_ARN_BYTES))
		return false;
	for (int i = 0; i < lengthof(ends); i++)
	{
		ends[i] = strchr(field, ':');
		if (ends[i] == NULL || ends[i] == field)
			return false;
		field = ends[i] + 1;
	}
	return strncmp(arn, "arn:", 4) == 0 &&
		ends[2] - ends[1] - 1 == strlen(service) &&
		strncmp(ends[1] + 1, service, strlen(service)) == 0 &&
		strncmp(field, resource, strlen(resource)) == 0 &&
		strlen(field) > strlen(resource);
}

/* Read the URL of a queue; slashes behind its name are no part of it. */
static bool
read_url(const char *string, EvauditAwsQueue *queue)
{
	size_t		len = strlen(string);

	while (len > 0 && string[len - 1] == '/')
		len--;
	queue->url = pnstrdup(string, len);
	if (!evaudit_aws_is_queue_url(queue->url))
		return false;
	queue->name = strrchr(queue->url, '/') + 1;
	return true;
}

/* Read an ARN of a queue: arn:aws:sqs:eu-west-1:123456789012:name. */
static bool
read_arn(const char *string, EvauditAwsQueue *queue)
{
	char	   *fields = pstrdup(string);
	char	   *ends[3];

	if (!evaudit_aws_is_arn(string, "sqs", ""))
		return false;
	/* name, account and region, from behind */
	for (int i = 0; i < lengthof(ends); i++)
	{
		ends[i] = strrchr(fields, ':');
		*ends[i] = '\0';
	}
	queue->name = ends[0] + 1;
	queue->account = ends[1] + 1;
	queue->region = ends[2] + 1;
	return strchr(fields + strlen("arn:"), ':') != NULL &&
		strcmp(strrchr(fields, ':'), ":sqs") == 0 &&
		is_queue_name(queue->name) &&
		consists_of(queue->account, DIGITS, NULL, MAX_ACCOUNT_BYTES);
}

/* Read what a queue is named by; raises an ERROR if it is nothing of that. */
void
evaudit_aws_read_queue(const char *string, EvauditAwsQueue *queue)
{
	memset(queue, 0, sizeof(EvauditAwsQueue));
	queue->said = string;
	if (is_queue_name(string))
		queue->name = string;
	else if (!read_arn(string, queue) && !read_url(string, queue))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid name, URL or ARN of a queue: \"%s\"",
						string)));
}

/* Why a queue cannot be used by a client; NULL: it can. */
const char *
evaudit_aws_queue_error(const EvauditAws *aws, const EvauditAwsQueue *queue)
{
	const char *region = evaudit_aws_region(aws);

	if (queue->region == NULL || strcmp(queue->region, region) == 0)
		return NULL;
	return psprintf("queue \"%s\" is in region \"%s\", but the server is in region \"%s\"",
					queue->said, queue->region, region);
}

/* Whether a queue keeps an order. */
bool
evaudit_aws_is_fifo(const EvauditAwsQueue *queue)
{
	static const char suffix[] = ".fifo";
	size_t		len = strlen(queue->name);

	return len > strlen(suffix) &&
		strcmp(queue->name + len - strlen(suffix), suffix) == 0;
}

/* Write the body of GetQueueUrl. */
void
evaudit_aws_queue_lookup(const EvauditAwsQueue *queue, StringInfo body)
{
	initStringInfo(body);
	appendStringInfoString(body, "{\"QueueName\":");
	evaudit_json_quote(body, queue->name, strlen(queue->name));
	if (queue->account != NULL)
	{
		appendStringInfoString(body, ",\"QueueOwnerAWSAccountId\":");
		evaudit_json_quote(body, queue->account, strlen(queue->account));
	}
	appendStringInfoChar(body, '}');
}
