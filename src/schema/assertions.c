/*-------------------------------------------------------------------------
 *
 * assertions.c
 *	  The keywords that look at the instance itself.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "schema/compile.h"
#include "schema/limits.h"

/* The rules of a node for numbers, made when first asked for. */
static NumberRules *
number_rules(SchemaNode *node)
{
	if (node->number == NULL)
		node->number = palloc0(sizeof(NumberRules));
	return node->number;
}

/* The rules of a node for strings. */
static StringRules *
string_rules(SchemaNode *node)
{
	if (node->string == NULL)
	{
		node->string = palloc0(sizeof(StringRules));
		node->string->min_length = node->string->max_length = -1;
	}
	return node->string;
}

/* The rules of a node for values as a whole: enum and const. */
static ValueRules *
value_rules(SchemaNode *node)
{
	if (node->value == NULL)
	{
		node->value = palloc0(sizeof(ValueRules));
		node->value->nvalues = -1;
	}
	return node->value;
}

/* Compile a pattern. */
EvauditRegex *
evaudit_schema_regex(SchemaCompile *compile, SchemaNode *node,
					 const char *keyword, const char *pattern, size_t len)
{
	char	   *error;
	EvauditRegex *regex;

	if (++compile->patterns > EVAUDIT_SCHEMA_MAX_PATTERNS)
		evaudit_schema_broken(node, keyword, "more than %d patterns",
							  EVAUDIT_SCHEMA_MAX_PATTERNS);
	regex = evaudit_regex_compile(pattern, len, 0, CurrentMemoryContext,
								  &error);
	if (regex == NULL)
		evaudit_schema_broken(node, keyword,
							  "not a regular expression: %s", error);
	compile->pattern_bytes += evaudit_regex_size(regex);
	if (compile->pattern_bytes > EVAUDIT_SCHEMA_MAX_PATTERN_BYTES)
		evaudit_schema_broken(node, keyword, "too many long patterns");
	return regex;
}

/* For qsort(): names in the order of jsonb. */
static int
compare_names(const void *a, const void *b)
{
	const SchemaName *left = a;
	const SchemaName *right = b;

	return evaudit_schema_key_compare(left->name, left->len, right->name, right->len);
}

/* An array of strings, sorted as jsonb sorts keys. */
SchemaName *
evaudit_schema_names(SchemaNode *node, const char *keyword,
					 const SchemaValue *value, int *n)
{
	SchemaValue *elements;
	SchemaName *names;

	if (value->type != SCHEMA_VALUE_ARRAY)
		evaudit_schema_broken(node, keyword, "must be an array of strings");
	elements = palloc(sizeof(SchemaValue) * (value->len + 1));
	names = palloc(sizeof(SchemaName) * (value->len + 1));
	evaudit_schema_value_elements(value, elements);
	for (uint32 i = 0; i < value->len; i++)
	{
		if (elements[i].type != SCHEMA_VALUE_STRING)
			evaudit_schema_broken(node, keyword,
								  "must be an array of strings");
		names[i].name = elements[i].as.string;
		names[i].len = elements[i].len;
	}
	qsort(names, value->len, sizeof(SchemaName), compare_names);
	for (uint32 i = 1; i < value->len; i++)
	{
		if (compare_names(&names[i - 1], &names[i]) == 0)
			evaudit_schema_broken(node, keyword,
								  "must not have \"%.*s\" twice",
								  (int) names[i].len, names[i].name);
	}
	pfree(elements);
	*n = value->len;
	return names;
}

/* A count, that is an integer from 0; huge ones are all the same. */
static int64
count_of(SchemaNode *node, const char *keyword, const SchemaValue *value)
{
	Datum		number;
	Datum		bound;

	if (value->type != SCHEMA_VALUE_NUMBER ||
		!evaudit_schema_value_is_integer(value))
		evaudit_schema_broken(node, keyword,
							  "must be an integer, zero or more");
	number = NumericGetDatum(value->as.number);
	bound = DirectFunctionCall1(int4_numeric, Int32GetDatum(0));
	if (DatumGetBool(DirectFunctionCall2(numeric_lt, number, bound)))
		evaudit_schema_broken(node, keyword,
							  "must be an integer, zero or more");
	bound = DirectFunctionCall1(int4_numeric, Int32GetDatum(PG_INT32_MAX));
	if (DatumGetBool(DirectFunctionCall2(numeric_gt, number, bound)))
		return PG_INT32_MAX;
	return DatumGetInt64(DirectFunctionCall1(numeric_int8, number));
}

