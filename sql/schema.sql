-- schema.sql: what guards the script, and the fixed schema of evaudit.
\echo Use "CREATE EXTENSION evaudit" to load this file. \quit

-- CREATE EXTENSION runs this with the target schema in search_path, where
-- anybody's functions, operators and casts may be.  From here on a name or an
-- operator without a schema is pg_catalog's or an error; the extension's own
-- objects are named with theirs.  It lasts to the end of the script.
SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);

CREATE SCHEMA evaudit;
COMMENT ON SCHEMA evaudit IS 'functions, tables and views of the extension evaudit';
-- What its functions may do is decided by their own grants and checks.
GRANT USAGE ON SCHEMA evaudit TO PUBLIC;

CREATE FUNCTION evaudit.announce_change() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'evaudit_announce_change';
COMMENT ON FUNCTION evaudit.announce_change() IS
	'internal: trigger that invalidates what sessions cache of a table';
