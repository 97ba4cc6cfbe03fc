/*-------------------------------------------------------------------------
 *
 * capture.c
 *	  The triggers of tracked tables: a change becomes audit rows.
 *
 * evaudit.capture() fires after each row, in the transaction of the change.
 * An INSERT or DELETE writes one audit row, with the whole row; an UPDATE one
 * for each attribute that neither is stored nor shows as before, and none if
 * there is no such.  evaudit.capture_truncate() fires before a TRUNCATE and
 * writes one for each row that is about to be removed.
 *
 * Who changes it, and when, is read before values are converted, as that may
 * run functions of users.
 *
 * Memory comes from the caller's context, which lives for one trigger call.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "audit/audit_log.h"
#include "audit/audit_stats.h"
#include "audit/capture.h"
#include "audit/capture_trigger.h"
#include "audit/change.h"
#include "audit/column.h"
#include "audit/datum_fallback.h"
#include "audit/hmac_keys.h"
#include "audit/identity.h"
#include "audit/item_key.h"
#include "audit/replicated.h"
#include "audit/segment_job.h"
#include "audit/skip.h"
#include "audit/tracked.h"
#include "server/compat.h"
#include "server/spi.h"

/* Rows of a foreign table that are fetched at a time. */
#define FOREIGN_ROWS	1000

bool		evaudit_capture_suspended = false;

PG_FUNCTION_INFO_V1(evaudit_capture);
PG_FUNCTION_INFO_V1(evaudit_capture_truncate);

/* Set up what audit needs when the library is loaded. */
void
evaudit_audit_init(void)
{
	evaudit_context_init();
	evaudit_hmac_init();
	evaudit_skip_init();
	evaudit_segments_init();
	evaudit_history_init();
	if (process_shared_preload_libraries_in_progress)
		evaudit_audit_stats_init();
}

/*
 * Make a row fit into jsonb: of its values the largest go, which audit then
 * only tells of.
 */
static void
fit_row(EvauditTracked *tracked, TupleTableSlot *slot, EvauditPin *pin,
		JsonbValue *values)
{
	for (;;)
	{
		Size		room = tracked->object->len;
		int			largest = 0;
		EvauditColumn *column;

		for (int i = 0; i < tracked->ncolumns; i++)
		{
			room += evaudit_jsonb_room(&values[i]);
			if (evaudit_jsonb_room(&values[i]) >
				evaudit_jsonb_room(&values[largest]))
				largest = i;
		}
		if (room <= EVAUDIT_JSONB_MAX)
			return;
		column = &tracked->columns[largest];
		evaudit_fallback_unavailable(&column->type,
									 slot->tts_values[column->index], pin,
									 &values[largest]);
	}
}

/* The whole row in a slot as an object. */
static Jsonb *
row_to_jsonb(EvauditTracked *tracked, TupleTableSlot *slot, EvauditPin *pin)
{
	JsonbValue *values = palloc(sizeof(JsonbValue) *
								Max(tracked->ncolumns, 1));

	for (int i = 0; i < tracked->ncolumns; i++)
		evaudit_column_to_json(&tracked->columns[i], slot, pin, &values[i]);
	fit_row(tracked, slot, pin, values);
	return evaudit_jsonb_object(tracked->object, values);
}

/* Write the audit row of a row that was added or removed. */
static void
capture_row(EvauditTracked *tracked, EvauditOperation operation,
			TupleTableSlot *slot)
{
	EvauditAuditRow row = {
		.operation = operation,
		.context = evaudit_context_take(),
		.relation = tracked->name,
		.relid = tracked->root,
	};
	EvauditAuditLog log;
	EvauditPin	pin = {0};
	Jsonb	   *whole;

	slot_getallattrs(slot);
	whole = row_to_jsonb(tracked, slot, &pin);
	row.item_key = evaudit_item_key(tracked, slot, &pin);
	evaudit_unpin_settings(&pin);

	if (operation == EVAUDIT_INSERT || operation == EVAUDIT_BASELINE)
		row.new_value = whole;
	else
		row.old_value = whole;
	evaudit_audit_open(&log);
	evaudit_audit_write(&log, &row);
	evaudit_audit_close(&log);
	evaudit_audit_stats_count(tracked->root, 1);
}

/* Write the audit row of a row that was there before its table was tracked. */
void
evaudit_capture_baseline(EvauditTracked *tracked, TupleTableSlot *slot)
{
	if (!tracked->known)
		(void) evaudit_identity_adopt(tracked->root, false);
	capture_row(tracked, EVAUDIT_BASELINE, slot);
}

/* Write an audit row for each attribute that an UPDATE changed. */
static void
capture_update(EvauditTracked *tracked, TupleTableSlot *old,
			   TupleTableSlot *new)
{
	EvauditAuditRow *rows = palloc(sizeof(EvauditAuditRow) *
								   Max(tracked->ncolumns, 1));
	const EvauditContext *context = evaudit_context_take();
	EvauditAuditLog log;
	EvauditPin	pin = {0};
	text	   *key = NULL;
	int			nrows = 0;
	bool		ignored = true;

	slot_getallattrs(old);
	slot_getallattrs(new);
	for (int i = 0; i < tracked->ncolumns; i++)
	{
		if (!evaudit_column_describe(&tracked->columns[i], old, new, &pin,
									 &rows[nrows]))
			continue;
		ignored &= tracked->columns[i].rule.ignored;
		nrows++;
	}
	if (ignored)
		nrows = 0;
	if (nrows > 0)
		key = evaudit_item_key(tracked, old, &pin);
	evaudit_unpin_settings(&pin);
	if (nrows == 0)
		return;

	evaudit_audit_open(&log);
	for (int i = 0; i < nrows; i++)
	{
		rows[i].operation = EVAUDIT_UPDATE;
		rows[i].context = context;
		rows[i].relation = tracked->name;
		rows[i].relid = tracked->root;
		rows[i].item_key = key;
		evaudit_audit_write(&log, &rows[i]);
	}
	evaudit_audit_close(&log);
	evaudit_audit_stats_count(tracked->root, nrows);
}

