-- sinks.sql: where events go, how far each sink has got, and what waits.

CREATE FUNCTION evaudit.function_validator(options text[], catalog oid)
RETURNS void
LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'evaudit_function_validator';
COMMENT ON FUNCTION evaudit.function_validator(text[], oid) IS
	'internal: validates options of servers and user mappings of evaudit_function';

CREATE FOREIGN DATA WRAPPER evaudit_function
	NO HANDLER VALIDATOR evaudit.function_validator;
COMMENT ON FOREIGN DATA WRAPPER evaudit_function IS
	'functions of this database, as destinations of events; no options';

CREATE TABLE evaudit.sinks (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	name text NOT NULL UNIQUE,
	kind text NOT NULL,
	owner name NOT NULL,
	server name NOT NULL,
	topics text[] NOT NULL,
	options jsonb NOT NULL,
	paused boolean NOT NULL DEFAULT false,
	-- by which destinations know it; another one after a restore, so that two
	-- databases never meet there
	identity uuid NOT NULL DEFAULT pg_catalog.gen_random_uuid(),
	-- as of a source: where it may run, whose oids "owner" and "server" were
	database oid,
	owner_oid oid,
	server_oid oid,
	cluster bigint,
	-- counts seek_sink(), which restarts the process
	seek_number integer NOT NULL DEFAULT 0,
	-- why it has no place in the outbox any more, until seek_sink()
	detached text
);
COMMENT ON TABLE evaudit.sinks IS
	'sinks of events; evaudit.stat_sinks shows their state';

-- Sessions keep with a topic whether a sink wants it.
CREATE TRIGGER announce_change
	AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON evaudit.sinks
	FOR EACH STATEMENT EXECUTE FUNCTION evaudit.announce_change();
ALTER TABLE evaudit.sinks ENABLE ALWAYS TRIGGER announce_change;

-- Events of the topics that have a sink, in the transaction that accepted
-- them.  Delivery updates and deletes nothing here: a partition is truncated
-- when all sinks are past it.  No dump takes these rows along.
CREATE SEQUENCE evaudit.outbox_seq;
COMMENT ON SEQUENCE evaudit.outbox_seq IS
	'internal: numbers the rows of evaudit.outbox';

CREATE TABLE evaudit.outbox (
	part smallint NOT NULL,
	seq bigint NOT NULL,
	-- of the whole transaction, not of a subtransaction
	xid xid8 NOT NULL,
	topic text NOT NULL,
	event_id text NOT NULL,
	key bytea,
	payload jsonb NOT NULL,
	headers jsonb,
	event_time timestamptz NOT NULL,
	subject text,
	source text,
	source_position jsonb,
	received_at timestamptz NOT NULL
) PARTITION BY LIST (part);
COMMENT ON TABLE evaudit.outbox IS
	'internal: events on their way to sinks';
-- whoever writes a row compresses it, once for evaudit.events as well
ALTER TABLE evaudit.outbox ALTER payload SET STORAGE EXTERNAL;
CREATE INDEX outbox_seq_idx ON evaudit.outbox (seq);
CREATE INDEX outbox_xid_idx ON evaudit.outbox (xid, seq);

-- What VACUUM could gain here, TRUNCATE does.
CREATE TABLE evaudit.outbox_0 PARTITION OF evaudit.outbox FOR VALUES IN (0)
	WITH (autovacuum_enabled = false, toast.autovacuum_enabled = false);
CREATE TABLE evaudit.outbox_1 PARTITION OF evaudit.outbox FOR VALUES IN (1)
	WITH (autovacuum_enabled = false, toast.autovacuum_enabled = false);
CREATE TABLE evaudit.outbox_2 PARTITION OF evaudit.outbox FOR VALUES IN (2)
	WITH (autovacuum_enabled = false, toast.autovacuum_enabled = false);
COMMENT ON TABLE evaudit.outbox_0 IS 'internal: a partition of evaudit.outbox';
COMMENT ON TABLE evaudit.outbox_1 IS 'internal: a partition of evaudit.outbox';
COMMENT ON TABLE evaudit.outbox_2 IS 'internal: a partition of evaudit.outbox';

-- Which partition is written to, and when rows that no sink needs are looked
-- for.
CREATE TABLE evaudit.outbox_state (
	part smallint NOT NULL,
	checked_at timestamptz NOT NULL,
	truncated_at timestamptz NOT NULL
);
COMMENT ON TABLE evaudit.outbox_state IS
	'internal: the partition of evaudit.outbox that is written to, in one row';
INSERT INTO evaudit.outbox_state VALUES (0, pg_catalog.now(), pg_catalog.now());
CREATE TRIGGER announce_change
	AFTER INSERT OR UPDATE OF part OR DELETE OR TRUNCATE
	ON evaudit.outbox_state
	FOR EACH STATEMENT EXECUTE FUNCTION evaudit.announce_change();
ALTER TABLE evaudit.outbox_state ENABLE ALWAYS TRIGGER announce_change;

