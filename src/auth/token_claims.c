/*-------------------------------------------------------------------------
 *
 * token_claims.c
 *	  The claims of a token whose signature is verified (RFC 7519).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "auth/token_parse.h"

/* The last second of the year 9999: later times are mistakes. */
#define LAST_TIME	253402300799.0

/* Longest subject that is an integer. */
#define MAX_SUBJECT_DIGITS	38

/* A claim that must be a time if it is there: in seconds, or NAN for none. */
static bool
take_time(Jsonb *claims, const char *name, const char *message,
		  double *seconds, EvauditTokenError *error)
{
	JsonbValue *v = evaudit_claim(claims, name);

	*seconds = NAN;
	if (v == NULL)
		return true;
	if (v->type == jbvNumeric)
		*seconds = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
													  NumericGetDatum(v->val.numeric)));
	if (!(*seconds >= 0 && *seconds <= LAST_TIME))
		return evaudit_token_fail(error, EVAUDIT_TOKEN_BAD_CLAIMS, message);
	return true;
}

/* Whether a claim is a text, if it is there at all. */
static bool
is_text(Jsonb *claims, const char *name, bool may_be_empty)
{
	JsonbValue *v = evaudit_claim(claims, name);

	return v == NULL ||
		(v->type == jbvString && (may_be_empty || v->val.string.len > 0));
}

/*
 * Whether "sub", if it is there, is a text that is not empty, or an integer
 * where the issuer has such.
 */
static bool
is_subject(const EvauditIssuer *issuer, Jsonb *claims)
{
	JsonbValue *v = evaudit_claim(claims, "sub");
	const char *digits;

	if (!issuer->numeric_sub || v == NULL || v->type != jbvNumeric)
		return is_text(claims, "sub", false);
	digits = numeric_normalize(v->val.numeric);
	digits += *digits == '-';
	return strspn(digits, "0123456789") == strlen(digits) &&
		strlen(digits) <= MAX_SUBJECT_DIGITS;
}

/* Take the times that the claims are valid for. */
static bool
take_times(const EvauditIssuer *issuer, Jsonb *claims,
		   EvauditTokenTimes *times, EvauditTokenError *error)
{
	double		exp;
	double		nbf;
	double		iat;

	if (!take_time(claims, "exp", "\"exp\" of the token is not a time",
				   &exp, error) ||
		!take_time(claims, "nbf", "\"nbf\" of the token is not a time",
				   &nbf, error) ||
		!take_time(claims, "iat", "\"iat\" of the token is not a time",
				   &iat, error))
		return false;
	if (isnan(exp) && issuer->require_exp)
		return evaudit_token_fail(error, EVAUDIT_TOKEN_BAD_CLAIMS,
								  "token never expires: it has no \"exp\"");
	/* fmax() and comparisons with NAN ignore what is not there */
	times->until = isnan(exp) ? INFINITY : exp + issuer->clock_skew;
	times->from = fmax(fmax(nbf, iat), 0) - issuer->clock_skew;
	return true;
}

/* Whether one of the audiences is this. */
static bool
is_our_audience(const EvauditIssuer *issuer, const JsonbValue *v)
{
	ListCell   *lc;

	foreach(lc, issuer->audiences)
	{
		const char *audience = lfirst(lc);

		if (strlen(audience) == v->val.string.len &&
			memcmp(audience, v->val.string.val, v->val.string.len) == 0)
			return true;
	}
	return false;
}

/* Whether "aud", a text or an array of texts, names us. */
static bool
check_audience(const EvauditIssuer *issuer, Jsonb *claims,
			   EvauditTokenError *error)
{
	JsonbValue *aud = evaudit_claim(claims, "aud");
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	v;
	bool		found = false;
	bool		valid = true;

	if (aud == NULL)
		return issuer->audiences == NIL ||
			evaudit_token_fail(error, EVAUDIT_TOKEN_WRONG_AUDIENCE,
							   "token has no \"aud\", which its issuer must name");
	if (aud->type == jbvString)
		found = is_our_audience(issuer, aud);
	else if (aud->type == jbvBinary &&
			 JsonContainerIsArray(aud->val.binary.data))
	{
		it = JsonbIteratorInit(aud->val.binary.data);
		while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
		{
			if (token != WJB_ELEM)
				continue;
			valid &= v.type == jbvString;
			found |= v.type == jbvString && is_our_audience(issuer, &v);
		}
	}
	else
		valid = false;
	if (!valid)
		return evaudit_token_fail(error, EVAUDIT_TOKEN_BAD_CLAIMS,
								  "\"aud\" of the token is neither a string nor an array of strings");
	if (found)
		return true;
	(void) evaudit_token_fail(error, EVAUDIT_TOKEN_WRONG_AUDIENCE,
							  "token is for another audience");
	if (issuer->audiences == NIL)
		error->hint = "Tokens that name an audience are accepted by an issuer whose option \"audience\" names it, too.";
	return false;
}

/* Whether it is time for a token. */
bool
evaudit_times_check(const EvauditTokenTimes *times, EvauditTokenError *error)
{
	double		now = GetCurrentTimestamp() / 1000000.0 +
		(POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * (double) SECS_PER_DAY;

	if (now >= times->until)
		return evaudit_token_fail(error, EVAUDIT_TOKEN_EXPIRED,
								  "token has expired");
	if (now < times->from)
		return evaudit_token_fail(error, EVAUDIT_TOKEN_NOT_YET_VALID,
								  "token is not valid yet (\"nbf\" or \"iat\" is in the future)");
	return true;
}

/* Check the claims of a token whose signature is verified. */
bool
evaudit_claims_check(const EvauditIssuer *issuer,
					 const EvauditTokenParts *parts,
					 EvauditTokenTimes *times, EvauditTokenError *error)
{
	Jsonb	   *claims = parts->claims;

	if (claims == NULL)
		return evaudit_token_fail(error, EVAUDIT_TOKEN_BAD_CLAIMS,
								  psprintf("payload of the token is %s",
										   parts->claims_error));
	if (!is_text(claims, "iss", true))
		return evaudit_token_fail(error, EVAUDIT_TOKEN_BAD_CLAIMS,
								  "\"iss\" of the token is not a string");
	if (!is_subject(issuer, claims))
		return evaudit_token_fail(error, EVAUDIT_TOKEN_BAD_CLAIMS,
								  "\"sub\" of the token is not a string, or is empty");
	return take_times(issuer, claims, times, error) &&
		evaudit_times_check(times, error) &&
		check_audience(issuer, claims, error);
}
