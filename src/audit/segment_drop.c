/*-------------------------------------------------------------------------
 *
 * segment_drop.c
 *	  Dropping segments of audit whose rows are too old.
 *
 * The first segment goes as a whole, if all of its numbers are drawn, all of
 * its rows are old, no sink has yet to send one and none is held.
 *
 * Locks: all of that is looked up while the segment and the holds are locked
 * against writers, so that nothing comes in between.  Nobody writes into such
 * a segment but a restore, or who updates audit itself.  Dropping a partition
 * takes an exclusive lock on audit as well, for which writers queue.  It is
 * waited for no longer than LOCK_TIMEOUT, and held while catalogs are changed:
 * what is locked after it is had at once, or not at all, and files are removed
 * when it is given back.  DETACH CONCURRENTLY, which takes a weaker one, is
 * refused beside a default partition.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "audit/audit_log.h"
#include "audit/audit_shape.h"
#include "audit/segment.h"
#include "audit/segment_drop.h"
#include "audit/segment_make.h"
#include "server/guard.h"
#include "server/setting.h"
#include "server/spi.h"

/* How long writers may queue behind a lock that is waited for. */
#define LOCK_TIMEOUT	"100ms"

/* The shortest there is, for locks that are taken while they queue. */
#define NO_TIMEOUT		"1ms"

/* The first segment, if all of its numbers are drawn. */
static Oid
first_segment(void)
{
	Relation	audit = table_open(evaudit_audit_relid(), AccessShareLock);
	int			n;
	EvauditSegmentBounds *segments;
	bool		unused;
	Oid			result = InvalidOid;

	evaudit_audit_check_table(audit);
	segments = evaudit_segments_list(audit, &n);
	if (n > 0 && get_rel_relkind(segments[0].relid) == RELKIND_RELATION &&
		segments[0].last < evaudit_audit_drawn(RelationGetRelid(audit),
											   &unused))
		result = segments[0].relid;
	/* given back: the lock to drop it must not be an upgrade */
	table_close(audit, AccessShareLock);
	return result;
}

/*
 * Does a query about a segment find a row?  It sees what was committed until
 * now: the locks were not held when the transaction began.
 */
static bool
finds(const char *sql, int nargs, Oid *types, Datum *values)
{
	EvauditSpi	spi;
	bool		result;

	evaudit_spi_begin(&spi);
	PushActiveSnapshot(GetLatestSnapshot());
	if (SPI_execute_with_args(sql, nargs, types, values, NULL, true,
							  1) != SPI_OK_SELECT)
		elog(ERROR, "could not execute \"%s\"", sql);
	PopActiveSnapshot();
	result = SPI_processed > 0;
	evaudit_spi_end(&spi);
	return result;
}

/* Has a segment a row that is not too old? */
static bool
has_young_row(const char *name, const Interval *keep)
{
	Oid			types[] = {INTERVALOID};
	Datum		values[] = {IntervalPGetDatum(keep)};

	return finds(psprintf("SELECT FROM ONLY %s"
						  " WHERE (modification_time < now() - $1)"
						  " IS NOT TRUE LIMIT 1", name), 1, types, values);
}

/*
 * Has a sink yet to send a row?  What is complete in the snapshot up to which
 * it has sent everything is sent.
 */
static bool
is_awaited(const char *name)
{
	Oid			types[] = {OIDOID, INT4OID};
	Datum		values[] = {ObjectIdGetDatum(MyDatabaseId),
	Int32GetDatum(evaudit_context_epoch())};

	return finds(psprintf("SELECT FROM evaudit.sinks s"
						  " CROSS JOIN LATERAL (SELECT p.low"
						  "  FROM evaudit.sink_positions p"
						  "  WHERE p.sink_id = s.id"
						  "  ORDER BY p.version DESC LIMIT 1) p"
						  " WHERE s.database = $1 AND 'audit' = ANY (s.topics)"
						  " AND s.detached IS NULL AND EXISTS ("
						  "  SELECT FROM ONLY %s a WHERE a.epoch = $2"
						  "  AND a.xid >= pg_snapshot_xmin(p.low)) LIMIT 1",
						  name), 2, types, values);
}

/* Is a row of a segment held? */
static bool
is_held(const char *name)
{
	return finds(psprintf("SELECT FROM ONLY %s a JOIN evaudit.audit_holds h"
						  " ON h.relation = a.relation"
						  " AND (h.item_key IS NULL"
						  " OR h.item_key = a.item_key) LIMIT 1", name),
				 0, NULL, NULL);
}

/* How many rows VACUUM or ANALYZE found last. */
static int64
rows_of(Oid segment)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(segment));
	int64		rows;

	if (!HeapTupleIsValid(tuple))
		return 0;
	rows = (int64) ((Form_pg_class) GETSTRUCT(tuple))->reltuples;
	ReleaseSysCache(tuple);
	return Max(rows, 0);
}

/* May a segment go, whose writers are locked out?  Notes why it must wait. */
static bool
may_go(EvauditDrop *drop)
{
	const char *name = drop->name;

	if (has_young_row(name, drop->keep))
		return false;
	if (is_held(name))
		drop->reason = "rows are held in";
	else if (is_awaited(name))
		drop->reason = "a sink has not sent all rows of";
	return drop->reason == NULL;
}

