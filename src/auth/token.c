/*-------------------------------------------------------------------------
 *
 * token.c
 *	  Whether a token is valid, and by whose keys.
 *
 * The order of the checks: its size and form; its header; who may have
 * issued it; the signature; the claims.  The claim "iss" chooses among the
 * issuers before the signature is verified, which is harmless: it
 * only says whose keys have to match.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

#include "auth/token_parse.h"
#include "auth/issuer_fetch.h"
#include "runtime/wakeup.h"

PG_FUNCTION_INFO_V1(evaudit_verify_token);

/* Whether a key is one that the token may be signed with. */
static bool
is_candidate(const EvauditIssuer *issuer, const EvauditIssuerKey *key,
			 const EvauditTokenHeader *header)
{
	if (!(key->algorithms & EVAUDIT_ALGORITHM_BIT(header->algorithm)))
		return false;
	if (header->kid == NULL || !issuer->has_kids)
		return true;
	return key->kid != NULL && strcmp(key->kid, header->kid) == 0;
}

/* Whether an issuer has a key with the token's kid. */
static bool
knows_kid(const EvauditIssuer *issuer, const EvauditTokenHeader *header)
{
	if (header->kid == NULL || !issuer->has_kids)
		return true;
	for (int i = 0; i < issuer->nkeys; i++)
	{
		if (issuer->keys[i].kid != NULL &&
			strcmp(issuer->keys[i].kid, header->kid) == 0)
			return true;
	}
	return false;
}

/*
 * A key was not found, or none matched: if the keys of the issuer come from
 * a URL there may be new ones by now.
 */
static void
ask_for_keys(const EvauditIssuer *issuer)
{
	if (issuer->jwks_url != NULL)
		evaudit_request_job(&evaudit_key_fetch_job);
}

/* Whether the signature was made with a key of the issuer. */
static bool
check_signature(const EvauditIssuer *issuer, const EvauditTokenParts *parts,
				EvauditTokenError *error)
{
	const EvauditTokenHeader *header = &parts->header;
	bool		tried = false;

	if (issuer->invalid != NULL)
		return evaudit_token_fail(error, EVAUDIT_TOKEN_INVALID_ISSUER,
								  "issuer of the token is not set up correctly");
	if (!(issuer->algorithms & EVAUDIT_ALGORITHM_BIT(header->algorithm)))
		return evaudit_token_fail(error, EVAUDIT_TOKEN_BAD_ALGORITHM,
								  "algorithm of the token is not one of its issuer");
	for (int i = 0; i < issuer->nkeys; i++)
	{
		if (!is_candidate(issuer, &issuer->keys[i], header))
			continue;
		tried = true;
		if (evaudit_key_verify(issuer->keys[i].key, header->algorithm,
							   parts->text, parts->signed_len,
							   parts->signature, parts->signature_len))
			return true;
	}

	if (!tried || header->kid == NULL || !issuer->has_kids)
		ask_for_keys(issuer);
	if (tried)
		return evaudit_token_fail(error, EVAUDIT_TOKEN_BAD_SIGNATURE,
								  "signature of the token does not match");
	if (issuer->nkeys == 0)
		return evaudit_token_fail(error, EVAUDIT_TOKEN_NO_KEYS,
								  "keys of the token's issuer have not been fetched yet");
	if (!knows_kid(issuer, header))
		return evaudit_token_fail(error, EVAUDIT_TOKEN_UNKNOWN_KEY,
								  "issuer of the token has no key of its \"kid\"");
	return evaudit_token_fail(error, EVAUDIT_TOKEN_UNKNOWN_KEY,
							  "issuer of the token has no key for its algorithm");
}

/*
 * Whether an issuer may have made the token: those that name the token's
 * "iss" if there are any, else those that name none.
 */
static bool
may_have_issued(const EvauditIssuer *issuer, const JsonbValue *iss)
{
	if (iss == NULL)
		return issuer->issuer == NULL;
	return issuer->issuer != NULL &&
		strlen(issuer->issuer) == iss->val.string.len &&
		memcmp(issuer->issuer, iss->val.string.val,
			   iss->val.string.len) == 0;
}

/* Try the issuers that may have made the token. */
static bool
try_issuers(List *issuers, const JsonbValue *iss,
			const EvauditTokenParts *parts, EvauditTokenTimes *times,
			EvauditTokenError *error)
{
	ListCell   *lc;

	foreach(lc, issuers)
	{
		const EvauditIssuer *issuer = lfirst(lc);
		EvauditTokenError found;

		if (!may_have_issued(issuer, iss))
			continue;
		if (check_signature(issuer, parts, &found) &&
			evaudit_claims_check(issuer, parts, times, &found))
			return true;
		if (found.code > error->code)
			*error = found;
	}
	return false;
}

