/*-------------------------------------------------------------------------
 *
 * json_diff.c
 *	  Changed paths of a jsonb.
 *
 * A change of a large object in one place is kept as
 *
 *	{"/path/to/it": {"old": ..., "new": ...}, ...}
 *
 * with JSON Pointers of RFC 6901.  A path that is not there before the change
 * has no "old", one that is not there after it no "new"; null is a value.
 * Objects are compared by key, arrays by index, so that an array loses and
 * gains elements at its end alone.  Numbers that are written differently
 * differ, as 1.0 and 1.00.  json_patch.c goes from either value to the other.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/numeric.h"

#include "audit/json_diff.h"
#include "audit/jsonb_write.h"
#include "server/compat.h"
#include "text/jsonb.h"

/* Bytes that a path takes besides itself and its values, about. */
#define PATH_OVERHEAD	32

/* A comparison that is under way. */
typedef struct JsonDiff
{
	StringInfoData pointer;		/* to what is compared */
	EvauditJsonbState paths;
	int			npaths;
	Size		size;			/* of paths, about */
	Size		limit;			/* beyond which they are not worth it */
} JsonDiff;

static void compare_values(JsonDiff *diff, const JsonbValue *old,
						   const JsonbValue *new);

/* Are two values stored the same? */
bool
evaudit_json_diff_same(const JsonbValue *a, const JsonbValue *b)
{
	if (a->type != b->type)
		return false;
	switch (a->type)
	{
		case jbvNull:
			return true;
		case jbvBool:
			return a->val.boolean == b->val.boolean;
		case jbvString:
			return a->val.string.len == b->val.string.len &&
				memcmp(a->val.string.val, b->val.string.val,
					   a->val.string.len) == 0;
		case jbvNumeric:
			return VARSIZE_ANY(a->val.numeric) == VARSIZE_ANY(b->val.numeric) &&
				memcmp(a->val.numeric, b->val.numeric,
					   VARSIZE_ANY(a->val.numeric)) == 0;
		case jbvBinary:
			return a->val.binary.len == b->val.binary.len &&
				memcmp(a->val.binary.data, b->val.binary.data,
					   a->val.binary.len) == 0;
		default:
			elog(ERROR, "unexpected kind of jsonb value: %d", (int) a->type);
	}
	return false;				/* keep compiler quiet */
}

/*
 * The next member or element of a container; the key is that of a member.
 * False at the end.
 */
