/*-------------------------------------------------------------------------
 *
 * undo_rows.c
 *	  The live rows that an undo reads and writes.
 *
 * Both is done as the caller, by the rows' keys.  Unless this is to show what
 * would be done, rows are locked when they are read: what is compared with the
 * audit is what is then changed.  Rows that set the same columns are written
 * by one statement.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#include "audit/bulk.h"
#include "audit/live_row.h"
#include "audit/undo.h"
#include "server/guard.h"
#include "server/spi.h"

/* Say why a row cannot be brought back as a whole; the first reason counts. */
void
evaudit_undo_conflict(EvauditUndoRow *row, const char *format,...)
{
	StringInfoData buf;
	int			more;

	if (row->conflict != NULL)
		return;
	initStringInfo(&buf);
	do
	{
		va_list		args;

		va_start(args, format);
		more = appendStringInfoVA(&buf, format, args);
		va_end(args);
		if (more > 0)
			enlargeStringInfo(&buf, more);
	} while (more > 0);
	row->conflict = buf.data;
}

/* Define a column for each of the key's, from a number on: k1, k2, ... */
void
evaudit_undo_key_columns(EvauditUndoTable *table, EvauditBulk *bulk,
						 int column)
{
	for (int i = 0; i < table->past->nkeys; i++)
	{
		AttrNumber	attnum = table->past->columns[table->past->keys[i]].attnum;
		Form_pg_attribute att = TupleDescAttr(table->parser->desc, attnum - 1);

		evaudit_bulk_column(bulk, column + i, psprintf("k%d", i + 1),
							att->atttypid, att->atttypmod, att->attcollation);
	}
}

/* The values of a row's key; its table may have had another one. */
typedef struct KeyCall
{
	EvauditUndoTable *table;
	const char *key;
	Datum	   *values;
	bool	   *nulls;
} KeyCall;

/* Read them. */
static bool
call_key(void *arg)
{
	KeyCall    *call = arg;

	evaudit_past_key_datums(call->table->past, call->table->parser, call->key,
							call->values, call->nulls);
	return true;
}

/* The rows' numbers and keys; those whose key cannot be read have a conflict. */
static EvauditBulk *
make_keys(EvauditUndoTable *table, EvauditUndoRow **rows, int n)
{
	EvauditBulk *bulk = evaudit_bulk_make(1 + table->past->nkeys);
	Datum		values[1 + INDEX_MAX_KEYS];
	bool		nulls[1 + INDEX_MAX_KEYS] = {false};

	evaudit_bulk_column(bulk, 1, "n", INT4OID, -1, InvalidOid);
	evaudit_undo_key_columns(table, bulk, 2);
	for (int i = 0; i < n; i++)
	{
		KeyCall		call = {table, rows[i]->key, values + 1, nulls + 1};
		ErrorData  *error;

		CHECK_FOR_INTERRUPTS();
		if (rows[i]->impossible)
			continue;
		error = evaudit_guard(call_key, &call);
		if (error != NULL)
		{
			evaudit_undo_conflict(rows[i], "key: %s", error->message);
			rows[i]->impossible = true;
			FreeErrorData(error);
			continue;
		}
		values[0] = Int32GetDatum(i);
		evaudit_bulk_put(bulk, values, nulls);
	}
	evaudit_parser_end(table->parser);
	return bulk;
}

/* The condition that a row t has the key of a row v. */
static void
append_condition(EvauditUndoTable *table, StringInfo sql)
{
	for (int i = 0; i < table->past->nkeys; i++)
	{
		EvauditPastColumn *column = &table->past->columns[table->past->keys[i]];

		appendStringInfo(sql, "%st.%s %s v.k%d", i == 0 ? "" : " AND ",
						 quote_identifier(column->label),
						 evaudit_live_equals(get_atttype(table->past->relid,
														 column->attnum)),
						 i + 1);
	}
}

/* Find the live rows of one table, and lock them. */
void
evaudit_undo_find_live(EvauditUndoTable *table, EvauditUndoRow **rows, int n,
					   bool lock)
{
	MemoryContext context = CurrentMemoryContext;
	EvauditBulk *bulk = make_keys(table, rows, n);
	StringInfoData sql;
	uint64		found;

	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT v.n, %s FROM %s v JOIN %s%s t ON ",
					 evaudit_live_whole(table->past), EVAUDIT_BULK_NAME, evaudit_live_only(table->past),
					 evaudit_live_name(table->past));
	append_condition(table, &sql);
	if (lock)
		appendStringInfoString(&sql, " FOR UPDATE OF t");
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	found = evaudit_bulk_execute(bulk, sql.data, false);
	evaudit_live_check_whole(table->past, 1);
	for (uint64 i = 0; i < found; i++)
	{
		EvauditUndoRow *row = rows[evaudit_spi_int32((int) i, 0)];
		bool		isnull;
		Datum		live = evaudit_spi_datum((int) i, 1, &isnull);
		MemoryContext old = MemoryContextSwitchTo(context);

		row->live = PointerGetDatum(PG_DETOAST_DATUM_COPY(live));
		MemoryContextSwitchTo(old);
	}
	SPI_finish();
	evaudit_bulk_end(bulk);
}

