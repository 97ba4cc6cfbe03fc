-- audit.sql: the audited table configuration, audit and how tables come to it.

CREATE TABLE @extschema@.configuration (
	key text PRIMARY KEY,
	value jsonb
);
COMMENT ON TABLE @extschema@.configuration IS
	'settings of the application by key; every change is in audit';
COMMENT ON COLUMN @extschema@.configuration.key IS 'name of the setting';
COMMENT ON COLUMN @extschema@.configuration.value IS 'its value, any JSON';
REVOKE ALL ON @extschema@.configuration FROM PUBLIC;

-- Rows are written by evaudit.capture(), which relies on these columns.
CREATE TABLE @extschema@.audit (
	id uuid NOT NULL,
	relation text NOT NULL,
	item_key text,
	operation text NOT NULL,
	modification_time timestamptz NOT NULL,
	updated_attribute text,
	old_value jsonb,
	new_value jsonb,
	actor text,
	request_id text,
	session_role text NOT NULL,
	application_name text,
	client_addr inet,
	xid xid8 NOT NULL,
	epoch integer NOT NULL,
	relid oid,
	role_name text NOT NULL,
	seq bigint PRIMARY KEY
) PARTITION BY RANGE (seq);
REVOKE ALL ON @extschema@.audit FROM PUBLIC;

-- Rows whose numbers belong into no segment: the first ones, and all where no
-- job makes segments, which takes shared_preload_libraries.
CREATE TABLE evaudit.audit_default PARTITION OF @extschema@.audit DEFAULT;
COMMENT ON TABLE evaudit.audit_default IS
	'internal: rows of audit whose seq belongs into no segment';

-- One number at a time: the numbers of a row's changes follow each other.
CREATE SEQUENCE @extschema@.audit_seq_seq OWNED BY @extschema@.audit.seq;
ALTER TABLE @extschema@.audit
	ALTER seq SET DEFAULT pg_catalog.nextval('@extschema@.audit_seq_seq');
REVOKE ALL ON SEQUENCE @extschema@.audit_seq_seq FROM PUBLIC;

-- Ids come in runs, so that their index grows like one on numbers.  That they
-- are unique no index over partitions by seq can say: 110 of their bits are
-- random.
CREATE INDEX audit_id_idx ON @extschema@.audit (id);
-- The pattern operators compare bytes, whatever the database's collation,
-- and serve a plain = all the same.
CREATE INDEX audit_item_key_idx ON @extschema@.audit
	(item_key text_pattern_ops, relation text_pattern_ops);
-- What one transaction did, and what one request did.
CREATE INDEX audit_xid_idx ON @extschema@.audit (xid);
CREATE INDEX audit_request_id_idx ON @extschema@.audit
	(request_id text_pattern_ops) WHERE request_id IS NOT NULL;

COMMENT ON TABLE @extschema@.audit IS
	'every change of the tracked tables, written in the transaction of the change';
COMMENT ON COLUMN @extschema@.audit.id IS 'version 4 uuid of this audit row';
COMMENT ON COLUMN @extschema@.audit.relation IS
	'the tracked table, schema-qualified; of a partition, the table given to track()';
COMMENT ON COLUMN @extschema@.audit.item_key IS
	'key of the row before the change; a JSON array if it has several columns';
COMMENT ON COLUMN @extschema@.audit.operation IS
	'INSERT, UPDATE, DELETE or TRUNCATE of a row; BASELINE: a row that was there before; REDACT: values were erased from the audit; TRACK or UNTRACK: changes of the relation are captured from here on, or no longer; SKIP: somebody had his changes in this transaction not captured';
COMMENT ON COLUMN @extschema@.audit.modification_time IS
	'when the change was made, by the server''s clock';
COMMENT ON COLUMN @extschema@.audit.updated_attribute IS
	'of an UPDATE, the attribute that this row is about';
COMMENT ON COLUMN @extschema@.audit.old_value IS
	'value of the attribute, or the whole row, before the change; SQL NULL of an UPDATE: new_value has changed paths';
COMMENT ON COLUMN @extschema@.audit.new_value IS
	'value of the attribute, or the whole row, after the change';
COMMENT ON COLUMN @extschema@.audit.actor IS
	'the setting evaudit.actor at the time';
COMMENT ON COLUMN @extschema@.audit.request_id IS
	'the setting evaudit.request_id at the time';
COMMENT ON COLUMN @extschema@.audit.session_role IS 'session_user at the time';
COMMENT ON COLUMN @extschema@.audit.application_name IS
	'application_name at the time';
