/*-------------------------------------------------------------------------
 *
 * json_prepare.c
 *	  What is checked of a text's bytes before they are parsed.
 *
 * Postgres' JSON parser takes text in the server's encoding, recurses for
 * each level of nesting and raises an ERROR where its stack ends or, outside
 * of UTF-8, where an escape has no equivalent.  What strangers sent must not
 * raise one, so size, encoding and depth are checked here, without allocating
 * anything in the usual case of a server in UTF-8.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "catalog/namespace.h"
#include "mb/pg_wchar.h"

#include "text/json_text.h"

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

/* Convert a text to a server encoding that is not UTF-8. */
static EvauditJsonStatus
convert_to_server(EvauditJsonText *input, MemoryContext scratch)
{
	int			encoding = GetDatabaseEncoding();
	Oid			conversion = InvalidOid;

	/* bytes in a database of SQL_ASCII stay what they are */
	if (encoding != PG_SQL_ASCII)
	{
		MemoryContext previous = MemoryContextSwitchTo(scratch);

		conversion = FindDefaultConversionProc(PG_UTF8, encoding);
		input->json = evaudit_utf8_to_server(input->json, input->len,
											 &input->len);
		MemoryContextSwitchTo(previous);
		if (input->json == NULL)
			return EVAUDIT_JSON_UNTRANSLATABLE;
	}
	return input->has_escapes ?
		evaudit_json_scan_escapes(input->json, input->len, conversion) :
		EVAUDIT_JSON_OK;
}

/*
 * Check size, encoding and depth of bytes, in this order, and have them in
 * the server's encoding: where they are, or in the scratch context.
 */
EvauditJsonStatus
evaudit_json_prepare(const char *bytes, size_t len, size_t max_bytes,
					 MemoryContext scratch, EvauditJsonText *input)
{
	EvauditJsonStatus status;

	memset(input, 0, sizeof(EvauditJsonText));
	if (bytes == NULL || len == 0)
		return EVAUDIT_JSON_EMPTY;
	if (len > Min(max_bytes, MaxAllocSize))
		return EVAUDIT_JSON_TOO_LARGE;
	input->bad_byte = pg_encoding_verifymbstr(PG_UTF8, bytes, (int) len);
	if (input->bad_byte != (int) len)
		return EVAUDIT_JSON_NOT_UTF8;
	input->json = bytes;
	input->len = (int) len;
	input->has_escapes = memchr(bytes, '\\', len) != NULL;
	if (GetDatabaseEncoding() != PG_UTF8)
	{
		status = convert_to_server(input, scratch);
		if (status != EVAUDIT_JSON_OK)
			return status;
	}
	return evaudit_json_scan_depth(input->json, input->len,
								   EVAUDIT_JSON_MAX_DEPTH);
}
