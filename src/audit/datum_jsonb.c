/*-------------------------------------------------------------------------
 *
 * datum_jsonb.c
 *	  One column's values: are two the same, and what are they as JSON?
 *
 * The JSON of a value is what to_jsonb() makes of it in a session with the
 * settings of pin.c.  Common types are converted here without reading any
 * setting; the others go through to_jsonb() itself.  What to_jsonb() refuses
 * is the business of datum_fallback.c.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/detoast.h"
#include "catalog/pg_collation_d.h"
#include "catalog/pg_type.h"
#include "common/shortest_dec.h"
#include "nodes/makefuncs.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/datum.h"
#include "utils/fmgroids.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"

#include "audit/datum_fallback.h"
#include "audit/datum_jsonb.h"
#include "audit/jsonb_write.h"

/*
 * How a base type is converted, and whether its text depends on settings.
 * Only types whose output functions are known to read none are listed.
 */
static EvauditDatumKind
kind_of_type(Oid typid, bool *pinned)
{
	*pinned = false;
	switch (typid)
	{
		case BOOLOID:
			return EVAUDIT_DATUM_BOOL;
		case INT2OID:
			return EVAUDIT_DATUM_INT2;
		case INT4OID:
			return EVAUDIT_DATUM_INT4;
		case INT8OID:
			return EVAUDIT_DATUM_INT8;
		case FLOAT4OID:
			return EVAUDIT_DATUM_FLOAT4;
		case FLOAT8OID:
			return EVAUDIT_DATUM_FLOAT8;
		case NUMERICOID:
			return EVAUDIT_DATUM_NUMERIC;
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
			return EVAUDIT_DATUM_TEXT;
		case BYTEAOID:
			return EVAUDIT_DATUM_BYTEA;
		case DATEOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			return EVAUDIT_DATUM_DATETIME;
		case JSONBOID:
			return EVAUDIT_DATUM_JSONB;
		case UUIDOID:
		case NAMEOID:
		case CHAROID:
		case OIDOID:
		case XIDOID:
		case XID8OID:
		case CIDOID:
		case TIDOID:
		case LSNOID:
		case TIMEOID:
		case TIMETZOID:
		case INETOID:
		case CIDROID:
		case MACADDROID:
		case MACADDR8OID:
		case BITOID:
		case VARBITOID:
		case TSVECTOROID:
		case TSQUERYOID:
			return EVAUDIT_DATUM_OUTPUT;
		case JSONOID:
			return EVAUDIT_DATUM_GENERAL;
	}
	if (get_typtype(typid) == TYPTYPE_ENUM)
		return EVAUDIT_DATUM_OUTPUT;
	*pinned = true;
	return EVAUDIT_DATUM_GENERAL;
}

/* Does to_jsonb() of an array read a setting for elements of this type? */
static bool
array_needs_pin(Oid element)
{
	bool		pinned;

	switch (kind_of_type(getBaseType(element), &pinned))
	{
		case EVAUDIT_DATUM_FLOAT4:
		case EVAUDIT_DATUM_FLOAT8:
		case EVAUDIT_DATUM_BYTEA:
		case EVAUDIT_DATUM_DATETIME:
			return true;
		default:
			return pinned;
	}
}

/* Prepare conversion and comparison, in the current memory context. */
void
evaudit_datum_init(EvauditDatumType *type, Form_pg_attribute att)
{
	Oid			typid = getBaseType(att->atttypid);
	Oid			element = get_element_type(typid);
	Oid			output;
	bool		is_varlena;

	type->typid = typid;
	type->len = att->attlen;
	type->byval = att->attbyval;
	type->kind = kind_of_type(typid, &type->pinned);
	type->fails = evaudit_fallback_needed(typid);
	if (OidIsValid(element))
		type->pinned = array_needs_pin(element);

	if (type->kind == EVAUDIT_DATUM_OUTPUT)
	{
		getTypeOutputInfo(typid, &output, &is_varlena);
		fmgr_info(output, &type->convert);
	}
	else if (type->kind == EVAUDIT_DATUM_GENERAL)
	{
		Node	   *arg = (Node *) makeNullConst(typid, -1, InvalidOid);

		/* to_jsonb() learns the type of its argument from its call's node */
		fmgr_info(F_TO_JSONB, &type->convert);
		fmgr_info_set_expr((Node *) makeFuncExpr(F_TO_JSONB, JSONBOID,
												 list_make1(arg), InvalidOid,
												 InvalidOid,
												 COERCE_EXPLICIT_CALL),
						   &type->convert);
	}
}

