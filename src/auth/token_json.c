/*-------------------------------------------------------------------------
 *
 * token_json.c
 *	  JSON that somebody signed, or says so.
 *
 * A member that occurs twice means one thing to one reader and another to
 * the next; jsonb keeps the last and forgets that there were two.  So the
 * members are counted twice: as the text has them, each with one colon
 * outside of strings, and as jsonb has them after it dropped the repeated.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "auth/token_json.h"
#include "events/payload.h"
#include "server/compat.h"

/* Most digits of an exponent: numeric must be able to hold the number. */
#define MAX_EXPONENT_DIGITS		3

/* Parser's action: take note of a number that numeric may not hold. */
static EvauditJsonAction
check_scalar(void *state, char *token, JsonTokenType type)
{
	if (type == JSON_TOKEN_NUMBER)
	{
		const char *exponent = strpbrk(token, "eE");

		if (exponent != NULL)
		{
			exponent += strspn(exponent, "eE+-0");
			if (strlen(exponent) > MAX_EXPONENT_DIGITS)
				*(bool *) state = true;
		}
	}
	EVAUDIT_JSON_CONTINUE;
}

/* How many members the objects of a valid JSON text have. */
static int
count_in_text(const char *p, const char *end)
{
	int			members = 0;

	for (; p < end; p++)
	{
		if (*p == ':')
			members++;
		else if (*p == '"')
		{
			for (p++; *p != '"'; p++)
			{
				if (*p == '\\')
					p++;
			}
		}
	}
	return members;
}

/* How many members the objects of a jsonb have. */
static int
count_in_jsonb(Jsonb *jsonb)
{
	JsonbIterator *it = JsonbIteratorInit(&jsonb->root);
	JsonbIteratorToken token;
	JsonbValue	v;
	int			members = 0;

	while ((token = JsonbIteratorNext(&it, &v, false)) != WJB_DONE)
		members += token == WJB_KEY;
	return members;
}

/* Whether a text, made safe for the parser, is JSON that jsonb can hold. */
static bool
is_json(const EvauditPayload *payload)
{
	bool		too_large = false;
	JsonSemAction actions = {
		.semstate = &too_large,
		.scalar = check_scalar,
	};
	JsonLexContext *lex;

	/* the action is given its token only by a lexer that builds strings */
	lex = evaudit_compat_json_lexer(payload->json, payload->len,
									GetDatabaseEncoding(), true);
	return pg_parse_json(lex, &actions) == JSON_SUCCESS && !too_large;
}

/*
 * Read an object from UTF-8 that is followed by a zero, in the current
 * context with whatever is needed on the way.  NULL if it is none, and why.
 */
Jsonb *
evaudit_token_json(const char *json, size_t len, const char **why)
{
	EvauditEvent event = {.payload = json,.payload_len = len};
	EvauditPayload payload;
	Jsonb	   *jsonb;

	*why = "not a JSON object";
	if (len == 0 || memchr(json, '\0', len) != NULL)
		return NULL;
	if (!evaudit_payload_prepare(&event, len, &payload, CurrentMemoryContext))
	{
		if (event.reason == EVAUDIT_TOO_DEEP)
			*why = "nested too deep";
		else
			*why = "not text that the database can hold";
		return NULL;
	}
	if (!is_json(&payload))
		return NULL;
	jsonb = DatumGetJsonbP(DirectFunctionCall1(jsonb_in,
											   CStringGetDatum(payload.json)));
	if (!JB_ROOT_IS_OBJECT(jsonb))
		return NULL;
	if (count_in_jsonb(jsonb) !=
		count_in_text(payload.json, payload.json + payload.len))
	{
		*why = "an object that has a member twice";
		return NULL;
	}
	return jsonb;
}
