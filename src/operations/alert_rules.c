/*-------------------------------------------------------------------------
 *
 * alert_rules.c
 *	  Every rule of evaudit.alert_rules, with the query that it is.
 *
 * The queries run every few seconds: they read shared memory, catalogs and
 * small tables, or a bounded number of rows by an index.  Each brings no more
 * than EVAUDIT_MAX_ALERT_SUBJECTS rows.  docs/runbook.md has an entry for each
 * rule.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"

#include "operations/alerts.h"
#include "operations/queries.h"

/* What each query ends with, and its parameter. */
#define FIRST(order)	" ORDER BY " order " LIMIT 100", 1, {FLOAT8OID}

/* Jobs for which a condition holds, as "state: error". */
#define JOBS(view, condition) \
	"SELECT name, 1::float8, format('%s: %s', state," \
	" coalesce(last_error, 'no error')) FROM evaudit." view \
	" WHERE " condition " AND 1 > $1" FIRST("name")

/*
 * Jobs that do not work.  One that tries again is not in backoff at every
 * moment, but its error is there until something went well.
 */
#define JOBS_DOWN(view, except) \
	JOBS(view, "(state IN ('backoff', 'stopped') OR last_error IS NOT NULL)" \
		 " AND state NOT IN ('paused', '" except "')")

/*
 * Credentials that end in less than $1 seconds.  Who has nothing to send does
 * not renew them: "used" is a condition that they were needed so late.
 */
#define CREDENTIALS(view, used) \
	"SELECT name, remaining, format('they end at %s', credentials_expire_at)" \
	" FROM (SELECT name, credentials_expire_at," \
	" extract(epoch FROM credentials_expire_at - clock_timestamp())::float8" \
	" AS remaining FROM evaudit." view " WHERE " used ") s" \
	" WHERE remaining < $1" FIRST("name")