/*
 * Are two values, neither NULL, stored the same?  1.0 and 1.00 are not.  A
 * TOAST pointer that did not change is never followed.
 */
bool
evaudit_datum_equal(EvauditDatumType *type, Datum a, Datum b)
{
	if (type->byval)
		return a == b;
	if (a == b)
		return true;
	if (type->len == -1)
	{
		struct varlena *left = (struct varlena *) DatumGetPointer(a);
		struct varlena *right = (struct varlena *) DatumGetPointer(b);

		if (VARATT_IS_EXTERNAL_ONDISK(left) &&
			VARATT_IS_EXTERNAL_ONDISK(right) &&
			memcmp(left, right, VARSIZE_EXTERNAL(left)) == 0)
			return true;
	}
	return datum_image_eq(a, b, type->byval, type->len);
}

/* Point at a string. */
static void
set_string(JsonbValue *value, char *string, int len)
{
	value->type = jbvString;
	value->val.string.val = string;
	value->val.string.len = len;
}

/* A numeric; JSON has no word for the special ones, so they are strings. */
static void
set_numeric(JsonbValue *value, Numeric numeric)
{
	if (numeric_is_nan(numeric) || numeric_is_inf(numeric))
	{
		char	   *str = DatumGetCString(DirectFunctionCall1(numeric_out,
															  NumericGetDatum(numeric)));

		set_string(value, str, (int) strlen(str));
		return;
	}
	value->type = jbvNumeric;
	value->val.numeric = numeric;
}

/* The shortest digits that give the same number again, if it is one. */
static void
set_float(JsonbValue *value, char *digits, double number)
{
	if (isnan(number) || isinf(number))
	{
		char	   *str = isnan(number) ? "NaN" :
			number > 0 ? "Infinity" : "-Infinity";

		set_string(value, str, (int) strlen(str));
		return;
	}
	set_numeric(value,
				DatumGetNumeric(DirectFunctionCall3(numeric_in,
													CStringGetDatum(digits),
													ObjectIdGetDatum(InvalidOid),
													Int32GetDatum(-1))));
}

/* Bytes as bytea prints them in its hex format. */
static void
set_bytes(JsonbValue *value, bytea *bytes)
{
	int			len = VARSIZE_ANY_EXHDR(bytes);
	char	   *str = palloc(2 + (Size) len * 2);

	str[0] = '\\';
	str[1] = 'x';
	hex_encode(VARDATA_ANY(bytes), len, str + 2);
	set_string(value, str, 2 + len * 2);
}

/* A date or time of day and date; timestamptz always at UTC. */
static void
set_datetime(JsonbValue *value, Datum datum, Oid typid)
{
	static const int utc = 0;
	char	   *str = palloc(MAXDATELEN + 1);

	JsonEncodeDateTime(str, datum, typid,
					   typid == TIMESTAMPTZOID ? &utc : NULL);
	set_string(value, str, (int) strlen(str));
}

/*
 * Convert a value that is not NULL, with the settings pinned where the type's
 * text depends on them.  The result may point into the datum; everything else
 * is allocated in the current memory context.  Types that "fails" is set for,
 * large values and json raise any error here.
 */
