/*-------------------------------------------------------------------------
 *
 * row_state.c
 *	  What is known of a row at some time: values by column of the past.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "audit/jsonb_write.h"
#include "audit/live_row.h"
#include "audit/row_state.h"
#include "text/jsonb.h"

/* Set the value of a column. */
void
evaudit_state_set(EvauditRowState *state, int column, Jsonb *value)
{
	if (column >= state->n)
	{
		int			n = Max(column + 1, state->past->ncolumns);

		state->values = state->values == NULL ?
			palloc(sizeof(Jsonb *) * n) :
			repalloc(state->values, sizeof(Jsonb *) * n);
		memset(state->values + state->n, 0, sizeof(Jsonb *) * (n - state->n));
		state->n = n;
	}
	state->values[column] = value;
}

/* The value of a column; NULL if it is not known. */
Jsonb *
evaudit_state_get(const EvauditRowState *state, int column)
{
	return column < state->n ? state->values[column] : NULL;
}

/* Set the columns that the image of a row has, in the audit row of a number. */
void
evaudit_state_set_image(EvauditRowState *state, Jsonb *image, int64 seq)
{
	JsonbIterator *it = JsonbIteratorInit(&image->root);
	JsonbValue	value;
	JsonbIteratorToken token;

	if (JB_ROOT_IS_SCALAR(image) || !JB_ROOT_IS_OBJECT(image))
		return;
	(void) JsonbIteratorNext(&it, &value, true);
	while ((token = JsonbIteratorNext(&it, &value, true)) == WJB_KEY)
	{
		char	   *name = pnstrdup(value.val.string.val,
									value.val.string.len);
		int			column = evaudit_past_column(state->past, name, seq);

		(void) JsonbIteratorNext(&it, &value, true);
		evaudit_state_set(state, column, evaudit_jsonb_value(&value));
		pfree(name);
	}
}

/* Set the columns of a live row. */
void
evaudit_state_set_live(EvauditRowState *state, Datum row)
{
	Jsonb	  **values = evaudit_live_values(state->past, row);

	for (int i = 0; i < state->past->ncolumns; i++)
	{
		if (values[i] != NULL)
			evaudit_state_set(state, i, values[i]);
	}
}

/* Which columns an object has, in the order of its keys' values. */
typedef struct EvauditRowShape
{
	int			ncolumns;
	int		   *columns;
	EvauditObjectKeys *keys;
} EvauditRowShape;

/*
 * List the columns that are known and were there when the audit row of a
 * number was written.  Of two with the same label, that of the live table
 * counts.
 */
static int
list_columns(const EvauditRowState *state, int64 seq, int *columns)
{
	int			n = 0;

	for (int pass = 0; pass < 2; pass++)
	{
		for (int i = 0; i < state->n; i++)
		{
			EvauditPastColumn *column = &state->past->columns[i];
			bool		live = column->attnum != InvalidAttrNumber;
			bool		hidden = state->values[i] == NULL || live == (pass == 1) ||
				!evaudit_past_column_existed(state->past, i, seq);

			for (int k = 0; !hidden && k < n && !live; k++)
				hidden = strcmp(state->past->columns[columns[k]].label,
								column->label) == 0;
			if (!hidden)
				columns[n++] = i;
		}
	}
	return n;
}

/* Make the shape of a row of some columns, which lasts as long as the past. */
static EvauditRowShape *
make_shape(const EvauditPast *past, const int *columns, int n)
{
	MemoryContext old = MemoryContextSwitchTo(past->context);
	EvauditRowShape *shape = palloc(sizeof(EvauditRowShape));
	const char **names = palloc(sizeof(char *) * Max(n, 1));

	for (int i = 0; i < n; i++)
		names[i] = past->columns[columns[i]].label;
	shape->ncolumns = n;
	shape->columns = palloc(sizeof(int) * Max(n, 1));
	memcpy(shape->columns, columns, sizeof(int) * n);
	shape->keys = evaudit_jsonb_keys(names, n);
	MemoryContextSwitchTo(old);
	return shape;
}

/* The shape of the row, made anew if it is another than that of the last. */
static EvauditRowShape *
row_shape(EvauditRowState *state, int64 seq)
{
	EvauditRowShape *shape = state->shape;
	int		   *columns = palloc(sizeof(int) * Max(state->n, 1));
	int			n = list_columns(state, seq, columns);

	if (shape == NULL || shape->ncolumns != n ||
		memcmp(shape->columns, columns, sizeof(int) * n) != 0)
		state->shape = make_shape(state->past, columns, n);
	pfree(columns);
	return state->shape;
}

/*
 * The row as an object, as it was when the audit row of a number was written;
 * NULL if nothing is known.
 */
Jsonb *
evaudit_state_row(EvauditRowState *state, int64 seq)
{
	EvauditRowShape *shape = row_shape(state, seq);
	JsonbValue *values = palloc(sizeof(JsonbValue) * Max(shape->ncolumns, 1));
	Jsonb	   *row;

	if (shape->ncolumns == 0)
		return NULL;
	for (int i = 0; i < shape->ncolumns; i++)
		evaudit_jsonb_read(state->values[shape->columns[i]], &values[i]);
	row = evaudit_jsonb_object(shape->keys, values);
	pfree(values);
	return row;
}
