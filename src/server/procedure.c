/*-------------------------------------------------------------------------
 *
 * procedure.c
 *	  Procedures that commit.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "funcapi.h"
#include "nodes/parsenodes.h"

#include "server/procedure.h"

/* Refuse to be called in a transaction block; the hint names what may be. */
void
evaudit_check_nonatomic(FunctionCallInfo fcinfo, const char *name,
						const char *hint)
{
	if (fcinfo->context == NULL ||
		castNode(CallContext, fcinfo->context)->atomic)
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("%s cannot run in a transaction block", name),
				 errhint("%s", hint)));
}

/* The row that a procedure with one INOUT argument returns. */
Datum
evaudit_row_of_int64(FunctionCallInfo fcinfo, int64 number)
{
	Datum		value = Int64GetDatum(number);
	bool		isnull = false;
	TupleDesc	desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), &value,
											 &isnull));
}
