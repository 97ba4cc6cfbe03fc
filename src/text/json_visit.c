/*-------------------------------------------------------------------------
 *
 * json_visit.c
 *	  One pass of Postgres' JSON parser over a prepared text.
 *
 * The parser calls back for each member of an object.  The lexer's current
 * token is then the member's value, so nothing is copied that nobody asks
 * for, and without a backslash in the text the lexer need not build strings
 * at all: names and values are read where they stand.
 *
 * Each number is checked on the way, so that a text that passed a visit can
 * become jsonb without an ERROR.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/fmgrprotos.h"

#include "text/ascii.h"
#include "text/json_text.h"

/* Most bytes of a token that an error repeats. */
#define EXCERPT_BYTES	60

struct EvauditJsonCursor
{
	JsonLexContext *lex;
	const EvauditJsonVisitor *visitor;
	const char *name;			/* of the member; NULL: as it stands */
	EvauditJsonStatus status;
	int			bad_byte;		/* of a number that is too large */
	int			nvalues;
	int			element[EVAUDIT_JSON_MAX_DEPTH + 2];	/* next one, by level */
};

/* Count the value that the parser stands before; check it if it is a number. */
static inline void
check_value(EvauditJsonCursor *cursor)
{
	const JsonLexContext *lex = cursor->lex;

	if (++cursor->nvalues > EVAUDIT_JSON_MAX_VALUES)
		cursor->status = EVAUDIT_JSON_TOO_MANY;
	if (lex->token_type == JSON_TOKEN_NUMBER &&
		cursor->status == EVAUDIT_JSON_OK)
	{
		cursor->status =
			evaudit_json_scan_number(lex->token_start,
									 lex->token_terminator - lex->token_start);
		cursor->bad_byte = (int) (lex->token_start - lex->input);
	}
}

/* Parser's action: a member of an object. */
static EvauditJsonAction
object_field_start(void *state, char *name, bool isnull)
{
	EvauditJsonCursor *cursor = state;

	check_value(cursor);
	cursor->name = name;
	if (cursor->visitor->member != NULL)
		cursor->visitor->member(cursor->visitor->state, cursor->lex->lex_level,
								cursor);
	EVAUDIT_JSON_CONTINUE;
}

/* Parser's action: an array begins. */
static EvauditJsonAction
array_start(void *state)
{
	EvauditJsonCursor *cursor = state;

	cursor->element[cursor->lex->lex_level + 1] = 0;
	EVAUDIT_JSON_CONTINUE;
}

/* Parser's action: an element of an array. */
static EvauditJsonAction
array_element_start(void *state, bool isnull)
{
	EvauditJsonCursor *cursor = state;
	int			level = cursor->lex->lex_level;
	int			index = cursor->element[level]++;

	check_value(cursor);
	if (cursor->visitor->element != NULL)
		cursor->visitor->element(cursor->visitor->state, level, index, cursor);
	EVAUDIT_JSON_CONTINUE;
}

/* The name of the member at the cursor, where it stands if it can be. */
const char *
evaudit_json_cursor_name(const EvauditJsonCursor *cursor, int *len)
{
	const JsonLexContext *lex = cursor->lex;
	const char *end;
	const char *start;

	if (cursor->name != NULL)
	{
		*len = (int) strlen(cursor->name);
		return cursor->name;
	}
	/* back over the colon and the space before it to the closing quote */
	end = lex->prev_token_terminator - 2;
	while (*end != '"')
		end--;
	start = (const char *) memrchr(lex->input, '"', end - lex->input) + 1;
	*len = (int) (end - start);
	return start;
}

/* The value at the cursor; it lives as long as the text, or is copied. */
void
evaudit_json_cursor_value(const EvauditJsonCursor *cursor, EvauditJsonValue *value)
{
	const JsonLexContext *lex = cursor->lex;

	*value = (EvauditJsonValue)
	{
		.type = lex->token_type
	};
	if (value->type == JSON_TOKEN_STRING && lex->strval != NULL)
	{
		value->text = pnstrdup(lex->strval->data, lex->strval->len);
		value->len = lex->strval->len;
	}
	else if (value->type == JSON_TOKEN_STRING)
	{
		value->text = lex->token_start + 1;
		value->len = (int) (lex->token_terminator - lex->token_start) - 2;
	}
	else if (value->type == JSON_TOKEN_NUMBER)
	{
		value->text = lex->token_start;
		value->len = (int) (lex->token_terminator - lex->token_start);
	}
}

/* What the parser says of malformed text, with an excerpt of its token. */
static char *
parser_detail(JsonLexContext *lex, JsonParseErrorType error)
{
	const char *token = lex->token_start;
	int			len = token == NULL ? 0 : (int) (lex->token_terminator - token);

	if (error != JSON_ESCAPING_REQUIRED && len > EXCERPT_BYTES)
		lex->token_terminator += pg_mbcliplen(token, len, EXCERPT_BYTES) - len;
	return json_errdetail(error, lex);
}

/* A text that is known to be JSON: is it an object, or at least bounded? */
static EvauditJsonStatus
check_outermost(EvauditJsonText *input)
{
	const char *p = input->json;
	const char *end = input->json + input->len;

	while (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r')
		p++;
	if (*p == '{')
		return EVAUDIT_JSON_OK;
	if ((*p == '-' || evaudit_is_digit(*p)) &&
		evaudit_json_scan_number(p, end - p) != EVAUDIT_JSON_OK)
	{
		input->bad_byte = (int) (p - input->json);
		return EVAUDIT_JSON_NUMBER_TOO_LARGE;
	}
	return EVAUDIT_JSON_NOT_AN_OBJECT;
}

/*
 * Parse a prepared text and call the visitor on the way; what it was called
 * with means nothing unless the text is good.  EVAUDIT_JSON_NOT_AN_OBJECT is
 * all that is wrong with another value.
 */
EvauditJsonStatus
evaudit_json_visit(EvauditJsonText *input, const EvauditJsonVisitor *visitor)
{
	JsonParseErrorType error;
	EvauditJsonCursor cursor;
	JsonSemAction actions = {
		.semstate = &cursor,
		.object_field_start = object_field_start,
		.array_start = array_start,
		.array_element_start = array_element_start,
	};

	cursor.visitor = visitor;
	cursor.status = EVAUDIT_JSON_OK;
	cursor.bad_byte = 0;
	cursor.nvalues = 0;
	cursor.lex = evaudit_compat_json_lexer(input->json, input->len,
										   GetDatabaseEncoding(),
										   input->has_escapes);
	error = pg_parse_json(cursor.lex, &actions);
	if (error != JSON_SUCCESS)
	{
		input->detail = parser_detail(cursor.lex, error);
		return evaudit_compat_json_bad_unicode(error) ?
			EVAUDIT_JSON_BAD_ESCAPE : EVAUDIT_JSON_MALFORMED;
	}
	input->bad_byte = cursor.bad_byte;
	return cursor.status != EVAUDIT_JSON_OK ? cursor.status :
		check_outermost(input);
}

/*
 * Make jsonb of a text that passed a visit.  The limits of jsonb itself, far
 * beyond what anybody should have let pass, are left to raise an ERROR.
 */
Jsonb *
evaudit_json_to_jsonb(const EvauditJsonText *input)
{
	char	   *json = pnstrdup(input->json, input->len);
	Jsonb	   *result = DatumGetJsonbP(DirectFunctionCall1(jsonb_in,
															CStringGetDatum(json)));

	pfree(json);
	return result;
}
