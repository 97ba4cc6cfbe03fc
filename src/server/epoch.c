/*-------------------------------------------------------------------------
 *
 * epoch.c
 *	  Times as seconds or milliseconds since 1970.
 *
 * Those in JSON are read exactly.  A double holds no decimal fraction exactly,
 * and numeric raises an ERROR where a number is out of its range.  A time needs
 * 18 digits at most, so they are read here, whatever the number's length and
 * exponent.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "server/epoch.h"
#include "text/rfc3339.h"

/* More than any time in range, and ten times as much still fits. */
#define USECS_LIMIT		INT64CONST(500000000000000000)

/* An exponent beyond what a number of any length could make up for. */
#define EXPONENT_LIMIT	INT64CONST(10000000000)

/* Read the digits, and perhaps the sign, that follow the "e". */
static int64
read_exponent(const char *p, const char *end)
{
	bool		negative = false;
	int64		value = 0;

	if (p < end && (*p == '-' || *p == '+'))
		negative = *p++ == '-';
	for (; p < end && value < EXPONENT_LIMIT; p++)
		value = value * 10 + (*p - '0');
	return negative ? -value : value;
}

/*
 * Take the first "whole" digits of p..end, a "." among them not counted, as
 * a number, as if followed by zeros, and round it by the digit after them.
 * False if it gets past USECS_LIMIT.
 */
static bool
read_mantissa(const char *p, const char *end, int64 whole, int64 *result)
{
	int64		value = 0;
	int64		seen = 0;

	for (; p < end && seen <= whole; p++)
	{
		if (*p == '.')
			continue;
		if (seen++ == whole)
			value += *p >= '5';
		else
			value = value * 10 + (*p - '0');
		if (value > USECS_LIMIT)
			return false;
	}
	for (; value != 0 && seen < whole; seen++)
	{
		value *= 10;
		if (value > USECS_LIMIT)
			return false;
	}
	*result = value;
	return true;
}

/*
 * Parse a number as the JSON lexer passed it, rounding half a microsecond
 * away from zero.  False if it lies beyond the years 0000 to 9999 in UTC.
 */
bool
evaudit_epoch_parse(const char *number, size_t len, int decimals,
					TimestampTz *result)
{
	const char *p = number;
	const char *end = number + len;
	const char *mantissa_end = p;
	const char *point;
	bool		negative = *p == '-';
	int64		whole = decimals;
	int64		usecs;

	if (negative)
		p++;
	while (mantissa_end < end && *mantissa_end != 'e' && *mantissa_end != 'E')
		mantissa_end++;
	if (mantissa_end < end)
		whole += read_exponent(mantissa_end + 1, end);
	point = memchr(p, '.', mantissa_end - p);
	whole += (point != NULL ? point : mantissa_end) - p;

	if (!read_mantissa(p, mantissa_end, whole, &usecs))
		return false;
	*result = (negative ? -usecs : usecs) - EVAUDIT_EPOCH_MILLIS * 1000;
	return evaudit_rfc3339_in_range(*result);
}

/*
 * The time of some milliseconds, which may be any number.  False if it lies
 * beyond the years 0000 to 9999 in UTC.
 */
bool
evaudit_epoch_time(int64 millis, TimestampTz *result)
{
	if (millis > USECS_LIMIT / 1000 || millis < -USECS_LIMIT / 1000)
		return false;
	*result = (millis - EVAUDIT_EPOCH_MILLIS) * 1000;
	return evaudit_rfc3339_in_range(*result);
}

/* The whole milliseconds of a time. */
int64
evaudit_epoch_millis(TimestampTz time)
{
	return time / 1000 + EVAUDIT_EPOCH_MILLIS;
}
