/*-------------------------------------------------------------------------
 *
 * jsonb_limits.c
 *	  The bounds of json_text.h for what is jsonb already.
 *
 * A number of a few bytes may have 147,455 digits when it is rendered, and a
 * jsonb may come from anywhere in SQL.  So it is measured before its text is
 * wanted, by a walk over it that allocates a little for each level.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/numeric.h"

#include "text/jsonb_limits.h"

/*
 * The header of a numeric, as it is stored: the server shows no other way to
 * its digits than to render them.  See utils/adt/numeric.c.
 */
#define NUMERIC_KIND			0xC000
#define NUMERIC_SHORT			0x8000
#define NUMERIC_SPECIAL			0xC000
#define LONG_NEGATIVE			0x4000
#define SHORT_NEGATIVE			0x2000
#define SHORT_DSCALE_SHIFT		7
#define SHORT_DSCALE_MASK		0x3F
#define SHORT_WEIGHT_SIGN		0x0040
#define SHORT_WEIGHT_MASK		0x003F
#define LONG_DSCALE_MASK		0x3FFF
#define DIGITS_PER_NUMERIC_DIGIT	4

/* Digits before the point, given the place of the first digit to base 10,000. */
static int
digits_before_point(int weight, const char *digits, const char *end)
{
	int16		first;
	int			n = weight * DIGITS_PER_NUMERIC_DIGIT + 1;

	if (weight < 0 || digits >= end)
		return 1;
	memcpy(&first, digits, sizeof(first));
	return n + (first >= 10) + (first >= 100) + (first >= 1000);
}

/* The least that a number of so many bytes of digits takes with an exponent. */
static int
shortest_number(int bytes)
{
	int			n = bytes / (int) sizeof(int16);

	return Max(n - 1, 0) * DIGITS_PER_NUMERIC_DIGIT + (int) strlen("1e100");
}

/* What a number takes as a text. */
static EvauditJsonStatus
measure_number(Numeric number, EvauditJsonbSize *size)
{
	const char *data = VARDATA_ANY(number);
	const char *end = data + VARSIZE_ANY_EXHDR(number);
	const char *digits = data + sizeof(uint16);
	uint16		header;
	int16		weight;
	bool		negative;
	int			before;
	int			after;

	memcpy(&header, data, sizeof(header));
	if ((header & NUMERIC_KIND) == NUMERIC_SPECIAL)
		return EVAUDIT_JSON_NUMBER_TOO_LARGE;
	if ((header & NUMERIC_KIND) == NUMERIC_SHORT)
	{
		weight = header & SHORT_WEIGHT_MASK;
		if (header & SHORT_WEIGHT_SIGN)
			weight |= ~SHORT_WEIGHT_MASK;
		after = (header >> SHORT_DSCALE_SHIFT) & SHORT_DSCALE_MASK;
		negative = (header & SHORT_NEGATIVE) != 0;
	}
	else
	{
		memcpy(&weight, digits, sizeof(weight));
		digits += sizeof(weight);
		after = header & LONG_DSCALE_MASK;
		negative = (header & NUMERIC_KIND) == LONG_NEGATIVE;
	}
	before = digits_before_point(weight, digits, end);
	if (before + after > EVAUDIT_JSON_MAX_DIGITS)
		return EVAUDIT_JSON_NUMBER_TOO_LARGE;
	before += negative + (after > 0) + after;
	size->rendered += before;
	size->shortest += Min(before, shortest_number(end - digits));
	return EVAUDIT_JSON_OK;
}

/* What a string takes: its bytes, quotes and escapes. */
static size_t
string_size(const JsonbValue *v)
{
	size_t		size = v->val.string.len + 2;

	for (int i = 0; i < v->val.string.len; i++)
	{
		unsigned char c = v->val.string.val[i];

		if (c == '"' || c == '\\')
			size++;
		else if (c < ' ')
			size += strchr("\b\f\n\r\t", c) != NULL && c != '\0' ? 1 : 5;
	}
	return size;
}

/* Add what is as long in any text. */
static void
add(EvauditJsonbSize *size, size_t bytes)
{
	size->shortest += bytes;
	size->rendered += bytes;
}

/* Measure the beginning of a container. */
static EvauditJsonStatus
measure_container(const JsonbValue *v, int *depth, int max_depth,
				  EvauditJsonbSize *size)
{
	bool		is_object = v->type == jbvObject;

	/* brackets, unless they stand for the last value's separator */
	if ((is_object ? v->val.object.nPairs : v->val.array.nElems) == 0)
		add(size, 2);
	/* a scalar stands in an array of its own */
	if (is_object || !v->val.array.rawScalar)
		(*depth)++;
	return *depth > max_depth ? EVAUDIT_JSON_TOO_DEEP : EVAUDIT_JSON_OK;
}

/* Measure a key, member or element. */
static EvauditJsonStatus
measure_value(const JsonbValue *v, EvauditJsonbSize *size)
{
	/* a colon or a comma, and a space */
	add(size, 2);
	switch (v->type)
	{
		case jbvNumeric:
			return measure_number(v->val.numeric, size);
		case jbvString:
			add(size, string_size(v));
			break;
		case jbvBool:
			add(size, strlen(v->val.boolean ? "true" : "false"));
			break;
		default:
			add(size, strlen("null"));
			break;
	}
	return EVAUDIT_JSON_OK;
}

/* See jsonb_limits.h. */
EvauditJsonStatus
evaudit_jsonb_measure(Jsonb *jsonb, int max_depth, EvauditJsonbSize *size)
{
	JsonbIterator *it = JsonbIteratorInit(&jsonb->root);
	EvauditJsonStatus status = EVAUDIT_JSON_OK;
	JsonbIteratorToken token;
	JsonbValue	v;
	int			depth = 0;
	int			nvalues = 0;

	memset(size, 0, sizeof(EvauditJsonbSize));
	while (status == EVAUDIT_JSON_OK &&
		   (token = JsonbIteratorNext(&it, &v, false)) != WJB_DONE)
	{
		if (token == WJB_BEGIN_ARRAY || token == WJB_BEGIN_OBJECT)
			status = measure_container(&v, &depth, max_depth, size);
		else if (token == WJB_END_ARRAY || token == WJB_END_OBJECT)
			depth--;
		else
		{
			status = measure_value(&v, size);
			if (token != WJB_KEY && ++nvalues > EVAUDIT_JSON_MAX_VALUES)
				status = EVAUDIT_JSON_TOO_MANY;
			if (nvalues % 1024 == 0)
				CHECK_FOR_INTERRUPTS();
		}
	}
	return status;
}
