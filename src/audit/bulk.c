/*-------------------------------------------------------------------------
 *
 * bulk.c
 *	  Many rows given to one statement.
 *
 * The statement sees them as a table of typed columns, as triggers see their
 * transition tables.  It is run as the current user, and names and operators
 * in it have to be qualified; the rows' name comes before any table's.
 *
 * Constraints and AFTER triggers of the statement are not run at its end, but
 * at evaudit_bulk_end_query(), so that several statements count as one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/trigger.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/queryenvironment.h"
#include "utils/snapmgr.h"

#include "audit/bulk.h"

/* Begin a set of rows. */
EvauditBulk *
evaudit_bulk_make(int ncolumns)
{
	EvauditBulk *bulk = palloc0(sizeof(EvauditBulk));

	bulk->desc = CreateTemplateTupleDesc(ncolumns);
	bulk->store = tuplestore_begin_heap(false, false, work_mem);
	return bulk;
}

/* Define a column; they count from 1. */
void
evaudit_bulk_column(EvauditBulk *bulk, int column, const char *name, Oid type,
					int32 typmod, Oid collation)
{
	TupleDescInitEntry(bulk->desc, column, name, type, typmod, 0);
	if (OidIsValid(collation))
		TupleDescInitEntryCollation(bulk->desc, column, collation);
}

/* Add a row. */
void
evaudit_bulk_put(EvauditBulk *bulk, const Datum *values, const bool *nulls)
{
	tuplestore_putvalues(bulk->store, bulk->desc, unconstify(Datum *, values),
						 unconstify(bool *, nulls));
	bulk->n++;
}

/* Make the rows known to the statements of the connection to SPI. */
static void
register_rows(EvauditBulk *bulk)
{
	EphemeralNamedRelation rows = palloc0(sizeof(EphemeralNamedRelationData));
	int			result;

	rows->md.name = pstrdup(EVAUDIT_BULK_NAME);
	rows->md.tupdesc = bulk->desc;
	rows->md.enrtype = ENR_NAMED_TUPLESTORE;
	rows->md.enrtuples = (double) bulk->n;
	rows->reldata = bulk->store;
	result = SPI_register_relation(rows);
	if (result != SPI_OK_REL_REGISTER)
		elog(ERROR, "could not give rows to a statement: %s",
			 SPI_result_code_string(result));
}

/*
 * Run a statement over the rows, within a connection to SPI.  Returns how
 * many rows it processed; those it returns are in SPI_tuptable.
 */
uint64
evaudit_bulk_execute(EvauditBulk *bulk, const char *sql, bool read_only)
{
	SPIPlanPtr	plan;
	int			result;

	register_rows(bulk);
	plan = SPI_prepare(sql, 0, NULL);
	if (plan == NULL)
		elog(ERROR, "could not prepare \"%s\": %s", sql,
			 SPI_result_code_string(SPI_result));
	result = SPI_execute_snapshot(plan, NULL, NULL, InvalidSnapshot,
								  InvalidSnapshot, read_only, false, 0);
	if (result < 0)
		elog(ERROR, "could not execute \"%s\": %s", sql,
			 SPI_result_code_string(result));
	SPI_freeplan(plan);
	(void) SPI_unregister_relation(EVAUDIT_BULK_NAME);
	return SPI_processed;
}

/* Give the memory back. */
void
evaudit_bulk_end(EvauditBulk *bulk)
{
	tuplestore_end(bulk->store);
	FreeTupleDesc(bulk->desc);
	pfree(bulk);
}

/* Have the statements that follow count as one. */
void
evaudit_bulk_begin_query(EvauditBulkQuery *query)
{
	query->estate = CreateExecutorState();
	AfterTriggerBeginQuery();
}

/* Check constraints and fire triggers on account of all of them. */
void
evaudit_bulk_end_query(EvauditBulkQuery *query)
{
	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
	AfterTriggerEndQuery(query->estate);
	PopActiveSnapshot();
	ExecCloseResultRelations(query->estate);
	ExecResetTupleTable(query->estate->es_tupleTable, false);
	FreeExecutorState(query->estate);
}
