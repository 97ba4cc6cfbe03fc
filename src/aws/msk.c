/*-------------------------------------------------------------------------
 *
 * msk.c
 *	  Tokens that log in at Amazon MSK by IAM.
 *
 * A token is the URL of a request to Connect, which nobody ever sends: it is
 * signed in its query by SigV4, and written in base64url.  The broker computes the
 * signature anew.  The signature is valid for a quarter of an hour, and no
 * longer than the session of the keys.
 *
 * The URL's host is that of the service in the region, whatever brokers the
 * token is sent to: whoever is given one can use it for a while.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <time.h>

#include "lib/stringinfo.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "aws/client_internal.h"
#include "crypto/digest.h"
#include "text/base64.h"

/* Seconds for which a signature is valid. */
#define LIFETIME			900

#define SERVICE				"kafka-cluster"
#define ALGORITHM			"AWS4-HMAC-SHA256"

/* The hash of a body that is empty. */
#define EMPTY_SHA256 \
	"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

struct EvauditAwsMsk
{
	MemoryContext context;		/* of all of it */
	const AwsConf *conf;
	AwsCredentials *credentials;
};

/* A source of tokens, by options as a client of AWS has them. */
EvauditAwsMsk *
evaudit_aws_msk_open(List *options, bool ambient)
{
	MemoryContext context = AllocSetContextCreate(TopMemoryContext,
												  "evaudit MSK tokens",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext previous = MemoryContextSwitchTo(context);
	EvauditAwsMsk *msk = palloc0(sizeof(EvauditAwsMsk));

	msk->context = context;
	msk->conf = evaudit_aws_conf(options, ambient);
	msk->credentials = evaudit_aws_credentials_open(evaudit_http_open(),
													msk->conf);
	MemoryContextSwitchTo(previous);
	return msk;
}

/* Close it. */
void
evaudit_aws_msk_close(EvauditAwsMsk *msk)
{
	MemoryContextDelete(msk->context);
}

/* One step of deriving the key of a signature. */
static void
derive(uint8 key[EVAUDIT_SHA256_BYTES], const char *with)
{
	uint8		next[EVAUDIT_SHA256_BYTES];

	evaudit_hmac_sha256(key, EVAUDIT_SHA256_BYTES, with, strlen(with), next);
	memcpy(key, next, sizeof(next));
}

/* Sign a string by a secret and its scope, date/region/service/aws4_request. */
static void
sign(const AwsConf *conf, const char *secret, const char *date,
	 const char *string, StringInfo result)
{
	char	   *first = psprintf("AWS4%s", secret);
	uint8		key[EVAUDIT_SHA256_BYTES];

	evaudit_hmac_sha256(first, strlen(first), date, strlen(date), key);
	explicit_bzero(first, strlen(first));
	derive(key, conf->region);
	derive(key, SERVICE);
	derive(key, "aws4_request");
	derive(key, string);
	for (int i = 0; i < EVAUDIT_SHA256_BYTES; i++)
		appendStringInfo(result, "%02x", key[i]);
	explicit_bzero(key, sizeof(key));
}

/* Write the signed query, its fields in the order of their names. */
static void
write_query(const EvauditAwsMsk *msk, time_t now, const char *host,
			StringInfo query)
{
	const AwsKeys *keys = &msk->credentials->keys;
	StringInfoData request;
	struct tm	utc;
	char		date[16];
	char		instant[32];
	char		hash[EVAUDIT_SHA256_HEX];
	char	   *scope;

	gmtime_r(&now, &utc);
	strftime(date, sizeof(date), "%Y%m%d", &utc);
	strftime(instant, sizeof(instant), "%Y%m%dT%H%M%SZ", &utc);
	scope = psprintf("%s/%s/" SERVICE "/aws4_request", date, msk->conf->region);

	evaudit_aws_form_field(query, "Action", SERVICE ":Connect");
	evaudit_aws_form_field(query, "X-Amz-Algorithm", ALGORITHM);
	evaudit_aws_form_field(query, "X-Amz-Credential",
						   psprintf("%s/%s", keys->key_id, scope));
	evaudit_aws_form_field(query, "X-Amz-Date", instant);
	evaudit_aws_form_field(query, "X-Amz-Expires", psprintf("%d", LIFETIME));
	evaudit_aws_form_field(query, "X-Amz-Security-Token", keys->token);
	evaudit_aws_form_field(query, "X-Amz-SignedHeaders", "host");

	initStringInfo(&request);
	appendStringInfo(&request, "GET\n/\n%s\nhost:%s\n\nhost\n" EMPTY_SHA256,
					 query->data, host);
	evaudit_sha256_hex(request.data, request.len, hash);
	appendStringInfoString(query, "&X-Amz-Signature=");
	sign(msk->conf, keys->secret, date,
		 psprintf(ALGORITHM "\n%s\n%s\n%s", instant, scope, hash), query);
}

/* Make a token; returns NULL, or why there is none. */
const char *
evaudit_aws_msk_token(EvauditAwsMsk *msk, char **token, TimestampTz *expires)
{
	const AwsKeys *keys = &msk->credentials->keys;
	char	   *host = psprintf("kafka.%s.amazonaws.com", msk->conf->region);
	StringInfoData query;
	char	   *url;
	TimestampTz now;

	if (!evaudit_aws_credentials_ready(msk->credentials))
		return msk->credentials->error;
	now = GetCurrentTimestamp();
	initStringInfo(&query);
	write_query(msk, timestamptz_to_time_t(now), host, &query);
	evaudit_aws_form_field(&query, "User-Agent", "evaudit");
	url = psprintf("https://%s/?%s", host, query.data);
	*token = evaudit_base64url_encode((const uint8 *) url, strlen(url));
	explicit_bzero(query.data, query.len);
	explicit_bzero(url, strlen(url));
	*expires = TimestampTzPlusMilliseconds(now, LIFETIME * 1000);
	if (keys->expires != 0)
		*expires = Min(*expires, keys->expires);
	return NULL;
}