COMMENT ON COLUMN @extschema@.audit.client_addr IS
	'address of the client; NULL for a Unix socket or a background process';
COMMENT ON COLUMN @extschema@.audit.xid IS
	'the transaction of the change, the same for all its subtransactions';
COMMENT ON COLUMN @extschema@.audit.epoch IS
	'which database of which cluster numbered the transaction: a restored dump begins another epoch';
COMMENT ON COLUMN @extschema@.audit.relid IS
	'oid that the tracked table had then';
COMMENT ON COLUMN @extschema@.audit.role_name IS
	'current_user at the time: after SET ROLE, or inside a function with SECURITY DEFINER, another than session_role';
COMMENT ON COLUMN @extschema@.audit.seq IS
	'order of capture: within a transaction, and among the changes of one row';

-- What tracked tables and their columns were called, and in which rows of
-- audit: those with a seq from first_seq to last_seq.  An id stays the same
-- through renames and restores.
CREATE TABLE evaudit.tracked_relations (
	id uuid NOT NULL,
	epoch integer NOT NULL,
	relid oid NOT NULL,
	first_seq bigint NOT NULL,
	last_seq bigint,
	schema_name text NOT NULL,
	relation_name text NOT NULL,
	PRIMARY KEY (id, first_seq)
);
COMMENT ON TABLE evaudit.tracked_relations IS
	'internal: names of tracked tables by range of audit.seq; last_seq is NULL for the present one';
CREATE INDEX tracked_relations_relid_idx ON evaudit.tracked_relations (relid)
	WHERE last_seq IS NULL;
CREATE INDEX tracked_relations_name_idx ON evaudit.tracked_relations
	(schema_name, relation_name);
CREATE TRIGGER announce_change
	AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON evaudit.tracked_relations
	FOR EACH STATEMENT EXECUTE FUNCTION evaudit.announce_change();
ALTER TABLE evaudit.tracked_relations ENABLE ALWAYS TRIGGER announce_change;

CREATE TABLE evaudit.tracked_columns (
	id uuid NOT NULL,
	number integer NOT NULL,
	attnum smallint NOT NULL,
	first_seq bigint NOT NULL,
	last_seq bigint,
	name text NOT NULL,
	type text NOT NULL,
	PRIMARY KEY (id, number, first_seq)
);
COMMENT ON TABLE evaudit.tracked_columns IS
	'internal: names and types of columns of tracked tables by range of audit.seq; a column keeps its number where a restore gives it another attnum';

CREATE FUNCTION @extschema@.document(audit @extschema@.audit) RETURNS jsonb
	AS 'MODULE_PATHNAME', 'evaudit_document'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION @extschema@.document(@extschema@.audit) IS
	'an audit row as a JSON document: SELECT a.document FROM audit a';

CREATE FUNCTION evaudit.capture() RETURNS trigger
	AS 'MODULE_PATHNAME', 'evaudit_capture' LANGUAGE C;
COMMENT ON FUNCTION evaudit.capture() IS
	'internal: trigger of tracked tables that writes the change of a row to audit';

CREATE FUNCTION evaudit.capture_truncate() RETURNS trigger
	AS 'MODULE_PATHNAME', 'evaudit_capture_truncate' LANGUAGE C;
COMMENT ON FUNCTION evaudit.capture_truncate() IS
	'internal: trigger of tracked tables that writes the rows removed by TRUNCATE to audit';

-- Rows that a subscription brings keep their numbers: those drawn here are
-- higher.
CREATE FUNCTION evaudit.raise_seq() RETURNS trigger
	AS 'MODULE_PATHNAME', 'evaudit_raise_seq' LANGUAGE C;
COMMENT ON FUNCTION evaudit.raise_seq() IS
	'internal: trigger that has the sequence of audit go on after a replicated row';
CREATE TRIGGER "00_evaudit_raise" BEFORE INSERT ON @extschema@.audit
	FOR EACH ROW EXECUTE FUNCTION evaudit.raise_seq();
ALTER TABLE @extschema@.audit ENABLE REPLICA TRIGGER "00_evaudit_raise";

-- The server clones row triggers to new partitions, but not those of TRUNCATE.
CREATE FUNCTION evaudit.track_partitions() RETURNS event_trigger
	AS 'MODULE_PATHNAME', 'evaudit_track_partitions' LANGUAGE C;
COMMENT ON FUNCTION evaudit.track_partitions() IS
	'internal: event trigger that has TRUNCATE of new partitions of tracked tables audited';
