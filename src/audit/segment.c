/*-------------------------------------------------------------------------
 *
 * segment.c
 *	  Writing rows into the partitions of audit.
 *
 * Rows go straight into the partition that their number belongs to, and its
 * indexes; any index of any kind that somebody adds is kept up.  Almost all
 * rows of a backend go into the same partition, so what is known of the last
 * one is kept.
 *
 * Locks: whoever opens a partition here has locked audit as its writers do,
 * which keeps partitions from being detached or dropped until the end of the
 * transaction.  A partition may still be attached meanwhile.  That takes an
 * exclusive lock on the default partition, whose rows it could be about:
 * therefore a partition is right if nothing had changed when it was locked.
 *
 * Lifetimes: what is known of a partition is kept until the next one is
 * needed, or something changes.  A write that is under way may still use what
 * was known before; that goes at the end of the transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "audit/audit_log.h"
#include "audit/audit_shape.h"
#include "audit/audit_watch.h"
#include "audit/held_locks.h"
#include "audit/segment.h"
#include "audit/segment_times.h"
#include "server/compat.h"

struct EvauditSegment
{
	uint64		generation;		/* when this was found out */
	EvauditSegmentBounds bounds;
	FullTransactionId locked_in;	/* has it and its indexes locked */
	MemoryContext context;
	bool		by_executor;	/* rows are inserted by a statement */
	TupleTableSlot *slot;		/* the row's values, for its indexes */
	TupleTableSlot *stored;		/* the row as the partition stores it */
	EState	   *estate;			/* for indexes on expressions */
	int			nindexes;
	Oid		   *index_oids;
	IndexInfo **index_infos;
};

/* The partition that was written to last; NULL: none. */
static EvauditSegment *known = NULL;

/* How many rows were begun to be written. */
static uint64 writes = 0;

/* Learn which indexes a partition has, in the current memory context. */
static void
init_indexes(EvauditSegment *segment, Relation rel)
{
	List	   *oids = RelationGetIndexList(rel);
	ListCell   *cell;

	segment->index_oids = palloc(sizeof(Oid) * Max(list_length(oids), 1));
	segment->index_infos = palloc(sizeof(IndexInfo *) *
								  Max(list_length(oids), 1));
	foreach(cell, oids)
	{
		Relation	index = index_open(lfirst_oid(cell), RowExclusiveLock);
		IndexInfo  *info = BuildIndexInfo(index);

		if (info->ii_ReadyForInserts)
		{
			segment->index_oids[segment->nindexes] = lfirst_oid(cell);
			segment->index_infos[segment->nindexes++] = info;
			if (info->ii_ExclusionOps != NULL || !index->rd_index->indimmediate)
				segment->by_executor = true;
		}
		index_close(index, NoLock);
	}
}

/* Learn about a partition that is locked; rel is NULL if there is none. */
static EvauditSegment *
make_segment(Relation rel, const EvauditSegmentBounds *bounds,
			 uint64 generation)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "evaudit segment",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	EvauditSegment *segment = palloc0(sizeof(EvauditSegment));

	segment->generation = generation;
	segment->bounds = *bounds;
	segment->context = context;
	segment->by_executor = rel == NULL || evaudit_segment_needs_executor(rel);
	if (!segment->by_executor)
	{
		TupleDesc	desc = CreateTupleDescCopy(RelationGetDescr(rel));

		segment->estate = CreateExecutorState();
		segment->slot = MakeSingleTupleTableSlot(desc, &TTSOpsVirtual);
		segment->stored = MakeSingleTupleTableSlot(desc,
												   table_slot_callbacks(rel));
		init_indexes(segment, rel);
	}
	MemoryContextSwitchTo(old);
	return segment;
}

/* Find the partition of a number, and lock it; NULL if there is none. */
static Relation
lock_partition(Oid audit, int64 seq, EvauditSegmentBounds *bounds,
			   uint64 *generation)
{
	for (;;)
	{
		Relation	parent = table_open(audit, NoLock);
		Relation	rel;
		bool		times;

		CHECK_FOR_INTERRUPTS();
		*generation = evaudit_audit_generation;
		evaudit_segment_find(parent, seq, bounds);
		table_close(parent, NoLock);
		evaudit_audit_watch(EVAUDIT_WATCH_SEGMENT, bounds->relid);
		if (!OidIsValid(bounds->relid))
			return NULL;

		rel = try_relation_open(bounds->relid, RowExclusiveLock);
		if (rel == NULL)
			continue;
		times = evaudit_segment_has_times(rel);
		if (!times && *generation == evaudit_audit_generation)
			return rel;
		relation_close(rel, NoLock);
		/* whoever comes this late, as a restore does, brings any time */
		if (times)
			evaudit_segment_forget_times(bounds->relid);
	}
}

/* Find out anew about the partition of a number, and open it. */
static Relation
refresh(Oid audit, int64 seq)
{
	EvauditSegmentBounds bounds;
	uint64		generation;
	Relation	rel = lock_partition(audit, seq, &bounds, &generation);
	EvauditSegment *segment = make_segment(rel, &bounds, generation);

	/* a write that is under way may still need the old one */
	if (known)
		MemoryContextSetParent(known->context, TopTransactionContext);
	known = segment;
	MemoryContextSetParent(known->context, CacheMemoryContext);
	return rel;
}

/* Is what is known of the last partition true, and about a number? */
static bool
is_known(int64 seq)
{
	return known && known->generation == evaudit_audit_generation &&
		seq >= known->bounds.first && seq <= known->bounds.last;
}

