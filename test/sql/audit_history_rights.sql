-- Who may see a history: by SELECT on audit, or by SELECT on the table where
-- evaudit.history_by_select is on, and never past row security.
CREATE SCHEMA history_rights;
SET search_path = history_rights, public;
\set VERBOSITY terse
CREATE ROLE history_reader;
CREATE ROLE history_auditor;
CREATE TABLE papers (id int PRIMARY KEY, title text);
SELECT evaudit.track('papers');
INSERT INTO papers VALUES (1, 'draft');
UPDATE papers SET title = 'final';
GRANT SELECT ON audit TO history_auditor;
GRANT USAGE ON SCHEMA history_rights TO PUBLIC;

SET ROLE history_reader;
SELECT count(*) FROM evaudit.history('papers', '1');
SET evaudit.history_by_select = on;
RESET ROLE;
GRANT SELECT ON papers TO history_reader;
SET ROLE history_reader;
SELECT count(*) FROM evaudit.history('papers', '1');
SELECT count(*) FROM evaudit.table_as_of(NULL::papers, 'infinity');
RESET ROLE;

-- The auditor may not read the table: only what the audit tells.
INSERT INTO papers VALUES (2, 'old');
SET ROLE history_auditor;
SELECT operation, row_data FROM evaudit.history('papers', '1');
SELECT count(*) FROM evaudit.history('papers', '3');
SELECT count(*) FROM evaudit.table_as_of(NULL::papers, 'infinity');
RESET ROLE;

SET evaudit.history_by_select = on;
SET ROLE history_reader;
SELECT operation, row_data FROM evaudit.history('papers', '1');
SELECT evaudit.row_as_of('papers', '2', 'infinity');
SELECT count(*) FROM evaudit.table_as_of(NULL::papers, '-infinity');
SELECT count(*) FROM audit;
RESET ROLE;
-- One column is not the table.
REVOKE SELECT ON papers FROM history_reader;
GRANT SELECT (id) ON papers TO history_reader;
SET ROLE history_reader;
SELECT count(*) FROM evaudit.history('papers', '1');
RESET ROLE;
-- Row security hides rows, and would not know the earlier ones.
GRANT SELECT ON papers TO history_reader;
ALTER TABLE papers ENABLE ROW LEVEL SECURITY;
CREATE POLICY all_of_them ON papers USING (true);
SET ROLE history_reader;
SELECT count(*) FROM evaudit.history('papers', '1');
SELECT count(*) FROM evaudit.table_as_of(NULL::papers, 'infinity');
RESET ROLE;
ALTER TABLE papers DISABLE ROW LEVEL SECURITY;
-- Nor is a table that is gone anybody's.
DROP TABLE papers;
SET ROLE history_reader;
SELECT count(*) FROM evaudit.history('history_rights.papers', '1');
RESET ROLE;
-- not even of who makes another one of its name, tracked or not
CREATE SCHEMA AUTHORIZATION history_reader;
CREATE TABLE history_reader.mine (id int PRIMARY KEY);
SELECT evaudit.track('history_reader.mine');
INSERT INTO history_reader.mine VALUES (1);
DROP TABLE history_reader.mine;
SET ROLE history_reader;
CREATE TABLE history_reader.mine (id int PRIMARY KEY);
SELECT count(*) FROM evaudit.history('history_reader.mine', '1');
SELECT evaudit.track('history_reader.mine');
SELECT count(*) FROM evaudit.history('history_reader.mine', '1');
INSERT INTO history_reader.mine VALUES (1);
SELECT operation, row_data FROM evaudit.history('history_reader.mine', '1');
RESET ROLE;
DROP SCHEMA history_reader CASCADE;
RESET evaudit.history_by_select;

-- Operators and tables of the caller's schemas play no part.
CREATE SCHEMA history_trap;
CREATE FUNCTION history_trap.yes(text, text) RETURNS boolean LANGUAGE sql
	AS 'SELECT true';
CREATE FUNCTION history_trap.yes(int, int) RETURNS boolean LANGUAGE sql
	AS 'SELECT true';
CREATE OPERATOR history_trap.= (FUNCTION = history_trap.yes,
	LEFTARG = text, RIGHTARG = text);
CREATE OPERATOR history_trap.= (FUNCTION = history_trap.yes,
	LEFTARG = int, RIGHTARG = int);
CREATE TABLE history_trap.audit (LIKE audit);
CREATE TABLE letters (id int PRIMARY KEY, v text);
SELECT evaudit.track('letters');
INSERT INTO letters VALUES (1, 'a'), (2, 'b');
SET search_path = history_trap, pg_catalog, history_rights;
SELECT operation, row_data FROM evaudit.history('history_rights.letters', '2');
SELECT * FROM evaudit.table_as_of(NULL::letters, 'infinity');
SET search_path = history_rights, public;
DROP SCHEMA history_trap CASCADE;
DROP OWNED BY history_reader, history_auditor;
DROP ROLE history_reader, history_auditor;
SET client_min_messages = warning;
DROP SCHEMA history_rights CASCADE;
TRUNCATE audit;
