-- What the owner of audit may do to it while capture goes on.
CREATE TABLE busy (id int PRIMARY KEY, v text);
SELECT evaudit.track('busy');
INSERT INTO busy VALUES (1, 'a');

-- Indexes of other kinds, partial ones, and on expressions.
CREATE INDEX owner_brin ON audit USING brin (modification_time);
CREATE INDEX owner_hash ON audit USING hash (actor);
CREATE INDEX owner_gin ON audit USING gin (new_value);
CREATE INDEX owner_partial ON audit (xid) WHERE operation = 'DELETE';
CREATE INDEX owner_expression ON audit ((new_value ->> 'v')) INCLUDE (seq);
CREATE INDEX CONCURRENTLY owner_concurrent ON evaudit.audit_default (session_role);
INSERT INTO busy SELECT i, 'v' || i FROM generate_series(2, 500) i;
DELETE FROM busy WHERE id > 490;
SET enable_seqscan = off;
EXPLAIN (COSTS OFF) SELECT count(*) FROM audit WHERE operation = 'DELETE';
SELECT count(*) FROM audit WHERE operation = 'DELETE';
EXPLAIN (COSTS OFF) SELECT seq FROM audit WHERE new_value ->> 'v' = 'v7';
SELECT item_key FROM audit WHERE new_value ->> 'v' = 'v7';
SELECT count(*) FROM audit WHERE new_value @> '{"v": "v8"}';
SELECT count(*) FROM audit WHERE modification_time > now() - interval '1 day';
SELECT count(*) FROM audit WHERE session_role = session_user;
RESET enable_seqscan;
REINDEX TABLE audit;
DROP INDEX owner_brin, owner_hash, owner_gin, owner_partial, owner_expression,
	evaudit.owner_concurrent;
INSERT INTO busy VALUES (1001, 'z');

-- A column more, a table rewritten, and changes in between of one transaction.
BEGIN;
INSERT INTO busy VALUES (1002, 'z');
ALTER TABLE audit ADD note text DEFAULT 'unset';
CREATE INDEX owner_note ON audit (note);
INSERT INTO busy VALUES (1003, 'z');
COMMIT;
SELECT item_key, note FROM audit WHERE item_key IN ('1002', '1003') ORDER BY seq;
SELECT a.document ->> 'itemKey' FROM audit a WHERE item_key = '1003';
ALTER TABLE audit DROP note;
CLUSTER audit USING audit_pkey;
INSERT INTO busy VALUES (1004, 'z');
VACUUM FULL audit;
INSERT INTO busy VALUES (1005, 'z');
SELECT count(*) FROM audit WHERE item_key IN ('1002', '1003', '1004', '1005');

-- Old rows may be deleted; the numbers go on.
DELETE FROM audit;
INSERT INTO busy VALUES (1006, 'z');
SELECT count(*), min(seq) > 500 AS goes_on FROM audit;
SELECT setval('audit_seq_seq', 1000000);
INSERT INTO busy VALUES (1007, 'z');
SELECT nextval('audit_seq_seq');
INSERT INTO busy VALUES (1008, 'z');
SELECT seq FROM audit WHERE item_key IN ('1007', '1008') ORDER BY seq;

-- Taken away, it stops the change and says so.
ALTER TABLE audit RENAME TO moved;
INSERT INTO busy VALUES (1009, 'z');
ALTER TABLE moved RENAME TO audit;
ALTER TABLE audit RENAME actor TO who;
INSERT INTO busy VALUES (1009, 'z');
ALTER TABLE audit RENAME who TO actor;
INSERT INTO busy VALUES (1009, 'z');
SELECT count(*) FROM audit WHERE item_key = '1009';

DROP TABLE busy;
TRUNCATE audit;
