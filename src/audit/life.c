/*-------------------------------------------------------------------------
 *
 * life.c
 *	  The changes of one row, from its beginning to its end.
 *
 * A key may have belonged to several rows, one after the other, and a row may
 * have had another key before.  The changes of a key are divided into lives:
 * each begins with an INSERT, with the change of another key into this one,
 * or before the table was tracked, and ends with DELETE, TRUNCATE or a change
 * of the key.
 *
 * An UPDATE has the key from before it.  Where a life does not begin with an
 * INSERT, the change that gave the row its key is found by the index
 * audit_new_key_idx, and what the row was before then is put in front, again
 * and again.  Each step goes to lower numbers, so that it ends.
 *
 * Memory is that of the caller; the connection to SPI as well.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "audit/jsonb_write.h"
#include "audit/life.h"

/* The changes under one key, in the order of their numbers. */
typedef struct Changes
{
	EvauditPast *past;
	EvauditChange **changes;
	int			n;
	int			allocated;
} Changes;

/* Append to an array of changes. */
static void
append_change(EvauditChange ***changes, int *n, int *allocated,
			  EvauditChange *change)
{
	if (*n == *allocated)
	{
		*allocated = Max(16, *allocated * 2);
		*changes = *n == 0 ? palloc(sizeof(EvauditChange *) * *allocated) :
			repalloc_huge(*changes, sizeof(EvauditChange *) * *allocated);
	}
	(*changes)[(*n)++] = change;
}

/* Take a change, if it is one of the table's rows. */
static bool
take_change(EvauditChange *change, void *arg)
{
	Changes    *all = arg;

	if (!evaudit_change_is_of_row(change) ||
		!evaudit_past_has_name(all->past, change->relation, change->seq))
		return true;
	if (change->attribute)
		change->column = evaudit_past_column(all->past, change->attribute,
											 change->seq);
	append_change(&all->changes, &all->n, &all->allocated, change);
	return true;
}

/* Order changes by their numbers. */
static int
compare_changes(const void *a, const void *b)
{
	int64		left = (*(EvauditChange *const *) a)->seq;
	int64		right = (*(EvauditChange *const *) b)->seq;

	return left < right ? -1 : left > right;
}

/*
 * Read the changes under a key.  What the index finds is almost in the order
 * of the numbers.
 */
static Changes *
read_changes(EvauditPast *past, const char *key, MemoryContext context)
{
	static EvauditStatement statement =
	{
		"SELECT " EVAUDIT_CHANGE_COLUMNS " FROM $S.audit"
			" WHERE item_key OPERATOR(pg_catalog.=) $1"
			" AND relation OPERATOR(pg_catalog.=) ANY ($2)",
			2,
		{
			TEXTOID, TEXTARRAYOID
		}, CURSOR_OPT_GENERIC_PLAN
	};
	Datum		values[] = {CStringGetTextDatum(key),
	evaudit_past_name_array(past)};
	Changes    *all = MemoryContextAllocZero(context, sizeof(Changes));

	all->past = past;
	evaudit_changes_read(&statement, values, context, take_change, all);
	if (all->n > 1)
		qsort(all->changes, all->n, sizeof(EvauditChange *),
			  compare_changes);
	return all;
}

/* The key after a group of changes; NULL if it stays, or cannot be told. */
static char *
key_after(const EvauditPast *past, EvauditChange *const *group, int n)
{
	Jsonb	   *changed[INDEX_MAX_KEYS] = {NULL};
	bool		any = false;

	for (int i = 0; i < n && group[i]->operation == EVAUDIT_UPDATE; i++)
	{
		int			place = evaudit_past_key_place(past, group[i]->column);

		if (place >= 0)
			changed[place] = group[i]->new_value;
		any |= place >= 0;
	}
	return any ? evaudit_past_key_after(past, group[0]->key, changed) : NULL;
}

/* A search for the change that gave a row its key. */
typedef struct Arrival
{
	EvauditPast *past;
	EvauditChange *found;		/* a candidate */
	int64		before;			/* numbers from here on are done with */
} Arrival;

/* Take the first change of a column of the key. */
static bool
take_arrival(EvauditChange *change, void *arg)
{
	Arrival    *arrival = arg;

	if (!evaudit_past_has_name(arrival->past, change->relation, change->seq))
		return true;
	change->column = evaudit_past_column(arrival->past, change->attribute,
										 change->seq);
	if (change->key == NULL ||
		evaudit_past_key_place(arrival->past, change->column) < 0)
		return true;
	arrival->found = change;
	return false;
}

/*
 * The latest change, of a number between two, of a column of the key into a
 * value that the key has; NULL if there is none.
 */
static EvauditChange *
find_arrival(EvauditPast *past, const JsonbValue *elements, int64 after,
			 int64 before, MemoryContext context)
{
	static EvauditStatement statement =
	{
		"SELECT " EVAUDIT_CHANGE_COLUMNS " FROM $S.audit"
			" WHERE pg_catalog.jsonb_hash_extended(new_value, 0)"
			" OPERATOR(pg_catalog.=) ANY ($1) AND updated_attribute IS NOT NULL"
			" AND evaudit.changes_key(item_key, old_value)"
			" AND relation OPERATOR(pg_catalog.=) ANY ($2)"
			" AND " EVAUDIT_SEQ_UNINDEXED " OPERATOR(pg_catalog.>) $3"
			" AND " EVAUDIT_SEQ_UNINDEXED " OPERATOR(pg_catalog.<) $4"
			" ORDER BY " EVAUDIT_SEQ_UNINDEXED " DESC",
			4,
		{
			INT8ARRAYOID, TEXTARRAYOID, INT8OID, INT8OID
		},
			CURSOR_OPT_GENERIC_PLAN
	};
	int64		hashes[INDEX_MAX_KEYS];
	Arrival		arrival = {.past = past};
	Datum		values[4];

	for (int i = 0; i < past->nkeys; i++)
	{
		Datum		value = JsonbPGetDatum(evaudit_jsonb_value(&elements[i]));

		hashes[i] = DatumGetInt64(DirectFunctionCall2(jsonb_hash_extended,
													  value,
													  Int64GetDatum(0)));
	}
	values[0] = evaudit_spi_int64_array(hashes, past->nkeys);
	values[1] = evaudit_past_name_array(past);
	values[2] = Int64GetDatum(after);
	values[3] = Int64GetDatum(before);
	evaudit_changes_read(&statement, values, context, take_arrival, &arrival);
	return arrival.found;
}