CREATE EVENT TRIGGER evaudit_track_partitions ON ddl_command_end
	WHEN TAG IN ('CREATE TABLE', 'ALTER TABLE', 'CREATE SCHEMA')
	EXECUTE FUNCTION evaudit.track_partitions();
ALTER EVENT TRIGGER evaudit_track_partitions ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER evaudit_track_partitions IS
	'has TRUNCATE of new partitions of tracked tables audited';

CREATE FUNCTION evaudit.check_attach() RETURNS event_trigger
	AS 'MODULE_PATHNAME', 'evaudit_check_attach' LANGUAGE C;
COMMENT ON FUNCTION evaudit.check_attach() IS
	'internal: event trigger that refuses a partition which is tracked by itself';
CREATE EVENT TRIGGER evaudit_check_attach ON ddl_command_start
	WHEN TAG IN ('ALTER TABLE') EXECUTE FUNCTION evaudit.check_attach();
ALTER EVENT TRIGGER evaudit_check_attach ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER evaudit_check_attach IS
	'refuses a partition which is tracked by itself';

-- Who ends the audit of a table, in whatever way, leaves a row in it.
CREATE FUNCTION evaudit.record_disabled() RETURNS event_trigger
	AS 'MODULE_PATHNAME', 'evaudit_record_disabled' LANGUAGE C;
COMMENT ON FUNCTION evaudit.record_disabled() IS
	'internal: event trigger that writes to audit when capture of a table is disabled';
CREATE EVENT TRIGGER evaudit_record_disabled ON ddl_command_end
	WHEN TAG IN ('ALTER TABLE', 'ALTER FOREIGN TABLE', 'CREATE TRIGGER')
	EXECUTE FUNCTION evaudit.record_disabled();
ALTER EVENT TRIGGER evaudit_record_disabled ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER evaudit_record_disabled IS
	'writes to audit when capture of a table is disabled';

CREATE FUNCTION evaudit.record_dropped() RETURNS event_trigger
	AS 'MODULE_PATHNAME', 'evaudit_record_dropped' LANGUAGE C;
COMMENT ON FUNCTION evaudit.record_dropped() IS
	'internal: event trigger that writes to audit when a tracked table or its trigger is dropped';
CREATE EVENT TRIGGER evaudit_record_dropped ON sql_drop
	EXECUTE FUNCTION evaudit.record_dropped();
ALTER EVENT TRIGGER evaudit_record_dropped ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER evaudit_record_dropped IS
	'writes to audit when a tracked table or its trigger is dropped';

CREATE FUNCTION evaudit.record_renamed() RETURNS event_trigger
	AS 'MODULE_PATHNAME', 'evaudit_record_renamed' LANGUAGE C;
COMMENT ON FUNCTION evaudit.record_renamed() IS
	'internal: event trigger that keeps names of tracked tables and their columns by range of audit.seq';
CREATE EVENT TRIGGER evaudit_record_renamed ON ddl_command_end
	WHEN TAG IN ('ALTER TABLE', 'ALTER FOREIGN TABLE', 'ALTER INDEX',
		'ALTER VIEW', 'ALTER MATERIALIZED VIEW', 'ALTER SCHEMA')
	EXECUTE FUNCTION evaudit.record_renamed();
ALTER EVENT TRIGGER evaudit_record_renamed ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER evaudit_record_renamed IS
	'keeps names of tracked tables and their columns by range of audit.seq';

-- Partitions of audit follow its owner, and are published as audit.
CREATE FUNCTION evaudit.keep_segments() RETURNS event_trigger
	AS 'MODULE_PATHNAME', 'evaudit_keep_segments' LANGUAGE C;
COMMENT ON FUNCTION evaudit.keep_segments() IS
	'internal: event trigger that gives partitions of audit to its owner, and has publications publish audit as a whole';
CREATE EVENT TRIGGER evaudit_keep_segments ON ddl_command_end
	WHEN TAG IN ('ALTER TABLE', 'CREATE PUBLICATION', 'ALTER PUBLICATION',
		'CREATE SUBSCRIPTION', 'ALTER SUBSCRIPTION')
	EXECUTE FUNCTION evaudit.keep_segments();
ALTER EVENT TRIGGER evaudit_keep_segments ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER evaudit_keep_segments IS
	'gives partitions of audit to its owner, and has publications publish audit as a whole';

CREATE FUNCTION evaudit.is_audited(relation regclass) RETURNS boolean
	AS 'MODULE_PATHNAME', 'evaudit_is_audited' LANGUAGE C STRICT;
COMMENT ON FUNCTION evaudit.is_audited(regclass) IS
	'internal: whether all changes of a table and its partitions are captured';
