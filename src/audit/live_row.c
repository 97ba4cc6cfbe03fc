/*-------------------------------------------------------------------------
 *
 * live_row.c
 *	  Rows of a tracked table as they are now.
 *
 * They are read as the caller, with his grants and row security.  Every name
 * and operator in a statement is qualified: his search_path may lead to
 * others'.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "catalog/pg_class.h"
#include "catalog/pg_operator.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "audit/column.h"
#include "audit/live_row.h"
#include "server/spi.h"

/* Rows that are fetched at a time. */
#define BATCH_ROWS	1000

/* A table that others inherit from is tracked without them. */
const char *
evaudit_live_only(const EvauditPast *past)
{
	return get_rel_relkind(past->relid) == RELKIND_PARTITIONED_TABLE ?
		"" : "ONLY ";
}

/* The name of the live table as a statement may use it. */
char *
evaudit_live_name(const EvauditPast *past)
{
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(past->relid)),
									  get_rel_name(past->relid));
}

/*
 * A whole row of the table that a statement calls t.  A mere t would be a
 * column of that name, if there is one.
 */
char *
evaudit_live_whole(const EvauditPast *past)
{
	return psprintf("CAST(t.* AS %s)", evaudit_live_name(past));
}

/* Check that a column of the last query has whole rows of a table. */
void
evaudit_live_check_whole(const EvauditPast *past, int column)
{
	if (SPI_gettypeid(SPI_tuptable->tupdesc, column + 1) !=
		get_rel_type_id(past->relid))
		elog(ERROR, "unexpected type of rows of table \"%s\"", past->name);
}

/* The operator of equality of a type, with its schema. */
char *
evaudit_live_equals(Oid typid)
{
	Oid			operator = lookup_type_cache(typid,
											 TYPECACHE_EQ_OPR)->eq_opr;
	HeapTuple	tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(operator));
	Form_pg_operator form;
	char	   *result;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("could not identify an equality operator for type %s",
						format_type_be(typid))));
	form = (Form_pg_operator) GETSTRUCT(tuple);
	result = psprintf("OPERATOR(%s.%s)",
					  quote_identifier(get_namespace_name(form->oprnamespace)),
					  NameStr(form->oprname));
	ReleaseSysCache(tuple);
	return result;
}

/*
 * The values of a row, as audit would have them, by column of the past; NULL
 * where a column is not in the table or not audited.
 */
Jsonb	  **
evaudit_live_values(EvauditPast *past, Datum row)
{
	HeapTupleHeader header = DatumGetHeapTupleHeader(row);
	TupleDesc	desc = lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(header),
											  HeapTupleHeaderGetTypMod(header));
	int			ncolumns = past->tracked->ncolumns;
	int		   *columns = palloc(sizeof(int) * Max(ncolumns, 1));
	TupleTableSlot slot = {0};
	Jsonb	  **values;
	HeapTupleData tuple;
	EvauditPin	pin = {0};

	tuple.t_len = HeapTupleHeaderGetDatumLength(header);
	ItemPointerSetInvalid(&tuple.t_self);
	tuple.t_tableOid = InvalidOid;
	tuple.t_data = header;
	slot.tts_values = palloc(sizeof(Datum) * Max(desc->natts, 1));
	slot.tts_isnull = palloc(sizeof(bool) * Max(desc->natts, 1));
	heap_deform_tuple(&tuple, desc, slot.tts_values, slot.tts_isnull);
	ReleaseTupleDesc(desc);
	for (int i = 0; i < ncolumns; i++)
		columns[i] = evaudit_past_column(past,
										 text_to_cstring(past->tracked->columns[i].name),
										 PG_INT64_MAX);
	values = palloc0(sizeof(Jsonb *) * Max(past->ncolumns, 1));
	for (int i = 0; i < ncolumns; i++)
	{
		JsonbValue	value;

		evaudit_column_to_json(&past->tracked->columns[i], &slot, &pin,
							   &value);
		values[columns[i]] = evaudit_jsonb_value(&value);
	}
	evaudit_unpin_settings(&pin);
	return values;
}

