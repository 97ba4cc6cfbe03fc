/*-------------------------------------------------------------------------
 *
 * pattern_ecma.c
 *	  Patterns of ECMA-262 in the language of PCRE2.
 *
 * What both write alike goes through; what PCRE2 alone knows is refused; the
 * rest is written anew, character classes above all: \d and \w are ASCII,
 * \s has every space of Unicode, and a dot no end of a line.  An escaped
 * character that is no letter or digit stands for itself, though the u flag
 * would forbid it: schemas are full of them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "text/ascii.h"
#include "text/pattern_ecma.h"

/* White space and ends of lines, and all but them, inside of brackets. */
#define SPACES \
	"\\x09-\\x0d\\x20\\xa0\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}" \
	"\\x{202f}\\x{205f}\\x{3000}\\x{feff}"
#define NO_SPACES \
	"\\x00-\\x08\\x0e-\\x1f\\x21-\\x9f\\xa1-\\x{167f}\\x{1681}-\\x{1fff}" \
	"\\x{200b}-\\x{2027}\\x{202a}-\\x{202e}\\x{2030}-\\x{205e}" \
	"\\x{2060}-\\x{2fff}\\x{3001}-\\x{fefe}\\x{ff00}-\\x{10ffff}"

typedef struct Pattern
{
	const char *p;
	const char *end;
	StringInfo	out;
	bool		in_class;
} Pattern;

/* Long names of general categories; PCRE2 has the short ones. */
static const char *const categories[][2] = {
	{"Letter", "L"}, {"Cased_Letter", "L&"}, {"LC", "L&"},
	{"Uppercase_Letter", "Lu"}, {"Lowercase_Letter", "Ll"},
	{"Titlecase_Letter", "Lt"}, {"Modifier_Letter", "Lm"},
	{"Other_Letter", "Lo"}, {"Mark", "M"}, {"Combining_Mark", "M"},
	{"Nonspacing_Mark", "Mn"}, {"Spacing_Mark", "Mc"},
	{"Enclosing_Mark", "Me"}, {"Number", "N"}, {"Decimal_Number", "Nd"},
	{"digit", "Nd"}, {"Letter_Number", "Nl"}, {"Other_Number", "No"},
	{"Punctuation", "P"}, {"punct", "P"}, {"Connector_Punctuation", "Pc"},
	{"Dash_Punctuation", "Pd"}, {"Open_Punctuation", "Ps"},
	{"Close_Punctuation", "Pe"}, {"Initial_Punctuation", "Pi"},
	{"Final_Punctuation", "Pf"}, {"Other_Punctuation", "Po"},
	{"Symbol", "S"}, {"Math_Symbol", "Sm"}, {"Currency_Symbol", "Sc"},
	{"Modifier_Symbol", "Sk"}, {"Other_Symbol", "So"}, {"Separator", "Z"},
	{"Space_Separator", "Zs"}, {"Line_Separator", "Zl"},
	{"Paragraph_Separator", "Zp"}, {"Other", "C"}, {"Control", "Cc"},
	{"cntrl", "Cc"}, {"Format", "Cf"}, {"Surrogate", "Cs"},
	{"Private_Use", "Co"}, {"Unassigned", "Cn"},
};

/* Read n hexadecimal digits; false if they are not there. */
static bool
read_hex(Pattern *pattern, int n, uint32 *code)
{
	*code = 0;
	if (pattern->end - pattern->p < n)
		return false;
	for (int i = 0; i < n; i++)
	{
		int			digit = evaudit_hex_digit(pattern->p[i]);

		if (digit < 0)
			return false;
		*code = *code << 4 | digit;
	}
	pattern->p += n;
	return true;
}

/* \u0041, \u{1F600}, or two surrogates. */
static const char *
translate_unicode(Pattern *pattern)
{
	uint32		code = 0;
	uint32		low;

	if (pattern->p < pattern->end && *pattern->p == '{')
	{
		const char *start = ++pattern->p;

		while (pattern->p < pattern->end && *pattern->p != '}')
			pattern->p++;
		if (pattern->p == pattern->end || pattern->p == start ||
			pattern->p - start > 8)
			return "\\u{ without digits and }";
		low = (uint32) (pattern->p - start);
		pattern->p = start;
		if (!read_hex(pattern, (int) low, &code))
			return "\\u{ without digits and }";
		pattern->p++;
	}
	else if (!read_hex(pattern, 4, &code))
		return "\\u without four digits";
	if (code >= 0xD800 && code < 0xDC00 &&
		pattern->end - pattern->p >= 6 &&
		pattern->p[0] == '\\' && pattern->p[1] == 'u')
	{
		const char *before = pattern->p;

		pattern->p += 2;
		if (read_hex(pattern, 4, &low) && low >= 0xDC00 && low < 0xE000)
			code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
		else
			pattern->p = before;
	}
	if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000))
		return "\\u is no character";
	appendStringInfo(pattern->out, "\\x{%x}", code);
	return NULL;
}

