/*-------------------------------------------------------------------------
 *
 * retention_audit.c
 *	  A rule of retention for audit, step by step.
 *
 * First go rows that are in no segment, by batches.  Then segments, from the
 * oldest, as a whole; of one of which some rows stay (they are held, or of a
 * relation that is kept for longer), the others go by batches.  Last go rows
 * of relations that are kept for a time of their own, wherever they are.
 *
 * So that rows are not gone through again and again, the rule's positions have
 * for each relation up to which number that is done, and for segments under
 * the name "*".  They begin anew when the rule is set.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "audit/audit_log.h"
#include "audit/segment_drop.h"
#include "audit/segment_make.h"
#include "operations/retention.h"
#include "server/spi.h"
#include "text/options.h"

/* The position of segments. */
#define SEGMENTS	"*"

/* A relation that is kept for a time of its own. */
typedef struct RelationRule
{
	char	   *name;
	Interval	keep;
	int64		position;
} RelationRule;

/* What is at work. */
typedef enum Phase
{
	REST,						/* rows in no segment */
	DROP,						/* segments */
	PURGE,						/* rows of a segment of which others stay */
	RELATIONS
} Phase;

typedef struct EvauditAuditSweep
{
	MemoryContext context;		/* of what outlives a batch */
	EvauditExpiry expiry;
	Phase		phase;
	bool		walking;		/* walk has begun */
	EvauditExpireWalk walk;
	int64		segment;		/* first number of the last segment; or none */
	int64		segment_last;	/* its last one */
	int64		position;		/* of segments */
	List	   *relations;		/* of RelationRule, not gone through yet */
} EvauditAuditSweep;

/* List the relations of a rule, in the current memory context. */
static List *
list_relations(const EvauditRetention *rule, Jsonb *relations)
{
	static EvauditStatement list = {
		"SELECT r.relation, r.keep,"
		" coalesce(($2 ->> r.relation)::bigint, 0)"
		" FROM jsonb_to_recordset($1) AS r (relation text, keep interval)",
		2, {JSONBOID, JSONBOID}
	};
	Datum		values[] = {JsonbPGetDatum(relations),
	JsonbPGetDatum(rule->positions)};
	MemoryContext context = CurrentMemoryContext;
	List	   *result = NIL;
	EvauditSpi	spi;
	int			n;

	evaudit_spi_begin(&spi);
	n = (int) evaudit_spi_execute(&list, values, NULL);
	context = MemoryContextSwitchTo(context);
	for (int i = 0; i < n; i++)
	{
		RelationRule *relation = palloc(sizeof(RelationRule));

		relation->name = pstrdup(evaudit_spi_text(i, 0));
		relation->keep = *DatumGetIntervalP(evaudit_spi_datum_of(i, 1,
																 INTERVALOID));
		relation->position = evaudit_spi_int64(i, 2);
		result = lappend(result, relation);
	}
	MemoryContextSwitchTo(context);
	evaudit_spi_end(&spi);
	return result;
}

/* Begin to go through audit; what is made lives as long as the sweep. */
void
evaudit_sweep_audit_begin(EvauditSweep *sweep)
{
	const EvauditRetention *rule = sweep->rule;
	EvauditAuditSweep *audit = palloc0(sizeof(EvauditAuditSweep));
	JsonbValue *relations = evaudit_option_value(rule->options, "relations");
	JsonbValue *position = evaudit_option_value(rule->positions, SEGMENTS);
	JsonbValue	none = {.type = jbvArray};

	audit->context = CurrentMemoryContext;
	audit->segment = PG_INT64_MIN;
	audit->expiry.keep = &rule->keep;
	audit->expiry.relations = JsonbValueToJsonb(relations ? relations : &none);
	audit->expiry.directory = evaudit_option_text(rule->options, "export");
	audit->expiry.role = rule->role;
	audit->relations = list_relations(rule, audit->expiry.relations);
	if (position != NULL && position->type == jbvNumeric)
		audit->position = DatumGetInt64(DirectFunctionCall1(numeric_int8,
															NumericGetDatum(position->val.numeric)));
	sweep->audit = audit;
}

/* Note a reason why something stays for now; the first one is shown. */
static void
note_waiting(EvauditSweep *sweep, const char *reason, const char *name)
{
	if (sweep->waiting == NULL)
		sweep->waiting = MemoryContextStrdup(sweep->audit->context,
											 psprintf("%s %s", reason, name));
}

/* Keep a position of the rule, with what was deleted up to there. */
static void
store_position(const char *name, int64 position)
{
	static EvauditStatement statement = {
		"UPDATE evaudit.retention"
		" SET positions = positions || jsonb_build_object($1, $2)"
		" WHERE what = 'audit'", 2, {TEXTOID, INT8OID}
	};
	Datum		values[] = {CStringGetTextDatum(name), Int64GetDatum(position)};
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	evaudit_spi_execute(&statement, values, NULL);
	evaudit_spi_end(&spi);
}

