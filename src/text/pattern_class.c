/*-------------------------------------------------------------------------
 *
 * pattern_class.c
 *	  Characters, classes, anchors and flags of Python's patterns.
 *
 * Digits, words and spaces are those of str.isdecimal(), str.isalnum() with
 * the underscore, and str.isspace(): for Python 3.11 these are exactly the
 * categories Nd, and L and N, of Unicode, and a list.
 *
 * A class is written as a lookahead for what it must be, or not, and any
 * character: so it can have in it what is itself the negation of a class.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"

#include "text/ascii.h"
#include "text/pattern_class.h"

/* What is inside of the brackets of a category. */
#define UNICODE_DIGITS	"\\p{Nd}"
#define UNICODE_WORDS	"\\p{L}\\p{N}_"
#define UNICODE_SPACES \
	"\\x{9}-\\x{d}\\x{1c}-\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}" \
	"\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}"
#define ASCII_DIGITS	"0-9"
#define ASCII_WORDS		"0-9A-Za-z_"
#define ASCII_SPACES	"\\x{9}-\\x{d}\\x{20}"

/* Whether a letter behind a backslash stands for a category. */
bool
evaudit_python_is_category(char c)
{
	return c != '\0' && strchr("dDwWsS", c) != NULL;
}

/* What is inside of the brackets of a category, or of what it is not. */
static const char *
category_of(char c, int flags)
{
	bool		ascii = (flags & PYTHON_ASCII) != 0;

	switch (c | 0x20)
	{
		case 'd':
			return ascii ? ASCII_DIGITS : UNICODE_DIGITS;
		case 'w':
			return ascii ? ASCII_WORDS : UNICODE_WORDS;
		default:
			return ascii ? ASCII_SPACES : UNICODE_SPACES;
	}
}

/* Write \d, \D and the like. */
void
evaudit_python_write_category(StringInfo out, char c, int flags)
{
	appendStringInfo(out, c < 'a' ? "[^%s]" : "[%s]", category_of(c, flags));
}

/*
 * Write what an anchor asserts.  Python finds no \B in an empty text, up to
 * version 3.13.
 */
void
evaudit_python_write_anchor(StringInfo out, char c, int flags)
{
	bool		lines = (flags & PYTHON_MULTILINE) != 0;
	const char *words = category_of('w', flags);

	switch (c)
	{
		case '^':
			appendStringInfoString(out, lines ? "(?:\\A|(?<=\\x{a}))" : "\\A");
			break;
		case '$':
			appendStringInfoString(out, lines ? "(?=\\x{a}|\\z)" :
								   "(?=\\x{a}?\\z)");
			break;
		case 'A':
			appendStringInfoString(out, "\\A");
			break;
		case 'Z':
			appendStringInfoString(out, "\\z");
			break;
		case 'b':
			appendStringInfo(out, "(?:(?<=[%s])(?![%s])|(?<![%s])(?=[%s]))",
							 words, words, words, words);
			break;
		default:
			appendStringInfo(out, "(?!\\A\\z)(?:(?<=[%s])(?=[%s])|(?<![%s])(?![%s]))",
							 words, words, words, words);
			break;
	}
}

/* Read a character as it is. */
const char *
evaudit_python_read_character(PythonText *rest, uint32 *code)
{
	*code = utf8_to_unicode((const unsigned char *) rest->p);
	rest->p += pg_utf_mblen((const unsigned char *) rest->p);
	return NULL;
}

/* Read n hexadecimal digits of an escape. */
static const char *
read_hex(PythonText *rest, int n, uint32 *code)
{
	*code = 0;
	for (int i = 0; i < n; i++)
	{
		int			digit = rest->p < rest->end ?
			evaudit_hex_digit(*rest->p) : -1;

		if (digit < 0)
			return "an escape without its digits";
		*code = *code << 4 | digit;
		rest->p++;
	}
	if (*code > 0x10FFFF || (*code >= 0xD800 && *code < 0xE000))
		return "an escape that is no character";
	return NULL;
}

/* Read octal digits, at most n. */
static uint32
read_octal(PythonText *rest, int n)
{
	uint32		code = 0;

	for (int i = 0; i < n && rest->p < rest->end &&
		 *rest->p >= '0' && *rest->p < '8'; i++)
		code = code * 8 + (*rest->p++ - '0');
	return code;
}

/*
 * Read an escape that stands for one character, behind its backslash: all
 * but those of categories, anchors and groups.
 */
const char *
evaudit_python_read_escape(PythonText *rest, uint32 *code)
{
	static const char letters[] = "afnrtv";
	static const char codes[] = "\a\f\n\r\t\v";
	const char *letter;
	char		c;

	if (rest->p == rest->end)
		return "a backslash at the end";
	c = *rest->p;
	if (c == '0')
	{
		*code = read_octal(rest, 3);
		return NULL;
	}
	if (!evaudit_is_alnum(c))
		return evaudit_python_read_character(rest, code);
	rest->p++;
	if (c == 'x')
		return read_hex(rest, 2, code);
	if (c == 'u')
		return read_hex(rest, 4, code);
	if (c == 'U')
		return read_hex(rest, 8, code);
	letter = strchr(letters, c);
	if (letter == NULL)
		return "an escape that is not known";
	*code = (unsigned char) codes[letter - letters];
	return NULL;
}