void
evaudit_datum_convert(EvauditDatumType *type, Datum datum, JsonbValue *value)
{
	char		digits[DOUBLE_SHORTEST_DECIMAL_LEN];
	char	   *string;
	text	   *packed;

	switch (type->kind)
	{
		case EVAUDIT_DATUM_BOOL:
			value->type = jbvBool;
			value->val.boolean = DatumGetBool(datum);
			break;
		case EVAUDIT_DATUM_INT2:
			set_numeric(value, int64_to_numeric(DatumGetInt16(datum)));
			break;
		case EVAUDIT_DATUM_INT4:
			set_numeric(value, int64_to_numeric(DatumGetInt32(datum)));
			break;
		case EVAUDIT_DATUM_INT8:
			set_numeric(value, int64_to_numeric(DatumGetInt64(datum)));
			break;
		case EVAUDIT_DATUM_FLOAT4:
			float_to_shortest_decimal_buf(DatumGetFloat4(datum), digits);
			set_float(value, digits, DatumGetFloat4(datum));
			break;
		case EVAUDIT_DATUM_FLOAT8:
			double_to_shortest_decimal_buf(DatumGetFloat8(datum), digits);
			set_float(value, digits, DatumGetFloat8(datum));
			break;
		case EVAUDIT_DATUM_NUMERIC:
			set_numeric(value, DatumGetNumeric(datum));
			break;
		case EVAUDIT_DATUM_TEXT:
			packed = DatumGetTextPP(datum);
			set_string(value, VARDATA_ANY(packed), VARSIZE_ANY_EXHDR(packed));
			break;
		case EVAUDIT_DATUM_BYTEA:
			set_bytes(value, DatumGetByteaPP(datum));
			break;
		case EVAUDIT_DATUM_DATETIME:
			set_datetime(value, datum, type->typid);
			break;
		case EVAUDIT_DATUM_JSONB:
			evaudit_jsonb_read(DatumGetJsonbP(datum), value);
			break;
		case EVAUDIT_DATUM_OUTPUT:
			string = OutputFunctionCall(&type->convert, datum);
			set_string(value, string, (int) strlen(string));
			break;
		case EVAUDIT_DATUM_GENERAL:
			datum = FunctionCall1Coll(&type->convert, DEFAULT_COLLATION_OID,
									  datum);
			evaudit_jsonb_read(DatumGetJsonbP(datum), value);
			break;
	}
}

/* A value that is not NULL, as ->> of its JSON would show it. */
text *
evaudit_datum_to_text(EvauditDatumType *type, Datum datum, EvauditPin *pin)
{
	char		digits[MAXINT8LEN + 1];
	StringInfoData buf;
	JsonbValue	value;

	switch (type->kind)
	{
		case EVAUDIT_DATUM_INT4:
			return cstring_to_text_with_len(digits,
											pg_ltoa(DatumGetInt32(datum),
													digits));
		case EVAUDIT_DATUM_INT8:
			return cstring_to_text_with_len(digits,
											pg_lltoa(DatumGetInt64(datum),
													 digits));
		default:
			break;
	}

	evaudit_datum_to_json(type, datum, pin, &value);
	if (value.type == jbvString)
		return cstring_to_text_with_len(value.val.string.val,
										value.val.string.len);
	initStringInfo(&buf);
	evaudit_datum_append_text(&buf, &value, false);
	return cstring_to_text_with_len(buf.data, buf.len);
}

/* Append a value as ->> shows it, or as a JSON text if quote is set. */
void
evaudit_datum_append_text(StringInfo buf, JsonbValue *value, bool quote)
{
	char	   *string;

	switch (value->type)
	{
		case jbvNull:
			appendStringInfoString(buf, "null");
			break;
		case jbvBool:
			appendStringInfoString(buf, value->val.boolean ? "true" : "false");
			break;
		case jbvNumeric:
			string = DatumGetCString(DirectFunctionCall1(numeric_out,
														 NumericGetDatum(value->val.numeric)));
			appendStringInfoString(buf, string);
			break;
		case jbvString:
			if (quote)
				escape_json(buf, pnstrdup(value->val.string.val,
										  value->val.string.len));
			else
				appendBinaryStringInfo(buf, value->val.string.val,
									   value->val.string.len);
			break;
		case jbvBinary:
			(void) JsonbToCString(buf, value->val.binary.data,
								  value->val.binary.len);
			break;
		default:
			elog(ERROR, "unexpected kind of jsonb value: %d",
				 (int) value->type);
	}
}
