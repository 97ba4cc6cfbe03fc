/*-------------------------------------------------------------------------
 *
 * history.c
 *	  evaudit.history() and row_as_of(): the versions of a row.
 *
 * A version is what a change made of a row, with the values of all columns.
 * Those that no earlier change tells are found backwards: from the old values
 * of later changes, from the row that was deleted, or from the live row.  A
 * row that was there before its table was tracked has a version that no
 * change made.
 *
 * Columns are named as they are called now, or were called last; those that
 * were not there yet at the time are left out.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"
#include "utils/xid8.h"

#include "audit/item_key.h"
#include "audit/jsonb_write.h"
#include "audit/life.h"
#include "audit/live_row.h"
#include "audit/marker.h"
#include "audit/row_state.h"
#include "server/arguments.h"
#include "server/guard.h"

PG_FUNCTION_INFO_V1(evaudit_history);
PG_FUNCTION_INFO_V1(evaudit_row_as_of);
PG_FUNCTION_INFO_V1(evaudit_changes_key);

extern Datum evaudit_patch(PG_FUNCTION_ARGS);	/* json_patch.c */

/* One version of a row. */
typedef struct Version
{
	EvauditChange *const *group;	/* the changes that made it; NULL: none */
	int			n;
	const TimestampTz *from;	/* NULL: not known */
	const TimestampTz *to;		/* NULL: still valid */
	EvauditRowState *row;		/* NULL: there is no row */
	int64		seq;			/* when its columns were those of the row */
	bool		earlier_key;
} Version;

/* Receives the versions, the oldest first. */
typedef void (*TakeVersion) (const Version *version, void *arg);

/* A value and changed paths of it. */
typedef struct PatchCall
{
	Jsonb	   *value;
	const EvauditChange *change;
	bool		backwards;
} PatchCall;

/* Apply changed paths. */
static bool
call_patch(void *arg)
{
	PatchCall  *call = arg;

	call->value = DatumGetJsonbP(DirectFunctionCall3(evaudit_patch,
													 JsonbPGetDatum(call->value),
													 JsonbPGetDatum(call->change->paths),
													 BoolGetDatum(call->backwards)));
	return true;
}

/*
 * Find the values of a change of which paths were kept, from the one after it
 * or before it, if that is known.
 */
static void
resolve_paths(const EvauditRowState *state, EvauditChange *change,
			  bool backwards)
{
	PatchCall	call = {.change = change,.backwards = backwards};
	Jsonb	   *known = evaudit_state_get(state, change->column);

	if (change->paths == NULL || known == NULL || evaudit_is_marker(known) ||
		!evaudit_is_marker(change->new_value))
		return;
	call.value = known;
	if (evaudit_guard(call_patch, &call) != NULL)
		return;
	change->old_value = backwards ? call.value : known;
	change->new_value = backwards ? known : call.value;
}

/* Bring a row's values to what they were before a change. */
static void
step_back(EvauditRowState *state, EvauditChange *change)
{
	if (change->operation == EVAUDIT_UPDATE)
		resolve_paths(state, change, true);
	if (change->operation == EVAUDIT_UPDATE)
		evaudit_state_set(state, change->column, change->old_value);
	else if (evaudit_change_removes(change))
		evaudit_state_set_image(state, change->old_value, change->seq);
	else
		evaudit_state_set_image(state, change->new_value, change->seq);
}

/* What a row was at the beginning of a life, as far as it can be told. */
static EvauditRowState
first_state(EvauditPast *past, const EvauditLife *life, Datum live)
{
	EvauditRowState state = {.past = past};

	if (live != (Datum) 0)
		evaudit_state_set_live(&state, live);
	for (int i = life->n - 1; i >= 0; i--)
		step_back(&state, life->changes[i]);
	return state;
}

/* Bring a row's values to what they were after a group of changes. */
static void
step_forward(EvauditRowState *state, EvauditChange *const *group, int n)
{
	for (int i = 0; i < n; i++)
	{
		if (group[i]->operation == EVAUDIT_UPDATE)
			resolve_paths(state, group[i], false);
		if (group[i]->operation == EVAUDIT_UPDATE)
			evaudit_state_set(state, group[i]->column, group[i]->new_value);
		else if (!evaudit_change_removes(group[i]))
			evaudit_state_set_image(state, group[i]->new_value,
									group[i]->seq);
	}
}

/* The version of a row that was there before the first change of a life. */
static void
walk_before(const EvauditLife *life, EvauditRowState *state,
			TakeVersion take, void *arg)
{
	Version		version = {.row = state,.seq = PG_INT64_MAX};

	if (life->n > 0)
	{
		if (life->changes[0]->operation == EVAUDIT_INSERT)
			return;
		version.to = &life->changes[0]->time;
		version.seq = life->changes[0]->seq;
		version.earlier_key = life->inherited > 0;
	}
	take(&version, arg);
}

