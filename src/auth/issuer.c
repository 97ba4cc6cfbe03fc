/*-------------------------------------------------------------------------
 *
 * issuer.c
 *	  All issuers, as a backend caches them.
 *
 * They are read when evaudit.issuers has changed and cached in a context of
 * their own, with their keys ready for OpenSSL.  The table is scanned with
 * the latest snapshot, not that of the transaction: a repeatable read that
 * began before a key was removed must not cache the key for the transactions
 * that follow, nor use it itself.
 *
 * A pointer to what was loaded is set last, and is NULL until then: after an
 * error on the way, the next look-up begins anew.
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
#include "runtime/wakeup.h"
#include "server/compat.h"
#include "server/table_watch.h"

/* The columns of evaudit.issuers. */
enum
{
	ISSUERS_NAME = 1,
	ISSUERS_OPTIONS,
	ISSUERS_KEYS
};

/* What was loaded. */
typedef struct Issuers
{
	List	   *list;			/* of EvauditIssuer *, by name */
} Issuers;

static EvauditWatch watch = {.table = "issuers"};
static MemoryContext context = NULL;
static Issuers *issuers = NULL; /* NULL: not loaded */
static uint64 current_generation = 0;

/* Order by name. */
static int
by_name(const ListCell *a, const ListCell *b)
{
	return strcmp(((const EvauditIssuer *) lfirst(a))->name,
				  ((const EvauditIssuer *) lfirst(b))->name);
}

/* The issuer of a row; one that is invalid is reported. */
static EvauditIssuer *
read_issuer(TupleTableSlot *slot)
{
	EvauditIssuerRow row;
	EvauditIssuer *issuer;
	NullableDatum name;

	name.value = slot_getattr(slot, ISSUERS_NAME, &name.isnull);
	row.name = name.isnull ? "" : TextDatumGetCString(name.value);
	row.options.value = slot_getattr(slot, ISSUERS_OPTIONS,
									 &row.options.isnull);
	row.keys.value = slot_getattr(slot, ISSUERS_KEYS, &row.keys.isnull);
	issuer = evaudit_issuer_from_row(&row);
	if (issuer->invalid != NULL)
		ereport(LOG,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("issuer \"%s\" is not valid, and its tokens are refused: %s",
						issuer->name, issuer->invalid),
				 errdetail_log("issuer=\"%s\"", issuer->name),
				 errhidestmt(true), errhidecontext(true)));
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

/* Keys that come from a URL need a scheduler to have them fetched. */
static void
need_scheduler(void)
{
	ListCell   *lc;

	foreach(lc, issuers->list)
	{
		if (((const EvauditIssuer *) lfirst(lc))->jwks_url != NULL)
		{
			evaudit_need_scheduler();
			return;
		}
	}
}

/* Load all issuers. */
static void
load(void)
{
	MemoryContext previous;
	Issuers    *loaded;

	issuers = NULL;
	current_generation++;
	if (context == NULL)
		context = AllocSetContextCreate(TopMemoryContext,
										"evaudit issuers",
										ALLOCSET_SMALL_SIZES);
	MemoryContextReset(context);
	previous = MemoryContextSwitchTo(context);
	loaded = palloc0(sizeof(Issuers));
	if (OidIsValid(watch.relid))
		loaded->list = read_issuers(watch.relid);
	MemoryContextSwitchTo(previous);
	issuers = loaded;
	need_scheduler();
}

/*
 * All issuers, in the order of their names, until this is called again; the
 * generation is another one whenever they may have changed.  Within a
 * transaction.
 */
List *
evaudit_issuers(uint64 *generation)
{
	if (evaudit_watch_changed(&watch) || issuers == NULL)
		load();
	*generation = current_generation;
	return issuers->list;
}