/* What an event of a row trigger is called in the audit. */
static EvauditOperation
operation_of(TriggerEvent event)
{
	if (TRIGGER_FIRED_BY_INSERT(event))
		return EVAUDIT_INSERT;
	return TRIGGER_FIRED_BY_UPDATE(event) ? EVAUDIT_UPDATE : EVAUDIT_DELETE;
}

/* Row trigger: audit one changed row. */
Datum
evaudit_capture(PG_FUNCTION_ARGS)
{
	TriggerData *data = evaudit_capture_check(fcinfo, EVAUDIT_CAPTURE_ROW);
	EvauditTracked *tracked;
	EvauditOperation operation;

	if (evaudit_capture_suspended || evaudit_audit_is_replicated())
		PG_RETURN_POINTER(NULL);

	/* a row that was waited for may have a type that has changed meanwhile */
	AcceptInvalidationMessages();
	tracked = evaudit_tracked_get(data->tg_relation, data->tg_trigger->tgoid);
	if (!tracked->known &&
		!evaudit_identity_adopt(tracked->root,
								TRIGGER_FIRED_BY_INSERT(data->tg_event)))
		PG_RETURN_POINTER(NULL);
	operation = operation_of(data->tg_event);
	if (!tracked->operations[operation] || evaudit_skip(tracked))
		PG_RETURN_POINTER(NULL);
	if (operation == EVAUDIT_UPDATE)
		capture_update(tracked, data->tg_trigslot, data->tg_newslot);
	else
		capture_row(tracked, operation, data->tg_trigslot);
	PG_RETURN_POINTER(NULL);
}

/* Audit each row of a table that is about to be truncated. */
static void
capture_all(EvauditTracked *tracked, Relation rel)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "evaudit truncated row",
												  ALLOCSET_DEFAULT_SIZES);
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	Snapshot	snapshot;
	TableScanDesc scan;
	bool		first = true;

	/*
	 * TRUNCATE removes also what was committed after our snapshot was taken.
	 * The table is locked, so that the latest snapshot sees all of it.
	 */
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	scan = evaudit_compat_begin_scan(rel, snapshot);
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		MemoryContext old = MemoryContextSwitchTo(context);

		CHECK_FOR_INTERRUPTS();
		if (first && !tracked->known)
			(void) evaudit_identity_adopt(tracked->root, false);
		first = false;
		capture_row(tracked, EVAUDIT_TRUNCATE, slot);
		MemoryContextSwitchTo(old);
		MemoryContextReset(context);
	}
	table_endscan(scan);
	UnregisterSnapshot(snapshot);
	ExecDropSingleTupleTableSlot(slot);
	MemoryContextDelete(context);
}

/* The same of a foreign table, whose rows a query brings. */
static void
capture_all_foreign(EvauditTracked *tracked, Relation rel)
{
	TupleDesc	desc = RelationGetDescr(rel);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(desc, &TTSOpsVirtual);
	char	   *query = psprintf("SELECT * FROM ONLY %s",
								 quote_qualified_identifier(get_namespace_name(RelationGetNamespace(rel)),
															RelationGetRelationName(rel)));
	Portal		portal;

	SPI_connect();
	portal = SPI_cursor_open_with_args(NULL, query, 0, NULL, NULL, NULL, true,
									   0);
	for (;;)
	{
		SPI_cursor_fetch(portal, true, FOREIGN_ROWS);
		if (SPI_processed == 0)
			break;
		if (!tracked->known)
			(void) evaudit_identity_adopt(tracked->root, false);
		for (uint64 i = 0; i < SPI_processed; i++)
		{
			int			column = 0;

			CHECK_FOR_INTERRUPTS();
			ExecClearTuple(slot);
			for (int k = 0; k < desc->natts; k++)
			{
				slot->tts_isnull[k] = true;
				if (!TupleDescAttr(desc, k)->attisdropped)
					slot->tts_values[k] = evaudit_spi_datum((int) i, column++,
															&slot->tts_isnull[k]);
			}
			ExecStoreVirtualTuple(slot);
			capture_row(tracked, EVAUDIT_TRUNCATE, slot);
		}
		SPI_freetuptable(SPI_tuptable);
	}
	SPI_cursor_close(portal);
	SPI_finish();
	ExecDropSingleTupleTableSlot(slot);
}

/* Statement trigger: audit the rows of a table before they are truncated. */
Datum
evaudit_capture_truncate(PG_FUNCTION_ARGS)
{
	TriggerData *data = evaudit_capture_check(fcinfo,
											  EVAUDIT_CAPTURE_TRUNCATE);
	Relation	rel = data->tg_relation;
	const Trigger *trigger = evaudit_capture_find(rel, EVAUDIT_CAPTURE_ROW);

	/* a partition that was detached from a tracked table is tracked no more */
	if (trigger != NULL && !evaudit_capture_suspended &&
		!evaudit_audit_is_replicated())
	{
		EvauditTracked *tracked = evaudit_tracked_get(rel, trigger->tgoid);

		if (!tracked->operations[EVAUDIT_TRUNCATE] || evaudit_skip(tracked))
			PG_RETURN_POINTER(NULL);
		if (rel->rd_rel->relkind == RELKIND_FOREIGN_TABLE)
			capture_all_foreign(tracked, rel);
		else
			capture_all(tracked, rel);
	}
	PG_RETURN_POINTER(NULL);
}
