/*-------------------------------------------------------------------------
 *
 * json_value.c
 *	  Values of a jsonb, read where they stand.
 *
 * The server's own iterator copies each value into a structure three times
 * as large and finds each member anew; a validation looks at the same
 * members many times.  So a container's entries are decoded once, into an
 * array that the caller gives.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/fmgrprotos.h"

#include "schema/json_value.h"

/* The value of an entry, whose data stands at an offset from base. */
static void
read_entry(JEntry entry, const char *base, uint32 offset, uint32 len,
		   SchemaValue *value)
{
	if (JBE_ISSTRING(entry))
	{
		value->type = SCHEMA_VALUE_STRING;
		value->as.string = base + offset;
		value->len = len;
	}
	else if (JBE_ISNUMERIC(entry))
	{
		value->type = SCHEMA_VALUE_NUMBER;
		value->as.number = (Numeric) unconstify(char *,
												base + INTALIGN(offset));
	}
	else if (JBE_ISCONTAINER(entry))
	{
		value->as.container = (JsonbContainer *)
			unconstify(char *, base + INTALIGN(offset));
		value->len = JsonContainerSize(value->as.container);
		value->type = JsonContainerIsObject(value->as.container) ?
			SCHEMA_VALUE_OBJECT : SCHEMA_VALUE_ARRAY;
	}
	else if (JBE_ISNULL(entry))
		value->type = SCHEMA_VALUE_NULL;
	else
	{
		value->type = SCHEMA_VALUE_BOOLEAN;
		value->boolean = JBE_ISBOOL_TRUE(entry);
	}
}

/* The whole document; a scalar stands in an array of its own. */
void
evaudit_schema_value_from_jsonb(Jsonb *jsonb, SchemaValue *value)
{
	JsonbContainer *root = &jsonb->root;

	memset(value, 0, sizeof(SchemaValue));
	value->as.container = root;
	value->len = JsonContainerSize(root);
	value->type = JsonContainerIsObject(root) ?
		SCHEMA_VALUE_OBJECT : SCHEMA_VALUE_ARRAY;
	if (JsonContainerIsScalar(root))
	{
		SchemaValue array = *value;

		evaudit_schema_value_elements(&array, value);
	}
}

/* Decode the members of an object, in jsonb's order. */
void
evaudit_schema_value_members(const SchemaValue *object, SchemaMember *members)
{
	const JsonbContainer *container = object->as.container;
	uint32		n = object->len;
	const char *base = (const char *) &container->children[2 * n];
	uint32		offset = 0;

	for (uint32 i = 0; i < n; i++)
	{
		uint32		start = offset;

		JBE_ADVANCE_OFFSET(offset, container->children[i]);
		members[i].key = base + start;
		members[i].key_len = offset - start;
	}
	for (uint32 i = 0; i < n; i++)
	{
		JEntry		entry = container->children[n + i];
		uint32		start = offset;

		JBE_ADVANCE_OFFSET(offset, entry);
		read_entry(entry, base, start, offset - start, &members[i].value);
	}
}

/* Decode the elements of an array. */
void
evaudit_schema_value_elements(const SchemaValue *array, SchemaValue *elements)
{
	const JsonbContainer *container = array->as.container;
	uint32		n = array->len;
	const char *base = (const char *) &container->children[n];
	uint32		offset = 0;

	for (uint32 i = 0; i < n; i++)
	{
		JEntry		entry = container->children[i];
		uint32		start = offset;

		JBE_ADVANCE_OFFSET(offset, entry);
		read_entry(entry, base, start, offset - start, &elements[i]);
	}
}

/* Look one member of an object up. */
bool
evaudit_schema_value_find(const SchemaValue *object, const char *key,
						  uint32 key_len, SchemaValue *value)
{
	JsonbValue	found;
	JsonbValue *result;

	result = getKeyJsonValueFromContainer(object->as.container, key, key_len,
										  &found);
	if (result == NULL)
		return false;
	memset(value, 0, sizeof(SchemaValue));
	switch (result->type)
	{
		case jbvNull:
			value->type = SCHEMA_VALUE_NULL;
			break;
		case jbvBool:
			value->type = SCHEMA_VALUE_BOOLEAN;
			value->boolean = result->val.boolean;
			break;
		case jbvNumeric:
			value->type = SCHEMA_VALUE_NUMBER;
			value->as.number = result->val.numeric;
			break;
		case jbvString:
			value->type = SCHEMA_VALUE_STRING;
			value->as.string = result->val.string.val;
			value->len = result->val.string.len;
			break;
		default:
			value->as.container = result->val.binary.data;
			value->len = JsonContainerSize(value->as.container);
			value->type = JsonContainerIsObject(value->as.container) ?
				SCHEMA_VALUE_OBJECT : SCHEMA_VALUE_ARRAY;
	}
	return true;
}

