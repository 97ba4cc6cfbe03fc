/*-------------------------------------------------------------------------
 *
 * skip.c
 *	  Changes that are not audited by the wish of who makes them.
 *
 * With evaudit.audit = off, which takes a superuser or whom he has granted it
 * by GRANT SET ON PARAMETER, changes write no audit row but one, with the
 * operation SKIP, for each transaction and table that track() was called for:
 * before the first change, so that history has a gap that it knows of.
 *
 * Which tables have their row is forgotten with the subtransaction that wrote
 * it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "nodes/pg_list.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "audit/skip.h"
#include "audit/track.h"

/* A table whose row SKIP was written, and in which subtransaction. */
typedef struct SkippedTable
{
	Oid			relid;
	SubTransactionId subid;
} SkippedTable;

static bool audit_enabled = true;	/* the setting */
static List *skipped = NIL;		/* in TopTransactionContext */

/* The transaction ends, and its memory with it. */
static void
end_transaction(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_PREPARE ||
		event == XACT_EVENT_ABORT)
		skipped = NIL;
}

/* A subtransaction ends: what it wrote is its parent's, or never was. */
static void
end_subtransaction(SubXactEvent event, SubTransactionId subid,
				   SubTransactionId parent, void *arg)
{
	ListCell   *cell;

	if (event != SUBXACT_EVENT_COMMIT_SUB && event != SUBXACT_EVENT_ABORT_SUB)
		return;
	foreach(cell, skipped)
	{
		SkippedTable *table = lfirst(cell);

		if (table->subid != subid)
			continue;
		if (event == SUBXACT_EVENT_COMMIT_SUB)
			table->subid = parent;
		else
			skipped = foreach_delete_current(skipped, cell);
	}
}

/* Define the setting. */
void
evaudit_skip_init(void)
{
	DefineCustomBoolVariable("evaudit.audit",
							 "Whether changes of tracked tables are audited.",
							 "If off, a row SKIP for each transaction and table says so.",
							 &audit_enabled, true, PGC_SUSET, 0,
							 NULL, NULL, NULL);
	RegisterXactCallback(end_transaction, NULL);
	RegisterSubXactCallback(end_subtransaction, NULL);
}

/* Is a change of a table not to be audited?  Then a row says that it is not. */
bool
evaudit_skip(const EvauditTracked *tracked)
{
	MemoryContext old;
	SkippedTable *table;
	ListCell   *cell;

	if (audit_enabled)
		return false;
	foreach(cell, skipped)
	{
		if (((SkippedTable *) lfirst(cell))->relid == tracked->root)
			return true;
	}
	(void) evaudit_record(EVAUDIT_SKIP, tracked->name, tracked->root);
	old = MemoryContextSwitchTo(TopTransactionContext);
	table = palloc(sizeof(SkippedTable));
	table->relid = tracked->root;
	table->subid = GetCurrentSubTransactionId();
	skipped = lappend(skipped, table);
	MemoryContextSwitchTo(old);
	return true;
}
