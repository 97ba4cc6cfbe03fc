/*-------------------------------------------------------------------------
 *
 * format_host.c
 *	  Names and addresses of hosts and mailboxes.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "schema/format.h"
#include "text/ascii.h"

/*
 * One label of a name: no hyphen at its ends, and with IDNA, two at the third
 * place only in what that encodes.
 */
static bool
check_label(const char *s, size_t len, bool idna)
{
	if (len < 1 || len > 63 || s[0] == '-' || s[len - 1] == '-')
		return false;
	for (size_t i = 0; i < len; i++)
	{
		if (!evaudit_is_alnum(s[i]) && s[i] != '-')
			return false;
	}
	if (idna && len >= 4 && s[2] == '-' && s[3] == '-')
		return (s[0] | 0x20) == 'x' && (s[1] | 0x20) == 'n' && len > 4;
	return true;
}

/* RFC 1123: labels with dots between them. */
static bool
check_hostname(const char *s, size_t len, bool idna)
{
	const char *end = s + len;

	if (len == 0 || len > 253)
		return false;
	for (;;)
	{
		const char *dot = memchr(s, '.', end - s);
		const char *stop = dot != NULL ? dot : end;

		if (!check_label(s, stop - s, idna))
			return false;
		if (dot == NULL)
			return true;
		s = dot + 1;
	}
}

/* RFC 1123, 2.1, with the reserved labels of RFC 5890 */
bool
evaudit_format_hostname(const char *s, size_t len)
{
	return check_hostname(s, len, true);
}

/* RFC 1123, 2.1 */
bool
evaudit_format_old_hostname(const char *s, size_t len)
{
	return check_hostname(s, len, false);
}

/* RFC 2673, 3.2: four numbers without needless zeros. */
bool
evaudit_format_ipv4(const char *s, size_t len)
{
	const char *end = s + len;

	for (int i = 0; i < 4; i++)
	{
		const char *start;
		int			value = 0;

		if (i > 0 && (s == end || *s++ != '.'))
			return false;
		start = s;
		while (s < end && s - start < 3 && evaudit_is_digit(*s))
			value = value * 10 + (*s++ - '0');
		if (s == start || value > 255 || (s - start > 1 && *start == '0'))
			return false;
	}
	return s == end;
}

/* RFC 4291, 2.2: eight groups, some left out at one "::". */
bool
evaudit_format_ipv6(const char *s, size_t len)
{
	const char *end = s + len;
	int			groups = 0;
	bool		gap = false;

	if (len >= 2 && s[0] == ':' && s[1] == ':')
	{
		gap = true;
		s += 2;
	}
	while (s < end && groups < 8)
	{
		const char *start = s;

		while (s < end && evaudit_hex_digit(*s) >= 0)
			s++;
		if (s < end && *s == '.' && groups <= 6 &&
			evaudit_format_ipv4(start, end - start))
		{
			groups += 2;
			s = end;
			break;
		}
		if (s == start || s - start > 4)
			return false;
		groups++;
		if (s == end)
			break;
		if (*s++ != ':' || s == end)
			return false;
		if (*s == ':')
		{
			if (gap)
				return false;
			gap = true;
			s++;
		}
	}
	return s == end && (gap ? groups < 8 : groups == 8);
}

/* Characters of a word in a mailbox's name (RFC 5322, 3.2.3). */
static bool
is_atext(unsigned char c, bool international)
{
	return evaudit_is_alnum(c) || (c >= 0x80 && international) ||
		(c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

/* The name of a mailbox: words with dots between them, or quoted. */
static bool
check_local_part(const char *s, size_t len, bool international)
{
	if (len == 0 || len > 64)
		return false;
	if (s[0] == '"')
	{
		if (len < 2 || s[len - 1] != '"')
			return false;
		for (size_t i = 1; i < len - 1; i++)
		{
			unsigned char c = s[i];

			if (c == '\\' && i + 1 < len - 1)
				c = s[++i];
			else if (c == '"' || c == '\\')
				return false;
			if ((c < 0x20 && c != '\t') || c == 0x7F ||
				(c >= 0x80 && !international))
				return false;
		}
		return true;
	}
	for (size_t i = 0; i < len; i++)
	{
		if (s[i] == '.')
		{
			if (i == 0 || i == len - 1 || s[i - 1] == '.')
				return false;
		}
		else if (!is_atext(s[i], international))
			return false;
	}
	return true;
}

/* The name, or in brackets the address, of a mailbox's host. */
static bool
check_domain(const char *s, size_t len, bool international)
{
	if (len > 2 && s[0] == '[' && s[len - 1] == ']')
	{
		s++;
		len -= 2;
		if (len > 5 && pg_strncasecmp(s, "IPv6:", 5) == 0)
			return evaudit_format_ipv6(s + 5, len - 5);
		return evaudit_format_ipv4(s, len);
	}
	if (international)
	{
		char	   *ascii = pnstrdup(s, len);
		bool		result;

		for (size_t i = 0; i < len; i++)
		{
			if ((unsigned char) ascii[i] >= 0x80)
				ascii[i] = 'a';
		}
		result = evaudit_format_hostname(ascii, len);
		pfree(ascii);
		return result;
	}
	return evaudit_format_hostname(s, len);
}

/* A mailbox and a domain, parted by the last "@". */
static bool
check_email(const char *s, size_t len, bool international)
{
	size_t		at = len;

	while (at > 0 && s[at - 1] != '@')
		at--;
	return at > 1 && len <= 1000 &&
		check_local_part(s, at - 1, international) &&
		check_domain(s + at, len - at, international);
}

/* RFC 5321, 4.1.2 */
bool
evaudit_format_email(const char *s, size_t len)
{
	return check_email(s, len, false);
}

/* RFC 6531 */
bool
evaudit_format_idn_email(const char *s, size_t len)
{
	return check_email(s, len, true);
}
