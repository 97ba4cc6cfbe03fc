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
take_digits(Text *text, int n)
{
	int			value = 0;

	if (text->end - text->p < n)
		return -1;
	for (int i = 0; i < n; i++)
	{
		char		c = *text->p++;

		if (c < '0' || c > '9')
			return -1;
		value = value * 10 + (c - '0');
	}
	return value;
}

/* Read one of two characters. */
static bool
take_char(Text *text, char c, char other)
{
	if (text->p == text->end || (*text->p != c && *text->p != other))
		return false;
	text->p++;
	return true;
}

/* Read a day that there is. */
static bool
take_date(Text *text)
{
	static const int days[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int			year = take_digits(text, 4);
	int			month;
	int			day;

	if (year < 0 || !take_char(text, '-', '-'))
		return false;
	month = take_digits(text, 2);
	if (month < 1 || month > 12 || !take_char(text, '-', '-'))
		return false;
	day = take_digits(text, 2);
	if (day < 1 || day > days[month - 1])
		return false;
	return month != 2 || day < 29 ||
		(year % 4 == 0 && (year % 100 != 0 || year % 400 == 0));
}

/* The offset from UTC, in minutes. */
static bool
take_offset(Text *text, int *minutes)
{
	int			sign = text->p < text->end && *text->p == '-' ? -1 : 1;
	int			hour;
	int			minute;

	*minutes = 0;
	if (take_char(text, 'Z', 'z'))
		return true;
	if (!take_char(text, '+', '-'))
		return false;
	hour = take_digits(text, 2);
	if (hour < 0 || hour > 23 || !take_char(text, ':', ':'))
		return false;
	minute = take_digits(text, 2);
	if (minute < 0 || minute > 59)
		return false;
	*minutes = sign * (hour * 60 + minute);
	return true;
}

/* A leap second can only be the last of a day in UTC. */
static bool
take_time(Text *text)
{
	int			hour = take_digits(text, 2);
	int			minute;
	int			second;
	int			offset;

	if (hour < 0 || hour > 23 || !take_char(text, ':', ':'))
		return false;
	minute = take_digits(text, 2);
	if (minute < 0 || minute > 59 || !take_char(text, ':', ':'))
		return false;
	second = take_digits(text, 2);
	if (second < 0 || second > 60)
		return false;
	if (take_char(text, '.', '.'))
	{
		if (take_digits(text, 1) < 0)
			return false;
		while (text->p < text->end && evaudit_is_digit(*text->p))
			text->p++;
	}
	if (!take_offset(text, &offset))
		return false;
	return second < 60 ||
		(hour * 60 + minute - offset + 2 * 1440) % 1440 == 1439;
}

/* RFC 3339, date-time */
bool
evaudit_format_date_time(const char *s, size_t len)
{
	Text		text = {s, s + len};

	return take_date(&text) && take_char(&text, 'T', 't') &&
		take_time(&text) && text.p == text.end;
}

/* RFC 3339, full-date */
bool
evaudit_format_date(const char *s, size_t len)
{
	Text		text = {s, s + len};

	return take_date(&text) && text.p == text.end;
}

/* RFC 3339, full-time */
bool
evaudit_format_time(const char *s, size_t len)
{
	Text		text = {s, s + len};

	return take_time(&text) && text.p == text.end;
}

/*
 * Digits with one of the units, each unit at the place after the last one's:
 * RFC 3339 lets none out in between.
 */
static bool
take_units(Text *text, const char *units)
{
	const char *unit = NULL;

	while (text->p < text->end && *text->p != 'T')
	{
		const char *found;
		const char *start = text->p;

		while (text->p < text->end && evaudit_is_digit(*text->p))
			text->p++;
		if (text->p == start || text->p == text->end || *text->p == '\0')
			return false;
		found = strchr(units, *text->p++);
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
	Text		text = {s, s + len};

	if (!take_char(&text, 'P', 'P') || text.p == text.end)
		return false;
	if (text.end[-1] == 'W')
		return take_units(&text, "W") && text.p == text.end;
	if (*text.p != 'T' && !take_units(&text, "YMD"))
		return false;
	if (text.p == text.end)
		return true;
	text.p++;
	return take_units(&text, "HMS") && text.p == text.end;
}
