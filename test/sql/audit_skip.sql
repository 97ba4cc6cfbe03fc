-- evaudit.audit = off: takes a right, and leaves a row that says so.

CREATE ROLE regress_skip_user;
CREATE ROLE regress_skip_loader;
CREATE SCHEMA skip;
GRANT USAGE ON SCHEMA skip TO regress_skip_user, regress_skip_loader;
SET search_path = skip, public;
CREATE TABLE t (id int PRIMARY KEY, v int);
CREATE TABLE p (id int) PARTITION BY RANGE (id);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10);
CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20);
SELECT evaudit.track('t'), evaudit.track('p');
GRANT ALL ON t, p TO regress_skip_user, regress_skip_loader;
GRANT SET ON PARAMETER evaudit.audit TO regress_skip_loader;
TRUNCATE audit;

-- Not everybody may
SET ROLE regress_skip_user;
SET evaudit.audit = off;
INSERT INTO t VALUES (1, 1);

-- Who may leaves one row for each transaction and table
SET ROLE regress_skip_loader;
SET evaudit.audit = off;
INSERT INTO t VALUES (2, 1), (3, 1);
BEGIN;
UPDATE t SET v = 2;
DELETE FROM t WHERE id = 3;
INSERT INTO p VALUES (1), (11);
COMMIT;
TRUNCATE t;

-- also where a subtransaction has taken its row back
BEGIN;
SAVEPOINT a;
INSERT INTO t VALUES (4, 1);
ROLLBACK TO a;
INSERT INTO t VALUES (5, 1);
SAVEPOINT b;
INSERT INTO p VALUES (2);
RELEASE b;
INSERT INTO p VALUES (3);
COMMIT;
BEGIN;
SET LOCAL evaudit.audit = on;
INSERT INTO t VALUES (6, 1);
COMMIT;
RESET evaudit.audit;
INSERT INTO t VALUES (7, 1);
RESET ROLE;

SELECT dense_rank() OVER (ORDER BY xid) AS transaction, relation, operation,
	item_key, old_value, new_value, role_name FROM audit ORDER BY seq;
SELECT a.document - 'id' - 'modificationTime' AS document FROM audit a
	WHERE operation = 'SKIP' ORDER BY seq LIMIT 1;

-- An operation that is not audited is not skipped either
SELECT evaudit.alter_tracking('t', '{"operations": ["DELETE"]}');
TRUNCATE audit;
SET evaudit.audit = off;
INSERT INTO t VALUES (8, 1);
SELECT count(*) FROM audit;
DELETE FROM t;
RESET evaudit.audit;
SELECT operation FROM audit ORDER BY seq;

-- Not by a setting that was made before the library was there
TRUNCATE audit;
\c -
SET client_min_messages = error;
SET SESSION AUTHORIZATION regress_skip_user;
DO $$ BEGIN
	SET evaudit.audit = off;
EXCEPTION WHEN insufficient_privilege THEN NULL;
END $$;
DELETE FROM skip.p;
INSERT INTO skip.p VALUES (5);
\c -
SELECT operation, new_value FROM audit ORDER BY seq;

REVOKE SET ON PARAMETER evaudit.audit FROM regress_skip_loader;
DROP SCHEMA skip CASCADE;
DROP ROLE regress_skip_user, regress_skip_loader;
TRUNCATE audit;
