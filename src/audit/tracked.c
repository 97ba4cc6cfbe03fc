/*-------------------------------------------------------------------------
 *
 * tracked.c
 *	  What capture knows about a tracked table, kept for the backend.
 *
 * A partition has a capture trigger of its own, cloned from that of the table
 * which was given to track(), its root.  Audit speaks of the root: its name,
 * its column order and its key.  The partition's columns may stand in another
 * order, with gaps where columns were dropped; they are matched by name.
 *
 * Lifetimes: each table's knowledge has a memory context of its own.
 * Invalidations only mark it stale, since they arrive at almost any moment; it
 * is made anew at the next change of the table.  The stale one goes away with
 * the transaction, because a conversion that is under way, and has come back
 * here through a function of the user's, may still need it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_index.h"
#include "catalog/pg_trigger.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "audit/audit_log.h"
#include "audit/capture_trigger.h"
#include "audit/identity.h"
#include "audit/tracked.h"
#include "server/compat.h"

typedef struct TrackedEntry
{
	Oid			relid;			/* hash key */
	bool		valid;
	EvauditTracked *tracked;
} TrackedEntry;

static HTAB *entries = NULL;
static uint64 generation = 0;	/* number of invalidations */
static Oid	identities = InvalidOid;	/* table that "known" is read from */

/*
 * Invalidation callback: a table changed, and the partitions of its name, or
 * who is known.
 */
static void
invalidate_relation(Datum arg, Oid relid)
{
	HASH_SEQ_STATUS scan;
	TrackedEntry *entry;

	generation++;
	hash_seq_init(&scan, entries);
	while ((entry = hash_seq_search(&scan)) != NULL)
	{
		if (!OidIsValid(relid) || relid == identities ||
			entry->relid == relid ||
			entry->tracked->root == relid)
			entry->valid = false;
	}
}

/* Invalidation callback: a schema changed, perhaps its name. */
static void
invalidate_all(Datum arg, int cacheid, uint32 hashvalue)
{
	invalidate_relation((Datum) 0, InvalidOid);
}

/* Make the table of tracked tables, and register for invalidations. */
static void
init_entries(void)
{
	HASHCTL		ctl = {0};

	ctl.keysize = sizeof(Oid);
	ctl.entrysize = sizeof(TrackedEntry);
	entries = hash_create("evaudit tracked tables", 32, &ctl,
						  HASH_ELEM | HASH_BLOBS);
	CacheRegisterRelcacheCallback(invalidate_relation, (Datum) 0);
	CacheRegisterSyscacheCallback(NAMESPACEOID, invalidate_all, (Datum) 0);
}

/* Take out what is stale; the memory stays until the transaction ends. */
static void
sweep_entries(void)
{
	HASH_SEQ_STATUS scan;
	TrackedEntry *entry;

	hash_seq_init(&scan, entries);
	while ((entry = hash_seq_search(&scan)) != NULL)
	{
		if (entry->valid)
			continue;
		MemoryContextSetParent(entry->tracked->context, TopTransactionContext);
		hash_search(entries, &entry->relid, HASH_REMOVE, NULL);
	}
}

