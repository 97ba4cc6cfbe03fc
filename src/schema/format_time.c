/*-------------------------------------------------------------------------
 *
 * format_time.c
 *	  Durations of RFC 3339, to the letter.
 *
 * Dates and times are those of text/rfc3339.c, which reads what events carry.
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

/* Read one of two characters. */
static bool
take_char(Text *str, char c, char other)
{
	if (str->p == str->end || (*str->p != c && *str->p != other))
		return false;
	str->p++;
	return true;
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
