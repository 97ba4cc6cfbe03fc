/*-------------------------------------------------------------------------
 *
 * token_cache.c
 *	  Tokens that were verified, so that each is verified once in a session.
 *
 * The whole token is compared, and only valid ones are cached; the hash is
 * therefore no more than a place.  Any change of the issuers
 * empties the cache; the times are checked at each use.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "utils/memutils.h"

#include "auth/token_parse.h"

/* Places of the cache; each keeps the last token that fell on it. */
#define NPLACES			256

/* Longest token, and longest claims, that are kept, in bytes. */
#define MAX_KEPT_TOKEN	4096
#define MAX_KEPT_CLAIMS 8192

typedef struct KnownToken
{
	size_t		len;
	EvauditTokenTimes times;
	Jsonb	   *claims;
	char		token[FLEXIBLE_ARRAY_MEMBER];
} KnownToken;

static MemoryContext context = NULL;
static KnownToken *places[NPLACES];
static uint64 filled_for = 0;	/* generation of issuers */

/* Where a token goes, by the end of its signature. */
static KnownToken **
place_of(const char *token, size_t len)
{
	size_t		n = Min(len, 16);

	return &places[hash_bytes((const unsigned char *) token + len - n,
							  (int) n) % NPLACES];
}

/* The claims of a cached token, valid until the next call; or NULL. */
Jsonb *
evaudit_token_recall(const char *token, size_t len, uint64 generation,
					 EvauditTokenTimes *times)
{
	KnownToken *known;

	if (filled_for != generation || len == 0)
		return NULL;
	known = *place_of(token, len);
	if (known == NULL || known->len != len ||
		memcmp(known->token, token, len) != 0)
		return NULL;
	*times = known->times;
	return known->claims;
}

/* Discard all tokens, since issuers may have changed. */
static void
start_over(uint64 generation)
{
	memset(places, 0, sizeof(places));
	if (context == NULL)
		context = AllocSetContextCreate(TopMemoryContext, "evaudit tokens",
										ALLOCSET_DEFAULT_SIZES);
	MemoryContextReset(context);
	filled_for = generation;
}

/* Cache a token that is valid. */
void
evaudit_token_remember(const char *token, size_t len, uint64 generation,
					   Jsonb *claims, const EvauditTokenTimes *times)
{
	size_t		claims_at = MAXALIGN(offsetof(KnownToken, token) + len);
	KnownToken **place;
	KnownToken *known;

	if (filled_for != generation)
		start_over(generation);
	if (len > MAX_KEPT_TOKEN || VARSIZE(claims) > MAX_KEPT_CLAIMS)
		return;
	known = MemoryContextAlloc(context, claims_at + VARSIZE(claims));
	known->len = len;
	known->times = *times;
	known->claims = (Jsonb *) ((char *) known + claims_at);
	memcpy(known->token, token, len);
	memcpy(known->claims, claims, VARSIZE(claims));
	place = place_of(token, len);
	if (*place != NULL)
		pfree(*place);
	*place = known;
}