bool
evaudit_json_diff_next(JsonbIterator **it, JsonbValue *key, JsonbValue *value)
{
	JsonbIteratorToken token;

	while ((token = JsonbIteratorNext(it, value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			*key = *value;
		else if (token == WJB_VALUE || token == WJB_ELEM)
			return true;
	}
	return false;
}

/* Extend a pointer by a key, or by an index if that is NULL. */
void
evaudit_json_diff_descend(StringInfo pointer, const JsonbValue *key, int index)
{
	appendStringInfoChar(pointer, '/');
	if (key == NULL)
	{
		appendStringInfo(pointer, "%d", index);
		return;
	}
	for (int i = 0; i < key->val.string.len; i++)
	{
		char		c = key->val.string.val[i];

		if (c == '~' || c == '/')
			appendStringInfoString(pointer, c == '~' ? "~0" : "~1");
		else
			appendStringInfoChar(pointer, c);
	}
}

/* Add a path with what was and is there; NULL stands for nothing. */
static void
add_path(JsonDiff *diff, const JsonbValue *old, const JsonbValue *new)
{
	JsonbValue	key = {.type = jbvString};
	JsonbValue	copy;

	diff->npaths++;
	diff->size += diff->pointer.len + PATH_OVERHEAD +
		(old ? evaudit_jsonb_room(old) : 0) +
		(new ? evaudit_jsonb_room(new) : 0);
	if (diff->size > diff->limit)
		return;
	key.val.string.val = pnstrdup(diff->pointer.data, diff->pointer.len);
	key.val.string.len = diff->pointer.len;
	evaudit_compat_jsonb_push(&diff->paths, WJB_KEY, &key);
	evaudit_compat_jsonb_push(&diff->paths, WJB_BEGIN_OBJECT, NULL);
	if (old)
	{
		copy = *old;
		evaudit_jsonb_push(&diff->paths, "old", &copy);
	}
	if (new)
	{
		copy = *new;
		evaudit_jsonb_push(&diff->paths, "new", &copy);
	}
	evaudit_compat_jsonb_push(&diff->paths, WJB_END_OBJECT, NULL);
}

/* Compare what is at a key or an index; NULL stands for nothing. */
static void
compare_at(JsonDiff *diff, const JsonbValue *key, int index,
		   const JsonbValue *old, const JsonbValue *new)
{
	int			len = diff->pointer.len;

	evaudit_json_diff_descend(&diff->pointer, key, index);
	if (old && new)
		compare_values(diff, old, new);
	else
		add_path(diff, old, new);
	diff->pointer.len = len;
	diff->pointer.data[len] = '\0';
}

/* Order keys as jsonb does: the shorter first, then by bytes. */
static int
compare_keys(const JsonbValue *a, const JsonbValue *b)
{
	if (a->val.string.len != b->val.string.len)
		return a->val.string.len < b->val.string.len ? -1 : 1;
	return memcmp(a->val.string.val, b->val.string.val, a->val.string.len);
}

/* Compare two objects, whose keys are in order. */
static void
compare_objects(JsonDiff *diff, JsonbContainer *old, JsonbContainer *new)
{
	JsonbIterator *old_it = JsonbIteratorInit(old);
	JsonbIterator *new_it = JsonbIteratorInit(new);
	JsonbValue	old_key;
	JsonbValue	new_key;
	JsonbValue	old_value;
	JsonbValue	new_value;
	bool		has_old = evaudit_json_diff_next(&old_it, &old_key, &old_value);
	bool		has_new = evaudit_json_diff_next(&new_it, &new_key, &new_value);

	while ((has_old || has_new) && diff->size <= diff->limit)
	{
		int			order = !has_old ? 1 : !has_new ? -1 :
			compare_keys(&old_key, &new_key);

		compare_at(diff, order <= 0 ? &old_key : &new_key, 0,
				   order <= 0 ? &old_value : NULL,
				   order >= 0 ? &new_value : NULL);
		if (order <= 0)
			has_old = evaudit_json_diff_next(&old_it, &old_key, &old_value);
		if (order >= 0)
			has_new = evaudit_json_diff_next(&new_it, &new_key, &new_value);
	}
}

/* Compare two arrays, by index. */
static void
compare_arrays(JsonDiff *diff, JsonbContainer *old, JsonbContainer *new)
{
	JsonbIterator *old_it = JsonbIteratorInit(old);
	JsonbIterator *new_it = JsonbIteratorInit(new);
	JsonbValue	key;
	JsonbValue	old_value;
	JsonbValue	new_value;
	bool		has_old = evaudit_json_diff_next(&old_it, &key, &old_value);
	bool		has_new = evaudit_json_diff_next(&new_it, &key, &new_value);

	for (int i = 0; (has_old || has_new) && diff->size <= diff->limit; i++)
	{
		compare_at(diff, NULL, i, has_old ? &old_value : NULL,
				   has_new ? &new_value : NULL);
		has_old = has_old && evaudit_json_diff_next(&old_it, &key, &old_value);
		has_new = has_new && evaudit_json_diff_next(&new_it, &key, &new_value);
	}
}

/* Compare two values that are both there. */
static void
compare_values(JsonDiff *diff, const JsonbValue *old, const JsonbValue *new)
{
	JsonbContainer *a;
	JsonbContainer *b;

	check_stack_depth();
	CHECK_FOR_INTERRUPTS();
	if (evaudit_json_diff_same(old, new))
		return;
	if (old->type == jbvBinary && new->type == jbvBinary)
	{
		a = old->val.binary.data;
		b = new->val.binary.data;
		if (JsonContainerIsObject(a) && JsonContainerIsObject(b))
		{
			compare_objects(diff, a, b);
			return;
		}
		if (JsonContainerIsArray(a) && JsonContainerIsArray(b))
		{
			compare_arrays(diff, a, b);
			return;
		}
	}
	add_path(diff, old, new);
}

/*
 * The changed paths of two values; NULL if there are none, if the value as a
 * whole is another one, or if both values need no more bytes than the paths.
 */
Jsonb *
evaudit_json_diff(Jsonb *old, Jsonb *new)
{
	JsonDiff	diff = {
		.limit = Min((Size) VARSIZE(old) + VARSIZE(new), EVAUDIT_JSONB_MAX)
	};
	JsonbValue	old_value;
	JsonbValue	new_value;

	if (JB_ROOT_IS_SCALAR(old) || JB_ROOT_IS_SCALAR(new) ||
		JB_ROOT_IS_OBJECT(old) != JB_ROOT_IS_OBJECT(new))
		return NULL;
	initStringInfo(&diff.pointer);
	evaudit_jsonb_read(old, &old_value);
	evaudit_jsonb_read(new, &new_value);
	evaudit_compat_jsonb_push(&diff.paths, WJB_BEGIN_OBJECT, NULL);
	compare_values(&diff, &old_value, &new_value);
	evaudit_compat_jsonb_push(&diff.paths, WJB_END_OBJECT, NULL);
	if (diff.npaths == 0 || diff.size > diff.limit)
		return NULL;
	return JsonbValueToJsonb(diff.paths.result);
}
