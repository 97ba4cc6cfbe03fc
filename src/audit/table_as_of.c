/*-------------------------------------------------------------------------
 *
 * table_as_of.c
 *	  evaudit.table_as_of(): a table as it was at a time.
 *
 * The live table is read, as the caller, and what changed since then is taken
 * back: rows that were inserted are left out, those that were deleted are
 * added, and of the others the attributes that were changed have their first
 * old value.  What did not change is not converted.  Both are read with one
 * snapshot.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "audit/item_key.h"
#include "audit/live_row.h"
#include "audit/marker.h"
#include "audit/net.h"
#include "audit/row_state.h"
#include "server/compat.h"

PG_FUNCTION_INFO_V1(evaudit_table_as_of);

/* A table that is being read as of a time. */
typedef struct AsOf
{
	EvauditPast *past;
	Relation	rel;
	EvauditNets *nets;			/* what changed since then */
	EvauditParser *parser;
	TupleTableSlot *slot;		/* a live row */
	EvauditPin	pin;			/* while its key is shown */
	ReturnSetInfo *result;
	Datum	   *values;			/* a row of the result */
	bool	   *nulls;
	MemoryContext row_context;	/* of one row */
	uint64		incomplete;		/* values that audit does not have */
} AsOf;

/* Take a change of the table's rows. */
static bool
take_change(EvauditChange *change, void *arg)
{
	AsOf	   *as_of = arg;

	if (!evaudit_change_is_of_row(change) ||
		change->operation == EVAUDIT_BASELINE || change->key == NULL ||
		!evaudit_past_has_name(as_of->past, change->relation, change->seq))
		return true;
	evaudit_nets_add(as_of->nets, as_of->past, change);
	return true;
}

/* Read what changed after a time, transaction by transaction. */
static void
read_changes(AsOf *as_of, TimestampTz at)
{
	static EvauditStatement statement =
	{
		"SELECT " EVAUDIT_CHANGE_COLUMNS " FROM $S.audit"
			" WHERE relation OPERATOR(pg_catalog.=) ANY ($1)"
			" AND modification_time OPERATOR(pg_catalog.>) $2"
			" ORDER BY pg_catalog.max(seq) OVER (PARTITION BY epoch, xid), seq",
			2,
		{
			TEXTARRAYOID, TIMESTAMPTZOID
		}, CURSOR_OPT_CUSTOM_PLAN
	};
	Datum		values[] = {evaudit_past_name_array(as_of->past),
	TimestampTzGetDatum(at)};
	EvauditReader reader;
	MemoryContext context = CurrentMemoryContext;

	as_of->nets = evaudit_nets_make();
	evaudit_changes_begin(&reader, as_of->past);
	evaudit_changes_read(&statement, values, context, take_change, as_of);
	evaudit_changes_end(&reader);
	evaudit_nets_finish(as_of->nets);
}

/* Set a column of the row of the result to what audit has of it. */
static void
set_value(AsOf *as_of, int column, Jsonb *jsonb)
{
	AttrNumber	attnum = as_of->past->columns[column].attnum;

	if (attnum == InvalidAttrNumber)
		return;
	if (evaudit_is_marker(jsonb))
	{
		as_of->incomplete++;
		as_of->nulls[attnum - 1] = true;
		return;
	}
	evaudit_parse_value(as_of->parser, attnum, jsonb,
						&as_of->values[attnum - 1],
						&as_of->nulls[attnum - 1]);
}

/* Set the row of the result to an image of a row. */
static void
set_image(AsOf *as_of, Jsonb *image, int64 seq)
{
	EvauditRowState state = {.past = as_of->past};

	memset(as_of->nulls, true, as_of->parser->desc->natts);
	evaudit_state_set_image(&state, image, seq);
	for (int i = 0; i < state.n; i++)
	{
		if (state.values[i] != NULL)
			set_value(as_of, i, state.values[i]);
	}
}

/* Set the row of the result to what a row was before it changed. */
static void
set_before(AsOf *as_of, const EvauditNet *net)
{
	if (net->before_image)
		set_image(as_of, net->before_image, net->before_seq);
	for (int i = 0; i < net->nvalues; i++)
	{
		if (net->values[i].old_value)
			set_value(as_of, net->values[i].column, net->values[i].old_value);
	}
}

/* Add the row to the result. */
static void
put_row(AsOf *as_of)
{
	evaudit_parser_end(as_of->parser);
	tuplestore_putvalues(as_of->result->setResult, as_of->result->setDesc,
						 as_of->values, as_of->nulls);
}

