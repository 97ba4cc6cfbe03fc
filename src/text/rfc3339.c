/*-------------------------------------------------------------------------
 *
 * rfc3339.c
 *	  Strict parsing and exact printing of RFC 3339 timestamps.
 *
 * Postgres' own timestamptz input guesses: it takes "now", a missing offset,
 * month names and the session's DateStyle.  An event must mean the same in
 * every session, so nothing but the grammar of RFC 3339, section 5.6, is
 * accepted here: what a JSON Schema calls a date-time.  Letters may be lower
 * case.  A second of 60 is the last one of a day in UTC, and means the first of
 * the next.
 *
 * What is lenient takes besides a space for the T, no seconds, a comma before
 * their fraction, and offsets of four or of two digits, as ISO 8601 does.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/datetime.h"
#include "utils/timestamp.h"

#include "text/rfc3339.h"

/* The edges of RFC 3339 by their Julian days: 0000-01-01 and 10000-01-01. */
#define FIRST_INSTANT \
	((INT64CONST(1721060) - POSTGRES_EPOCH_JDATE) * USECS_PER_DAY)
#define END_INSTANT \
	((INT64CONST(5373485) - POSTGRES_EPOCH_JDATE) * USECS_PER_DAY)

/* Read exactly n digits at *p into *value and step over them. */
static bool
read_digits(const char **p, const char *end, int n, int *value)
{
	int			v = 0;

	if (end - *p < n)
		return false;
	for (int i = 0; i < n; i++)
	{
		unsigned	digit = (unsigned char) (*p)[i] - '0';

		if (digit > 9)
			return false;
		v = v * 10 + (int) digit;
	}
	*p += n;
	*value = v;
	return true;
}

/* Step over one character, which must be c. */
static bool
read_char(const char **p, const char *end, char c)
{
	if (*p == end || **p != c)
		return false;
	(*p)++;
	return true;
}

/*
 * Read "." and its digits, if there, as microseconds.  Further digits round
 * to the nearest microsecond, exactly half of one upwards; timestamptz input
 * goes through a double and may round such a half down.
 */
static bool
read_fraction(const char **p, const char *end, bool lenient, int *usec)
{
	static const int scale[] = {1000000, 100000, 10000, 1000, 100, 10, 1};
	int			digits = 0;
	int			v = 0;
	bool		round_up = false;

	*usec = 0;
	if (*p == end || (**p != '.' && !(lenient && **p == ',')))
		return true;
	(*p)++;
	for (; *p < end && (unsigned char) (**p - '0') <= 9; (*p)++, digits++)
	{
		if (digits < 6)
			v = v * 10 + (**p - '0');
		else if (digits == 6)
			round_up = **p >= '5';
	}
	if (digits == 0)
		return false;
	*usec = v * scale[Min(digits, 6)] + (round_up ? 1 : 0);
	return true;
}

/* Read "Z" or a numeric offset, as microseconds east of Greenwich. */
static bool
read_offset(const char **p, const char *end, bool lenient, int64 *offset)
{
	int			hours;
	int			minutes = 0;
	char		sign;

	*offset = 0;
	if (*p == end)
		return false;
	sign = *(*p)++;
	if (sign == 'Z' || sign == 'z')
		return true;
	if (sign != '+' && sign != '-')
		return false;
	if (!read_digits(p, end, 2, &hours) || hours > 23)
		return false;
	if (!lenient || *p < end)
	{
		if (!read_char(p, end, ':') && !lenient)
			return false;
		if (!read_digits(p, end, 2, &minutes) || minutes > 59)
			return false;
	}
	*offset = hours * USECS_PER_HOUR + minutes * USECS_PER_MINUTE;
	if (sign == '-')
		*offset = -*offset;
	return true;
}

/* Read a full-date as days since the Postgres epoch. */
static bool
read_date(const char **p, const char *end, int64 *ndays)
{
	int			year;
	int			month;
	int			day;

	if (!read_digits(p, end, 4, &year) || !read_char(p, end, '-') ||
		!read_digits(p, end, 2, &month) || !read_char(p, end, '-') ||
		!read_digits(p, end, 2, &day))
		return false;
	if (month < 1 || month > 12 ||
		day < 1 || day > day_tab[isleap(year)][month - 1])
		return false;
	*ndays = date2j(year, month, day) - POSTGRES_EPOCH_JDATE;
	return true;
}

/* Read seconds with their fraction. */
static bool
read_seconds(const char **p, const char *end, bool lenient, int *second,
			 int *fraction)
{
	if (lenient && (*p == end || **p != ':'))
		return true;
	return read_char(p, end, ':') && read_digits(p, end, 2, second) &&
		read_fraction(p, end, lenient, fraction);
}

/*
 * Read a full-time, as microseconds since midnight in UTC, which may be before
 * or after the day.
 */
static bool
read_time(const char **p, const char *end, bool lenient, int64 *usecs)
{
	int			hour;
	int			minute;
	int			second = 0;
	int			fraction = 0;
	int64		offset;
	int64		minutes;

	if (!read_digits(p, end, 2, &hour) || !read_char(p, end, ':') ||
		!read_digits(p, end, 2, &minute) ||
		!read_seconds(p, end, lenient, &second, &fraction) ||
		!read_offset(p, end, lenient, &offset))
		return false;
	if (hour > 23 || minute > 59 || second > 60)
		return false;
	minutes = hour * USECS_PER_HOUR + minute * USECS_PER_MINUTE - offset;
	*usecs = minutes + second * USECS_PER_SEC + fraction;
	return second < 60 ||
		(minutes + USECS_PER_MINUTE) % USECS_PER_DAY == 0;
}

