/*-------------------------------------------------------------------------
 *
 * undo_plan.c
 *	  What is to be done to bring rows back to what they were.
 *
 * For each row that some changes amount to a change of, the audit says what
 * it was before and what it is after them; the live row says what it is now.
 * Where that is not what the changes made of it, somebody changed it since:
 * a conflict.  So is what cannot be brought back: columns that are gone,
 * values that audit does not have.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/pg_attribute.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"

#include "audit/bulk.h"
#include "audit/jsonb_write.h"
#include "audit/live_row.h"
#include "audit/marker.h"
#include "audit/undo.h"

const char *const evaudit_undo_actions[] = {
	"NONE", "INSERT", "UPDATE", "DELETE"
};

/* The values of one row, by column of its past; NULL: not known. */
typedef struct Sides
{
	EvauditRowState before;		/* the changes */
	EvauditRowState after;		/* the changes */
	EvauditRowState live;
} Sides;

/* What the changes of a row call for. */
EvauditUndoAction
evaudit_undo_action(const EvauditNet *net)
{
	if (net->before_key == NULL)
		return net->exists ? EVAUDIT_UNDO_DELETE : EVAUDIT_UNDO_NONE;
	return net->exists ? EVAUDIT_UNDO_UPDATE : EVAUDIT_UNDO_INSERT;
}

/* Find what a row was before and after its changes, and what it is. */
static void
read_sides(const EvauditUndoRow *row, Sides *sides)
{
	EvauditNet *net = row->net;

	sides->before.past = sides->after.past = sides->live.past = net->past;
	if (net->before_image)
		evaudit_state_set_image(&sides->before, net->before_image,
								net->before_seq);
	if (net->after_image)
		evaudit_state_set_image(&sides->after, net->after_image,
								net->after_seq);
	for (int i = 0; i < net->nvalues; i++)
	{
		EvauditNetValue *value = &net->values[i];

		if (value->old_value)
			evaudit_state_set(&sides->before, value->column,
							  value->old_value);
		if (value->new_value)
			evaudit_state_set(&sides->after, value->column, value->new_value);
	}
	if (row->live != (Datum) 0)
		evaudit_state_set_live(&sides->live, row->live);
}

/* Are two values the same, or one of them not known? */
static bool
agree(const Jsonb *a, const Jsonb *b)
{
	return a == NULL || b == NULL ||
		(VARSIZE(a) == VARSIZE(b) && memcmp(a, b, VARSIZE(a)) == 0);
}

/* Is the live row in all columns what a side says? */
static bool
is_live(const Sides *sides, const EvauditRowState *side)
{
	for (int i = 0; i < side->n; i++)
	{
		if (!agree(side->values[i], evaudit_state_get(&sides->live, i)))
			return false;
	}
	return true;
}

/* Have a row set a column to what it was, if that can be. */
static void
set_column(EvauditUndo *undo, EvauditUndoTable *table, EvauditUndoRow *row,
		   int column, Jsonb *jsonb)
{
	EvauditPastColumn *past = &table->past->columns[column];
	Form_pg_attribute att;
	char	   *error;
	int			i = row->nvalues;

	if (past->attnum == InvalidAttrNumber)
	{
		if (!undo->ignore_dropped)
			evaudit_undo_conflict(row, "column \"%s\" is gone", past->label);
		return;
	}
	att = TupleDescAttr(table->parser->desc, past->attnum - 1);
	if (att->attgenerated != '\0')
		return;
	if (evaudit_is_marker(jsonb))
		evaudit_undo_conflict(row, "the value of column \"%s\" is not in the audit",
							  past->label);
	else if (!evaudit_parse_value_safe(table->parser, past->attnum, jsonb,
									   &row->values[i], &row->nulls[i],
									   &error))
		evaudit_undo_conflict(row, "column \"%s\": %s", past->label, error);
	else
		row->attnums[row->nvalues++] = past->attnum;
}

/* Make room for all columns of a row. */
static void
begin_columns(EvauditUndoTable *table, EvauditUndoRow *row)
{
	int			natts = table->parser->desc->natts;

	row->attnums = palloc(sizeof(AttrNumber) * natts);
	row->values = palloc(sizeof(Datum) * natts);
	row->nulls = palloc(sizeof(bool) * natts);
	row->nvalues = 0;
}

