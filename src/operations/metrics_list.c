/*-------------------------------------------------------------------------
 *
 * metrics_list.c
 *	  Every metric of evaudit, with the query that brings it.
 *
 * Queries read shared memory and small tables alone, by views that pg_monitor
 * may read.  Names follow Prometheus' conventions: base units, _total for
 * counters, _timestamp_seconds for times, of which 0 is never.  A state is
 * one series for each that there can be.  Labels are names that somebody who
 * may create objects chose, never a user, an event or a text.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "operations/metrics.h"

/* A time as seconds since 1970, 0 for never. */
#define SECONDS(column) \
	"coalesce(extract(epoch FROM " column "), 0)::float8"

const EvauditMetricGroup evaudit_metric_groups[] = {
	{
		"evaudit_build",
		"SELECT extversion, 1::float8 FROM pg_extension"
		" WHERE extname = 'evaudit'",
		{"version"},
		{{"info", EVAUDIT_GAUGE, "Version of the extension; always 1."}}
	},
	{
		"evaudit",
		"SELECT count(*) FILTER (WHERE backend_type = 'evaudit launcher')"
		"::float8, count(*) FILTER (WHERE datname = current_database())"
		"::float8 FROM pg_stat_activity WHERE backend_type LIKE 'evaudit %'",
		{NULL},
		{
			{"launcher_up", EVAUDIT_GAUGE, "Whether the launcher of background jobs runs."},
			{"processes", EVAUDIT_GAUGE, "Background processes of this database."},
		}
	},
	{
		"evaudit_job",
		"SELECT type, wanted::float8, processes::float8, runs::float8,"
		" failures::float8, run_seconds FROM evaudit.job_counts()"
		" ORDER BY type",
		{"type"},
		{
			{"wanted_processes", EVAUDIT_GAUGE, "Processes of the type that ought to run now."},
			{"processes", EVAUDIT_GAUGE, "Processes of the type that run."},
			{"runs_total", EVAUDIT_COUNTER, "Processes that began."},
			{"failures_total", EVAUDIT_COUNTER, "Processes that failed."},
			{"run_seconds_total", EVAUDIT_COUNTER, "How long processes have run."},
		}
	},
	{
		"evaudit_source",
		"SELECT name, received::float8, merged::float8, batches::float8, cardinality(pids)::float8,"
		" " SECONDS("last_received_at") ", " SECONDS("last_committed_at") ","
		" " SECONDS("last_error_at") ", " SECONDS("next_retry_at") ","
		" " SECONDS("credentials_expire_at")
		" FROM evaudit.stat_sources ORDER BY name",
		{"source"},
		{
			{"received_total", EVAUDIT_COUNTER, "Events of committed batches."},
			{"rows_written_total", EVAUDIT_COUNTER, "Rows that these events wrote."},
			{"batches_total", EVAUDIT_COUNTER, "Committed batches."},
			{"processes", EVAUDIT_GAUGE, "Processes that read the source."},
			{"last_receive_timestamp_seconds", EVAUDIT_GAUGE, "When events last came."},
			{"last_commit_timestamp_seconds", EVAUDIT_GAUGE, "When a batch was last committed."},
			{"last_error_timestamp_seconds", EVAUDIT_GAUGE, "When it last failed."},
			{"retry_timestamp_seconds", EVAUDIT_GAUGE, "When it is tried again."},
			{"credentials_expire_timestamp_seconds", EVAUDIT_GAUGE, "When its credentials expire."},
		}
	},
	{
		"evaudit_source_dead_letters",
		"SELECT source, reason, dead_letters::float8"
		" FROM evaudit.stat_dead_letters ORDER BY source, reason",
		{"source", "reason"},
		{{"total", EVAUDIT_COUNTER, "Events that could not be used and are kept as dead letters."}}
	},
	{
		"evaudit_queue",
		"SELECT source, queue, coalesce(visible, 0)::float8,"
		" coalesce(in_flight, 0)::float8, coalesce(delayed, 0)::float8,"
		" " SECONDS("measured_at")
		" FROM evaudit.stat_queues ORDER BY source, queue",
		{"source", "queue"},
		{
			{"messages_visible", EVAUDIT_GAUGE, "Messages that may be received, about as many as SQS said."},
			{"messages_in_flight", EVAUDIT_GAUGE, "Messages that were received and not deleted yet, likewise."},
			{"messages_delayed", EVAUDIT_GAUGE, "Messages that may be received later, likewise."},
			{"measured_timestamp_seconds", EVAUDIT_GAUGE, "When SQS said so."},
		}
	},
	{
		"evaudit_source_status",
		"SELECT s.name, x.status, (s.state = x.status)::int::float8"
		" FROM evaudit.stat_sources s, unnest(ARRAY['starting', 'running',"
		" 'degraded', 'paused', 'backoff', 'stopped'])"
		" WITH ORDINALITY AS x(status, n) ORDER BY s.name, x.n",
		{"source", "status"},
		{{"active", EVAUDIT_GAUGE, "1 for the state that the source is in, 0 for others."}}
	},
	{
		"evaudit_partition",
		"SELECT source, topic, partition::text, next_offset::float8,"
		" lag::float8, lag_seconds::float8"
		" FROM evaudit.stat_partitions ORDER BY source, topic, partition",
		{"source", "topic", "partition"},
		{
			{"next_offset", EVAUDIT_GAUGE, "The first offset that is not committed yet."},
			{"lag_messages", EVAUDIT_GAUGE, "Messages that were not committed yet."},
			{"lag_seconds", EVAUDIT_GAUGE, "Age of the newest message that was read, while there are others."},
		}
	},
	{
		"evaudit_topic",
		"SELECT outcome, topic, events::float8 FROM evaudit.stat_topics"
		" ORDER BY topic, outcome",
		{"outcome", "topic"},
		{{"events_total", EVAUDIT_COUNTER, "Events that were accepted, repeated, or rejected for a reason."}}
	},
	{
		"evaudit_sink",
		"SELECT name, delivered::float8, parked::float8,"
		" blocked_keys::float8, (pid IS NOT NULL)::int::float8,"
		" " SECONDS("last_delivered_at") ", " SECONDS("last_error_at") ","
		" " SECONDS("next_retry_at") ", " SECONDS("credentials_expire_at")
		" FROM evaudit.stat_sinks ORDER BY name",
		{"sink"},
		{
			{"delivered_total", EVAUDIT_COUNTER, "Events that the destination has."},
			{"parked", EVAUDIT_GAUGE, "Events that the destination refused."},
			{"blocked_keys", EVAUDIT_GAUGE, "Keys whose events wait for one that is parked."},
			{"processes", EVAUDIT_GAUGE, "Processes that run the sink."},
			{"last_delivery_timestamp_seconds", EVAUDIT_GAUGE, "When an event was last delivered."},
			{"last_error_timestamp_seconds", EVAUDIT_GAUGE, "When it last failed."},
			{"retry_timestamp_seconds", EVAUDIT_GAUGE, "When it is tried again."},
			{"credentials_expire_timestamp_seconds", EVAUDIT_GAUGE, "When its credentials expire."},
		}
	},
	{
		"evaudit_sink_oldest",
		"SELECT name, " SECONDS("oldest_at")
		" FROM evaudit.sinks_behind ORDER BY name",
		{"sink"},
		{{"pending_timestamp_seconds", EVAUDIT_GAUGE, "When the first event was written that the sink has not gone past."}}
	},
	{
		"evaudit_sink_status",
		"SELECT s.name, x.status, (s.state = x.status)::int::float8"
		" FROM evaudit.stat_sinks s, unnest(ARRAY['starting', 'running',"
		" 'paused', 'backoff', 'blocked', 'stopped'])"
		" WITH ORDINALITY AS x(status, n) ORDER BY s.name, x.n",
		{"sink", "status"},
		{{"active", EVAUDIT_GAUGE, "1 for the state that the sink is in, 0 for others."}}
	},
	{
		"evaudit_outbox",
		"SELECT sum(pg_total_relation_size(i.inhrelid))::float8"
		" FROM pg_inherits i"
		" WHERE i.inhparent = 'evaudit.outbox'::regclass",
		{NULL},
		{{"bytes", EVAUDIT_GAUGE, "Size of the events that wait for sinks."}}
	},
	{
		"evaudit_audit",
		"SELECT n.nspname || '.' || c.relname,"
		" coalesce(s.rows_written, 0)::float8, s.enabled::int::float8,"
		" " SECONDS("s.last_written_at")
		" FROM evaudit.stat_audit s JOIN pg_class c ON c.oid = s.relation"
		" JOIN pg_namespace n ON n.oid = c.relnamespace ORDER BY 1",
		{"relation"},
		{
			{"rows_written_total", EVAUDIT_COUNTER, "Audit rows that were committed."},
			{"enabled", EVAUDIT_GAUGE, "Whether all changes of the table are captured."},
			{"last_write_timestamp_seconds", EVAUDIT_GAUGE, "When the last of them was committed."},
		}
	},
	{
		"evaudit_audit_segment",
		"SELECT x.state, count(s.segment)::float8,"
		" coalesce(sum(s.bytes), 0)::float8, coalesce(sum(s.rows), 0)::float8"
		" FROM unnest(ARRAY['ahead', 'open', 'closed', 'rest'])"
		" WITH ORDINALITY AS x(state, n)"
		" LEFT JOIN evaudit.stat_segments s ON s.state = x.state"
		" GROUP BY x.state, x.n ORDER BY x.n",
		{"state"},
		{
			{"partitions", EVAUDIT_GAUGE, "Partitions of audit in the state."},
			{"bytes", EVAUDIT_GAUGE, "Their size, with indexes."},
			{"rows", EVAUDIT_GAUGE, "Rows of theirs that VACUUM or ANALYZE found last."},
		}
	},
	{
		"evaudit_database_http",
		"SELECT listener, status, requests::float8"
		" FROM evaudit.http_counts() ORDER BY listener DESC, status",
		{"listener", "status"},
		{{"requests_total", EVAUDIT_COUNTER, "Requests that evaudit.http() (public) and evaudit.http_admin() (admin) responded to."}}
	},
	{
		"evaudit_token",
		"SELECT outcome, tokens::float8 FROM evaudit.token_counts()"
		" ORDER BY outcome",
		{"outcome"},
		{{"checks_total", EVAUDIT_COUNTER, "Tokens that were accepted, or refused for a reason."}}
	},
	{
		"evaudit_issuer",
		"SELECT name, keys::float8, (invalid IS NULL)::int::float8,"
		" " SECONDS("last_fetched_at") ", " SECONDS("last_error_at") ","
		" " SECONDS("next_fetch_at")
		" FROM evaudit.stat_issuers ORDER BY name",
		{"issuer"},
		{
			{"keys", EVAUDIT_GAUGE, "Keys that tokens are verified with."},
			{"valid", EVAUDIT_GAUGE, "Whether the issuer can be used."},
			{"last_fetch_timestamp_seconds", EVAUDIT_GAUGE, "When its keys were last fetched."},
			{"last_error_timestamp_seconds", EVAUDIT_GAUGE, "When that last failed."},
			{"next_fetch_timestamp_seconds", EVAUDIT_GAUGE, "When its keys are fetched next."},
		}
	},
	{
		"evaudit_retention",
		"SELECT what, deleted::float8, exported::float8,"
		" (state = 'active')::int::float8,"
		" " SECONDS("last_run_at") ", " SECONDS("next_run_at")
		" FROM evaudit.stat_retention ORDER BY what",
		{"what"},
		{
			{"deleted_rows_total", EVAUDIT_COUNTER, "Rows deleted since the rule was set."},
			{"exported_rows_total", EVAUDIT_COUNTER, "Rows exported before they were."},
			{"active", EVAUDIT_GAUGE, "Whether the rule neither waits, nor failed, nor came with a restore."},
			{"last_run_timestamp_seconds", EVAUDIT_GAUGE, "When everything too old was last deleted."},
			{"next_run_timestamp_seconds", EVAUDIT_GAUGE, "When that is done next."},
		}
	},
	{
		"evaudit_alert",
		"SELECT r.name, r.severity, count(a.name)::float8"
		" FROM evaudit.alert_rules r LEFT JOIN evaudit.alerts a"
		" ON a.name = r.name GROUP BY r.name, r.severity ORDER BY r.name",
		{"alert", "severity"},
		{{"active", EVAUDIT_GAUGE, "Alerts of the rule that there are now: see evaudit.alerts."}}
	},
};

const int	evaudit_nmetric_groups = lengthof(evaudit_metric_groups);