EvauditAlertRule evaudit_alert_rules[] = {
	{
		"source_down", "critical", false, 0, 10,
		"A source is stopped, or failed and tries again.",
		"check_server() tries each step of the connection; what is in backoff is tried again by itself.",
		{JOBS_DOWN("stat_sources", "degraded")}
	},
	{
		"source_degraded", "warning", false, 0, 10,
		"A source reads only some of its partitions.",
		"See evaudit.stat_partitions.",
		{JOBS("stat_sources", "state = 'degraded'")}
	},
	{
		"partition_stalled", "warning", false, 0, 10,
		"A partition of a source that runs is not read.",
		"See the broker that leads the partition; a stopped one takes seek_source().",
		{"SELECT concat_ws(' ', p.source, concat_ws('/', p.topic, p.partition)),"
			" 1::float8,"
			" format('%s: %s', p.state, coalesce(p.last_error, 'no error'))"
			" FROM evaudit.stat_partitions p JOIN evaudit.stat_sources s"
			" ON s.name = p.source AND s.state IN ('running', 'degraded')"
		" WHERE p.state IN ('stalled', 'stopped') AND 1 > $1" FIRST("1")}
	},
	{
		"source_lag", "warning", false, 300, 10,
		"A source is so many seconds behind in one of its partitions.",
		"Raise workers or batch_size of the source, or make its projection faster.",
		{"SELECT source, max(lag_seconds),"
			" format('%s messages', sum(lag)) FROM evaudit.stat_partitions"
		" GROUP BY source HAVING max(lag_seconds) > $1" FIRST("source")}
	},
	{
		"dead_letters", "warning", false, 0, 0,
		"So many events of a source, of the last 1,000 dead letters and the last hour, could not be used and were not redriven.",
		"See the reasons in evaudit.dead_letters, mend the cause, then redrive().",
		{"SELECT s.name, d.n::float8, d.reasons FROM evaudit.sources s"
			" CROSS JOIN LATERAL (SELECT sum(r.n) AS n,"
			" string_agg(format('%s: %s', r.reason, r.n), ', ' ORDER BY r.n DESC,"
			" r.reason) AS reasons FROM (SELECT l.reason, count(*) AS n"
			" FROM (SELECT e.reason, e.received_at FROM"
			" evaudit.dead_letter_store e WHERE e.source = s.name"
			" AND e.redriven_at IS NULL ORDER BY e.id DESC LIMIT 1000) l"
			" WHERE l.received_at > clock_timestamp() - interval '1 hour'"
		" GROUP BY l.reason) r) d WHERE d.n > $1" FIRST("s.name")}
	},
	{
		"sink_down", "critical", false, 0, 10,
		"A sink is stopped, or failed and tries again.",
		"Its events wait within the limit of the outbox; last_error of evaudit.stat_sinks says for what.",
		{JOBS_DOWN("stat_sinks", "blocked")}
	},
	{
		"sink_blocked", "warning", false, 0, 10,
		"A sink holds back events behind one of their key.",
		"See evaudit.deliveries; redeliver() or skip_delivery() lets them go.",
		{JOBS("stat_sinks", "state = 'blocked'")}
	},
	{
		"sink_lag", "warning", false, 300, 10,
		"The oldest event that a sink has not sent is so many seconds old.",
		"See evaudit.stat_sinks and what the destination can take.",
		{"SELECT s.name, extract(epoch FROM clock_timestamp() -"
			" o.received_at)::float8, format('it is of %s', o.received_at)"
			" FROM evaudit.sinks s CROSS JOIN LATERAL (SELECT * FROM"
			" evaudit.sink_positions p WHERE p.sink_id = s.id"
			" ORDER BY p.version DESC LIMIT 1) p CROSS JOIN LATERAL ("
			" SELECT e.received_at FROM evaudit.outbox e"
			" WHERE e.seq > p.low_seq"
			" AND NOT pg_visible_in_snapshot(e.xid, p.low)"
			" AND evaudit.sink_wants(s.topics, e.topic)"
			" ORDER BY e.seq LIMIT 1) o WHERE NOT s.paused"
			" AND o.received_at < clock_timestamp() - make_interval(secs => $1)"
		FIRST("s.name")}
	},
	{
		"deliveries_parked", "warning", false, 0, 10,
		"So many events (counted up to 1,000) of a sink were refused by its destination.",
		"See evaudit.deliveries; redeliver() tries them again, skip_delivery() gives them up.",
		{"SELECT s.name, d.n::float8, d.error FROM evaudit.sinks s"
			" CROSS JOIN LATERAL (SELECT count(*) AS n, min(e.last_error) AS error"
			" FROM (SELECT v.last_error FROM evaudit.delivery_store v"
			" WHERE v.sink_id = s.id AND v.state = 'parked' LIMIT 1000) e) d"
		" WHERE d.n > $1" FIRST("s.name")}
	},
	{
		"outbox_size", "warning", false, 0.5, 10,
		"The outbox takes this share of evaudit.outbox_max_size.",
		"Bring the slowest of evaudit.stat_sinks to work, or drop it; end transactions that are open for long.",
		{"SELECT 'outbox', n / m, pg_size_pretty(n::bigint) FROM ("
			"SELECT sum(pg_total_relation_size(i.inhrelid))::float8 AS n,"
			" pg_size_bytes(current_setting('evaudit.outbox_max_size'))::float8"
			" AS m FROM pg_inherits i"
			" WHERE i.inhparent = 'evaudit.outbox'::regclass) s"
		" WHERE m > 0 AND n / m > $1" FIRST("1")}
	},
	{
		"audit_disabled", "critical", false, 0, 5,
		"Not all changes of a tracked table are captured.",
		"track() puts its triggers in order.",
		{"SELECT relation::text, 1::float8,"
			" 'a trigger of it was changed, disabled or dropped'"
			" FROM evaudit.stat_audit WHERE NOT enabled AND 1 > $1"
		FIRST("1")}
	},
	{
		"event_trigger_disabled", "critical", false, 0, 5,
		"An event trigger of the extension does not fire always.",
		"ALTER EVENT TRIGGER ... ENABLE ALWAYS.",
		{"SELECT evtname::text, 1::float8,"
			" 'DDL on tracked tables leaves no trace' FROM pg_event_trigger"
			" WHERE evtname LIKE 'evaudit\\_%' AND evtenabled <> 'A' AND 1 > $1"
		FIRST("1")}
	},
	{
		"segments_late", "warning", true, 1, 60,
		"So few segments of audit are made ahead of the numbers that are drawn.",
		"Rows go into evaudit.audit_default until then: end transactions that lock it, and see the server's log.",
		{"SELECT 'audit', s.n::float8, format('number %s is drawn', q.drawn)"
			" FROM (SELECT count(*) FILTER (WHERE state = 'ahead') AS n,"
			" bool_or(state = 'rest') AS parted"
			" FROM evaudit.audit_segments()) s,"
			" (SELECT pg_sequence_last_value(c.oid) AS drawn FROM pg_class c"
			" JOIN pg_extension e ON e.extnamespace = c.relnamespace"
			" WHERE e.extname = 'evaudit' AND c.relname = 'audit_seq_seq'"
			" AND c.relkind = 'S') q WHERE s.parted AND q.drawn >="
			" current_setting('evaudit.segment_rows')::bigint / 4"
		" AND s.n < $1" FIRST("1")}
	},
	{
		"source_credentials", "warning", true, 300, 10,
		"The credentials of a source end in so many seconds.",
		"They should have been renewed: see the server's log, and what issues them.",
		{CREDENTIALS("stat_sources", "true")}
	},
	{
		"sink_credentials", "warning", true, 300, 10,
		"The credentials of a sink end in so many seconds, and it sent events as late as that.",
		"They should have been renewed: see the server's log, and what issues them.",
		{CREDENTIALS("stat_sinks", "last_delivered_at > credentials_expire_at"
					 " - make_interval(secs => $1)")}
	},
	{
		"issuer_unusable", "critical", false, 0, 10,
		"No token of an issuer can be verified.",
		"See evaudit.stat_issuers.",
		{"SELECT name, 1::float8, coalesce(invalid, last_error, 'it has no keys')"
			" FROM evaudit.stat_issuers WHERE (invalid IS NOT NULL"
		" OR coalesce(keys, 0) = 0) AND 1 > $1" FIRST("name")}
	},
	{
		"issuer_fetch", "warning", false, 0, 10,
		"The keys of an issuer could not be fetched.",
		"Those that are there are used on; see evaudit.stat_issuers.",
		{"SELECT name, 1::float8, last_error FROM evaudit.stat_issuers"
			" WHERE invalid IS NULL AND keys > 0 AND last_error IS NOT NULL"
			" AND last_error_at > coalesce(last_fetched_at, '-infinity')"
		" AND 1 > $1" FIRST("name")}
	},
	{
		"retention_failed", "warning", false, 0, 0,
		"A rule of retention could not delete.",
		"It is tried again every minute; see evaudit.stat_retention.",
		{"SELECT what, 1::float8, detail FROM evaudit.stat_retention"
		" WHERE state = 'failed' AND 1 > $1" FIRST("what")}
	},
	{
		"retention_behind", "warning", false, 7200, 10,
		"A rule of retention has waited for so many seconds since it last deleted.",
		"See what it waits for in evaudit.stat_retention.",
		{"SELECT what, late, coalesce(detail, 'no detail') FROM (SELECT what,"
			" detail, extract(epoch FROM clock_timestamp()"
			" - coalesce(last_run_at, next_run_at))::float8 AS late"
			" FROM evaudit.stat_retention WHERE state = 'waiting') r"
		" WHERE late > $1" FIRST("what")}
	},
	{
		"retention_awaits_sink", "warning", false, 3600, 10,
		"The retention of audit has waited for so many seconds for a sink that has not sent its rows.",
		"Bring the sinks of audit in evaudit.stat_sinks to work, or drop them.",
		{"SELECT what, late, detail FROM (SELECT what, detail,"
			" extract(epoch FROM clock_timestamp()"
			" - coalesce(last_run_at, next_run_at))::float8 AS late"
			" FROM evaudit.stat_retention WHERE what = 'audit'"
			" AND state = 'waiting' AND detail LIKE 'a sink %') r"
		" WHERE late > $1" FIRST("what")}
	},
	{
		"worker_slots", "critical", false, 0.99, 10,
		"This share of max_worker_processes is in use.",
		"Raise max_worker_processes and restart the server.",
		{"SELECT 'max_worker_processes', n / m, format('%s of %s', n, m) FROM ("
			EVAUDIT_WORKERS_IN_USE ") s WHERE n / m > $1" FIRST("1")}
	},
	{
		"old_transaction", "warning", false, 600, 10,
		"A transaction that has written is open for so many seconds while there are sinks.",
		"Its rows, and what VACUUM could remove, wait for it: end its session.",
		{"SELECT format('pid %s', pid), age, format('%s, application \"%s\"',"
			" state, application_name) FROM (SELECT pid, state, application_name,"
			" extract(epoch FROM clock_timestamp() - xact_start)::float8 AS age"
			" FROM pg_stat_activity WHERE datname = current_database()"
			" AND backend_xid IS NOT NULL) t"
		" WHERE age > $1 AND EXISTS (SELECT FROM evaudit.sinks)" FIRST("1")}
	},
};

const int	evaudit_nalert_rules = lengthof(evaudit_alert_rules);

StaticAssertDecl(lengthof(evaudit_alert_rules) <= EVAUDIT_MAX_ALERT_RULES,
				 "too many rules of alerts");
