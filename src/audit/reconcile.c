/*-------------------------------------------------------------------------
 *
 * reconcile.c
 *	  evaudit.reconcile(): is the table what its audit says?
 *
 * All changes are reduced to the row that each key has after them, and these
 * are compared with the live rows, with one snapshot.  A difference is what
 * no trigger saw: triggers were disabled, or rows were there before the table
 * was tracked and have no baseline.  Columns of which the audit knows no value
 * are not compared.
 *
 * Memory: what the audit has of each row at last.
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
#include "utils/memutils.h"
#include "utils/tuplestore.h"

#include "audit/item_key.h"
#include "audit/live_row.h"
#include "audit/marker.h"
#include "audit/net.h"
#include "audit/row_state.h"
#include "server/progress.h"

/* How often it says how far it is. */
#define PROGRESS_ROWS	1000

PG_FUNCTION_INFO_V1(evaudit_reconcile);

/* A table that is compared with its audit. */
typedef struct Reconcile
{
	EvauditPast *past;
	EvauditNets *nets;
	ReturnSetInfo *result;
	TupleDesc	desc;			/* of the table */
	TupleTableSlot *slot;
	EvauditProgress *progress;	/* of changes that are read, then of rows */
	int64		n;				/* of these */
} Reconcile;

/* Begin to count; -1: how many there are is not known. */
static void
begin_counting(Reconcile *reconcile, const char *unit, int64 total)
{
	reconcile->n = 0;
	reconcile->progress = evaudit_progress_begin("reconcile",
												 reconcile->past->name, unit,
												 total);
}

/* One more. */
static void
count(Reconcile *reconcile)
{
	if (++reconcile->n % PROGRESS_ROWS == 0)
		evaudit_progress_add(reconcile->progress, PROGRESS_ROWS);
}

/* Take a change of the table's rows. */
static bool
take_change(EvauditChange *change, void *arg)
{
	Reconcile  *reconcile = arg;

	count(reconcile);
	if (evaudit_change_is_of_row(change) && change->key != NULL &&
		evaudit_past_has_name(reconcile->past, change->relation, change->seq))
		evaudit_nets_add(reconcile->nets, reconcile->past, change);
	return true;
}

/* Read all changes of the table, transaction by transaction. */
static void
read_changes(Reconcile *reconcile)
{
	static EvauditStatement statement = {
		"SELECT " EVAUDIT_CHANGE_COLUMNS " FROM $S.audit"
		" WHERE relation OPERATOR(pg_catalog.=) ANY ($1)"
		" ORDER BY pg_catalog.max(seq) OVER (PARTITION BY epoch, xid), seq",
		1, {TEXTARRAYOID}, CURSOR_OPT_CUSTOM_PLAN
	};
	Datum		values[] = {evaudit_past_name_array(reconcile->past)};
	EvauditReader reader;
	MemoryContext context = CurrentMemoryContext;

	begin_counting(reconcile, "changes", -1);
	reconcile->nets = evaudit_nets_make();
	evaudit_changes_begin(&reader, reconcile->past);
	evaudit_changes_read(&statement, values, context, take_change, reconcile);
	evaudit_changes_end(&reader);
	evaudit_nets_finish(reconcile->nets);
	evaudit_progress_end(reconcile->progress);
}

/* Report a difference; NULL: nothing there. */
static void
report(Reconcile *reconcile, const char *key, const char *attribute,
	   Jsonb *audited, Jsonb *stored)
{
	Datum		values[4] = {0};
	bool		nulls[4] = {false, attribute == NULL, audited == NULL,
	stored == NULL};

	values[0] = CStringGetTextDatum(key);
	if (attribute)
		values[1] = CStringGetTextDatum(attribute);
	values[2] = PointerGetDatum(audited);
	values[3] = PointerGetDatum(stored);
	tuplestore_putvalues(reconcile->result->setResult,
						 reconcile->result->setDesc, values, nulls);
}

/* What the audit has of a row. */
static EvauditRowState
audited_state(const EvauditNet *net)
{
	EvauditRowState state = {.past = net->past};

	if (net->after_image)
		evaudit_state_set_image(&state, net->after_image, net->after_seq);
	for (int i = 0; i < net->nvalues; i++)
	{
		if (net->values[i].new_value)
			evaudit_state_set(&state, net->values[i].column,
							  net->values[i].new_value);
	}
	return state;
}

