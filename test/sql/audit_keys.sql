-- item_key: primary keys of all kinds, and none.
CREATE TABLE k_int (id bigint PRIMARY KEY, v int);
CREATE TABLE k_text (v int, id varchar(20) PRIMARY KEY);
CREATE TABLE k_uuid (id uuid PRIMARY KEY, v int);
CREATE TABLE k_bool (id bool PRIMARY KEY, v int);
CREATE TABLE k_time (id timestamptz PRIMARY KEY, v int);
CREATE TABLE k_num (id numeric PRIMARY KEY, v int);
CREATE TABLE k_pair (no int, v int, region text, PRIMARY KEY (region, no));
CREATE TABLE k_mixed (a text, b numeric, c bool, d date, e jsonb, f int[],
	v int, PRIMARY KEY (f, e, d, c, b, a));
CREATE TABLE k_none (id int UNIQUE, v int);
CREATE TABLE k_identity (id int NOT NULL, v int);
CREATE UNIQUE INDEX k_identity_idx ON k_identity (id);
ALTER TABLE k_identity REPLICA IDENTITY USING INDEX k_identity_idx;
CREATE TABLE k_late (id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, v int);
CREATE TABLE k_include (id int, w int, v int, PRIMARY KEY (id) INCLUDE (w));
SELECT evaudit.track(format('k_%s', t)::regclass) FROM unnest(ARRAY['int',
	'text', 'uuid', 'bool', 'time', 'num', 'pair', 'mixed', 'none',
	'identity', 'late', 'include']) t;

INSERT INTO k_int VALUES (-9223372036854775808, 1);
INSERT INTO k_text VALUES (1, 'it''s "quoted" \ ü');
INSERT INTO k_uuid VALUES ('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 1);
INSERT INTO k_bool VALUES (true, 1);
INSERT INTO k_time VALUES ('2024-01-01 01:00:00+01', 1);
INSERT INTO k_num VALUES (1.50, 1), ('NaN', 1);
INSERT INTO k_pair VALUES (42, 1, 'eu'), (43, 1, E'a"b\\c\n');
INSERT INTO k_mixed VALUES ('x', 1.50, false, '2024-01-01',
	'{"k": [1, "y"]}', '{1,2}', 1);
INSERT INTO k_none VALUES (1, 1);
INSERT INTO k_identity VALUES (1, 1);
INSERT INTO k_late VALUES (1, 1);
INSERT INTO k_include VALUES (1, 2, 3);
SELECT relation, item_key, item_key = new_value ->> 'id' AS as_in_row
FROM audit ORDER BY seq;
TRUNCATE audit;

-- All rows of an update stand under the key before it; key columns come last.
UPDATE k_pair SET no = 44, v = 2, region = 'us' WHERE region = 'eu';
UPDATE k_text SET id = 'new', v = 2;
UPDATE k_late SET id = id + 1;
UPDATE k_include SET id = 9, w = 8, v = 7;
SELECT relation, item_key, updated_attribute, old_value, new_value
FROM audit ORDER BY seq;
TRUNCATE audit;

-- Keys come and go with the primary key.
ALTER TABLE k_none ADD PRIMARY KEY (id);
UPDATE k_none SET v = 2;
ALTER TABLE k_none DROP CONSTRAINT k_none_pkey, ADD PRIMARY KEY (v, id);
UPDATE k_none SET v = 3;
ALTER TABLE k_none DROP CONSTRAINT k_none_pkey;
UPDATE k_none SET v = 4;
SELECT item_key, updated_attribute, new_value FROM audit ORDER BY seq;

-- A key that its table's index holds, but audit's could not, is cut.
CREATE TABLE k_long (id bytea PRIMARY KEY, v int);
CREATE TABLE k_wide (id text PRIMARY KEY, v int);
SELECT evaudit.track('k_long'), evaudit.track('k_wide');
TRUNCATE audit;
INSERT INTO k_long SELECT decode(string_agg(md5(i::text), ''), 'hex'), 1
FROM generate_series(1, 160) i;
INSERT INTO k_wide VALUES (repeat('a', 100000), 1);
INSERT INTO k_wide SELECT string_agg(md5(i::text), ''), 2
FROM generate_series(1, 80) i;
SELECT relation, length(item_key), item_key = new_value ->> 'id' AS whole,
	item_key = left(new_value ->> 'id', 500) || '...' ||
		encode(sha256(convert_to(new_value ->> 'id', 'UTF8')), 'hex') AS cut
FROM audit ORDER BY seq;
DROP TABLE k_long, k_wide;

-- Look-ups by id and by key are index scans.
TRUNCATE audit;
CREATE TABLE k_many (id int PRIMARY KEY, v int);
SELECT evaudit.track('k_many');
INSERT INTO k_many SELECT i, i FROM generate_series(1, 5000) i;
UPDATE k_many SET v = -v WHERE id % 2 = 0;
ANALYZE audit;
EXPLAIN (COSTS OFF) SELECT * FROM audit
WHERE id = '01234567-89ab-4def-8123-456789abcdef';
EXPLAIN (COSTS OFF) SELECT * FROM audit
WHERE relation = 'public.k_many' AND item_key = '42';
EXPLAIN (COSTS OFF) SELECT * FROM audit WHERE item_key = '42';
EXPLAIN (COSTS OFF) SELECT * FROM audit ORDER BY seq DESC LIMIT 1;
SET enable_seqscan = off;
SELECT count(*) FROM audit WHERE relation = 'public.k_many' AND item_key = '42';
SELECT count(*) FROM audit a JOIN audit b USING (id) WHERE a.item_key = '42';
SELECT count(*), count(DISTINCT id), count(DISTINCT seq) FROM audit;
RESET enable_seqscan;

DROP TABLE k_int, k_text, k_uuid, k_bool, k_time, k_num, k_pair, k_mixed,
	k_none, k_identity, k_late, k_include, k_many;
TRUNCATE audit;