/* The columns that a row sets are the same as another one's. */
static bool
same_columns(const EvauditUndoRow *a, const EvauditUndoRow *b)
{
	return a->action == b->action && a->nvalues == b->nvalues &&
		memcmp(a->attnums, b->attnums,
			   sizeof(AttrNumber) * a->nvalues) == 0;
}

/* Write "t.c = v.c1, ..." for an UPDATE, or a list of columns. */
static void
append_columns(EvauditUndoTable *table, const EvauditUndoRow *row,
			   StringInfo sql, bool names, bool values)
{
	for (int i = 0; i < row->nvalues; i++)
	{
		Form_pg_attribute att = TupleDescAttr(table->parser->desc,
											  row->attnums[i] - 1);

		if (i > 0)
			appendStringInfoString(sql, ", ");
		if (names)
			appendStringInfoString(sql, quote_identifier(NameStr(att->attname)));
		if (names && values)
			appendStringInfoString(sql, " = ");
		if (values)
			appendStringInfo(sql, "v.c%d", i + 1);
	}
}

/* The statement that does the same to all rows like one. */
static char *
make_statement(EvauditUndoTable *table, const EvauditUndoRow *row)
{
	const char *only = evaudit_live_only(table->past);
	char	   *name = evaudit_live_name(table->past);
	StringInfoData sql;

	initStringInfo(&sql);
	switch (row->action)
	{
		case EVAUDIT_UNDO_INSERT:
			appendStringInfo(&sql, "INSERT INTO %s (", name);
			append_columns(table, row, &sql, true, false);
			appendStringInfoString(&sql, ") OVERRIDING SYSTEM VALUE SELECT ");
			append_columns(table, row, &sql, false, true);
			appendStringInfo(&sql, " FROM %s v", EVAUDIT_BULK_NAME);
			break;
		case EVAUDIT_UNDO_UPDATE:
			appendStringInfo(&sql, "UPDATE %s%s t SET ", only, name);
			append_columns(table, row, &sql, true, true);
			appendStringInfo(&sql, " FROM %s v WHERE ", EVAUDIT_BULK_NAME);
			append_condition(table, &sql);
			break;
		default:
			appendStringInfo(&sql, "DELETE FROM %s%s t USING %s v WHERE ",
							 only, name, EVAUDIT_BULK_NAME);
			append_condition(table, &sql);
			break;
	}
	return sql.data;
}

/* A table's rows for one statement. */
static EvauditBulk *
make_rows(EvauditUndoTable *table, const EvauditUndoRow *like,
		  EvauditUndoRow **rows, int n)
{
	int			nkeys = like->action == EVAUDIT_UNDO_INSERT ? 0 :
		table->past->nkeys;
	int			ncolumns = like->nvalues + nkeys;
	EvauditBulk *bulk = evaudit_bulk_make(ncolumns);
	Datum	   *values = palloc(sizeof(Datum) * Max(ncolumns, 1));
	bool	   *nulls = palloc0(sizeof(bool) * Max(ncolumns, 1));

	for (int i = 0; i < like->nvalues; i++)
	{
		Form_pg_attribute att = TupleDescAttr(table->parser->desc,
											  like->attnums[i] - 1);

		evaudit_bulk_column(bulk, i + 1, psprintf("c%d", i + 1),
							att->atttypid, att->atttypmod, att->attcollation);
	}
	if (nkeys > 0)
		evaudit_undo_key_columns(table, bulk, like->nvalues + 1);
	for (int i = 0; i < n; i++)
	{
		if (rows[i]->net == NULL || !same_columns(rows[i], like))
			continue;
		memcpy(values, rows[i]->values, sizeof(Datum) * like->nvalues);
		memcpy(nulls, rows[i]->nulls, sizeof(bool) * like->nvalues);
		if (nkeys > 0)
			evaudit_past_key_datums(table->past, table->parser, rows[i]->key,
									values + like->nvalues,
									nulls + like->nvalues);
		evaudit_bulk_put(bulk, values, nulls);
	}
	evaudit_parser_end(table->parser);
	return bulk;
}

/* Do the same to all rows of a table that are like one. */
static void
write_rows(EvauditUndoTable *table, const EvauditUndoRow *like,
		   EvauditUndoRow **rows, int n)
{
	EvauditBulk *bulk = make_rows(table, like, rows, n);
	char	   *sql = make_statement(table, like);
	uint64		done;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	done = evaudit_bulk_execute(bulk, sql, false);
	SPI_finish();
	if (done != bulk->n)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("could not %s %llu of %llu rows of table %s",
						evaudit_undo_actions[like->action],
						(unsigned long long) (bulk->n - Min(done, bulk->n)),
						(unsigned long long) bulk->n, table->past->name),
				 errdetail("A trigger or row security of the table kept them.")));
	evaudit_bulk_end(bulk);
}

/* Do one kind of action to the rows of a table. */
void
evaudit_undo_write(EvauditUndoTable *table, EvauditUndoRow **rows, int n,
				   EvauditUndoAction action)
{
	bool	   *done = palloc0(sizeof(bool) * Max(n, 1));

	for (int i = 0; i < n; i++)
	{
		if (done[i] || rows[i]->action != action)
			continue;
		CHECK_FOR_INTERRUPTS();
		write_rows(table, rows[i], rows + i, n - i);
		for (int k = i; k < n; k++)
			done[k] |= same_columns(rows[k], rows[i]);
	}
	pfree(done);
}