static List *lives_until(EvauditPast *past, const char *key,
						 const JsonbValue *elements, int64 seq, bool more,
						 MemoryContext context);

/* The values of the columns of a key that audit has; false if it was cut. */
static bool
elements_of_change(const EvauditPast *past, EvauditChange *const *group,
				   int n, JsonbValue *elements)
{
	if (!evaudit_past_key_elements(past, group[0]->key, elements))
		return false;
	for (int i = 0; i < n; i++)
	{
		int			place = evaudit_past_key_place(past, group[i]->column);

		if (place >= 0)
			evaudit_jsonb_read(group[i]->old_value, &elements[place]);
	}
	return true;
}

/*
 * The life that a change gave this key, up to that change; NULL if it gave
 * another one.
 */
static EvauditLife *
life_before(EvauditPast *past, const char *key, const EvauditChange *change,
			MemoryContext context)
{
	Changes    *all = read_changes(past, change->key, context);

	for (int at = 0; at < all->n;)
	{
		int			n = evaudit_change_group(all->changes, all->n, at);
		EvauditChange **group = &all->changes[at];
		JsonbValue	elements[INDEX_MAX_KEYS];
		char	   *after;

		at += n;
		if (change->seq < group[0]->seq || change->seq > group[n - 1]->seq)
			continue;
		after = key_after(past, group, n);
		if (after == NULL || strcmp(after, key) != 0 ||
			!elements_of_change(past, group, n, elements))
			return NULL;
		return llast(lives_until(past, change->key, elements,
								 group[n - 1]->seq, false, context));
	}
	return NULL;
}

/* Put what a row was under earlier keys in front of a life that begins. */
static void
inherit(EvauditLife *life, EvauditPast *past, const char *key,
		const JsonbValue *elements, int64 after, int64 before,
		MemoryContext context)
{
	while (past->nkeys > 0)
	{
		EvauditChange *change = find_arrival(past, elements, after, before,
											 context);
		EvauditLife *earlier;

		if (change == NULL)
			return;
		earlier = life_before(past, key, change, context);
		before = change->seq;
		for (int i = 0; earlier != NULL && i < earlier->n; i++)
			append_change(&life->changes, &life->n, &life->allocated,
						  earlier->changes[i]);
		life->inherited = life->n;
		if (earlier != NULL)
			return;
	}
}

/* Begin a life after a number, whose first change has another. */
static EvauditLife *
begin_life(List **lives, EvauditPast *past, const char *key,
		   const JsonbValue *elements, int64 after, int64 before, bool born,
		   MemoryContext context)
{
	EvauditLife *life = palloc0(sizeof(EvauditLife));

	if (!born)
		inherit(life, past, key, elements, after, before, context);
	*lives = lappend(*lives, life);
	return life;
}

/*
 * The lives of the rows that had a key, up to a number; with "more", the row
 * is there now.
 */
static List *
lives_until(EvauditPast *past, const char *key, const JsonbValue *elements,
			int64 seq, bool more, MemoryContext context)
{
	Changes    *all = read_changes(past, key, context);
	MemoryContext old = MemoryContextSwitchTo(context);
	EvauditLife *life = NULL;
	List	   *lives = NIL;
	int64		ended = 0;

	check_stack_depth();
	for (int at = 0; at < all->n;)
	{
		int			n = evaudit_change_group(all->changes, all->n, at);
		EvauditChange **group = &all->changes[at];

		if (group[0]->seq > seq)
			break;
		if (life == NULL || group[0]->operation == EVAUDIT_INSERT)
			life = begin_life(&lives, past, key, elements, ended,
							  group[0]->seq,
							  group[0]->operation == EVAUDIT_INSERT, context);
		for (int i = 0; i < n; i++)
			append_change(&life->changes, &life->n, &life->allocated,
						  group[i]);
		life->moved = key_after(past, group, n) != NULL;
		ended = group[n - 1]->seq;
		if (life->moved || evaudit_change_removes(group[0]))
			life = NULL;
		at += n;
	}
	if (life == NULL && more)
		(void) begin_life(&lives, past, key, elements, ended, PG_INT64_MAX,
						  false, context);
	MemoryContextSwitchTo(old);
	return lives;
}

/*
 * The lives of the rows that have had a key, the oldest first.  The last one
 * may have no change, if the row is there now.
 */
List *
evaudit_lives(EvauditPast *past, const char *key, const JsonbValue *elements,
			  bool is_live)
{
	MemoryContext context = CurrentMemoryContext;
	EvauditReader reader;
	List	   *lives;

	evaudit_changes_begin(&reader, past);
	lives = lives_until(past, key, elements, PG_INT64_MAX, is_live, context);
	evaudit_changes_end(&reader);
	return lives;
}
