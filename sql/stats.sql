-- stats.sql: what is going on.  Counters live in shared memory since the
-- server started; reading them asks no broker.

CREATE FUNCTION evaudit.source_stats(
	OUT source_id bigint, OUT state text, OUT pids integer[],
	OUT received bigint, OUT merged bigint, OUT dead_lettered bigint,
	OUT batches bigint, OUT last_received_at timestamptz,
	OUT last_committed_at timestamptz, OUT last_error text,
	OUT last_error_at timestamptz, OUT next_retry_at timestamptz,
	OUT credentials_expire_at timestamptz, OUT by_reason bigint[])
RETURNS SETOF record
LANGUAGE c VOLATILE ROWS 10 AS 'MODULE_PATHNAME', 'evaudit_source_stats';
COMMENT ON FUNCTION evaudit.source_stats() IS
	'internal: counters of evaudit.stat_sources; the row of source_id 0 is for sources without a slot';

CREATE FUNCTION evaudit.partition_stats(
	OUT source_id bigint, OUT topic text, OUT partition integer,
	OUT end_offset bigint, OUT last_fetched_at timestamptz,
	OUT caught_up_at timestamptz, OUT last_error text)
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

CREATE FUNCTION evaudit.kafka_partition_wanted(options jsonb, partition integer)
RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 10
AS 'MODULE_PATHNAME', 'evaudit_kafka_source_partition_is_wanted';
COMMENT ON FUNCTION evaudit.kafka_partition_wanted(jsonb, integer) IS
	'internal: whether a partition is in the share of a source with these options';

-- What a source was altered not to read any more keeps its place; it is no
-- part of how the source does.
CREATE VIEW evaudit.offsets_read AS
	SELECT o.*
	FROM evaudit.offsets o
	JOIN evaudit.sources s ON s.id = o.source_id
	WHERE evaudit.kafka_topic_wanted(s.options, o.topic)
		AND evaudit.kafka_partition_wanted(s.options, o.partition);
COMMENT ON VIEW evaudit.offsets_read IS
	'internal: offsets of the partitions that sources read';

-- Partitions that sources read or wait for, with what is wrong with each; and
-- topics that they name but cannot read, which have no partition.  A producer
-- may give a record any time, so one that no clock shows is none.
CREATE VIEW evaudit.partitions_read AS
	SELECT o.source_id, o.topic, o.partition, o.next_offset, o.stopped,
		   COALESCE(o.error, p.last_error,
					'its first offset is being looked up: ' || o.seek) AS error,
		   p.end_offset, p.last_fetched_at,
		   GREATEST(p.caught_up_at,
					CASE WHEN o.seen_time BETWEEN 0 AND 253402300799999
						 THEN pg_catalog.to_timestamp(o.seen_time / 1000.0)
					END) AS read_until
	FROM evaudit.offsets_read o
	LEFT JOIN evaudit.partition_stats() p
		ON p.source_id = o.source_id AND p.topic = o.topic
		AND p.partition = o.partition
	UNION ALL
	SELECT p.source_id, p.topic, NULL, NULL, false, p.last_error,
		   NULL, NULL, NULL
	FROM evaudit.partition_stats() p
	JOIN evaudit.sources s ON s.id = p.source_id
	WHERE p.partition IS NULL
		AND evaudit.kafka_topic_wanted(s.options, p.topic);
COMMENT ON VIEW evaudit.partitions_read IS
	'internal: what evaudit.stat_sources and evaudit.stat_partitions know of partitions';

