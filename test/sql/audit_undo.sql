-- undo() and restore_row(): what was changed is brought back.
CREATE SCHEMA audit_undo;
SET search_path = audit_undo, public;
\set VERBOSITY terse
CREATE FUNCTION undone(request text, undo_mode text DEFAULT 'error')
RETURNS TABLE (relation text, item_key text, action text, changes jsonb,
	conflict text, done boolean)
LANGUAGE sql AS $$
	SELECT * FROM evaudit.undo(request_id => request, mode => undo_mode,
		dry_run => false)
$$;

-- Parents and children of one transaction, generated and identity columns.
CREATE TABLE parents (id int PRIMARY KEY, v text);
CREATE TABLE children (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	p int REFERENCES parents ON DELETE CASCADE,
	other int REFERENCES parents ON DELETE SET NULL,
	g int GENERATED ALWAYS AS (p * 2) STORED);
SELECT evaudit.track('parents'), evaudit.track('children');
INSERT INTO parents VALUES (1, 'a'), (2, 'b'), (3, 'c');
INSERT INTO children (p, other) VALUES (1, 2), (2, 1), (3, NULL);
CREATE TABLE parents_then AS TABLE parents;
CREATE TABLE children_then AS TABLE children;
BEGIN;
SET LOCAL evaudit.request_id = 'bad';
DELETE FROM parents WHERE id = 1;
UPDATE parents SET v = 'x' WHERE id = 2;
UPDATE parents SET v = 'y' WHERE id = 2;
INSERT INTO parents VALUES (9, 'new');
UPDATE parents SET v = 'newer' WHERE id = 9;
INSERT INTO children (p) VALUES (9);
INSERT INTO parents VALUES (10, 'gone'), (11, 'moved');
DELETE FROM parents WHERE id = 10;
UPDATE children SET p = 9 WHERE p = 3;
DELETE FROM parents WHERE id = 3;
INSERT INTO parents VALUES (3, 'again');
UPDATE parents SET id = 12 WHERE id = 11;
COMMIT;
-- By default it only shows what it would do.
SELECT * FROM evaudit.undo(request_id => 'bad');
SELECT count(*) FROM parents_then FULL JOIN parents USING (id, v)
WHERE parents_then IS NULL OR parents IS NULL;
SELECT action, count(*), bool_or(done) AS done FROM undone('bad')
GROUP BY 1 ORDER BY 1;
TABLE parents_then EXCEPT TABLE parents;
TABLE parents EXCEPT TABLE parents_then;
TABLE children_then EXCEPT TABLE children;
TABLE children EXCEPT TABLE children_then;
-- It is done, so that nothing is left to do; and it was audited.
SELECT DISTINCT action, conflict FROM undone('bad');
SELECT evaudit.restore_row('parents', '9', now()), evaudit.restore_row('parents',
	'1', (SELECT max(modification_time) FROM audit WHERE request_id = 'bad'));
SELECT evaudit.restore_row('parents', '1', 'infinity'),
	evaudit.restore_row('children', '77', 'infinity');
SELECT evaudit.restore_row('parents', '2', (SELECT min(modification_time)
	FROM audit WHERE relation = 'audit_undo.parents' AND new_value = '"y"'));
TABLE parents ORDER BY id;
UPDATE parents SET v = 'b' WHERE id = 2;

-- A change of keys, a transaction and single rows of audit.
CREATE TABLE pairs (region text, no int, v int, w int,
	PRIMARY KEY (region, no));
SELECT evaudit.track('pairs');
INSERT INTO pairs VALUES ('eu', 1, 1, 1), ('eu', 2, 2, 2);
BEGIN;
UPDATE pairs SET region = 'us', no = no + 10, v = v * 100;
UPDATE pairs SET no = no + 5, w = 0;
SELECT pg_current_xact_id() AS xid \gset
COMMIT;
SELECT * FROM evaudit.undo(xid => :'xid');
SELECT count(*) FROM evaudit.undo(xid => :'xid', dry_run => false);
TABLE pairs ORDER BY no;
UPDATE pairs SET v = 8, w = 9;
SELECT item_key, changes FROM evaudit.undo(seqs => (SELECT array_agg(seq)
	FROM audit WHERE relation = 'audit_undo.pairs' AND new_value = '9'),
	dry_run => false);
TABLE pairs ORDER BY no;
SELECT count(*) FROM evaudit.undo(seqs => '{-1}', dry_run => false);

