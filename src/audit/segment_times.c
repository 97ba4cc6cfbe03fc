/*-------------------------------------------------------------------------
 *
 * segment_times.c
 *	  What a segment of audit knows of its times once all its numbers are drawn.
 *
 * A CHECK constraint says from when to when the rows of a segment were
 * written, so that a query for constant times reads few segments.  First it is
 * added as NOT VALID, with the times that are found; that locks the segment
 * for a moment, and waits for whoever still writes into it.  Then it is
 * validated: a row that was committed meanwhile, and has another time, makes
 * that fail, and the constraint goes.
 *
 * The constraint is there while nobody writes: whoever does, such as a
 * restore, drops it before (segment.c).  Rows that a subscription brings are
 * inserted by the server, in an order of its own.  So where audit is one of a
 * subscription's tables there is no such constraint.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_type.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "audit/audit_log.h"
#include "audit/audit_shape.h"
#include "audit/segment.h"
#include "audit/segment_make.h"
#include "audit/segment_times.h"
#include "server/guard.h"
#include "server/setting.h"
#include "server/spi.h"

/* How long a lock is waited for. */
#define LOCK_TIMEOUT	"100ms"

/* What is known of the times of a segment. */
typedef enum Times
{
	UNKNOWN,
	NOT_VALID,
	VALID
} Times;

/* The state of a segment's constraint. */
static Times
times_of(Oid segment)
{
	Oid			oid = get_relation_constraint_oid(segment,
												  EVAUDIT_TIMES_CONSTRAINT,
												  true);
	HeapTuple	tuple;
	Times		result;

	if (!OidIsValid(oid))
		return UNKNOWN;
	tuple = SearchSysCache1(CONSTROID, ObjectIdGetDatum(oid));
	if (!HeapTupleIsValid(tuple))
		return UNKNOWN;
	result = ((Form_pg_constraint) GETSTRUCT(tuple))->convalidated ?
		VALID : NOT_VALID;
	ReleaseSysCache(tuple);
	return result;
}

/* Does a subscription bring rows of audit? */
bool
evaudit_audit_is_subscribed(Oid audit)
{
	static EvauditStatement find = {
		"SELECT EXISTS (SELECT FROM pg_subscription_rel WHERE srrelid = $1)",
		1, {OIDOID}
	};
	Datum		value = ObjectIdGetDatum(audit);
	EvauditSpi	spi;
	bool		result;

	evaudit_spi_begin(&spi);
	(void) evaudit_spi_read_latest(&find, &value, NULL);
	result = evaudit_spi_bool(0, 0);
	evaudit_spi_end(&spi);
	return result;
}

/*
 * The first segment whose numbers are all drawn, and some of the next, and
 * whose times are not known; InvalidOid if there is none.
 */
static Oid
find_closed(Relation audit)
{
	int			n;
	EvauditSegmentBounds *segments = evaudit_segments_list(audit, &n);
	bool		unused;
	int64		last = evaudit_audit_drawn(RelationGetRelid(audit), &unused);

	for (int i = 0; i < n && segments[i].last < last; i++)
	{
		if (get_rel_relkind(segments[i].relid) == RELKIND_RELATION &&
			times_of(segments[i].relid) != VALID)
			return segments[i].relid;
	}
	return InvalidOid;
}

/* Are there segments whose times could be known? */
bool
evaudit_segment_times_wanted(Relation audit)
{
	return OidIsValid(find_closed(audit)) &&
		!evaudit_audit_is_subscribed(RelationGetRelid(audit));
}

