/*-------------------------------------------------------------------------
 *
 * payload.c
 *	  What is checked of an event's bytes before they are parsed.
 *
 * Postgres' JSON parser takes text in the server's encoding, recurses for
 * each level of nesting and raises an ERROR where its stack ends or, outside
 * of UTF-8, where an escape has no equivalent.  A bad event must not raise
 * one, so size, encoding and depth are settled here, without allocating
 * anything in the usual case of a server in UTF-8.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>
#include <limits.h>

#include "catalog/namespace.h"
#include "mb/pg_wchar.h"
#include "utils/memutils.h"

#include "events/mapping.h"
#include "events/payload.h"

/* Do more brackets open than may be nested?  Cheap: most events stop here. */
static bool
may_be_too_deep(const char *p, size_t len)
{
	size_t		openings = 0;

	if (len <= EVAUDIT_MAX_DEPTH)
		return false;
	/* '[' and '{' differ in one bit */
	for (size_t i = 0; i < len; i++)
		openings += (p[i] | 0x20) == '{';
	return openings > EVAUDIT_MAX_DEPTH;
}

/*
 * Do brackets outside of strings nest too deep?  Never less than the parser
 * would descend, as it stops at the first bracket that does not match.
 */
static bool
too_deep(const char *p, size_t len)
{
	const char *end = p + len;
	int			depth = 0;
	bool		in_string = false;

	for (; p < end; p++)
	{
		if (in_string)
		{
			if (*p == '\\')
				p++;
			else if (*p == '"')
				in_string = false;
		}
		else if (*p == '"')
			in_string = true;
		else if ((*p | 0x20) == '{' && ++depth > EVAUDIT_MAX_DEPTH)
			return true;
		else if ((*p | 0x20) == '}')
			depth--;
	}
	return false;
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
		unsigned char c = (unsigned char) p[i];

		if (!isxdigit(c))
			return -1;
		value = value * 16 + (c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
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
static bool
has_untranslatable_escape(const char *p, const char *end, Oid conversion)
{
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
			return true;
	}
	return false;
}

/*
 * Convert UTF-8 to a server encoding that is another one.  NULL if that
 * cannot hold it.
 */
char *
evaudit_utf8_to_server(const char *bytes, size_t len, int *result_len)
{
	int			encoding = GetDatabaseEncoding();
	Oid			conversion = FindDefaultConversionProc(PG_UTF8, encoding);
	Size		size = (Size) len * MAX_CONVERSION_GROWTH + 1;
	char	   *result = palloc_extended(size, MCXT_ALLOC_HUGE);

	if (!OidIsValid(conversion) ||
		pg_do_encoding_conversion_buf(conversion, PG_UTF8, encoding,
									  (unsigned char *) bytes, (int) len,
									  (unsigned char *) result,
									  (int) Min(size, INT_MAX), true) != len)
		return NULL;
	*result_len = (int) strlen(result);
	return result;
}

/* Convert to a server encoding that is not UTF-8, or reject the event. */
static bool
convert_to_server(EvauditEvent *event, EvauditPayload *payload,
				  MemoryContext scratch)
{
	int			encoding = GetDatabaseEncoding();
	Oid			conversion = InvalidOid;
	bool		ok = true;

	/* bytes in a database of SQL_ASCII stay what they are */
	if (encoding != PG_SQL_ASCII)
	{
		MemoryContext previous = MemoryContextSwitchTo(scratch);

		conversion = FindDefaultConversionProc(PG_UTF8, encoding);
		payload->json = evaudit_utf8_to_server(payload->json, payload->len,
											   &payload->len);
		ok = payload->json != NULL;
		MemoryContextSwitchTo(previous);
	}
	if (!ok ||
		(payload->has_escapes &&
		 has_untranslatable_escape(payload->json,
								   payload->json + payload->len, conversion)))
	{
		evaudit_event_reject(event, EVAUDIT_BAD_ENCODING,
							 "payload has characters that encoding \"%s\" of the database cannot hold",
							 GetDatabaseEncodingName());
		return false;
	}
	return true;
}

/*
 * Check size, encoding and depth, in this order, and leave the payload in
 * the server's encoding.  False if the event is now rejected.
 */
bool
evaudit_payload_prepare(EvauditEvent *event, size_t max_bytes,
						EvauditPayload *payload, MemoryContext scratch)
{
	size_t		len = event->payload_len;
	int			valid;

	if (event->payload == NULL || len == 0)
	{
		evaudit_event_reject(event, EVAUDIT_EMPTY_PAYLOAD, "no payload");
		return false;
	}
	if (len > max_bytes)
	{
		evaudit_event_reject(event, EVAUDIT_TOO_LARGE,
							 "payload has %zu bytes, the limit is %zu",
							 len, max_bytes);
		return false;
	}

	valid = pg_encoding_verifymbstr(PG_UTF8, event->payload, (int) len);
	if (valid != (int) len)
	{
		evaudit_event_reject(event, EVAUDIT_BAD_ENCODING,
							 "payload is not UTF-8 at byte %d (0x%02x)",
							 valid + 1, (unsigned char) event->payload[valid]);
		return false;
	}
	payload->json = event->payload;
	payload->len = (int) len;
	payload->has_escapes = memchr(event->payload, '\\', len) != NULL;
	if (GetDatabaseEncoding() != PG_UTF8 &&
		!convert_to_server(event, payload, scratch))
		return false;

	if (may_be_too_deep(payload->json, payload->len) &&
		too_deep(payload->json, payload->len))
	{
		evaudit_event_reject(event, EVAUDIT_TOO_DEEP,
							 "payload nests deeper than %d levels",
							 EVAUDIT_MAX_DEPTH);
		return false;
	}
	return true;
}