-- Conflicts: with others' later changes, rows that are gone or came back.
CREATE TABLE stock (id int PRIMARY KEY, a int, b int);
SELECT evaudit.track('stock');
INSERT INTO stock SELECT g, 0, 0 FROM generate_series(1, 6) g;
SET evaudit.request_id = 'mistake';
UPDATE stock SET a = 1;
DELETE FROM stock WHERE id IN (3, 4);
INSERT INTO stock VALUES (7, 1, 1), (8, 1, 1);
RESET evaudit.request_id;
UPDATE stock SET b = 5 WHERE id = 1;
UPDATE stock SET a = 5 WHERE id = 2;
INSERT INTO stock VALUES (3, 9, 9);
DELETE FROM stock WHERE id = 5;
UPDATE stock SET b = 2 WHERE id = 7;
SELECT * FROM evaudit.undo(request_id => 'mistake');
SELECT * FROM undone('mistake');
\set VERBOSITY default
SELECT * FROM evaudit.undo(request_id => 'mistake', dry_run => false);
\set VERBOSITY terse
BEGIN;
SELECT item_key, action, done FROM undone('mistake', 'skip');
TABLE stock ORDER BY id;
ROLLBACK;
SELECT item_key, action, done FROM undone('mistake', 'force');
TABLE stock ORDER BY id;
-- What others changed in between is a conflict, though nothing shows it now.
INSERT INTO stock VALUES (20, 0, 0);
SET evaudit.request_id = 'part';
UPDATE stock SET a = 1 WHERE id = 20;
RESET evaudit.request_id;
UPDATE stock SET a = 2 WHERE id = 20;
SET evaudit.request_id = 'part';
UPDATE stock SET a = 3 WHERE id = 20;
RESET evaudit.request_id;
SELECT conflict FROM evaudit.undo(request_id => 'part');

-- What cannot be brought back is said before.
CREATE TABLE lossy (id int PRIMARY KEY, gone int, doc jsonb, big text);
SELECT evaudit.track('lossy');
INSERT INTO lossy VALUES (1, 1, '{}', ''), (2, 2, 'null', 'x');
SET evaudit.request_id = 'lossy';
UPDATE lossy SET gone = 5, doc = '[]' WHERE id = 1;
DELETE FROM lossy WHERE id = 2;
RESET evaudit.request_id;
UPDATE audit SET old_value = '{"evaudit": "unavailable", "type": "jsonb"}'
WHERE updated_attribute = 'doc' AND relation = 'audit_undo.lossy';
SELECT conflict FROM evaudit.undo(request_id => 'lossy');
ALTER TABLE lossy DROP gone;
ALTER TABLE lossy ALTER big TYPE int USING 0;
SELECT item_key, conflict FROM evaudit.undo(request_id => 'lossy');
ALTER TABLE lossy DROP CONSTRAINT lossy_pkey;
SELECT conflict FROM evaudit.undo(request_id => 'lossy');
DROP TABLE lossy;
SELECT conflict FROM evaudit.undo(request_id => 'lossy');

-- Renames do not break it; a column that came later keeps its value.
CREATE TABLE named (id int PRIMARY KEY, v text NOT NULL);
SELECT evaudit.track('named');
INSERT INTO named VALUES (1, 'old'), (2, 'lost');
SET evaudit.request_id = 'rename';
UPDATE named SET v = 'new' WHERE id = 1;
DELETE FROM named WHERE id = 2;
RESET evaudit.request_id;
ALTER TABLE named RENAME v TO w;
ALTER TABLE named RENAME TO renamed;
ALTER TABLE renamed ADD t int NOT NULL DEFAULT 4;
CREATE TABLE named (id int PRIMARY KEY, v text);
INSERT INTO named VALUES (1, 'new');
SELECT relation, item_key, action, done FROM undone('rename');
TABLE renamed ORDER BY id;
TABLE named;