-- Starts of a server from a backup that the sinks of this database know of: a
-- new one pauses them.
CREATE TABLE evaudit.restores (
	id bigint PRIMARY KEY
);
COMMENT ON TABLE evaudit.restores IS
	'internal: by which starts from a backup sinks were paused';

-- How far each sink has got: the row of the greatest version counts.  Rows are
-- added, so that a transaction that stays open does not have each update walk
-- the versions before it; the process of the sink deletes those behind.
CREATE TABLE evaudit.sink_positions (
	sink_id bigint NOT NULL,
	version bigint NOT NULL,
	-- what is visible in "low" is done; rows of transactions that were not
	-- complete then have a seq above low_seq, unless "low" lists them
	low pg_snapshot NOT NULL,
	low_seq bigint NOT NULL,
	-- the batch: what is visible in "high" besides; NULL: none is under way
	high pg_snapshot,
	high_seq bigint,
	next_low_seq bigint,
	done_seq bigint NOT NULL,
	-- decided chunks of batches, and the one that is not known to be sent
	number bigint NOT NULL,
	chunk_seq bigint,
	hash text,
	PRIMARY KEY (sink_id, version)
);
COMMENT ON TABLE evaudit.sink_positions IS
	'internal: the places of sinks in evaudit.outbox';

CREATE FUNCTION evaudit.create_sink(name text, server name, topics text[],
									options jsonb DEFAULT '{}')
RETURNS void
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'evaudit_create_sink';
COMMENT ON FUNCTION evaudit.create_sink(text, name, text[], jsonb) IS
	'send events of topics (names, * or ^regex) to a server, as the current user, from now on; needs USAGE on the server and SELECT on evaudit.events';

CREATE FUNCTION evaudit.alter_sink(name text, options jsonb)
RETURNS void
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'evaudit_alter_sink';
COMMENT ON FUNCTION evaudit.alter_sink(text, jsonb) IS
	'set options of a sink; the others stay, a null resets one to its default';

CREATE FUNCTION evaudit.drop_sink(name text)
RETURNS void
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'evaudit_drop_sink';
COMMENT ON FUNCTION evaudit.drop_sink(text) IS
	'drop a sink and its place; what it has not sent yet it never will';

CREATE FUNCTION evaudit.pause_sink(name text)
RETURNS void
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'evaudit_pause_sink';
COMMENT ON FUNCTION evaudit.pause_sink(text) IS
	'stop a sink until resume_sink(), across restarts; its events wait in the outbox';

CREATE FUNCTION evaudit.resume_sink(name text)
RETURNS void
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'evaudit_resume_sink';
COMMENT ON FUNCTION evaudit.resume_sink(text) IS
	'let a paused sink continue where it was; one of a restored or copied database begins with what is published from now on, as a sink of another identity; needs the privileges of its owner, by name and by oid';

CREATE FUNCTION evaudit.seek_sink(name text, target text)
RETURNS void
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'evaudit_seek_sink';
COMMENT ON FUNCTION evaudit.seek_sink(text, text) IS
	'continue from earliest (what the outbox holds), latest, or an RFC 3339 time; a detached sink runs again';

CREATE FUNCTION evaudit.sink_wants(topics text[], topic text)
RETURNS boolean
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE COST 1000
AS 'MODULE_PATHNAME', 'evaudit_sink_wants';
COMMENT ON FUNCTION evaudit.sink_wants(text[], text) IS
	'internal: whether a sink of these topics takes events of a topic';

-- Each row holds its event, which the outbox may have dropped meanwhile.
-- Rows are written by the process of the sink, in the transaction that moves
-- its place past them; users only change their state.  No foreign key:
-- pg_restore --jobs, which restores tables in any order, would trip over it.
CREATE TABLE evaudit.delivery_store (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	sink_id bigint NOT NULL,
	-- its place in what the sink reads
	seq bigint NOT NULL,
	state text NOT NULL
		CHECK (state IN ('retrying', 'parked', 'blocked', 'skipped')),
	-- of the key, where a key is delivered in order; NULL: in no order
	key_hash bigint,
	attempts integer NOT NULL,
	code text,
	last_error text,
	-- of a retrying one
	next_retry_at timestamptz,
	since timestamptz NOT NULL,
	topic text NOT NULL,
	event_id text NOT NULL,
	key bytea,
	payload jsonb NOT NULL,
	headers jsonb,
	event_time timestamptz NOT NULL,
	subject text,
	source text,
	source_position jsonb,
	received_at timestamptz NOT NULL,
	-- number of the batch that sends it again, where that is remembered
	batch bigint,
	-- a batch that is read again after a crash finds what it had put here
	UNIQUE (sink_id, seq)
);
COMMENT ON TABLE evaudit.delivery_store IS
	'internal: rows of the view evaudit.deliveries, with their events';
CREATE INDEX delivery_store_key_idx ON evaudit.delivery_store
	(sink_id, key_hash, seq) WHERE key_hash IS NOT NULL;
