-- stats.sql: what is going on.  Counters live in shared memory since the
-- server started; reading them asks no broker.

CREATE FUNCTION evaudit.source_stats(
	OUT source_id bigint, OUT state text, OUT pids integer[],
	OUT received bigint, OUT merged bigint, OUT dead_lettered bigint,
	OUT batches bigint, OUT last_received_at timestamptz,
	OUT last_committed_at timestamptz, OUT last_error text,
	OUT last_error_at timestamptz, OUT next_retry_at timestamptz,
	OUT credentials_expire_at timestamptz)
RETURNS SETOF record
LANGUAGE c VOLATILE ROWS 10 AS 'MODULE_PATHNAME', 'evaudit_source_stats';
COMMENT ON FUNCTION evaudit.source_stats() IS
	'internal: counters of evaudit.stat_sources; the row of source_id 0 is for sources without a slot';

CREATE FUNCTION evaudit.partition_stats(
	OUT source_id bigint, OUT topic text, OUT partition integer,
	OUT end_offset bigint)
RETURNS SETOF record
LANGUAGE c VOLATILE ROWS 100 AS 'MODULE_PATHNAME', 'evaudit_partition_stats';
COMMENT ON FUNCTION evaudit.partition_stats() IS
	'internal: counters of evaudit.stat_partitions';

CREATE FUNCTION evaudit.kafka_topic_wanted(options jsonb, topic text)
RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 1000
AS 'MODULE_PATHNAME', 'evaudit_kafka_source_topic_is_wanted';
COMMENT ON FUNCTION evaudit.kafka_topic_wanted(jsonb, text) IS
	'internal: whether a source with these options reads a Kafka topic';

-- A topic that a source was altered not to read any more keeps its place; it
-- is no part of how the source does.
CREATE VIEW evaudit.offsets_read AS
	SELECT o.*
	FROM evaudit.offsets o
	JOIN evaudit.sources s ON s.id = o.source_id
	WHERE evaudit.kafka_topic_wanted(s.options, o.topic);
COMMENT ON VIEW evaudit.offsets_read IS
	'internal: offsets of the topics that sources read';

CREATE VIEW evaudit.stat_sources WITH (security_barrier) AS
	SELECT s.name, s.kind,
		   CASE WHEN s.paused OR s.database IS DISTINCT FROM d.oid
				THEN 'paused'
				-- bool_and() of no partitions is null
				WHEN p.state = 'running' AND
					(SELECT pg_catalog.bool_and(o.stopped)
					 FROM evaudit.offsets_read o WHERE o.source_id = s.id)
				THEN 'stopped'
				ELSE COALESCE(p.state, w.state, 'stopped')
		   END AS state,
		   COALESCE(p.pids, '{}') AS pids,
		   COALESCE(p.received, 0) AS received,
		   COALESCE(p.merged, 0) AS merged,
		   COALESCE(p.dead_lettered, 0) AS dead_lettered,
		   COALESCE(p.batches, 0) AS batches,
		   p.last_received_at, p.last_committed_at,
		   COALESCE(p.last_error, w.last_error) AS last_error,
		   p.last_error_at, p.next_retry_at, p.credentials_expire_at
	FROM evaudit.sources s
	JOIN pg_catalog.pg_database d
		ON d.datname = pg_catalog.current_database()
	LEFT JOIN evaudit.source_stats() p ON p.source_id = s.id
	LEFT JOIN evaudit.source_stats() w ON w.source_id = 0
		AND p.source_id IS NULL
		AND NOT s.paused AND s.database = d.oid
	WHERE pg_catalog.pg_has_role('pg_monitor', 'USAGE')
		OR evaudit.owns(s.owner_oid);
COMMENT ON VIEW evaudit.stat_sources IS
	'state of sources, for their owners and pg_monitor';
COMMENT ON COLUMN evaudit.stat_sources.state IS
	'starting, running, paused, backoff (waiting until next_retry_at) or stopped (no launcher, every partition stopped, or what last_error says: somebody has to change it)';
COMMENT ON COLUMN evaudit.stat_sources.received IS
	'events whose batch was committed, since the server started';
COMMENT ON COLUMN evaudit.stat_sources.merged IS
	'rows that these events wrote';

CREATE VIEW evaudit.stat_partitions WITH (security_barrier) AS
	SELECT s.name AS source, o.topic, o.partition, o.next_offset,
		   p.end_offset,
		   GREATEST(p.end_offset - o.next_offset, 0) AS lag,
		   CASE WHEN o.stopped THEN 'stopped'
				WHEN o.error IS NOT NULL AND s.state = 'running'
				THEN 'backoff'
				ELSE s.state
		   END AS state,
		   o.error AS last_error
	FROM evaudit.stat_sources s
	JOIN evaudit.sources d ON d.name = s.name
	JOIN evaudit.offsets_read o ON o.source_id = d.id
	LEFT JOIN evaudit.partition_stats() p
		ON p.source_id = o.source_id AND p.topic = o.topic
		AND p.partition = o.partition;
COMMENT ON VIEW evaudit.stat_partitions IS
	'progress of the partitions that sources read; end_offset and lag are as of the last fetch';
COMMENT ON COLUMN evaudit.stat_partitions.last_error IS
	'why the partition stopped; evaudit.seek_source() lets it run again';
