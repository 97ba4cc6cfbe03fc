/*-------------------------------------------------------------------------
 *
 * datum_parse.c
 *	  Values of a table's columns from the JSON that audit has of them.
 *
 * The inverse of datum_jsonb.c, with the same settings pinned: what
 * to_jsonb() showed as a string, a number or a boolean is read by the type's
 * input function, and arrays and objects by jsonb_populate_record().  A
 * jsonb is what it is.
 *
 * JSON has one null: it is read as SQL's, unless the column is a jsonb or
 * json that is NOT NULL.  A json is written anew from jsonb, but for those
 * that jsonb could not hold, of which audit has the text.  Bounds of arrays
 * that do not begin at 1 are lost.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_collation_d.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "nodes/makefuncs.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/json.h"
#include "utils/lsyscache.h"

#include "audit/datum_jsonb.h"
#include "audit/datum_parse.h"
#include "audit/jsonb_write.h"
#include "server/compat.h"
#include "server/guard.h"

/* A row of nulls, which has jsonb_populate_record() leave columns alone. */
static Datum
empty_row(TupleDesc desc)
{
	Datum	   *values = palloc0(sizeof(Datum) * Max(desc->natts, 1));
	bool	   *nulls = palloc(sizeof(bool) * Max(desc->natts, 1));

	memset(nulls, true, desc->natts);
	return heap_copy_tuple_as_datum(heap_form_tuple(desc, values, nulls),
									desc);
}

/* Prepare to read values of a table, in the current memory context. */
EvauditParser *
evaudit_parser_make(Relation rel)
{
	EvauditParser *parser = palloc0(sizeof(EvauditParser));
	Oid			rowtype = rel->rd_rel->reltype;
	Node	   *row = (Node *) makeNullConst(rowtype, -1, InvalidOid);
	Node	   *json = (Node *) makeNullConst(JSONBOID, -1, InvalidOid);

	parser->desc = CreateTupleDescCopyConstr(RelationGetDescr(rel));
	parser->desc->tdtypeid = parser->rowtype = rowtype;
	parser->desc->tdtypmod = -1;
	parser->empty = empty_row(parser->desc);
	fmgr_info(F_JSONB_POPULATE_RECORD, &parser->populate);
	/* the function learns the type of its result from its call's node */
	fmgr_info_set_expr((Node *) makeFuncExpr(F_JSONB_POPULATE_RECORD, rowtype,
											 list_make2(row, json),
											 InvalidOid, InvalidOid,
											 COERCE_EXPLICIT_CALL),
					   &parser->populate);
	return parser;
}

/* Give the session its settings back. */
void
evaudit_parser_end(EvauditParser *parser)
{
	evaudit_unpin_settings(&parser->pin);
}

/* A value from its text. */
Datum
evaudit_parse_text(EvauditParser *parser, AttrNumber attnum, const char *string)
{
	Form_pg_attribute att = TupleDescAttr(parser->desc, attnum - 1);
	Oid			input;
	Oid			param;

	evaudit_pin_settings(&parser->pin);
	getTypeInputInfo(att->atttypid, &input, &param);
	return OidInputFunctionCall(input, unconstify(char *, string), param,
								att->atttypmod);
}

/* A text that is to be valid as json and not as jsonb, or the reverse. */
static bool
call_json_in(void *string)
{
	(void) DirectFunctionCall1(json_in, CStringGetDatum((char *) string));
	return true;
}

/* The same as jsonb. */
static bool
call_jsonb_in(void *string)
{
	(void) DirectFunctionCall1(jsonb_in, CStringGetDatum((char *) string));
	return true;
}

/* Is a string the text of a json that jsonb cannot hold? */
static bool
is_kept_as_text(char *string)
{
	return evaudit_guard(call_json_in, string) == NULL &&
		evaudit_guard(call_jsonb_in, string) != NULL;
}

/* An array or an object, as the column's type has it. */
static void
parse_container(EvauditParser *parser, AttrNumber attnum, Jsonb *jsonb,
				Datum *value, bool *isnull)
{
	Form_pg_attribute att = TupleDescAttr(parser->desc, attnum - 1);
	const char *name = NameStr(att->attname);

	LOCAL_FCINFO(fcinfo, 2);
	JsonbValue	member;
	Jsonb	   *object;
	Datum		row;

	evaudit_jsonb_read(jsonb, &member);
	object = evaudit_jsonb_object(evaudit_jsonb_keys(&name, 1), &member);
	evaudit_pin_settings(&parser->pin);
	InitFunctionCallInfoData(*fcinfo, &parser->populate, 2,
							 DEFAULT_COLLATION_OID, NULL, NULL);
	fcinfo->args[0].value = parser->empty;
	fcinfo->args[0].isnull = false;
	fcinfo->args[1].value = JsonbPGetDatum(object);
	fcinfo->args[1].isnull = false;
	row = FunctionCallInvoke(fcinfo);
	*value = GetAttributeByNum(DatumGetHeapTupleHeader(row), attnum, isnull);
}

