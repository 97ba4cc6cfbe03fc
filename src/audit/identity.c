/*-------------------------------------------------------------------------
 *
 * identity.c
 *	  What tracked tables and their columns are and were called.
 *
 * Audit rows have names, which change.  evaudit.tracked_relations and
 * tracked_columns say which names a table and its columns had in which range
 * of seq: the present ones have no last_seq.  track() and the event triggers
 * keep them; DDL locks out writers of its table, so that rows captured before
 * have numbers up to the sequence's last one, and rows after it higher ones.
 *
 * A restored table has another oid, in another epoch.  Its trigger came with
 * the dump's schema and tells nothing of whether its rows have come.  It is
 * adopted at its first change here by anything but a restore: from then on it
 * continues the names of the table of its name in the dump.  Columns keep
 * their number by their name then, and else by attnum.
 *
 * Before that, rows that its owner's restore loads are those of the dump,
 * whose audit rows are in the dump, too, and are not captured.  Who owns a
 * table can take its trigger off, so that he gains nothing by it.
 *
 * Locks: who adopts a table takes a lock that nobody waits for, until the end
 * of the transaction; meanwhile others capture without.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "audit/audit_log.h"
#include "audit/identity.h"
#include "audit/row_id.h"
#include "server/compat.h"
#include "server/spi.h"

#define RELATIONS		"tracked_relations"
#define RELATIONS_INDEX	"tracked_relations_relid_idx"

/* Columns of tracked_relations that are read here. */
#define EPOCH_COLUMN	2
#define RELID_COLUMN	3

/* The oid of a relation in the schema evaudit. */
static Oid
own_relation(const char *name)
{
	Oid			relid = get_relname_relid(name,
										  get_namespace_oid("evaudit", false));

	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation \"evaudit.%s\" does not exist", name)));
	return relid;
}

/* The table of names, on which what is known of tracked tables depends. */
Oid
evaudit_identity_relid(void)
{
	return own_relation(RELATIONS);
}

/*
 * Has a table present names in this epoch?  The latest snapshot is used: what
 * a backend derives from it is kept across transactions.
 */
bool
evaudit_identity_known(Oid relid)
{
	Relation	rel = table_open(own_relation(RELATIONS), AccessShareLock);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	bool		known = false;

	ScanKeyInit(&key, RELID_COLUMN, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relid));
	scan = systable_beginscan(rel, own_relation(RELATIONS_INDEX), true,
							  snapshot, 1, &key);
	while (!known && HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		bool		isnull;
		Datum		epoch = heap_getattr(tuple, EPOCH_COLUMN,
										 RelationGetDescr(rel), &isnull);

		known = !isnull && DatumGetInt32(epoch) == evaudit_context_epoch();
	}
	systable_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(rel, AccessShareLock);
	return known;
}

/*
 * Which table this was before: in this epoch by its oid, else by the name that
 * a table of another epoch has last.  Of several, the latest.
 */
static EvauditStatement find_id = {
	"SELECT r.id, r.epoch <> $2 FROM evaudit.tracked_relations r,"
	" pg_catalog.pg_class c"
	" JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
	" WHERE c.oid = $1 AND ((r.relid = $1 AND r.epoch = $2)"
	" OR (r.epoch <> $2 AND r.last_seq IS NULL"
	" AND r.schema_name = n.nspname AND r.relation_name = c.relname))"
	" ORDER BY r.epoch = $2 DESC, r.first_seq DESC LIMIT 1",
	2, {OIDOID, INT4OID}
};

/* The names of other tables, of other epochs too, that this one now has. */
static EvauditStatement end_others = {
	"UPDATE evaudit.tracked_relations r"
	" SET last_seq = greatest($2 - 1, r.first_seq)"
	" FROM pg_catalog.pg_class c"
	" JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
	" WHERE c.oid = $1 AND r.last_seq IS NULL AND (r.id = $3 OR"
	" (r.schema_name = n.nspname AND r.relation_name = c.relname))",
	3, {OIDOID, INT8OID, UUIDOID}
};

static EvauditStatement begin_relation = {
	"INSERT INTO evaudit.tracked_relations"
	" (id, epoch, relid, first_seq, schema_name, relation_name)"
	" SELECT $3, $4, $1, $2, n.nspname, c.relname FROM pg_catalog.pg_class c"
	" JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
	" WHERE c.oid = $1 ON CONFLICT (id, first_seq) DO UPDATE SET"
	" last_seq = NULL, epoch = excluded.epoch, relid = excluded.relid,"
	" schema_name = excluded.schema_name,"
	" relation_name = excluded.relation_name",
	4, {OIDOID, INT8OID, UUIDOID, INT4OID}
};

static EvauditStatement end_relation = {
	"UPDATE evaudit.tracked_relations SET last_seq = greatest($3, first_seq)"
	" WHERE relid = $1 AND epoch = $2 AND last_seq IS NULL",
	3, {OIDOID, INT4OID, INT8OID}
};

