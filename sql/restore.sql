-- restore.sql: what pg_dump takes along, and what a restore may not do.

SELECT pg_catalog.pg_extension_config_dump('@extschema@.user_services', '');
SELECT pg_catalog.pg_extension_config_dump('evaudit.tracked_relations', '');
SELECT pg_catalog.pg_extension_config_dump('evaudit.tracked_columns', '');
SELECT pg_catalog.pg_extension_config_dump('evaudit.sources', '');
SELECT pg_catalog.pg_extension_config_dump('evaudit.sources_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('evaudit.offsets', '');
SELECT pg_catalog.pg_extension_config_dump('evaudit.kafka_topics', '');
SELECT pg_catalog.pg_extension_config_dump('evaudit.sinks', '');
SELECT pg_catalog.pg_extension_config_dump('evaudit.sinks_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('evaudit.dead_letter_store', '');
SELECT pg_catalog.pg_extension_config_dump('evaudit.dead_letter_store_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('evaudit.issuers', '');
SELECT pg_catalog.pg_extension_config_dump('evaudit.schemas', '');
SELECT pg_catalog.pg_extension_config_dump('evaudit.topics',
	'WHERE options IS DISTINCT FROM seed OR schema_version IS NOT NULL');
SELECT pg_catalog.pg_extension_config_dump('evaudit.topic_schemas', '');
SELECT pg_catalog.pg_extension_config_dump('evaudit.events', '');
SELECT pg_catalog.pg_extension_config_dump('evaudit.events_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('evaudit.publish_grants', '');
SELECT pg_catalog.pg_extension_config_dump('evaudit.read_grants', '');
SELECT pg_catalog.pg_extension_config_dump('evaudit.retention', '');
SELECT pg_catalog.pg_extension_config_dump('evaudit.alert_rule_settings', '');
SELECT pg_catalog.pg_extension_config_dump('evaudit.audit_holds', '');
SELECT pg_catalog.pg_extension_config_dump('evaudit.audit_holds_id_seq', '');

-- A restored source must not take another database's messages, nor a restored
-- sink send anything: whatever row is inserted, by COPY too, runs nowhere until
-- resume_source() or resume_sink() says so.  The oids that it brings may be
-- those of others here.  create_source() and create_sink() set them after their
-- insert.
CREATE FUNCTION evaudit.forget_database() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'evaudit_forget_database';
COMMENT ON FUNCTION evaudit.forget_database() IS
	'internal: trigger that keeps a restored source or sink from running';
CREATE TRIGGER forget_database BEFORE INSERT ON evaudit.sources
	FOR EACH ROW EXECUTE FUNCTION evaudit.forget_database();
ALTER TABLE evaudit.sources ENABLE ALWAYS TRIGGER forget_database;
CREATE TRIGGER forget_database BEFORE INSERT ON evaudit.sinks
	FOR EACH ROW EXECUTE FUNCTION evaudit.forget_database();
ALTER TABLE evaudit.sinks ENABLE ALWAYS TRIGGER forget_database;

CREATE FUNCTION evaudit.forget_owner() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'evaudit_forget_owner';
COMMENT ON FUNCTION evaudit.forget_owner() IS
	'internal: trigger that keeps only the name of a restored dead letter''s owner';
CREATE TRIGGER forget_owner BEFORE INSERT ON evaudit.dead_letter_store
	FOR EACH ROW EXECUTE FUNCTION evaudit.forget_owner();
ALTER TABLE evaudit.dead_letter_store ENABLE ALWAYS TRIGGER forget_owner;

-- A topic that comes with the extension is there when its dumped row arrives:
-- what was altered of it is set.
CREATE FUNCTION evaudit.restore_topic() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'evaudit_restore_topic';
COMMENT ON FUNCTION evaudit.restore_topic() IS
	'internal: trigger that restores what was altered of a topic that comes with the extension';
CREATE TRIGGER restore_topic BEFORE INSERT ON evaudit.topics
	FOR EACH ROW WHEN (NEW.seed IS NOT NULL)
	EXECUTE FUNCTION evaudit.restore_topic();
ALTER TABLE evaudit.topics ENABLE ALWAYS TRIGGER restore_topic;

-- Rows of configuration are dumped under the name of another table, whose
-- trigger puts them in place.  Restored under their own name they would be
-- audited a second time, in each restore anew.  The dump reads
--   COPY (SELECT key, value FROM evaudit.configuration_dump UNION ALL ...)
-- and a function, which finds configuration in a schema that was renamed, too;
-- a view is nothing that pg_dump may read.
CREATE TABLE evaudit.configuration_dump (key text, value jsonb);
COMMENT ON TABLE evaudit.configuration_dump IS
	'internal: always empty; carries configuration through pg_dump without auditing it again';
CREATE FUNCTION evaudit.configuration_rows()
	RETURNS SETOF evaudit.configuration_dump LANGUAGE sql STABLE
	BEGIN ATOMIC SELECT key, value FROM @extschema@.configuration; END;
COMMENT ON FUNCTION evaudit.configuration_rows() IS
	'internal: rows of configuration for pg_dump';
CREATE FUNCTION evaudit.restore_configuration() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'evaudit_restore_configuration';
COMMENT ON FUNCTION evaudit.restore_configuration() IS
	'internal: trigger that restores a dumped row of configuration without auditing it';
CREATE TRIGGER restore_configuration
	BEFORE INSERT ON evaudit.configuration_dump
	FOR EACH ROW EXECUTE FUNCTION evaudit.restore_configuration();
ALTER TABLE evaudit.configuration_dump
	ENABLE ALWAYS TRIGGER restore_configuration;
SELECT pg_catalog.pg_extension_config_dump('evaudit.configuration_dump',
	'UNION ALL SELECT key, value FROM evaudit.configuration_rows()');

-- Rows of audit likewise, and before them the last number that was drawn:
-- what is captured while they are restored gets a higher one, whichever comes
-- first.  Columns that somebody added travel as JSON, their types in the first
-- row, for no dump of an extension tells of them.
CREATE TABLE evaudit.audit_dump (
	id uuid,
	relation text,
	item_key text,
	operation text,
	modification_time timestamptz,
	updated_attribute text,
	old_value jsonb,
	new_value jsonb,
	actor text,
	request_id text,
	session_role text,
	application_name text,
	client_addr inet,
	xid xid8,
	epoch integer,
	relid oid,
	role_name text,
	seq bigint,
	added jsonb
);
COMMENT ON TABLE evaudit.audit_dump IS
	'internal: always empty; carries audit through pg_dump';
CREATE FUNCTION evaudit.audit_head() RETURNS evaudit.audit_dump
LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'evaudit_audit_head';
COMMENT ON FUNCTION evaudit.audit_head() IS
	'internal: first row of audit for pg_dump, the last number drawn';
CREATE FUNCTION evaudit.audit_row(audit @extschema@.audit)
	RETURNS evaudit.audit_dump
LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'evaudit_audit_row';
COMMENT ON FUNCTION evaudit.audit_row(@extschema@.audit) IS
	'internal: a row of audit for pg_dump';
-- OFFSET has each row made once, not once for each of its columns.
CREATE FUNCTION evaudit.audit_rows()
	RETURNS SETOF evaudit.audit_dump LANGUAGE sql STABLE
	BEGIN ATOMIC
		SELECT (r.line).* FROM (
			SELECT evaudit.audit_head() AS line
			UNION ALL SELECT evaudit.audit_row(a) FROM @extschema@.audit a
			OFFSET 0) r;
	END;
COMMENT ON FUNCTION evaudit.audit_rows() IS
	'internal: rows of audit for pg_dump';
CREATE FUNCTION evaudit.restore_audit() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'evaudit_restore_audit';
COMMENT ON FUNCTION evaudit.restore_audit() IS
	'internal: trigger that restores a dumped row of audit';
CREATE TRIGGER restore_audit BEFORE INSERT ON evaudit.audit_dump
	FOR EACH ROW EXECUTE FUNCTION evaudit.restore_audit();
ALTER TABLE evaudit.audit_dump ENABLE ALWAYS TRIGGER restore_audit;
SELECT pg_catalog.pg_extension_config_dump('evaudit.audit_dump',
	'UNION ALL SELECT * FROM evaudit.audit_rows()');
