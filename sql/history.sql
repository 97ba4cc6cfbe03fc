-- history.sql: what audited rows were, and how to bring it back.

-- Whether an attribute's change may be one of its row's key, by which the row
-- is found under its earlier key.
CREATE FUNCTION evaudit.changes_key(item_key text, old_value jsonb)
RETURNS boolean
	AS 'MODULE_PATHNAME', 'evaudit_changes_key'
	LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION evaudit.changes_key(text, jsonb) IS
	'internal: whether a change of an attribute with this old value may change the key of its row; condition of an index on audit';
CREATE INDEX audit_new_key_idx ON @extschema@.audit
	(pg_catalog.jsonb_hash_extended(new_value, 0))
	WHERE updated_attribute IS NOT NULL
		AND evaudit.changes_key(item_key, old_value);

CREATE FUNCTION evaudit.history(relation text, key jsonb)
RETURNS TABLE (seq bigint, operation text, valid_from timestamptz,
	valid_to timestamptz, row_data jsonb, changed jsonb, actor text,
	request_id text, xid xid8)
	AS 'MODULE_PATHNAME', 'evaudit_history' LANGUAGE C STABLE;
COMMENT ON FUNCTION evaudit.history(text, jsonb) IS
	'the versions of the row of a key, the oldest first; a key of several columns is an array or an object';

CREATE FUNCTION evaudit.row_as_of(relation text, key jsonb, at timestamptz)
RETURNS jsonb
	AS 'MODULE_PATHNAME', 'evaudit_row_as_of' LANGUAGE C STABLE STRICT;
COMMENT ON FUNCTION evaudit.row_as_of(text, jsonb, timestamptz) IS
	'the row that had a key at a time; NULL if there was none';

CREATE FUNCTION evaudit.table_as_of(template anyelement, at timestamptz)
RETURNS SETOF anyelement
	AS 'MODULE_PATHNAME', 'evaudit_table_as_of' LANGUAGE C STABLE;
COMMENT ON FUNCTION evaudit.table_as_of(anyelement, timestamptz) IS
	'the rows of a table at a time: SELECT * FROM evaudit.table_as_of(NULL::orders, now() - interval ''1 day'')';

-- What is undone is written as the caller.
CREATE FUNCTION evaudit.undo(xid xid8 DEFAULT NULL,
	request_id text DEFAULT NULL, seqs bigint[] DEFAULT NULL,
	mode text DEFAULT 'error', dry_run boolean DEFAULT true)
RETURNS TABLE (relation text, item_key text, action text, changes jsonb,
	conflict text, done boolean)
	AS 'MODULE_PATHNAME', 'evaudit_undo' LANGUAGE C;
COMMENT ON FUNCTION evaudit.undo(xid8, text, bigint[], text, boolean) IS
	'take back what a transaction, a request or some rows of audit did, in at most 10,000 rows; unless dry_run is false, only shows what that would be; mode says what becomes of rows with conflicts: error, skip, force';

CREATE PROCEDURE evaudit.undo_all(xid xid8 DEFAULT NULL,
	request_id text DEFAULT NULL, seqs bigint[] DEFAULT NULL,
	mode text DEFAULT 'error', INOUT undone bigint DEFAULT NULL)
	AS 'MODULE_PATHNAME', 'evaudit_undo_all' LANGUAGE C;
COMMENT ON PROCEDURE evaudit.undo_all(xid8, text, bigint[], text, bigint) IS
	'likewise for any number of rows, with a commit after every 10,000; not in a transaction block';

CREATE FUNCTION evaudit.restore_row(relation regclass, key jsonb,
	at timestamptz)
RETURNS text
	AS 'MODULE_PATHNAME', 'evaudit_restore_row' LANGUAGE C STRICT;
COMMENT ON FUNCTION evaudit.restore_row(regclass, jsonb, timestamptz) IS
	'bring a row back to what it was at a time; returns what was done: INSERT, UPDATE, DELETE or NONE';

CREATE FUNCTION evaudit.baseline(relation regclass) RETURNS bigint
	AS 'MODULE_PATHNAME', 'evaudit_baseline' LANGUAGE C STRICT;
COMMENT ON FUNCTION evaudit.baseline(regclass) IS
	'write an audit row BASELINE for each row that was there before its table was tracked; for its owner; returns how many';

CREATE PROCEDURE evaudit.baseline_all(relation regclass,
	INOUT written bigint DEFAULT NULL)
	AS 'MODULE_PATHNAME', 'evaudit_baseline_all' LANGUAGE C;
COMMENT ON PROCEDURE evaudit.baseline_all(regclass, bigint) IS
	'likewise, with a commit after every 1,024 blocks of the table; not in a transaction block';

CREATE FUNCTION evaudit.reconcile(relation regclass)
RETURNS TABLE (item_key text, attribute text, audited jsonb, stored jsonb)
	AS 'MODULE_PATHNAME', 'evaudit_reconcile' LANGUAGE C STABLE STRICT;
COMMENT ON FUNCTION evaudit.reconcile(regclass) IS
	'where a table is not what its audit says: rows or attributes, as the audit and the table have them; NULL: nothing there';

CREATE FUNCTION evaudit.redact(relation text, key jsonb, attributes text[],
	reason text)
RETURNS bigint
	AS 'MODULE_PATHNAME', 'evaudit_redact' LANGUAGE C STRICT;
COMMENT ON FUNCTION evaudit.redact(text, jsonb, text[], text) IS
	'erase values of a row''s attributes from the audit, and write a row REDACT that says so; takes UPDATE on audit; returns in how many rows';
