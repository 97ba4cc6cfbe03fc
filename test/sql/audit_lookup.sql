-- Looking a row's audit up reads little of audit, however much there is, also
-- of a row that was there before.
CREATE SCHEMA audit_lookup;
SET search_path = audit_lookup, public;
CREATE TABLE stock (id int PRIMARY KEY, n int);
INSERT INTO stock SELECT i, 0 FROM generate_series(1, 5) i;
SELECT evaudit.track('stock');
CREATE PROCEDURE change(n int) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1..n LOOP
		UPDATE stock SET n = i WHERE id = 1 + i % 2;
	END LOOP;
END $$;
CALL change(5000);
UPDATE stock SET id = 30 WHERE id = 3;
UPDATE stock SET n = 1 WHERE id = 30;
ANALYZE audit;
-- How many rows and entries of indexes this transaction has read.
CREATE FUNCTION read_rows() RETURNS bigint LANGUAGE sql AS $$
	SELECT sum(pg_stat_get_xact_tuples_returned(o.oid))::bigint
	FROM pg_partition_tree('audit') p,
		LATERAL (SELECT p.relid::oid AS oid UNION ALL
			SELECT indexrelid FROM pg_index WHERE indrelid = p.relid) o
$$;
BEGIN;
SELECT operation, valid_from IS NULL AS before, row_data, changed
	FROM evaudit.history('stock', '30');
SELECT read_rows() BETWEEN 3 AND 100 AS few;
SELECT evaudit.row_as_of('stock', '4', now());
SELECT read_rows() BETWEEN 3 AND 100 AS few;
COMMIT;
BEGIN;
SELECT count(*), max(changed -> 'n' ->> 'new') FROM evaudit.history('stock', '2');
SELECT read_rows() BETWEEN 2500 AND 2600 AS few;
COMMIT;
-- A baseline finds for each row what it has.
BEGIN;
SELECT evaudit.baseline('stock');
SELECT read_rows() BETWEEN 5000 AND 8000 AS few;
COMMIT;
SET client_min_messages = warning;
DROP SCHEMA audit_lookup CASCADE;
TRUNCATE audit;
