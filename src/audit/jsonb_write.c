/*-------------------------------------------------------------------------
 *
 * jsonb_write.c
 *	  Writing jsonb straight into its stored form.
 *
 * Every row of a table becomes an object with the same keys.  pushJsonbValue()
 * would copy and sort the keys for each row; here they are laid out once for
 * a table, and a row costs one allocation and one pass over its values.  The
 * layout is that of jsonb_util.c's convertToJsonb(), byte by byte; the
 * regression tests compare the two.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/numeric.h"

#include "audit/jsonb_write.h"

/* A name, and its place among the caller's. */
typedef struct SortedKey
{
	const char *name;
	int			len;
	int			place;
} SortedKey;

/* Order keys as jsonb does: the shorter first, then by bytes. */
static int
compare_keys(const void *a, const void *b)
{
	const SortedKey *left = a;
	const SortedKey *right = b;

	if (left->len != right->len)
		return left->len < right->len ? -1 : 1;
	return memcmp(left->name, right->name, left->len);
}

/*
 * Refuse what the 28 bits of an entry cannot hold.  What is captured has been
 * made to fit (datum_fallback.c).
 */
static void
check_size(Size size)
{
	if (size > EVAUDIT_JSONB_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("row or value too large to be kept as jsonb"),
				 errdetail("It needs %zu bytes, and jsonb holds %d.",
						   size, EVAUDIT_JSONB_MAX)));
}

/*
 * Turn the length of child number i, whose data ends at offset end, into its
 * entry: an offset at every stride, a length elsewhere.
 */
static JEntry
make_entry(uint32 type, int i, Size len, Size end)
{
	if (i % JB_OFFSET_STRIDE == 0)
		return type | JENTRY_HAS_OFF | (uint32) end;
	return type | (uint32) len;
}

/* Lay out the keys of objects, in the current memory context. */
EvauditObjectKeys *
evaudit_jsonb_keys(const char *const *names, int nkeys)
{
	EvauditObjectKeys *keys = palloc0(sizeof(EvauditObjectKeys));
	SortedKey  *sorted = palloc(sizeof(SortedKey) * Max(nkeys, 1));

	for (int i = 0; i < nkeys; i++)
	{
		sorted[i].name = names[i];
		sorted[i].len = (int) strlen(names[i]);
		sorted[i].place = i;
		keys->len += sorted[i].len;
	}
	qsort(sorted, nkeys, sizeof(SortedKey), compare_keys);

	keys->nkeys = nkeys;
	keys->order = palloc(sizeof(int) * Max(nkeys, 1));
	keys->entries = palloc(sizeof(JEntry) * Max(nkeys, 1));
	keys->bytes = palloc(Max(keys->len, 1));
	for (int i = 0, end = 0; i < nkeys; i++)
	{
		memcpy(keys->bytes + end, sorted[i].name, sorted[i].len);
		end += sorted[i].len;
		keys->order[i] = sorted[i].place;
		keys->entries[i] = make_entry(JENTRY_ISSTRING, i, sorted[i].len, end);
	}
	pfree(sorted);
	return keys;
}

/* The most bytes that the value may take, padding included. */
Size
evaudit_jsonb_room(const JsonbValue *value)
{
	switch (value->type)
	{
		case jbvString:
			return value->val.string.len;
		case jbvNumeric:
			return VARSIZE_ANY(value->val.numeric) + ALIGNOF_INT;
		case jbvBinary:
			return value->val.binary.len + ALIGNOF_INT;
		default:
			return 0;
	}
}

/* Write zeros up to the next boundary of an int, counted from base. */
static char *
pad_to_int(char *p, const char *base)
{
	while ((p - base) % ALIGNOF_INT != 0)
		*p++ = '\0';
	return p;
}

/*
 * Write the data of a value at p, within the jsonb that begins at base, and
 * set the type bits of its entry.  Return what follows.
 */
static char *
write_value(char *p, const char *base, const JsonbValue *value, uint32 *type)
{
	switch (value->type)
	{
		case jbvNull:
			*type = JENTRY_ISNULL;
			return p;
		case jbvBool:
			*type = value->val.boolean ?
				JENTRY_ISBOOL_TRUE : JENTRY_ISBOOL_FALSE;
			return p;
		case jbvString:
			*type = JENTRY_ISSTRING;
			memcpy(p, value->val.string.val, value->val.string.len);
			return p + value->val.string.len;
		case jbvNumeric:
			*type = JENTRY_ISNUMERIC;
			p = pad_to_int(p, base);
			memcpy(p, value->val.numeric, VARSIZE_ANY(value->val.numeric));
			return p + VARSIZE_ANY(value->val.numeric);
		case jbvBinary:
			*type = JENTRY_ISCONTAINER;
			p = pad_to_int(p, base);
			memcpy(p, value->val.binary.data, value->val.binary.len);
			return p + value->val.binary.len;
		default:
			elog(ERROR, "unexpected kind of jsonb value: %d",
				 (int) value->type);
	}
	return NULL;				/* keep compiler quiet */
}

/* Write an object; values stand in the order of the names given once. */
Jsonb *
evaudit_jsonb_object(const EvauditObjectKeys *keys, const JsonbValue *values)
{
	int			n = keys->nkeys;
	Size		room = keys->len;
	Jsonb	   *result;
	JEntry	   *entries;
	char	   *data;
	char	   *p;

	for (int i = 0; i < n; i++)
		room += evaudit_jsonb_room(&values[i]);
	check_size(room);
	room += offsetof(Jsonb, root) + offsetof(JsonbContainer, children) +
		sizeof(JEntry) * 2 * n;

	result = palloc(room);
	result->root.header = JB_FOBJECT | n;
	entries = result->root.children;
	memcpy(entries, keys->entries, sizeof(JEntry) * n);
	data = (char *) (entries + 2 * n);
	memcpy(data, keys->bytes, keys->len);
	p = data + keys->len;
	for (int i = 0; i < n; i++)
	{
		char	   *start = p;
		uint32		type;

		p = write_value(p, (char *) result, &values[keys->order[i]], &type);
		entries[n + i] = make_entry(type, n + i, p - start, p - data);
	}
	SET_VARSIZE(result, p - (char *) result);
	return result;
}

/* Write one value as a whole jsonb, a scalar in its array of one. */
Jsonb *
evaudit_jsonb_value(const JsonbValue *value)
{
	Size		room = evaudit_jsonb_room(value);
	Jsonb	   *result;
	char	   *data;
	char	   *p;
	uint32		type;

	check_size(room);
	result = palloc(offsetof(Jsonb, root) +
					offsetof(JsonbContainer, children) +
					sizeof(JEntry) + room);
	if (value->type == jbvBinary)
	{
		memcpy(&result->root, value->val.binary.data, value->val.binary.len);
		SET_VARSIZE(result, offsetof(Jsonb, root) + value->val.binary.len);
		return result;
	}

	result->root.header = JB_FARRAY | JB_FSCALAR | 1;
	data = (char *) &result->root.children[1];
	p = write_value(data, (char *) result, value, &type);
	result->root.children[0] = make_entry(type, 0, p - data, p - data);
	SET_VARSIZE(result, p - (char *) result);
	return result;
}

/* Point at the content of a jsonb, which must outlive the value. */
void
evaudit_jsonb_read(Jsonb *jsonb, JsonbValue *value)
{
	if (JsonbExtractScalar(&jsonb->root, value))
		return;
	value->type = jbvBinary;
	value->val.binary.data = &jsonb->root;
	value->val.binary.len = VARSIZE(jsonb) - offsetof(Jsonb, root);
}
