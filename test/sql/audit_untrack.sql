-- Whoever ends the audit of a table, in whatever way, leaves a row in it.
CREATE ROLE regress_untrack;
GRANT CREATE ON SCHEMA public TO regress_untrack;
INSERT INTO configuration VALUES ('used', '1');
DELETE FROM configuration;
TRUNCATE audit;
CREATE VIEW ended AS SELECT relation, operation, item_key, updated_attribute,
	old_value, new_value, actor, session_role = session_user AS who,
	modification_time > clock_timestamp() - interval '1 hour' AS "when"
	FROM audit ORDER BY seq;
SET SESSION AUTHORIZATION regress_untrack;
SET evaudit.actor = 'mallory';
CREATE TABLE ours (id int PRIMARY KEY, v text);
SELECT evaudit.track('ours');
RESET SESSION AUTHORIZATION;
-- track() leaves one of its own.
TABLE ended;
BEGIN;
SET SESSION AUTHORIZATION regress_untrack;
SELECT evaudit.untrack('ours');
RESET SESSION AUTHORIZATION;
SELECT session_role, actor, relation, operation FROM audit;
SELECT a.document - 'id' - 'modificationTime' AS document,
	a.document ? 'id' AND a.document ? 'modificationTime' AS named FROM audit a;
ROLLBACK;
RESET evaudit.actor;

-- Disabling, all ways of it; and what track() mends, which leaves no further one.
CREATE FUNCTION mended(relation regclass, command text)
RETURNS TABLE (enabled boolean, rows text[], mended boolean, anew boolean)
LANGUAGE plpgsql AS $$
BEGIN
	TRUNCATE audit;
	EXECUTE format(command, relation);
	enabled := (SELECT s.enabled FROM evaudit.stat_audit s WHERE s.relation = $1);
	rows := ARRAY(SELECT a.operation || ' ' || a.relation FROM audit a ORDER BY seq);
	PERFORM evaudit.track($1);
	mended := (SELECT s.enabled FROM evaudit.stat_audit s WHERE s.relation = $1);
	anew := (SELECT count(*) FROM audit WHERE operation <> 'TRACK') > cardinality(rows);
	RETURN NEXT;
