/*-------------------------------------------------------------------------
 *
 * credentials.c
 *	  Where the keys that sign requests come from, and when they are renewed.
 *
 * They are looked for in the order that users of AWS expect, from the user
 * mapping to the machine's own role.  What is not the user mapping's belongs
 * to the server: superusers and the role evaudit.ambient_credentials_role
 * may use it.  The first place that has something to say decides; if it
 * fails there, nothing further is asked.
 *
 * Keys that expire are renewed some time before.  The old ones are used as
 * long as they are valid if that fails.  Renewing waits on the latch, and
 * nothing else of the client's owner goes on meanwhile but its requests.
 *
 * Keys are wiped when they are replaced, and are never part of a message.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/stat.h>

#include "storage/fd.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "aws/client_internal.h"
#include "text/json.h"
#include "text/rfc3339.h"

/* How long before they expire keys are renewed, and must be: milliseconds. */
#define ADVISORY		(15 * 60 * 1000)
#define MANDATORY		(10 * 60 * 1000)

/* Milliseconds until another try while there still are valid keys. */
#define RETRY_AT_EASE	(60 * 1000)
#define RETRY_SOON		(10 * 1000)
#define RETRY_REFUSED	(5 * 1000)

/* Largest file that is read. */
#define MAX_FILE		(1024 * 1024)

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
								 "the %s answered without credentials",
								 place);
	if (expires != NULL &&
		!evaudit_rfc3339_parse(expires, strlen(expires), &keys->expires))
		return evaudit_aws_fault(credentials,
								 "the %s answered with an invalid expiration",
								 place);
	return AWS_FOUND;
}

