/*-------------------------------------------------------------------------
 *
 * json_out_values.c
 *	  Values that JSON has no type for: decimals exactly, as numbers; times as
 *	  RFC 3339 writes them, as strings.
 *
 * A fraction of a second has no, 3, 6 or 9 digits, as few as hold it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/datetime.h"

#include "formats/json_out.h"
#include "text/json_text.h"

#define NANOS_OF_SECOND		INT64CONST(1000000000)
#define SECONDS_OF_DAY		86400

/* The days from 1970 of the first and the last that have four digits. */
#define FIRST_DAY	(-719528)
#define LAST_DAY	2932896

/* Digits of a limb, and its base. */
#define LIMB_DIGITS		9
#define LIMB_BASE		1000000000

/* Bytes of the longest decimal, which has less than 1,024 digits. */
#define MAX_DECIMAL_BYTES	425

/* Limbs for as many. */
#define MAX_LIMBS			(EVAUDIT_JSON_MAX_DIGITS / LIMB_DIGITS + 2)

/*
 * The digits of a number of two's complement, most significant byte first,
 * without its sign.
 */
static char *
digits_of(const char *bytes, size_t len, bool negative)
{
	uint32		limbs[MAX_LIMBS] = {0};
	int			nlimbs = 1;
	uint32		borrow = negative ? 1 : 0;
	uint8		magnitude[MAX_DECIMAL_BYTES];
	char	   *str = palloc(MAX_LIMBS * LIMB_DIGITS + 1);
	char	   *p = str;

	for (int i = (int) len - 1; i >= 0; i--)
	{
		uint32		byte = (uint8) bytes[i];

		if (negative)
		{
			byte = (byte ^ 0xff) + borrow;
			borrow = byte >> 8;
		}
		magnitude[i] = (uint8) byte;
	}
	for (size_t i = 0; i < len; i++)
	{
		uint64		carry = magnitude[i];

		for (int j = 0; j < nlimbs; j++)
		{
			carry += (uint64) limbs[j] << 8;
			limbs[j] = (uint32) (carry % LIMB_BASE);
			carry /= LIMB_BASE;
		}
		if (carry > 0)
			limbs[nlimbs++] = (uint32) carry;
	}
	p += sprintf(p, "%u", limbs[nlimbs - 1]);
	for (int j = nlimbs - 2; j >= 0; j--)
		p += sprintf(p, "%09u", limbs[j]);
	return str;
}

/* Append a decimal: a number of two's complement by a power of ten. */
bool
evaudit_out_decimal(EvauditJsonOut *out, const char *bytes, size_t len,
					int scale)
{
	bool		negative = len > 0 && (bytes[0] & 0x80) != 0;
	char	   *digits;
	int			ndigits;
	StringInfoData number;
	bool		ok;

	if (len > MAX_DECIMAL_BYTES)
		return evaudit_out_malformed(out, "a decimal of %zu bytes has more than %d digits",
									 len, EVAUDIT_JSON_MAX_DIGITS);
	digits = digits_of(bytes, len, negative);
	ndigits = (int) strlen(digits);
	initStringInfo(&number);
	if (negative)
		appendStringInfoChar(&number, '-');
	if (ndigits <= scale)
	{
		appendStringInfoString(&number, "0.");
		for (int i = ndigits; i < scale; i++)
			appendStringInfoChar(&number, '0');
		appendStringInfoString(&number, digits);
	}
	else
	{
		appendBinaryStringInfo(&number, digits, ndigits - scale);
		if (scale > 0)
			appendStringInfo(&number, ".%s", digits + ndigits - scale);
	}
	ok = evaudit_out_raw(out, number.data);
	pfree(number.data);
	pfree(digits);
	return ok;
}

/* Write the date that is so many days after 1970-01-01. */
static int
format_date(char *str, size_t size, int64 epoch_day)
{
	int			year;
	int			month;
	int			day;

	j2date((int) epoch_day + UNIX_EPOCH_JDATE, &year, &month, &day);
	return snprintf(str, size, "%04d-%02d-%02d", year, month, day);
}

/* Write a time of a day, in nanoseconds since midnight. */
static int
format_time(char *str, size_t size, int64 nanos)
{
	int			seconds = (int) (nanos / NANOS_OF_SECOND);
	int			fraction = (int) (nanos % NANOS_OF_SECOND);
	int			len = snprintf(str, size, "%02d:%02d:%02d", seconds / 3600,
							   seconds / 60 % 60, seconds % 60);

	if (fraction == 0)
		return len;
	if (fraction % 1000000 == 0)
		return len + snprintf(str + len, size - len, ".%03d",
							  fraction / 1000000);
	if (fraction % 1000 == 0)
		return len + snprintf(str + len, size - len, ".%06d", fraction / 1000);
	return len + snprintf(str + len, size - len, ".%09d", fraction);
}

/* Check that a day has a year of four digits. */
static bool
check_day(EvauditJsonOut *out, int64 epoch_day)
{
	if (epoch_day >= FIRST_DAY && epoch_day <= LAST_DAY)
		return true;
	return evaudit_out_malformed(out, "a date is not in the years 0000 to 9999");
}

/* Append a date, in days since 1970. */
bool
evaudit_out_date(EvauditJsonOut *out, int64 epoch_day)
{
	char		str[64];

	if (!check_day(out, epoch_day))
		return false;
	str[0] = '"';
	strcpy(str + 1 + format_date(str + 1, sizeof(str) - 2, epoch_day), "\"");
	return evaudit_out_raw(out, str);
}

/* Append a time of a day. */
bool
evaudit_out_time(EvauditJsonOut *out, int64 nanos)
{
	char		str[64];

	if (nanos < 0 || nanos >= SECONDS_OF_DAY * NANOS_OF_SECOND)
		return evaudit_out_malformed(out, "a time is not within a day");
	str[0] = '"';
	strcpy(str + 1 + format_time(str + 1, sizeof(str) - 2, nanos), "\"");
	return evaudit_out_raw(out, str);
}

/*
 * Append a time, in seconds since 1970 and nanoseconds that are not negative,
 * with "Z" for the zone or nothing.
 */
bool
evaudit_out_timestamp(EvauditJsonOut *out, int64 seconds, int nanos,
					  const char *zone)
{
	int64		epoch_day = seconds / SECONDS_OF_DAY;
	int64		rest = seconds % SECONDS_OF_DAY;
	char		str[96];
	int			len = 1;

	if (rest < 0)
	{
		rest += SECONDS_OF_DAY;
		epoch_day--;
	}
	if (!check_day(out, epoch_day))
		return false;
	str[0] = '"';
	len += format_date(str + len, sizeof(str) - len, epoch_day);
	str[len++] = 'T';
	len += format_time(str + len, sizeof(str) - len,
					   rest * NANOS_OF_SECOND + nanos);
	snprintf(str + len, sizeof(str) - len, "%s\"", zone);
	return evaudit_out_raw(out, str);
}