/* Begin to go through a table; its name has to live as long as that. */
static void
begin_walk(EvauditAuditSweep *audit, const char *table, int64 after)
{
	memset(&audit->walk, 0, sizeof(EvauditExpireWalk));
	audit->walk.table = table;
	audit->walk.keep = audit->expiry.keep;
	audit->walk.last = audit->walk.done = after;
	audit->walking = true;
}

/* Go through the next rows; false if nothing is too old that follows. */
static bool
walk(EvauditSweep *sweep, int limit)
{
	EvauditExpired expired;
	EvauditAuditSweep *audit = sweep->audit;
	bool		more = evaudit_expire(&audit->expiry, &audit->walk, limit,
									  &expired);

	if (expired.awaited)
		note_waiting(sweep, "a sink has not sent all rows of",
					 audit->walk.relation ? audit->walk.relation :
					 audit->walk.table);
	sweep->deleted = (uint64) expired.deleted;
	sweep->exported = (uint64) expired.exported;
	sweep->file = expired.file;
	audit->walking = more;
	return more;
}

/* A batch of the rows that are in no segment. */
static void
run_rest(EvauditSweep *sweep, int limit)
{
	EvauditAuditSweep *audit = sweep->audit;

	if (!audit->walking)
		begin_walk(audit, "ONLY evaudit.audit_default", PG_INT64_MIN);
	if (!walk(sweep, limit))
		audit->phase = DROP;
}

/* Drop the next segment, or find out that only some of its rows can go. */
static void
run_drop(EvauditSweep *sweep)
{
	EvauditAuditSweep *audit = sweep->audit;
	EvauditDrop drop;

	evaudit_segment_drop(&audit->expiry, audit->segment, &drop);
	audit->segment = drop.first;
	audit->segment_last = drop.last;
	switch (drop.outcome)
	{
		case EVAUDIT_DROP_NONE:
			audit->phase = RELATIONS;
			break;
		case EVAUDIT_DROPPED:
			sweep->deleted = (uint64) drop.rows;
			sweep->exported = (uint64) drop.exported;
			sweep->file = drop.file;
			break;
		case EVAUDIT_DROP_SOME:
			if (drop.last <= audit->position)
				break;
			audit->phase = PURGE;
			begin_walk(audit,
					   MemoryContextStrdup(audit->context,
										   psprintf("ONLY %s", drop.name)),
					   drop.first - 1);
			break;
		case EVAUDIT_DROP_AWAITED:
			note_waiting(sweep, "a sink has not sent all rows of", drop.name);
			break;
		case EVAUDIT_DROP_IN_USE:
			note_waiting(sweep, "audit is in use, could not drop", drop.name);
			audit->phase = RELATIONS;
			break;
	}
}

/* A batch of a segment of which some rows stay. */
static void
run_purge(EvauditSweep *sweep, int limit)
{
	EvauditAuditSweep *audit = sweep->audit;

	if (walk(sweep, limit))
		return;
	audit->phase = DROP;
	/* what follows in order is done, unless something before is not */
	if (!audit->walk.stays && audit->position >= 0)
	{
		audit->position = audit->segment_last;
		store_position(SEGMENTS, audit->position);
	}
	else if (audit->walk.stays)
		audit->position = -1;
}

/* A batch of a relation; false if that was the last one. */
static bool
run_relation(EvauditSweep *sweep, int limit)
{
	EvauditAuditSweep *audit = sweep->audit;
	RelationRule *relation;

	if (audit->relations == NIL)
		return false;
	relation = linitial(audit->relations);
	if (!audit->walking)
	{
		begin_walk(audit, MemoryContextStrdup(audit->context,
											  evaudit_segment_name(evaudit_audit_relid())),
				   relation->position);
		audit->walk.relation = relation->name;
		audit->walk.keep = &relation->keep;
	}
	if (walk(sweep, limit))
		return true;
	store_position(relation->name, audit->walk.done);
	audit->relations = list_delete_first(audit->relations);
	return audit->relations != NIL;
}

/* Note to which file rows were exported. */
static void
store_file(char *file)
{
	static EvauditStatement statement = {
		"UPDATE evaudit.retention SET last_export = $1 WHERE what = 'audit'",
		1, {TEXTOID}
	};
	Datum		values[] = {CStringGetTextDatum(file)};
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	evaudit_spi_execute(&statement, values, NULL);
	evaudit_spi_end(&spi);
}

/* The next batch; false if nothing is after it. */
static bool
run_batch(EvauditSweep *sweep, int limit)
{
	switch (sweep->audit->phase)
	{
		case REST:
			run_rest(sweep, limit);
			return true;
		case DROP:
			run_drop(sweep);
			return true;
		case PURGE:
			run_purge(sweep, limit);
			return true;
		case RELATIONS:
			return run_relation(sweep, limit);
	}
	return false;
}

/* The next batch; in a transaction.  False if nothing is after it. */
bool
evaudit_sweep_audit_batch(EvauditSweep *sweep, int limit)
{
	bool		more = run_batch(sweep, limit);

	if (sweep->file != NULL)
		store_file(sweep->file);
	return more;
}
