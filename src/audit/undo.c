/*-------------------------------------------------------------------------
 *
 * undo.c
 *	  evaudit.undo() and restore_row(): changes are taken back.
 *
 * What a transaction, a request or some rows of audit did is reduced to what
 * it amounts to for each row, which is then undone as the caller, with his
 * rights, triggers and row security; it is audited as any change is.  undo()
 * does it in one transaction, as if by one statement, for a bounded number of
 * rows.  undo_all.c does it in batches.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "audit/life.h"
#include "audit/live_row.h"
#include "audit/undo.h"
#include "server/arguments.h"
#include "server/spi.h"

/* Conflicts that an error tells of. */
#define MAX_TOLD	10

PG_FUNCTION_INFO_V1(evaudit_undo);
PG_FUNCTION_INFO_V1(evaudit_restore_row);

/* The table that a change is of. */
static EvauditPast *
find_past(EvauditUndoSelection *selection, const EvauditChange *change)
{
	EvauditPast *past;
	ListCell   *cell;

	foreach(cell, selection->pasts)
	{
		past = lfirst(cell);
		if (evaudit_past_has_name(past, change->relation, change->seq))
			return past;
	}
	past = evaudit_past_at(change->relation, change->seq);
	foreach(cell, selection->pasts)
	{
		EvauditPast *other = lfirst(cell);

		if (OidIsValid(past->relid) && other->relid == past->relid)
			return other;
	}
	selection->pasts = lappend(selection->pasts, past);
	return past;
}

/* Take a change, if it is one of a row. */
static bool
take_change(EvauditChange *change, void *arg)
{
	EvauditUndoSelection *selection = arg;

	if (!evaudit_change_is_of_row(change) ||
		change->operation == EVAUDIT_BASELINE)
		return true;
	if (change->key == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot undo changes of table %s, which has no key",
						change->relation),
				 errhint("Select the other changes by \"seqs\".")));
	evaudit_nets_add(selection->nets, find_past(selection, change), change);
	return true;
}

#define SELECT_CHANGES	"SELECT " EVAUDIT_CHANGE_COLUMNS " FROM $S.audit WHERE "
#define BY_TRANSACTION \
	" ORDER BY pg_catalog.max(seq) OVER (PARTITION BY epoch, xid), seq"

/* Read what is to be undone: exactly one of three arguments says it. */
void
evaudit_undo_select(FunctionCallInfo fcinfo, EvauditUndoSelection *selection)
{
	static EvauditStatement by_xid = {
		SELECT_CHANGES "xid OPERATOR(pg_catalog.=) $1"
		" AND epoch OPERATOR(pg_catalog.=) $2 ORDER BY seq",
		2, {XID8OID, INT4OID}, CURSOR_OPT_CUSTOM_PLAN
	};
	static EvauditStatement by_request = {
		SELECT_CHANGES "request_id OPERATOR(pg_catalog.=) $1" BY_TRANSACTION,
		1, {TEXTOID}, CURSOR_OPT_CUSTOM_PLAN
	};
	static EvauditStatement by_seqs = {
		SELECT_CHANGES "seq OPERATOR(pg_catalog.=) ANY ($1)" BY_TRANSACTION,
		1, {INT8ARRAYOID}, CURSOR_OPT_CUSTOM_PLAN
	};
	EvauditStatement *statements[] = {&by_xid, &by_request, &by_seqs};
	MemoryContext context = CurrentMemoryContext;
	int			which = -1;
	Datum		values[2];

	for (int i = 0; i < lengthof(statements); i++)
	{
		if (PG_ARGISNULL(i))
			continue;
		if (which >= 0)
			which = lengthof(statements);
		else
			which = i;
	}
	if (which < 0 || which == lengthof(statements))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("give one of \"xid\", \"request_id\" and \"seqs\"")));
	values[0] = PG_GETARG_DATUM(which);
	values[1] = Int32GetDatum(evaudit_context_epoch());
	selection->pasts = NIL;
	selection->nets = evaudit_nets_make();
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	evaudit_changes_read(statements[which], values, context, take_change,
						 selection);
	SPI_finish();
	evaudit_nets_finish(selection->nets);
}

/* The mode in the fourth argument: what becomes of rows with conflicts. */
char *
evaudit_undo_mode(FunctionCallInfo fcinfo, EvauditUndo *undo)
{
	char	   *mode = evaudit_text_argument(fcinfo, 3, "mode");

	if (strcmp(mode, "error") != 0 && strcmp(mode, "skip") != 0 &&
		strcmp(mode, "force") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("mode must be \"error\", \"skip\" or \"force\"")));
	undo->force = strcmp(mode, "force") == 0;
	return mode;
}

