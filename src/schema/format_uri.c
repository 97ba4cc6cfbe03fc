/*-------------------------------------------------------------------------
 *
 * format_uri.c
 *	  URIs (RFC 3986), IRIs (RFC 3987) and URI templates (RFC 6570).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "schema/format.h"
#include "text/ascii.h"

/* Characters that a part may have besides letters and digits. */
#define SUB_DELIMITERS	"!$&'()*+,;="
#define UNRESERVED		"-._~"
#define PATH_CHARACTERS	UNRESERVED SUB_DELIMITERS ":@/"

/* Is all of s..end letters, digits, encoded bytes or of "others"? */
static bool
consists_of(const char *s, const char *end, const char *others, bool iri)
{
	for (; s < end; s++)
	{
		if (*s == '%')
		{
			if (end - s < 3 || evaudit_hex_digit(s[1]) < 0 ||
				evaudit_hex_digit(s[2]) < 0)
				return false;
			s += 2;
		}
		else if ((unsigned char) *s >= 0x80 ? !iri :
				 !evaudit_is_alnum(*s) &&
				 (*s == '\0' || strchr(others, *s) == NULL))
			return false;
	}
	return true;
}

/* The first of some characters in s..end, or end. */
static const char *
find_any(const char *s, const char *end, const char *chars)
{
	while (s < end && (*s == '\0' || strchr(chars, *s) == NULL))
		s++;
	return s;
}

/* user@host:port, where the host may be an address in brackets. */
static bool
check_authority(const char *s, const char *end, bool iri)
{
	const char *at = find_any(s, end, "@");
	const char *port;

	if (at < end)
	{
		if (!consists_of(s, at, UNRESERVED SUB_DELIMITERS ":", iri))
			return false;
		s = at + 1;
	}
	if (s < end && *s == '[')
	{
		const char *close = find_any(s, end, "]");

		if (close == end)
			return false;
		if (s[1] == 'v' || s[1] == 'V')
		{
			const char *dot = find_any(s, close, ".");

			if (dot - s < 3 || close - dot < 2 ||
				!consists_of(dot + 1, close, UNRESERVED SUB_DELIMITERS ":", false))
				return false;
		}
		else if (!evaudit_format_ipv6(s + 1, close - s - 1))
			return false;
		port = close + 1;
		if (port < end && *port != ':')
			return false;
	}
	else
	{
		port = find_any(s, end, ":");
		if (!consists_of(s, port, UNRESERVED SUB_DELIMITERS, iri))
			return false;
	}
	for (s = port + 1; s < end; s++)
	{
		if (!evaudit_is_digit(*s))
			return false;
	}
	return true;
}

/* How many characters the scheme has, or 0. */
static size_t
scheme_length(const char *s, const char *end)
{
	const char *p = s;

	if (s == end || !evaudit_is_letter(*s))
		return 0;
	while (p < end && (evaudit_is_alnum(*p) || *p == '+' ||
					   *p == '-' || *p == '.'))
		p++;
	return p < end && *p == ':' ? p - s : 0;
}

/* A URI, or what may stand for one relative to another. */
static bool
check_uri(const char *s, size_t len, bool relative, bool iri)
{
	const char *end = s + len;
	size_t		scheme = scheme_length(s, end);
	const char *path;
	const char *query;
	const char *fragment;

	if (scheme == 0 && !relative)
		return false;
	path = scheme > 0 ? s + scheme + 1 : s;
	fragment = find_any(path, end, "#");
	query = find_any(path, fragment, "?");
	if (query - path >= 2 && path[0] == '/' && path[1] == '/')
	{
		const char *authority = path + 2;

		path = find_any(authority, query, "/");
		if (!check_authority(authority, path, iri))
			return false;
	}
	else if (scheme == 0 &&
			 find_any(path, query, ":") < find_any(path, query, "/"))
		return false;
	return consists_of(path, query, PATH_CHARACTERS, iri) &&
		(query == fragment ||
		 consists_of(query + 1, fragment, PATH_CHARACTERS "?", iri)) &&
		(fragment == end ||
		 consists_of(fragment + 1, end, PATH_CHARACTERS "?", iri));
}

/* RFC 3986, with a scheme */
bool
evaudit_format_uri(const char *s, size_t len)
{
	return check_uri(s, len, false, false);
}

/* RFC 3986, with a scheme or without */
bool
evaudit_format_uri_reference(const char *s, size_t len)
{
	return check_uri(s, len, true, false);
}

/* RFC 3987, with a scheme */
bool
evaudit_format_iri(const char *s, size_t len)
{
	return check_uri(s, len, false, true);
}

/* RFC 3987, with a scheme or without */
bool
evaudit_format_iri_reference(const char *s, size_t len)
{
	return check_uri(s, len, true, true);
}

/* One variable of an expression: a name, perhaps with a modifier. */
static bool
check_variable(const char *s, const char *end)
{
	const char *modifier = find_any(s, end, ":*");

	if (s == modifier || *s == '.' || modifier[-1] == '.' ||
		!consists_of(s, modifier, "_.", false))
		return false;
	for (const char *c = s + 1; c < modifier; c++)
	{
		if (c[-1] == '.' && c[0] == '.')
			return false;
	}
	if (modifier == end)
		return true;
	if (*modifier == '*')
		return modifier + 1 == end;
	if (end - modifier < 2 || end - modifier > 5 || modifier[1] == '0')
		return false;
	for (s = modifier + 1; s < end; s++)
	{
		if (!evaudit_is_digit(*s))
			return false;
	}
	return true;
}

/* Text with expressions in braces. */
bool
evaudit_format_uri_template(const char *s, size_t len)
{
	const char *end = s + len;

	while (s < end)
	{
		const char *open = find_any(s, end, "{");
		const char *close;

		if (!consists_of(s, open, UNRESERVED SUB_DELIMITERS ":@/?#[]", true))
			return false;
		if (open == end)
			return true;
		close = find_any(open, end, "}");
		if (close == end)
			return false;
		s = open + 1;
		if (s < close && *s != '\0' && strchr("+#./;?&=,!@|", *s) != NULL)
			s++;
		for (;;)
		{
			const char *comma = find_any(s, close, ",");

			if (!check_variable(s, comma))
				return false;
			if (comma == close)
				break;
			s = comma + 1;
		}
		s = close + 1;
	}
	return true;
}
