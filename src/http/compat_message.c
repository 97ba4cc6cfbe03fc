/*-------------------------------------------------------------------------
 *
 * compat_message.c
 *	  What a gateway says to an event that its schema refuses: the error that
 *	  python-jsonschema's best_match() finds, in its words.
 *
 * Of all violations it is the one whose place in the event is the highest; of
 * those, the one whose place is the greatest; then one whose schema says of
 * no type, or of another, before others.  What is left is found in the order
 * of the schema's file there, which jsonb has forgotten.
 *
 * Values are written as Python writes them.  Where the words are not simple,
 * of containers and of alternatives, they are our own.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "http/compat_message.h"
#include "text/ascii.h"
#include "text/jsonb.h"

/* Most violations that are compared. */
#define MAX_COMPARED	1000

/* A violation with what it is about. */
typedef struct Fault
{
	const EvauditSchemaError *error;
	const char *keyword;
	const char *place;			/* in the event */
	JsonbValue	instance;
	JsonbValue	schema;			/* that has the keyword */
	JsonbValue *value;			/* of the keyword */
	bool		other_type;		/* see above */
} Fault;

/* What a JSON Pointer leads to, up to a length of it; false: nothing. */
static bool
follow(Jsonb *document, const char *pointer, size_t len, JsonbValue *value)
{
	char	   *rest = pnstrdup(pointer, len);

	if (JB_ROOT_IS_SCALAR(document))
		return *pointer == '\0' && JsonbExtractScalar(&document->root, value);
	value->type = jbvBinary;
	value->val.binary.data = &document->root;
	value->val.binary.len = VARSIZE(document) - VARHDRSZ;
	while (*rest == '/')
	{
		char	   *step = ++rest;
		char	   *to = step;
		JsonbValue *v = NULL;

		for (; *rest != '\0' && *rest != '/'; rest++)
		{
			if (*rest == '~')
				*to++ = *++rest == '0' ? '~' : '/';
			else
				*to++ = *rest;
		}
		if (value->type != jbvBinary)
			return false;
		/* the slash that ends this step begins the next one */
		step = pnstrdup(step, to - step);
		if (JsonContainerIsObject(value->val.binary.data))
			v = evaudit_jsonb_member(value->val.binary.data, step);
		else if (evaudit_is_digit(*step))
			v = getIthJsonbValueFromContainer(value->val.binary.data,
											  (uint32) atol(step));
		if (v == NULL)
			return false;
		*value = *v;
	}
	return true;
}

/* Whether a value is of a type of JSON Schema. */
static bool
is_of_type(const JsonbValue *value, const char *type)
{
	switch (value->type)
	{
		case jbvNull:
			return strcmp(type, "null") == 0;
		case jbvBool:
			return strcmp(type, "boolean") == 0;
		case jbvString:
			return strcmp(type, "string") == 0;
		case jbvNumeric:
			return strcmp(type, "number") == 0 || strcmp(type, "integer") == 0;
		default:
			return strcmp(type, JsonContainerIsArray(value->val.binary.data) ?
						  "array" : "object") == 0;
	}
}

/* Whether the schema of a fault says that the instance is of its type. */
static bool
matches_type(const Fault *fault)
{
	JsonbValue *type;

	if (fault->schema.type != jbvBinary ||
		!JsonContainerIsObject(fault->schema.val.binary.data) ||
		strcmp(fault->keyword, "type") == 0)
		return false;
	type = evaudit_jsonb_member(fault->schema.val.binary.data, "type");
	return type != NULL && (type->type != jbvString ||
							is_of_type(&fault->instance,
									   pnstrdup(type->val.string.val,
												type->val.string.len)));
}

/* Find what a violation is about; false if that is not to be had. */
static bool
read_fault(const EvauditSchemaError *error, Jsonb *schema, Jsonb *payload,
		   Fault *fault)
{
	const char *slash = strrchr(error->keyword_location, '/');
	const char *place = error->instance_location;
	size_t		len = strlen(place);

	if (slash == NULL)
		return false;
	fault->error = error;
	fault->keyword = slash + 1;
	/* of a member that may not be there, its object is told of */
	if (strcmp(fault->keyword, "additionalProperties") == 0 && len > 0)
		len = strrchr(place, '/') - place;
	fault->place = pnstrdup(place, len);
	if (!follow(payload, place, len, &fault->instance) ||
		!follow(schema, error->keyword_location,
				slash - error->keyword_location, &fault->schema) ||
		fault->schema.type != jbvBinary ||
		!JsonContainerIsObject(fault->schema.val.binary.data))
		return false;
	fault->value = evaudit_jsonb_member(fault->schema.val.binary.data,
										fault->keyword);
	fault->other_type = !matches_type(fault);
	return fault->value != NULL;
}

