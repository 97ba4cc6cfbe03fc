/*-------------------------------------------------------------------------
 *
 * past_key.c
 *	  Keys of audited rows, as users give them and as they change.
 *
 * A key is given as jsonb: the value of the key's column; of several columns
 * an array in the key's order, or an object by their names.  It is read as
 * the columns' types and written as capture writes it, so that 7, "7" and 7.0
 * are the same integer.  Of a table that is gone only the JSON is known.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "executor/tuptable.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "audit/column.h"
#include "audit/datum_parse.h"
#include "audit/item_key.h"
#include "audit/past.h"
#include "server/compat.h"
#include "server/guard.h"
#include "text/jsonb.h"

/* Which of the key's columns a column is; -1: none. */
int
evaudit_past_key_place(const EvauditPast *past, int column)
{
	for (int i = 0; i < past->nkeys; i++)
	{
		if (past->keys[i] == column)
			return i;
	}
	return -1;
}

/* Refuse a key of another form than its table's. */
static pg_noreturn void
report_form(const EvauditPast *past)
{
	StringInfoData names;

	initStringInfo(&names);
	for (int i = 0; i < past->nkeys; i++)
		appendStringInfo(&names, "%s\"%s\"", i == 0 ? "" : ", ",
						 past->columns[past->keys[i]].label);
	if (past->nkeys == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("cannot tell the columns of the key of \"%s\"",
						past->name),
				 errhint("Give the value of its key, or an array of several.")));
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("key does not fit table %s", past->name),
			 past->nkeys == 1 ?
			 errhint("Give the value of column %s.", names.data) :
			 errhint("Give an array of the values of columns %s, or an object.",
					 names.data)));
}

/* The elements of an array. */
static int
array_elements(Jsonb *key, JsonbValue *elements)
{
	int			n = JB_ROOT_COUNT(key);

	if (n > INDEX_MAX_KEYS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a key has at most %d columns", INDEX_MAX_KEYS)));
	for (int i = 0; i < n; i++)
		elements[i] = *getIthJsonbValueFromContainer(&key->root, i);
	return n;
}

/* The members of an object that name the key's columns. */
static bool
object_elements(const EvauditPast *past, Jsonb *key, JsonbValue *elements)
{
	if (JB_ROOT_COUNT(key) != past->nkeys)
		return false;
	for (int i = 0; i < past->nkeys; i++)
	{
		JsonbValue *member = evaudit_jsonb_member(&key->root,
												  past->columns[past->keys[i]].label);

		if (member == NULL)
			return false;
		elements[i] = *member;
	}
	return true;
}

/* The values of a key's columns that a user gave. */
static int
key_elements(const EvauditPast *past, Jsonb *key, JsonbValue *elements)
{
	bool		scalar = JB_ROOT_IS_SCALAR(key);

	if (!scalar && JB_ROOT_IS_OBJECT(key))
	{
		if (past->nkeys > 0 && object_elements(past, key, elements))
			return past->nkeys;
		if (past->nkeys != 1)
			report_form(past);
	}
	if (!scalar && JB_ROOT_IS_ARRAY(key) && past->nkeys != 1)
	{
		int			n = array_elements(key, elements);

		if (past->nkeys > 0 && n != past->nkeys)
			report_form(past);
		return n;
	}
	if (past->nkeys > 1)
		report_form(past);
	evaudit_jsonb_read(key, &elements[0]);
	return 1;
}

/* A key of such values as audit has it. */
static char *
render_key(const JsonbValue *elements, int n, bool array)
{
	StringInfoData buf;

	initStringInfo(&buf);
	if (array)
		appendStringInfoChar(&buf, '[');
	for (int i = 0; i < n; i++)
	{
		JsonbValue	value = elements[i];

		if (i > 0)
			appendStringInfoChar(&buf, ',');
		evaudit_datum_append_text(&buf, &value, array);
	}
	if (array)
		appendStringInfoChar(&buf, ']');
	return text_to_cstring(evaudit_item_key_fit(cstring_to_text_with_len(buf.data,
																		 buf.len)));
}

/*
 * Write the values of a key as the live table shows them: each element is
 * replaced.
 */
static char *
canonical_key(EvauditPast *past, JsonbValue *elements)
{
	Relation	rel = relation_open(past->relid, AccessShareLock);
	EvauditParser *parser = evaudit_parser_make(rel);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(parser->desc,
													&TTSOpsVirtual);
	EvauditPin	pin = {0};
	char	   *key;

	memset(slot->tts_isnull, true, parser->desc->natts);
	for (int i = 0; i < past->nkeys; i++)
	{
		EvauditColumn *column = &past->tracked->columns[past->tracked->keys[i]];
		int			at = column->index;

		evaudit_parse_value(parser, at + 1, JsonbValueToJsonb(&elements[i]),
							&slot->tts_values[at], &slot->tts_isnull[at]);
	}
	ExecStoreVirtualTuple(slot);
	evaudit_parser_end(parser);
	key = text_to_cstring(evaudit_item_key(past->tracked, slot, &pin));
	for (int i = 0; i < past->nkeys; i++)
	{
		EvauditColumn *column = &past->tracked->columns[past->tracked->keys[i]];

		evaudit_column_to_json(column, slot, &pin, &elements[i]);
	}
	evaudit_unpin_settings(&pin);
	relation_close(rel, NoLock);
	return key;
}

/*
 * A key that a user gave as audit.item_key has it, and its columns' values,
 * of which there is room for INDEX_MAX_KEYS.
 */
char *
evaudit_past_key(EvauditPast *past, Jsonb *key, JsonbValue *elements)
{
	int			n;

	if (OidIsValid(past->relid) && past->nkeys == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table %s has no key", past->name),
				 errhint("Add a primary key.")));
	n = key_elements(past, key, elements);
	for (int i = 0; i < n; i++)
	{
		if (elements[i].type == jbvNull && n == 1)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("a key cannot be null")));
	}
	if (OidIsValid(past->relid))
		return canonical_key(past, elements);
	return render_key(elements, n, !JB_ROOT_IS_SCALAR(key));
}

