/*-------------------------------------------------------------------------
 *
 * validate_scalar.c
 *	  The keywords for numbers and strings, and enum and const.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

#include "schema/validate.h"

/* The most that a division with numbers of unusual size costs. */
#define STEPS_OF_LONG_DIVISION	500000

/* Which of two numbers is greater, as strcmp() tells. */
static int
compare_numbers(Numeric a, Numeric b)
{
	return DatumGetInt32(DirectFunctionCall2(numeric_cmp, NumericGetDatum(a),
											 NumericGetDatum(b)));
}

/* A number that lives as long as the backend. */
static Numeric
constant(const char *number)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);
	Numeric		result = evaudit_schema_value_numeric(number);

	MemoryContextSwitchTo(old);
	return result;
}

/* Is a number beyond 1e300, either way? */
static bool
is_huge(Numeric number)
{
	static Numeric highest = NULL;
	static Numeric lowest = NULL;

	if (highest == NULL)
		highest = constant("1e300");
	if (lowest == NULL)
		lowest = constant("-1e300");
	return compare_numbers(number, highest) > 0 ||
		compare_numbers(number, lowest) < 0;
}

/* multipleOf */
static bool
check_multiple(Validation *v, const SchemaPath *path,
			   const Instance *instance, Numeric value)
{
	static Numeric zero = NULL;
	Numeric		divisor = path->node->number->multiple_of;
	Numeric		rest;
	bool		result;

	if (zero == NULL)
		zero = constant("0");
	/* the quotient of short numbers can have a hundred thousand digits */
	if ((path->node->number->long_division || is_huge(value)) &&
		!evaudit_spend(v, STEPS_OF_LONG_DIVISION, path, instance))
		return false;
	rest = DatumGetNumeric(DirectFunctionCall2(numeric_mod,
											   NumericGetDatum(value),
											   NumericGetDatum(divisor)));
	result = compare_numbers(rest, zero) == 0;
	pfree(rest);
	return result || evaudit_violation(v, path, "multipleOf", instance,
									   "the number is not a multiple");
}

/* All keywords for numbers. */
bool
evaudit_validate_number(Validation *v, const SchemaPath *path,
						const Instance *instance)
{
	const NumberRules *rules = path->node->number;
	Numeric		value = instance->value.as.number;
	bool		ok = true;

	if (rules->minimum != NULL && compare_numbers(value, rules->minimum) < 0)
		REQUIRE(evaudit_violation(v, path, "minimum", instance,
								  "the number is too small"));
	if (rules->exclusive_minimum != NULL &&
		compare_numbers(value, rules->exclusive_minimum) <= 0)
		REQUIRE(evaudit_violation(v, path, "exclusiveMinimum", instance,
								  "the number is too small"));
	if (rules->maximum != NULL && compare_numbers(value, rules->maximum) > 0)
		REQUIRE(evaudit_violation(v, path, "maximum", instance,
								  "the number is too large"));
	if (rules->exclusive_maximum != NULL &&
		compare_numbers(value, rules->exclusive_maximum) >= 0)
		REQUIRE(evaudit_violation(v, path, "exclusiveMaximum", instance,
								  "the number is too large"));
	if (rules->multiple_of != NULL)
		REQUIRE(check_multiple(v, path, instance, value));
	return ok;
}

/* Characters are counted only when bytes do not tell. */
static bool
check_length(Validation *v, const SchemaPath *path, const Instance *instance)
{
	const StringRules *rules = path->node->string;
	int64		bytes = instance->value.len;
	int64		least = bytes / pg_database_encoding_max_length();
	int64		length;

	if ((rules->max_length < 0 || bytes <= rules->max_length) &&
		(rules->min_length < 0 || least >= rules->min_length))
		return true;
	if (!evaudit_spend(v, bytes / 16, path, instance))
		return false;
	length = pg_mbstrlen_with_len(instance->value.as.string, (int) bytes);
	if (rules->max_length >= 0 && length > rules->max_length)
		return evaudit_violation(v, path, "maxLength", instance,
								 "the string is longer than " INT64_FORMAT " characters",
								 rules->max_length);
	if (length < rules->min_length)
		return evaudit_violation(v, path, "minLength", instance,
								 "the string is shorter than " INT64_FORMAT " characters",
								 rules->min_length);
	return true;
}

/* pattern */
static bool
check_pattern(Validation *v, const SchemaPath *path, const Instance *instance)
{
	switch (evaudit_regex_match(path->node->string->pattern,
								instance->value.as.string,
								instance->value.len, &v->steps))
	{
		case EVAUDIT_REGEX_MATCH:
			return true;
		case EVAUDIT_REGEX_NO_MATCH:
			return evaudit_violation(v, path, "pattern", instance,
									 "the string does not match the pattern");
		case EVAUDIT_REGEX_LIMIT:
			break;
	}
	return evaudit_give_up(v, path, "pattern", instance,
						   "matching the pattern takes too long");
}

/* format */
static bool
check_format(Validation *v, const SchemaPath *path, const Instance *instance)
{
	const EvauditFormat *format = path->node->string->format;
	const SchemaValue *value = &instance->value;

	if (!evaudit_spend(v, format->steps * (1 + value->len / 16), path, instance))
		return false;
	return format->check(value->as.string, value->len) ||
		evaudit_violation(v, path, "format", instance,
						  "the string is not of format \"%s\"", format->name);
}

/* All keywords for strings. */
bool
evaudit_validate_string(Validation *v, const SchemaPath *path,
						const Instance *instance)
{
	const StringRules *rules = path->node->string;
	bool		ok = true;

	if (rules->min_length >= 0 || rules->max_length >= 0)
		REQUIRE(check_length(v, path, instance));
	if (rules->pattern != NULL)
		REQUIRE(check_pattern(v, path, instance));
	if (rules->format != NULL && (v->assert_format || rules->assert_format))
		REQUIRE(check_format(v, path, instance));
	return ok;
}

/* Look a value up among those of an enum. */
static bool
find_value(Validation *v, const ValueRules *rules, const SchemaValue *value)
{
	int			low = 0;
	int			high = rules->nvalues;

	while (low < high)
	{
		int			middle = (low + high) / 2;
		int			order = evaudit_schema_value_compare(value, &rules->values[middle],
														 &v->steps);

		if (order == 0)
			return true;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return false;
}

/* enum and const */
bool
evaudit_validate_value(Validation *v, const SchemaPath *path,
					   const Instance *instance)
{
	const ValueRules *rules = path->node->value;
	bool		same = true;
	bool		found = true;
	bool		ok = true;

	if (rules->has_const)
		same = evaudit_schema_value_compare(&instance->value, &rules->constant,
											&v->steps) == 0;
	if (rules->nvalues >= 0 && (same || v->collect))
		found = find_value(v, rules, &instance->value);
	if (!evaudit_spend(v, 0, path, instance))
		return false;
	REQUIRE(same || evaudit_violation(v, path, "const", instance,
									  "the value is not the only one allowed"));
	REQUIRE(found || evaudit_violation(v, path, "enum", instance,
									   "the value is not one of those allowed"));
	return ok;
}