/* The statement that finds a row by its key, and its parameters' types. */
static char *
find_statement(const EvauditPast *past, Oid *types)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT %s FROM %s%s t WHERE ",
					 evaudit_live_whole(past), evaudit_live_only(past), evaudit_live_name(past));
	for (int i = 0; i < past->nkeys; i++)
	{
		AttrNumber	attnum = past->columns[past->keys[i]].attnum;

		types[i] = get_atttype(past->relid, attnum);
		appendStringInfo(&sql, "%st.%s %s $%d", i == 0 ? "" : " AND ",
						 quote_identifier(past->columns[past->keys[i]].label),
						 evaudit_live_equals(types[i]), i + 1);
	}
	return sql.data;
}

/*
 * Find a row by its key, with the active snapshot; 0 if there is none, or the
 * caller may not see it.
 */
Datum
evaudit_live_find(EvauditPast *past, const char *key)
{
	MemoryContext context = CurrentMemoryContext;
	Oid			types[INDEX_MAX_KEYS];
	Datum		values[INDEX_MAX_KEYS];
	bool		nulls[INDEX_MAX_KEYS];
	char		spi_nulls[INDEX_MAX_KEYS];
	EvauditParser *parser;
	Relation	rel;
	Datum		row = (Datum) 0;

	if (!OidIsValid(past->relid) || past->nkeys == 0 ||
		pg_class_aclcheck(past->relid, GetUserId(), ACL_SELECT) != ACLCHECK_OK)
		return row;
	rel = relation_open(past->relid, AccessShareLock);
	parser = evaudit_parser_make(rel);
	evaudit_past_key_datums(past, parser, key, values, nulls);
	evaudit_parser_end(parser);
	for (int i = 0; i < past->nkeys; i++)
		spi_nulls[i] = nulls[i] ? 'n' : ' ';
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	if (SPI_execute_with_args(find_statement(past, types), past->nkeys, types,
							  values, spi_nulls, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read table \"%s\"", past->name);
	evaudit_live_check_whole(past, 0);
	if (SPI_processed > 0)
	{
		bool		isnull;
		Datum		found = evaudit_spi_datum(0, 0, &isnull);
		MemoryContext old = MemoryContextSwitchTo(context);

		row = PointerGetDatum(PG_DETOAST_DATUM_COPY(found));
		MemoryContextSwitchTo(old);
	}
	SPI_finish();
	relation_close(rel, NoLock);
	return row;
}

/*
 * Hand each row to a function, with the active snapshot, in a memory context
 * that is reset after it.
 */
void
evaudit_live_scan(EvauditPast *past, EvauditLiveTaker take, void *arg)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "evaudit live row",
												  ALLOCSET_DEFAULT_SIZES);
	char	   *sql = psprintf("SELECT %s FROM %s%s t",
							   evaudit_live_whole(past),
							   evaudit_live_only(past),
							   evaudit_live_name(past));
	Portal		portal;
	uint64		n;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	portal = SPI_cursor_open_with_args(NULL, sql, 0, NULL, NULL, NULL, true,
									   0);
	do
	{
		SPITupleTable *rows;

		SPI_cursor_fetch(portal, true, BATCH_ROWS);
		n = SPI_processed;
		rows = SPI_tuptable;
		evaudit_live_check_whole(past, 0);
		for (uint64 i = 0; i < n; i++)
		{
			MemoryContext old = MemoryContextSwitchTo(context);
			bool		isnull;

			CHECK_FOR_INTERRUPTS();
			take(SPI_getbinval(rows->vals[i], rows->tupdesc, 1, &isnull), arg);
			MemoryContextSwitchTo(old);
			MemoryContextReset(context);
		}
		SPI_freetuptable(rows);
	} while (n > 0);
	SPI_cursor_close(portal);
	SPI_finish();
	MemoryContextDelete(context);
}
