-- json_schema.sql: validation by JSON Schema, and schemas to refer to.

CREATE TABLE evaudit.schemas (
	uri text COLLATE "C" PRIMARY KEY,
	schema jsonb NOT NULL
);
COMMENT ON TABLE evaudit.schemas IS
	'schemas that others may refer to by their URI; nothing is ever fetched';
COMMENT ON COLUMN evaudit.schemas.uri IS 'absolute, without a fragment';

-- Every backend forgets what it compiled.
CREATE TRIGGER announce_change
	AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON evaudit.schemas
	FOR EACH STATEMENT EXECUTE FUNCTION evaudit.announce_change();
ALTER TABLE evaudit.schemas ENABLE ALWAYS TRIGGER announce_change;

CREATE FUNCTION evaudit.register_schema(uri text, schema jsonb) RETURNS void
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'evaudit_register_schema';
COMMENT ON FUNCTION evaudit.register_schema(text, jsonb) IS
	'let schemas refer to this one by a URI; replaces an earlier one';

CREATE FUNCTION evaudit.unregister_schema(uri text) RETURNS void
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'evaudit_unregister_schema';
COMMENT ON FUNCTION evaudit.unregister_schema(text) IS
	'remove a registered schema';

-- Stable, not immutable: registered schemas can change.
CREATE FUNCTION evaudit.json_schema_is_valid(schema jsonb, instance jsonb,
	assert_format boolean DEFAULT false)
RETURNS boolean
LANGUAGE c STABLE STRICT PARALLEL SAFE COST 50
AS 'MODULE_PATHNAME', 'evaudit_json_schema_is_valid';
COMMENT ON FUNCTION evaudit.json_schema_is_valid(jsonb, jsonb, boolean) IS
	'whether a JSON Schema, of draft 4, 6, 7, 2019-09 or 2020-12, accepts a value; formats are asserted only if asked';

CREATE FUNCTION evaudit.json_schema_errors(schema jsonb, instance jsonb,
	assert_format boolean DEFAULT false, max_errors integer DEFAULT 100)
RETURNS TABLE (instance_location text, keyword_location text, error text)
LANGUAGE c STABLE STRICT PARALLEL SAFE COST 100 ROWS 5
AS 'MODULE_PATHNAME', 'evaudit_json_schema_errors';
COMMENT ON FUNCTION evaudit.json_schema_errors(jsonb, jsonb, boolean, integer) IS
	'where and why a JSON Schema does not accept a value, with JSON Pointers; no rows if it does';
