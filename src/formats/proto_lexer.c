/*-------------------------------------------------------------------------
 *
 * proto_lexer.c
 *	  The words of a .proto file.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <errno.h>

#include "formats/proto_lexer.h"
#include "text/ascii.h"

/* How deep brackets may nest in what is skipped. */
#define MAX_BRACKETS	100

/* Whether a character may be in a name. */
static bool
is_name(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		(c >= '0' && c <= '9') || c == '_' || c == '.';
}

/* Step over white space and comments. */
static bool
skip_space(ProtoLexer *lexer)
{
	for (;;)
	{
		const char *p = lexer->p;

		if (*p == '\n')
			lexer->line++;
		if (*p == ' ' || (*p >= '\t' && *p <= '\r'))
			lexer->p++;
		else if (p[0] == '/' && p[1] == '/')
			lexer->p += strcspn(p, "\n");
		else if (p[0] == '/' && p[1] == '*')
		{
			const char *end = strstr(p + 2, "*/");

			if (end == NULL)
				return evaudit_proto_fail(lexer->set, "line %d: a comment has no end",
										  lexer->line);
			for (; p < end; p++)
				lexer->line += *p == '\n';
			lexer->p = end + 2;
		}
		else
			return true;
	}
}

/* Find the end of a string. */
static bool
scan_string(ProtoLexer *lexer)
{
	const char *p = lexer->p;
	char		quote = *p++;

	for (; *p != quote; p++)
	{
		if (*p == '\\' && p[1] != '\0')
			p++;
		if (*p == '\0' || *p == '\n')
			return evaudit_proto_fail(lexer->set, "line %d: a string has no end",
									  lexer->line);
	}
	lexer->p = p + 1;
	return true;
}

/* Step to the next word. */
bool
evaudit_proto_next(ProtoLexer *lexer)
{
	ProtoToken *token = &lexer->token;

	if (!skip_space(lexer))
		return false;
	token->text = lexer->p;
	if (*lexer->p == '\0')
		token->type = PROTO_TOKEN_END;
	else if (*lexer->p == '"' || *lexer->p == '\'')
	{
		token->type = PROTO_TOKEN_STRING;
		if (!scan_string(lexer))
			return false;
	}
	else if (is_name(*lexer->p))
	{
		token->type = *lexer->p >= '0' && *lexer->p <= '9' ?
			PROTO_TOKEN_NUMBER : PROTO_TOKEN_NAME;
		while (is_name(*lexer->p) ||
			   (token->type == PROTO_TOKEN_NUMBER &&
				(*lexer->p == '+' || *lexer->p == '-') &&
				(lexer->p[-1] == 'e' || lexer->p[-1] == 'E')))
			lexer->p++;
	}
	else
	{
		token->type = PROTO_TOKEN_SYMBOL;
		lexer->p++;
	}
	token->len = lexer->p - token->text;
	return true;
}

/* Whether the current word is a text. */
bool
evaudit_proto_is(const ProtoLexer *lexer, const char *word)
{
	return lexer->token.type != PROTO_TOKEN_END &&
		lexer->token.len == strlen(word) &&
		memcmp(lexer->token.text, word, lexer->token.len) == 0;
}

/* Insist on a word, and step over it. */
bool
evaudit_proto_expect(ProtoLexer *lexer, const char *word)
{
	if (evaudit_proto_is(lexer, word))
		return evaudit_proto_next(lexer);
	return evaudit_proto_fail(lexer->set, "line %d: \"%s\" is expected, not \"%.*s\"",
							  lexer->line, word,
							  (int) Min(lexer->token.len, 40),
							  lexer->token.text);
}

/* Step over a word if it is there; whether it was. */
bool
evaudit_proto_accept(ProtoLexer *lexer, const char *word)
{
	return evaudit_proto_is(lexer, word) && evaudit_proto_next(lexer);
}

/* Take a name. */
bool
evaudit_proto_take_name(ProtoLexer *lexer, char **name)
{
	if (lexer->token.type != PROTO_TOKEN_NAME)
		return evaudit_proto_fail(lexer->set, "line %d: a name is expected, not \"%.*s\"",
								  lexer->line,
								  (int) Min(lexer->token.len, 40),
								  lexer->token.text);
	*name = pnstrdup(lexer->token.text, lexer->token.len);
	return evaudit_proto_next(lexer);
}

/* Take an integer, which may have a sign. */
bool
evaudit_proto_take_int(ProtoLexer *lexer, int64 *value)
{
	bool		negative = evaudit_proto_accept(lexer, "-");
	char	   *str;
	char	   *end;

	if (lexer->token.type == PROTO_TOKEN_NUMBER && lexer->token.len < 30)
	{
		str = pnstrdup(lexer->token.text, lexer->token.len);
		errno = 0;
		*value = strtoll(str, &end, 0);
		if (errno == 0 && *end == '\0')
		{
			if (negative)
				*value = -*value;
			return evaudit_proto_next(lexer);
		}
	}
	return evaudit_proto_fail(lexer->set, "line %d: a number is expected, not \"%.*s\"",
							  lexer->line, (int) Min(lexer->token.len, 40),
							  lexer->token.text);
}

/* The bracket that closes another one, or 0. */
static char
closing(char c)
{
	return c == '{' ? '}' : c == '[' ? ']' : c == '(' ? ')' : 0;
}

/*
 * Skip all brackets that are open at the current word, with what is in them,
 * up to the word that follows.
 */
bool
evaudit_proto_skip_brackets(ProtoLexer *lexer)
{
	char		open[MAX_BRACKETS];
	int			depth = 0;

	do
	{
		char		c = lexer->token.type == PROTO_TOKEN_SYMBOL ?
			lexer->token.text[0] : 0;

		if (lexer->token.type == PROTO_TOKEN_END)
			return evaudit_proto_fail(lexer->set, "the file ends within brackets");
		if (closing(c) != 0)
		{
			if (depth == MAX_BRACKETS)
				return evaudit_proto_fail(lexer->set, "line %d: brackets nest too deeply",
										  lexer->line);
			open[depth++] = closing(c);
		}
		else if (c == '}' || c == ']' || c == ')')
		{
			if (depth == 0 || open[--depth] != c)
				return evaudit_proto_fail(lexer->set, "line %d: \"%c\" closes nothing",
										  lexer->line, c);
		}
		if (!evaudit_proto_next(lexer))
			return false;
	} while (depth > 0);
	return true;
}

/* Skip a statement, up to its semicolon or the end of its braces. */
bool
evaudit_proto_skip_statement(ProtoLexer *lexer)
{
	while (!evaudit_proto_is(lexer, ";"))
	{
		bool		braces = evaudit_proto_is(lexer, "{");

		if (lexer->token.type == PROTO_TOKEN_END)
			return evaudit_proto_fail(lexer->set, "the file ends within a statement");
		if (!evaudit_proto_skip_brackets(lexer))
			return false;
		if (braces)
		{
			(void) evaudit_proto_accept(lexer, ";");
			return lexer->set->error == NULL;
		}
	}
	return evaudit_proto_next(lexer);
}