/* The trigger that this one was cloned from, and the table it is on. */
static Oid
parent_trigger(Oid trigger, Oid *relid)
{
	Relation	catalog = table_open(TriggerRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	Oid			parent = InvalidOid;

	ScanKeyInit(&key, Anum_pg_trigger_oid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(trigger));
	scan = systable_beginscan(catalog, TriggerOidIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		parent = ((Form_pg_trigger) GETSTRUCT(tuple))->tgparentid;
		*relid = ((Form_pg_trigger) GETSTRUCT(tuple))->tgrelid;
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return parent;
}

/* The table that the first ancestor of a capture trigger is on. */
static Oid
root_of_trigger(Oid trigger, Oid relid)
{
	while (OidIsValid(trigger))
		trigger = parent_trigger(trigger, &relid);
	return relid;
}

/* The table that a tracked table's trigger came from; its own oid if none. */
Oid
evaudit_tracked_root(Relation rel)
{
	const Trigger *trigger = evaudit_capture_find(rel, EVAUDIT_CAPTURE_ROW);

	return root_of_trigger(trigger ? trigger->tgoid : InvalidOid,
						   RelationGetRelid(rel));
}

/*
 * The columns of a table's key, in its order: the primary key or else the
 * replica identity.
 */
static int
find_key(Relation rel, AttrNumber *attnums)
{
	List	   *indexes = RelationGetIndexList(rel);
	ListCell   *cell;
	int			nkeys = 0;
	bool		primary = false;

	foreach(cell, indexes)
	{
		HeapTuple	tuple = SearchSysCache1(INDEXRELID,
											ObjectIdGetDatum(lfirst_oid(cell)));
		Form_pg_index index;

		if (!HeapTupleIsValid(tuple))
			elog(ERROR, "cache lookup failed for index %u", lfirst_oid(cell));
		index = (Form_pg_index) GETSTRUCT(tuple);
		if (index->indisprimary || (index->indisreplident && !primary))
		{
			primary = index->indisprimary;
			nkeys = index->indnkeyatts;
			for (int i = 0; i < nkeys; i++)
				attnums[i] = index->indkey.values[i];
		}
		ReleaseSysCache(tuple);
	}
	list_free(indexes);
	return nkeys;
}

/* Describe one column, as the changed table stores it. */
static void
init_column(EvauditColumn *column, Relation rel, const char *name)
{
	AttrNumber	attnum = get_attnum(RelationGetRelid(rel), name);

	if (attnum <= 0)
		elog(ERROR, "column \"%s\" of \"%s\" does not exist", name,
			 RelationGetRelationName(rel));
	column->index = attnum - 1;
	column->name = cstring_to_text(name);
	evaudit_datum_init(&column->type,
					   TupleDescAttr(RelationGetDescr(rel), attnum - 1));
}

/*
 * Describe the columns of rel in the order of root, those of the key last,
 * in the current memory context.
 */
static void
init_columns(EvauditTracked *tracked, Relation rel, Relation root,
			 const EvauditColumnRule *rules)
{
	TupleDesc	desc = RelationGetDescr(root);
	AttrNumber	attnums[INDEX_MAX_KEYS];
	const char **names = palloc(sizeof(char *) * Max(desc->natts, 1));

	tracked->nkeys = find_key(root, attnums);
	tracked->keys = palloc(sizeof(int) * Max(tracked->nkeys, 1));
	tracked->columns = palloc0(sizeof(EvauditColumn) * Max(desc->natts, 1));
	for (int pass = 0; pass < 2; pass++)
	{
		for (int i = 0; i < desc->natts; i++)
		{
			Form_pg_attribute att = TupleDescAttr(desc, i);
			int			place = tracked->ncolumns;
			EvauditColumn *column = &tracked->columns[place];
			bool		key = false;

			for (int k = 0; k < tracked->nkeys; k++)
				key |= attnums[k] == i + 1;
			if (key != (pass == 1) || !evaudit_column_is_stored(att))
				continue;
			if (rules[i].rule.kind == EVAUDIT_RULE_EXCLUDE)
				place = -1;
			for (int k = 0; k < tracked->nkeys; k++)
				if (attnums[k] == i + 1)
					tracked->keys[k] = place;
			if (place < 0)
				continue;
			init_column(column, rel, NameStr(att->attname));
			column->key = key;
			column->rule = rules[i];
			names[place] = NameStr(att->attname);
			tracked->ncolumns++;
		}
	}
	tracked->object = evaudit_jsonb_keys(names, tracked->ncolumns);
	pfree(names);
}

/* Learn which rules a tracked table has, in the current memory context. */
static EvauditColumnRule *
init_rules(EvauditTracked *tracked, Relation root)
{
	const char *argument = evaudit_capture_argument(root);
	EvauditRules *rules = evaudit_rules_read(argument);

	for (int i = 0; i < lengthof(tracked->operations); i++)
		tracked->operations[i] = rules == NULL || rules->operations[i];
	return evaudit_rules_resolve(rules, root);
}

/* The name of a table as audit has it: with its schema, quoted if need be. */
text *
evaudit_tracked_name(Relation rel)
{
	char	   *schema = get_namespace_name(RelationGetNamespace(rel));
	EvauditPin	pin = {0};
	char	   *name;

	evaudit_pin_settings(&pin); /* quote_all_identifiers is one of them */
	name = quote_qualified_identifier(schema, RelationGetRelationName(rel));
	evaudit_unpin_settings(&pin);
	return cstring_to_text(name);
}

/* Learn about a table, in a memory context of its own. */
static EvauditTracked *
make_tracked(Relation rel, Oid trigger)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "evaudit tracked table",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	EvauditTracked *tracked = palloc0(sizeof(EvauditTracked));
	Relation	root = rel;

	if (evaudit_is_audit(rel))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("table \"%s\" holds the audit and cannot be tracked",
						RelationGetRelationName(rel))));
	tracked->context = context;
	tracked->relid = RelationGetRelid(rel);
	tracked->root = root_of_trigger(trigger, tracked->relid);
	if (tracked->root != tracked->relid)
		root = table_open(tracked->root, AccessShareLock);

	identities = evaudit_identity_relid();
	tracked->known = evaudit_identity_known(tracked->root);
	tracked->name = evaudit_tracked_name(root);
	init_columns(tracked, rel, root, init_rules(tracked, root));

	if (root != rel)
		table_close(root, NoLock);
	MemoryContextSwitchTo(old);
	return tracked;
}

/* What is known about a table whose capture trigger fires. */
EvauditTracked *
evaudit_tracked_get(Relation rel, Oid trigger)
{
	Oid			relid = RelationGetRelid(rel);
	TrackedEntry *entry;
	EvauditTracked *tracked;
	uint64		before;

	if (entries == NULL)
		init_entries();
	entry = hash_search(entries, &relid, HASH_FIND, NULL);
	if (entry && entry->valid)
		return entry->tracked;

	sweep_entries();
	before = generation;
	tracked = make_tracked(rel, trigger);
	MemoryContextSetParent(tracked->context, CacheMemoryContext);
	entry = hash_search(entries, &relid, HASH_ENTER, NULL);
	entry->tracked = tracked;
	entry->valid = generation == before;
	return tracked;
}