-- As the caller: grants, row security, triggers; they are told of.
CREATE ROLE undo_writer;
GRANT USAGE ON SCHEMA audit_undo TO PUBLIC;
GRANT SELECT ON audit TO undo_writer;
INSERT INTO stock VALUES (30, 0, 0);
SET evaudit.request_id = 'rights';
UPDATE stock SET a = 1 WHERE id = 30;
RESET evaudit.request_id;
SET ROLE undo_writer;
SELECT count(*) FROM evaudit.undo(request_id => 'rights');
RESET ROLE;
GRANT SELECT ON stock TO undo_writer;
SET ROLE undo_writer;
SELECT count(*) FROM evaudit.undo(request_id => 'rights');
SELECT * FROM undone('rights');
RESET ROLE;
GRANT UPDATE (a) ON stock TO undo_writer;
SET ROLE undo_writer;
BEGIN;
SELECT action, done FROM undone('rights');
ROLLBACK;
RESET ROLE;
ALTER TABLE stock ENABLE ROW LEVEL SECURITY;
CREATE POLICY reads ON stock FOR SELECT USING (true);
CREATE POLICY writes ON stock FOR UPDATE USING (id <> 30);
SET ROLE undo_writer;
SELECT action, done, conflict FROM undone('rights');
RESET ROLE;
ALTER TABLE stock DISABLE ROW LEVEL SECURITY;
CREATE FUNCTION keep_it() RETURNS trigger LANGUAGE plpgsql
	AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER keep_it BEFORE UPDATE ON stock FOR EACH ROW
	EXECUTE FUNCTION keep_it();
SELECT action, done FROM undone('rights');
DROP TRIGGER keep_it ON stock;

-- A column named as statements name the row; operators of the caller's.
CREATE TABLE t (t text PRIMARY KEY, v text, n int, evaudit_rows int);
SELECT evaudit.track('t');
INSERT INTO t VALUES ('a', 'text 1234567890', 1, 1), ('b', 'b', 2, 2);
CREATE TABLE evaudit_rows (n int, k1 text, c1 text);
SET evaudit.request_id = 'names';
UPDATE t SET v = 'lost', n = 0, evaudit_rows = 0;
RESET evaudit.request_id;
CREATE SCHEMA undo_trap;
CREATE FUNCTION undo_trap.yes(text, text) RETURNS boolean LANGUAGE sql
	AS 'SELECT true';
CREATE OPERATOR undo_trap.= (FUNCTION = undo_trap.yes,
	LEFTARG = text, RIGHTARG = text);
SET search_path = undo_trap, pg_catalog, audit_undo;
SELECT item_key, action, done FROM undone('names');
SET search_path = audit_undo, public;
TABLE t ORDER BY t;
DROP SCHEMA undo_trap CASCADE;

-- Arguments.
SELECT * FROM evaudit.undo();
SELECT * FROM evaudit.undo('1', 'a');
SELECT * FROM evaudit.undo(request_id => 'a', mode => 'try');
SELECT * FROM evaudit.undo(request_id => 'a', mode => NULL);
CREATE TABLE nokey (v int);
SELECT evaudit.track('nokey');
SET evaudit.request_id = 'nokey';
INSERT INTO nokey VALUES (1);
RESET evaudit.request_id;
SELECT * FROM evaudit.undo(request_id => 'nokey');

-- Many rows, in batches that commit; parents and children in their order.
CREATE TABLE heads (id int PRIMARY KEY);
CREATE TABLE lines (id int PRIMARY KEY, h int NOT NULL REFERENCES heads,
	v int);
SELECT evaudit.track('heads'), evaudit.track('lines');
INSERT INTO heads SELECT g FROM generate_series(1, 6000) g;
INSERT INTO lines SELECT g, g, 0 FROM generate_series(1, 6000) g;
SET evaudit.request_id = 'many';
UPDATE lines SET v = 1;
DELETE FROM lines WHERE id <= 3000;
DELETE FROM heads WHERE id <= 3000;
INSERT INTO heads SELECT g FROM generate_series(7001, 14000) g;
INSERT INTO lines SELECT g, g, 0 FROM generate_series(7001, 14000) g;
RESET evaudit.request_id;
SELECT count(*) FROM evaudit.undo(request_id => 'many');
BEGIN;
CALL evaudit.undo_all(request_id => 'many');
ROLLBACK;
UPDATE lines SET v = 7 WHERE id = 5000;
CALL evaudit.undo_all(request_id => 'many');
SELECT count(*) FROM heads;
CALL evaudit.undo_all(request_id => 'many', mode => 'skip');
SELECT count(*), min(id), max(id), sum(v) FROM lines;
SELECT count(*) FROM heads;
CALL evaudit.undo_all(request_id => 'many', mode => 'skip');
DROP OWNED BY undo_writer;
DROP ROLE undo_writer;
SET client_min_messages = warning;
DROP SCHEMA audit_undo CASCADE;
TRUNCATE audit;