/* Verify a token that is not cached, in the current context. */
static bool
verify(List *issuers, const char *token, size_t len,
	   EvauditTokenParts *parts, EvauditTokenTimes *times,
	   EvauditTokenError *error)
{
	JsonbValue *iss = NULL;

	if (!evaudit_token_parse(token, len, parts, error))
		return false;
	if (parts->claims != NULL)
		iss = evaudit_claim(parts->claims, "iss");
	if (iss != NULL && iss->type == jbvString)
	{
		if (try_issuers(issuers, iss, parts, times, error))
			return true;
		if (error->code != EVAUDIT_TOKEN_GOOD)
			return false;
	}
	if (try_issuers(issuers, NULL, parts, times, error))
		return true;
	if (error->code == EVAUDIT_TOKEN_GOOD)
	{
		(void) evaudit_token_fail(error, EVAUDIT_TOKEN_UNKNOWN_ISSUER,
								  "issuer of the token is not known");
		if (issuers == NIL)
			error->hint = "There are no issuers yet: see evaudit.create_issuer().";
	}
	return false;
}

/* A copy of claims in the current context. */
static Jsonb *
copy_claims(const Jsonb *claims)
{
	Jsonb	   *copy = palloc(VARSIZE(claims));

	memcpy(copy, claims, VARSIZE(claims));
	return copy;
}

/* Verify a token by the cache, or by its signature. */
static Jsonb *
recall_or_verify(const char *token, size_t len, EvauditTokenError *error)
{
	static MemoryContext scratch = NULL;
	MemoryContext context = CurrentMemoryContext;
	uint64		generation;
	List	   *issuers = evaudit_issuers(&generation);
	EvauditTokenParts parts;
	EvauditTokenTimes times;
	Jsonb	   *claims;

	memset(error, 0, sizeof(*error));
	claims = evaudit_token_recall(token, len, generation, &times);
	if (claims != NULL)
		return evaudit_times_check(&times, error) ? copy_claims(claims) : NULL;

	if (scratch == NULL)
		scratch = AllocSetContextCreate(TopMemoryContext, "evaudit token",
										ALLOCSET_DEFAULT_SIZES);
	MemoryContextReset(scratch);
	MemoryContextSwitchTo(scratch);
	if (verify(issuers, token, len, &parts, &times, error))
		claims = parts.claims;
	MemoryContextSwitchTo(context);
	if (claims == NULL)
	{
		error->message = pstrdup(error->message);
		return NULL;
	}
	evaudit_token_remember(token, len, generation, claims, &times);
	return copy_claims(claims);
}

/* The claims of a token, or NULL and what is wrong with it. */
Jsonb *
evaudit_token_verify(const char *token, size_t len, EvauditTokenError *error)
{
	Jsonb	   *claims = recall_or_verify(token, len, error);

	/* one of several issuers may have refused what another accepted */
	evaudit_token_count(claims != NULL ? EVAUDIT_TOKEN_GOOD : error->code);
	return claims;
}

/* The claim "sub", or NULL. */
char *
evaudit_token_subject(Jsonb *claims)
{
	JsonbValue *sub = evaudit_claim(claims, "sub");

	/* of an issuer that has integers for it */
	if (sub != NULL && sub->type == jbvNumeric)
		return numeric_normalize(sub->val.numeric);
	if (sub == NULL || sub->type != jbvString)
		return NULL;
	return pnstrdup(sub->val.string.val, sub->val.string.len);
}

/* Where tokens are issued, or NULL. */
char *
evaudit_token_url(void)
{
	uint64		generation;
	ListCell   *lc;

	foreach(lc, evaudit_issuers(&generation))
	{
		const EvauditIssuer *issuer = lfirst(lc);

		if (issuer->token_url != NULL)
			return pstrdup(issuer->token_url);
	}
	return NULL;
}

/* verify_token(token text) RETURNS jsonb */
Datum
evaudit_verify_token(PG_FUNCTION_ARGS)
{
	EvauditTokenError error;
	text	   *token = NULL;
	Jsonb	   *claims;

	if (!PG_ARGISNULL(0))
		token = PG_GETARG_TEXT_PP(0);
	claims = evaudit_token_verify(token != NULL ? VARDATA_ANY(token) : "",
								  token != NULL ? VARSIZE_ANY_EXHDR(token) : 0,
								  &error);

	/*
	 * a token that is refused here may be valid elsewhere: keep it out of
	 * logs
	 */
	if (claims == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION),
				 errmsg_internal("%s", error.message),
				 error.hint != NULL ? errhint("%s", error.hint) : 0,
				 errhidestmt(true), errhidecontext(true)));
	PG_RETURN_JSONB_P(claims);
}