/* A key of several columns, as jsonb; NULL if it was cut. */
static bool
call_parse_key(void *arg)
{
	Jsonb	  **key = arg;

	*key = DatumGetJsonbP(DirectFunctionCall1(jsonb_in,
											  PointerGetDatum(*key)));
	return true;
}

/* The values of a key of several columns; false if it was cut. */
static bool
split_key(const EvauditPast *past, const char *key, JsonbValue *elements)
{
	void	   *parsed = unconstify(char *, key);

	if (evaudit_guard(call_parse_key, &parsed) != NULL)
		return false;
	return !JB_ROOT_IS_SCALAR((Jsonb *) parsed) &&
		JB_ROOT_IS_ARRAY((Jsonb *) parsed) &&
		JB_ROOT_COUNT((Jsonb *) parsed) == past->nkeys &&
		array_elements(parsed, elements) == past->nkeys;
}

/*
 * The values of a key's columns, as far as audit.item_key has them: a key of
 * one column is a text there.  False if it was cut.
 */
bool
evaudit_past_key_elements(const EvauditPast *past, const char *key,
						  JsonbValue *elements)
{
	if (past->nkeys > 1)
		return split_key(past, key, elements);
	elements[0].type = jbvString;
	elements[0].val.string.val = unconstify(char *, key);
	elements[0].val.string.len = (int) strlen(key);
	return true;
}

/*
 * The key that a row has after columns of its key changed: those that did, by
 * their place, have a new value.  NULL if it cannot be told.
 */
char *
evaudit_past_key_after(const EvauditPast *past, const char *key,
					   Jsonb *const *changed)
{
	JsonbValue	elements[INDEX_MAX_KEYS];

	if (past->nkeys > 1 && !split_key(past, key, elements))
		return NULL;
	for (int i = 0; i < past->nkeys; i++)
	{
		if (changed[i] != NULL)
			evaudit_jsonb_read(changed[i], &elements[i]);
	}
	return render_key(elements, past->nkeys, past->nkeys > 1);
}

/*
 * The values of a live table's key from audit.item_key, in the key's order.
 * It is an error if the key was cut, or is none of the columns' types.
 */
void
evaudit_past_key_datums(EvauditPast *past, EvauditParser *parser,
						const char *key, Datum *values, bool *nulls)
{
	JsonbValue	elements[INDEX_MAX_KEYS];

	if (past->nkeys > 1 && !split_key(past, key, elements))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("key is too long to be known from the audit")));
	for (int i = 0; i < past->nkeys; i++)
	{
		AttrNumber	attnum = past->columns[past->keys[i]].attnum;

		nulls[i] = false;
		if (past->nkeys == 1)
			values[i] = evaudit_parse_text(parser, attnum, key);
		else
			evaudit_parse_value(parser, attnum, JsonbValueToJsonb(&elements[i]),
								&values[i], &nulls[i]);
	}
}