/* The counts: of characters, elements and properties. */
static void
compile_count(SchemaCompile *compile, SchemaNode *node, const char *keyword,
			  const SchemaValue *value)
{
	int64		count = count_of(node, keyword, value);
	bool		min = keyword[1] == 'i';
	const char *of = keyword + 3;

	if (strcmp(of, "Length") == 0 && min)
		string_rules(node)->min_length = count;
	else if (strcmp(of, "Length") == 0)
		string_rules(node)->max_length = count;
	else if (strcmp(of, "Items") == 0 && min)
		evaudit_schema_array(node)->min_items = count;
	else if (strcmp(of, "Items") == 0)
		evaudit_schema_array(node)->max_items = count;
	else if (strcmp(of, "Contains") == 0 && min)
		evaudit_schema_array(node)->min_contains = count;
	else if (strcmp(of, "Contains") == 0)
		evaudit_schema_array(node)->max_contains = count;
	else if (min)
		evaudit_schema_object(node)->min_properties = count;
	else
		evaudit_schema_object(node)->max_properties = count;
}

/* Bounds; in draft 4 the exclusive ones are flags for the others. */
static void
compile_bound(SchemaCompile *compile, SchemaNode *node, const char *keyword,
			  const SchemaValue *value)
{
	NumberRules *rules = number_rules(node);
	bool		exclusive = keyword[0] == 'e';

	if (exclusive && node->resource->dialect.draft == DRAFT_4)
	{
		if (value->type != SCHEMA_VALUE_BOOLEAN)
			evaudit_schema_broken(node, keyword, "must be a boolean");
		if (keyword[10] == 'i')
			rules->minimum_excluded = value->boolean;
		else
			rules->maximum_excluded = value->boolean;
		return;
	}
	if (value->type != SCHEMA_VALUE_NUMBER)
		evaudit_schema_broken(node, keyword, "must be a number");
	if (exclusive && keyword[10] == 'i')
		rules->exclusive_minimum = value->as.number;
	else if (exclusive)
		rules->exclusive_maximum = value->as.number;
	else if (keyword[1] == 'i')
		rules->minimum = value->as.number;
	else
		rules->maximum = value->as.number;
}

/* multipleOf */
static void
compile_multiple_of(SchemaCompile *compile, SchemaNode *node,
					const char *keyword, const SchemaValue *value)
{
	NumberRules *rules = number_rules(node);
	Datum		divisor = NumericGetDatum(value->as.number);
	Datum		bound = NumericGetDatum(evaudit_schema_value_numeric("0"));

	if (value->type != SCHEMA_VALUE_NUMBER ||
		!DatumGetBool(DirectFunctionCall2(numeric_gt, divisor, bound)))
		evaudit_schema_broken(node, keyword, "must be a number above zero");
	if (VARSIZE_ANY(value->as.number) > EVAUDIT_SCHEMA_MAX_DIVISOR)
		evaudit_schema_broken(node, keyword, "has too many digits");
	bound = NumericGetDatum(evaudit_schema_value_numeric("1e-300"));
	rules->multiple_of = value->as.number;
	rules->long_division = VARSIZE_ANY(value->as.number) > 64 ||
		DatumGetBool(DirectFunctionCall2(numeric_lt, divisor, bound));
}

/* uniqueItems */
static void
compile_unique(SchemaCompile *compile, SchemaNode *node, const char *keyword,
			   const SchemaValue *value)
{
	if (value->type != SCHEMA_VALUE_BOOLEAN)
		evaudit_schema_broken(node, keyword, "must be a boolean");
	evaudit_schema_array(node)->unique = value->boolean;
}

/* pattern */
static void
compile_pattern(SchemaCompile *compile, SchemaNode *node, const char *keyword,
				const SchemaValue *value)
{
	if (value->type != SCHEMA_VALUE_STRING)
		evaudit_schema_broken(node, keyword, "must be a string");
	string_rules(node)->pattern =
		evaudit_schema_regex(compile, node, keyword, value->as.string,
							 value->len);
}

/* A format that is not known is an annotation. */
static void
compile_format(SchemaCompile *compile, SchemaNode *node, const char *keyword,
			   const SchemaValue *value)
{
	const EvauditFormat *format;

	if (value->type != SCHEMA_VALUE_STRING)
		evaudit_schema_broken(node, keyword, "must be a string");
	format = evaudit_format_find(value->as.string, value->len,
								 node->resource->dialect.draft <= DRAFT_6);
	if (format == NULL)
		return;
	string_rules(node)->format = format;
	node->string->assert_format =
		(node->resource->dialect.vocabularies &
		 VOCABULARY_FORMAT_ASSERTION) != 0;
}

/* required */
static void
compile_required(SchemaCompile *compile, SchemaNode *node,
				 const char *keyword, const SchemaValue *value)
{
	ObjectRules *rules = evaudit_schema_object(node);

	if (node->resource->dialect.draft == DRAFT_4 &&
		value->type == SCHEMA_VALUE_BOOLEAN)
		evaudit_schema_broken(node, keyword,
							  "must be an array of strings since draft 4");
	rules->required = evaudit_schema_names(node, keyword, value,
										   &rules->nrequired);
}

