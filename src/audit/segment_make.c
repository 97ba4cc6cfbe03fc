/*-------------------------------------------------------------------------
 *
 * segment_make.c
 *	  Making segments of audit.
 *
 * A segment is a partition for a range of numbers, made before the first of
 * them is drawn.  Rows that were written before there was any, or because one
 * was late, are in the default partition: a range begins above them.
 *
 * A segment is a member of the extension, so that no dump makes it: its rows
 * are dumped as those of audit (dump.c).  Its owner is that of audit, in whose
 * name it becomes a partition: CHECK constraints, generated columns and indexes
 * that he added bring functions of his.
 *
 * Locks: writers are held up only where they write into the default partition.
 * It is locked last, exclusively.  From then on no row can come into it, and
 * whoever waits with a number in the new range finds the segment.  That the
 * default partition has no row of the range is looked up by its index; the
 * server would read all of it, were it not for a constraint that says so.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "commands/tablecmds.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "audit/audit_log.h"
#include "audit/audit_shape.h"
#include "audit/segment.h"
#include "audit/segment_make.h"
#include "audit/segment_times.h"
#include "server/extension.h"
#include "server/setting.h"
#include "server/spi.h"

/* Segments that are there before a number of theirs is drawn. */
#define AHEAD			2

/* How long a lock is waited for, with writers behind. */
#define LOCK_TIMEOUT	"100ms"

/* Says for a moment that the default partition has no row of a range. */
#define EMPTY_CONSTRAINT	"evaudit_no_rows_of_segment"

int			evaudit_segment_rows = 1000000;

/*
 * Is another segment wanted?  The first ones are made when numbers of a
 * quarter of a segment are drawn: few rows need none.
 */
static bool
is_wanted(const EvauditSegments *segments)
{
	return OidIsValid(segments->rest) && segments->ahead < AHEAD &&
		segments->last >= evaudit_segment_rows / 4 &&
		Max(segments->top, segments->last) <
		PG_INT64_MAX - 2 * (int64) evaudit_segment_rows;
}

/*
 * Is another segment wanted, or could the times of one be known?  Waits for no
 * lock: while audit is altered, the answer is no.
 */
bool
evaudit_segment_wanted(void)
{
	Oid			relid = get_relname_relid("audit", evaudit_extension_schema());
	EvauditSegments segments;
	Relation	rel;
	bool		wanted = false;

	if (!OidIsValid(relid) ||
		!ConditionalLockRelationOid(relid, AccessShareLock))
		return false;
	rel = try_relation_open(relid, NoLock);
	if (rel == NULL)
		return false;
	if (evaudit_audit_is_partitioned(rel))
	{
		evaudit_segments_read(rel, &segments);
		wanted = is_wanted(&segments) || evaudit_segment_times_wanted(rel);
	}
	relation_close(rel, NoLock);
	return wanted;
}

/* Run a command, within a connection to SPI. */
void
evaudit_segment_run(const char *command)
{
	if (SPI_execute(command, false, 0) < 0)
		elog(ERROR, "could not execute \"%s\"", command);
}

/* Run the commands that a statement makes for the table $1, of audit, $2. */
static void
run_made(EvauditStatement *statement, Oid table, Oid audit)
{
	Datum		values[] = {ObjectIdGetDatum(table), ObjectIdGetDatum(audit)};
	uint64		n = evaudit_spi_execute(statement, values, NULL);
	char	  **commands = palloc(sizeof(char *) * Max(n, 1));

	for (uint64 i = 0; i < n; i++)
		commands[i] = evaudit_spi_text(i, 0);
	for (uint64 i = 0; i < n; i++)
		evaudit_segment_run(commands[i]);
}

/* The name of a relation as a command may use it. */
char *
evaudit_segment_name(Oid relid)
{
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)),
									  get_rel_name(relid));
}

