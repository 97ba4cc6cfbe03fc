/*-------------------------------------------------------------------------
 *
 * baseline.c
 *	  evaudit.baseline(): rows that were there before their table was tracked.
 *
 * For each row whose audit does not begin with an image of it, a row BASELINE
 * is written, with the row as it is now.  The row is locked meanwhile, so
 * that its place among the row's changes is right.  Rows that have one
 * already, or that were inserted since, are passed by, so that it can be
 * called again.
 *
 * The table is read by ranges of blocks; baseline_all() commits after each.
 * Rows that are added or move meanwhile were audited doing so.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "audit/audit_log.h"
#include "audit/capture.h"
#include "audit/capture_trigger.h"
#include "audit/change.h"
#include "audit/item_key.h"
#include "audit/past.h"
#include "server/compat.h"
#include "server/procedure.h"
#include "server/progress.h"
#include "server/spi.h"

/* Blocks that are read at a time. */
#define BATCH_BLOCKS	1024

PG_FUNCTION_INFO_V1(evaudit_baseline);
PG_FUNCTION_INFO_V1(evaudit_baseline_all);

/* A table whose rows are looked at. */
typedef struct Baseline
{
	Oid			root;			/* that is tracked */
	Oid			relid;			/* it, or a partition */
	Datum		names;			/* of the root, in the audit */
	int64		first;			/* number of its first audit row */
	int64		written;
	EvauditProgress *progress;
} Baseline;

/* Does the audit of a row begin, after its last end, with an image of it? */
static bool
has_image(const Baseline *baseline, text *key)
{
	static EvauditStatement find = {
		"SELECT operation FROM $S.audit WHERE item_key = $1"
		" AND relation = ANY ($2) AND " EVAUDIT_SEQ_UNINDEXED " >= $3"
		" AND operation IN ('INSERT', 'BASELINE', 'DELETE', 'TRUNCATE')"
		" ORDER BY " EVAUDIT_SEQ_UNINDEXED " DESC LIMIT 1",
		3, {TEXTOID, TEXTARRAYOID, INT8OID}, CURSOR_OPT_GENERIC_PLAN
	};
	Datum		values[] = {PointerGetDatum(key), baseline->names,
	Int64GetDatum(baseline->first)};
	EvauditSpi	spi;
	bool		found = false;

	evaudit_spi_begin_on(&spi, evaudit_audit_relid());
	if (evaudit_spi_read_latest(&find, values, NULL) > 0)
	{
		char	   *operation = evaudit_spi_text(0, 0);

		found = strcmp(operation, "INSERT") == 0 ||
			strcmp(operation, "BASELINE") == 0;
	}
	evaudit_spi_end(&spi);
	return found;
}

/* Write the image of a row that has none. */
static void
write_row(Baseline *baseline, Relation rel, TupleTableSlot *slot, Datum row)
{
	const Trigger *trigger = evaudit_capture_find(rel, EVAUDIT_CAPTURE_ROW);
	HeapTupleHeader header = DatumGetHeapTupleHeader(row);
	EvauditTracked *tracked;
	HeapTupleData tuple;
	EvauditPin	pin = {0};
	text	   *key;

	if (trigger == NULL)
		return;
	tuple.t_len = HeapTupleHeaderGetDatumLength(header);
	ItemPointerSetInvalid(&tuple.t_self);
	tuple.t_tableOid = InvalidOid;
	tuple.t_data = header;
	tracked = evaudit_tracked_get(rel, trigger->tgoid);
	ExecClearTuple(slot);
	heap_deform_tuple(&tuple, RelationGetDescr(rel), slot->tts_values,
					  slot->tts_isnull);
	ExecStoreVirtualTuple(slot);
	key = evaudit_item_key(tracked, slot, &pin);
	evaudit_unpin_settings(&pin);
	if (key == NULL || has_image(baseline, key))
		return;
	evaudit_capture_baseline(tracked, slot);
	baseline->written++;
}