/* Refuse to do anything if there is a conflict, and tell of the first ones. */
void
evaudit_undo_check(const EvauditUndo *undo)
{
	StringInfoData detail;
	int			n = 0;

	initStringInfo(&detail);
	for (int i = 0; i < undo->n; i++)
	{
		EvauditUndoRow *row = undo->rows[i];

		if (row->conflict == NULL || n++ >= MAX_TOLD)
			continue;
		appendStringInfo(&detail, "%s%s, key %s: %s.", n > 1 ? "\n" : "",
						 row->net->past->name, row->key, row->conflict);
	}
	if (n > 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg_plural("%d row cannot be brought back",
							   "%d rows cannot be brought back", n, n),
				 errdetail_internal("%s", detail.data),
				 errhint("A dry run lists them. Use mode \"skip\" to leave them as they are, or \"force\" to do what can be done.")));
}

/* Columns of undo(). */
enum
{
	UNDO_RELATION, UNDO_KEY, UNDO_ACTION, UNDO_CHANGES, UNDO_CONFLICT,
	UNDO_DONE, UNDO_COLUMNS
};

/* Tell what was planned for a row, and whether it was done. */
static void
put_result(const EvauditUndo *undo, const EvauditUndoRow *row,
		   ReturnSetInfo *result)
{
	Datum		values[UNDO_COLUMNS] = {0};
	bool		nulls[UNDO_COLUMNS] = {false};
	bool		done = !undo->dry_run && !row->impossible &&
		row->action != EVAUDIT_UNDO_NONE &&
		(row->conflict == NULL || undo->force);

	values[UNDO_RELATION] = CStringGetTextDatum(row->net->past->name);
	values[UNDO_KEY] = CStringGetTextDatum(row->key);
	values[UNDO_ACTION] =
		CStringGetTextDatum(evaudit_undo_actions[row->action]);
	nulls[UNDO_CHANGES] = row->changes == NULL;
	if (row->changes)
		values[UNDO_CHANGES] = JsonbPGetDatum(row->changes);
	nulls[UNDO_CONFLICT] = row->conflict == NULL;
	if (row->conflict)
		values[UNDO_CONFLICT] = CStringGetTextDatum(row->conflict);
	values[UNDO_DONE] = BoolGetDatum(done);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/*
 * SQL: evaudit.undo(xid xid8, request_id text, seqs bigint[], mode text,
 * dry_run boolean) RETURNS TABLE (relation text, item_key text, action text,
 * changes jsonb, conflict text, done boolean)
 */
Datum
evaudit_undo(PG_FUNCTION_ARGS)
{
	EvauditUndo undo = {.dry_run = PG_ARGISNULL(4) || PG_GETARG_BOOL(4)};
	char	   *mode = evaudit_undo_mode(fcinfo, &undo);
	ReturnSetInfo *result;
	EvauditUndoSelection selection;

	InitMaterializedSRF(fcinfo, 0);
	result = (ReturnSetInfo *) fcinfo->resultinfo;
	evaudit_undo_select(fcinfo, &selection);
	if (selection.nets->n > EVAUDIT_UNDO_ROWS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("cannot undo changes of %d rows in one transaction",
						selection.nets->n),
				 errhint("Use CALL evaudit.undo_all(), which commits after every %d rows.",
						 EVAUDIT_UNDO_ROWS)));
	evaudit_undo_plan(&undo, selection.nets->nets, selection.nets->n);
	if (!undo.dry_run)
	{
		if (strcmp(mode, "error") == 0)
			evaudit_undo_check(&undo);
		evaudit_undo_apply(&undo);
	}
	for (int i = 0; i < undo.n; i++)
		put_result(&undo, undo.rows[i], result);
	return (Datum) 0;
}

/* The row of a key as it was at a time, as what changes since then undid. */
static EvauditNet *
make_net(EvauditPast *past, Jsonb *key, TimestampTz at)
{
	JsonbValue	elements[INDEX_MAX_KEYS];
	EvauditNet *net = palloc0(sizeof(EvauditNet));
	Datum		live;

	net->past = past;
	net->key = evaudit_past_key(past, key, elements);
	net->before_image = evaudit_row_at(past, net->key, elements, at);
	net->before_seq = PG_INT64_MAX;
	net->before_key = net->before_image ? net->key : NULL;
	live = evaudit_live_find(past, net->key);
	net->exists = live != (Datum) 0;
	if (net->exists)
	{
		EvauditRowState state = {.past = past};

		evaudit_state_set_live(&state, live);
		net->after_image = evaudit_state_row(&state, PG_INT64_MAX);
		net->after_seq = PG_INT64_MAX;
	}
	return net;
}

/*
 * SQL: evaudit.restore_row(relation regclass, key jsonb, at timestamptz)
 * RETURNS text, what was done: INSERT, UPDATE, DELETE or NONE
 */
Datum
evaudit_restore_row(PG_FUNCTION_ARGS)
{
	EvauditUndo undo = {.ignore_dropped = true};
	EvauditNet *net = make_net(evaudit_past_of_table(PG_GETARG_OID(0)),
							   PG_GETARG_JSONB_P(1),
							   PG_GETARG_TIMESTAMPTZ(2));

	evaudit_undo_plan(&undo, &net, 1);
	evaudit_undo_check(&undo);
	evaudit_undo_apply(&undo);
	PG_RETURN_TEXT_P(cstring_to_text(evaudit_undo_actions[undo.rows[0]->action]));
}
