/*-------------------------------------------------------------------------
 *
 * json_walk.c
 *	  One pass over a payload that finds the values of a mapping.
 *
 * The payload is parsed once, by Postgres' own JSON parser, which calls back
 * for each member of an object.  The lexer's current token is then the
 * member's value, so nothing is copied that is not looked for, and without a
 * backslash in the payload the lexer need not build strings at all: names
 * and values are read where they stand.
 *
 * A repeated member replaces all that the earlier one held, as in jsonb.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "port/pg_bitutils.h"

#include "events/mapping_compiled.h"

/*
 * The state of one parse.  Members of the outermost container have level 1;
 * "at" is the node of the container whose members have that level, and NULL
 * where no pointer leads.
 */
typedef struct Walk
{
	JsonLexContext *lex;
	FoundValue *found;			/* by slot */
	const PathNode *at[EVAUDIT_MAX_DEPTH + 2];
	int			element[EVAUDIT_MAX_DEPTH + 2]; /* next one, by level */
} Walk;

/* Take the lexer's current token as the value of the slots of a node. */
static void
record_value(Walk *walk, uint32 slots)
{
	JsonLexContext *lex = walk->lex;
	FoundValue	value = {.type = lex->token_type};

	if (value.type == JSON_TOKEN_STRING && lex->strval != NULL)
	{
		value.text = pnstrdup(lex->strval->data, lex->strval->len);
		value.len = lex->strval->len;
	}
	else if (value.type == JSON_TOKEN_STRING)
	{
		value.text = lex->token_start + 1;
		value.len = (int) (lex->token_terminator - lex->token_start) - 2;
	}
	else if (value.type == JSON_TOKEN_NUMBER)
	{
		value.text = lex->token_start;
		value.len = (int) (lex->token_terminator - lex->token_start);
	}
	for (; slots != 0; slots &= slots - 1)
		walk->found[pg_rightmost_one_pos32(slots)] = value;
}

/*
 * The parser stands before a value that the node, if not NULL, leads to.
 * What was found below it before came from a repeated name: forget it.
 */
static void
enter_value(Walk *walk, const PathNode *node)
{
	walk->at[walk->lex->lex_level + 1] = node;
	if (node == NULL)
		return;
	for (uint32 slots = node->slots_below; slots != 0; slots &= slots - 1)
		walk->found[pg_rightmost_one_pos32(slots)].type = JSON_TOKEN_INVALID;
	if (node->slots != 0)
		record_value(walk, node->slots);
}

/* The name of the member whose value comes next, where it stands. */
static const char *
raw_member_name(const JsonLexContext *lex, int *len)
{
	/* back over the colon and the space before it to the closing quote */
	const char *end = lex->prev_token_terminator - 2;
	const char *start;

	while (*end != '"')
		end--;
	start = (const char *) memrchr(lex->input, '"', end - lex->input) + 1;
	*len = (int) (end - start);
	return start;
}

/* Parser's action: a member of an object. */
static EvauditJsonAction
object_field_start(void *state, char *fname, bool isnull)
{
	Walk	   *walk = state;
	const PathNode *parent = walk->at[walk->lex->lex_level];
	const PathNode *child = NULL;

	if (parent != NULL && parent->children != NULL)
	{
		const char *name = fname;
		int			len;

		if (fname != NULL)
			len = (int) strlen(fname);
		else
			name = raw_member_name(walk->lex, &len);
		for (child = parent->children; child != NULL; child = child->next)
			if (child->name_len == len && memcmp(child->name, name, len) == 0)
				break;
	}
	enter_value(walk, child);
	EVAUDIT_JSON_CONTINUE;
}

/* Parser's action: an array begins. */
static EvauditJsonAction
array_start(void *state)
{
	Walk	   *walk = state;

	walk->element[walk->lex->lex_level + 1] = 0;
	EVAUDIT_JSON_CONTINUE;
}

/* Parser's action: an element of an array. */
static EvauditJsonAction
array_element_start(void *state, bool isnull)
{
	Walk	   *walk = state;
	int			level = walk->lex->lex_level;
	int			index = walk->element[level]++;
	const PathNode *child = NULL;

	if (walk->at[level] != NULL)
		for (child = walk->at[level]->children; child; child = child->next)
			if (child->index == index)
				break;
	enter_value(walk, child);
	EVAUDIT_JSON_CONTINUE;
}

/* Reject an event for an error of the parser. */
static void
reject_malformed(EvauditEvent *event, JsonLexContext *lex,
				 JsonParseErrorType error)
{
	const char *token = lex->token_start;
	char	   *detail;

	if (evaudit_compat_json_bad_unicode(error))
	{
		evaudit_event_reject(event, EVAUDIT_BAD_ENCODING,
							 "payload has a Unicode escape that no text can hold (\\u0000 or half of a surrogate pair)");
		return;
	}
	/* the detail repeats the token: not more of it than an excerpt */
	if (error != JSON_ESCAPING_REQUIRED && token != NULL &&
		lex->token_terminator - token > EVAUDIT_EXCERPT_BYTES)
		lex->token_terminator +=
			pg_mbcliplen(token, (int) (lex->token_terminator - token),
						 EVAUDIT_EXCERPT_BYTES) - (lex->token_terminator - token);
	detail = json_errdetail(error, lex);
	evaudit_event_reject(event, EVAUDIT_MALFORMED_JSON,
						 "payload is not JSON: %s", detail);
}

/* Is the payload, known to be JSON, an object? */
static bool
is_object(const EvauditPayload *payload)
{
	const char *p = payload->json;

	while (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r')
		p++;
	return *p == '{';
}

/*
 * Parse the payload and find the values of the slots, or reject the event.
 * What is found points into the payload or the scratch context.
 */
bool
evaudit_json_walk(const EvauditMapping *mapping, const EvauditPayload *payload,
				  EvauditEvent *event, MemoryContext scratch,
				  FoundValue *found)
{
	MemoryContext old = MemoryContextSwitchTo(scratch);
	JsonParseErrorType error;
	Walk		walk;
	JsonSemAction actions = {
		.semstate = &walk,
		.object_field_start = object_field_start,
		.array_start = array_start,
		.array_element_start = array_element_start,
	};

	for (int slot = 0; slot < NSLOTS; slot++)
		found[slot].type = JSON_TOKEN_INVALID;
	walk.found = found;
	walk.at[1] = &mapping->root;
	walk.lex = evaudit_compat_json_lexer(payload->json, payload->len,
										 GetDatabaseEncoding(),
										 payload->has_escapes);
	error = pg_parse_json(walk.lex, &actions);
	MemoryContextSwitchTo(old);

	if (error != JSON_SUCCESS)
	{
		reject_malformed(event, walk.lex, error);
		return false;
	}
	if (!is_object(payload))
	{
		evaudit_event_reject(event, EVAUDIT_NOT_AN_OBJECT,
							 "payload is JSON, but not an object");
		return false;
	}
	return true;
}