CREATE VIEW evaudit.stat_sources WITH (security_barrier) AS
	SELECT s.name, s.kind,
		   CASE WHEN s.paused OR s.database IS DISTINCT FROM d.oid
				THEN 'paused'
				WHEN p.state = 'running' AND r.all_stopped
				THEN 'stopped'
				WHEN p.state = 'running' AND r.error IS NOT NULL
				THEN 'degraded'
				ELSE COALESCE(p.state, w.state, 'stopped')
		   END AS state,
		   COALESCE(p.pids, '{}') AS pids,
		   COALESCE(p.received, 0) AS received,
		   COALESCE(p.merged, 0) AS merged,
		   COALESCE(p.dead_lettered, 0) AS dead_lettered,
		   COALESCE(p.batches, 0) AS batches,
		   p.last_received_at, p.last_committed_at,
		   -- of a source that runs its partitions say more than what was
		   -- reported last
		   CASE WHEN p.state = 'running'
				THEN COALESCE(r.error, p.last_error)
				ELSE COALESCE(p.last_error, w.last_error, r.error)
		   END AS last_error,
		   p.last_error_at, p.next_retry_at, p.credentials_expire_at
	FROM evaudit.sources s
	JOIN pg_catalog.pg_database d
		ON d.datname = pg_catalog.current_database()
	LEFT JOIN evaudit.source_stats() p ON p.source_id = s.id
	LEFT JOIN evaudit.source_stats() w ON w.source_id = 0
		AND p.source_id IS NULL
		AND NOT s.paused AND s.database = d.oid
	LEFT JOIN (
		SELECT r.source_id, pg_catalog.bool_and(r.stopped) AS all_stopped,
			   (pg_catalog.array_agg(
				pg_catalog.concat('partition ' || r.partition || ' of ',
								  'Kafka topic "', r.topic, '": ', r.error)
				ORDER BY r.stopped DESC, r.topic, r.partition)
				FILTER (WHERE r.error IS NOT NULL))[1] AS error
		FROM evaudit.partitions_read r GROUP BY r.source_id) r
		ON r.source_id = s.id
	WHERE pg_catalog.pg_has_role('pg_monitor', 'USAGE')
		OR evaudit.owns(s.owner_oid);
COMMENT ON VIEW evaudit.stat_sources IS
	'state of sources, for their owners and pg_monitor';
COMMENT ON COLUMN evaudit.stat_sources.state IS
	'starting, running, degraded (some partitions are not read: see evaudit.stat_partitions), paused, backoff (waiting until next_retry_at) or stopped (no launcher, every partition stopped, or what last_error says: somebody has to change it)';
COMMENT ON COLUMN evaudit.stat_sources.last_error IS
	'what is wrong now; NULL once it is over';
COMMENT ON COLUMN evaudit.stat_sources.last_error_at IS
	'when an error was reported last, also one that is over';
COMMENT ON COLUMN evaudit.stat_sources.received IS
	'events whose batch was committed, since the server started';
COMMENT ON COLUMN evaudit.stat_sources.merged IS
	'rows that these events wrote';

CREATE VIEW evaudit.stat_partitions WITH (security_barrier) AS
	SELECT x.source, x.topic, x.partition, x.next_offset, x.end_offset,
		   CASE WHEN x.state = 'running' AND x.end_offset IS NOT NULL
				THEN GREATEST(x.end_offset - x.next_offset, 0)
		   END AS lag,
		   CASE WHEN x.state <> 'running' OR x.end_offset IS NULL
				THEN NULL
				WHEN x.next_offset >= x.end_offset
				THEN 0
				WHEN x.read_until IS NOT NULL
				THEN GREATEST(0, pg_catalog.date_part('epoch',
						pg_catalog.clock_timestamp() - x.read_until))
		   END AS lag_seconds,
		   x.state, x.last_fetched_at, x.error AS last_error
	FROM (SELECT s.name AS source, r.topic, r.partition, r.next_offset,
				 r.end_offset, r.last_fetched_at, r.error, r.read_until,
				 CASE WHEN r.stopped OR s.state IN ('paused', 'stopped')
					  THEN 'stopped'
					  WHEN r.error IS NOT NULL
						OR s.state NOT IN ('running', 'degraded')
					  THEN 'stalled'
					  ELSE 'running'
				 END AS state
		  FROM evaudit.stat_sources s
		  JOIN evaudit.sources d ON d.name = s.name
		  JOIN evaudit.partitions_read r ON r.source_id = d.id) x;
COMMENT ON VIEW evaudit.stat_partitions IS
	'progress of the partitions that sources read, as of last_fetched_at; a topic that cannot be read has a row without a partition';
COMMENT ON COLUMN evaudit.stat_partitions.state IS
	'running, stalled (not read at present: see last_error, or that of the source) or stopped (until seek_source() or resume_source())';
