/*-------------------------------------------------------------------------
 *
 * text/vformat.c
 *	  The list of formats, and the smaller of them.
 *
 * idn-hostname is not among them, for want of the tables of IDNA: as every
 * unknown format, it is an annotation.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "schema/format.h"
#include "text/ascii.h"
#include "text/pattern.h"
#include "text/rfc3339.h"

/* RFC 4122: hexadecimal digits and hyphens. */
static bool
check_uuid(const char *s, size_t len)
{
	if (len != 36)
		return false;
	for (int i = 0; i < 36; i++)
	{
		if (i == 8 || i == 13 || i == 18 || i == 23 ?
			s[i] != '-' : evaudit_hex_digit(s[i]) < 0)
			return false;
	}
	return true;
}

/* RFC 6901: empty, or tokens that each follow a slash. */
static bool
check_json_pointer(const char *s, size_t len)
{
	if (len > 0 && s[0] != '/')
		return false;
	for (size_t i = 0; i < len; i++)
	{
		if (s[i] == '~' &&
			(i + 1 == len || (s[i + 1] != '0' && s[i + 1] != '1')))
			return false;
	}
	return true;
}

/* The digits of an integer without needless zeros; how many they are. */
static size_t
integer_length(const char *s, size_t len)
{
	size_t		n = 0;

	while (n < len && evaudit_is_digit(s[n]))
		n++;
	return n > 1 && s[0] == '0' ? 0 : n;
}

/* How many levels up, then "#" or a pointer. */
static bool
check_relative_json_pointer(const char *s, size_t len)
{
	size_t		n = integer_length(s, len);

	if (n == 0)
		return false;
	s += n;
	len -= n;
	if (len == 1 && s[0] == '#')
		return true;
	return check_json_pointer(s, len);
}

/* Does it compile?  What that took is released at once. */
static bool
check_regex(const char *s, size_t len)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "evaudit format regex",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	char	   *error;
	bool		result;

	result = evaudit_regex_compile(s, len, EVAUDIT_REGEX_INTERPRET, context,
								   &error) != NULL;
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	return result;
}

static const EvauditFormat formats[] = {
	{"date-time", evaudit_rfc3339_is_date_time, 1},
	{"date", evaudit_rfc3339_is_date, 1},
	{"time", evaudit_rfc3339_is_time, 1},
	{"duration", evaudit_format_duration, 1},
	{"email", evaudit_format_email, 1},
	{"idn-email", evaudit_format_idn_email, 1},
	{"hostname", evaudit_format_old_hostname, 1, true},
	{"hostname", evaudit_format_hostname, 1},
	{"ipv4", evaudit_format_ipv4, 1},
	{"ipv6", evaudit_format_ipv6, 1},
	{"uri", evaudit_format_uri, 1},
	{"uri-reference", evaudit_format_uri_reference, 1},
	{"uri-template", evaudit_format_uri_template, 1},
	{"iri", evaudit_format_iri, 1},
	{"iri-reference", evaudit_format_iri_reference, 1},
	{"uuid", check_uuid, 1},
	{"json-pointer", check_json_pointer, 1},
	{"relative-json-pointer", check_relative_json_pointer, 1},
	{"regex", check_regex, 1000},
};

/* The format of a name, as the drafts up to 6 or the later ones have it. */
const EvauditFormat *
evaudit_format_find(const char *name, size_t len, bool old)
{
	for (int i = 0; i < lengthof(formats); i++)
	{
		if (strlen(formats[i].name) == len &&
			memcmp(formats[i].name, name, len) == 0 &&
			(old || !formats[i].old))
			return &formats[i];
	}
	return NULL;
}
