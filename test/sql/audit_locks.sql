-- Whoever has written to audit holds its locks, and those of its partition and
-- indexes: they are not asked for again, but taken again once they are gone.
CREATE SCHEMA audit_locks;
SET search_path = audit_locks, public;
CREATE TABLE stock (id int PRIMARY KEY, n int);
SELECT evaudit.track('stock');
INSERT INTO stock VALUES (1, 0);
-- How many of them this session holds.
CREATE FUNCTION held() RETURNS bigint LANGUAGE sql AS $$
	SELECT count(DISTINCT relation) FROM pg_locks
	WHERE pid = pg_backend_pid() AND locktype = 'relation' AND granted
		AND mode = 'RowExclusiveLock' AND (relation = 'audit_seq_seq'::regclass
		OR relation IN (SELECT relid FROM pg_partition_tree('audit'))
		OR relation IN (SELECT indexrelid FROM pg_index JOIN pg_partition_tree('audit')
			ON indrelid = relid WHERE isleaf))
$$;
-- audit, its sequence, a partition and its indexes
CREATE VIEW wanted AS SELECT 3 + count(*) AS n FROM pg_index
	WHERE indrelid = 'evaudit.audit_default'::regclass;
BEGIN;
UPDATE stock SET n = 1;
UPDATE stock SET n = 2;
SELECT held() = n FROM wanted;
COMMIT;
-- The next transaction has another set.
BEGIN;
SELECT held();
UPDATE stock SET n = 3;
SELECT held() = n FROM wanted;
SAVEPOINT a;
UPDATE stock SET n = 4;
ROLLBACK TO a;
UPDATE stock SET n = 5;
SELECT held() = n FROM wanted;
COMMIT;
-- Locks outlast a subtransaction that is rolled back.
BEGIN;
SAVEPOINT a;
UPDATE stock SET n = 6;
SELECT held() = n FROM wanted;
ROLLBACK TO a;
SELECT held() = n FROM wanted;
UPDATE stock SET n = 7;
SELECT held() = n FROM wanted;
ROLLBACK TO a;
RELEASE a;
UPDATE stock SET n = 8;
SELECT held() = n FROM wanted;
COMMIT;
-- So they do a cursor that fails in one.
CREATE FUNCTION write(i int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
	UPDATE stock SET n = 100 / (2 - i);
	RETURN i;
END $$;
BEGIN;
DECLARE c CURSOR FOR SELECT write(i) FROM generate_series(1, 2) i;
FETCH c;
SELECT held() = n FROM wanted;
SAVEPOINT a;
FETCH c;
ROLLBACK TO a;
SELECT held() = n FROM wanted;
UPDATE stock SET n = 8;
SELECT held() = n FROM wanted;
COMMIT;
-- In exception blocks.
BEGIN;
DO $$ BEGIN
	UPDATE stock SET n = 9;
	BEGIN
		UPDATE stock SET n = 10;
		PERFORM 1 / 0;
	EXCEPTION WHEN division_by_zero THEN
	END;
	BEGIN
		UPDATE stock SET n = 11;
	EXCEPTION WHEN division_by_zero THEN
	END;
END $$;
SELECT held() = n FROM wanted;
UPDATE stock SET n = 12;
SELECT held() = n FROM wanted;
COMMIT;
-- What this transaction itself does to audit is noticed.
BEGIN;
UPDATE stock SET n = 13;
CREATE INDEX audit_locks_idx ON audit (operation);
UPDATE stock SET n = 14;
SELECT held() = n FROM wanted;
DROP INDEX audit_locks_idx;
UPDATE stock SET n = 15;
COMMIT;
SELECT array_agg(new_value ORDER BY seq) FROM audit
	WHERE relation = 'audit_locks.stock' AND operation = 'UPDATE';
SET client_min_messages = warning;
DROP SCHEMA audit_locks CASCADE;
TRUNCATE audit;