/* Open all indexes of a partition, and lock them. */
static void
open_indexes(EvauditOpenSegment *open, LOCKMODE lockmode)
{
	for (int i = 0; i < open->segment->nindexes; i++)
		open->indexes[i] = index_open(open->segment->index_oids[i], lockmode);
}

/* Hold the locks on the known partition, which is open, and its indexes. */
static void
keep_locks(Relation rel)
{
	if (rel)
		evaudit_lock_for_transaction(RelationGetRelid(rel));
	for (int i = 0; i < known->nindexes; i++)
		evaudit_lock_for_transaction(known->index_oids[i]);
	known->locked_in = GetTopFullTransactionIdIfAny();
}

/*
 * Open the partition that a number belongs to, and its indexes, unless that is
 * the one that is open.  False if rows have to be inserted by a statement.
 */
bool
evaudit_segment_open(EvauditOpenSegment *open, Oid audit, int64 seq)
{
	Relation	rel = NULL;
	LOCKMODE	lockmode = RowExclusiveLock;

	if (open->segment && is_known(seq) && open->segment == known)
		return !known->by_executor;
	evaudit_segment_close(open);

	if (is_known(seq) && evaudit_locks_held(known->locked_in))
		lockmode = NoLock;
	if (is_known(seq) && OidIsValid(known->bounds.relid))
		rel = try_relation_open(known->bounds.relid, lockmode);
	/* locking it may have invalidated what is known */
	if (!is_known(seq) || (rel == NULL && OidIsValid(known->bounds.relid)))
	{
		if (rel)
			relation_close(rel, NoLock);
		rel = refresh(audit, seq);
		lockmode = RowExclusiveLock;
	}

	open->segment = known;
	open->rel = rel;
	open->indexes = palloc0(sizeof(Relation) * Max(known->nindexes, 1));
	if (lockmode != NoLock)
	{
		open_indexes(open, lockmode);
		keep_locks(rel);
	}
	return !known->by_executor;
}

/* Close a partition, if one is open.  Locks stay, as those of any writer. */
void
evaudit_segment_close(EvauditOpenSegment *open)
{
	if (open->segment == NULL)
		return;
	for (int i = 0; i < open->segment->nindexes; i++)
	{
		if (open->indexes[i])
			index_close(open->indexes[i], NoLock);
	}
	if (open->rel)
		relation_close(open->rel, NoLock);
	open->segment = NULL;
}

/* Does the row in the context's slot belong into a partial index? */
static bool
index_wants(IndexInfo *info, EState *estate, ExprContext *econtext)
{
	MemoryContext old;

	if (info->ii_Predicate == NIL)
		return true;
	if (info->ii_PredicateState == NULL)
	{
		old = MemoryContextSwitchTo(estate->es_query_cxt);
		info->ii_PredicateState = ExecPrepareQual(info->ii_Predicate, estate);
		MemoryContextSwitchTo(old);
	}
	return ExecQual(info->ii_PredicateState, econtext);
}

/*
 * Refuse that the function of an index on audit, which ought to be immutable,
 * has changed a tracked table: its audit row took the slots.
 */
static void
check_undisturbed(uint64 before)
{
	if (writes != before)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("function of an index on table \"audit\" has changed a tracked table")));
}

/* Add the row in the partition's slot to its index number i. */
static void
insert_index(EvauditOpenSegment *open, int i)
{
	EvauditSegment *segment = open->segment;
	Relation	index;
	IndexInfo  *info = segment->index_infos[i];
	ExprContext *econtext = GetPerTupleExprContext(segment->estate);
	Datum		values[INDEX_MAX_KEYS];
	bool		isnull[INDEX_MAX_KEYS];
	uint64		before = writes;
	bool		wanted;

	econtext->ecxt_scantuple = segment->slot;
	wanted = index_wants(info, segment->estate, econtext);
	check_undisturbed(before);
	if (!wanted)
		return;
	if (open->indexes[i] == NULL)
		open->indexes[i] = index_open(segment->index_oids[i], NoLock);
	index = open->indexes[i];
	FormIndexDatum(info, segment->slot, segment->estate, values, isnull);
	check_undisturbed(before);

	/*
	 * What an access method keeps between rows refers to the open index, so
	 * it must not outlive this call.
	 */
	info->ii_Context = CurrentMemoryContext;
	info->ii_AmCache = NULL;
	index_insert(index, values, isnull, &segment->stored->tts_tid, open->rel,
				 index->rd_index->indisunique ?
				 UNIQUE_CHECK_YES : UNIQUE_CHECK_NO,
				 false, info);
	evaudit_index_insert_cleanup(index, info);
	info->ii_AmCache = NULL;
}

/*
 * Insert a row into the open partition and its indexes.  Columns that others
 * added stay NULL.
 */
void
evaudit_segment_insert(EvauditOpenSegment *open, const Datum *values,
					   const bool *isnull)
{
	EvauditSegment *segment = open->segment;
	TupleTableSlot *slot = segment->slot;

	writes++;
	ExecClearTuple(slot);
	memset(slot->tts_isnull, true, slot->tts_tupleDescriptor->natts);
	memcpy(slot->tts_values, values, sizeof(Datum) * EVAUDIT_AUDIT_NCOLUMNS);
	memcpy(slot->tts_isnull, isnull, sizeof(bool) * EVAUDIT_AUDIT_NCOLUMNS);
	ExecStoreVirtualTuple(slot);
	ExecCopySlot(segment->stored, slot);
	table_tuple_insert(open->rel, segment->stored, GetCurrentCommandId(true),
					   0, NULL);
	for (int i = 0; i < segment->nindexes; i++)
		insert_index(open, i);
	ExecClearTuple(segment->stored);
	ExecClearTuple(slot);
	ResetPerTupleExprContext(segment->estate);
}
