/*-------------------------------------------------------------------------
 *
 * token_parse.c
 *	  A token taken apart, before anything in it is verified.
 *
 * Nothing here uses keys.  Of the header only "alg", "kid" and "crit"
 * are read: what says where keys are to be had (jku, x5u) or brings its own
 * (jwk, x5c) is for the one who forges tokens.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "auth/token_json.h"
#include "auth/token_parse.h"
#include "text/base64.h"

/*
 * The header read last: tokens of an issuer mostly share theirs to the
 * letter.
 */
static struct
{
	char		text[EVAUDIT_KEPT_HEADER];
	size_t		len;			/* 0: none */
	EvauditAlgorithm algorithm;
	bool		has_kid;
	char		kid[EVAUDIT_KEPT_HEADER];
} kept;

/* Decode a part; its length, or -1. */
static int
decode_part(const char *str, size_t len, char **bytes)
{
	int			n;

	*bytes = palloc(EVAUDIT_BASE64_BYTES(len) + 1);
	n = evaudit_base64url_decode(str, len, (uint8 *) *bytes);
	if (n >= 0)
		(*bytes)[n] = '\0';
	return n;
}

/* Take the algorithm that a header names. */
static bool
take_algorithm(Jsonb *json, EvauditTokenHeader *header,
			   EvauditTokenError *error)
{
	JsonbValue *alg = evaudit_claim(json, "alg");

	if (alg == NULL || alg->type != jbvString)
		return evaudit_token_fail(error, EVAUDIT_TOKEN_BAD_HEADER,
								  "header of the token has no \"alg\" that is a string");
	header->algorithm = evaudit_algorithm_from_name(alg->val.string.val,
													alg->val.string.len);
	if (header->algorithm != EVAUDIT_ALG_UNKNOWN)
		return true;
	if (alg->val.string.len == 4 &&
		pg_strncasecmp(alg->val.string.val, "none", 4) == 0)
		return evaudit_token_fail(error, EVAUDIT_TOKEN_BAD_ALGORITHM,
								  "token is not signed");
	if (alg->val.string.len >= 2 &&
		pg_strncasecmp(alg->val.string.val, "HS", 2) == 0)
		return evaudit_token_fail(error, EVAUDIT_TOKEN_BAD_ALGORITHM,
								  "token is signed with a shared secret, which is never accepted");
	return evaudit_token_fail(error, EVAUDIT_TOKEN_BAD_ALGORITHM,
							  "algorithm of the token is not supported");
}

/* Read a header that is not the one kept. */
static bool
read_header(const char *str, size_t len, EvauditTokenHeader *header,
			EvauditTokenError *error)
{
	char	   *bytes;
	int			n = decode_part(str, len, &bytes);
	const char *why;
	Jsonb	   *json;
	JsonbValue *kid;

	if (n < 0)
		return evaudit_token_fail(error, EVAUDIT_TOKEN_MALFORMED,
								  "header of the token is not in base64url");
	json = evaudit_token_json(bytes, n, &why);
	if (json == NULL)
		return evaudit_token_fail(error, EVAUDIT_TOKEN_BAD_HEADER,
								  psprintf("header of the token is %s", why));
	if (evaudit_claim(json, "crit") != NULL)
		return evaudit_token_fail(error, EVAUDIT_TOKEN_CRITICAL,
								  "header of the token asks for an extension that is not supported (\"crit\")");
	if (!take_algorithm(json, header, error))
		return false;
	kid = evaudit_claim(json, "kid");
	if (kid != NULL && kid->type != jbvString)
		return evaudit_token_fail(error, EVAUDIT_TOKEN_BAD_HEADER,
								  "\"kid\" in the header of the token is not a string");
	header->kid = kid == NULL ? NULL :
		pnstrdup(kid->val.string.val, kid->val.string.len);
	return true;
}

/* Cache a valid header for the next token. */
static void
keep_header(const char *str, size_t len, const EvauditTokenHeader *header)
{
	if (len > sizeof(kept.text) ||
		(header->kid != NULL && strlen(header->kid) >= sizeof(kept.kid)))
		return;
	memcpy(kept.text, str, len);
	kept.		len = len;
	kept.		algorithm = header->algorithm;
	kept.		has_kid = header->kid != NULL;

	if (kept.has_kid)
		strcpy(kept.kid, header->kid);
}

/* Take the header. */
static bool
take_header(const char *str, size_t len, EvauditTokenHeader *header,
			EvauditTokenError *error)
{
	if (len > 0 && len == kept.len && memcmp(str, kept.text, len) == 0)
	{
		header->algorithm = kept.algorithm;
		header->kid = kept.has_kid ? kept.kid : NULL;

		return true;
	}
	if (!read_header(str, len, header, error))
		return false;
	keep_header(str, len, header);
	return true;
}

/*
 * Take a token apart.  A payload that is no JSON object is not a error yet:
 * to say so is for after the signature.  What parts point to is in the
 * current context or in the token.
 */
bool
evaudit_token_parse(const char *token, size_t len, EvauditTokenParts *parts,
					EvauditTokenError *error)
{
	const char *end = token + len;
	const char *dot;
	const char *second;
	char	   *bytes;
	int			n;

	if (len == 0)
		return evaudit_token_fail(error, EVAUDIT_TOKEN_MISSING,
								  "no token was given");
	if (len > EVAUDIT_MAX_TOKEN_BYTES)
		return evaudit_token_fail(error, EVAUDIT_TOKEN_TOO_LARGE,
								  "token is longer than " CppAsString2(EVAUDIT_MAX_TOKEN_BYTES) " bytes");
	dot = memchr(token, '.', len);
	second = dot == NULL ? NULL : memchr(dot + 1, '.', end - dot - 1);
	if (second == NULL || memchr(second + 1, '.', end - second - 1) != NULL)
		return evaudit_token_fail(error, EVAUDIT_TOKEN_MALFORMED,
								  "token does not have three parts");

	if (!take_header(token, dot - token, &parts->header, error))
		return false;
	n = decode_part(second + 1, end - second - 1, &bytes);
	if (n < 0)
		return evaudit_token_fail(error, EVAUDIT_TOKEN_MALFORMED,
								  "signature of the token is not in base64url");
	parts->signature = (uint8 *) bytes;
	parts->signature_len = n;
	n = decode_part(dot + 1, second - dot - 1, &bytes);
	if (n < 0)
		return evaudit_token_fail(error, EVAUDIT_TOKEN_MALFORMED,
								  "payload of the token is not in base64url");
	parts->text = token;
	parts->signed_len = second - token;
	parts->claims = evaudit_token_json(bytes, n, &parts->claims_error);
	return true;
}