COMMENT ON COLUMN evaudit.stat_partitions.lag IS
	'records between next_offset and end_offset; NULL: not known';
COMMENT ON COLUMN evaudit.stat_partitions.lag_seconds IS
	'how long ago the partition was read to its end, or the last record read was written, whichever is later; 0 at the end';
COMMENT ON COLUMN evaudit.stat_partitions.last_fetched_at IS
	'when the partition''s broker last answered; NULL: not since the worker began';
COMMENT ON COLUMN evaudit.stat_partitions.last_error IS
	'why the partition is not read; if it is stopped, evaudit.seek_source() lets it run again';

CREATE FUNCTION evaudit.dead_letters_by_reason(
	counts bigint[], OUT reason text, OUT dead_letters bigint)
RETURNS SETOF record
LANGUAGE c IMMUTABLE PARALLEL SAFE ROWS 20
AS 'MODULE_PATHNAME', 'evaudit_dead_letters_by_reason';
COMMENT ON FUNCTION evaudit.dead_letters_by_reason(bigint[]) IS
	'internal: rows of evaudit.stat_dead_letters';

CREATE VIEW evaudit.stat_dead_letters WITH (security_barrier) AS
	SELECT s.name AS source, r.reason, r.dead_letters
	FROM evaudit.sources s
	LEFT JOIN evaudit.source_stats() p ON p.source_id = s.id,
		LATERAL evaudit.dead_letters_by_reason(p.by_reason) r
	WHERE pg_catalog.pg_has_role('pg_monitor', 'USAGE')
		OR evaudit.owns(s.owner_oid);
COMMENT ON VIEW evaudit.stat_dead_letters IS
	'how many dead letters each source wrote since the server started, by reason, for their owners and pg_monitor';
COMMENT ON COLUMN evaudit.stat_dead_letters.reason IS
	'as in evaudit.dead_letters; each has a row, those of none, too';

CREATE FUNCTION evaudit.queue_stats(
	OUT source_id bigint, OUT queue text, OUT visible bigint,
	OUT in_flight bigint, OUT delayed bigint, OUT measured_at timestamptz)
RETURNS SETOF record
LANGUAGE c VOLATILE ROWS 10 AS 'MODULE_PATHNAME', 'evaudit_queue_stats';
COMMENT ON FUNCTION evaudit.queue_stats() IS
	'internal: numbers of evaudit.stat_queues';

CREATE FUNCTION evaudit.sqs_queues(options jsonb)
RETURNS text[]
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 100
AS 'MODULE_PATHNAME', 'evaudit_sqs_queues';
COMMENT ON FUNCTION evaudit.sqs_queues(jsonb) IS
	'internal: names of the queues that a source with these options reads';

CREATE VIEW evaudit.stat_queues WITH (security_barrier) AS
	SELECT s.name AS source, q.queue, p.visible, p.in_flight, p.delayed,
		   p.measured_at
	FROM evaudit.sources s
	CROSS JOIN LATERAL pg_catalog.unnest(evaudit.sqs_queues(s.options))
		q(queue)
	LEFT JOIN evaudit.queue_stats() p
		ON p.source_id = s.id AND p.queue = q.queue
	WHERE s.kind = 'sqs'
		AND (pg_catalog.pg_has_role('pg_monitor', 'USAGE')
			 OR evaudit.owns(s.owner_oid));
COMMENT ON VIEW evaudit.stat_queues IS
	'how many messages are in the queues that sources read, as of measured_at, for their owners and pg_monitor';
COMMENT ON COLUMN evaudit.stat_queues.visible IS
	'messages that may be received, approximately, as all numbers here; NULL: SQS has not said it';
COMMENT ON COLUMN evaudit.stat_queues.in_flight IS
	'messages that were received and are not deleted yet';
COMMENT ON COLUMN evaudit.stat_queues.delayed IS
	'messages that were sent to be received later';
COMMENT ON COLUMN evaudit.stat_queues.measured_at IS
	'when SQS last said it; it is asked once a minute while the source runs';

CREATE FUNCTION evaudit.topic_stats(INOUT topic text, OUT outcome text,
									OUT events bigint)
