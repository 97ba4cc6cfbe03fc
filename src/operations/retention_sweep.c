/*-------------------------------------------------------------------------
 *
 * retention_sweep.c
 *	  Deleting what a rule of retention says is too old, in batches.
 *
 * A batch goes through rows by their ids, which grow with time, and deletes
 * those that are too old.  Rows of tables that can be given away are deleted
 * as the owner of the table, because it is his triggers that run.
 *
 * A batch takes row locks alone.  None is begun while a standby or VACUUM is
 * behind: deleting rows costs WAL, and their space is free for others only
 * after VACUUM.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "audit/audit_log.h"
#include "operations/retention.h"
#include "server/spi.h"

/* Most rows that a batch goes through. */
#define BATCH_ROWS		5000

/*
 * Deleted rows that VACUUM has not removed, beyond which it is behind: twice
 * what starts it by default, and a number that every table may have.
 */
#define MAX_DEAD_SHARE	"0.4"
#define MAX_DEAD_ROWS	"100000"

/* What a standby may be behind, in bytes. */
#define MAX_LAG_BYTES	"1073741824"

/* The result of a batch that goes by ids. */
enum BatchColumn
{
	LAST_ID,
	SCANNED,
	DELETED
};

/* Rules that one table is enough for, with how a batch of theirs is deleted. */
typedef struct TableSweep
{
	const char *what;
	const char *table;
	bool		(*delete) (EvauditSweep *sweep);
} TableSweep;

static bool delete_dead_letters(EvauditSweep *sweep);
static bool delete_deliveries(EvauditSweep *sweep);
static bool delete_fetched_schemas(EvauditSweep *sweep);
static bool delete_schema_versions(EvauditSweep *sweep);

static const TableSweep table_sweeps[] = {
	{"dead_letters", "dead_letter_store", delete_dead_letters},
	{"deliveries", "delivery_store", delete_deliveries},
	{"fetched_schemas", "registry_schemas", delete_fetched_schemas},
	{"schema_versions", "topic_schemas", delete_schema_versions},
};

/* That of a rule; NULL: it is one for audit or events. */
static const TableSweep *
find_table_sweep(const EvauditRetention *rule)
{
	for (int i = 0; i < lengthof(table_sweeps); i++)
	{
		if (strcmp(rule->what, table_sweeps[i].what) == 0)
			return &table_sweeps[i];
	}
	return NULL;
}

/* The table of a rule. */
static Oid
table_of(const EvauditRetention *rule)
{
	const TableSweep *sweep = find_table_sweep(rule);

	if (strcmp(rule->what, "audit") == 0)
		return evaudit_audit_relid();
	return get_relname_relid(sweep != NULL ? sweep->table : "events",
							 get_namespace_oid("evaudit", false));
}

/*
 * The topics that a rule for events concerns, with how long their events are
 * kept: no shorter than the topic remembers their ids.  In the current memory
 * context.
 */
static List *
list_topics(const EvauditRetention *rule)
{
	/* the first topic after each, by the primary key */
	static EvauditStatement statement = {
		"WITH RECURSIVE kept (topic) AS ("
		" (SELECT e.topic FROM evaudit.events e ORDER BY e.topic LIMIT 1)"
		" UNION ALL"
		" SELECT (SELECT e.topic FROM evaudit.events e"
		" WHERE e.topic > k.topic ORDER BY e.topic LIMIT 1)"
		" FROM kept k WHERE k.topic IS NOT NULL)"
		" SELECT k.topic, greatest($2,"
		" (t.options ->> 'dedup_window')::interval)"
		" FROM kept k LEFT JOIN evaudit.topics t ON t.name = k.topic"
		" WHERE k.topic IS NOT NULL AND CASE WHEN $1 = 'events'"
		" THEN NOT EXISTS (SELECT FROM evaudit.retention r"
		" WHERE r.what = '" EVAUDIT_EVENTS_OF "' || k.topic)"
		" ELSE $1 = '" EVAUDIT_EVENTS_OF "' || k.topic END", 2,
		{TEXTOID, INTERVALOID}
	};
	enum
	{
		TOPIC,
		KEEP
	};
	Datum		values[] = {
		CStringGetTextDatum(rule->what),
		IntervalPGetDatum(&rule->keep)
	};
	MemoryContext context = CurrentMemoryContext;
	List	   *topics = NIL;
	EvauditSpi	spi;
	int			n;

	evaudit_spi_begin(&spi);
	n = (int) evaudit_spi_execute(&statement, values, NULL);
	for (int i = 0; i < n; i++)
	{
		MemoryContext spi_context = MemoryContextSwitchTo(context);
		EvauditTopicSweep *topic = palloc(sizeof(EvauditTopicSweep));

		topic->topic = pstrdup(evaudit_spi_text(i, TOPIC));
		topic->keep = *DatumGetIntervalP(
										 evaudit_spi_datum_of(i, KEEP, INTERVALOID));
		topics = lappend(topics, topic);
		MemoryContextSwitchTo(spi_context);
	}
	evaudit_spi_end(&spi);
	return topics;
}

