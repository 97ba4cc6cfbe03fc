/*-------------------------------------------------------------------------
 *
 * token.c
 *	  Fuzz targets: what lies behind a good signature, and documents of keys.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fuzz.h"
#include "auth/token_json.h"
#include "auth/token_parse.h"

/* The claims of a token whose signature is good. */
void
evaudit_fuzz_claims(const char *data, size_t size)
{
	EvauditIssuer issuer = {.name = "fuzz",.require_exp = true};
	EvauditTokenParts parts = {0};
	EvauditTokenTimes times;
	EvauditTokenError error = {0};

	issuer.audiences = list_make1("us");
	parts.claims = evaudit_token_json(pnstrdup(data, size), size,
									  &parts.claims_error);
	if (evaudit_claims_check(&issuer, &parts, &times, &error) !=
		(error.code == EVAUDIT_TOKEN_GOOD))
	{
		write_stderr("error: %d\n", error.code);
		abort();
	}
}

/* A document of keys, as a server of them may answer; or PEM. */
void
evaudit_fuzz_keys(const char *data, size_t size)
{
	EvauditIssuer issuer = {.name = "fuzz"};
	char	   *str = pnstrdup(data, size);
	char	   *error = NULL;
	const char *why;
	Jsonb	   *document = evaudit_token_json(str, size, &why);
	Jsonb	   *keys;

	keys = document != NULL ?
		evaudit_keys_read_json(&document->root, true, ~0, &error) :
		evaudit_keys_read_pem(str, ~0, &error);
	if (keys == NULL && error == NULL)
		abort();
	if (keys == NULL)
		return;
	/* what is kept can be loaded */
	evaudit_keys_load(&issuer, keys);
	if (issuer.nkeys != JB_ROOT_COUNT(keys))
	{
		write_stderr("%d keys of %d\n", issuer.nkeys, JB_ROOT_COUNT(keys));
		abort();
	}
}