RETURNS SETOF record
LANGUAGE c VOLATILE STRICT ROWS 20
AS 'MODULE_PATHNAME', 'evaudit_topic_stats';
COMMENT ON FUNCTION evaudit.topic_stats(text) IS
	'internal: counters of evaudit.stat_topics';

CREATE VIEW evaudit.stat_topics AS
	SELECT t.name AS topic, s.outcome, s.events
	FROM evaudit.topics t, evaudit.topic_stats(t.name) s;
COMMENT ON VIEW evaudit.stat_topics IS
	'what became of the events of each topic since the server started, from every door';
COMMENT ON COLUMN evaudit.stat_topics.outcome IS
	'accepted, repeated (was kept before: no further effect), or the reason of a rejection, as in evaudit.dead_letters';
COMMENT ON COLUMN evaudit.stat_topics.events IS
	'how many; a transaction that is rolled back takes none back';

CREATE FUNCTION evaudit.progress_rows(
	OUT work text, OUT subject text, OUT pid integer, OUT done bigint,
	OUT total bigint, OUT unit text, OUT per_second double precision,
	OUT started_at timestamptz)
RETURNS SETOF record
LANGUAGE c VOLATILE ROWS 10 AS 'MODULE_PATHNAME', 'evaudit_progress_rows';
COMMENT ON FUNCTION evaudit.progress_rows() IS
	'internal: rows of evaudit.stat_jobs';

-- What seek_source() has sources read again, with partitions that are done
-- already if the same seek_source() moved them, or a later one.  The place of
-- one whose leader has not said where it begins is not known.
CREATE VIEW evaudit.rereads AS
	WITH moved AS MATERIALIZED (
		SELECT o.source_id, o.next_offset, o.reread_from, o.reread_until,
			   o.reread_since,
			   NOT o.stopped AND (o.next_offset IS NULL
								  OR o.next_offset < o.reread_until) AS under_way
		FROM evaudit.offsets_read o
		WHERE o.reread_until IS NOT NULL)
	SELECT m.source_id, s.since,
		   COALESCE(pg_catalog.sum(LEAST(m.next_offset, m.reread_until)
								   - m.reread_from), 0)::bigint AS done,
		   CASE WHEN NOT pg_catalog.bool_or(m.next_offset IS NULL)
				THEN pg_catalog.sum(m.reread_until - m.reread_from)::bigint
		   END AS total
	FROM moved m
	JOIN (SELECT u.source_id, pg_catalog.min(u.reread_since) AS since
		  FROM moved u WHERE u.under_way GROUP BY u.source_id) s
		ON s.source_id = m.source_id AND m.reread_since >= s.since
	WHERE m.next_offset IS NULL OR m.reread_from < m.reread_until
	GROUP BY m.source_id, s.since;
COMMENT ON VIEW evaudit.rereads IS
	'internal: what sources read again after evaudit.seek_source()';

CREATE VIEW evaudit.stat_jobs WITH (security_barrier) AS
	SELECT p.work, p.subject, p.pid, p.done, p.total, p.unit, p.per_second,
		   p.started_at
	FROM evaudit.progress_rows() p
	UNION ALL
	SELECT 're-read', s.name, p.pids[1], r.done, r.total, 'records',
		   r.done / GREATEST(pg_catalog.date_part('epoch',
				pg_catalog.clock_timestamp() - r.since), 0.000001),
		   r.since
	FROM evaudit.rereads r
	JOIN evaudit.sources s ON s.id = r.source_id
	LEFT JOIN evaudit.source_stats() p ON p.source_id = r.source_id
	WHERE pg_catalog.pg_has_role('pg_monitor', 'USAGE')
		OR evaudit.owns(s.owner_oid);
COMMENT ON VIEW evaudit.stat_jobs IS
	'how far long work is (redrive, baseline, undo, reconcile, redact, retention, export, what a source re-reads), for the role that does it and pg_monitor; pg_cancel_backend() ends it without loss, a re-read is ended by seek_source() and held by pause_source()';
COMMENT ON COLUMN evaudit.stat_jobs.total IS
	'how many there are to do, of which some may turn out to need nothing; NULL: not known';
COMMENT ON COLUMN evaudit.stat_jobs.unit IS
	'what done and total count: letters, rows, changes, blocks or records';