/* The changes of a row, {"attribute": {"old": ..., "new": ...}}. */
static void
describe_update(EvauditUndoRow *row, const Sides *sides, const bool *set)
{
	static const char *const side_names[] = {"old", "new"};
	EvauditObjectKeys *pair_keys = evaudit_jsonb_keys(side_names,
													  lengthof(side_names));
	const char **names = palloc(sizeof(char *) * Max(sides->before.n, 1));
	JsonbValue *values = palloc(sizeof(JsonbValue) * Max(sides->before.n, 1));
	int			n = 0;

	for (int i = 0; i < sides->before.n; i++)
	{
		JsonbValue	pair[lengthof(side_names)] = {{.type = jbvNull}};
		Jsonb	   *live = evaudit_state_get(&sides->live, i);

		if (!set[i])
			continue;
		if (live)
			evaudit_jsonb_read(live, &pair[0]);
		evaudit_jsonb_read(sides->before.values[i], &pair[1]);
		evaudit_jsonb_read(evaudit_jsonb_object(pair_keys, pair), &values[n]);
		names[n++] = row->net->past->columns[i].label;
	}
	if (n > 0)
		row->changes = evaudit_jsonb_object(evaudit_jsonb_keys(names, n),
											values);
}

/* Did an UPDATE change a column, into what the audit does not have? */
static bool
was_hidden(const EvauditNet *net, int column)
{
	for (int i = 0; i < net->nvalues; i++)
	{
		if (net->values[i].column == column && net->values[i].old_value)
			return evaudit_is_marker(net->values[i].old_value);
	}
	return false;
}

/* Plan to set the columns that the changes changed. */
static void
plan_update(EvauditUndo *undo, EvauditUndoTable *table, EvauditUndoRow *row,
			const Sides *sides)
{
	bool	   *set = palloc0(sizeof(bool) * Max(sides->before.n, 1));

	begin_columns(table, row);
	for (int i = 0; i < sides->before.n; i++)
	{
		Jsonb	   *before = sides->before.values[i];
		Jsonb	   *after = evaudit_state_get(&sides->after, i);
		Jsonb	   *live = evaudit_state_get(&sides->live, i);
		int			nvalues = row->nvalues;

		if (before == NULL ||
			(after != NULL && agree(before, after) &&
			 !was_hidden(row->net, i)) ||
			(live != NULL && agree(before, live) &&
			 !evaudit_is_marker(before)))
			continue;
		if (!agree(after, live) && !evaudit_is_marker(before))
			evaudit_undo_conflict(row, "column \"%s\" has changed since",
								  table->past->columns[i].label);
		set_column(undo, table, row, i, before);
		set[i] = row->nvalues > nvalues;
	}
	describe_update(row, sides, set);
	if (row->nvalues == 0)
		row->action = EVAUDIT_UNDO_NONE;
}

/* A column that was there, and that the image of a row does not have. */
static void
check_image(EvauditUndoTable *table, EvauditUndoRow *row, const Sides *sides)
{
	TupleDesc	desc = table->parser->desc;

	for (int i = 0; i < table->past->ncolumns; i++)
	{
		EvauditPastColumn *column = &table->past->columns[i];

		if (column->attnum == InvalidAttrNumber || column->number == 0 ||
			TupleDescAttr(desc, column->attnum - 1)->attgenerated != '\0' ||
			evaudit_state_get(&sides->before, i) != NULL ||
			!evaudit_past_column_existed(table->past, i,
										 row->net->before_seq))
			continue;
		evaudit_undo_conflict(row, "the value of column \"%s\" is not in the audit",
							  column->label);
	}
}

/* Plan to insert a row as it was before it was deleted. */
static void
plan_insert(EvauditUndo *undo, EvauditUndoTable *table, EvauditUndoRow *row,
			Sides *sides)
{
	if (row->live != (Datum) 0)
	{
		/* the changes left no row: what is there is another's */
		if (is_live(sides, &sides->before))
		{
			row->action = EVAUDIT_UNDO_NONE;
			return;
		}
		evaudit_undo_conflict(row, "there is another row of this key");
		row->action = EVAUDIT_UNDO_UPDATE;
		plan_update(undo, table, row, sides);
		return;
	}
	begin_columns(table, row);
	check_image(table, row, sides);
	for (int i = 0; i < sides->before.n; i++)
	{
		if (sides->before.values[i] != NULL)
			set_column(undo, table, row, i, sides->before.values[i]);
	}
	row->changes = evaudit_state_row(&sides->before, row->net->before_seq);
	row->impossible |= row->nvalues == 0;
}

/* Plan to delete a row that was not there before. */
static void
plan_delete(EvauditUndoRow *row, const Sides *sides)
{
	if (row->live == (Datum) 0)
		row->action = EVAUDIT_UNDO_NONE;
	else if (!is_live(sides, &sides->after))
		evaudit_undo_conflict(row, "the row has changed since");
}

/* Plan what is to be done to one row, of which the live one was looked for. */
static void
plan_row(EvauditUndo *undo, EvauditUndoTable *table, EvauditUndoRow *row)
{
	Sides		sides = {{0}};

	if (row->impossible)
		return;
	if (row->net->interrupted)
		evaudit_undo_conflict(row, "others changed the row in between");
	read_sides(row, &sides);
	switch (row->action)
	{
		case EVAUDIT_UNDO_INSERT:
			plan_insert(undo, table, row, &sides);
			break;
		case EVAUDIT_UNDO_DELETE:
			plan_delete(row, &sides);
			break;
		case EVAUDIT_UNDO_UPDATE:
			if (row->live != (Datum) 0)
				plan_update(undo, table, row, &sides);
			else
			{
				evaudit_undo_conflict(row, "the row is not there any more");
				row->impossible = true;
			}
			break;
		default:
			break;
	}
}

