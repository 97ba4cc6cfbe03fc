-- What rows of audit belong to, whatever tables and columns are called: the
-- oid and the role beside the names, and names by range of seq.
DELETE FROM evaudit.tracked_relations;
DELETE FROM evaudit.tracked_columns;
CREATE ROLE regress_identity;
CREATE SCHEMA shop;
CREATE TABLE shop.item (id int PRIMARY KEY, gone int, name text);
GRANT USAGE ON SCHEMA shop TO regress_identity;
GRANT ALL ON shop.item TO regress_identity;
SELECT evaudit.track('shop.item');
SELECT 'shop.item'::regclass::oid AS item \gset

SET ROLE regress_identity;
INSERT INTO shop.item VALUES (1, 1, 'a');
RESET ROLE;
SELECT operation, relid = :item AS same_table,
	nullif(role_name, session_user) AS role,
	session_role = session_user AS session, epoch > 0 AS numbered,
	epoch = max(epoch) OVER () AS one_epoch
FROM audit ORDER BY seq;

-- Each name, in the rows that have it.
ALTER TABLE shop.item RENAME COLUMN name TO title;
UPDATE shop.item SET title = 'b';
ALTER TABLE shop.item RENAME TO article;
ALTER TABLE shop.article DROP COLUMN gone, ADD COLUMN gone int,
	ALTER COLUMN title TYPE varchar(9);
UPDATE shop.article SET gone = 2;
ALTER SCHEMA shop RENAME TO store;
ALTER TABLE store.article RENAME TO never;
ALTER TABLE store.never RENAME TO thing;
ALTER TABLE store.thing RENAME title TO never;
ALTER TABLE store.thing RENAME never TO label;
UPDATE store.thing SET label = 'c';
CREATE VIEW named AS
	SELECT a.operation, a.relation, a.updated_attribute AS attribute,
		r.schema_name || '.' || r.relation_name AS name, c.number, c.name AS column,
		c.type
	FROM audit a JOIN evaudit.tracked_relations r
		ON a.seq BETWEEN r.first_seq AND coalesce(r.last_seq, a.seq)
		AND r.relid = a.relid AND r.epoch = a.epoch
	LEFT JOIN evaudit.tracked_columns c ON c.id = r.id
		AND a.seq BETWEEN c.first_seq AND coalesce(c.last_seq, a.seq)
		AND c.name = a.updated_attribute
	ORDER BY a.seq;
TABLE named;
SELECT count(DISTINCT id), count(*) FROM evaudit.tracked_relations;
SELECT number, attnum, name, type, last_seq IS NULL AS present,
	coalesce(last_seq >= first_seq, true) AS ordered
FROM evaudit.tracked_columns ORDER BY number, first_seq;

-- It stays the same table while it is not tracked.
SELECT evaudit.untrack('store.thing');
ALTER TABLE store.thing RENAME label TO caption;
ALTER TABLE store.thing RENAME TO thing2;
SELECT evaudit.track('store.thing2');
UPDATE store.thing2 SET caption = 'd';
SELECT * FROM named OFFSET 5;
SELECT count(DISTINCT id), count(*) FROM evaudit.tracked_relations;

-- One of the same name is another.
DROP TABLE store.thing2;
SELECT count(*) FROM evaudit.tracked_relations WHERE last_seq IS NULL;
CREATE TABLE store.thing2 (id int PRIMARY KEY);
SELECT evaudit.track('store.thing2');
SELECT count(DISTINCT id), count(*) FROM evaudit.tracked_relations;

-- What is rolled back has not been.
BEGIN;
ALTER TABLE store.thing2 RENAME TO rolled_back;
INSERT INTO store.rolled_back VALUES (1);
ROLLBACK;
INSERT INTO store.thing2 VALUES (2);
SELECT operation, relation, name FROM named
WHERE relation LIKE 'store.%' ORDER BY 1 LIMIT 2;

-- A partition belongs to its table, and a table without names is adopted.
CREATE TABLE store.parted (id int PRIMARY KEY) PARTITION BY RANGE (id);
CREATE TABLE store.part PARTITION OF store.parted DEFAULT;
SELECT evaudit.track('store.part');
SELECT evaudit.track('store.parted');
INSERT INTO store.part VALUES (1);
SELECT relation_name, last_seq IS NULL AS present
FROM evaudit.tracked_relations WHERE relation_name LIKE 'part%' ORDER BY 1;
SELECT relid::regclass FROM audit WHERE item_key = '1' AND relation = 'store.parted';
DELETE FROM evaudit.tracked_relations WHERE relation_name = 'parted';
INSERT INTO store.part VALUES (2), (3);
INSERT INTO store.part VALUES (4);
SELECT count(*) FROM evaudit.tracked_relations WHERE relation_name = 'parted';
SELECT operation, relation, name FROM named
WHERE relation = 'store.parted';

-- Look-ups by transaction and by request use an index.
SET enable_seqscan = off;
EXPLAIN (COSTS OFF) SELECT * FROM audit WHERE xid = '7';
EXPLAIN (COSTS OFF) SELECT * FROM audit WHERE request_id = 'r';
DROP SCHEMA store CASCADE;
DROP VIEW named;
DROP ROLE regress_identity;
TRUNCATE audit;