/* Characters beyond ASCII that an ASCII letter is, its case ignored. */
static const char *
far_cases(uint32 code, int flags)
{
	if (flags & PYTHON_ASCII)
		return "";
	switch (code | 0x20)
	{
		case 'i':
			return "\\x{130}\\x{131}";
		case 'k':
			return "\\x{212a}";
		case 's':
			return "\\x{17f}";
		default:
			return "";
	}
}

/* Write a character, or the class of those that it is in any case. */
const char *
evaudit_python_write_character(StringInfo out, uint32 code, int flags)
{
	if (!(flags & PYTHON_IGNORECASE) ||
		(code < 0x80 && !evaudit_is_letter((char) code)))
		appendStringInfo(out, "\\x{%x}", code);
	else if (code >= 0x80)
		return "a character beyond ASCII whose case is to be ignored";
	else
		appendStringInfo(out, "[\\x{%x}\\x{%x}%s]", code | 0x20,
						 code & ~0x20, far_cases(code, flags));
	return NULL;
}

/* Write a range of a class. */
static const char *
write_range(StringInfo out, uint32 low, uint32 high, int flags)
{
	if (low > high)
		return "a range whose ends are the wrong way round";
	appendStringInfo(out, "\\x{%x}-\\x{%x}", low, high);
	if (!(flags & PYTHON_IGNORECASE))
		return NULL;
	if (high >= 0x80)
		return "a range beyond ASCII whose case is to be ignored";
	for (uint32 code = low; code <= high; code++)
	{
		if (evaudit_is_letter((char) code))
			appendStringInfo(out, "\\x{%x}%s", code ^ 0x20,
							 far_cases(code, flags));
	}
	return NULL;
}

/* One member of a class: a character, or a category. */
static const char *
read_member(PythonText *rest, uint32 *code, char *category)
{
	*category = '\0';
	if (*rest->p != '\\')
		return evaudit_python_read_character(rest, code);
	rest->p++;
	if (rest->p == rest->end)
		return "a backslash at the end";
	if (evaudit_python_is_category(*rest->p))
	{
		*category = *rest->p++;
		return NULL;
	}
	if (*rest->p == 'b')
	{
		*code = '\b';
		rest->p++;
		return NULL;
	}
	if (*rest->p >= '0' && *rest->p < '8')
	{
		*code = read_octal(rest, 3);
		return *code > 0377 ? "an octal escape beyond \\377" : NULL;
	}
	return evaudit_python_read_escape(rest, code);
}

/*
 * Write one member of a class, or a range of them: to "in", or to "not_in" if
 * it is the negation of a category.
 */
static const char *
translate_member(PythonText *rest, StringInfo in, StringInfo not_in,
				 int flags)
{
	uint32		low;
	uint32		high;
	char		category;
	char		other;
	const char *error = read_member(rest, &low, &category);

	if (error != NULL)
		return error;
	if (rest->end - rest->p > 1 && rest->p[0] == '-' && rest->p[1] != ']')
	{
		rest->p++;
		error = read_member(rest, &high, &other);
		if (error == NULL && (category != '\0' || other != '\0'))
			error = "a range of categories";
		return error != NULL ? error : write_range(in, low, high, flags);
	}
	if (category == '\0')
		return write_range(in, low, low, flags);
	if (category < 'a')
		appendStringInfo(not_in, "|[^%s]", category_of(category, flags));
	else
		appendStringInfoString(in, category_of(category, flags));
	return NULL;
}

/* A class, behind its opening bracket; "]" stands for itself if it is first. */
const char *
evaudit_python_translate_class(PythonText *rest, StringInfo out, int flags)
{
	StringInfoData in;
	StringInfoData not_in;
	bool		negated = rest->p < rest->end && *rest->p == '^';
	bool		first = true;

	initStringInfo(&in);
	initStringInfo(&not_in);
	rest->p += negated;
	for (;; first = false)
	{
		const char *error;

		if (rest->p == rest->end)
			return "brackets that are not closed";
		if (*rest->p == ']' && !first)
			break;
		error = translate_member(rest, &in, &not_in, flags);
		if (error != NULL)
			return error;
	}
	rest->p++;
	appendStringInfo(out, "(?:(?%c", negated ? '!' : '=');
	if (in.len > 0)
		appendStringInfo(out, "[%s]%s)(?s:.))", in.data, not_in.data);
	else
		appendStringInfo(out, "%s)(?s:.))", not_in.data + 1);
	return NULL;
}

/* The bit of a flag's letter; 0 if it is none, or cannot be had. */
static int
flag_of(char c)
{
	switch (c)
	{
		case 'a':
			return PYTHON_ASCII;
		case 'i':
			return PYTHON_IGNORECASE;
		case 'm':
			return PYTHON_MULTILINE;
		case 's':
			return PYTHON_DOTALL;
		case 'u':
			return PYTHON_UNICODE;
		default:
			return 0;
	}
}

/* Letters of flags up to a colon, a minus or a parenthesis. */
const char *
evaudit_python_read_flags(PythonText *rest, int *flags)
{
	int			flag;

	*flags = 0;
	while (rest->p < rest->end &&
		   (flag = flag_of(*rest->p)) != 0)
	{
		*flags |= flag;
		rest->p++;
	}
	if ((*flags & PYTHON_ASCII) && (*flags & PYTHON_UNICODE))
		return "flags that exclude each other";
	return NULL;
}
