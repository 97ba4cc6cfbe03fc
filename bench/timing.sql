-- What the benchmarks of the audit share: a schema for their tables, where
-- audit is, and a clock for what the session itself has used.

\set QUIET on
\set ON_ERROR_STOP on
SET client_min_messages = warning;
DROP SCHEMA IF EXISTS evaudit_bench CASCADE;
CREATE SCHEMA evaudit_bench;
SET search_path = evaudit_bench;

SELECT n.nspname AS audit_schema
FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
WHERE e.extname = 'evaudit' \gset

-- The clock tells what users wait for; processor time tells the ways apart
-- when the machine has other work, too.  Linux only.
CREATE FUNCTION cpu_ns() RETURNS bigint LANGUAGE sql AS $$
	SELECT split_part(pg_read_file('/proc/self/schedstat', 0, 100), ' ',
		1)::bigint $$;
