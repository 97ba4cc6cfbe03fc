-- sources.sql: where events come from, and how far each source has got.

CREATE FUNCTION evaudit.kafka_validator(options text[], catalog oid)
RETURNS void
LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'evaudit_kafka_validator';
COMMENT ON FUNCTION evaudit.kafka_validator(text[], oid) IS
	'internal: validates options of servers and user mappings of evaudit_kafka';

CREATE FOREIGN DATA WRAPPER evaudit_kafka
	NO HANDLER VALIDATOR evaudit.kafka_validator;
COMMENT ON FOREIGN DATA WRAPPER evaudit_kafka IS
	'Kafka clusters: options are librdkafka''s property names';

CREATE FUNCTION evaudit.aws_validator(options text[], catalog oid)
RETURNS void
LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'evaudit_aws_validator';
COMMENT ON FUNCTION evaudit.aws_validator(text[], oid) IS
	'internal: validates options of servers and user mappings of evaudit_aws';

CREATE FOREIGN DATA WRAPPER evaudit_aws
	NO HANDLER VALIDATOR evaudit.aws_validator;
COMMENT ON FOREIGN DATA WRAPPER evaudit_aws IS
	'AWS, or whatever speaks as it does: region, endpoint_url, ...';

CREATE TABLE evaudit.sources (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	name text NOT NULL UNIQUE,
	kind text NOT NULL,
	owner name NOT NULL,
	server name NOT NULL,
	topic text NOT NULL,
	options jsonb NOT NULL,
	paused boolean NOT NULL DEFAULT false,
	-- where it may run; a copy of the database has another oid, a restored
	-- dump none (restore.sql): both wait for resume_source()
	database oid,
	-- a pending seek_source(); its number restarts the worker
	seek text,
	seek_number integer NOT NULL DEFAULT 0,
	-- when its partitions were first looked up: those that appear later are
	-- read from their beginning, whatever "start" says
	started_at timestamptz,
	-- whose oids "owner" and "server" were, and in which cluster; where they
	-- are not so any more the source waits for resume_source()
	owner_oid oid,
	server_oid oid,
	cluster bigint
);
COMMENT ON TABLE evaudit.sources IS
	'sources of events; evaudit.stat_sources shows their state';

-- No foreign key: pg_restore --jobs, which restores tables in any order, would
-- trip over it.
CREATE TABLE evaudit.offsets (
	source_id bigint NOT NULL,
	topic text NOT NULL,
	partition integer NOT NULL,
	next_offset bigint,
	-- from where it is to be read, where its leader has not said yet
	seek text,
	-- which incarnation of the topic it is read from
	incarnation integer NOT NULL DEFAULT 1,
	-- the last record read, by which a topic made anew is recognised
	seen_offset bigint,
	seen_time bigint,
	seen_checksum bigint,
	-- waits for seek_source(), since what follows next_offset is not there
	stopped boolean NOT NULL DEFAULT false,
	-- why it is not read; NULL while it is
	error text,
	-- what seek_source() has it read again, and since when; reread_from is NULL
	-- while it is being looked up, reread_until where nothing is read again
	reread_from bigint,
	reread_until bigint,
	reread_since timestamptz,
	PRIMARY KEY (source_id, topic, partition),
	CHECK ((next_offset IS NULL) = (seek IS NOT NULL))
) WITH (fillfactor = 50);
-- Not in a dump.  Rows have no unique key, so that nobody waits for another's
-- transaction; the same request twice is the same as once.
CREATE TABLE evaudit.schema_requests (
	source_id bigint NOT NULL,
	server_oid oid NOT NULL,
	schema_id text NOT NULL
);
COMMENT ON TABLE evaudit.schema_requests IS
	'internal: schemas that redrive() missed, for a process of the source''s owner to fetch';

-- How often a topic was made anew, as far as sources have seen: what tells its
-- records from those of the same offsets before.
CREATE TABLE evaudit.kafka_topics (
	cluster text COLLATE "C" NOT NULL,
	topic text COLLATE "C" NOT NULL,
	incarnation integer NOT NULL,
	PRIMARY KEY (cluster, topic)
);
COMMENT ON TABLE evaudit.kafka_topics IS
	'internal: incarnations of Kafka topics that were made anew';

COMMENT ON TABLE evaudit.offsets IS
	'internal: offsets of partitions, written in the transaction of what was read';

CREATE FUNCTION evaudit.create_source(name text, server name,
									  topic text DEFAULT 'login',
									  options jsonb DEFAULT '{}')
RETURNS void
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'evaudit_create_source';
COMMENT ON FUNCTION evaudit.create_source(text, name, text, jsonb) IS
	'read events of a topic from a server, as the current user; needs USAGE on the server. Options of all sources: batch_size, batch_interval, max_event_bytes, workers; of Kafka: topics, start, group_id; of SQS: queue, envelope, topic_arns, verify_sns, max_receives, visibility_timeout, on_bad_event, max_attempts';

CREATE FUNCTION evaudit.alter_source(name text, options jsonb)
RETURNS void
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'evaudit_alter_source';
COMMENT ON FUNCTION evaudit.alter_source(text, jsonb) IS
	'set options of a source; the others stay, a null resets one to its default';

CREATE FUNCTION evaudit.drop_source(name text)
RETURNS void
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'evaudit_drop_source';
COMMENT ON FUNCTION evaudit.drop_source(text) IS
	'drop a source and its offsets; its dead letters stay';

CREATE FUNCTION evaudit.pause_source(name text)
RETURNS void
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'evaudit_pause_source';
COMMENT ON FUNCTION evaudit.pause_source(text) IS
	'stop a source until resume_source(), across restarts';

CREATE FUNCTION evaudit.resume_source(name text)
RETURNS void
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'evaudit_resume_source';
COMMENT ON FUNCTION evaudit.resume_source(text) IS
	'let a paused source continue where it was; also one of a restored or copied database, or whose owner or server was renamed or made anew; needs the privileges of its owner, by name and by oid';

CREATE FUNCTION evaudit.seek_source(name text, target text)
RETURNS void
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'evaudit_seek_source';
COMMENT ON FUNCTION evaudit.seek_source(text, text) IS
	'continue from earliest, latest, an RFC 3339 time, or offsets such as {"0": 17, "1": 4}; stopped partitions run again';

CREATE FUNCTION evaudit.check_server(server name)
RETURNS TABLE(check_name text, ok boolean, detail text)
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'evaudit_check_server';
COMMENT ON FUNCTION evaudit.check_server(name) IS
	'check that a server can be reached with the current user''s credentials, and that its queues and topics are fit for their sources';
