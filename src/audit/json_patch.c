/*-------------------------------------------------------------------------
 *
 * json_patch.c
 *	  evaudit.patch(): a jsonb before or after a change of paths.
 *
 * The value is written anew in one pass.  Each path must lead to what the
 * change had there on the side that the value is on; anything else is an
 * error, which shows the path and no value.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "audit/json_diff.h"
#include "audit/jsonb_write.h"
#include "server/compat.h"
#include "text/jsonb.h"

PG_FUNCTION_INFO_V1(evaudit_patch);

/* What a change has at a path; NULL stands for nothing. */
typedef struct PathChange
{
	char	   *pointer;
	int			len;
	JsonbValue *from;
	JsonbValue *to;
	bool		done;
} PathChange;

/* The change, its paths in the order of their bytes. */
typedef struct Patch
{
	PathChange *changes;
	int			nchanges;
	StringInfoData pointer;		/* to what is written */
	EvauditJsonbState result;
} Patch;

static void write_container(Patch *patch, JsonbContainer *container);

/* Refuse a path that does not lead to what the change had there. */
pg_noreturn static void
refuse_path(const char *pointer)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("value at path \"%s\" is not the one that was changed",
					pointer)));
}

/* Order changes by their paths. */
static int
compare_changes(const void *a, const void *b)
{
	return strcmp(((const PathChange *) a)->pointer,
				  ((const PathChange *) b)->pointer);
}

