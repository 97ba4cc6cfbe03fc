-- schema.sql: what guards the script, and the fixed schema of evaudit.
\echo Use "CREATE EXTENSION evaudit" to load this file. \quit

CREATE SCHEMA evaudit;
COMMENT ON SCHEMA evaudit IS 'functions, tables and views of the extension evaudit';
-- What its functions may do is decided by their own grants and checks.
GRANT USAGE ON SCHEMA evaudit TO PUBLIC;

CREATE FUNCTION evaudit.announce_change() RETURNS trigger
LANGUAGE c AS 'MODULE_PATHNAME', 'evaudit_announce_change';
COMMENT ON FUNCTION evaudit.announce_change() IS
	'trigger: tell all sessions that a table changed from which they keep something';