/* A vector of numbers, whose array begins at 0; its text has spaces. */
static Datum
parse_vector(EvauditParser *parser, AttrNumber attnum, Jsonb *jsonb)
{
	StringInfoData buf;
	int			n = JB_ROOT_COUNT(jsonb);

	initStringInfo(&buf);
	for (int i = 0; i < n; i++)
	{
		JsonbValue *element = getIthJsonbValueFromContainer(&jsonb->root, i);

		if (i > 0)
			appendStringInfoChar(&buf, ' ');
		evaudit_datum_append_text(&buf, element, false);
	}
	return evaudit_parse_text(parser, attnum, buf.data);
}

/* A string, number or boolean. */
static Datum
parse_scalar(EvauditParser *parser, AttrNumber attnum, JsonbValue *json)
{
	Form_pg_attribute att = TupleDescAttr(parser->desc, attnum - 1);
	Oid			base = getBaseType(att->atttypid);
	bool		quote = base == JSONOID || base == JSONBOID;
	StringInfoData buf;

	initStringInfo(&buf);
	evaudit_datum_append_text(&buf, json, false);
	if (quote && json->type == jbvString &&
		(base == JSONBOID || !is_kept_as_text(buf.data)))
	{
		resetStringInfo(&buf);
		evaudit_datum_append_text(&buf, json, true);
	}
	return evaudit_parse_text(parser, attnum, buf.data);
}

/* Read a value of a column, in the current memory context. */
void
evaudit_parse_value(EvauditParser *parser, AttrNumber attnum, Jsonb *jsonb,
					Datum *value, bool *isnull)
{
	Form_pg_attribute att = TupleDescAttr(parser->desc, attnum - 1);
	Oid			base = getBaseType(att->atttypid);
	JsonbValue	json;

	*isnull = false;
	evaudit_jsonb_read(jsonb, &json);
	if (json.type == jbvNull)
	{
		*isnull = !att->attnotnull || (base != JSONOID && base != JSONBOID);
		*value = *isnull ? (Datum) 0 :
			evaudit_parse_text(parser, attnum, "null");
	}
	else if (att->atttypid == JSONBOID)
		*value = JsonbPGetDatum(jsonb);
	else if (json.type != jbvBinary)
		*value = parse_scalar(parser, attnum, &json);
	else if (base == JSONOID || base == JSONBOID)
		*value = evaudit_parse_text(parser, attnum,
									JsonbToCString(NULL, &jsonb->root,
												   VARSIZE(jsonb)));
	else if ((base == OIDVECTOROID || base == INT2VECTOROID) &&
			 JB_ROOT_IS_ARRAY(jsonb))
		*value = parse_vector(parser, attnum, jsonb);
	else
		parse_container(parser, attnum, jsonb, value, isnull);
}

/* One call of the above that may fail. */
typedef struct SafeCall
{
	EvauditParser *parser;
	AttrNumber	attnum;
	Jsonb	   *jsonb;
	Datum		value;
	bool		isnull;
} SafeCall;

/* Read a value. */
static bool
call_parse(void *arg)
{
	SafeCall   *call = arg;

	evaudit_parse_value(call->parser, call->attnum, call->jsonb, &call->value,
						&call->isnull);
	return true;
}

/*
 * Read a value that may be none of the column's type, which another value or
 * another type had before: false then, and *error says why.
 */
bool
evaudit_parse_value_safe(EvauditParser *parser, AttrNumber attnum,
						 Jsonb *jsonb, Datum *value, bool *isnull,
						 char **error)
{
	Oid			typid = TupleDescAttr(parser->desc, attnum - 1)->atttypid;
	SafeCall	call = {.parser = parser,.attnum = attnum,.jsonb = jsonb};
	ErrorData  *failed = NULL;

	evaudit_pin_settings(&parser->pin);
	if (typid == TEXTOID || typid == JSONBOID)
		(void) call_parse(&call);	/* anything is one */
	else
		failed = evaudit_guard(call_parse, &call);
	*value = call.value;
	*isnull = call.isnull;
	if (failed == NULL)
		return true;
	*error = pstrdup(failed->message);
	FreeErrorData(failed);
	return false;
}
