/*-------------------------------------------------------------------------
 *
 * between.c
 *	  The bytes between the parts of a head that libmicrohttpd has found.
 *
 * Its strings end at the first byte of zero, so that what a client has written
 * behind one is hidden; and 0.9.75 adds the continuation of a value on the next
 * line to the header's name, which it copies elsewhere.  A proxy may see
 * another request in both.  Since the strings are parts of the buffer that the
 * head was read into, with a zero in place of what ended each, the bytes
 * between them tell: white space and ends of lines alone.
 *
 *-------------------------------------------------------------------------
 */
#include <stdint.h>
#include <string.h>

#include "between.h"

/* Whether nothing is in some bytes but what separates. */
static bool
is_blank(const char *from, const char *to)
{
	for (; from < to; from++)
	{
		if (*from != '\0' && strchr(" \t\r\n", *from) == NULL)
			return false;
	}
	return true;
}

/* Whether "to" is in the buffer that "from" is in, behind it. */
static bool
is_behind(const char *from, const char *to)
{
	return (uintptr_t) to >= (uintptr_t) from &&
		(uintptr_t) to - (uintptr_t) from < HEAD_BYTES;
}

/* Whether a part is followed by the next one. */
bool
follows(const char *end, const char *next)
{
	return !is_behind(end, next) || is_blank(end, next);
}

/* Whether the three words of the first line are all of it. */
bool
line_is_whole(const char *method, const char *uri, const char *uri_end,
			  const char *version)
{
	return follows(method + strlen(method), uri) &&
		follows(uri_end, version);
}

/* Whether a header's value is what follows its name. */
bool
header_is_whole(const char *name_end, const char *value)
{
	return is_behind(name_end, value) && is_blank(name_end, value);
}

/*
 * Whether the last header's value ends its line.  At least one byte ended the
 * line, and one the empty line behind it.
 */
bool
is_followed_by_end(const char *end)
{
	return is_blank(end, end + 2);
}
