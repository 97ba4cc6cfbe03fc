/*-------------------------------------------------------------------------
 *
 * format_time.c
 *	  Dates and times of RFC 3339, to the letter.
 *
 * text/rfc3339.c reads what events carry, which is a little more, and
 * computes the time.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "schema/format.h"
#include "text/ascii.h"

typedef struct Text
{
	const char *p;
	const char *end;
} Text;

/* Read exactly n digits, as a number; -1 if they are not there. */
static int
take_digits(Text *str, int n)
{
	int			value = 0;

	if (str->end - str->p < n)
		return -1;
	for (int i = 0; i < n; i++)
	{
		char		c = *str->p++;

		if (c < '0' || c > '9')
			return -1;
		value = value * 10 + (c - '0');
	}
	return value;
}

/* Read one of two characters. */
static bool
take_char(Text *str, char c, char other)
{
	if (str->p == str->end || (*str->p != c && *str->p != other))
		return false;
	str->p++;
	return true;
}

/* Read a day that there is. */
static bool
take_date(Text *str)
{
	static const int days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int			year = take_digits(str, 4);
	int			month;
	int			day;

	if (year < 0 || !take_char(str, '-', '-'))
		return false;
	month = take_digits(str, 2);
	if (month < 1 || month > 12 || !take_char(str, '-', '-'))
		return false;
	day = take_digits(str, 2);
	if (day < 1 || day > days[month - 1])
		return false;
	return month != 2 || day < 29 ||
		(year % 4 == 0 && (year % 100 != 0 || year % 400 == 0));
}

/* The offset from UTC, in minutes. */
static bool
take_offset(Text *str, int *minutes)
{
	int			sign = str->p < str->end && *str->p == '-' ? -1 : 1;
	int			hour;
	int			minute;

	*minutes = 0;
	if (take_char(str, 'Z', 'z'))
		return true;
	if (!take_char(str, '+', '-'))
		return false;
	hour = take_digits(str, 2);
	if (hour < 0 || hour > 23 || !take_char(str, ':', ':'))
		return false;
	minute = take_digits(str, 2);
	if (minute < 0 || minute > 59)
		return false;
	*minutes = sign * (hour * 60 + minute);
	return true;
}

/* A leap second can only be the last of a day in UTC. */
static bool
take_time(Text *str)
{
	int			hour = take_digits(str, 2);
	int			minute;
	int			second;
	int			offset;

	if (hour < 0 || hour > 23 || !take_char(str, ':', ':'))
		return false;
	minute = take_digits(str, 2);
	if (minute < 0 || minute > 59 || !take_char(str, ':', ':'))
		return false;
	second = take_digits(str, 2);
	if (second < 0 || second > 60)
		return false;
	if (take_char(str, '.', '.'))
	{
		if (take_digits(str, 1) < 0)
			return false;
		while (str->p < str->end && evaudit_is_digit(*str->p))
			str->p++;
	}
	if (!take_offset(str, &offset))
		return false;
	return second < 60 ||
		(hour * 60 + minute - offset + 2 * 1440) % 1440 == 1439;
}

/* RFC 3339, date-time */
bool
evaudit_format_date_time(const char *s, size_t len)
{
	Text		str = {s, s + len};

	return take_date(&str) && take_char(&str, 'T', 't') &&
		take_time(&str) && str.p == str.end;
}

/* RFC 3339, full-date */
bool
evaudit_format_date(const char *s, size_t len)
{
	Text		str = {s, s + len};

	return take_date(&str) && str.p == str.end;
}

/* RFC 3339, full-time */
bool
evaudit_format_time(const char *s, size_t len)
{
	Text		str = {s, s + len};

	return take_time(&str) && str.p == str.end;
}

/*
 * Digits with one of the units, each unit at the place after the last one's:
 * RFC 3339 lets none out in between.
 */
static bool
take_units(Text *str, const char *units)
{
	const char *unit = NULL;

	while (str->p < str->end && *str->p != 'T')
	{
		const char *found;
		const char *start = str->p;

		while (str->p < str->end && evaudit_is_digit(*str->p))
			str->p++;
		if (str->p == start || str->p == str->end || *str->p == '\0')
			return false;
		found = strchr(units, *str->p++);
		if (found == NULL || (unit != NULL && found != unit + 1))
			return false;
		unit = found;
	}
	return unit != NULL;
}

/* RFC 3339, appendix A. */
bool
evaudit_format_duration(const char *s, size_t len)
{
	Text		str = {s, s + len};

	if (!take_char(&str, 'P', 'P') || str.p == str.end)
		return false;
	if (str.end[-1] == 'W')
		return take_units(&str, "W") && str.p == str.end;
	if (*str.p != 'T' && !take_units(&str, "YMD"))
		return false;
	if (str.p == str.end)
		return true;
	str.p++;
	return take_units(&str, "HMS") && str.p == str.end;
}
