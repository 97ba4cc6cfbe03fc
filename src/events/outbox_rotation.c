/*-------------------------------------------------------------------------
 *
 * outbox_rotation.c
 *	  Giving back the space of what all sinks have sent.
 *
 * A partition of the outbox is truncated when every row in it is visible in
 * the low snapshot of each sink's position: no transaction that has rows there
 * is at or past the snapshot's xmax, or listed as running in it.  That is
 * asked under ACCESS EXCLUSIVE lock, so that there are no rows of transactions
 * that have not come to their end; and so it does not matter which partition a
 * writer took for the one that is written to.
 *
 * The lock is taken only if nobody has to wait for it: a dump, which holds its
 * locks for hours, delays the truncation until it is through, and nothing else.
 * So that writers, of which one may always be under way, do not keep a
 * partition from being truncated for ever, another one is written to once it
 * is large.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/snapmgr.h"

#include "events/outbox_rotation.h"
#include "events/outbox_space.h"
#include "runtime/wakeup.h"
#include "server/spi.h"

/*
 * Milliseconds after which a small one is truncated, too: what was sent is not
 * to lie there for ever, and a truncation has its costs.
 */
#define SMALL_INTERVAL		600000

/*
 * The latest position of each sink that has a place, as a relation.  Those that
 * read the audit need nothing here.
 */
#define POSITIONS \
	"(SELECT s.id, p.low FROM evaudit.sinks s CROSS JOIN LATERAL" \
	"  (SELECT p.low FROM evaudit.sink_positions p WHERE p.sink_id = s.id" \
	"   ORDER BY p.version DESC LIMIT 1) p" \
	"  WHERE s.detached IS NULL AND s.database = $1" \
	"  AND NOT 'audit' = ANY (s.topics))"

/* Whether the newest row of a partition is visible in all positions. */
static bool
all_have_passed(int part)
{
	static EvauditStatement find = {
		"SELECT EXISTS (SELECT FROM " POSITIONS " p"
		" WHERE (SELECT max(o.xid) FROM evaudit.outbox o WHERE o.part = $2)"
		"   >= pg_snapshot_xmax(p.low)"
		"  OR EXISTS (SELECT FROM pg_snapshot_xip(p.low) x WHERE EXISTS"
		"   (SELECT FROM evaudit.outbox o WHERE o.part = $2 AND o.xid = x)))",
		2, {OIDOID, INT2OID}
	};
	Datum		values[2] = {ObjectIdGetDatum(MyDatabaseId),
	Int16GetDatum((int16) part)};
	bool		held;
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	(void) evaudit_spi_read_latest(&find, values, NULL);
	held = evaudit_spi_bool(0, 0);
	evaudit_spi_end(&spi);
	return !held;
}

/* Truncate a partition. */
static void
truncate_part(int part)
{
	static EvauditStatement truncate[EVAUDIT_OUTBOX_PARTS] = {
		{"TRUNCATE evaudit.outbox_0"},
		{"TRUNCATE evaudit.outbox_1"},
		{"TRUNCATE evaudit.outbox_2"},
	};
	static EvauditStatement note = {
		"UPDATE evaudit.outbox_state SET truncated_at = clock_timestamp()"
	};
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	(void) evaudit_spi_execute(&truncate[part], NULL, NULL);
	(void) evaudit_spi_execute(&note, NULL, NULL);
	evaudit_spi_end(&spi);
}

/* Whether a partition has rows for which it is truncated. */
static bool
is_worth_it(int part)
{
	static EvauditStatement find = {
		"SELECT 1 FROM evaudit.outbox o, evaudit.outbox_state s"
		" WHERE o.part = $1 AND ($2 OR s.truncated_at <"
		"  clock_timestamp() - interval '1ms' * $3) LIMIT 1",
		3, {INT2OID, BOOLOID, INT4OID}
	};
	Datum		values[3] = {Int16GetDatum((int16) part),
	BoolGetDatum(evaudit_outbox_part_is_large(part)), Int32GetDatum(SMALL_INTERVAL)};
	bool		found;
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	found = evaudit_spi_execute(&find, values, NULL) > 0;
	evaudit_spi_end(&spi);
	return found;
}

/*
 * Truncate a partition if no sink needs it and nobody uses it, within a
 * transaction.
 */
EvauditTruncation
evaudit_outbox_truncate(int part)
{
	/* most often this tells, without the lock */
	if (!is_worth_it(part) || !all_have_passed(part))
		return EVAUDIT_TRUNCATION_NEEDLESS;
	if (!ConditionalLockRelationOid(evaudit_outbox_part(part),
									AccessExclusiveLock))
		return EVAUDIT_TRUNCATION_LOCKED;
	if (!all_have_passed(part))
		return EVAUDIT_TRUNCATION_NEEDLESS;
	truncate_part(part);
	return EVAUDIT_TRUNCATED;
}

/* The partition that is written to. */
static int
current_part(void)
{
	static EvauditStatement read = {
		"SELECT part::integer FROM evaudit.outbox_state FOR UPDATE"
	};
	int			part = 0;
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	if (evaudit_spi_execute(&read, NULL, NULL) > 0)
		part = evaudit_spi_int32(0, 0) % EVAUDIT_OUTBOX_PARTS;
	evaudit_spi_end(&spi);
	return part;
}

/* Have another partition written to. */
static void
switch_to(int part)
{
	static EvauditStatement change = {
		"UPDATE evaudit.outbox_state SET part = $1", 1, {INT2OID}
	};
	Datum		value = Int16GetDatum((int16) part);
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	(void) evaudit_spi_execute(&change, &value, NULL);
	evaudit_spi_end(&spi);
}

/*
 * Switch to the next partition if the one that is written to is large and the
 * next one is not, within a transaction.
 */
void
evaudit_outbox_rotate(void)
{
	int			part = current_part();
	int			next = (part + 1) % EVAUDIT_OUTBOX_PARTS;

	if (evaudit_outbox_part_is_large(part) && !evaudit_outbox_part_is_large(next))
		switch_to(next);
}

/*
 * Take its place from the sink that is furthest behind among those that keep
 * rows in the outbox, within a transaction; false if none does.
 */
bool
evaudit_outbox_detach_slowest(void)
{
	static EvauditStatement detach = {
		"UPDATE evaudit.sinks SET detached = format("
		"  'the outbox reached evaudit.outbox_max_size, %s kB, and this was the slowest sink: evaudit.seek_sink() gives it a place again, without what it has not sent', $2)"
		" WHERE id = (SELECT p.id FROM " POSITIONS " p"
		"  WHERE (SELECT max(o.xid) FROM evaudit.outbox o)"
		"   >= pg_snapshot_xmax(p.low)"
		"  ORDER BY pg_snapshot_xmax(p.low), p.id LIMIT 1) RETURNING name",
		2, {OIDOID, INT4OID}
	};
	Datum		values[2] = {ObjectIdGetDatum(MyDatabaseId),
	Int32GetDatum(evaudit_outbox_max_size)};
	bool		found;
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	found = evaudit_spi_execute(&detach, values, NULL) > 0;
	if (found)
		ereport(WARNING,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("sink \"%s\" was detached: the outbox has reached evaudit.outbox_max_size",
						evaudit_spi_text(0, 0)),
				 errdetail_log("sink=\"%s\"", evaudit_spi_text(0, 0))));
	evaudit_spi_end(&spi);
	if (found)
		evaudit_wake_scheduler_at_commit();
	return found;
}
