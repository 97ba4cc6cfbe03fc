/*-------------------------------------------------------------------------
 *
 * bulk.h
 *	  Many rows given to one statement.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_BULK_H
#define EVAUDIT_BULK_H

#include "access/tupdesc.h"
#include "utils/tuplestore.h"

/* The name of the rows in the statement. */
#define EVAUDIT_BULK_NAME	"evaudit_rows"

typedef struct EvauditBulk
{
	TupleDesc	desc;
	Tuplestorestate *store;
	uint64		n;
} EvauditBulk;

/* Statements that count as one. */
typedef struct EvauditBulkQuery
{
	struct EState *estate;
} EvauditBulkQuery;

extern void evaudit_bulk_begin_query(EvauditBulkQuery *query);
extern void evaudit_bulk_end_query(EvauditBulkQuery *query);
extern EvauditBulk *evaudit_bulk_make(int ncolumns);
extern void evaudit_bulk_column(EvauditBulk *bulk, int column,
								const char *name, Oid type, int32 typmod,
								Oid collation);
extern void evaudit_bulk_put(EvauditBulk *bulk, const Datum *values,
							 const bool *nulls);
extern uint64 evaudit_bulk_execute(EvauditBulk *bulk, const char *sql,
								   bool read_only);
extern void evaudit_bulk_end(EvauditBulk *bulk);

#endif							/* EVAUDIT_BULK_H */
