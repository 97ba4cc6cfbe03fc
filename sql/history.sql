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