/* Begin to go through what a rule concerns; in a transaction. */
void
evaudit_sweep_begin(EvauditSweep *sweep, const EvauditRetention *rule)
{
	memset(sweep, 0, sizeof(EvauditSweep));
	sweep->rule = rule;
	if (strncmp(rule->what, "events", strlen("events")) == 0)
		sweep->topics = list_topics(rule);
	if (strcmp(rule->what, "audit") == 0)
		evaudit_sweep_audit_begin(sweep);
}

/* Take the result of a batch; false if it was the last. */
static bool
take_batch(EvauditSweep *sweep)
{
	int64		scanned = evaudit_spi_int64(0, SCANNED);

	sweep->deleted = (uint64) evaudit_spi_int64(0, DELETED);
	if (scanned == 0)
		return false;
	sweep->last_id = evaudit_spi_int64(0, LAST_ID);
	return scanned == BATCH_ROWS;
}

/*
 * Run a statement that deletes the old ones of the next rows by their id: $1
 * the last id, $2 how many rows, $3 how long they are kept, $4 the rule's
 * options, if it has that many.
 */
static bool
delete_next(EvauditSweep *sweep, EvauditStatement *statement)
{
	Datum		values[] = {
		Int64GetDatum(sweep->last_id),
		Int64GetDatum(BATCH_ROWS),
		IntervalPGetDatum(&sweep->rule->keep),
		JsonbPGetDatum(sweep->rule->options)
	};
	EvauditSpi	spi;
	bool		more;

	evaudit_spi_begin(&spi);
	evaudit_spi_execute(statement, values, NULL);
	more = take_batch(sweep);
	evaudit_spi_end(&spi);
	return more;
}

/*
 * A batch of dead letters: all are gone through, since an old one may have
 * been redriven a moment ago.
 */
static bool
delete_dead_letters(EvauditSweep *sweep)
{
	static EvauditStatement statement = {
		"WITH scanned AS MATERIALIZED ("
		" SELECT id, received_at < now() - $3"
		" OR coalesce(redriven_at < now() - ($4 ->> 'redriven')::interval,"
		" false) AS old FROM evaudit.dead_letter_store"
		" WHERE id > $1 ORDER BY id LIMIT $2),"
		" deleted AS (DELETE FROM evaudit.dead_letter_store d"
		" USING scanned s WHERE d.id = s.id AND s.old RETURNING 1)"
		" SELECT coalesce((SELECT max(id) FROM scanned), $1),"
		" (SELECT count(*) FROM scanned), (SELECT count(*) FROM deleted)", 4,
		{INT8OID, INT8OID, INTERVALOID, JSONBOID}
	};

	return delete_next(sweep, &statement);
}

/*
 * A batch of deliveries that are over and that their sink does not delete
 * itself, since it is paused or gone.  One that was given up stays while
 * another of its key is not over, and while its sink may read again the batch
 * that it was part of.
 */
static bool
delete_deliveries(EvauditSweep *sweep)
{
	static EvauditStatement statement = {
		"WITH scanned AS MATERIALIZED ("
		" SELECT d.id, d.since < now() - $3 AND (s.id IS NULL"
		" OR s.paused AND d.state = 'skipped' AND p.high IS NULL"
		" AND NOT EXISTS (SELECT FROM evaudit.delivery_store o"
		" WHERE o.sink_id = d.sink_id AND o.key_hash = d.key_hash"
		" AND o.state <> 'skipped')) AS old"
		" FROM evaudit.delivery_store d"
		" LEFT JOIN evaudit.sinks s ON s.id = d.sink_id"
		" LEFT JOIN LATERAL (SELECT f.high FROM evaudit.sink_positions f"
		" WHERE f.sink_id = s.id ORDER BY f.version DESC LIMIT 1) p ON true"
		" WHERE d.id > $1 ORDER BY d.id LIMIT $2),"
		" deleted AS (DELETE FROM evaudit.delivery_store d"
		" USING scanned s WHERE d.id = s.id AND s.old RETURNING 1)"
		" SELECT coalesce((SELECT max(id) FROM scanned), $1),"
		" (SELECT count(*) FROM scanned), (SELECT count(*) FROM deleted)", 3,
		{INT8OID, INT8OID, INTERVALOID}
	};

	return delete_next(sweep, &statement);
}

/*
 * A batch of a topic's events.  They come by their ids, near enough in the
 * order of their times: a batch without an old one is the topic's last.
 */