/* Is this a time that RFC 3339 can write, in UTC? */
bool
evaudit_rfc3339_in_range(TimestampTz time)
{
	return time >= FIRST_INSTANT && time < END_INSTANT;
}

/* Read a date-time without a check of its range. */
static bool
read_date_time(const char **p, const char *end, bool lenient,
			   TimestampTz *result)
{
	int64		ndays;
	int64		usecs;

	if (!read_date(p, end, &ndays) || *p == end)
		return false;
	if (**p != 'T' && **p != 't' && !(lenient && **p == ' '))
		return false;
	(*p)++;
	if (!read_time(p, end, lenient, &usecs))
		return false;
	*result = ndays * USECS_PER_DAY + usecs;
	return *p == end;
}

/*
 * Parse the len bytes at input, all of them, as an RFC 3339 date-time.
 * False if they are none, or none between the years 0000 and 9999 in UTC.
 */
bool
evaudit_rfc3339_parse(const char *input, size_t len, TimestampTz *result)
{
	const char *p = input;

	return read_date_time(&p, input + len, false, result) &&
		evaudit_rfc3339_in_range(*result);
}

/* The same, lenient: see the top of this file. */
bool
evaudit_iso8601_parse(const char *input, size_t len, TimestampTz *result)
{
	const char *p = input;

	return read_date_time(&p, input + len, true, result) &&
		evaudit_rfc3339_in_range(*result);
}

/* Whether all of a text is a date-time, a full-date or a full-time. */
bool
evaudit_rfc3339_is_date_time(const char *input, size_t len)
{
	const char *p = input;
	TimestampTz ignored;

	return read_date_time(&p, input + len, false, &ignored);
}

bool
evaudit_rfc3339_is_date(const char *input, size_t len)
{
	const char *p = input;
	int64		ignored;

	return read_date(&p, input + len, &ignored) && p == input + len;
}

bool
evaudit_rfc3339_is_time(const char *input, size_t len)
{
	const char *p = input;
	int64		ignored;

	return read_time(&p, input + len, false, &ignored) && p == input + len;
}

/* Write value as n decimal digits. */
static char *
write_digits(char *p, int value, int n)
{
	for (int i = n - 1; i >= 0; i--, value /= 10)
		p[i] = '0' + value % 10;
	return p + n;
}

/* Write the date and time of day without fraction; return what follows. */
static char *
write_seconds(char *p, TimestampTz time, int *usec)
{
	int64		day = time / USECS_PER_DAY;
	int64		rest = time % USECS_PER_DAY;
	int			seconds;
	int			year;
	int			month;
	int			mday;

	if (rest < 0)
	{
		rest += USECS_PER_DAY;
		day--;
	}
	j2date((int) day + POSTGRES_EPOCH_JDATE, &year, &month, &mday);
	seconds = (int) (rest / USECS_PER_SEC);
	*usec = (int) (rest % USECS_PER_SEC);

	/* years beyond RFC 3339 are kept readable, as ISO 8601 expands them */
	if (year >= 0 && year <= 9999)
		p = write_digits(p, year, 4);
	else
		p += sprintf(p, "%+07d", year);
	*p++ = '-';
	p = write_digits(p, month, 2);
	*p++ = '-';
	p = write_digits(p, mday, 2);
	*p++ = 'T';
	p = write_digits(p, seconds / SECS_PER_HOUR, 2);
	*p++ = ':';
	p = write_digits(p, seconds / SECS_PER_MINUTE % MINS_PER_HOUR, 2);
	*p++ = ':';
	return write_digits(p, seconds % SECS_PER_MINUTE, 2);
}

/* Write the infinities as timestamptz does; false for any other time. */
static bool
write_infinity(TimestampTz time, char *buf)
{
	if (!TIMESTAMP_NOT_FINITE(time))
		return false;
	strcpy(buf, TIMESTAMP_IS_NOBEGIN(time) ? "-infinity" : "infinity");
	return true;
}

/*
 * Print in UTC with a fraction only where there is one, without trailing
 * zeros: 2022-08-04T08:50:39Z.  Returns the length.
 */
int
evaudit_rfc3339_format(TimestampTz time, char *buf)
{
	char	   *p;
	int			usec;

	if (write_infinity(time, buf))
		return (int) strlen(buf);
	p = write_seconds(buf, time, &usec);
	if (usec != 0)
	{
		*p++ = '.';
		p = write_digits(p, usec, 6);
		while (p[-1] == '0')
			p--;
	}
	*p++ = 'Z';
	*p = '\0';
	return (int) (p - buf);
}

/*
 * Print in UTC with exactly three digits of fraction, the rest cut off:
 * 2024-01-01T00:00:00.000Z.  Returns the length.
 */
int
evaudit_rfc3339_format_millis(TimestampTz time, char *buf)
{
	char	   *p;
	int			usec;

	if (write_infinity(time, buf))
		return (int) strlen(buf);
	p = write_seconds(buf, time, &usec);
	*p++ = '.';
	p = write_digits(p, usec / 1000, 3);
	*p++ = 'Z';
	*p = '\0';
	return (int) (p - buf);
}
