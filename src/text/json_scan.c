/*-------------------------------------------------------------------------
 *
 * json_scan.c
 *	  Looking at the bytes of a JSON text without parsing it.
 *
 * What is asked here is asked before a parser may have the text, or after one
 * that does not say where a value stands.  Nothing is allocated, nothing is
 * raised, and whatever the bytes are, no byte past the end is read.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "mb/pg_wchar.h"

#include "text/ascii.h"
#include "text/json_text.h"

/*
 * The end of the string that begins at its opening quote: behind its closing
 * one, or the end of the text.
 */
const char *
evaudit_json_scan_string(const char *p, const char *end)
{
	for (p++; p < end && *p != '"'; p++)
	{
		if (*p == '\\')
			p++;
	}
	return p < end ? p + 1 : end;
}

/* Do more brackets open than may be nested?  Cheap: most texts stop here. */
static bool
may_be_too_deep(const char *p, size_t len, int max_depth)
{
	size_t		openings = 0;

	if (len <= max_depth)
		return false;
	/* '[' and '{' differ in one bit */
	for (size_t i = 0; i < len; i++)
		openings += (p[i] | 0x20) == '{';
	return openings > max_depth;
}

/*
 * Do brackets outside of strings nest too deep?  Never less than a parser
 * would descend, as it stops at the first bracket that does not match.
 */
EvauditJsonStatus
evaudit_json_scan_depth(const char *json, size_t len, int max_depth)
{
	const char *end = json + len;
	int			depth = 0;

	if (!may_be_too_deep(json, len, max_depth))
		return EVAUDIT_JSON_OK;
	for (const char *p = json; p < end;)
	{
		if (*p == '"')
		{
			p = evaudit_json_scan_string(p, end);
			continue;
		}
		if ((*p | 0x20) == '{' && ++depth > max_depth)
			return EVAUDIT_JSON_TOO_DEEP;
		if ((*p | 0x20) == '}')
			depth--;
		p++;
	}
	return EVAUDIT_JSON_OK;
}

/* The digits at the start of a text. */
static size_t
count_digits(const char *p, const char *end)
{
	const char *start = p;

	while (p < end && evaudit_is_digit(*p))
		p++;
	return p - start;
}

/* An exponent, cut off far beyond what is allowed. */
static int
read_exponent(const char *p, const char *end)
{
	bool		negative = p < end && *p == '-';
	int			exponent = 0;

	if (p < end && (*p == '-' || *p == '+'))
		p++;
	for (; p < end && evaudit_is_digit(*p); p++)
	{
		if (exponent <= EVAUDIT_JSON_MAX_DIGITS * 10)
			exponent = exponent * 10 + (*p - '0');
	}
	return negative ? -exponent : exponent;
}

/* Has a number, of JSON's grammar, too many digits when it is written out? */
EvauditJsonStatus
evaudit_json_scan_number(const char *number, size_t len)
{
	const char *p = number;
	const char *end = number + len;
	int64		before;
	int64		after = 0;
	int			exponent = 0;

	if (p < end && *p == '-')
		p++;
	before = count_digits(p, end);
	p += before;
	/* most numbers have few digits, and nothing else */
	if (p == end && before <= EVAUDIT_JSON_MAX_DIGITS)
		return EVAUDIT_JSON_OK;
	if (p < end && *p == '.')
	{
		after = count_digits(p + 1, end);
		p += 1 + after;
	}
	if (p < end && (*p | 0x20) == 'e')
		exponent = read_exponent(p + 1, end);
	if (before + after > EVAUDIT_JSON_MAX_DIGITS ||
		Max(before + exponent, 1) + Max(after - exponent, 0) >
		EVAUDIT_JSON_MAX_DIGITS)
		return EVAUDIT_JSON_NUMBER_TOO_LARGE;
	return EVAUDIT_JSON_OK;
}

/* Read the four hexadecimal digits of an escape; -1 if they are none. */
static int
read_hex4(const char *p, const char *end)
{
	int			value = 0;

	if (end - p < 4)
		return -1;
	for (int i = 0; i < 4; i++)
	{
		int			digit = evaudit_hex_digit(p[i]);

		if (digit < 0)
			return -1;
		value = value * 16 + digit;
	}
	return value;
}

