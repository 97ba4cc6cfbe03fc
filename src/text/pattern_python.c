/*-------------------------------------------------------------------------
 *
 * pattern_python.c
 *	  Patterns of Python's module re in the language of PCRE2.
 *
 * Access maps of gateways are written for re.fullmatch() on text.  A pattern
 * is parsed and written anew, so that nothing means what PCRE2 takes it for:
 * characters by their codes, classes and boundaries by the properties that
 * Python asks for, anchors by what they assert.  What cannot be had alike is
 * refused: conditions, names of characters, verbose patterns, and characters
 * beyond ASCII whose case is to be ignored, since each engine has a table of
 * its own for these.
 *
 * Groups are numbered and not named in what is written.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"

#include "text/ascii.h"
#include "text/pattern_class.h"
#include "text/pattern_python.h"

/* Most groups that capture, and deepest nesting of any. */
#define MAX_GROUPS		99
#define MAX_DEPTH		100

/* What an item is, for the quantifier behind it. */
typedef enum Item
{
	ITEM_NONE,					/* nothing is there to be repeated */
	ITEM_ANCHOR,				/* nor this */
	ITEM_LOOKAROUND,
	ITEM_REPEATED,
	ITEM_PLAIN
} Item;

typedef struct Group
{
	const char *name;			/* in the pattern, not terminated; or NULL */
	size_t		name_len;
	bool		closed;
} Group;

typedef struct Parser
{
	PythonText	text;			/* what is left of the pattern */
	StringInfo	out;
	int			flags;			/* in force */
	int			depth;
	bool		behind;			/* within a lookbehind */
	bool		at_start;		/* no item so far */
	int			ngroups;
	Group		groups[MAX_GROUPS + 1];
} Parser;

static const char *parse_alternatives(Parser *parser);

/* Whether the next character is this one; then it is skipped. */
static bool
skip(Parser *parser, char c)
{
	if (parser->text.p == parser->text.end || *parser->text.p != c)
		return false;
	parser->text.p++;
	return true;
}

/* A number in digits; -1 if there are none. */
static int
read_number(Parser *parser)
{
	int			n = -1;

	while (parser->text.p < parser->text.end &&
		   evaudit_is_digit(*parser->text.p))
	{
		n = Max(n, 0) * 10 + (*parser->text.p - '0');
		/* more than PCRE2 takes */
		n = Min(n, 1000000);
		parser->text.p++;
	}
	return n;
}

/* Write a reference to a group that is closed. */
static const char *
write_reference(Parser *parser, int group)
{
	if (group < 1 || group > parser->ngroups)
		return "a reference to a group that is not there";
	if (!parser->groups[group].closed)
		return "a reference to a group that is open";
	if (parser->behind)
		return "a reference in a lookbehind";
	if (parser->flags & PYTHON_IGNORECASE)
		return "a reference whose case is to be ignored";
	appendStringInfo(parser->out, "(?:\\g{%d})", group);
	return NULL;
}

/*
 * A backslash and a digit that is not 0: a reference, or three octal digits.
 */
static const char *
parse_reference(Parser *parser, uint32 *code, bool *is_code)
{
	const char *p = parser->text.p;
	const char *end = parser->text.end;
	int			group = *p - '0';

	*is_code = false;
	if (end - p > 2 && p[0] < '8' && p[1] >= '0' && p[1] < '8' &&
		p[2] >= '0' && p[2] < '8')
	{
		*is_code = true;
		*code = (p[0] - '0') * 64 + (p[1] - '0') * 8 + p[2] - '0';
		parser->text.p += 3;
		return *code > 0377 ? "an octal escape beyond \\377" : NULL;
	}
	parser->text.p++;
	if (end - p > 1 && evaudit_is_digit(p[1]))
	{
		group = group * 10 + p[1] - '0';
		parser->text.p++;
	}
	return write_reference(parser, group);
}

/* An escape outside of brackets. */
static const char *
parse_escape(Parser *parser, Item *item)
{
	const char *error = NULL;
	uint32		code;
	bool		is_code = true;
	char		c;

	if (parser->text.p == parser->text.end)
		return "a backslash at the end";
	*item = ITEM_PLAIN;
	c = *parser->text.p;
	if (c == 'A' || c == 'Z' || c == 'b' || c == 'B')
	{
		*item = ITEM_ANCHOR;
		parser->text.p++;
		evaudit_python_write_anchor(parser->out, c, parser->flags);
		return NULL;
	}
	if (c >= '1' && c <= '9')
		error = parse_reference(parser, &code, &is_code);
	else if (evaudit_python_is_category(c))
	{
		parser->text.p++;
		evaudit_python_write_category(parser->out, c, parser->flags);
		return NULL;
	}
	else
		error = evaudit_python_read_escape(&parser->text, &code);
	if (error != NULL || !is_code)
		return error;
	return evaudit_python_write_character(parser->out, code, parser->flags);
}