/* The rows in some blocks of a table, or all of a foreign one. */
static void
write_blocks(Baseline *baseline, Relation rel, BlockNumber first)
{
	char	   *name = quote_qualified_identifier(get_namespace_name(RelationGetNamespace(rel)),
												  RelationGetRelationName(rel));
	TupleTableSlot *slot = MakeSingleTupleTableSlot(RelationGetDescr(rel),
													&TTSOpsVirtual);
	char	   *range = rel->rd_rel->relkind == RELKIND_FOREIGN_TABLE ? "" :
		psprintf(" WHERE t.ctid OPERATOR(pg_catalog.>=) '(%u,0)'"
				 " AND t.ctid OPERATOR(pg_catalog.<) '(%u,0)'",
				 first, first + BATCH_BLOCKS);
	char	   *sql = psprintf("SELECT CAST(t.* AS %s) FROM ONLY %s t%s"
							   " FOR NO KEY UPDATE", name, name, range);
	SPITupleTable *rows;
	uint64		n;

	if (SPI_execute(sql, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read table \"%s\"", name);
	n = SPI_processed;
	rows = SPI_tuptable;
	for (uint64 i = 0; i < n; i++)
	{
		bool		isnull;

		CHECK_FOR_INTERRUPTS();
		write_row(baseline, rel, slot,
				  SPI_getbinval(rows->vals[i], rows->tupdesc, 1, &isnull));
	}
	SPI_freetuptable(rows);
	ExecDropSingleTupleTableSlot(slot);
}

/* How many blocks a table has; a foreign one has none of its own. */
static BlockNumber
blocks_of(Relation rel)
{
	return rel->rd_rel->relkind == RELKIND_FOREIGN_TABLE ? 0 :
		RelationGetNumberOfBlocks(rel);
}

/* The tables that hold the rows of one. */
static List *
leaves_of(Oid relid)
{
	List	   *leaves = NIL;
	ListCell   *cell;

	if (get_rel_relkind(relid) != RELKIND_PARTITIONED_TABLE)
		return list_make1_oid(relid);
	foreach(cell, find_all_inheritors(relid, AccessShareLock, NULL))
	{
		if (get_rel_relkind(lfirst_oid(cell)) != RELKIND_PARTITIONED_TABLE)
			leaves = lappend_oid(leaves, lfirst_oid(cell));
	}
	return leaves;
}

/* Check the caller's right, and that the table is tracked and has a key. */
static void
begin(Baseline *baseline, Oid relid)
{
	EvauditPast *past = evaudit_past_of_table(relid);
	Relation	rel;
	bool		tracked;

	if (!evaudit_owns_relation(past->relid, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER,
					   get_relkind_objtype(get_rel_relkind(past->relid)),
					   get_rel_name(past->relid));
	rel = relation_open(past->relid, AccessShareLock);
	tracked = evaudit_capture_find(rel, EVAUDIT_CAPTURE_ROW) != NULL;
	relation_close(rel, NoLock);
	if (!tracked)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table %s is not tracked", past->name)));
	if (past->nkeys == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table %s has no key", past->name),
				 errhint("Add a primary key.")));
	baseline->root = past->relid;
	baseline->names = evaudit_past_name_array(past);
	baseline->first = past->names[0].first;
	baseline->written = 0;
}

/* Begin to tell how far it is, in blocks, which those tables have now. */
static void
begin_progress(Baseline *baseline, List *leaves)
{
	int64		blocks = 0;
	ListCell   *cell;

	foreach(cell, leaves)
	{
		Relation	rel = try_relation_open(lfirst_oid(cell), AccessShareLock);

		if (rel == NULL)
			continue;
		blocks += blocks_of(rel);
		relation_close(rel, NoLock);
	}
	baseline->progress = evaudit_progress_begin("baseline",
												get_rel_name(baseline->root),
												"blocks", blocks);
}

/*
 * Go through the rows of a table, in a connection to SPI; with a commit after
 * each range of blocks, if that is wanted.
 */
static void
write_table(Baseline *baseline, Oid relid, bool commit)
{
	BlockNumber next = 0;
	bool		more = true;

	while (more)
	{
		Relation	rel;

		if (commit)
			PushActiveSnapshot(GetTransactionSnapshot());
		rel = try_relation_open(relid, RowShareLock);
		more = false;
		if (rel != NULL)
		{
			BlockNumber blocks = blocks_of(rel);

			write_blocks(baseline, rel, next);
			if (blocks > next)
				evaudit_progress_add(baseline->progress,
									 Min(blocks - next, BATCH_BLOCKS));
			next += BATCH_BLOCKS;
			more = next < blocks_of(rel);
			relation_close(rel, NoLock);
		}
		if (commit)
		{
			PopActiveSnapshot();
			SPI_commit();
		}
	}
}

/* SQL: evaudit.baseline(relation regclass) RETURNS bigint, rows written */
Datum
evaudit_baseline(PG_FUNCTION_ARGS)
{
	Baseline	baseline;
	List	   *leaves;
	ListCell   *cell;

	begin(&baseline, PG_GETARG_OID(0));
	leaves = leaves_of(baseline.root);
	begin_progress(&baseline, leaves);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI");
	foreach(cell, leaves)
		write_table(&baseline, lfirst_oid(cell), false);
	SPI_finish();
	evaudit_progress_end(baseline.progress);
	PG_RETURN_INT64(baseline.written);
}

/* SQL: PROCEDURE evaudit.baseline_all(relation regclass, INOUT written bigint) */
Datum
evaudit_baseline_all(PG_FUNCTION_ARGS)
{
	Baseline	baseline;
	List	   *leaves;
	ListCell   *cell;

	evaudit_check_nonatomic(fcinfo, "evaudit.baseline_all()",
							"Use evaudit.baseline() there.");
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("\"relation\" must not be null")));
	begin(&baseline, PG_GETARG_OID(0));
	leaves = leaves_of(baseline.root);
	/* what is allocated now outlives the transactions */
	SPI_connect_ext(SPI_OPT_NONATOMIC);
	begin_progress(&baseline, leaves);
	foreach(cell, leaves)
		write_table(&baseline, lfirst_oid(cell), true);
	evaudit_progress_end(baseline.progress);
	SPI_finish();
	return evaudit_row_of_int64(fcinfo, baseline.written);
}