/* Hand on the versions of one life; the row is there again from a time on. */
static void
walk_life(EvauditPast *past, const EvauditLife *life, Datum live,
		  const TimestampTz *again, TakeVersion take, void *arg)
{
	EvauditRowState state = first_state(past, life, live);

	walk_before(life, &state, take, arg);
	for (int at = 0; at < life->n;)
	{
		EvauditChange *const *group = &life->changes[at];
		Version		version = {.group = group,.from = &group[0]->time};

		version.n = evaudit_change_group(life->changes, life->n, at);
		at += version.n;
		version.seq = group[version.n - 1]->seq;
		version.earlier_key = at < life->inherited;
		step_forward(&state, group, version.n);
		if (!evaudit_change_removes(group[0]))
			version.row = &state;
		if (at < life->n)
			version.to = &life->changes[at]->time;
		else if (life->moved)
			version.to = version.from;
		else if (evaudit_change_removes(group[0]))
			version.to = again;
		take(&version, arg);
	}
}

/* Hand on all versions of the rows that have had a key. */
static void
walk(EvauditPast *past, const char *key, const JsonbValue *elements,
	 TakeVersion take, void *arg)
{
	Datum		live = evaudit_live_find(past, key);
	List	   *lives = evaudit_lives(past, key, elements, live != (Datum) 0);
	ListCell   *cell;

	foreach(cell, lives)
	{
		EvauditLife *life = lfirst(cell);
		bool		last = lnext(lives, cell) == NULL;
		EvauditLife *next = last ? NULL : lfirst(lnext(lives, cell));
		bool		ended = life->moved || (life->n > 0 &&
											evaudit_change_removes(life->changes[life->n - 1]));

		walk_life(past, life, last && !ended ? live : (Datum) 0,
				  next && next->n > next->inherited ?
				  &next->changes[next->inherited]->time : NULL, take, arg);
	}
}

/* What an UPDATE changed: {"attribute": {"old": ..., "new": ...}}. */
static Jsonb *
changed_attributes(const Version *version, EvauditPast *past)
{
	static const char *const sides[] = {"old", "new"};
	static EvauditObjectKeys *side_keys = NULL;
	const char **names = palloc(sizeof(char *) * version->n);
	JsonbValue *values = palloc(sizeof(JsonbValue) * version->n);

	if (side_keys == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

		side_keys = evaudit_jsonb_keys(sides, lengthof(sides));
		MemoryContextSwitchTo(old);
	}
	for (int i = 0; i < version->n; i++)
	{
		EvauditChange *change = version->group[i];
		JsonbValue	pair[lengthof(sides)];

		names[i] = past->columns[change->column].label;
		evaudit_jsonb_read(change->old_value, &pair[0]);
		evaudit_jsonb_read(change->new_value, &pair[1]);
		evaudit_jsonb_read(evaudit_jsonb_object(side_keys, pair), &values[i]);
	}
	return evaudit_jsonb_object(evaudit_jsonb_keys(names, version->n),
								values);
}

/* Columns of history(). */
enum
{
	VERSION_SEQ, VERSION_OPERATION, VERSION_FROM, VERSION_TO, VERSION_ROW,
	VERSION_CHANGED, VERSION_ACTOR, VERSION_REQUEST, VERSION_XID,
	VERSION_COLUMNS
};

/* The result of history(), and what a version of it needs until it is there. */
typedef struct Versions
{
	ReturnSetInfo *result;
	MemoryContext context;
} Versions;

/* Put a value into a column; a pointer that is NULL leaves it null. */
static void
set_column(Datum *values, bool *nulls, int column, Datum value)
{
	values[column] = value;
	nulls[column] = false;
}

/* Add a version to the result of history(). */
static void
put_version(const Version *version, void *arg)
{
	Versions   *versions = arg;
	ReturnSetInfo *result = versions->result;
	MemoryContext old = MemoryContextSwitchTo(versions->context);
	Datum		values[VERSION_COLUMNS];
	bool		nulls[VERSION_COLUMNS];
	Jsonb	   *row = version->row ?
		evaudit_state_row(version->row, version->seq) : NULL;

	memset(nulls, true, sizeof(nulls));
	if (version->from)
		set_column(values, nulls, VERSION_FROM,
				   TimestampTzGetDatum(*version->from));
	if (version->to)
		set_column(values, nulls, VERSION_TO,
				   TimestampTzGetDatum(*version->to));
	if (row)
		set_column(values, nulls, VERSION_ROW, JsonbPGetDatum(row));
	if (version->group)
	{
		EvauditChange *first = version->group[0];

		set_column(values, nulls, VERSION_SEQ, Int64GetDatum(first->seq));
		set_column(values, nulls, VERSION_OPERATION,
				   CStringGetTextDatum(evaudit_operation_names[first->operation]));
		if (first->operation == EVAUDIT_UPDATE)
			set_column(values, nulls, VERSION_CHANGED,
					   JsonbPGetDatum(changed_attributes(version,
														 version->row->past)));
		if (first->actor)
			set_column(values, nulls, VERSION_ACTOR,
					   PointerGetDatum(first->actor));
		if (first->request_id)
			set_column(values, nulls, VERSION_REQUEST,
					   PointerGetDatum(first->request_id));
		set_column(values, nulls, VERSION_XID,
				   FullTransactionIdGetDatum(FullTransactionIdFromU64(first->xid)));
	}
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	MemoryContextSwitchTo(old);
	MemoryContextReset(versions->context);
}

