-- Partitioned tables: audit speaks of the table that was given to track().
CREATE TABLE part (region text, id int, v text, w int, PRIMARY KEY (region, id))
	PARTITION BY LIST (region);
CREATE TABLE part_eu PARTITION OF part FOR VALUES IN ('eu');
-- Other column order, and a gap.
CREATE TABLE part_us (w int, gone int, v text, id int NOT NULL,
	region text NOT NULL);
ALTER TABLE part_us DROP gone;
ALTER TABLE part ATTACH PARTITION part_us FOR VALUES IN ('us');
SELECT evaudit.track('part');
-- Partitions that come later, one below another.
CREATE TABLE part_as PARTITION OF part FOR VALUES IN ('as')
	PARTITION BY RANGE (id);
CREATE TABLE part_as_1 PARTITION OF part_as FOR VALUES FROM (0) TO (100);
CREATE TABLE part_as_2 (region text NOT NULL, id int NOT NULL, w int, v text);
ALTER TABLE part_as ATTACH PARTITION part_as_2 FOR VALUES FROM (100) TO (200);
CREATE SCHEMA part_far
	CREATE TABLE part_af PARTITION OF public.part FOR VALUES IN ('af');
SET session_replication_role = replica;
CREATE TABLE part_au PARTITION OF part FOR VALUES IN ('au');
RESET session_replication_role;
SELECT tgrelid::regclass, tgname, tgenabled FROM pg_trigger
WHERE tgname LIKE '00%' AND tgrelid::regclass::text LIKE 'part%'
ORDER BY tgrelid::regclass::text, tgname;

INSERT INTO part VALUES ('eu', 1, 'a', 1), ('us', 2, 'b', 2), ('as', 3, 'c', 3),
	('as', 103, 'd', 4);
UPDATE part SET w = w + 1, v = upper(v);
-- Straight into a partition.
INSERT INTO part_us (w, v, id, region) VALUES (5, 'e', 5, 'us');
UPDATE part_as_2 SET v = 'D';
UPDATE part_as_2 SET v = 'DD', w = 0;
-- From one to another.
UPDATE part SET region = 'us' WHERE id = 1;
UPDATE part_as SET id = 104 WHERE id = 3;
DELETE FROM part WHERE id = 104;
SELECT relation, item_key, operation, updated_attribute, old_value, new_value
FROM audit ORDER BY seq;
TRUNCATE audit;

-- A new name or key of the table takes effect in its partitions.
BEGIN;
ALTER TABLE part RENAME TO parts;
UPDATE part_us SET w = 0;
ALTER TABLE parts DROP CONSTRAINT part_pkey;
UPDATE part_us SET w = 1;
SELECT relation, item_key, updated_attribute, new_value FROM audit ORDER BY seq;
ROLLBACK;

-- TRUNCATE of a partition, new or old, and of all.
TRUNCATE part_us;
TRUNCATE part_as_2;
INSERT INTO part VALUES ('eu', 6, 'f', 6), ('as', 7, 'g', 7);
TRUNCATE part;
SELECT relation, item_key, operation, old_value FROM audit
WHERE operation = 'TRUNCATE' ORDER BY seq;
TRUNCATE audit;

-- A partition cannot leave by itself; detached it is tracked no more.
SELECT evaudit.untrack('part_eu');
ALTER TABLE part DETACH PARTITION part_eu;
INSERT INTO part_eu VALUES ('eu', 8, 'h', 8);
TRUNCATE part_eu;
SELECT count(*) FROM audit;
SELECT evaudit.track('part_eu');
INSERT INTO part_eu VALUES ('eu', 9, 'i', 9);
SELECT relation, item_key FROM audit;
TRUNCATE audit;
SELECT evaudit.untrack('part_eu');
ALTER TABLE part ATTACH PARTITION part_eu FOR VALUES IN ('eu');
SELECT evaudit.track('part');
UPDATE part SET v = 'j';
SELECT evaudit.untrack('part');
SELECT count(*) FROM pg_trigger WHERE tgname LIKE '00%'
	AND tgrelid::regclass::text LIKE 'part%';
TRUNCATE part;
SELECT relation, item_key, operation FROM audit ORDER BY seq;
TRUNCATE audit;

-- One partition first, then the whole: each change is kept once.
SELECT evaudit.track('part_us');
INSERT INTO part VALUES ('us', 10, 'k', 10), ('eu', 11, 'l', 11);
SELECT evaudit.track('part');
INSERT INTO part VALUES ('us', 12, 'm', 12), ('eu', 13, 'n', 13);
SELECT relation, item_key, operation FROM audit ORDER BY seq;
TRUNCATE audit;

DROP TABLE part;
DROP SCHEMA part_far;
TRUNCATE audit;
