/*-------------------------------------------------------------------------
 *
 * issuer.c
 *	  All issuers, as a backend keeps them.
 *
 * They are read when evaudit.issuers has changed and kept in a context of
 * their own, with their keys ready for OpenSSL.  The table is scanned with
 * the latest snapshot, not that of the transaction: a repeatable read that
 * began before a key was taken away must not leave the key in place for the
 * transactions that follow, nor believe it itself.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "executor/tuptable.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "auth/issuer.h"
#include "server/commit_wakeup.h"
#include "server/compat.h"
#include "server/table_watch.h"

/* The columns of evaudit.issuers. */
enum
{
	ISSUERS_NAME = 1,
	ISSUERS_OPTIONS,
	ISSUERS_KEYS
};

static EvauditWatch watch = {.table = "issuers"};
static MemoryContext context = NULL;
static List *issuers = NIL;
static bool loaded = false;
static uint64 current_generation = 0;

/* Order by name. */
static int
by_name(const ListCell *a, const ListCell *b)
{
	return strcmp(((const EvauditIssuer *) lfirst(a))->name,
				  ((const EvauditIssuer *) lfirst(b))->name);
}

/* The issuer of a row. */
static EvauditIssuer *
read_issuer(TupleTableSlot *slot)
{
	bool		isnull;
	Datum		name = slot_getattr(slot, ISSUERS_NAME, &isnull);
	Datum		options = slot_getattr(slot, ISSUERS_OPTIONS, &isnull);
	Datum		keys = slot_getattr(slot, ISSUERS_KEYS, &isnull);
	EvauditIssuer *issuer;

	issuer = evaudit_issuer_compile(TextDatumGetCString(name),
									DatumGetJsonbP(options));
	evaudit_keys_load(issuer, DatumGetJsonbP(keys));
	return issuer;
}

/* Read the table into the current context. */
static List *
read_issuers(Oid relid)
{
	Relation	relation = table_open(relid, AccessShareLock);
	TupleTableSlot *slot = table_slot_create(relation, NULL);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	TableScanDesc scan = evaudit_compat_begin_scan(relation, snapshot);
	List	   *list = NIL;

	/* large options are fetched under a snapshot, too */
	PushActiveSnapshot(snapshot);
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
		list = lappend(list, read_issuer(slot));
	PopActiveSnapshot();
	table_endscan(scan);
	UnregisterSnapshot(snapshot);
	ExecDropSingleTupleTableSlot(slot);
	table_close(relation, AccessShareLock);
	list_sort(list, by_name);
	return list;
}

/* Keys that come from a URL need somebody to look after them. */
static void
need_scheduler(void)
{
	ListCell   *lc;

	foreach(lc, issuers)
	{
		if (((const EvauditIssuer *) lfirst(lc))->jwks_url != NULL)
		{
			evaudit_need_scheduler();
			return;
		}
	}
}

/*
 * All issuers, in the order of their names, until this is called again; the
 * generation is another one whenever they may have changed.  Within a
 * transaction.
 */
List *
evaudit_issuers(uint64 *generation)
{
	bool		changed = evaudit_watch_changed(&watch);
	MemoryContext previous;

	if (changed || !loaded)
	{
		/* an error on the way leaves nothing loaded */
		loaded = false;
		issuers = NIL;
		current_generation++;
		if (context == NULL)
			context = AllocSetContextCreate(TopMemoryContext,
											"evaudit issuers",
											ALLOCSET_SMALL_SIZES);
		MemoryContextReset(context);
		previous = MemoryContextSwitchTo(context);
		if (OidIsValid(watch.relid))
			issuers = read_issuers(watch.relid);
		MemoryContextSwitchTo(previous);
		loaded = true;
		need_scheduler();
	}
	*generation = current_generation;
	return issuers;
}
