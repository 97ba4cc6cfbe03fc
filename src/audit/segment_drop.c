/*-------------------------------------------------------------------------
 *
 * segment_drop.c
 *	  Dropping segments of audit whose rows are too old.
 *
 * A segment goes as a whole, if all of its numbers are drawn, all of its rows
 * are too old, no sink has yet to send one and none is held.  They are exported
 * before, if they are to be.
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
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "audit/audit_log.h"
#include "audit/audit_shape.h"
#include "audit/export.h"
#include "audit/segment.h"
#include "audit/segment_drop.h"
#include "audit/segment_make.h"
#include "server/guard.h"
#include "server/setting.h"
#include "server/spi.h"
#include "server/wait.h"

/* How long writers may queue behind a lock that is waited for. */
#define LOCK_TIMEOUT	"100ms"

/* The shortest there is, for locks that are taken while they queue. */
#define NO_TIMEOUT		"1ms"

/* How often a lock is waited for, and milliseconds between. */
#define TRIES			5
#define RETRY_PAUSE		1000

/* The first segment above a number, if all of its numbers are drawn. */
static bool
next_segment(int64 after, EvauditSegmentBounds *segment)
{
	Relation	audit = table_open(evaudit_audit_relid(), AccessShareLock);
	int			n;
	EvauditSegmentBounds *segments;
	bool		unused;
	bool		found = false;

	evaudit_audit_check_table(audit);
	segments = evaudit_segments_list(audit, &n);
	for (int i = 0; i < n && !found; i++)
	{
		*segment = segments[i];
		found = segment->first > after;
	}
	found = found && get_rel_relkind(segment->relid) == RELKIND_RELATION &&
		segment->last <= evaudit_audit_drawn(RelationGetRelid(audit),
											 &unused);
	/* given back: the lock to drop it must not be an upgrade */
	table_close(audit, AccessShareLock);
	return found;
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

/*
 * Has a segment a row that is not too old: of relations that have no rule of
 * their own, or of any?
 */
static bool
has_young_row(const char *name, const EvauditExpiry *expiry, bool unlisted)
{
	Oid			types[] = {INTERVALOID, JSONBOID, BOOLOID};
	Datum		values[] = {
		IntervalPGetDatum(expiry->keep),
		JsonbPGetDatum(expiry->relations),
		BoolGetDatum(unlisted)
	};

	return finds(psprintf("SELECT FROM ONLY %s a"
						  " LEFT JOIN jsonb_to_recordset($2)"
						  "  AS r (relation text, keep interval)"
						  "  ON r.relation = a.relation"
						  " WHERE (r.relation IS NULL OR NOT $3)"
						  " AND (a.modification_time"
						  "  < now() - coalesce(r.keep, $1)) IS NOT TRUE"
						  " LIMIT 1", name), 3, types, values);
}

/* Has a sink yet to send a row of a segment? */
static bool
is_awaited(const char *name)
{
	Oid			types[] = {OIDOID, INT4OID};
	Datum		values[] = {ObjectIdGetDatum(MyDatabaseId),
	Int32GetDatum(evaudit_context_epoch())};

	return finds(psprintf("SELECT FROM ONLY %s a WHERE "
						  EVAUDIT_IS_AWAITED("$1", "$2") " LIMIT 1", name),
				 2, types, values);
}

/* Is a row of a segment held? */
static bool
is_held(const char *name)
{
	return finds(psprintf("SELECT FROM ONLY %s a WHERE " EVAUDIT_IS_HELD
						  " LIMIT 1", name), 0, NULL, NULL);
}

/* How many rows a segment has, within a connection to SPI. */
static int64
count_rows(const char *name)
{
	PushActiveSnapshot(GetLatestSnapshot());
	if (SPI_execute(psprintf("SELECT count(*) FROM ONLY %s", name), true,
					1) != SPI_OK_SELECT)
		elog(ERROR, "could not read table %s", name);
	PopActiveSnapshot();
	return evaudit_spi_int64(0, 0);
}

/*
 * May a segment go, whose writers are locked out?  Notes why it stays: with
 * others to go by batches, or for a while.
 */
static bool
may_go(EvauditDrop *drop)
{
	const char *name = drop->name;

	if (has_young_row(name, drop->expiry, false) || is_held(name))
		drop->outcome = EVAUDIT_DROP_SOME;
	else if (is_awaited(name))
		drop->outcome = EVAUDIT_DROP_AWAITED;
	else
		drop->outcome = EVAUDIT_DROPPED;
	return drop->outcome == EVAUDIT_DROPPED;
}

/* Export the rows of a segment, as the owner of audit. */
static void
export_segment(EvauditDrop *drop)
{
	EvauditExport export = {
		.directory = drop->expiry->directory,
		.segment = drop->name,
		.total = drop->rows
	};
	EvauditSpi	spi;

	evaudit_export_check_right(drop->expiry->role);
	evaudit_spi_begin_on(&spi, evaudit_audit_relid());
	PushActiveSnapshot(GetLatestSnapshot());
	evaudit_export(&export, psprintf("SELECT " EVAUDIT_EXPORTED
									 " FROM ONLY %s a ORDER BY a.seq",
									 drop->name), InvalidOid, (Datum) 0);
	PopActiveSnapshot();
	drop->exported = export.rows;
	if (drop->exported != drop->rows)
		elog(ERROR, "exported " INT64_FORMAT " of " INT64_FORMAT " rows",
			 drop->exported, drop->rows);
	if (export.file)
		drop->file = MemoryContextStrdup(drop->context, export.file);
	evaudit_spi_end(&spi);
}

/* Drop a segment that may go, for evaudit_guard(). */
static bool
drop_locked(void *arg)
{
	const char *name = arg;

	LockRelationOid(evaudit_audit_relid(), AccessExclusiveLock);
	evaudit_set_locally("lock_timeout", NO_TIMEOUT);
	evaudit_segment_run(psprintf("ALTER EXTENSION evaudit DROP TABLE %s",
								 name));
	evaudit_segment_run(psprintf("DROP TABLE %s", name));
	return true;
}

/*
 * Drop a segment that may go.  One that was exported for it is worth to be
 * tried a few times: otherwise all of it is exported again.
 */
static void
drop_exported(EvauditDrop *drop)
{
	for (int i = drop->file ? 1 : TRIES;; i++)
	{
		ErrorData  *error = evaudit_guard(drop_locked, (void *) drop->name);

		if (error == NULL)
			return;
		if (error->sqlerrcode != ERRCODE_LOCK_NOT_AVAILABLE || i >= TRIES)
			ReThrowError(error);
		(void) evaudit_wait(RETRY_PAUSE);
	}
}

/* Drop a segment if it may go, for evaudit_guard(). */
static bool
drop_segment(void *arg)
{
	EvauditDrop *drop = arg;
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	evaudit_set_locally("lock_timeout", LOCK_TIMEOUT);
	evaudit_segment_run(psprintf("LOCK TABLE ONLY %s,"
								 " ONLY evaudit.audit_holds IN SHARE MODE",
								 drop->name));
	if (may_go(drop))
	{
		drop->rows = count_rows(drop->name);
		if (drop->expiry->directory)
			export_segment(drop);
		drop_exported(drop);
	}
	evaudit_spi_end(&spi);
	return drop->outcome == EVAUDIT_DROPPED;
}

/*
 * Drop the next segment above a number if all of its rows are too old; in a
 * transaction of its own.  Sets the outcome, and which segment it is.
 */
void
evaudit_segment_drop(const EvauditExpiry *expiry, int64 after,
					 EvauditDrop *drop)
{
	EvauditSegmentBounds segment;
	ErrorData  *error;

	memset(drop, 0, sizeof(EvauditDrop));
	drop->outcome = EVAUDIT_DROP_NONE;
	if (!next_segment(after, &segment))
		return;
	drop->context = CurrentMemoryContext;
	drop->expiry = expiry;
	drop->first = segment.first;
	drop->last = segment.last;
	drop->name = evaudit_segment_name(segment.relid);
	if (has_young_row(drop->name, expiry, true))
		return;
	error = evaudit_guard(drop_segment, drop);
	if (error == NULL)
		return;
	if (error->sqlerrcode != ERRCODE_LOCK_NOT_AVAILABLE)
		ReThrowError(error);
	drop->outcome = EVAUDIT_DROP_IN_USE;
}

/* The default partition. */
Oid
evaudit_segment_rest(void)
{
	return get_relname_relid("audit_default",
							 get_namespace_oid("evaudit", false));
}
