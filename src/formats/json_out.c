/*-------------------------------------------------------------------------
 *
 * json_out.c
 *	  JSON that is written from the values of a binary payload.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "common/shortest_dec.h"
#include "mb/pg_wchar.h"
#include "utils/memutils.h"

#include "formats/json_out.h"
#include "text/base64.h"
#include "text/json.h"
#include "text/vformat.h"

/* See json_out.h. */
void
evaudit_out_begin(EvauditJsonOut *out, size_t len, size_t max_bytes)
{
	size_t		earned = EVAUDIT_JSON_OUT_FLOOR + len * EVAUDIT_JSON_OUT_RATIO;

	memset(out, 0, sizeof(EvauditJsonOut));
	initStringInfo(&out->text);
	out->max_bytes = Min(Min(max_bytes, earned), MaxAllocSize / 2);
}

/* Note the first fault. */
bool
evaudit_out_fault(EvauditJsonOut *out, EvauditOutFault fault,
				  const char *fmt,...)
{
	va_list		args;

	if (out->fault != EVAUDIT_OUT_OK)
		return false;
	va_start(args, fmt);
	out->error = evaudit_vformat(fmt, args);
	va_end(args);
	out->fault = fault;
	return false;
}

/* The same, for what is not what its schema says. */
bool
evaudit_out_malformed(EvauditJsonOut *out, const char *fmt,...)
{
	va_list		args;

	if (out->fault != EVAUDIT_OUT_OK)
		return false;
	va_start(args, fmt);
	out->error = evaudit_vformat(fmt, args);
	va_end(args);
	out->fault = EVAUDIT_OUT_MALFORMED;
	return false;
}

/* Check that so many bytes have room. */
static bool
has_room(EvauditJsonOut *out, size_t len)
{
	if (len <= out->max_bytes && out->text.len <= out->max_bytes - len)
		return true;
	return evaudit_out_fault(out, EVAUDIT_OUT_TOO_LARGE,
							 "payload has more than %zu bytes as JSON",
							 out->max_bytes);
}

/* Append text as it is. */
bool
evaudit_out_raw(EvauditJsonOut *out, const char *str)
{
	size_t		len = strlen(str);

	if (!has_room(out, len))
		return false;
	appendBinaryStringInfo(&out->text, str, (int) len);
	return true;
}

/* Append a string, which must be UTF-8 without a zero. */
bool
evaudit_out_string(EvauditJsonOut *out, const char *bytes, size_t len)
{
	if (!has_room(out, len + 2))
		return false;
	if (!pg_verify_mbstr(PG_UTF8, bytes, (int) len, true))
		return evaudit_out_fault(out, EVAUDIT_OUT_NOT_UTF8,
								 "payload has a string of %zu bytes that is not UTF-8, or has a NUL byte",
								 len);
	evaudit_json_quote(&out->text, bytes, len);
	return has_room(out, 0);
}

/* Append bytes in base64. */
bool
evaudit_out_base64(EvauditJsonOut *out, const char *bytes, size_t len)
{
	char	   *base64;

	if (!has_room(out, len / 3 * 4 + 6))
		return false;
	base64 = evaudit_base64_encode((const uint8 *) bytes, len);
	appendStringInfo(&out->text, "\"%s\"", base64);
	pfree(base64);
	return has_room(out, 0);
}

/* Append a number. */
bool
evaudit_out_int(EvauditJsonOut *out, int64 value)
{
	char		str[32];

	snprintf(str, sizeof(str), INT64_FORMAT, value);
	return evaudit_out_raw(out, str);
}

/* Likewise. */
bool
evaudit_out_uint(EvauditJsonOut *out, uint64 value)
{
	char		str[32];

	snprintf(str, sizeof(str), UINT64_FORMAT, value);
	return evaudit_out_raw(out, str);
}

/* Append what JSON has no number for as a string; false if it has one. */
static bool
put_special(EvauditJsonOut *out, double value, bool *ok)
{
	if (isnan(value))
		*ok = evaudit_out_raw(out, "\"NaN\"");
	else if (isinf(value))
		*ok = evaudit_out_raw(out, value > 0 ? "\"Infinity\"" : "\"-Infinity\"");
	else
		return false;
	return true;
}

/* Append the shortest number that means a float. */
bool
evaudit_out_float(EvauditJsonOut *out, float value)
{
	char		str[FLOAT_SHORTEST_DECIMAL_LEN];
	bool		ok;

	if (put_special(out, value, &ok))
		return ok;
	float_to_shortest_decimal_buf(value, str);
	return evaudit_out_raw(out, str);
}

/* Likewise for a double. */
bool
evaudit_out_double(EvauditJsonOut *out, double value)
{
	char		str[DOUBLE_SHORTEST_DECIMAL_LEN];
	bool		ok;

	if (put_special(out, value, &ok))
		return ok;
	double_to_shortest_decimal_buf(value, str);
	return evaudit_out_raw(out, str);
}

/* See json_out.h. */
char *
evaudit_out_name(const char *name)
{
	int			len = (int) strlen(name);
	StringInfoData quoted;
	char	   *utf8 = pg_server_to_any(name, len, PG_UTF8);

	initStringInfo(&quoted);
	evaudit_json_quote(&quoted, utf8, strlen(utf8));
	return quoted.data;
}
