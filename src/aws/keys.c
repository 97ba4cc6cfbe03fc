/*-------------------------------------------------------------------------
 *
 * keys.c
 *	  What the places that keys come from have in common: the environment,
 *	  files, JSON, and what keys may look like.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/stat.h>

#include "storage/fd.h"

#include "aws/client_internal.h"
#include "text/ascii.h"
#include "text/json.h"
#include "text/rfc3339.h"

/* Largest file that is read. */
#define MAX_FILE		(1024 * 1024)

/* Longest parts of keys, in bytes. */
#define MAX_KEY_ID		128
#define MAX_SECRET		256
#define MAX_TOKEN		16384

/* Note why there are no keys; for use in return statements. */
AwsFound
evaudit_aws_fault(AwsCredentials *credentials, const char *fmt,...)
{
	va_list		args;

	va_start(args, fmt);
	vsnprintf(credentials->error, sizeof(credentials->error), fmt, args);
	va_end(args);
	return AWS_FAILED;
}

/* A variable of the environment, or NULL if it is not there or empty. */
const char *
evaudit_aws_variable(const char *name)
{
	const char *value = getenv(name);

	return value == NULL || *value == '\0' ? NULL : value;
}

/*
 * The content of a file, or NULL; *error then says why not, and is NULL if
 * the file does not exist.
 */
char *
evaudit_aws_read_file(const char *path, const char **error)
{
	FILE	   *file = AllocateFile(path, "r");
	struct stat about;
	char	   *content;
	size_t		len;

	*error = NULL;
	if (file == NULL)
	{
		if (errno != ENOENT && errno != ENOTDIR)
			*error = psprintf("could not open file \"%s\": %m", path);
		return NULL;
	}
	if (fstat(fileno(file), &about) != 0 || !S_ISREG(about.st_mode) ||
		about.st_size > MAX_FILE)
	{
		FreeFile(file);
		*error = psprintf("\"%s\" is not a file of at most %d bytes",
						  path, MAX_FILE);
		return NULL;
	}
	content = palloc(MAX_FILE + 1);
	len = fread(content, 1, MAX_FILE, file);
	FreeFile(file);
	content[len] = '\0';
	return content;
}

/*
 * Check keys, wherever they are from: they become part of headers, and a
 * service may send anything.
 */
AwsFound
evaudit_aws_check_keys(AwsCredentials *credentials, const AwsKeys *keys)
{
	if (evaudit_is_word(keys->key_id, MAX_KEY_ID) &&
		evaudit_is_word(keys->secret, MAX_SECRET) &&
		(keys->token == NULL || evaudit_is_word(keys->token, MAX_TOKEN)))
		return AWS_FOUND;
	return evaudit_aws_fault(credentials,
							 "the AWS credentials of the %s are malformed",
							 keys->source);
}

/* Read keys from JSON as container and machine hand them out. */
AwsFound
evaudit_aws_keys_of_json(AwsCredentials *credentials, char *body, size_t len,
						 const char *place, AwsKeys *keys)
{
	EvauditJson *json = evaudit_json_parse(body, len);
	const char *expires = evaudit_json_string(json, "Expiration");

	keys->key_id = unconstify(char *, evaudit_json_string(json, "AccessKeyId"));
	keys->secret = unconstify(char *,
							  evaudit_json_string(json, "SecretAccessKey"));
	keys->token = unconstify(char *, evaudit_json_string(json, "Token"));
	if (keys->key_id == NULL || keys->secret == NULL)
		return evaudit_aws_fault(credentials,
								 "the response of the %s has no credentials",
								 place);
	if (expires != NULL &&
		!evaudit_rfc3339_parse(expires, strlen(expires), &keys->expires))
		return evaudit_aws_fault(credentials,
								 "the response of the %s has an invalid expiration",
								 place);
	return AWS_FOUND;
}

/* The environment. */
AwsFound
evaudit_aws_environment(AwsCredentials *credentials, AwsKeys *keys)
{
	const char *key_id = evaudit_aws_variable("AWS_ACCESS_KEY_ID");
	const char *secret = evaudit_aws_variable("AWS_SECRET_ACCESS_KEY");
	const char *token = evaudit_aws_variable("AWS_SESSION_TOKEN");
	const char *expires = evaudit_aws_variable("AWS_CREDENTIAL_EXPIRATION");

	if (key_id == NULL)
		return AWS_NOT_THERE;
	if (secret == NULL)
		return evaudit_aws_fault(credentials,
								 "AWS_ACCESS_KEY_ID is set without AWS_SECRET_ACCESS_KEY");
	keys->key_id = pstrdup(key_id);
	keys->secret = pstrdup(secret);
	if (token != NULL)
		keys->token = pstrdup(token);
	if (expires != NULL &&
		!evaudit_rfc3339_parse(expires, strlen(expires), &keys->expires))
		return evaudit_aws_fault(credentials,
								 "AWS_CREDENTIAL_EXPIRATION is not a time");
	return AWS_FOUND;
}