/* Drop a segment that may go, with audit locked. */
static void
drop_locked(const char *name)
{
	LockRelationOid(evaudit_audit_relid(), AccessExclusiveLock);
	evaudit_set_locally("lock_timeout", NO_TIMEOUT);
	evaudit_segment_run(psprintf("ALTER EXTENSION evaudit DROP TABLE %s",
								 name));
	evaudit_segment_run(psprintf("DROP TABLE %s", name));
}

/* Drop a segment if it may go, for evaudit_guard(). */
static bool
drop_segment(void *arg)
{
	EvauditDrop *drop = arg;
	EvauditSpi	spi;
	int			level = NewGUCNestLevel();

	evaudit_set_locally("lock_timeout", LOCK_TIMEOUT);
	evaudit_spi_begin(&spi);
	evaudit_segment_run(psprintf("LOCK TABLE ONLY %s,"
								 " ONLY evaudit.audit_holds IN SHARE MODE",
								 drop->name));
	drop->dropped = may_go(drop);
	if (drop->dropped)
		drop_locked(drop->name);
	evaudit_spi_end(&spi);
	AtEOXact_GUC(false, level);
	return drop->dropped;
}

/*
 * Drop the first segment if all of its rows are older than an interval; in a
 * transaction of its own.
 */
void
evaudit_segment_drop_first(const Interval *keep, EvauditDrop *drop)
{
	Oid			segment = first_segment();
	ErrorData  *error;

	memset(drop, 0, sizeof(EvauditDrop));
	if (!OidIsValid(segment))
		return;
	drop->keep = keep;
	drop->name = evaudit_segment_name(segment);
	drop->rows = rows_of(segment);
	error = evaudit_guard(drop_segment, drop);
	if (error != NULL)
	{
		if (error->sqlerrcode != ERRCODE_LOCK_NOT_AVAILABLE)
			ReThrowError(error);
		drop->dropped = false;
		drop->reason = "audit is in use, could not drop";
	}
	if (drop->reason != NULL)
		drop->waiting = psprintf("%s %s", drop->reason, drop->name);
}

/* The default partition. */
Oid
evaudit_segment_rest(void)
{
	return get_relname_relid("audit_default",
							 get_namespace_oid("evaudit", false));
}

/*
 * Delete what is too old of the next rows of the default partition, by their
 * numbers, as the owner of audit.  False if what follows is young.
 */
bool
evaudit_segment_rest_delete(const Interval *keep, int limit, int64 *last,
							uint64 *deleted)
{
	static EvauditStatement find = {
		"WITH scanned AS MATERIALIZED ("
		" SELECT seq, relation, item_key, epoch, xid,"
		"  modification_time < now() - $1 AS old"
		" FROM ONLY evaudit.audit_default WHERE seq > $2"
		" ORDER BY seq LIMIT $3)"
		" SELECT coalesce(max(seq), $2), count(*) = $3 AND bool_and(old),"
		" coalesce(array_agg(seq) FILTER (WHERE old"
		"  AND NOT EXISTS (SELECT FROM evaudit.audit_holds h"
		"   WHERE h.relation = s.relation"
		"   AND (h.item_key IS NULL OR h.item_key = s.item_key))"
		"  AND NOT (s.epoch = $4 AND EXISTS (SELECT FROM evaudit.sinks k"
		"   CROSS JOIN LATERAL (SELECT p.low FROM evaudit.sink_positions p"
		"    WHERE p.sink_id = k.id ORDER BY p.version DESC LIMIT 1) p"
		"   WHERE k.database = $5 AND 'audit' = ANY (k.topics)"
		"   AND k.detached IS NULL AND s.xid >= pg_snapshot_xmin(p.low)))),"
		"  '{}') FROM scanned s",
		5, {INTERVALOID, INT8OID, INT4OID, INT4OID, OIDOID}
	};
	static EvauditStatement delete = {
		"DELETE FROM ONLY evaudit.audit_default WHERE seq = ANY ($1)",
		1, {INT8ARRAYOID}
	};
	Datum		values[] = {
		IntervalPGetDatum(keep),
		Int64GetDatum(*last),
		Int32GetDatum(limit),
		Int32GetDatum(evaudit_context_epoch()),
		ObjectIdGetDatum(MyDatabaseId)
	};
	MemoryContext context = CurrentMemoryContext;
	Datum		numbers;
	bool		more;
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	(void) evaudit_spi_execute(&find, values, NULL);
	*last = evaudit_spi_int64(0, 0);
	more = evaudit_spi_bool(0, 1);
	MemoryContextSwitchTo(context);
	numbers = datumCopy(evaudit_spi_datum_of(0, 2, INT8ARRAYOID), false, -1);
	evaudit_spi_end(&spi);

	evaudit_spi_begin_on(&spi, evaudit_audit_relid());
	*deleted = evaudit_spi_execute(&delete, &numbers, NULL);
	evaudit_spi_end(&spi);
	return more;
}
