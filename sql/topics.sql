-- topics.sql: what an event is, what becomes of it, and what could not be used.

CREATE TABLE evaudit.topics (
	name text PRIMARY KEY,
	options jsonb NOT NULL,
	-- of a topic that came with the extension, the options it came with; a
	-- dump takes it along only when it was altered (restore.sql)
	seed jsonb,
	-- in topic_schemas; NULL: none, any object will do
	schema_version integer,
	-- of a topic that calls a function, the owner that the function had when
	-- it was named; the function of another owner is not called
	function_owner name,
	function_owner_oid oid
);
COMMENT ON TABLE evaudit.topics IS
	'topics: what their events must be and what happens to them';
COMMENT ON COLUMN evaudit.topics.options IS
	'how payloads are mapped, by JSON Pointers (RFC 6901), and what happens to them';
COMMENT ON COLUMN evaudit.topics.schema_version IS
	'version of the schema that validates events, in evaudit.topic_schemas';
COMMENT ON COLUMN evaudit.topics.function_owner IS
	'owner of the function of the option "project" when it was named';

CREATE TABLE evaudit.topic_schemas (
	topic text NOT NULL,
	version integer NOT NULL,
	schema jsonb NOT NULL,
	created_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	PRIMARY KEY (topic, version)
);
COMMENT ON TABLE evaudit.topic_schemas IS
	'each JSON Schema that a topic has had; evaudit.events.schema_version says which one accepted an event';

-- Sessions keep topics compiled until one of the two tables changes.
CREATE TRIGGER announce_change
	AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON evaudit.topics
	FOR EACH STATEMENT EXECUTE FUNCTION evaudit.announce_change();
ALTER TABLE evaudit.topics ENABLE ALWAYS TRIGGER announce_change;
CREATE TRIGGER announce_change
	AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON evaudit.topic_schemas
	FOR EACH STATEMENT EXECUTE FUNCTION evaudit.announce_change();
ALTER TABLE evaudit.topic_schemas ENABLE ALWAYS TRIGGER announce_change;

INSERT INTO evaudit.topics (name, options, seed)
SELECT 'login', options, options FROM CAST('{
	"event_id": "/id",
	"timestamp": "/timestamp",
	"timestamp_format": "rfc3339",
	"fields": {
		"user_id": "/user_id",
		"service_id": "/service_id",
		"service_name": "/service_name"
	},
	"project": "user_services",
	"keep": false,
	"max_future": "5min",
	"max_payload_bytes": 1048576
}' AS jsonb) AS options;

CREATE FUNCTION evaudit.create_topic(name text, schema jsonb DEFAULT NULL,
									 options jsonb DEFAULT '{}')
RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'evaudit_create_topic';
COMMENT ON FUNCTION evaudit.create_topic(text, jsonb, jsonb) IS
	'create a topic: what its events must be, by a JSON Schema, and what happens to them';

CREATE FUNCTION evaudit.alter_topic(name text, schema jsonb DEFAULT NULL,
									options jsonb DEFAULT NULL)
RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'evaudit_alter_topic';
COMMENT ON FUNCTION evaudit.alter_topic(text, jsonb, jsonb) IS
	'set the schema of a topic (''null'': none) or options of it; the others stay, a null resets one to its default';

CREATE FUNCTION evaudit.drop_topic(name text)
RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'evaudit_drop_topic';
COMMENT ON FUNCTION evaudit.drop_topic(text) IS
	'drop a topic that no source reads into; its kept events stay';

CREATE FUNCTION evaudit.import_topics(topics jsonb,
									  topic_keys jsonb DEFAULT NULL,
									  assert_format boolean DEFAULT true)
RETURNS integer
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'evaudit_import_topics';
COMMENT ON FUNCTION evaudit.import_topics(jsonb, jsonb, boolean) IS
	'create or alter many topics: {"name": {"schema": ..., "options": ...}} or {"name": schema}, and {"name": field} for the keys of their events; whether "format" is asserted where their options do not say';

CREATE FUNCTION evaudit.validate(topic text, payload jsonb,
								 OUT instance_location text,
								 OUT keyword_location text, OUT error text)
RETURNS SETOF record
LANGUAGE c VOLATILE ROWS 10 AS 'MODULE_PATHNAME', 'evaudit_validate';
COMMENT ON FUNCTION evaudit.validate(text, jsonb) IS
	'how a payload violates its topic''s schema; no rows if it does not';

CREATE FUNCTION evaudit.publish(topic text, payload jsonb,
								event_id text DEFAULT NULL)