/* The owner of a relation. */
static Oid
owner_of(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", relid);
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

/* Give a table to the owner of audit. */
static void
give(Oid table, Oid audit)
{
	Oid			owner = owner_of(audit);

	if (owner_of(table) == owner)
		return;
	ATExecChangeOwner(table, owner, true, AccessExclusiveLock);
	CommandCounterIncrement();
}

/*
 * Give the partitions of audit, which is locked, to its owner: the server
 * leaves them with theirs, and he could not alter his table.
 */
void
evaudit_segments_give(Oid audit)
{
	List	   *oids = find_all_inheritors(audit, AccessShareLock, NULL);
	ListCell   *cell;

	foreach(cell, oids)
		give(lfirst_oid(cell), audit);
}

/* A name of a segment that is not in use. */
static char *
choose_name(void)
{
	static EvauditStatement find = {
		"SELECT coalesce(max(substr(c.relname, 7)::bigint), 0) + 1"
		" FROM pg_class c WHERE c.relnamespace = 'evaudit'::regnamespace"
		" AND c.relname ~ '^audit_[0-9]{1,18}$'"
	};

	(void) evaudit_spi_execute(&find, NULL, NULL);
	return psprintf("audit_" INT64_FORMAT, evaudit_spi_int64(0, 0));
}

/*
 * Make a table like audit, that belongs to the extension and that nobody has
 * a privilege on, whatever default privileges say.
 */
static Oid
create_table(Oid audit)
{
	static EvauditStatement revoke = {
		"SELECT DISTINCT format('REVOKE ALL ON TABLE %s FROM %s', $1::regclass,"
		" CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END)"
		" FROM pg_class c, aclexplode(c.relacl) a"
		" WHERE c.oid = $1 AND a.grantee <> c.relowner AND $2 <> 0",
		2, {OIDOID, OIDOID}
	};
	EvauditSpi	spi;
	char	   *name;
	Oid			relid;

	evaudit_spi_begin(&spi);
	name = choose_name();
	evaudit_segment_run(psprintf("CREATE TABLE evaudit.%s"
								 " (LIKE %s INCLUDING STORAGE INCLUDING COMPRESSION)",
								 name, evaudit_segment_name(audit)));
	relid = get_relname_relid(name, get_namespace_oid("evaudit", false));
	run_made(&revoke, relid, audit);
	evaudit_segment_run(psprintf("COMMENT ON TABLE evaudit.%s IS"
								 " 'internal: a segment of audit'", name));
	evaudit_segment_run(psprintf("ALTER EXTENSION evaudit ADD TABLE evaudit.%s", name));
	evaudit_spi_end(&spi);
	return relid;
}

/* Give a table what a partition of audit must have; as audit's owner. */
static void
add_constraints(Oid table, Oid audit)
{
	static EvauditStatement generated = {
		"SELECT format('ALTER TABLE %s DROP COLUMN %I, ADD COLUMN %I %s"
		"%s GENERATED ALWAYS AS (%s) %s', $1::regclass, a.attname,"
		" a.attname, format_type(a.atttypid, a.atttypmod),"
		" ' COLLATE ' || nullif(a.attcollation, 0)::regcollation,"
		" pg_get_expr(d.adbin, d.adrelid),"
		" CASE a.attgenerated WHEN 's' THEN 'STORED' ELSE 'VIRTUAL' END)"
		" FROM pg_attribute a JOIN pg_attrdef d"
		" ON d.adrelid = a.attrelid AND d.adnum = a.attnum"
		" WHERE a.attrelid = $2 AND a.attgenerated <> '' ORDER BY a.attnum",
		2, {OIDOID, OIDOID}
	};
	static EvauditStatement checks = {
		"SELECT format('ALTER TABLE %s ADD CONSTRAINT %I %s', $1::regclass,"
		" conname, regexp_replace(pg_get_constraintdef(oid), ' NOT VALID$', ''))"
		" FROM pg_constraint WHERE conrelid = $2 AND contype = 'c'"
		" AND NOT connoinherit ORDER BY conname",
		2, {OIDOID, OIDOID}
	};

	run_made(&generated, table, audit);
	run_made(&checks, table, audit);
}

/*
 * Find the last number of a range that the default partition, which is locked,
 * has a row of; false if it has none.  What was committed is seen whatever the
 * isolation level of the transaction.
 */
static bool
find_last_in(Oid rest, int64 first, int64 end, int64 *last)
{
	Datum		values[] = {Int64GetDatum(first), Int64GetDatum(end)};
	Oid			types[] = {INT8OID, INT8OID};
	int			result;

	PushActiveSnapshot(GetLatestSnapshot());
	result = SPI_execute_with_args(psprintf("SELECT max(seq) FROM ONLY %s"
											" WHERE seq >= $1 AND seq < $2",
											evaudit_segment_name(rest)),
								   2, types, values, NULL, true, 1);
	PopActiveSnapshot();
	if (result != SPI_OK_SELECT)
		elog(ERROR, "could not read table %u", rest);
	if (evaudit_spi_is_null(0, 0))
		return false;
	*last = evaudit_spi_int64(0, 0);
	return true;
}

/* Mark a constraint as one that all rows satisfy, which was looked up. */
static void
mark_validated(Oid table, const char *name)
{
	Oid			oid = get_relation_constraint_oid(table, name, false);
	Relation	catalog = table_open(ConstraintRelationId, RowExclusiveLock);
	HeapTuple	tuple = SearchSysCacheCopy1(CONSTROID, ObjectIdGetDatum(oid));

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for constraint %u", oid);
	((Form_pg_constraint) GETSTRUCT(tuple))->convalidated = true;
	CatalogTupleUpdate(catalog, &tuple->t_self, tuple);
	table_close(catalog, RowExclusiveLock);
	CacheInvalidateRelcacheByRelid(table);
	CommandCounterIncrement();
}

/*
 * Attach a table to audit, for as many numbers as a segment has above those
 * that are drawn.  As audit's owner, who owns the partitions.
 */
static void
attach(Oid table, EvauditSegments *segments)
{
	char	   *rest = evaudit_segment_name(segments->rest);
	int64		last;
	int64		first;
	int64		end;
	bool		unused;

	LockRelationOid(segments->rest, AccessExclusiveLock);
	/* what was drawn is written, or finds the partition that it belongs to */
	last = evaudit_audit_drawn(segments->audit, &unused);
	first = Max(segments->top, last) + 1;
	end = first + evaudit_segment_rows;
	while (find_last_in(segments->rest, first, end, &last))
	{
		first = last + 1;
		end = first + evaudit_segment_rows;
	}

	evaudit_segment_run(psprintf("ALTER TABLE %s ADD CONSTRAINT " EMPTY_CONSTRAINT
								 " CHECK (NOT (seq IS NOT NULL AND seq >= '" INT64_FORMAT
								 "'::bigint AND seq < '" INT64_FORMAT "'::bigint)) NOT VALID",
								 rest, first, end));
	mark_validated(segments->rest, EMPTY_CONSTRAINT);
	evaudit_segment_run(psprintf("ALTER TABLE %s ATTACH PARTITION %s FOR VALUES FROM ("
								 INT64_FORMAT ") TO (" INT64_FORMAT ")",
								 evaudit_segment_name(segments->audit), evaudit_segment_name(table), first, end));
	evaudit_segment_run(psprintf("ALTER TABLE %s DROP CONSTRAINT " EMPTY_CONSTRAINT, rest));
}

/*
 * Make a segment, if another one is wanted; in a transaction of its own.  An
 * ERROR if a lock is not to be had.
 */
bool
evaudit_segment_make(void)
{
	Oid			audit = evaudit_audit_relid();
	int			level = NewGUCNestLevel();
	EvauditSegments segments;
	Relation	rel;
	Oid			table;
	EvauditSpi	spi;
	bool		wanted;

	evaudit_set_locally("lock_timeout", LOCK_TIMEOUT);
	rel = table_open(audit, ShareUpdateExclusiveLock);
	evaudit_audit_check_table(rel);
	evaudit_segments_read(rel, &segments);
	table_close(rel, NoLock);
	wanted = is_wanted(&segments);
	if (wanted)
	{
		table = create_table(audit);
		evaudit_segments_give(audit);
		give(table, audit);
		evaudit_spi_begin_on(&spi, audit);
		add_constraints(table, audit);
		attach(table, &segments);
		evaudit_spi_end(&spi);
	}
	AtEOXact_GUC(false, level);
	return wanted;
}
