/*-------------------------------------------------------------------------
 *
 * token.h
 *	  Tokens (JWT): what evaudit.verify_token() and evaudit.http() use.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_TOKEN_H
#define EVAUDIT_TOKEN_H

#include "utils/jsonb.h"

/* Longest token that is parsed, in bytes. */
#define EVAUDIT_MAX_TOKEN_BYTES		16384

/*
 * What is wrong with a token, in the order of the checks: of several issuers
 * that could have made it, the one that got furthest is reported.
 */
typedef enum EvauditTokenErrorCode
{
	EVAUDIT_TOKEN_GOOD = 0,
	EVAUDIT_TOKEN_MISSING,		/* no token at all */
	EVAUDIT_TOKEN_TOO_LARGE,
	EVAUDIT_TOKEN_MALFORMED,	/* not three parts of base64url */
	EVAUDIT_TOKEN_BAD_HEADER,	/* not what a header may be */
	EVAUDIT_TOKEN_CRITICAL,		/* it asks for an unknown extension */
	EVAUDIT_TOKEN_UNKNOWN_ISSUER,
	EVAUDIT_TOKEN_INVALID_ISSUER,	/* its issuer's row cannot be used */
	EVAUDIT_TOKEN_BAD_ALGORITHM,	/* not one that the issuer uses */
	EVAUDIT_TOKEN_NO_KEYS,		/* the issuer's keys are not here yet */
	EVAUDIT_TOKEN_UNKNOWN_KEY,	/* no key of its kid, or of its algorithm */
	EVAUDIT_TOKEN_BAD_SIGNATURE,
	EVAUDIT_TOKEN_BAD_CLAIMS,	/* not a JSON object, or a claim's type */
	EVAUDIT_TOKEN_EXPIRED,
	EVAUDIT_TOKEN_NOT_YET_VALID,
	EVAUDIT_TOKEN_WRONG_AUDIENCE
} EvauditTokenErrorCode;

/* The message is a static text or palloc'd; it holds nothing of the token. */
typedef struct EvauditTokenError
{
	EvauditTokenErrorCode code;
	const char *message;		/* as an error message: no capital, no period */
	const char *hint;			/* NULL: none */
} EvauditTokenError;

/*
 * The claims of a token, in the current memory context; NULL if there is
 * anything wrong with it, and then what.  Within a transaction.  Never does
 * I/O beyond reading evaudit.issuers.
 */
extern Jsonb *evaudit_token_verify(const char *token, size_t len,
								   EvauditTokenError *error);

/* The claim "sub", palloc'd; NULL if the claims have none. */
extern char *evaudit_token_subject(Jsonb *claims);

/* Where GET /token leads: of the first issuer that says so; or NULL. */
extern char *evaudit_token_url(void);

#endif							/* EVAUDIT_TOKEN_H */