/* A number from text that is one. */
Numeric
evaudit_schema_value_numeric(const char *str)
{
	return DatumGetNumeric(DirectFunctionCall3(numeric_in,
											   CStringGetDatum(str),
											   ObjectIdGetDatum(InvalidOid),
											   Int32GetDatum(-1)));
}

/* Has a number no fraction?  1.0 has none. */
bool
evaudit_schema_value_is_integer(const SchemaValue *number)
{
	Datum		value = NumericGetDatum(number->as.number);

	return DatumGetInt32(DirectFunctionCall1(numeric_scale, value)) == 0 ||
		DatumGetInt32(DirectFunctionCall1(numeric_min_scale, value)) == 0;
}

/* Was a number written without a fraction?  1.0 was not. */
bool
evaudit_schema_value_has_no_point(const SchemaValue *number)
{
	return DatumGetInt32(DirectFunctionCall1(numeric_scale,
											 NumericGetDatum(number->as.number))) == 0;
}

/* Compare arrays, or objects, of the same size. */
static int
compare_containers(const SchemaValue *a, const SchemaValue *b, int64 *steps)
{
	int			result = 0;

	check_stack_depth();
	CHECK_FOR_INTERRUPTS();
	if (a->type == SCHEMA_VALUE_ARRAY)
	{
		SchemaValue *left = palloc(sizeof(SchemaValue) * (a->len * 2 + 1));
		SchemaValue *right = left + a->len;

		evaudit_schema_value_elements(a, left);
		evaudit_schema_value_elements(b, right);
		for (uint32 i = 0; i < a->len && result == 0; i++)
			result = evaudit_schema_value_compare(&left[i], &right[i], steps);
		pfree(left);
	}
	else
	{
		SchemaMember *left = palloc(sizeof(SchemaMember) * (a->len * 2 + 1));
		SchemaMember *right = left + a->len;

		evaudit_schema_value_members(a, left);
		evaudit_schema_value_members(b, right);
		for (uint32 i = 0; i < a->len && result == 0; i++)
			result = evaudit_schema_key_compare(left[i].key, left[i].key_len,
												right[i].key, right[i].key_len);
		for (uint32 i = 0; i < a->len && result == 0; i++)
			result = evaudit_schema_value_compare(&left[i].value, &right[i].value,
												  steps);
		pfree(left);
	}
	return result;
}

/*
 * Some total order, in which values that JSON Schema takes for equal are
 * equal: 1 and 1.0, and objects whatever the order of their members.  Takes
 * from *steps what it looks at; when that gets below zero, the result has no
 * meaning.
 */
int
evaudit_schema_value_compare(const SchemaValue *a, const SchemaValue *b,
							 int64 *steps)
{
	if (a->type != b->type)
		return a->type < b->type ? -1 : 1;
	switch ((SchemaValueType) a->type)
	{
		case SCHEMA_VALUE_NULL:
			return 0;
		case SCHEMA_VALUE_BOOLEAN:
			return (int) a->boolean - (int) b->boolean;
		case SCHEMA_VALUE_NUMBER:
			return DatumGetInt32(DirectFunctionCall2(numeric_cmp,
													 NumericGetDatum(a->as.number),
													 NumericGetDatum(b->as.number)));
		case SCHEMA_VALUE_STRING:
			*steps -= a->len / 64;
			return evaudit_schema_key_compare(a->as.string, a->len,
											  b->as.string, b->len);
		case SCHEMA_VALUE_ARRAY:
		case SCHEMA_VALUE_OBJECT:
			if (a->len != b->len)
				return a->len < b->len ? -1 : 1;
			*steps -= 2 * (int64) a->len + 1;
			return *steps < 0 ? -1 : compare_containers(a, b, steps);
	}
	return 0;
}

/* The type as JSON Schema names it. */
const char *
evaudit_schema_value_type_name(const SchemaValue *value)
{
	static const char *const names[] = {
		"null", "boolean", "number", "string", "array", "object"
	};

	return names[value->type];
}
