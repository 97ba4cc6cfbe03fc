/*-------------------------------------------------------------------------
 *
 * item_key.c
 *	  The key of a row, as audit names the row by it.
 *
 * A key of one column is the text that ->> of the row shows for it, one of
 * several a JSON array of their values.  Audit's index must be able to hold
 * what the table's own index holds, or a change would fail on account of
 * being audited.  Text can be longer than the value it shows (bytea doubles,
 * escapes multiply), so a key too long for any btree is cut and completed by
 * its hash: left(key, 500) || '...' || encode(sha256(key), 'hex').
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/toast_compression.h"
#include "access/toast_internals.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "audit/column.h"
#include "audit/item_key.h"

/*
 * Bytes of a key that surely fit into a btree's page beside the name of the
 * table, and characters that are kept of one that does not fit.
 */
#define MAX_KEY_BYTES	2000
#define CUT_KEY_CHARS	500

/* Does a key fit into the index, which compresses what is long? */
static bool
key_fits(text *key)
{
	Datum		compressed;

	if (VARSIZE(key) <= MAX_KEY_BYTES)
		return true;
	compressed = toast_compress_datum(PointerGetDatum(key),
									  InvalidCompressionMethod);
	return DatumGetPointer(compressed) != NULL &&
		VARSIZE_ANY(DatumGetPointer(compressed)) <= MAX_KEY_BYTES;
}

/* The beginning of a key with the hash of the whole. */
static text *
cut_key(text *key)
{
	char	   *data = VARDATA(key);
	int			len = VARSIZE(key) - VARHDRSZ;
	bytea	   *hash = DatumGetByteaPP(DirectFunctionCall1(sha256_bytea,
														   PointerGetDatum(key)));
	int			hash_len = VARSIZE_ANY_EXHDR(hash);
	char	   *hex = palloc(hash_len * 2 + 1);

	hex_encode(VARDATA_ANY(hash), hash_len, hex);
	hex[hash_len * 2] = '\0';
	return cstring_to_text(psprintf("%.*s...%s",
									pg_mbcharcliplen(data, len, CUT_KEY_CHARS),
									data, hex));
}

/* A key of several columns: a JSON array of their values. */
static text *
array_key(EvauditTracked *tracked, TupleTableSlot *slot, EvauditPin *pin)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = 0; i < tracked->nkeys; i++)
	{
		JsonbValue	value = {.type = jbvNull};

		appendStringInfoChar(&buf, i == 0 ? '[' : ',');
		if (tracked->keys[i] >= 0)
			evaudit_column_to_json(&tracked->columns[tracked->keys[i]], slot,
								   pin, &value);
		evaudit_datum_append_text(&buf, &value, true);
	}
	appendStringInfoChar(&buf, ']');
	return cstring_to_text_with_len(buf.data, buf.len);
}

/* A key of one column, as ->> of the row shows it. */
static text *
single_key(EvauditColumn *column, TupleTableSlot *slot, EvauditPin *pin)
{
	StringInfoData buf;
	JsonbValue	value;

	if (column->rule.rule.kind == EVAUDIT_RULE_INCLUDE)
		return evaudit_datum_to_text(&column->type,
									 slot->tts_values[column->index], pin);
	initStringInfo(&buf);
	evaudit_column_to_json(column, slot, pin, &value);
	evaudit_datum_append_text(&buf, &value, false);
	return cstring_to_text_with_len(buf.data, buf.len);
}

/* A key as audit keeps it: cut if it is long. */
text *
evaudit_item_key_fit(text *key)
{
	return key_fits(key) ? key : cut_key(key);
}

/*
 * The key of the row in a slot, NULL if its table has none or its only column
 * is excluded from the audit.
 */
text *
evaudit_item_key(EvauditTracked *tracked, TupleTableSlot *slot,
				 EvauditPin *pin)
{
	EvauditColumn *column;
	text	   *key;

	if (tracked->nkeys > 1)
		key = array_key(tracked, slot, pin);
	else
	{
		if (tracked->nkeys == 0 || tracked->keys[0] < 0)
			return NULL;
		column = &tracked->columns[tracked->keys[0]];
		if (slot->tts_isnull[column->index])
			return NULL;
		key = single_key(column, slot, pin);
	}
	return evaudit_item_key_fit(key);
}
