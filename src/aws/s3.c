/*-------------------------------------------------------------------------
 *
 * s3.c
 *	  Objects of S3: fetched whole, or deleted.
 *
 * Requests name the bucket in their path, which each endpoint understands,
 * and have no body.  Keys are written so that nobody on the way reads them as
 * anything else; one that a URL cannot hold as it is names no object here.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"

#include "aws/client_internal.h"
#include "text/ascii.h"

/* Longest name of a bucket, and longest key, in bytes. */
#define MAX_BUCKET_BYTES	63
#define MAX_KEY_BYTES		1024

/* Whether this can be the name of a bucket. */
bool
evaudit_aws_is_bucket(const char *name)
{
	size_t		len = strlen(name);

	if (len < 3 || len > MAX_BUCKET_BYTES || !evaudit_is_alnum(name[0]))
		return false;
	return strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789.-") == len &&
		strstr(name, "..") == NULL;
}

/* Whether a path's part, of some bytes, is "." or "..". */
static bool
is_dots(const char *part, size_t len)
{
	return len > 0 && len <= 2 && strspn(part, ".") >= len;
}

/* Whether this can be a key: no part of it would be taken for a folder. */
bool
evaudit_aws_is_object_key(const char *key)
{
	size_t		len = strlen(key);

	if (len == 0 || len > MAX_KEY_BYTES)
		return false;
	for (const char *part = key;; part += strcspn(part, "/") + 1)
	{
		if (is_dots(part, strcspn(part, "/")))
			return false;
		if (part[strcspn(part, "/")] == '\0')
			return true;
	}
}

/* Write the URL of an object. */
static char *
object_url(const EvauditAws *aws, const char *bucket, const char *key)
{
	StringInfoData url;

	initStringInfo(&url);
	appendStringInfo(&url, "%s/%s/", evaudit_aws_endpoint(aws), bucket);
	for (; *key != '\0'; key++)
	{
		unsigned char c = *key;

		if (evaudit_is_alnum(c) || strchr("-_.~/", c) != NULL)
			appendStringInfoCharMacro(&url, c);
		else
			appendStringInfo(&url, "%%%02X", c);
	}
	return url.data;
}

/*
 * Fetch an object, or with "DELETE" delete it.  NULL if there are no
 * credentials; *error says why.  A response belongs to the client that is
 * given: one that is waited for is returned when it is there.
 */
EvauditHttpResponse *
evaudit_aws_object(EvauditAws *aws, EvauditHttp *http, const char *method,
				   const char *bucket, const char *key, size_t max_bytes,
				   bool wait, const char **error)
{
	EvauditAwsRequest place;
	EvauditHttpRequest *request = &place.request;

	*error = evaudit_aws_credentials_fetch(aws);
	if (*error != NULL)
		return NULL;
	(void) evaudit_aws_prepare(aws, method, &place);
	request->method = method;
	request->url = object_url(aws, bucket, key);
	request->max_bytes = max_bytes;
	return wait ? evaudit_http_perform(http, request) :
		evaudit_http_start(http, request);
}