/* Can this code point be written in the server's encoding? */
static bool
is_translatable(pg_wchar code, Oid conversion)
{
	unsigned char utf8[MAX_MULTIBYTE_CHAR_LEN + 1] = {0};
	unsigned char out[MAX_CONVERSION_GROWTH * MAX_MULTIBYTE_CHAR_LEN + 1];
	int			len;

	if (code <= 0x7f)
		return true;
	if (!OidIsValid(conversion))
		return false;
	unicode_to_utf8(code, utf8);
	len = pg_utf_mblen(utf8);
	return pg_do_encoding_conversion_buf(conversion, PG_UTF8,
										 GetDatabaseEncoding(), utf8, len,
										 out, sizeof(out), true) == len;
}

/*
 * Find an escape that the server's encoding, not UTF-8, cannot hold: the
 * parser of 15 would raise an ERROR.  Malformed ones are left to the parser.
 */
EvauditJsonStatus
evaudit_json_scan_escapes(const char *json, size_t len, Oid conversion)
{
	const char *p = json;
	const char *end = json + len;

	while ((p = memchr(p, '\\', end - p)) != NULL && end - p >= 2)
	{
		int			code;
		int			low;

		p += 2;
		if (p[-1] != 'u' || (code = read_hex4(p, end)) < 0)
			continue;
		p += 4;
		if (is_utf16_surrogate_first(code) && end - p >= 6 &&
			p[0] == '\\' && p[1] == 'u' &&
			(low = read_hex4(p + 2, end)) >= 0 &&
			is_utf16_surrogate_second(low))
		{
			code = surrogate_pair_to_codepoint(code, low);
			p += 6;
		}
		else if (code >= 0xd800 && code <= 0xdfff)
			continue;
		if (!is_translatable(code, conversion))
			return EVAUDIT_JSON_UNTRANSLATABLE;
	}
	return EVAUDIT_JSON_OK;
}

/* Behind the space of JSON. */
static const char *
skip_space(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n'))
		p++;
	return p;
}

/* The end of a value, up to the comma or bracket after it. */
static const char *
skip_value(const char *p, const char *end)
{
	int			depth = 0;

	while (p < end)
	{
		if (*p == '"')
		{
			p = evaudit_json_scan_string(p, end);
			continue;
		}
		if (depth == 0 && (*p == ',' || *p == '}' || *p == ']'))
			break;
		if (*p == '{' || *p == '[')
			depth++;
		else if (*p == '}' || *p == ']')
			depth--;
		p++;
	}
	return p;
}

/*
 * Find a member of the outermost object, as it stands; of several of the name
 * the first.  The name is one without escapes.  EVAUDIT_JSON_OK with a value
 * of NULL: there is none.
 */
EvauditJsonStatus
evaudit_json_scan_member(const char *json, size_t len, const char *name,
						 const char **value, size_t *value_len)
{
	const char *end = json + len;
	const char *p = skip_space(json, end);
	size_t		name_len = strlen(name);

	*value = NULL;
	if (p == end || *p != '{')
		return EVAUDIT_JSON_NOT_AN_OBJECT;
	p = skip_space(p + 1, end);
	while (p < end && *p == '"')
	{
		const char *key = p + 1;
		const char *key_end = evaudit_json_scan_string(p, end) - 1;
		const char *start;

		p = skip_space(key_end + 1, end);
		if (p == end || *p != ':')
			return EVAUDIT_JSON_MALFORMED;
		start = skip_space(p + 1, end);
		p = skip_value(start, end);
		if (key_end - key == name_len && memcmp(key, name, name_len) == 0)
		{
			*value = start;
			while (p > start && strchr(" \t\r\n", p[-1]) != NULL)
				p--;
			*value_len = p - start;
			return EVAUDIT_JSON_OK;
		}
		if (p == end || *p != ',')
			break;
		p = skip_space(p + 1, end);
	}
	return p < end && *p == '}' ? EVAUDIT_JSON_OK : EVAUDIT_JSON_MALFORMED;
}
