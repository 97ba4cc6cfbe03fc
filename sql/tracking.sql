-- tracking.sql: which tables are audited, and what of them.

CREATE FUNCTION evaudit.track(relation regclass, options jsonb DEFAULT '{}')
	RETURNS void AS 'MODULE_PATHNAME', 'evaudit_track' LANGUAGE C STRICT;
COMMENT ON FUNCTION evaudit.track(regclass, jsonb) IS
	'begin to audit a table; for its owner';

CREATE FUNCTION evaudit.alter_tracking(relation regclass, options jsonb)
	RETURNS void AS 'MODULE_PATHNAME', 'evaudit_alter_tracking'
	LANGUAGE C STRICT;
COMMENT ON FUNCTION evaudit.alter_tracking(regclass, jsonb) IS
	'set options of a tracked table, the others stay; a null takes one back';

CREATE FUNCTION evaudit.untrack(relation regclass) RETURNS void
	AS 'MODULE_PATHNAME', 'evaudit_untrack' LANGUAGE C STRICT;
COMMENT ON FUNCTION evaudit.untrack(regclass) IS
	'end the audit of a table; what was audited stays';

CREATE FUNCTION evaudit.tracking_options(relation regclass) RETURNS jsonb
	AS 'MODULE_PATHNAME', 'evaudit_tracking_options' LANGUAGE C STRICT;
COMMENT ON FUNCTION evaudit.tracking_options(regclass) IS
	'internal: what a table is tracked with';

-- Whoever may call it can find out which value is behind an HMAC by trying.
CREATE FUNCTION evaudit.hmac_values(value text) RETURNS SETOF jsonb
	AS 'MODULE_PATHNAME', 'evaudit_hmac_values' LANGUAGE C STRICT;
COMMENT ON FUNCTION evaudit.hmac_values(text) IS
	'what the audit has of a value in columns with the rule hmac, by each key';

CREATE FUNCTION evaudit.patch(value jsonb, paths jsonb,
	backwards boolean DEFAULT false) RETURNS jsonb
	AS 'MODULE_PATHNAME', 'evaudit_patch'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION evaudit.patch(jsonb, jsonb, boolean) IS
	'a value after a change that the audit has as changed paths, or before it';

-- Rules of columns are those of the columns, not of their names.
CREATE FUNCTION evaudit.keep_rules() RETURNS event_trigger
	AS 'MODULE_PATHNAME', 'evaudit_keep_rules' LANGUAGE C;
COMMENT ON FUNCTION evaudit.keep_rules() IS
	'internal: event trigger that keeps the rules of tracked tables with their columns';
CREATE EVENT TRIGGER evaudit_keep_rules ON ddl_command_end
	WHEN TAG IN ('ALTER TABLE', 'ALTER FOREIGN TABLE', 'ALTER VIEW',
		'ALTER MATERIALIZED VIEW', 'ALTER TYPE', 'CREATE TRIGGER')
	EXECUTE FUNCTION evaudit.keep_rules();
ALTER EVENT TRIGGER evaudit_keep_rules ENABLE ALWAYS;
COMMENT ON EVENT TRIGGER evaudit_keep_rules IS
	'keeps the rules of tracked tables with their columns';

CREATE FUNCTION evaudit.audit_stats(relation regclass, OUT rows_written bigint,
	OUT last_written_at timestamptz)
	AS 'MODULE_PATHNAME', 'evaudit_audit_stats' LANGUAGE C STRICT;
COMMENT ON FUNCTION evaudit.audit_stats(regclass) IS
	'internal: counters of evaudit.stat_audit for a table';

CREATE VIEW evaudit.stat_audit AS
	SELECT c.oid::pg_catalog.regclass AS relation,
		evaudit.is_audited(c.oid) AS enabled, s.rows_written,
		s.last_written_at, evaudit.tracking_options(c.oid) AS options
	FROM pg_catalog.pg_class c, evaudit.audit_stats(c.oid) s
	WHERE c.relkind IN ('r', 'p', 'f') AND c.relpersistence <> 't'
		AND EXISTS (SELECT FROM pg_catalog.pg_trigger t
			WHERE t.tgrelid = c.oid AND t.tgparentid = 0 AND t.tgfoid =
				'evaudit.capture()'::pg_catalog.regprocedure);
COMMENT ON VIEW evaudit.stat_audit IS
	'tracked tables, and what was audited of them since the server started';
COMMENT ON COLUMN evaudit.stat_audit.relation IS 'the tracked table';
COMMENT ON COLUMN evaudit.stat_audit.enabled IS
	'false if a trigger of the table or of a partition was changed or disabled, or is missing: call track() to repair it; NULL while one of them is locked';
COMMENT ON COLUMN evaudit.stat_audit.options IS
	'what track() or alter_tracking() was given, by the present names of columns; NULL while the table is locked';
COMMENT ON COLUMN evaudit.stat_audit.rows_written IS
	'audit rows committed, without those of prepared transactions; NULL without shared_preload_libraries';
COMMENT ON COLUMN evaudit.stat_audit.last_written_at IS
	'when the last of them was committed';

SELECT evaudit.track('@extschema@.configuration');