END $$;
SELECT command, m.* FROM (VALUES
	('ALTER TABLE %s DISABLE TRIGGER ALL'),
	('ALTER TABLE %s DISABLE TRIGGER USER'),
	('ALTER TABLE %s DISABLE TRIGGER "00_evaudit_capture"'),
	('ALTER TABLE %s DISABLE TRIGGER "00_evaudit_truncate"'),
	('ALTER TABLE %s ENABLE REPLICA TRIGGER "00_evaudit_capture"'),
	('ALTER TABLE %s ENABLE TRIGGER "00_evaudit_capture"'),
	('ALTER TABLE %s ENABLE ALWAYS TRIGGER "00_evaudit_capture"'),
	('ALTER TABLE %1$s DISABLE TRIGGER ALL; ALTER TABLE %1$s ENABLE TRIGGER ALL'),
	('CREATE OR REPLACE TRIGGER "00_evaudit_capture" AFTER INSERT OR UPDATE OR DELETE ON %s
		FOR EACH ROW WHEN (false) EXECUTE FUNCTION evaudit.capture()'),
	('CREATE OR REPLACE TRIGGER "00_evaudit_truncate" BEFORE TRUNCATE ON %s
		FOR EACH STATEMENT WHEN (false) EXECUTE FUNCTION evaudit.capture_truncate()'),
	('CREATE OR REPLACE TRIGGER "00_evaudit_capture" AFTER INSERT ON %s
		FOR EACH ROW EXECUTE FUNCTION evaudit.capture()'),
	('DROP TRIGGER "00_evaudit_truncate" ON %s'),
	('ALTER TRIGGER "00_evaudit_truncate" ON %s RENAME TO other'),
	('ALTER TRIGGER "00_evaudit_capture" ON %s RENAME TO other')
	) AS c (command), mended('ours', command) AS m;
-- Without its row trigger, or with a function of somebody's, it is tracked no more.
TRUNCATE audit;
DROP TRIGGER "00_evaudit_capture" ON ours;
SELECT count(*) FROM evaudit.stat_audit WHERE relation = 'ours'::regclass;
SELECT evaudit.track('ours');
CREATE FUNCTION quiet() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE OR REPLACE TRIGGER "00_evaudit_capture" AFTER INSERT OR UPDATE OR DELETE
	ON ours FOR EACH ROW EXECUTE FUNCTION quiet();
SELECT evaudit.track('ours');
SELECT relation, operation FROM audit ORDER BY seq;
INSERT INTO ours VALUES (1, 'a');
TRUNCATE ours;
SELECT operation FROM audit WHERE operation <> 'UNTRACK' ORDER BY seq;
-- A trigger of theirs is their business.
TRUNCATE audit;
CREATE TRIGGER theirs AFTER INSERT ON ours FOR EACH ROW EXECUTE FUNCTION quiet();
ALTER TABLE ours DISABLE TRIGGER theirs;
DROP TRIGGER theirs ON ours;
SELECT evaudit.track('ours');
TABLE ended;
-- What is wholly wrong can be taken off, too.
ALTER TRIGGER "00_evaudit_capture" ON ours RENAME TO other;
SELECT evaudit.untrack('ours');
SELECT evaudit.untrack('ours');
SELECT tgname FROM pg_trigger WHERE tgrelid = 'ours'::regclass;
TABLE ended;

-- Partitions.
TRUNCATE audit;
CREATE TABLE split (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
CREATE TABLE split_a PARTITION OF split FOR VALUES FROM (0) TO (10);
CREATE TABLE split_b PARTITION OF split FOR VALUES FROM (10) TO (20)
	PARTITION BY RANGE (id);
CREATE TABLE split_b1 PARTITION OF split_b DEFAULT;
SELECT evaudit.track('split');
SELECT command, m.* FROM (VALUES
	('ALTER TABLE split_b1 DISABLE TRIGGER "00_evaudit_capture"'),
	('ALTER TABLE split_b1 DISABLE TRIGGER "00_evaudit_truncate"'),
	('ALTER TABLE ONLY split DISABLE TRIGGER "00_evaudit_capture"'),
	('ALTER TABLE split DISABLE TRIGGER ALL'),
	('DROP TRIGGER "00_evaudit_truncate" ON split_a'),
	('CREATE OR REPLACE TRIGGER "00_evaudit_truncate" BEFORE TRUNCATE ON split_a
		FOR EACH STATEMENT WHEN (false) EXECUTE FUNCTION evaudit.capture_truncate()'),
	('CREATE TABLE split_c PARTITION OF split FOR VALUES FROM (20) TO (30)'),
	('DROP TABLE split_c'),
	('ALTER TABLE split DETACH PARTITION split_a')
	) AS c (command), mended('split', command) AS m;
SELECT evaudit.track('split_b1');
SELECT evaudit.untrack('split_b1');
DROP TRIGGER "00_evaudit_capture" ON split_b1;
TRUNCATE audit;
SELECT evaudit.untrack('split');
SELECT evaudit.track('split');
DROP TRIGGER "00_evaudit_capture" ON split;
SELECT evaudit.track('split');
DROP TABLE split;
SELECT relation, operation FROM audit ORDER BY seq;

-- DROP, in every way; not of what was not tracked, nor of what is rolled back.
TRUNCATE audit;
DROP TABLE split_a;
CREATE SCHEMA gone;
CREATE TABLE gone."Odd" (id int);
CREATE TABLE gone.untracked (id int);
SELECT evaudit.track('gone."Odd"');
BEGIN;
DROP SCHEMA gone CASCADE;
ROLLBACK;
DROP TABLE gone.untracked;
TABLE ended;
DROP SCHEMA gone CASCADE;
SET ROLE regress_untrack;
CREATE TABLE owned (id int);
SELECT evaudit.track('owned');
RESET ROLE;
DROP OWNED BY regress_untrack CASCADE;
SELECT relation, operation FROM audit ORDER BY seq;

DROP VIEW ended;
DROP FUNCTION mended(regclass, text), quiet();
DROP ROLE regress_untrack;
TRUNCATE audit;