/* The user mapping. */
static AwsFound
from_mapping(AwsCredentials *credentials, AwsKeys *keys)
{
	const AwsConf *conf = credentials->conf;

	if (conf->key_id == NULL)
		return AWS_NOT_THERE;
	keys->key_id = pstrdup(conf->key_id);
	keys->secret = pstrdup(conf->secret);
	if (conf->token != NULL)
		keys->token = pstrdup(conf->token);
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

/* Web identity, as service accounts of Kubernetes have it. */
static AwsFound
from_web_identity(AwsCredentials *credentials, AwsKeys *keys)
{
	AwsRole		role = {
		.arn = evaudit_aws_variable("AWS_ROLE_ARN"),
		.session_name = evaudit_aws_variable("AWS_ROLE_SESSION_NAME")
	};
	const char *file = evaudit_aws_variable("AWS_WEB_IDENTITY_TOKEN_FILE");

	if (file == NULL)
		return AWS_NOT_THERE;
	if (role.arn == NULL)
		return evaudit_aws_fault(credentials,
								 "AWS_WEB_IDENTITY_TOKEN_FILE is set without AWS_ROLE_ARN");
	return evaudit_aws_assume_by_token(credentials, &role, file, keys);
}

/* Where to look, in this order. */
static const struct
{
	const char *name;
	bool		ambient;		/* belongs to the server */
	AwsFound	(*look) (AwsCredentials *credentials, AwsKeys *keys);
}			places[] = {
	{"user mapping", false, from_mapping},
	{"environment", true, evaudit_aws_environment},
	{"shared configuration", true, evaudit_aws_profile},
	{"web identity", true, from_web_identity},
	{"container", true, evaudit_aws_container},
	{"instance metadata", true, evaudit_aws_instance},
};

/* Look everywhere that the user may. */
static AwsFound
look_for_keys(AwsCredentials *credentials, AwsKeys *keys)
{
	for (int i = 0; i < lengthof(places); i++)
	{
		AwsFound	found;

		if (places[i].ambient && !credentials->conf->ambient)
			return evaudit_aws_fault(credentials,
									 "the user mapping has no access_key_id, and the AWS credentials of the server are for superusers and members of the role in evaudit.ambient_credentials_role");
		memset(keys, 0, sizeof(AwsKeys));
		found = places[i].look(credentials, keys);
		if (found == AWS_NOT_THERE)
			continue;
		keys->source = places[i].name;
		keys->fixed = !places[i].ambient;
		return found;
	}
	return evaudit_aws_fault(credentials,
							 "no AWS credentials were found: neither in the user mapping nor in the environment, shared configuration, web identity, container or instance metadata of the server");
}

/* Look for keys, and assume the user mapping's role with them if any. */
static AwsFound
fetch_keys(AwsCredentials *credentials, AwsKeys *keys)
{
	const AwsConf *conf = credentials->conf;
	AwsRole		role = {
		.arn = conf->role_arn,.external_id = conf->external_id,
		.session_name = conf->session_name
	};
	AwsKeys		with;
	AwsFound	found = look_for_keys(credentials, &with);

	if (found != AWS_FOUND || conf->role_arn == NULL)
	{
		*keys = with;
		return found;
	}
	memset(keys, 0, sizeof(AwsKeys));
	keys->source = "assumed role";
	return evaudit_aws_assume_role(credentials, &role, &with, keys);
}

/* Wipe a secret. */
static void
wipe(char *secret)
{
	if (secret != NULL)
		explicit_bzero(secret, strlen(secret));
}

/* Take keys into use, in place of those before. */
static void
install_keys(AwsCredentials *credentials, const AwsKeys *keys)
{
	MemoryContext context;

	wipe(credentials->keys.secret);
	wipe(credentials->keys.token);
	MemoryContextReset(credentials->context);
	context = MemoryContextSwitchTo(credentials->context);
	credentials->keys = *keys;
	credentials->keys.key_id = pstrdup(keys->key_id);
	credentials->keys.secret = pstrdup(keys->secret);
	credentials->keys.token = keys->token == NULL ? NULL :
		pstrdup(keys->token);
	MemoryContextSwitchTo(context);
	credentials->generation++;
}

/* Nothing yet. */
AwsCredentials *
evaudit_aws_credentials_open(EvauditHttp *http, const AwsConf *conf)
{
	AwsCredentials *credentials = palloc0(sizeof(AwsCredentials));

	credentials->http = http;
	credentials->conf = conf;
	credentials->context = AllocSetContextCreate(CurrentMemoryContext,
												 "evaudit AWS keys",
												 ALLOCSET_SMALL_SIZES);
	credentials->scratch = AllocSetContextCreate(CurrentMemoryContext,
												 "evaudit AWS key fetch",
												 ALLOCSET_SMALL_SIZES);
	return credentials;
}

/* Whether there are keys that have not expired. */
static bool
have_keys(const AwsCredentials *credentials, TimestampTz now)
{
	return credentials->keys.key_id != NULL &&
		(credentials->keys.expires == 0 || credentials->keys.expires > now);
}

/* Fetch keys; those that have expired already are as good as none. */
static bool
fetch_valid_keys(AwsCredentials *credentials, AwsKeys *keys, TimestampTz now)
{
	if (fetch_keys(credentials, keys) != AWS_FOUND)
		return false;
	if (keys->expires == 0 || keys->expires > now)
		return true;
	evaudit_aws_fault(credentials, "the AWS credentials of the %s have expired",
					  keys->source);
	return false;
}

/*
 * Milliseconds until keys may be fetched again: soon enough for those that
 * live for seconds, and seldom while there is no haste.
 */
static long
pause_after_fetch(const AwsCredentials *credentials, TimestampTz now)
{
	TimestampTz expires = credentials->keys.expires;
	long		left = TimestampDifferenceMilliseconds(now, expires);

	if (expires == 0)
		return RETRY_SOON;
	return Min(left / 2, left > MANDATORY ? RETRY_AT_EASE : RETRY_SOON);
}

/* Fetch keys, and say when to do so again at the earliest. */
static void
fetch(AwsCredentials *credentials, TimestampTz now)
{
	MemoryContext context = MemoryContextSwitchTo(credentials->scratch);
	AwsKeys		keys = {0};
	long		pause;

	if (fetch_valid_keys(credentials, &keys, now))
	{
		install_keys(credentials, &keys);
		credentials->failures = 0;
		credentials->refused = false;
		credentials->error[0] = '\0';
	}
	else
		credentials->failures++;
	wipe(keys.secret);
	wipe(keys.token);

	now = credentials->fetched_at = GetCurrentTimestamp();
	pause = have_keys(credentials, now) ? pause_after_fetch(credentials, now) :
		evaudit_aws_backoff(EVAUDIT_AWS_CREDENTIALS, credentials->failures);
	credentials->next_fetch = TimestampTzPlusMilliseconds(now, pause);
	MemoryContextSwitchTo(context);
	MemoryContextReset(credentials->scratch);
}

/* Whether it is time for other keys. */
static bool
are_due(const AwsCredentials *credentials, TimestampTz now)
{
	TimestampTz expires = credentials->keys.expires;

	if (credentials->keys.key_id == NULL)
		return true;
	if (credentials->keys.fixed)
		return false;
	if (credentials->refused)
		return true;
	return expires != 0 &&
		expires < TimestampTzPlusMilliseconds(now, ADVISORY);
}

/* Get keys if need be.  False if there are none; see error. */
bool
evaudit_aws_credentials_ready(AwsCredentials *credentials)
{
	TimestampTz now;

	if (credentials->keys.fixed)
		return true;
	now = GetCurrentTimestamp();
	if (are_due(credentials, now) && now >= credentials->next_fetch)
		fetch(credentials, now);
	return have_keys(credentials, GetCurrentTimestamp());
}

/*
 * The service did not take keys of a generation: others are fetched before
 * the next call, unless that has happened since.
 */
void
evaudit_aws_credentials_refused(AwsCredentials *credentials,
								uint32 generation)
{
	TimestampTz retry = TimestampTzPlusMilliseconds(credentials->fetched_at,
													RETRY_REFUSED);

	if (credentials->generation != generation)
		return;
	credentials->refused = true;
	credentials->next_fetch = Min(credentials->next_fetch, retry);
}