/*
 * Bring the columns up to date from a number on.  A column that changed since
 * the last row was captured has its present row changed in place: no row of
 * audit has the names between.
 */
static EvauditStatement update_columns = {
	"WITH there AS (SELECT a.attnum, a.attname::text AS name,"
	"  pg_catalog.format_type(a.atttypid, a.atttypmod) AS type,"
	"  CASE WHEN $4 THEN a.attname::text ELSE a.attnum::text END AS key"
	"  FROM pg_catalog.pg_attribute a"
	"  WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped),"
	" present AS (SELECT t.number, t.first_seq, t.attnum, t.name, t.type,"
	"  CASE WHEN $4 THEN t.name ELSE t.attnum::text END AS key"
	"  FROM evaudit.tracked_columns t WHERE t.id = $3 AND t.last_seq IS NULL),"
	" changed AS (SELECT p.number, p.first_seq, t.attnum, t.name, t.type"
	"  FROM present p FULL JOIN there t USING (key)"
	"  WHERE (p.attnum, p.name, p.type) IS DISTINCT FROM"
	"   (t.attnum, t.name, t.type)),"
	" gone AS (DELETE FROM evaudit.tracked_columns c USING changed x"
	"  WHERE c.id = $3 AND c.number = x.number AND c.first_seq = x.first_seq"
	"  AND x.first_seq >= $2 AND x.name IS NULL),"
	" altered AS (UPDATE evaudit.tracked_columns c"
	"  SET attnum = x.attnum, name = x.name, type = x.type FROM changed x"
	"  WHERE c.id = $3 AND c.number = x.number AND c.first_seq = x.first_seq"
	"  AND x.first_seq >= $2 AND x.name IS NOT NULL),"
	" ended AS (UPDATE evaudit.tracked_columns c SET last_seq = $2 - 1"
	"  FROM changed x"
	"  WHERE c.id = $3 AND c.number = x.number AND c.first_seq = x.first_seq"
	"  AND x.first_seq < $2)"
	"INSERT INTO evaudit.tracked_columns"
	" (id, number, attnum, first_seq, name, type)"
	" SELECT $3, coalesce(x.number, (SELECT coalesce(max(m.number), 0)"
	"  FROM evaudit.tracked_columns m WHERE m.id = $3)::integer"
	"  + (count(*) FILTER (WHERE x.number IS NULL)"
	"  OVER (ORDER BY x.attnum))::integer), x.attnum, $2, x.name, x.type"
	" FROM changed x"
	" WHERE x.name IS NOT NULL AND (x.first_seq < $2 OR x.number IS NULL)",
	4, {OIDOID, INT8OID, UUIDOID, BOOLOID}
};

/* Bring a table's columns up to date; across epochs they match by name. */
static void
sync_columns(Oid relid, int64 first_seq, Datum id, bool by_name)
{
	Datum		values[] = {ObjectIdGetDatum(relid),
	Int64GetDatum(first_seq), id, BoolGetDatum(by_name)};

	(void) evaudit_spi_execute(&update_columns, values, NULL);
}

/*
 * Find the id of a table that is or was tracked, within a connection to SPI.
 * Columns match by name if it is known from another epoch only.
 */
bool
evaudit_identity_find(Oid relid, pg_uuid_t *id, bool *by_name)
{
	Datum		values[] = {ObjectIdGetDatum(relid),
	Int32GetDatum(evaudit_context_epoch())};

	if (evaudit_spi_execute(&find_id, values, NULL) == 0)
		return false;
	*by_name = evaudit_spi_bool(0, 1);
	memcpy(id, DatumGetUUIDP(evaudit_spi_datum_of(0, 0, UUIDOID)),
		   sizeof(pg_uuid_t));
	return true;
}

/* The id of a table, a new one if there was none like it. */
static Datum
choose_id(Oid relid, bool *by_name)
{
	pg_uuid_t  *id = palloc(sizeof(pg_uuid_t));

	*by_name = false;
	if (!evaudit_identity_find(relid, id, by_name))
		evaudit_row_id(id);
	return UUIDPGetDatum(id);
}

/*
 * A table is tracked under its present names, from a number on.  Columns may
 * have changed while it was not.
 */
void
evaudit_identity_begin(Oid relid, int64 first_seq)
{
	Datum		values[4] = {ObjectIdGetDatum(relid), Int64GetDatum(first_seq)};
	EvauditSpi	spi;
	bool		by_name;

	evaudit_spi_begin(&spi);
	values[2] = choose_id(relid, &by_name);
	values[3] = Int32GetDatum(evaudit_context_epoch());
	if (!evaudit_identity_known(relid))
	{
		(void) evaudit_spi_execute(&end_others, values, NULL);
		(void) evaudit_spi_execute(&begin_relation, values, NULL);
	}
	sync_columns(relid, first_seq, values[2], by_name);
	evaudit_spi_end(&spi);
}

