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

/* Longest names, URLs and ARNs, in bytes. */
#define MAX_QUEUE_BYTES		80
#define MAX_URL_BYTES		1024
#define MAX_BUS_BYTES		256
#define MAX_ARN_BYTES		1600

#define ALNUM "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

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
bool
evaudit_aws_is_queue_name(const char *name)
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
		evaudit_aws_is_queue_name(strrchr(url, '/') + 1);
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