/* Open the live table of a past. */
void
evaudit_undo_open(EvauditUndoTable *table, EvauditPast *past)
{
	table->past = past;
	table->rel = relation_open(past->relid, AccessShareLock);
	table->parser = evaudit_parser_make(table->rel);
}

/* The rows of one table, among all. */
static int
rows_of(const EvauditUndo *undo, const EvauditPast *past,
		EvauditUndoRow **rows)
{
	int			n = 0;

	for (int i = 0; i < undo->n; i++)
	{
		if (undo->rows[i]->net->past == past)
			rows[n++] = undo->rows[i];
	}
	return n;
}

/* Plan what is to be done to the rows of one table. */
static void
plan_table(EvauditUndo *undo, EvauditPast *past)
{
	EvauditUndoRow **rows = palloc(sizeof(EvauditUndoRow *) * undo->n);
	int			n = rows_of(undo, past, rows);
	EvauditUndoTable table;

	if (!OidIsValid(past->relid) || past->nkeys == 0)
	{
		for (int i = 0; i < n; i++)
		{
			evaudit_undo_conflict(rows[i], OidIsValid(past->relid) ?
								  "table %s has no key" :
								  "table %s is gone", past->name);
			rows[i]->impossible = true;
		}
		return;
	}
	evaudit_undo_open(&table, past);
	evaudit_undo_find_live(&table, rows, n, !undo->dry_run);
	for (int i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		plan_row(undo, &table, rows[i]);
	}
	evaudit_parser_end(table.parser);
	relation_close(table.rel, NoLock);
	pfree(rows);
}

/* The tables of the rows, in the order that they come. */
static List *
tables_of(const EvauditUndo *undo)
{
	List	   *tables = NIL;

	for (int i = 0; i < undo->n; i++)
		tables = list_append_unique_ptr(tables, undo->rows[i]->net->past);
	return tables;
}

/* Plan what is to be done to some rows. */
void
evaudit_undo_plan(EvauditUndo *undo, EvauditNet **nets, int n)
{
	ListCell   *cell;

	undo->rows = palloc(sizeof(EvauditUndoRow *) * Max(n, 1));
	undo->n = n;
	for (int i = 0; i < n; i++)
	{
		EvauditUndoRow *row = palloc0(sizeof(EvauditUndoRow));

		row->net = nets[i];
		row->action = evaudit_undo_action(nets[i]);
		row->key = row->action == EVAUDIT_UNDO_INSERT ?
			nets[i]->before_key : nets[i]->key;
		if (nets[i]->lost)
		{
			evaudit_undo_conflict(row, "its key is too long to be known from the audit");
			row->impossible = true;
		}
		undo->rows[i] = row;
	}
	foreach(cell, tables_of(undo))
		plan_table(undo, lfirst(cell));
}

/* Is a row to be changed? */
bool
evaudit_undo_is_wanted(const EvauditUndo *undo, const EvauditUndoRow *row)
{
	return row->action != EVAUDIT_UNDO_NONE && !row->impossible &&
		(row->conflict == NULL || undo->force);
}

/* Do one kind of action to the rows of each table. */
static void
apply_action(EvauditUndo *undo, List *tables, EvauditUndoAction action)
{
	ListCell   *cell;

	foreach(cell, tables)
	{
		EvauditUndoRow **rows = palloc(sizeof(EvauditUndoRow *) * undo->n);
		int			n = 0;
		EvauditUndoTable table;

		for (int i = 0; i < undo->n; i++)
		{
			if (undo->rows[i]->net->past == lfirst(cell) &&
				undo->rows[i]->action == action &&
				evaudit_undo_is_wanted(undo, undo->rows[i]))
				rows[n++] = undo->rows[i];
		}
		if (n > 0)
		{
			evaudit_undo_open(&table, lfirst(cell));
			evaudit_undo_write(&table, rows, n, action);
			relation_close(table.rel, NoLock);
		}
		pfree(rows);
	}
}

/*
 * Do what was planned.  As of one statement, constraints are checked and
 * triggers fire when all is done, so that the order of parents and children
 * does not matter.
 */
void
evaudit_undo_apply(EvauditUndo *undo)
{
	List	   *tables = tables_of(undo);
	EvauditBulkQuery query;

	evaudit_bulk_begin_query(&query);
	apply_action(undo, tables, EVAUDIT_UNDO_DELETE);
	apply_action(undo, tables, EVAUDIT_UNDO_UPDATE);
	apply_action(undo, tables, EVAUDIT_UNDO_INSERT);
	evaudit_bulk_end_query(&query);
}
