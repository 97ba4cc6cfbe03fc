/*-------------------------------------------------------------------------
 *
 * jsonb_text.c
 *	  A jsonb document as text, byte for byte as JsonbToCString() has it.
 *
 * This is for what writes hundreds of thousands of documents a second: it
 * reads a container where it stands, without an iterator, and copies what
 * needs no escape as a whole.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

#include "text/json.h"
#include "text/jsonb_text.h"

/* Append the value of an entry, which is at an offset and so long. */
static void
append_value(StringInfo out, JEntry entry, const char *base, uint32 offset,
			 uint32 len)
{
	if (JBE_ISSTRING(entry))
		evaudit_json_quote_as_jsonb(out, base + offset, len);
	else if (JBE_ISNUMERIC(entry))
	{
		Datum		number = PointerGetDatum(base + INTALIGN(offset));

		appendStringInfoString(out,
							   DatumGetCString(DirectFunctionCall1(numeric_out,
																   number)));
	}
	else if (JBE_ISCONTAINER(entry))
		evaudit_jsonb_append_text(out, (const JsonbContainer *)
								  (base + INTALIGN(offset)));
	else if (JBE_ISNULL(entry))
		appendStringInfoString(out, "null");
	else
		appendStringInfoString(out, JBE_ISBOOL_TRUE(entry) ? "true" : "false");
}

/* Append the elements of an array. */
static void
append_array(StringInfo out, const JsonbContainer *array)
{
	uint32		n = JsonContainerSize(array);
	const char *base = (const char *) &array->children[n];
	uint32		offset = 0;

	for (uint32 i = 0; i < n; i++)
	{
		uint32		end = offset;

		JBE_ADVANCE_OFFSET(end, array->children[i]);
		if (i > 0)
			appendBinaryStringInfo(out, ", ", 2);
		append_value(out, array->children[i], base, offset, end - offset);
		offset = end;
	}
}

/* Append the members of an object: all keys come before all values. */
static void
append_object(StringInfo out, const JsonbContainer *object)
{
	uint32		n = JsonContainerSize(object);
	const char *base = (const char *) &object->children[2 * n];
	uint32		key = 0;
	uint32		value = n == 0 ? 0 : getJsonbOffset(object, (int) n);

	for (uint32 i = 0; i < n; i++)
	{
		uint32		key_end = key;
		uint32		value_end = value;

		JBE_ADVANCE_OFFSET(key_end, object->children[i]);
		JBE_ADVANCE_OFFSET(value_end, object->children[n + i]);
		if (i > 0)
			appendBinaryStringInfo(out, ", ", 2);
		evaudit_json_quote_as_jsonb(out, base + key, key_end - key);
		appendBinaryStringInfo(out, ": ", 2);
		append_value(out, object->children[n + i], base, value,
					 value_end - value);
		key = key_end;
		value = value_end;
	}
}

/*
 * Append a document, or a container in it.  A number leaves a few bytes in the
 * current memory context.
 */
void
evaudit_jsonb_append_text(StringInfo out, const JsonbContainer *container)
{
	check_stack_depth();
	if (JsonContainerIsScalar(container))
		append_array(out, container);
	else if (JsonContainerIsArray(container))
	{
		appendStringInfoChar(out, '[');
		append_array(out, container);
		appendStringInfoChar(out, ']');
	}
	else
	{
		appendStringInfoChar(out, '{');
		append_object(out, container);
		appendStringInfoChar(out, '}');
	}
}