/* How many steps a pointer has. */
static int
depth_of(const char *pointer)
{
	int			n = 0;

	for (; *pointer != '\0'; pointer++)
		n += *pointer == '/';
	return n;
}

/* Whether a fault comes before the best one so far. */
static bool
is_better(const Fault *fault, const Fault *best)
{
	int			order = depth_of(best->place) - depth_of(fault->place);

	if (order == 0)
		order = strcmp(fault->place, best->place);
	if (order == 0)
		order = (int) fault->other_type - (int) best->other_type;
	return order > 0;
}

/* Write a string as Python writes it. */
static void
write_string(StringInfo out, const char *str, size_t len)
{
	bool		has_single = memchr(str, '\'', len) != NULL;
	char		quote = has_single && memchr(str, '"', len) == NULL ? '"' : '\'';

	appendStringInfoChar(out, quote);
	for (size_t i = 0; i < len; i++)
	{
		unsigned char c = str[i];

		if (c == '\\' || c == quote)
			appendStringInfo(out, "\\%c", c);
		else if (c == '\n' || c == '\r' || c == '\t')
			appendStringInfo(out, "\\%c", c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
		else if (c < 0x20 || c == 0x7f)
			appendStringInfo(out, "\\x%02x", c);
		else
			appendStringInfoChar(out, (char) c);
	}
	appendStringInfoChar(out, quote);
}

/* Write a value as Python writes it; false if it is an object. */
static bool
write_value(StringInfo out, const JsonbValue *value)
{
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	v;
	const char *comma = "";

	switch (value->type)
	{
		case jbvNull:
			appendStringInfoString(out, "None");
			return true;
		case jbvBool:
			appendStringInfoString(out, value->val.boolean ? "True" : "False");
			return true;
		case jbvString:
			write_string(out, value->val.string.val, value->val.string.len);
			return true;
		case jbvNumeric:
			appendStringInfoString(out,
								   DatumGetCString(DirectFunctionCall1(numeric_out,
																	   NumericGetDatum(value->val.numeric))));
			return true;
		default:
			break;
	}
	if (!JsonContainerIsArray(value->val.binary.data))
	{
		appendStringInfoString(out, "{}");
		return JsonContainerSize(value->val.binary.data) == 0;
	}
	appendStringInfoChar(out, '[');
	it = JsonbIteratorInit(value->val.binary.data);
	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		if (token != WJB_ELEM)
			continue;
		appendStringInfoString(out, comma);
		comma = ", ";
		if (v.type == jbvBinary || !write_value(out, &v))
			return false;
	}
	appendStringInfoChar(out, ']');
	return true;
}