CREATE INDEX delivery_store_retry_idx ON evaudit.delivery_store
	(sink_id, next_retry_at, seq) WHERE state = 'retrying';
CREATE INDEX delivery_store_skipped_idx ON evaudit.delivery_store
	(sink_id, seq) WHERE state = 'skipped';
CREATE INDEX delivery_store_parked_idx ON evaudit.delivery_store
	(sink_id, id) WHERE state = 'parked';

CREATE FUNCTION evaudit.sink_stats(
	OUT sink_id bigint, OUT state text, OUT pids integer[],
	OUT counters bigint[], OUT times timestamptz[], OUT last_error text,
	OUT last_error_at timestamptz, OUT next_retry_at timestamptz)
RETURNS SETOF record
LANGUAGE c VOLATILE ROWS 10 AS 'MODULE_PATHNAME', 'evaudit_sink_stats';
COMMENT ON FUNCTION evaudit.sink_stats() IS
	'internal: counters of evaudit.stat_sinks; the row of sink_id 0 is for sinks without a slot';

-- Events are counted up to 100,000 of a sink: a look at a large backlog must
-- not read it all.
CREATE VIEW evaudit.sinks_behind AS
	SELECT s.name, (
		SELECT o.received_at
		FROM (SELECT * FROM evaudit.sink_positions f
			  WHERE f.sink_id = s.id ORDER BY f.version DESC LIMIT 1) f
		JOIN evaudit.outbox o ON o.seq > f.low_seq
			AND NOT pg_catalog.pg_visible_in_snapshot(o.xid, f.low)
		ORDER BY o.seq LIMIT 1) AS oldest_at
	FROM evaudit.sinks s;
COMMENT ON VIEW evaudit.sinks_behind IS
	'internal: when the first event was written that a sink has not gone past, for metrics';

CREATE VIEW evaudit.stat_sinks WITH (security_barrier) AS
	SELECT s.name, s.kind,
		   CASE WHEN s.paused OR s.database IS DISTINCT FROM d.oid
				THEN 'paused'
				WHEN p.state = 'running' AND h.blocked_keys > 0 THEN 'blocked'
				ELSE COALESCE(p.state, w.state, 'stopped')
		   END AS state,
		   p.pids[1] AS pid,
		   COALESCE(p.counters[1], 0) AS delivered,
		   h.parked,
		   q.pending, q.oldest_pending_at,
		   h.blocked_keys,
		   p.times[1] AS last_delivered_at,
		   COALESCE(p.last_error, w.last_error) AS last_error,
		   p.last_error_at, p.next_retry_at,
		   p.times[2] AS credentials_expire_at
	FROM evaudit.sinks s
	JOIN pg_catalog.pg_database d
		ON d.datname = pg_catalog.current_database()
	LEFT JOIN evaudit.sink_stats() p ON p.sink_id = s.id
	LEFT JOIN evaudit.sink_stats() w ON w.sink_id = 0
		AND p.sink_id IS NULL
		AND NOT s.paused AND s.database = d.oid
	LEFT JOIN LATERAL (
		SELECT pg_catalog.count(*) AS pending,
			   pg_catalog.min(e.received_at) AS oldest_pending_at
		FROM (
			SELECT o.received_at
			FROM (SELECT * FROM evaudit.sink_positions f
				  WHERE f.sink_id = s.id ORDER BY f.version DESC LIMIT 1) f
			JOIN evaudit.outbox o
				ON NOT pg_catalog.pg_visible_in_snapshot(o.xid, f.low)
				AND (f.high IS NULL OR o.seq > f.done_seq
					 OR NOT pg_catalog.pg_visible_in_snapshot(o.xid, f.high))
			WHERE evaudit.sink_wants(s.topics, o.topic)
			LIMIT 100000) e) q ON true
	LEFT JOIN LATERAL (
		SELECT pg_catalog.count(*) FILTER (WHERE l.state = 'parked') AS parked,
			   pg_catalog.count(DISTINCT l.key_hash)
				   FILTER (WHERE l.state = 'blocked') AS blocked_keys
		FROM (SELECT v.state, v.key_hash FROM evaudit.delivery_store v
			  WHERE v.sink_id = s.id LIMIT 100000) l) h ON true
	WHERE pg_catalog.pg_has_role('pg_monitor', 'USAGE')
		OR evaudit.owns(s.owner_oid);
COMMENT ON VIEW evaudit.stat_sinks IS
	'state of sinks, for their owners and pg_monitor';
COMMENT ON COLUMN evaudit.stat_sinks.state IS
	'starting, running, paused, backoff (waiting until next_retry_at), blocked or stopped (no launcher, or what last_error says: somebody has to change it)';
COMMENT ON COLUMN evaudit.stat_sinks.delivered IS
	'events that the destination has taken, since the server started';
COMMENT ON COLUMN evaudit.stat_sinks.blocked_keys IS
	'keys of which events wait for one that is parked or retried';
COMMENT ON COLUMN evaudit.stat_sinks.pending IS
	'events in the outbox that were not sent yet, counted up to 100,000';