/* The first change whose path is not before that of the patch. */
static int
find_change(const Patch *patch)
{
	int			low = 0;
	int			high = patch->nchanges;

	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (strcmp(patch->changes[middle].pointer, patch->pointer.data) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Is there a change below the path of the patch? */
static bool
changes_below(Patch *patch)
{
	int			len = patch->pointer.len;
	int			i;
	bool		below;

	appendStringInfoChar(&patch->pointer, '/');
	i = find_change(patch);
	below = i < patch->nchanges &&
		strncmp(patch->changes[i].pointer, patch->pointer.data, len + 1) == 0;
	patch->pointer.len = len;
	patch->pointer.data[len] = '\0';
	return below;
}

/* Write a member with a key, or an element without. */
static void
write_child(Patch *patch, JsonbValue *key, JsonbValue *value)
{
	if (key)
		evaudit_compat_jsonb_push(&patch->result, WJB_KEY, key);
	evaudit_compat_jsonb_push(&patch->result, key ? WJB_VALUE : WJB_ELEM,
							  value);
}

/* Write what becomes of a member or an element at the path of the patch. */
static void
change_child(Patch *patch, JsonbValue *key, JsonbValue *value)
{
	int			i = find_change(patch);
	PathChange *change = i < patch->nchanges ? &patch->changes[i] : NULL;

	if (change && strcmp(change->pointer, patch->pointer.data) == 0)
	{
		if (change->from == NULL || !evaudit_json_diff_same(change->from, value))
			refuse_path(change->pointer);
		change->done = true;
		if (change->to)
			write_child(patch, key, change->to);
	}
	else if (value->type == jbvBinary && changes_below(patch))
	{
		if (key)
			evaudit_compat_jsonb_push(&patch->result, WJB_KEY, key);
		write_container(patch, value->val.binary.data);
	}
	else
		write_child(patch, key, value);
}

/* The key at the end of a path, as it is written in an object. */
static JsonbValue
last_key(const char *end)
{
	JsonbValue	key = {.type = jbvString};
	StringInfoData buf;

	initStringInfo(&buf);
	for (; *end != '\0'; end++)
	{
		if (*end == '~')
			appendStringInfoChar(&buf, *++end == '1' ? '/' : '~');
		else
			appendStringInfoChar(&buf, *end);
	}
	key.val.string.val = buf.data;
	key.val.string.len = buf.len;
	return key;
}

/* Write the members that an object gains. */
static void
add_members(Patch *patch)
{
	int			len = patch->pointer.len;

	appendStringInfoChar(&patch->pointer, '/');
	for (int i = find_change(patch); i < patch->nchanges; i++)
	{
		PathChange *change = &patch->changes[i];
		JsonbValue	key;

		if (strncmp(change->pointer, patch->pointer.data, len + 1) != 0)
			break;
		if (change->done || change->from != NULL ||
			strchr(change->pointer + len + 1, '/') != NULL)
			continue;
		key = last_key(change->pointer + len + 1);
		write_child(patch, &key, change->to);
		change->done = true;
	}
	patch->pointer.len = len;
	patch->pointer.data[len] = '\0';
}

/* Write the elements that an array gains behind its own. */
static void
add_elements(Patch *patch, int index)
{
	int			len = patch->pointer.len;

	for (;; index++)
	{
		PathChange *change;
		int			i;

		evaudit_json_diff_descend(&patch->pointer, NULL, index);
		i = find_change(patch);
		change = i < patch->nchanges ? &patch->changes[i] : NULL;
		if (change && (strcmp(change->pointer, patch->pointer.data) != 0 ||
					   change->from != NULL))
			change = NULL;
		patch->pointer.len = len;
		patch->pointer.data[len] = '\0';
		if (change == NULL)
			return;
		write_child(patch, NULL, change->to);
		change->done = true;
	}
}

/* Write an object or an array with its changes. */
static void
write_container(Patch *patch, JsonbContainer *container)
{
	bool		object = JsonContainerIsObject(container);
	JsonbIterator *it = JsonbIteratorInit(container);
	int			len = patch->pointer.len;
	JsonbValue	key;
	JsonbValue	value;
	int			index = 0;

	check_stack_depth();
	CHECK_FOR_INTERRUPTS();
	evaudit_compat_jsonb_push(&patch->result,
							  object ? WJB_BEGIN_OBJECT : WJB_BEGIN_ARRAY, NULL);
	while (evaudit_json_diff_next(&it, &key, &value))
	{
		evaudit_json_diff_descend(&patch->pointer, object ? &key : NULL, index++);
		change_child(patch, object ? &key : NULL, &value);
		patch->pointer.len = len;
		patch->pointer.data[len] = '\0';
	}
	if (object)
		add_members(patch);
	else
		add_elements(patch, index);
	evaudit_compat_jsonb_push(&patch->result,
							  object ? WJB_END_OBJECT : WJB_END_ARRAY, NULL);
}

/* Read what a change has at its paths, for a value on one of its sides. */
static void
read_paths(Patch *patch, Jsonb *paths, bool backwards)
{
	JsonbIterator *it = JsonbIteratorInit(&paths->root);
	JsonbValue	key = {0};		/* keep compiler quiet */
	JsonbValue	value;

	patch->changes = palloc(sizeof(PathChange) * Max(JB_ROOT_COUNT(paths), 1));
	while (evaudit_json_diff_next(&it, &key, &value))
	{
		PathChange *change = &patch->changes[patch->nchanges++];
		bool		object = value.type == jbvBinary &&
			JsonContainerIsObject(value.val.binary.data);
		JsonbValue *old = object ?
			evaudit_jsonb_member(value.val.binary.data, "old") : NULL;
		JsonbValue *new = object ?
			evaudit_jsonb_member(value.val.binary.data, "new") : NULL;

		change->pointer = pnstrdup(key.val.string.val, key.val.string.len);
		change->len = key.val.string.len;
		change->from = backwards ? new : old;
		change->to = backwards ? old : new;
		change->done = false;
		if (change->len == 0 || change->pointer[0] != '/' ||
			(old == NULL && new == NULL))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("\"%s\" is no path of a change", change->pointer)));
	}
	qsort(patch->changes, patch->nchanges, sizeof(PathChange),
		  compare_changes);
}

/*
 * SQL: evaudit.patch(value jsonb, paths jsonb, backwards boolean) RETURNS jsonb
 */
Datum
evaudit_patch(PG_FUNCTION_ARGS)
{
	Jsonb	   *value = PG_GETARG_JSONB_P(0);
	Jsonb	   *paths = PG_GETARG_JSONB_P(1);
	Patch		patch = {0};

	if (!JB_ROOT_IS_OBJECT(paths) || JB_ROOT_IS_SCALAR(value))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("changed paths must be an object, and the value an object or an array")));
	read_paths(&patch, paths, PG_GETARG_BOOL(2));
	initStringInfo(&patch.pointer);
	write_container(&patch, &value->root);
	for (int i = 0; i < patch.nchanges; i++)
	{
		if (!patch.changes[i].done)
			refuse_path(patch.changes[i].pointer);
	}
	PG_RETURN_JSONB_P(JsonbValueToJsonb(patch.result.result));
}
