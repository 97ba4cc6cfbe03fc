/*-------------------------------------------------------------------------
 *
 * credentials.c
 *	  Where the keys that sign requests come from, and when they are renewed.
 *
 * They are searched for in the order that users of AWS expect, from the user
 * mapping to the machine's own role.  What is not the user mapping's belongs
 * to the server: superusers and the role evaudit.ambient_credentials_role
 * may use it.  The first place that has something to say decides; if it
 * fails there, no further place is tried.
 *
 * Keys that expire are renewed some time before.  The old ones are used as
 * long as they are valid if that fails.  Renewing waits on the latch, and
 * only the requests of the client's owner continue meanwhile.
 *
 * Keys are wiped when they are replaced, and are never part of a message.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "aws/client_internal.h"

/* How long before they expire keys are renewed, and must be: milliseconds. */
#define ADVISORY		(15 * 60 * 1000)
#define MANDATORY		(10 * 60 * 1000)

/* Milliseconds until another try while there still are valid keys. */
#define RETRY_AT_EASE	(60 * 1000)
#define RETRY_SOON		(10 * 1000)
#define RETRY_REFUSED	(5 * 1000)

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

/* The places where keys may be, in this order. */
static const struct
{
	const char *name;
	bool		ambient;		/* belongs to the server */
	AwsFound	(*fetch) (AwsCredentials *credentials, AwsKeys *keys);
}			places[] = {
	{"user mapping", false, from_mapping},
	{"environment", true, evaudit_aws_environment},
	{"shared configuration", true, evaudit_aws_profile},
	{"web identity", true, from_web_identity},
	{"container", true, evaudit_aws_container},
	{"instance metadata", true, evaudit_aws_instance},
};

/* Find keys in the places that the user may use. */
static AwsFound
find_keys(AwsCredentials *credentials, AwsKeys *keys)
{
	for (int i = 0; i < lengthof(places); i++)
	{
		AwsFound	found;

		if (places[i].ambient && !credentials->conf->ambient)
			return evaudit_aws_fault(credentials,
									 "the user mapping has no access_key_id, and the AWS credentials of the server are for superusers and members of the role in evaudit.ambient_credentials_role");
		memset(keys, 0, sizeof(AwsKeys));
		found = places[i].fetch(credentials, keys);
		if (found == AWS_NOT_THERE)
			continue;
		keys->source = places[i].name;
		keys->fixed = !places[i].ambient;
		return found == AWS_FOUND ?
			evaudit_aws_check_keys(credentials, keys) : found;
	}
	return evaudit_aws_fault(credentials,
							 "no AWS credentials were found: neither in the user mapping nor in the environment, shared configuration, web identity, container or instance metadata of the server");
}

/* Find keys, and assume the user mapping's role with them if any. */
static AwsFound
fetch_keys(AwsCredentials *credentials, AwsKeys *keys)
{
	const AwsConf *conf = credentials->conf;
	AwsRole		role = {
		.arn = conf->role_arn,.external_id = conf->external_id,
		.session_name = conf->session_name
	};
	AwsKeys		with;
	AwsFound	found = find_keys(credentials, &with);

	if (found != AWS_FOUND || conf->role_arn == NULL)
	{
		*keys = with;
		return found;
	}
	memset(keys, 0, sizeof(AwsKeys));
	keys->source = "assumed role";
	found = evaudit_aws_assume_role(credentials, &role, &with, keys);
	return found == AWS_FOUND ?
		evaudit_aws_check_keys(credentials, keys) : found;
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
	long		remaining = TimestampDifferenceMilliseconds(now, expires);

	if (expires == 0)
		return RETRY_SOON;
	return Min(remaining / 2, remaining > MANDATORY ? RETRY_AT_EASE : RETRY_SOON);
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
