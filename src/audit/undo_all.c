/*-------------------------------------------------------------------------
 *
 * undo_all.c
 *	  evaudit.undo_all(): many changes are taken back in batches.
 *
 * It commits after each batch.  Rows that were deleted come back first,
 * parents before their children; then rows are changed; then those that were
 * inserted go, children before their parents.  Foreign keys in a circle may
 * stand in the way.  Rows that are as they were before are passed by, so that
 * it can be called again after an error.
 *
 * With mode "error" all rows are looked at before the first one is changed.
 *
 * What was read of the audit is in the memory of the call, which outlives its
 * transactions; what is known of tables is refreshed for each batch.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "audit/undo.h"
#include "server/procedure.h"
#include "server/progress.h"
#include "server/spi.h"

PG_FUNCTION_INFO_V1(evaudit_undo_all);

/* How deep a table is below those that its foreign keys refer to. */
static int
rank_of(const EvauditPast *past, List *pasts, int limit)
{
	Relation	rel;
	int			rank = 0;
	ListCell   *cell,
			   *other;

	if (limit == 0 || !OidIsValid(past->relid))
		return 0;
	rel = relation_open(past->relid, AccessShareLock);
	foreach(cell, RelationGetFKeyList(rel))
	{
		ForeignKeyCacheInfo *key = lfirst(cell);

		foreach(other, pasts)
		{
			EvauditPast *parent = lfirst(other);

			if (parent != past && parent->relid == key->confrelid)
				rank = Max(rank, 1 + rank_of(parent, pasts, limit - 1));
		}
	}
	relation_close(rel, NoLock);
	return rank;
}

/* A row, and when its turn is. */
typedef struct Turn
{
	EvauditNet *net;
	int			turn;
	int			place;			/* keeps the order of changes */
} Turn;

/* Compare two rows by their turns. */
static int
compare_turns(const void *a, const void *b)
{
	const Turn *left = a;
	const Turn *right = b;

	if (left->turn != right->turn)
		return left->turn < right->turn ? -1 : 1;
	return left->place < right->place ? -1 : 1;
}

/* When the turn of a row is, among batches. */
static int
turn_of(const EvauditNet *net, int ntables)
{
	switch (evaudit_undo_action(net))
	{
		case EVAUDIT_UNDO_INSERT:
			return net->past->rank;
		case EVAUDIT_UNDO_DELETE:
			return 2 * ntables + 1 - net->past->rank;
		default:
			return ntables;
	}
}

/* Order the rows so that batches of them heed foreign keys. */
static void
order_rows(EvauditUndoSelection *selection)
{
	int			ntables = list_length(selection->pasts);
	EvauditNets *nets = selection->nets;
	Turn	   *turns = MemoryContextAllocHuge(CurrentMemoryContext,
											   sizeof(Turn) * Max(nets->n, 1));
	ListCell   *cell;

	foreach(cell, selection->pasts)
	{
		EvauditPast *past = lfirst(cell);

		past->rank = rank_of(past, selection->pasts, ntables);
	}
	for (int i = 0; i < nets->n; i++)
	{
		turns[i].net = nets->nets[i];
		turns[i].place = i;
		turns[i].turn = turn_of(nets->nets[i], ntables);
	}
	qsort(turns, nets->n, sizeof(Turn), compare_turns);
	for (int i = 0; i < nets->n; i++)
		nets->nets[i] = turns[i].net;
	pfree(turns);
}

/* How many rows a batch did something to. */
static int64
count_done(const EvauditUndo *undo)
{
	int64		n = 0;

	for (int i = 0; i < undo->n; i++)
	{
		if (evaudit_undo_is_wanted(undo, undo->rows[i]))
			n++;
	}
	return n;
}

/* Do one batch, or with dry_run check it; returns how many rows it changed. */
static int64
do_batch(EvauditUndoSelection *selection, EvauditUndo *undo, int first,
		 bool check, MemoryContext context)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	int			n = Min(EVAUDIT_UNDO_ROWS, selection->nets->n - first);
	int64		done;
	ListCell   *cell;

	PushActiveSnapshot(GetTransactionSnapshot());
	foreach(cell, selection->pasts)
		evaudit_past_refresh(lfirst(cell));
	evaudit_undo_plan(undo, selection->nets->nets + first, n);
	if (check)
		evaudit_undo_check(undo);
	if (!undo->dry_run)
		evaudit_undo_apply(undo);
	done = count_done(undo);
	if (ActiveSnapshotSet())
		PopActiveSnapshot();
	MemoryContextSwitchTo(old);
	MemoryContextReset(context);
	return done;
}

/* Do all batches, with a commit after each; returns how many rows changed. */
static int64
do_batches(EvauditUndoSelection *selection, EvauditUndo *undo, bool check)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "evaudit undo batch",
												  ALLOCSET_DEFAULT_SIZES);
	EvauditProgress *progress =
		evaudit_progress_begin(undo->dry_run ? "check of undo" : "undo",
							   list_length(selection->pasts) == 1 ?
							   ((EvauditPast *) linitial(selection->pasts))->name :
							   "several tables", "rows", selection->nets->n);
	int64		done = 0;

	for (int first = 0; first < selection->nets->n;
		 first += EVAUDIT_UNDO_ROWS)
	{
		done += do_batch(selection, undo, first, check, context);
		SPI_commit();
		evaudit_progress_add(progress, Min(EVAUDIT_UNDO_ROWS,
										   selection->nets->n - first));
	}
	evaudit_progress_end(progress);
	MemoryContextDelete(context);
	return done;
}

/*
 * SQL: PROCEDURE evaudit.undo_all(xid xid8, request_id text, seqs bigint[],
 * mode text, INOUT undone bigint)
 */
Datum
evaudit_undo_all(PG_FUNCTION_ARGS)
{
	EvauditUndo undo = {0};
	bool		check = strcmp(evaudit_undo_mode(fcinfo, &undo), "error") == 0;
	EvauditUndoSelection selection;
	int64		done;

	evaudit_check_nonatomic(fcinfo, "evaudit.undo_all()",
							"Use evaudit.undo() there.");
	evaudit_undo_select(fcinfo, &selection);
	order_rows(&selection);
	SPI_connect_ext(SPI_OPT_NONATOMIC);
	if (check)
	{
		undo.dry_run = true;
		(void) do_batches(&selection, &undo, true);
		undo.dry_run = false;
	}
	done = do_batches(&selection, &undo, check);
	SPI_finish();
	return evaudit_row_of_int64(fcinfo, done);
}
