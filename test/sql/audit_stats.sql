-- evaudit.stat_audit counts what was committed.  Without preload it counts
-- nothing, so its numbers are shown as right or missing.
CREATE TABLE counted (id int PRIMARY KEY, v int, w int);
CREATE TABLE counted_part (id int PRIMARY KEY) PARTITION BY RANGE (id);
CREATE TABLE counted_part_1 PARTITION OF counted_part FOR VALUES FROM (0) TO (9);
SELECT evaudit.track('counted'), evaudit.track('counted_part');
CREATE FUNCTION counts(table_name regclass, expected bigint)
RETURNS boolean LANGUAGE sql AS $$
	SELECT CASE current_setting('shared_preload_libraries') ~ 'evaudit'
		WHEN true THEN rows_written = expected
			AND (last_written_at IS NULL) = (expected = 0)
		ELSE rows_written IS NULL END
	FROM evaudit.stat_audit WHERE relation = table_name $$;
SELECT relation, enabled, counts(relation, 0) FROM evaudit.stat_audit
WHERE relation::text LIKE 'counted%' ORDER BY relation::text;

INSERT INTO counted VALUES (1, 1, 1), (2, 2, 2);
UPDATE counted SET v = 0, w = 0;
UPDATE counted SET v = 0;
SELECT counts('counted', 6);
BEGIN;
UPDATE counted SET v = 1;
SAVEPOINT a;
UPDATE counted SET v = 2;
SAVEPOINT b;
UPDATE counted SET v = 3;
RELEASE b;
ROLLBACK TO a;
UPDATE counted SET v = 4;
RELEASE a;
INSERT INTO counted_part VALUES (1), (2);
SELECT counts('counted', 6);
COMMIT;
SELECT counts('counted', 10), counts('counted_part', 2);
BEGIN;
SAVEPOINT a;
DELETE FROM counted WHERE id = 1;
SAVEPOINT b;
INSERT INTO counted VALUES (1, 1, 1);
INSERT INTO counted_part VALUES (3);
RELEASE b;
SAVEPOINT b;
DELETE FROM counted_part WHERE id = 3;
UPDATE counted SET v = 4 WHERE id = 1;
RELEASE b;
SAVEPOINT b;
DELETE FROM counted;
ROLLBACK TO b;
RELEASE a;
COMMIT;
SELECT counts('counted', 13), counts('counted_part', 4);
BEGIN;
DELETE FROM counted;
ROLLBACK;
SELECT counts('counted', 13);
TRUNCATE counted;
SELECT counts('counted', 15);

-- A trigger that no longer fires for replicated changes is seen.
ALTER TABLE counted ENABLE TRIGGER "00_evaudit_capture";
SELECT enabled FROM evaudit.stat_audit WHERE relation = 'counted'::regclass;
SELECT evaudit.untrack('counted');
SELECT count(*) FROM evaudit.stat_audit WHERE relation = 'counted'::regclass;

-- For monitors, not for everybody.
SELECT has_table_privilege('pg_monitor', 'evaudit.stat_audit', 'SELECT');
SELECT count(*) FROM information_schema.role_table_grants
WHERE table_name = 'stat_audit' AND grantee = 'PUBLIC';

DROP TABLE counted, counted_part;
DROP FUNCTION counts(regclass, bigint);
TRUNCATE audit;