/* What stands in parentheses, up to the closing one. */
static const char *
parse_inside(Parser *parser, const char *opening)
{
	const char *error;

	appendStringInfoString(parser->out, opening);
	if (++parser->depth > MAX_DEPTH)
		return "parentheses that are nested too deeply";
	error = parse_alternatives(parser);
	if (error != NULL)
		return error;
	if (!skip(parser, ')'))
		return "parentheses that are not closed";
	parser->depth--;
	appendStringInfoChar(parser->out, ')');
	return NULL;
}

/* (?i) for the whole pattern, or (?i:...), (?-i:...) for a part. */
static const char *
parse_flags(Parser *parser, Item *item)
{
	int			before = parser->flags;
	int			on;
	int			off = 0;
	const char *error = evaudit_python_read_flags(&parser->text, &on);

	if (error != NULL)
		return error;
	if (skip(parser, ')'))
	{
		if (on == 0 || !parser->at_start || parser->depth > 0)
			return "flags that are not at the start";
		parser->flags |= on & ~PYTHON_UNICODE;
		*item = ITEM_NONE;
		return NULL;
	}
	if (skip(parser, '-'))
	{
		error = evaudit_python_read_flags(&parser->text, &off);
		if (error != NULL || off == 0 || (on & off) != 0 ||
			(off & (PYTHON_ASCII | PYTHON_UNICODE)) != 0)
			return "flags that cannot be turned off";
	}
	else if (on == 0)
		return "parentheses of a kind that is not known";
	if (!skip(parser, ':'))
		return "flags that are not known";
	if (on & (PYTHON_ASCII | PYTHON_UNICODE))
		parser->flags &= ~PYTHON_ASCII;
	parser->flags = (parser->flags | (on & ~PYTHON_UNICODE)) & ~off;
	error = parse_inside(parser, "(?:");
	parser->flags = before;
	return error;
}

/* A lookahead or a lookbehind. */
static const char *
parse_lookaround(Parser *parser, const char *opening, bool behind)
{
	bool		before = parser->behind;
	const char *error;

	parser->behind |= behind;
	error = parse_inside(parser, opening);
	parser->behind = before;
	return error;
}

/* The number of the group of a name; 0 if there is none. */
static int
find_group(const Parser *parser, const char *name, size_t len)
{
	for (int i = 1; i <= parser->ngroups; i++)
	{
		if (parser->groups[i].name != NULL &&
			parser->groups[i].name_len == len &&
			memcmp(parser->groups[i].name, name, len) == 0)
			return i;
	}
	return 0;
}

/* A group that captures, perhaps with a name. */
static const char *
parse_capture(Parser *parser, const char *name, size_t len)
{
	int			group = ++parser->ngroups;
	const char *error;

	if (group > MAX_GROUPS)
		return "too many groups";
	parser->groups[group].name = name;
	parser->groups[group].name_len = len;
	parser->groups[group].closed = false;
	error = parse_inside(parser, "(");
	parser->groups[group].closed = true;
	return error;
}

/* (?P<name>...) and (?P=name) */
static const char *
parse_named(Parser *parser)
{
	bool		reference = skip(parser, '=');
	const char *name;
	size_t		len;

	if (!reference && !skip(parser, '<'))
		return "parentheses of a kind that is not known";
	name = parser->text.p;
	while (parser->text.p < parser->text.end &&
		   (evaudit_is_alnum(*parser->text.p) || *parser->text.p == '_'))
		parser->text.p++;
	len = parser->text.p - name;
	if (len == 0 || evaudit_is_digit(*name) ||
		!skip(parser, reference ? ')' : '>'))
		return "a group's name that is none";
	if (reference)
		return write_reference(parser, find_group(parser, name, len));
	if (find_group(parser, name, len) > 0)
		return "a group's name that is used twice";
	return parse_capture(parser, name, len);
}

/* What follows "(?<": a lookbehind, for names are written otherwise. */
static const char *
parse_lookbehind(Parser *parser)
{
	if (skip(parser, '='))
		return parse_lookaround(parser, "(?<=", true);
	if (skip(parser, '!'))
		return parse_lookaround(parser, "(?<!", true);
	return "parentheses of a kind that is not known";
}

/* What follows an opening parenthesis. */
static const char *
parse_group(Parser *parser, Item *item)
{
	*item = ITEM_PLAIN;
	if (!skip(parser, '?'))
		return parse_capture(parser, NULL, 0);
	if (skip(parser, ':'))
		return parse_inside(parser, "(?:");
	if (skip(parser, '>'))
		return parse_inside(parser, "(?>");
	if (skip(parser, 'P'))
		return parse_named(parser);
	if (skip(parser, '#'))
	{
		*item = ITEM_NONE;
		while (parser->text.p < parser->text.end && *parser->text.p++ != ')')
			 /* skip */ ;
		return parser->text.p[-1] == ')' ? NULL : "a comment that is not closed";
	}
	if (parser->text.p < parser->text.end && strchr("=!<", *parser->text.p))
	{
		*item = ITEM_LOOKAROUND;
		if (skip(parser, '='))
			return parse_lookaround(parser, "(?=", false);
		if (skip(parser, '!'))
			return parse_lookaround(parser, "(?!", false);
		parser->text.p++;
		return parse_lookbehind(parser);
	}
	return parse_flags(parser, item);
}