/* The first name of "required" that is not there. */
static const char *
describe_required(const Fault *fault)
{
	StringInfoData out;
	JsonbIterator *it = JsonbIteratorInit(fault->value->val.binary.data);
	JsonbIteratorToken token;
	JsonbValue	v;

	initStringInfo(&out);
	while ((token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		if (token != WJB_ELEM || v.type != jbvString ||
			evaudit_jsonb_member(fault->instance.val.binary.data,
								 pnstrdup(v.val.string.val, v.val.string.len)))
			continue;
		write_string(&out, v.val.string.val, v.val.string.len);
		appendStringInfoString(&out, " is a required property");
		return out.data;
	}
	return NULL;
}

/* "'a', 'b'", of the types that a schema allows. */
static bool
write_types(StringInfo out, const JsonbValue *types)
{
	StringInfoData list;

	if (types->type == jbvString)
		return write_value(out, types);
	initStringInfo(&list);
	if (!write_value(&list, types))
		return false;
	appendBinaryStringInfo(out, list.data + 1, list.len - 2);
	return true;
}

/* Members that may not be there, of all violations of one keyword. */
static const char *
describe_additional(const Fault *fault, List *violations)
{
	StringInfoData out;
	ListCell   *lc;
	int			n = 0;

	if (evaudit_jsonb_member(fault->schema.val.binary.data,
							 "patternProperties") != NULL)
		return NULL;
	initStringInfo(&out);
	appendStringInfoString(&out, "Additional properties are not allowed (");
	foreach(lc, violations)
	{
		const EvauditSchemaError *error = lfirst(lc);
		const char *name = strrchr(error->instance_location, '/');

		if (strcmp(error->keyword_location, fault->error->keyword_location) != 0 ||
			name == NULL || strchr(name, '~') != NULL)
			continue;
		appendStringInfoString(&out, n++ > 0 ? ", " : "");
		write_string(&out, name + 1, strlen(name + 1));
	}
	appendStringInfo(&out, " %s unexpected)", n == 1 ? "was" : "were");
	return out.data;
}

/* Keywords whose words are the instance, some text and the value. */
static const char *const between[][2] = {
	{"enum", " is not one of "},
	{"minimum", " is less than the minimum of "},
	{"maximum", " is greater than the maximum of "},
	{"exclusiveMinimum", " is less than or equal to the minimum of "},
	{"exclusiveMaximum", " is greater than or equal to the maximum of "},
	{"multipleOf", " is not a multiple of "},
	{"pattern", " does not match "},
	{"format", " is not a "},
};

/* Those that say of lengths; one has another text for the shortest. */
static const char *
describe_length(const Fault *fault)
{
	bool		shortest = strncmp(fault->keyword, "min", 3) == 0;
	StringInfoData number;

	initStringInfo(&number);
	(void) write_value(&number, fault->value);
	if (strcmp(number.data, "1") == 0 && shortest)
		return " should be non-empty";
	if (strcmp(number.data, "0") == 0 && !shortest)
		return " is expected to be empty";
	return shortest ? " is too short" : " is too long";
}

/* The words for a fault; NULL if they are not simple. */
static const char *
describe(const Fault *fault, List *violations)
{
	StringInfoData out;
	const char *keyword = fault->keyword;

	if (strcmp(keyword, "required") == 0 && fault->value->type == jbvBinary)
		return describe_required(fault);
	if (strcmp(keyword, "additionalProperties") == 0)
		return describe_additional(fault, violations);
	initStringInfo(&out);
	if (strcmp(keyword, "const") == 0)
	{
		if (!write_value(&out, fault->value))
			return NULL;
		appendStringInfoString(&out, " was expected");
		return out.data;
	}
	if (!write_value(&out, &fault->instance))
		return NULL;
	if (strcmp(keyword, "type") == 0)
	{
		appendStringInfoString(&out, " is not of type ");
		return write_types(&out, fault->value) ? out.data : NULL;
	}
	if (strcmp(keyword, "minLength") == 0 || strcmp(keyword, "maxLength") == 0 ||
		strcmp(keyword, "minItems") == 0 || strcmp(keyword, "maxItems") == 0)
	{
		appendStringInfoString(&out, describe_length(fault));
		return out.data;
	}
	for (int i = 0; i < lengthof(between); i++)
	{
		if (strcmp(keyword, between[i][0]) != 0)
			continue;
		appendStringInfoString(&out, between[i][1]);
		return write_value(&out, fault->value) ? out.data : NULL;
	}
	return NULL;
}

/* See compat_message.h. */
const char *
evaudit_compat_message(const EvauditTopic *topic, Jsonb *payload)
{
	List	   *violations = evaudit_schema_errors(topic->schema, payload, false,
												   MAX_COMPARED);
	Fault		best = {NULL};
	const char *message = NULL;
	ListCell   *lc;

	foreach(lc, violations)
	{
		Fault		fault = {NULL};

		if (read_fault(lfirst(lc), topic->schema_source, payload, &fault) &&
			(best.error == NULL || is_better(&fault, &best)))
			best = fault;
	}
	if (best.error != NULL)
		message = describe(&best, violations);
	if (message == NULL && violations != NIL)
		message = ((EvauditSchemaError *) linitial(violations))->message;
	return message;
}