static bool
delete_events(EvauditSweep *sweep)
{
	static EvauditStatement statement = {
		"WITH scanned AS MATERIALIZED ("
		" SELECT id, event_id, received_at < now() - $3 AS old"
		" FROM evaudit.events WHERE topic = $4 AND id > $1"
		" ORDER BY id LIMIT $2),"
		" deleted AS (DELETE FROM evaudit.events e USING scanned s"
		" WHERE e.topic = $4 AND e.event_id = s.event_id AND e.id = s.id"
		" AND s.old RETURNING 1)"
		" SELECT coalesce((SELECT max(id) FROM scanned), $1),"
		" (SELECT count(*) FROM scanned), (SELECT count(*) FROM deleted)", 4,
		{INT8OID, INT8OID, INTERVALOID, TEXTOID}
	};
	EvauditTopicSweep *topic = linitial(sweep->topics);
	Datum		values[] = {
		Int64GetDatum(sweep->last_id),
		Int64GetDatum(BATCH_ROWS),
		IntervalPGetDatum(&topic->keep),
		CStringGetTextDatum(topic->topic)
	};
	EvauditSpi	spi;

	evaudit_spi_begin_on(&spi, table_of(sweep->rule));
	evaudit_spi_execute(&statement, values, NULL);
	if (!take_batch(sweep) || sweep->deleted == 0)
	{
		sweep->topics = list_delete_first(sweep->topics);
		sweep->last_id = 0;
	}
	evaudit_spi_end(&spi);
	return sweep->topics != NIL;
}

/*
 * A batch of the schemas that were fetched from registries.  What a source
 * needs yet its workers fetch again.
 */
static bool
delete_fetched_schemas(EvauditSweep *sweep)
{
	static EvauditStatement statement = {
		"DELETE FROM evaudit.registry_schemas"
		" WHERE (server_oid, location, id) IN"
		" (SELECT r.server_oid, r.location, r.id"
		" FROM evaudit.registry_schemas r WHERE r.fetched_at < now() - $1"
		" ORDER BY r.server_oid, r.location, r.id LIMIT $2)", 2,
		{INTERVALOID, INT8OID}
	};
	Datum		values[] = {
		IntervalPGetDatum(&sweep->rule->keep),
		Int64GetDatum(BATCH_ROWS)
	};
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	sweep->deleted = evaudit_spi_execute(&statement, values, NULL);
	evaudit_spi_end(&spi);
	return sweep->deleted == BATCH_ROWS;
}

/*
 * Schemas that no longer validate anything, have not for long enough, and
 * accepted no event that is kept: the topic's oldest one is younger.
 */
static bool
delete_schema_versions(EvauditSweep *sweep)
{
	static EvauditStatement statement = {
		"DELETE FROM evaudit.topic_schemas s"
		" USING (SELECT topic, version, lead(created_at) OVER"
		" (PARTITION BY topic ORDER BY version) AS replaced_at"
		" FROM evaudit.topic_schemas) v"
		" LEFT JOIN evaudit.topics t"
		" ON t.name = v.topic AND t.schema_version = v.version"
		" WHERE s.topic = v.topic AND s.version = v.version"
		" AND t.name IS NULL AND v.replaced_at < now() - $1"
		" AND coalesce((SELECT e.received_at FROM evaudit.events e"
		" WHERE e.topic = v.topic ORDER BY e.id LIMIT 1) > v.replaced_at,"
		" true)", 1, {INTERVALOID}
	};
	Datum		values[] = {IntervalPGetDatum(&sweep->rule->keep)};
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	sweep->deleted = evaudit_spi_execute(&statement, values, NULL);
	evaudit_spi_end(&spi);
	return false;
}

/*
 * Delete what is too old in the next batch; in a transaction.  False if
 * nothing is after it.
 */
bool
evaudit_sweep_batch(EvauditSweep *sweep)
{
	const TableSweep *table = find_table_sweep(sweep->rule);

	sweep->deleted = sweep->exported = 0;
	sweep->file = NULL;
	if (sweep->audit != NULL)
		return evaudit_sweep_audit_batch(sweep, BATCH_ROWS);
	if (table != NULL)
		return table->delete(sweep);
	return sweep->topics != NIL && delete_events(sweep);
}

/* Why the next batch has to wait, or NULL; in a transaction. */
const char *
evaudit_sweep_must_wait(const EvauditSweep *sweep)
{
	static EvauditStatement statement = {
		"SELECT (SELECT bool_or(pg_stat_get_dead_tuples(t.oid) >"
		" " MAX_DEAD_ROWS " +"
		" " MAX_DEAD_SHARE " * pg_stat_get_live_tuples(t.oid))"
		" FROM (SELECT $1 UNION ALL SELECT i.inhrelid FROM pg_inherits i"
		" WHERE i.inhparent = $1) AS t (oid)),"
		" EXISTS (SELECT FROM pg_stat_replication"
		" WHERE pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)"
		" > " MAX_LAG_BYTES ")", 1, {OIDOID}
	};
	enum
	{
		VACUUM_BEHIND,
		STANDBY_BEHIND
	};
	Datum		values[] = {ObjectIdGetDatum(table_of(sweep->rule))};
	const char *reason = NULL;
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	evaudit_spi_execute(&statement, values, NULL);
	if (evaudit_spi_bool(0, VACUUM_BEHIND))
		reason = "VACUUM is behind";
	else if (evaudit_spi_bool(0, STANDBY_BEHIND))
		reason = "a standby is behind";
	evaudit_spi_end(&spi);
	return reason;
}