/* Compare a row of both. */
static void
compare(Reconcile *reconcile, const char *key, const EvauditNet *net,
		const EvauditRowState *live)
{
	EvauditRowState audited = audited_state(net);

	for (int i = 0; i < audited.n; i++)
	{
		Jsonb	   *a = audited.values[i];
		Jsonb	   *b = evaudit_state_get(live, i);

		if (a == NULL || b == NULL || evaudit_is_marker(a) ||
			(VARSIZE(a) == VARSIZE(b) && memcmp(a, b, VARSIZE(a)) == 0))
			continue;
		report(reconcile, key, reconcile->past->columns[i].label, a, b);
	}
}

/* Look for a live row in the audit. */
static void
compare_live(Reconcile *reconcile, Datum row)
{
	HeapTupleHeader header = DatumGetHeapTupleHeader(row);
	EvauditRowState live = {.past = reconcile->past};
	HeapTupleData tuple;
	EvauditPin	pin = {0};
	EvauditNet *net;
	char	   *key;

	tuple.t_len = HeapTupleHeaderGetDatumLength(header);
	ItemPointerSetInvalid(&tuple.t_self);
	tuple.t_tableOid = InvalidOid;
	tuple.t_data = header;
	ExecClearTuple(reconcile->slot);
	heap_deform_tuple(&tuple, reconcile->desc, reconcile->slot->tts_values,
					  reconcile->slot->tts_isnull);
	ExecStoreVirtualTuple(reconcile->slot);
	key = text_to_cstring(evaudit_item_key(reconcile->past->tracked,
										   reconcile->slot, &pin));
	evaudit_unpin_settings(&pin);
	net = evaudit_nets_find(reconcile->nets, reconcile->past, key);
	evaudit_state_set_live(&live, row);
	if (net == NULL || !net->exists)
		report(reconcile, key, NULL, NULL,
			   evaudit_state_row(&live, PG_INT64_MAX));
	else
	{
		net->matched = true;
		compare(reconcile, key, net, &live);
	}
}

/* Take a live row. */
static void
take_live(Datum row, void *arg)
{
	Reconcile  *reconcile = arg;

	compare_live(reconcile, row);
	count(reconcile);
}

/* Report rows of the audit that the table has not. */
static void
report_missing(Reconcile *reconcile)
{
	for (int i = 0; i < reconcile->nets->n; i++)
	{
		EvauditNet *net = reconcile->nets->nets[i];
		EvauditRowState audited;

		CHECK_FOR_INTERRUPTS();
		if (net->matched || net->lost || !net->exists)
			continue;
		audited = audited_state(net);
		report(reconcile, net->key, NULL,
			   evaudit_state_row(&audited, PG_INT64_MAX), NULL);
	}
}

/*
 * SQL: evaudit.reconcile(relation regclass) RETURNS TABLE (item_key text,
 * attribute text, audited jsonb, stored jsonb)
 */
Datum
evaudit_reconcile(PG_FUNCTION_ARGS)
{
	Reconcile	reconcile = {.past = evaudit_past_of_table(PG_GETARG_OID(0))};
	Relation	rel;

	if (reconcile.past->nkeys == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table %s has no key", reconcile.past->name),
				 errhint("Add a primary key.")));
	InitMaterializedSRF(fcinfo, 0);
	reconcile.result = (ReturnSetInfo *) fcinfo->resultinfo;
	rel = relation_open(reconcile.past->relid, AccessShareLock);
	reconcile.desc = CreateTupleDescCopy(RelationGetDescr(rel));
	reconcile.slot = MakeSingleTupleTableSlot(reconcile.desc, &TTSOpsVirtual);
	read_changes(&reconcile);
	begin_counting(&reconcile, "rows", reconcile.nets->n);
	evaudit_live_scan(reconcile.past, take_live, &reconcile);
	evaudit_progress_end(reconcile.progress);
	report_missing(&reconcile);
	relation_close(rel, NoLock);
	return (Datum) 0;
}
