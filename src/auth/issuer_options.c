/*-------------------------------------------------------------------------
 *
 * issuer_options.c
 *	  The options of an issuer, checked.
 *
 * The options that hold keys are taken out before the rest is kept: what is
 * stored of keys is what issuer_keys.c makes of them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "auth/issuer.h"
#include "text/options.h"

/* Longest clock_skew, milliseconds. */
#define MAX_CLOCK_SKEW		86400000

/* How often keys are fetched, milliseconds. */
#define REFRESH_INTERVAL		3600000
#define MIN_REFRESH_INTERVAL	1000
#define MAX_REFRESH_INTERVAL	604800000

/* The least time between two fetches, whatever tokens come in, likewise. */
#define REFRESH_COOLDOWN		60000
#define MIN_REFRESH_COOLDOWN	1000
#define MAX_REFRESH_COOLDOWN	3600000

/* More than a member of jsonb takes besides its name and value, in bytes. */
#define MEMBER_BYTES			16

static const char *const known_options[] = {
	"issuer", "audience", "algorithms", "jwks", "pem", "keys", "jwks_url",
	"ca_file", "refresh_interval", "refresh_cooldown", "clock_skew",
	"numeric_sub", "require_exp", "token_url", NULL
};

static const char *const key_options[] = {
	"jwks", "pem", "keys", "jwks_url", NULL
};

/* Whether an option holds keys, which are stored apart from the options. */
static bool
is_key_document(const char *name, int len)
{
	for (int i = 0; key_options[i] != NULL; i++)
	{
		if (strlen(key_options[i]) == len &&
			memcmp(key_options[i], name, len) == 0)
			return strcmp(key_options[i], "jwks_url") != 0;
	}
	return false;
}

/* The option that says where keys come from; an ERROR if there are two. */
const char *
evaudit_issuer_key_option(Jsonb *options)
{
	const char *found = NULL;

	for (int i = 0; key_options[i] != NULL; i++)
	{
		if (evaudit_option_value(options, key_options[i]) == NULL)
			continue;
		if (found != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("options \"%s\" and \"%s\" are mutually exclusive",
							found, key_options[i])));
		found = key_options[i];
	}
	return found;
}

/* The option "algorithms": all that there are unless it is given. */
static uint32
algorithm_set(Jsonb *options)
{
	List	   *names = evaudit_option_texts(options, "algorithms");
	ListCell   *lc;
	uint32		set = 0;

	for (int i = EVAUDIT_FIRST_ALGORITHM;
		 names == NIL && i <= EVAUDIT_LAST_ALGORITHM; i++)
		set |= EVAUDIT_ALGORITHM_BIT(i);
	foreach(lc, names)
	{
		const char *name = lfirst(lc);
		EvauditAlgorithm algorithm;

		algorithm = evaudit_algorithm_from_name(name, strlen(name));
		if (algorithm == EVAUDIT_ALG_UNKNOWN)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("algorithm \"%s\" of an issuer is not supported",
							name),
					 errdetail("Tokens without a signature, and those signed with a shared secret, are never accepted."),
					 errhint("Algorithms are RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512 and EdDSA, or Ed25519.")));
		set |= EVAUDIT_ALGORITHM_BIT(algorithm);
	}
	return set;
}

/* The option "clock_skew": an interval, or a number of seconds. */
static double
clock_skew(Jsonb *options)
{
	JsonbValue *value = evaudit_option_value(options, "clock_skew");

	if (value != NULL && value->type == jbvNumeric)
		return evaudit_option_int(options, "clock_skew", 0,
								  0, MAX_CLOCK_SKEW / 1000);
	return evaudit_option_millis(options, "clock_skew", 0,
								 0, MAX_CLOCK_SKEW) / 1000.0;
}

/*
 * An option that is a URL of one of the schemes, without white space or a
 * password in it, or NULL if it is not given.
 */
static char *
option_url(Jsonb *options, const char *name, const char *const *schemes)
{
	char	   *url = evaudit_option_text(options, name);
	const char *host = NULL;
	bool		valid = true;

	if (url == NULL)
		return NULL;
	for (int i = 0; host == NULL && schemes[i] != NULL; i++)
	{
		if (pg_strncasecmp(url, schemes[i], strlen(schemes[i])) == 0)
			host = url + strlen(schemes[i]);
	}
	for (const unsigned char *p = (unsigned char *) url; *p != '\0'; p++)
		valid &= *p > ' ' && *p != 0x7f && *p != '\\';
	if (host == NULL || !valid || strspn(host, "/?#@:") > 0 || *host == '\0' ||
		memchr(host, '@', strcspn(host, "/?#")) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"%s\" must be a URL that begins with \"%s\" and names no user",
						name, schemes[0])));
	return url;
}

/*
 * Refuse options that are too large to be read back (issuer_row.c); those that
 * hold keys are not stored among them, so they are not counted.
 */
static void
check_size(Jsonb *options)
{
	JsonbIterator *it = JsonbIteratorInit(&options->root);
	JsonbIteratorToken token;
	JsonbValue	v;
	bool		counted = false;
	size_t		bytes = MEMBER_BYTES;

	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
		{
			counted = !is_key_document(v.val.string.val, v.val.string.len);
			bytes += v.val.string.len + MEMBER_BYTES;
		}
		else if (token == WJB_VALUE && counted && v.type == jbvString)
			bytes += v.val.string.len;
		else if (token == WJB_VALUE && counted && v.type == jbvBinary)
			bytes += v.val.binary.len;
	}
	if (bytes > EVAUDIT_MAX_ISSUER_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("options of an issuer must have at most %d bytes",
						EVAUDIT_MAX_ISSUER_BYTES),
				 errdetail("Keys that are given are not counted.")));
}

/* Compile all options but those that hold keys; an ERROR if one is invalid. */
EvauditIssuer *
evaudit_issuer_compile(const char *name, Jsonb *options)
{
	static const char *const fetched[] = {"https://", NULL};
	static const char *const shown[] = {"https://", "http://", NULL};
	EvauditIssuer *issuer = palloc0(sizeof(EvauditIssuer));

	evaudit_options_check_object(options);
	evaudit_options_check_names(options, known_options);
	check_size(options);
	issuer->name = pstrdup(name);
	issuer->issuer = evaudit_option_text(options, "issuer");
	issuer->audiences = evaudit_option_texts(options, "audience");
	issuer->algorithms = algorithm_set(options);
	issuer->clock_skew = clock_skew(options);
	issuer->numeric_sub = evaudit_option_bool(options, "numeric_sub", false);
	issuer->require_exp = evaudit_option_bool(options, "require_exp", true);
	issuer->token_url = option_url(options, "token_url", shown);
	issuer->jwks_url = option_url(options, "jwks_url", fetched);
	issuer->ca_file = evaudit_option_text(options, "ca_file");
	issuer->refresh_interval =
		evaudit_option_millis(options, "refresh_interval", REFRESH_INTERVAL,
							  MIN_REFRESH_INTERVAL, MAX_REFRESH_INTERVAL);
	issuer->refresh_cooldown =
		evaudit_option_millis(options, "refresh_cooldown", REFRESH_COOLDOWN,
							  MIN_REFRESH_COOLDOWN, MAX_REFRESH_COOLDOWN);
	return issuer;
}
