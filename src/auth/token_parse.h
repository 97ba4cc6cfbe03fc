/*-------------------------------------------------------------------------
 *
 * token_parse.h
 *	  The parts of a token: for the files token*.c alone.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_TOKEN_PARSE_H
#define EVAUDIT_TOKEN_PARSE_H

#include "auth/issuer.h"
#include "auth/token.h"
#include "text/jsonb.h"

/* Longest header that is kept for the next token, in characters. */
#define EVAUDIT_KEPT_HEADER		1024

/* What a header says that matters. */
typedef struct EvauditTokenHeader
{
	EvauditAlgorithm algorithm;
	const char *kid;			/* NULL: none */
} EvauditTokenHeader;

typedef struct EvauditTokenParts
{
	const char *text;			/* the token */
	size_t		signed_len;		/* header, dot and payload */
	EvauditTokenHeader header;
	uint8	   *signature;
	size_t		signature_len;
	Jsonb	   *claims;			/* NULL: the payload is no JSON object */
	const char *claims_error;	/* and why */
} EvauditTokenParts;

/* When claims are valid, in seconds since 1970; issuer's skew included. */
typedef struct EvauditTokenTimes
{
	double		from;
	double		until;			/* no longer valid */
} EvauditTokenTimes;

/* Fail with a code and a message; the value of the function that fails. */
static inline bool
evaudit_token_fail(EvauditTokenError *error, EvauditTokenErrorCode code,
				   const char *message)
{
	error->code = code;
	error->message = message;
	error->hint = NULL;
	return false;
}

/* A member of a header or of claims, or NULL. */
static inline JsonbValue *
evaudit_claim(Jsonb *claims, const char *name)
{
	return evaudit_jsonb_member(&claims->root, name);
}

/* token_parse.c */
extern bool evaudit_token_parse(const char *token, size_t len,
								EvauditTokenParts *parts,
								EvauditTokenError *error);

/* token_claims.c */
extern bool evaudit_claims_check(const EvauditIssuer *issuer,
								 const EvauditTokenParts *parts,
								 EvauditTokenTimes *times,
								 EvauditTokenError *error);
extern bool evaudit_times_check(const EvauditTokenTimes *times,
								EvauditTokenError *error);

/* token_counts.c */
extern void evaudit_token_counts_init(void);
extern void evaudit_token_count(EvauditTokenErrorCode code);

/* token_cache.c */
extern Jsonb *evaudit_token_recall(const char *token, size_t len,
								   uint64 generation,
								   EvauditTokenTimes *times);
extern void evaudit_token_remember(const char *token, size_t len,
								   uint64 generation, Jsonb *claims,
								   const EvauditTokenTimes *times);

#endif							/* EVAUDIT_TOKEN_PARSE_H */