/* A table is tracked no more, from after a number on. */
void
evaudit_identity_end(Oid relid, int64 last_seq)
{
	Datum		values[] = {ObjectIdGetDatum(relid),
		Int32GetDatum(evaudit_context_epoch()),
	Int64GetDatum(last_seq)};
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	(void) evaudit_spi_execute(&end_relation, values, NULL);
	evaudit_spi_end(&spi);
}

/* The tracked tables that a command altered, or whose schema it did. */
static EvauditStatement altered_relations = {
	"SELECT r.id, r.relid FROM evaudit.tracked_relations r"
	" JOIN pg_catalog.pg_class c ON c.oid = r.relid"
	" WHERE r.epoch = $1 AND r.last_seq IS NULL AND EXISTS (SELECT FROM"
	"  pg_catalog.pg_event_trigger_ddl_commands() d"
	"  WHERE (d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass"
	"   AND d.objid = c.oid)"
	"  OR (d.classid = 'pg_catalog.pg_namespace'::pg_catalog.regclass"
	"   AND d.objid = c.relnamespace))",
	1, {INT4OID}
};

/* Bring the name of a table up to date, as the columns above. */
static EvauditStatement update_relation = {
	"WITH changed AS (SELECT r.first_seq, n.nspname, c.relname"
	"  FROM evaudit.tracked_relations r JOIN pg_catalog.pg_class c"
	"  ON c.oid = r.relid JOIN pg_catalog.pg_namespace n"
	"  ON n.oid = c.relnamespace"
	"  WHERE r.id = $3 AND r.relid = $1 AND r.last_seq IS NULL"
	"  AND (r.schema_name <> n.nspname OR r.relation_name <> c.relname)),"
	" renamed AS (UPDATE evaudit.tracked_relations r"
	"  SET schema_name = x.nspname, relation_name = x.relname FROM changed x"
	"  WHERE r.id = $3 AND r.first_seq = x.first_seq AND x.first_seq >= $2),"
	" ended AS (UPDATE evaudit.tracked_relations r SET last_seq = $2 - 1"
	"  FROM changed x WHERE r.id = $3 AND r.first_seq = x.first_seq"
	"  AND x.first_seq < $2)"
	"INSERT INTO evaudit.tracked_relations"
	" (id, epoch, relid, first_seq, schema_name, relation_name)"
	" SELECT $3, $4, $1, $2, x.nspname, x.relname FROM changed x"
	" WHERE x.first_seq < $2",
	4, {OIDOID, INT8OID, UUIDOID, INT4OID}
};

/* In an event trigger: keep the names that a command changed. */
void
evaudit_identity_rename(void)
{
	Datum		epoch = Int32GetDatum(evaudit_context_epoch());
	EvauditSpi	spi;
	Datum	   *ids;
	Oid		   *relids;
	uint64		n;

	evaudit_spi_begin(&spi);
	n = evaudit_spi_execute(&altered_relations, &epoch, NULL);
	ids = palloc(sizeof(Datum) * Max(n, 1));
	relids = palloc(sizeof(Oid) * Max(n, 1));
	for (uint64 i = 0; i < n; i++)
	{
		ids[i] = evaudit_spi_datum_of(i, 0, UUIDOID);
		relids[i] = evaudit_spi_oid(i, 1);
	}
	for (uint64 i = 0; i < n; i++)
	{
		int64		first = evaudit_audit_last_seq() + 1;
		Datum		values[] = {ObjectIdGetDatum(relids[i]),
		Int64GetDatum(first), ids[i], epoch};

		(void) evaudit_spi_execute(&update_relation, values, NULL);
		sync_columns(relids[i], first, ids[i], false);
	}
	evaudit_spi_end(&spi);
}

/*
 * Is this a session that restores a dump, of a role that may take the table's
 * trigger off?  pg_dump's scripts and pg_restore set these first of all.
 */
static bool
is_restore(Oid relid)
{
	return !check_function_bodies && namespace_search_path[0] == '\0' &&
		evaudit_owns_relation(relid, GetUserId()) &&
		!OidIsValid(getExtensionOfObject(RelationRelationId, relid));
}

/* Does a restore work on a table that it has brought itself? */
bool
evaudit_identity_restored(Oid relid)
{
	return is_restore(relid) && !evaudit_identity_known(relid);
}

/* Take the lock on adopting a table, unless another has it. */
static bool
lock_adoption(Oid relid)
{
	LOCKTAG		tag;

	SET_LOCKTAG_OBJECT(tag, MyDatabaseId, own_relation(RELATIONS), relid, 1);
	return LockAcquire(&tag, ExclusiveLock, false, true) !=
		LOCKACQUIRE_NOT_AVAIL;
}

/*
 * A table without names here has changed.  Returns whether the change is to
 * be captured: a row is not if a restore of the table's owner inserts it.
 */
bool
evaudit_identity_adopt(Oid relid, bool insert)
{
	if (insert && is_restore(relid))
		return false;
	if (lock_adoption(relid) && !evaudit_identity_known(relid))
		evaudit_identity_begin(relid, evaudit_audit_last_seq() + 1);
	return true;
}