/*
 * Whether a brace begins a quantifier: {m}, {m,}, {,n}, {m,n} or {,}.  Then
 * it is written; else the brace stands for itself.
 */
static bool
parse_braces(Parser *parser, StringInfo quantifier)
{
	const char *before = parser->text.p;
	int			min;
	int			max;

	if (parser->text.p < parser->text.end && *parser->text.p == '}')
		return false;
	min = read_number(parser);
	max = min;
	if (skip(parser, ','))
		max = read_number(parser);
	else if (min < 0)
		max = -2;
	if (max == -2 || !skip(parser, '}'))
	{
		parser->text.p = before;
		return false;
	}
	appendStringInfo(quantifier, "{%d,", Max(min, 0));
	if (max >= 0)
		appendStringInfo(quantifier, "%d", max);
	appendStringInfoChar(quantifier, '}');
	return true;
}

/* A quantifier behind an item, with what may follow it. */
static const char *
write_quantifier(Parser *parser, const char *quantifier, Item *item)
{
	if (*item == ITEM_NONE || *item == ITEM_ANCHOR)
		return "nothing to repeat";
	if (*item == ITEM_REPEATED)
		return "a quantifier of a quantifier";
	if (*item == ITEM_LOOKAROUND)
		return "a quantifier of a lookaround";
	appendStringInfoString(parser->out, quantifier);
	if (skip(parser, '?'))
		appendStringInfoChar(parser->out, '?');
	else if (skip(parser, '+'))
		appendStringInfoChar(parser->out, '+');
	*item = ITEM_REPEATED;
	return NULL;
}

/* Whether a quantifier is next: it is written, or an error. */
static bool
parse_quantifier(Parser *parser, Item *item, const char **error)
{
	char		one[2] = {0};
	StringInfoData braces;

	if (parser->text.p == parser->text.end || *parser->text.p == '\0' ||
		strchr("*+?{", *parser->text.p) == NULL)
		return false;
	one[0] = *parser->text.p++;
	if (one[0] != '{')
	{
		*error = write_quantifier(parser, one, item);
		return true;
	}
	initStringInfo(&braces);
	if (parse_braces(parser, &braces))
	{
		*error = write_quantifier(parser, braces.data, item);
		return true;
	}
	parser->text.p--;
	return false;
}

/* One item that is no quantifier. */
static const char *
parse_item(Parser *parser, Item *item)
{
	uint32		code;
	const char *error;

	*item = ITEM_PLAIN;
	switch (*parser->text.p)
	{
		case '\\':
			parser->text.p++;
			return parse_escape(parser, item);
		case '[':
			parser->text.p++;
			return evaudit_python_translate_class(&parser->text, parser->out,
												  parser->flags);
		case '(':
			parser->text.p++;
			return parse_group(parser, item);
		case '.':
			parser->text.p++;
			appendStringInfoString(parser->out,
								   parser->flags & PYTHON_DOTALL ?
								   "(?s:.)" : "[^\\x{a}]");
			return NULL;
		case '^':
		case '$':
			*item = ITEM_ANCHOR;
			evaudit_python_write_anchor(parser->out, *parser->text.p++,
										parser->flags);
			return NULL;
	}
	error = evaudit_python_read_character(&parser->text, &code);
	return error != NULL ? error :
		evaudit_python_write_character(parser->out, code, parser->flags);
}

/* Alternatives, up to a closing parenthesis or the end. */
static const char *
parse_alternatives(Parser *parser)
{
	const char *error = NULL;
	Item		last = ITEM_NONE;

	while (error == NULL && parser->text.p < parser->text.end &&
		   *parser->text.p != ')')
	{
		Item		item = last;

		if (skip(parser, '|'))
		{
			appendStringInfoChar(parser->out, '|');
			last = ITEM_NONE;
			parser->at_start = false;
			continue;
		}
		if (!parse_quantifier(parser, &item, &error))
		{
			error = parse_item(parser, &item);
			/* flags and comments are no items: what is before them is last */
			if (item == ITEM_NONE)
				continue;
		}
		parser->at_start = false;
		last = item;
	}
	return error;
}

/*
 * Translate a pattern of UTF-8.  Returns why it is not one of Python's, or
 * cannot be had, or NULL; what PCRE2 refuses as well is left to it.
 */
const char *
evaudit_regex_translate_python(const char *str, size_t len, StringInfo out)
{
	Parser		parser = {.text = {str, str + len},.out = out,
	.at_start = true};
	const char *error;

	if (pg_encoding_verifymbstr(PG_UTF8, str, (int) len) != len)
		return "not UTF-8";
	error = parse_alternatives(&parser);
	if (error == NULL && parser.text.p < parser.text.end)
		error = "a parenthesis that was not opened";
	return error;
}