/*
 * SQL: evaudit.history(relation text, key jsonb) RETURNS TABLE (seq bigint,
 * operation text, valid_from timestamptz, valid_to timestamptz,
 * row_data jsonb, changed jsonb, actor text, request_id text, xid xid8)
 */
Datum
evaudit_history(PG_FUNCTION_ARGS)
{
	char	   *relation = evaudit_text_argument(fcinfo, 0, "relation");
	Jsonb	   *key = evaudit_jsonb_argument(fcinfo, 1, "key");
	EvauditPast *past = evaudit_past_open(relation);
	JsonbValue	elements[INDEX_MAX_KEYS];
	char	   *item_key = evaudit_past_key(past, key, elements);
	Versions	versions;

	InitMaterializedSRF(fcinfo, 0);
	versions.result = (ReturnSetInfo *) fcinfo->resultinfo;
	versions.context = AllocSetContextCreate(CurrentMemoryContext,
											 "evaudit version",
											 ALLOCSET_DEFAULT_SIZES);
	walk(past, item_key, elements, put_version, &versions);
	MemoryContextDelete(versions.context);
	return (Datum) 0;
}

/* A search for the version that was valid at a time. */
typedef struct AsOf
{
	TimestampTz at;
	Jsonb	   *row;
} AsOf;

/* Keep a version that is valid at the time. */
static void
keep_version(const Version *version, void *arg)
{
	AsOf	   *search = arg;

	if (version->earlier_key ||
		(version->from && *version->from > search->at) ||
		(version->to && *version->to <= search->at))
		return;
	search->row = version->row ?
		evaudit_state_row(version->row, version->seq) : NULL;
}

/* The row that had a key at a time, as JSON; NULL if there was none. */
Jsonb *
evaudit_row_at(EvauditPast *past, const char *key, const JsonbValue *elements,
			   TimestampTz at)
{
	AsOf		search = {.at = at};

	walk(past, key, elements, keep_version, &search);
	return search.row;
}

/*
 * SQL: evaudit.row_as_of(relation text, key jsonb, at timestamptz)
 * RETURNS jsonb; NULL if there was no row of that key.
 */
Datum
evaudit_row_as_of(PG_FUNCTION_ARGS)
{
	EvauditPast *past = evaudit_past_open(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	JsonbValue	elements[INDEX_MAX_KEYS];
	char	   *key = evaudit_past_key(past, PG_GETARG_JSONB_P(1), elements);
	Jsonb	   *row = evaudit_row_at(past, key, elements,
									 PG_GETARG_TIMESTAMPTZ(2));

	if (row == NULL)
		PG_RETURN_NULL();
	PG_RETURN_JSONB_P(row);
}

/* Does a text stand in a key of several columns, as one of its values? */
static bool
is_part_of_key(const char *key, int key_len, const char *part, int part_len)
{
	for (const char *p = key + 1; p + part_len < key + key_len; p++)
	{
		if (memcmp(p, part, part_len) == 0)
			return true;
	}
	return false;
}

/* Is a text the key of a row, as far as the key is kept? */
static bool
is_key(const char *key, int key_len, const char *str, int len)
{
	if (key_len > EVAUDIT_ITEM_KEY_SURE)
		return len >= EVAUDIT_ITEM_KEY_SURE &&
			memcmp(key, str, EVAUDIT_ITEM_KEY_SURE) == 0;
	return key_len == len && memcmp(key, str, len) == 0;
}

/*
 * SQL: evaudit.changes_key(item_key text, old_value jsonb) RETURNS boolean
 *
 * May the change of an attribute with this old value be one of the row's key?
 * It is the condition of an index, and asked for each attribute that changes.
 * True also of some that are none; who uses the index looks again.
 */
Datum
evaudit_changes_key(PG_FUNCTION_ARGS)
{
	text	   *item_key = PG_GETARG_TEXT_PP(0);
	const char *key = VARDATA_ANY(item_key);
	int			len = VARSIZE_ANY_EXHDR(item_key);
	bool		array = len > 0 && key[0] == '[';
	JsonbValue	old;
	StringInfoData buf;

	evaudit_jsonb_read(PG_GETARG_JSONB_P(1), &old);
	if (old.type == jbvString)
	{
		if (is_key(key, len, old.val.string.val, old.val.string.len))
			PG_RETURN_BOOL(true);
		if (!array)
			PG_RETURN_BOOL(false);
	}
	if (array && len > EVAUDIT_ITEM_KEY_SURE)
		PG_RETURN_BOOL(true);
	initStringInfo(&buf);
	evaudit_datum_append_text(&buf, &old, array);
	PG_RETURN_BOOL(is_key(key, len, buf.data, buf.len) ||
				   (array && is_part_of_key(key, len, buf.data, buf.len)));
}