/* The bit of a type's name. */
static uint8
type_bit(SchemaNode *node, const char *keyword, const SchemaValue *value)
{
	if (value->type == SCHEMA_VALUE_STRING)
	{
		if (value->len == 7 && memcmp(value->as.string, "integer", 7) == 0)
			return TYPE_INTEGER;
		for (int type = SCHEMA_VALUE_NULL; type <= SCHEMA_VALUE_OBJECT;
			 type++)
		{
			SchemaValue sample = {.type = type};
			const char *name = evaudit_schema_value_type_name(&sample);

			if (value->len == strlen(name) &&
				memcmp(value->as.string, name, value->len) == 0)
				return TYPE_BIT(type);
		}
	}
	evaudit_schema_broken(node, keyword,
						  "must be null, boolean, object, array, number, string or integer");
}

/* type: one, or an array of them. */
static void
compile_type(SchemaCompile *compile, SchemaNode *node, const char *keyword,
			 const SchemaValue *value)
{
	SchemaValue *elements;

	if (value->type != SCHEMA_VALUE_ARRAY)
	{
		node->types = type_bit(node, keyword, value);
		return;
	}
	if (value->len == 0)
		evaudit_schema_broken(node, keyword, "must name at least one type");
	elements = palloc(sizeof(SchemaValue) * value->len);
	evaudit_schema_value_elements(value, elements);
	node->types = 0;
	for (uint32 i = 0; i < value->len; i++)
	{
		uint8		bit = type_bit(node, psprintf("%s/%u", keyword, i),
								   &elements[i]);

		if ((node->types & bit) != 0)
			evaudit_schema_broken(node, keyword,
								  "must not name a type twice");
		node->types |= bit;
	}
	pfree(elements);
}

/* For qsort_arg(): values in an order of their own. */
static int
compare_values(const void *a, const void *b, void *steps)
{
	return evaudit_schema_value_compare(a, b, steps);
}

/* enum and const; the values of an enum are sorted. */
static void
compile_values(SchemaCompile *compile, SchemaNode *node, const char *keyword,
			   const SchemaValue *value)
{
	ValueRules *rules = value_rules(node);
	int64		steps = PG_INT64_MAX;

	if (keyword[0] == 'c')
	{
		rules->has_const = true;
		rules->constant = *value;
		return;
	}
	if (value->type != SCHEMA_VALUE_ARRAY)
		evaudit_schema_broken(node, keyword, "must be an array");
	rules->nvalues = value->len;
	rules->values = palloc(sizeof(SchemaValue) * (value->len + 1));
	evaudit_schema_value_elements(value, rules->values);
	qsort_arg(rules->values, value->len, sizeof(SchemaValue), compare_values,
			  &steps);
}

static const SchemaKeyword assertions[] = {
	{"type", ALWAYS, VOCABULARY_VALIDATION, compile_type},
	{"enum", ALWAYS, VOCABULARY_VALIDATION, compile_values},
	{"const", SINCE(DRAFT_6), VOCABULARY_VALIDATION, compile_values},
	{"required", ALWAYS, VOCABULARY_VALIDATION, compile_required},
	{"minimum", ALWAYS, VOCABULARY_VALIDATION, compile_bound},
	{"maximum", ALWAYS, VOCABULARY_VALIDATION, compile_bound},
	{"exclusiveMinimum", ALWAYS, VOCABULARY_VALIDATION, compile_bound},
	{"exclusiveMaximum", ALWAYS, VOCABULARY_VALIDATION, compile_bound},
	{"multipleOf", ALWAYS, VOCABULARY_VALIDATION, compile_multiple_of},
	{"minLength", ALWAYS, VOCABULARY_VALIDATION, compile_count},
	{"maxLength", ALWAYS, VOCABULARY_VALIDATION, compile_count},
	{"pattern", ALWAYS, VOCABULARY_VALIDATION, compile_pattern},
	{"format", ALWAYS, VOCABULARY_FORMAT, compile_format},
	{"minItems", ALWAYS, VOCABULARY_VALIDATION, compile_count},
	{"maxItems", ALWAYS, VOCABULARY_VALIDATION, compile_count},
	{"uniqueItems", ALWAYS, VOCABULARY_VALIDATION, compile_unique},
	{"minContains", SINCE(DRAFT_2019_09), VOCABULARY_VALIDATION, compile_count},
	{"maxContains", SINCE(DRAFT_2019_09), VOCABULARY_VALIDATION, compile_count},
	{"minProperties", ALWAYS, VOCABULARY_VALIDATION, compile_count},
	{"maxProperties", ALWAYS, VOCABULARY_VALIDATION, compile_count},
};

/* The keywords of this file, and how many they are. */
const SchemaKeyword *
evaudit_schema_assertions(int *n)
{
	*n = lengthof(assertions);
	return assertions;
}