/* \p{Letter}, \p{gc=Lu}, \P{Script=Greek} */
static const char *
translate_property(Pattern *pattern, char letter)
{
	const char *close;
	const char *name = pattern->p + 1;
	const char *equals;
	char	   *value;
	bool		script = false;

	close = pattern->p < pattern->end && *pattern->p == '{' ?
		memchr(name, '}', pattern->end - name) : NULL;
	if (close == NULL || close == name)
		return "\\p without a name in braces";
	for (const char *c = name; c < close; c++)
	{
		if (!evaudit_is_alnum(*c) && *c != '_' && *c != '=')
			return "\\p with a name that is none";
	}
	equals = memchr(name, '=', close - name);
	if (equals != NULL)
	{
		char	   *key = pnstrdup(name, equals - name);

		script = strcmp(key, "Script") == 0 || strcmp(key, "sc") == 0 ||
			strcmp(key, "Script_Extensions") == 0 || strcmp(key, "scx") == 0;
		if (!script && strcmp(key, "General_Category") != 0 &&
			strcmp(key, "gc") != 0)
			return "\\p with a property that is not known";
		name = equals + 1;
	}
	value = pnstrdup(name, close - name);
	for (int i = 0; !script && i < lengthof(categories); i++)
	{
		if (strcmp(value, categories[i][0]) == 0)
			value = pstrdup(categories[i][1]);
	}
	appendStringInfo(pattern->out, "\\%c{%s}", letter, value);
	pattern->p = close + 1;
	return NULL;
}

/*
 * \1 to \99, \0, and \k<name>; in parentheses, since PCRE2 may take one that
 * is repeated for at least as long as its group.
 */
static const char *
translate_reference(Pattern *pattern, char c)
{
	if (c == '0')
	{
		if (pattern->p < pattern->end && evaudit_is_digit(*pattern->p))
			return "\\0 before a digit";
		appendStringInfoString(pattern->out, "\\x00");
		return NULL;
	}
	if (pattern->in_class)
		return "a back reference in brackets";
	if (c == 'k')
	{
		const char *close = pattern->p < pattern->end && *pattern->p == '<' ?
			memchr(pattern->p, '>', pattern->end - pattern->p) : NULL;

		if (close == NULL)
			return "\\k without a name";
		appendStringInfo(pattern->out, "(?:\\k%.*s)",
						 (int) (close + 1 - pattern->p), pattern->p);
		pattern->p = close + 1;
		return NULL;
	}
	appendStringInfo(pattern->out, "(?:\\g{%c", c);
	while (pattern->p < pattern->end && evaudit_is_digit(*pattern->p))
		appendStringInfoChar(pattern->out, *pattern->p++);
	appendStringInfoString(pattern->out, "})");
	return NULL;
}

/* What follows a backslash. */
static const char *
translate_escape(Pattern *pattern)
{
	StringInfo	out = pattern->out;
	uint32		code;
	char		c;

	if (pattern->p == pattern->end)
		return "a backslash at the end";
	c = *pattern->p++;
	if (c == 's')
		appendStringInfoString(out, pattern->in_class ? SPACES : "[" SPACES "]");
	else if (c == 'S')
		appendStringInfoString(out, pattern->in_class ? NO_SPACES : "[^" SPACES "]");
	else if (c == 'v')
		appendStringInfoString(out, "\\x0b");
	else if (c == 'b' && pattern->in_class)
		appendStringInfoString(out, "\\x08");
	else if (c == 'B' && pattern->in_class)
		return "\\B in brackets";
	else if (strchr("dDwWbBtnrf", c) != NULL && c != '\0')
		appendStringInfo(out, "\\%c", c);
	else if (c == 'u')
		return translate_unicode(pattern);
	else if (c == 'x')
	{
		if (!read_hex(pattern, 2, &code))
			return "\\x without two digits";
		appendStringInfo(out, "\\x{%x}", code);
	}
	else if (c == 'c')
	{
		if (pattern->p == pattern->end || !evaudit_is_letter(*pattern->p))
			return "\\c without a letter";
		appendStringInfo(out, "\\x{%x}", *pattern->p++ & 0x1F);
	}
	else if (c == 'p' || c == 'P')
		return translate_property(pattern, c);
	else if (evaudit_is_digit(c) || c == 'k')
		return translate_reference(pattern, c);
	else if (evaudit_is_letter(c))
		return "an escaped letter that means nothing";
	else if ((unsigned char) c >= 0x80)
		appendStringInfoChar(out, c);
	else
		appendStringInfo(out, "\\x{%x}", (unsigned char) c);
	return NULL;
}