/* What has changed of a live row since then; NULL if nothing. */
static EvauditNet *
find_net(AsOf *as_of)
{
	TupleTableSlot *slot = as_of->slot;
	EvauditNet *net;
	text	   *key;

	if (as_of->nets->n == 0)
		return NULL;
	ExecClearTuple(slot);
	memcpy(slot->tts_values, as_of->values,
		   sizeof(Datum) * as_of->parser->desc->natts);
	memcpy(slot->tts_isnull, as_of->nulls,
		   sizeof(bool) * as_of->parser->desc->natts);
	ExecStoreVirtualTuple(slot);
	key = evaudit_item_key(as_of->past->tracked, slot, &as_of->pin);
	evaudit_unpin_settings(&as_of->pin);
	net = evaudit_nets_find(as_of->nets, as_of->past, text_to_cstring(key));
	return net && net->exists ? net : NULL;
}

/* Add a live row to the result, as it was. */
static void
put_live(AsOf *as_of, Datum row)
{
	HeapTupleHeader header = DatumGetHeapTupleHeader(row);
	HeapTupleData tuple;
	EvauditNet *net;

	tuple.t_len = HeapTupleHeaderGetDatumLength(header);
	ItemPointerSetInvalid(&tuple.t_self);
	tuple.t_tableOid = InvalidOid;
	tuple.t_data = header;
	heap_deform_tuple(&tuple, as_of->parser->desc, as_of->values,
					  as_of->nulls);
	net = find_net(as_of);
	if (net)
	{
		net->matched = true;
		if (net->before_key == NULL)
			return;
		set_before(as_of, net);
	}
	put_row(as_of);
}

/* Take a live row. */
static void
take_live(Datum row, void *arg)
{
	put_live(arg, row);
}

/* Add the rows that were there then, and are not now. */
static void
put_deleted_rows(AsOf *as_of)
{
	uint64		missing = 0;

	for (int i = 0; i < as_of->nets->n; i++)
	{
		EvauditNet *net = as_of->nets->nets[i];
		MemoryContext old = MemoryContextSwitchTo(as_of->row_context);

		CHECK_FOR_INTERRUPTS();
		if (!net->matched && net->before_key != NULL)
		{
			if (net->before_image)
			{
				set_before(as_of, net);
				put_row(as_of);
			}
			else
				missing++;
		}
		MemoryContextSwitchTo(old);
		MemoryContextReset(as_of->row_context);
	}
	if (missing > 0)
		ereport(WARNING,
				(errmsg("%llu rows of table %s were there then and cannot be told from the audit",
						(unsigned long long) missing, as_of->past->name),
				 errdetail("They were changed since then, and are not in the table, though no change deleted them.")));
	if (as_of->incomplete > 0)
		ereport(WARNING,
				(errmsg("%llu values of table %s are not in the audit, and are shown as null",
						(unsigned long long) as_of->incomplete,
						as_of->past->name)));
}

/* The table whose row type the first argument has. */
static EvauditPast *
open_template(FunctionCallInfo fcinfo)
{
	Oid			type = get_fn_expr_argtype(fcinfo->flinfo, 0);
	Oid			relid = OidIsValid(type) ? get_typ_typrelid(type) : InvalidOid;
	EvauditPast *past;

	if (!OidIsValid(relid) || get_rel_relkind(relid) == RELKIND_COMPOSITE_TYPE)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("template must be a row of a table"),
				 errhint("Write NULL::schema.table.")));
	past = evaudit_past_of_table(relid);
	if (past->relid != relid)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("table \"%s\" is tracked as a partition",
						get_rel_name(relid)),
				 errhint("Write NULL::%s.", past->name)));
	if (past->nkeys == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table %s has no key", past->name),
				 errhint("Add a primary key.")));
	return past;
}

/*
 * SQL: evaudit.table_as_of(template anyelement, at timestamptz)
 * RETURNS SETOF anyelement
 */
Datum
evaudit_table_as_of(PG_FUNCTION_ARGS)
{
	AsOf		as_of = {.past = open_template(fcinfo)};
	int			natts;

	if (PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("\"at\" must not be null")));
	InitMaterializedSRF(fcinfo, 0);
	as_of.result = (ReturnSetInfo *) fcinfo->resultinfo;
	as_of.rel = relation_open(as_of.past->relid, AccessShareLock);
	as_of.parser = evaudit_parser_make(as_of.rel);
	natts = as_of.parser->desc->natts;
	as_of.slot = MakeSingleTupleTableSlot(as_of.parser->desc, &TTSOpsVirtual);
	as_of.values = palloc0(sizeof(Datum) * natts);
	as_of.nulls = palloc0(sizeof(bool) * natts);
	as_of.row_context = AllocSetContextCreate(CurrentMemoryContext,
											  "evaudit row as of",
											  ALLOCSET_DEFAULT_SIZES);
	read_changes(&as_of, PG_GETARG_TIMESTAMPTZ(1));
	evaudit_live_scan(as_of.past, take_live, &as_of);
	put_deleted_rows(&as_of);
	relation_close(as_of.rel, NoLock);
	return (Datum) 0;
}