/* Add the constraint, for the rows that are there. */
static void
add_times(Oid segment)
{
	char	   *name = evaudit_segment_name(segment);
	char	   *first;
	char	   *last;

	/* as the server reads them again, whatever else is set */
	evaudit_set_locally("DateStyle", "ISO, YMD");
	evaudit_set_locally("TimeZone", "UTC");
	if (SPI_execute(psprintf("SELECT coalesce(min(modification_time), 'infinity'),"
							 " coalesce(max(modification_time), '-infinity')"
							 " FROM ONLY %s", name), true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read table %s", name);
	first = evaudit_spi_text(0, 0);
	last = evaudit_spi_text(0, 1);
	evaudit_segment_run(psprintf("ALTER TABLE %s ADD CONSTRAINT " EVAUDIT_TIMES_CONSTRAINT
								 " CHECK (modification_time >= '%s'::timestamptz"
								 " AND modification_time <= '%s'::timestamptz) NOT VALID",
								 name, first, last));
}

/* Validate the constraint, for evaudit_guard(). */
static bool
validate_times(void *arg)
{
	Oid			segment = *(Oid *) arg;

	evaudit_segment_run(psprintf("ALTER TABLE %s VALIDATE CONSTRAINT "
								 EVAUDIT_TIMES_CONSTRAINT, evaudit_segment_name(segment)));
	return true;
}

/*
 * Do the next step for the first segment that is closed, in a transaction of
 * its own; false if there is none.  An ERROR if a lock is not to be had.
 */
bool
evaudit_segment_add_times(void)
{
	Oid			audit = evaudit_audit_relid();
	int			level = NewGUCNestLevel();
	Relation	rel;
	Oid			segment;
	ErrorData  *error = NULL;
	EvauditSpi	spi;

	evaudit_set_locally("lock_timeout", LOCK_TIMEOUT);
	/* a subscription that is being made holds this lock, too */
	rel = table_open(audit, ShareUpdateExclusiveLock);
	evaudit_audit_check_table(rel);
	segment = find_closed(rel);
	table_close(rel, NoLock);
	if (OidIsValid(segment) && !evaudit_audit_is_subscribed(audit))
	{
		evaudit_spi_begin_on(&spi, audit);
		if (times_of(segment) == UNKNOWN)
			add_times(segment);
		else
			error = evaudit_guard(validate_times, &segment);
		evaudit_spi_end(&spi);
	}
	else
		segment = InvalidOid;
	if (error != NULL && error->sqlerrcode != ERRCODE_CHECK_VIOLATION)
		ReThrowError(error);
	if (error != NULL)
		evaudit_segment_forget_times(segment);
	AtEOXact_GUC(false, level);
	return OidIsValid(segment);
}

/* Has a partition of audit the constraint? */
bool
evaudit_segment_has_times(Relation segment)
{
	TupleConstr *constr = RelationGetDescr(segment)->constr;

	for (int i = 0; constr && i < constr->num_check; i++)
	{
		if (strcmp(constr->check[i].ccname, EVAUDIT_TIMES_CONSTRAINT) == 0)
			return true;
	}
	return false;
}

/* Drop the constraint of a segment that is not open here, if it has one. */
void
evaudit_segment_forget_times(Oid segment)
{
	ObjectAddress constraint = {ConstraintRelationId, InvalidOid, 0};

	LockRelationOid(segment, AccessExclusiveLock);
	constraint.objectId = get_relation_constraint_oid(segment,
													  EVAUDIT_TIMES_CONSTRAINT,
													  true);
	if (!OidIsValid(constraint.objectId))
		return;
	performDeletion(&constraint, DROP_RESTRICT, PERFORM_DELETION_INTERNAL);
	CommandCounterIncrement();
}

/* Drop the constraints of all segments. */
void
evaudit_segments_forget_times(Oid audit)
{
	Relation	rel = table_open(audit, ShareUpdateExclusiveLock);
	int			n;
	EvauditSegmentBounds *segments = evaudit_segments_list(rel, &n);

	table_close(rel, NoLock);
	for (int i = 0; i < n; i++)
	{
		if (times_of(segments[i].relid) != UNKNOWN)
			evaudit_segment_forget_times(segments[i].relid);
	}
}