RETURNS text
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'evaudit_publish';
COMMENT ON FUNCTION evaudit.publish(text, jsonb, text) IS
	'publish an event to a topic in the caller''s transaction; returns its id, raises an error where a source would write a dead letter';

-- By oid: a role that is renamed, or made anew under a name, gains nothing.
CREATE FUNCTION evaudit.owns(owner oid) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE
	WHEN EXISTS (SELECT FROM pg_catalog.pg_roles r
				 WHERE r.oid OPERATOR(pg_catalog.=) owner)
	THEN pg_catalog.pg_has_role(owner, 'USAGE')
	ELSE pg_catalog.pg_has_role('pg_database_owner', 'USAGE')
END;
COMMENT ON FUNCTION evaudit.owns(oid) IS
	'internal: whether the current user has the privileges of an owner; what a dropped role owned, or a restore brought, is the database owner''s';

-- One row for each event that could not be used.  The owner of its source
-- sees it through the view; no foreign key, so that it outlives the source.
CREATE TABLE evaudit.dead_letter_store (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	owner name NOT NULL,
	source text NOT NULL,
	topic text NOT NULL,
	source_position jsonb,
	key bytea,
	headers jsonb,
	payload bytea,
	-- what the transport says beside the payload
	record_time timestamptz,
	transport_id text,
	-- what the payload was taken out of; NULL: it is as received
	envelope text,
	topic_arn text,
	verified boolean NOT NULL DEFAULT false,
	reason text NOT NULL,
	error text NOT NULL,
	sqlstate text,
	received_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	redriven_at timestamptz,
	-- whose oid "owner" was; NULL after a restore, until resume_source()
	owner_oid oid
);
CREATE INDEX dead_letter_store_source_idx ON evaudit.dead_letter_store (source, id)
	WHERE redriven_at IS NULL;
-- A message that its queue delivers again has one dead letter all the same.
CREATE UNIQUE INDEX dead_letter_store_message_idx ON evaudit.dead_letter_store
	(source, (source_position ->> 'message_id'))
	WHERE source_position ? 'message_id';
CREATE UNIQUE INDEX dead_letter_store_record_idx ON evaudit.dead_letter_store
	(source, transport_id) WHERE source_position ? 'offset';
COMMENT ON TABLE evaudit.dead_letter_store IS
	'internal: rows of the view evaudit.dead_letters';

CREATE VIEW evaudit.dead_letters WITH (security_barrier) AS
	SELECT id, source, topic, source_position, key, headers, payload,
		   reason, error, sqlstate, received_at, redriven_at
	FROM evaudit.dead_letter_store
	WHERE evaudit.owns(owner_oid);
COMMENT ON VIEW evaudit.dead_letters IS
	'events that could not be used, for the owners of their sources';
COMMENT ON COLUMN evaudit.dead_letters.source_position IS
	'where the event came from, such as {"topic": "logins", "partition": 0, "offset": 17} or {"queue": "logins", "message_id": "...", "receive_count": 1}';
COMMENT ON COLUMN evaudit.dead_letters.payload IS
	'the bytes as received; NULL where there were none';
COMMENT ON COLUMN evaudit.dead_letters.reason IS
	'empty_payload, too_large, too_deep, number_too_large, bad_encoding, malformed_json, not_an_object, missing_field, wrong_type, empty_field, too_long, bad_timestamp, future_timestamp, schema_violation, conflict, bad_envelope, bad_signature, bad_framing, unknown_schema, malformed_avro, malformed_protobuf or database_error';
COMMENT ON COLUMN evaudit.dead_letters.sqlstate IS
	'what the database raised, for database_error';
COMMENT ON COLUMN evaudit.dead_letters.redriven_at IS
	'when evaudit.redrive() succeeded';

CREATE FUNCTION evaudit.redrive(ids bigint[]) RETURNS bigint
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'evaudit_redrive_ids';
COMMENT ON FUNCTION evaudit.redrive(bigint[]) IS
	'try these dead letters again by the options that their sources and topics have now, in the caller''s transaction; returns how many now went through';

CREATE FUNCTION evaudit.redrive(source text) RETURNS bigint
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'evaudit_redrive_source';
COMMENT ON FUNCTION evaudit.redrive(text) IS
	'try all dead letters of a source again, in the caller''s transaction; returns how many now went through';

-- A procedure, since it takes long and need not be done again from the start.
CREATE PROCEDURE evaudit.redrive_all(source text,
									 INOUT redriven bigint DEFAULT NULL)
LANGUAGE c AS 'MODULE_PATHNAME', 'evaudit_redrive_all';
COMMENT ON PROCEDURE evaudit.redrive_all(text, bigint) IS
	'as redrive(source), but with a commit after every 2,000 dead letters';
