/*-------------------------------------------------------------------------
 *
 * access_rule.c
 *	  A grant to publish: its constraints, compiled and matched.
 *
 * Constraints are bounded, so that the cost of a decision is, too: patterns
 * are matched with limits of their own (text/pattern.c).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "auth/access_rule.h"
#include "text/jsonb.h"

/* Most fields of a grant, and most patterns of a field. */
#define MAX_FIELDS			64
#define MAX_PATTERNS		256

/* Longest pattern, in bytes. */
#define MAX_PATTERN_BYTES	4096

/* What it may cost to match a field, in steps of the regular expressions. */
#define MATCH_BUDGET		100000

/* The place that an error is at. */
typedef struct Place
{
	const char *topic;
	const char *subject;
	const char *field;			/* NULL: all of the constraints */
	int			pattern;		/* from 1; 0: all of the field */
} Place;

/* Tell where in which grant an error is, as its detail. */
static int
errplace(const Place *place, const char *what)
{
	if (place->field == NULL)
		return errdetail("Topic \"%s\", subject \"%s\": %s",
						 place->topic, place->subject, what);
	if (place->pattern == 0)
		return errdetail("Topic \"%s\", subject \"%s\", field \"%s\": %s",
						 place->topic, place->subject, place->field, what);
	return errdetail("Topic \"%s\", subject \"%s\", field \"%s\", pattern %d: %s",
					 place->topic, place->subject, place->field,
					 place->pattern, what);
}

/* Refuse constraints that are not of the known form. */
static void
bad_constraints(const Place *place, const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("constraints are not valid"),
			 errplace(place, what),
			 errhint("Constraints are an object {\"field\": [\"pattern\", ...], ...}.")));
}

/* Compile one pattern of a field. */
static void
add_pattern(EvauditAccessField *field, const JsonbValue *value, Place *place)
{
	char	   *error = NULL;
	int			i = field->npatterns++;

	place->pattern = i + 1;
	if (value->type != jbvString)
		bad_constraints(place, "A pattern must be a string.");
	if (value->val.string.len > MAX_PATTERN_BYTES)
		bad_constraints(place, psprintf("A pattern has at most %d bytes.",
										MAX_PATTERN_BYTES));
	field->patterns[i] = pnstrdup(value->val.string.val,
								  value->val.string.len);
	field->regexes[i] = evaudit_regex_compile(field->patterns[i],
											  value->val.string.len,
											  EVAUDIT_REGEX_WHOLE |
											  EVAUDIT_REGEX_PYTHON,
											  CurrentMemoryContext, &error);
	if (field->regexes[i] == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_REGULAR_EXPRESSION),
				 errmsg("\"%s\" is not a valid regular expression",
						field->patterns[i]),
				 errplace(place, psprintf("%s.", error))));
	place->pattern = 0;
}

/* Compile a field and its list of patterns. */
static void
add_field(EvauditAccessRule *rule, const JsonbValue *key,
		  const JsonbValue *list, Place *place)
{
	EvauditAccessField *field = &rule->fields[rule->nfields++];
	JsonbContainer *patterns = list->val.binary.data;
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	v;
	uint32		n;

	field->name = pnstrdup(key->val.string.val, key->val.string.len);
	place->field = field->name;
	if (list->type != jbvBinary || !JsonContainerIsArray(patterns))
		bad_constraints(place, "Patterns must be a list.");
	n = JsonContainerSize(patterns);
	if (n > MAX_PATTERNS)
		bad_constraints(place, psprintf("A field has at most %d patterns.",
										MAX_PATTERNS));
	field->patterns = palloc(sizeof(char *) * Max(n, 1));
	field->regexes = palloc(sizeof(EvauditRegex *) * Max(n, 1));
	it = JsonbIteratorInit(patterns);
	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		if (token == WJB_ELEM)
			add_pattern(field, &v, place);
	}
	place->field = NULL;
}

/*
 * Have fields decided in an order of their names; those that it does not name
 * come last.
 */
static void
order_fields(EvauditAccessRule *rule, ArrayType *order)
{
	Datum	   *names;
	bool	   *nulls;
	int			n;
	int			done = 0;

	deconstruct_array(order, TEXTOID, -1, false, TYPALIGN_INT, &names, &nulls,
					  &n);
	for (int i = 0; i < n && done < rule->nfields; i++)
	{
		char	   *name = nulls[i] ? NULL : TextDatumGetCString(names[i]);

		for (int j = done; name != NULL && j < rule->nfields; j++)
		{
			EvauditAccessField field = rule->fields[j];

			if (strcmp(field.name, name) != 0)
				continue;
			memmove(&rule->fields[done + 1], &rule->fields[done],
					sizeof(EvauditAccessField) * (j - done));
			rule->fields[done++] = field;
			break;
		}
	}
}

/*
 * Compile the grant of a subject into a context.  Constraints may be NULL,
 * for none, and so may their order; what is wrong with them is an ERROR that
 * says where.
 */
EvauditAccessRule *
evaudit_access_compile(const char *topic, const char *subject,
					   Jsonb *constraints, ArrayType *order,
					   MemoryContext context)
{
	MemoryContext previous = MemoryContextSwitchTo(context);
	EvauditAccessRule *rule = palloc0(sizeof(EvauditAccessRule));
	Place		place = {topic, subject, NULL, 0};

	rule->subject = pstrdup(subject);
	if (constraints != NULL)
	{
		JsonbIterator *it;
		JsonbIteratorToken token;
		JsonbValue	key = {jbvNull};
		JsonbValue	v;

		if (!JB_ROOT_IS_OBJECT(constraints))
			bad_constraints(&place, "They must be an object.");
		if (JB_ROOT_COUNT(constraints) > MAX_FIELDS)
			bad_constraints(&place, psprintf("There are at most %d fields.",
											 MAX_FIELDS));
		rule->fields = palloc0(sizeof(EvauditAccessField) *
							   Max(JB_ROOT_COUNT(constraints), 1));
		it = JsonbIteratorInit(&constraints->root);
		while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
		{
			if (token == WJB_KEY)
				key = v;
			else if (token == WJB_VALUE)
				add_field(rule, &key, &v, &place);
		}
	}
	if (order != NULL)
		order_fields(rule, order);
	MemoryContextSwitchTo(previous);
	return rule;
}

/* The value of a field in a payload that is an object; NULL: none or null. */
JsonbValue *
evaudit_access_value(Jsonb *payload, const EvauditAccessField *field)
{
	JsonbValue *value = evaudit_jsonb_member(&payload->root, field->name);

	return value == NULL || value->type == jbvNull ? NULL : value;
}

/*
 * Which pattern of a field matches the whole of a value, counted from 0; -1:
 * none.  Booleans are matched as Python writes them, numbers as JSON does; no
 * pattern matches an object or a list.
 */
int
evaudit_access_match(const EvauditAccessField *field, const JsonbValue *value)
{
	const char *str;
	size_t		len;
	int64		budget = MATCH_BUDGET;

	switch (value->type)
	{
		case jbvString:
			str = value->val.string.val;
			len = value->val.string.len;
			break;
		case jbvNumeric:
			str = DatumGetCString(DirectFunctionCall1(numeric_out,
													  NumericGetDatum(value->val.numeric)));
			len = strlen(str);
			break;
		case jbvBool:
			str = value->val.boolean ? "True" : "False";
			len = strlen(str);
			break;
		default:
			return -1;
	}
	for (int i = 0; i < field->npatterns; i++)
	{
		if (evaudit_regex_match(field->regexes[i], str, len, &budget) ==
			EVAUDIT_REGEX_MATCH)
			return i;
	}
	return -1;
}