/* What stands in brackets, behind the first one. */
static const char *
translate_class(Pattern *pattern)
{
	StringInfo	out = pattern->out;
	bool		negated;
	const char *error = NULL;

	negated = pattern->p < pattern->end && *pattern->p == '^';
	if (negated)
		pattern->p++;
	if (pattern->p < pattern->end && *pattern->p == ']')
	{
		pattern->p++;
		appendStringInfoString(out, negated ? "(?s:.)" : "(?!)");
		return NULL;
	}
	appendStringInfoString(out, negated ? "[^" : "[");
	pattern->in_class = true;
	while (error == NULL)
	{
		char		c;

		if (pattern->p == pattern->end)
			return "brackets that are not closed";
		c = *pattern->p++;
		if (c == ']')
			break;
		if (c == '\\')
			error = translate_escape(pattern);
		else if (c == '[')
			appendStringInfoString(out, "\\[");
		else
			appendStringInfoChar(out, c);
	}
	pattern->in_class = false;
	appendStringInfoChar(out, ']');
	return error;
}

/* What follows an opening parenthesis: of "(?" only what ECMA-262 has. */
static const char *
translate_group(Pattern *pattern)
{
	const char *p = pattern->p;

	appendStringInfoChar(pattern->out, '(');
	if (p == pattern->end)
		return "parentheses that are not closed";
	if (*p == '*')
		return "nothing to repeat";
	if (*p != '?')
		return NULL;
	if (pattern->end - p < 2 || strchr(":=!<", p[1]) == NULL || p[1] == '\0')
		return "parentheses of a kind that is not known";
	appendBinaryStringInfo(pattern->out, p, 2);
	pattern->p += 2;
	return NULL;
}

/* A quantifier in braces, or a brace that stands for itself. */
static void
translate_brace(Pattern *pattern)
{
	const char *p = pattern->p;

	while (p < pattern->end && evaudit_is_digit(*p))
		p++;
	if (p > pattern->p && p < pattern->end && *p == ',')
	{
		p++;
		while (p < pattern->end && evaudit_is_digit(*p))
			p++;
	}
	if (p > pattern->p && p < pattern->end && *p == '}')
	{
		appendStringInfoChar(pattern->out, '{');
		appendBinaryStringInfo(pattern->out, pattern->p,
							   (int) (p - pattern->p) + 1);
		pattern->p = p + 1;
	}
	else
		appendStringInfoString(pattern->out, "\\{");
}

/* Is the character before the next one a quantifier's last? */
static bool
follows_quantifier(const Pattern *pattern, int quantifier_end)
{
	return quantifier_end == pattern->out->len && quantifier_end > 0;
}

/*
 * Translate a pattern of UTF-8.  Returns why it is not one of ECMA-262, or
 * NULL; what PCRE2 refuses as well is left to it.
 */
const char *
evaudit_regex_translate(const char *str, size_t len, StringInfo out)
{
	Pattern		pattern = {str, str + len, out, false};
	int			quantifier_end = -1;
	const char *error = NULL;

	while (pattern.p < pattern.end && error == NULL)
	{
		char		c = *pattern.p++;

		if (strchr("*+?{", c) != NULL && c != '\0')
		{
			int			before = out->len;

			/* of quantifiers of quantifiers, only "?" has a meaning */
			if (c != '{' && c != '?' &&
				follows_quantifier(&pattern, quantifier_end))
				return "nothing to repeat";
			if (c == '{')
				translate_brace(&pattern);
			else
				appendStringInfoChar(out, c);
			if (c != '?' || quantifier_end != before)
				quantifier_end = out->data[out->len - 1] == '{' ? -1 : out->len;
		}
		else if (c == '\\')
			error = translate_escape(&pattern);
		else if (c == '[')
			error = translate_class(&pattern);
		else if (c == '(')
			error = translate_group(&pattern);
		else if (c == '.')
			appendStringInfoString(out, "[^\\n\\r\\x{2028}\\x{2029}]");
		else if (c == ']' || c == '}')
			appendStringInfo(out, "\\%c", c);
		else
			appendStringInfoChar(out, c);
	}
	return error;
}
