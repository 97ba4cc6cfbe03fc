-- Trigger functions attached by hand: they raise an error and do nothing,
-- whatever the relation, the event and the role.
CREATE ROLE regress_guard;
DO $$ BEGIN
	EXECUTE format('GRANT TEMP ON DATABASE %I TO regress_guard', current_database());
END $$;
TRUNCATE audit;
SET ROLE regress_guard;

-- Views, with and without rows.
CREATE TEMP VIEW v AS SELECT 1 AS a;
CREATE TRIGGER "00_evaudit_capture" INSTEAD OF INSERT ON v
	FOR EACH ROW EXECUTE FUNCTION evaudit.capture();
INSERT INTO v VALUES (1);
CREATE TRIGGER "00_evaudit_truncate" BEFORE INSERT ON v
	FOR EACH STATEMENT EXECUTE FUNCTION evaudit.capture_truncate();
INSERT INTO v VALUES (1);
DROP VIEW v;

-- Temporary tables, plain and partitioned, also with triggers of the right form.
CREATE TEMP TABLE p (a int PRIMARY KEY) PARTITION BY LIST (a);
CREATE TEMP TABLE p1 PARTITION OF p DEFAULT;
CREATE TRIGGER "00_evaudit_capture" AFTER INSERT OR UPDATE OR DELETE ON p
	FOR EACH ROW EXECUTE FUNCTION evaudit.capture();
CREATE TRIGGER "00_evaudit_truncate" BEFORE TRUNCATE ON p
	FOR EACH STATEMENT EXECUTE FUNCTION evaudit.capture_truncate();
CREATE TRIGGER "00_evaudit_truncate" BEFORE TRUNCATE ON p1
	FOR EACH STATEMENT EXECUTE FUNCTION evaudit.capture_truncate();
INSERT INTO p VALUES (1);
TRUNCATE p;
TRUNCATE p1;
CREATE TEMP TABLE t (a int PRIMARY KEY);
CREATE TRIGGER "00_evaudit_capture" AFTER INSERT OR UPDATE OR DELETE ON t
	FOR EACH ROW EXECUTE FUNCTION evaudit.capture();
BEGIN;
INSERT INTO t VALUES (1);
ROLLBACK;
-- What was refused has locked nothing of audit, and left no row.
BEGIN;
SAVEPOINT s;
INSERT INTO t VALUES (1);
ROLLBACK TO s;
SELECT relation::regclass::text, mode FROM pg_locks
WHERE pid = pg_backend_pid() AND relation::regclass::text ~ '^audit';
COMMIT;
-- Nor do DROP and ALTER of such tables leave one.
ALTER TABLE t DISABLE TRIGGER ALL;
ALTER TABLE t DISABLE TRIGGER "00_evaudit_capture";
CREATE OR REPLACE TRIGGER "00_evaudit_capture" AFTER INSERT ON t
	FOR EACH ROW EXECUTE FUNCTION evaudit.capture();
DROP TABLE p, t;
RESET ROLE;
SELECT count(*) FROM audit;
SELECT relation FROM evaudit.stat_audit ORDER BY relation::text;

-- Permanent tables: every form but one.
CREATE TABLE guarded (a int PRIMARY KEY, b int);
CREATE FUNCTION attempt(name text, definition text, args text DEFAULT '')
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	function text := CASE WHEN definition ~ 'TRUNCATE|STATEMENT'
		THEN 'capture_truncate' ELSE 'capture' END;
	message text := 'nothing was raised';
BEGIN
	EXECUTE format('CREATE %s EXECUTE FUNCTION evaudit.%s(%s)',
		format(definition, quote_ident(name)), function, args);
	BEGIN
		INSERT INTO guarded VALUES (1, 1);
		UPDATE guarded SET b = 2;
		DELETE FROM guarded;
		TRUNCATE guarded;
	EXCEPTION WHEN trigger_protocol_violated THEN
		message := sqlerrm;
	END;
	EXECUTE format('DROP TRIGGER %I ON guarded', name);
	RETURN message;
END $$;
SELECT definition, args, attempt(name, definition, args) FROM (VALUES
	('00_evaudit_capture', 'TRIGGER %s BEFORE INSERT OR UPDATE OR DELETE ON guarded FOR EACH ROW', ''),
	('00_evaudit_capture', 'TRIGGER %s AFTER INSERT OR UPDATE ON guarded FOR EACH ROW', ''),
	('00_evaudit_capture', 'TRIGGER %s AFTER INSERT ON guarded REFERENCING NEW TABLE AS n FOR EACH ROW', ''),
	('00_evaudit_capture', 'TRIGGER %s AFTER INSERT OR UPDATE OF b OR DELETE ON guarded FOR EACH ROW', ''),
	('00_evaudit_capture', 'TRIGGER %s AFTER INSERT OR UPDATE OR DELETE ON guarded FOR EACH ROW WHEN (1 = 1)', ''),
	('00_evaudit_capture', 'TRIGGER %s AFTER INSERT OR UPDATE OR DELETE ON guarded FOR EACH ROW', '1, 2'),
	('00_evaudit_capture', 'CONSTRAINT TRIGGER %s AFTER INSERT OR UPDATE OR DELETE ON guarded FOR EACH ROW', ''),
	('01_evaudit_capture', 'TRIGGER %s AFTER INSERT OR UPDATE OR DELETE ON guarded FOR EACH ROW', ''),
	('00_evaudit_truncate', 'TRIGGER %s AFTER TRUNCATE ON guarded FOR EACH STATEMENT', ''),
	('00_evaudit_truncate', 'TRIGGER %s BEFORE INSERT ON guarded FOR EACH STATEMENT', ''),
	('00_evaudit_truncate', 'TRIGGER %s BEFORE INSERT OR TRUNCATE ON guarded FOR EACH STATEMENT', ''),
	('00_evaudit_truncate', 'TRIGGER %s BEFORE TRUNCATE ON guarded FOR EACH STATEMENT', '1'),
	('01_evaudit_truncate', 'TRIGGER %s BEFORE TRUNCATE ON guarded FOR EACH STATEMENT', '')
	) AS d (name, definition, args);
SELECT count(*) FROM audit WHERE operation <> 'UNTRACK';
-- The right form may be made by hand, as a restore does.
CREATE TRIGGER "00_evaudit_capture" AFTER INSERT OR UPDATE OR DELETE ON guarded
	FOR EACH ROW EXECUTE FUNCTION evaudit.capture();
INSERT INTO guarded VALUES (2, 2);
SELECT relation, item_key, operation FROM audit WHERE operation <> 'UNTRACK';
-- One beside those of track() tells of no TRUNCATE that did not take place.
CREATE TRIGGER forge BEFORE INSERT ON guarded
	FOR EACH STATEMENT EXECUTE FUNCTION evaudit.capture_truncate();
INSERT INTO guarded VALUES (3, 3);
DROP TRIGGER forge ON guarded;
SELECT relation, item_key, operation FROM audit WHERE operation <> 'UNTRACK';
-- Replaced while a statement goes on that began with the right form.
CREATE FUNCTION replace_capture() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	CREATE OR REPLACE TRIGGER "00_evaudit_capture"
		AFTER INSERT OR UPDATE OR DELETE ON public.guarded
		FOR EACH ROW WHEN (pg_trigger_depth() < 9)
		EXECUTE FUNCTION evaudit.capture();
	RETURN new;
END $$;
CREATE TRIGGER replace_capture BEFORE INSERT ON guarded
	FOR EACH ROW WHEN (new.a = 5) EXECUTE FUNCTION replace_capture();
INSERT INTO guarded VALUES (4, 4), (5, 5);
INSERT INTO guarded VALUES (6, 6);
DROP TRIGGER replace_capture ON guarded;
SELECT evaudit.track('guarded');
INSERT INTO guarded VALUES (7, 7);
SELECT item_key FROM audit WHERE operation = 'INSERT' ORDER BY seq;
-- The table that holds the audit.
CREATE TRIGGER "00_evaudit_capture" AFTER INSERT OR UPDATE OR DELETE ON audit
	FOR EACH ROW EXECUTE FUNCTION evaudit.capture();
UPDATE audit SET actor = 'nobody';
DROP TRIGGER "00_evaudit_capture" ON audit;
CREATE TRIGGER "00_evaudit_truncate" BEFORE TRUNCATE ON audit
	FOR EACH STATEMENT EXECUTE FUNCTION evaudit.capture_truncate();
TRUNCATE audit;
DROP TRIGGER "00_evaudit_truncate" ON audit;

-- A partitioned table has no rows of its own that TRUNCATE could remove.
CREATE TABLE parted (a int PRIMARY KEY) PARTITION BY RANGE (a);
CREATE TABLE parted_1 PARTITION OF parted DEFAULT;
SELECT evaudit.track('parted');
CREATE TRIGGER "00_evaudit_truncate" BEFORE TRUNCATE ON parted
	FOR EACH STATEMENT EXECUTE FUNCTION evaudit.capture_truncate();
INSERT INTO parted VALUES (1);
TRUNCATE parted;
SELECT evaudit.track('parted');
TRUNCATE parted;
SELECT relation, operation FROM audit
WHERE relation = 'public.parted' ORDER BY seq;
DROP TABLE parted;

-- The other trigger functions: not for strangers to attach, and no use to
-- anybody elsewhere than on the tables that they are for.
SELECT p.oid::regprocedure FROM pg_proc p
WHERE pronamespace = 'evaudit'::regnamespace AND prorettype = 'trigger'::regtype
	AND has_function_privilege('regress_guard', p.oid, 'EXECUTE')
ORDER BY p.oid::regprocedure::text;
CREATE TABLE elsewhere (name text, options jsonb, seed jsonb, schema_version int);
CREATE VIEW elsewhere_view AS SELECT * FROM elsewhere;
CREATE FUNCTION attempts(function regproc) RETURNS SETOF text
LANGUAGE plpgsql AS $$
DECLARE
	definition text;
	message text;
	name text := split_part(function::text, '.', 2);
BEGIN
	FOREACH definition IN ARRAY ARRAY[
		'BEFORE INSERT ON elsewhere FOR EACH ROW',
		'AFTER INSERT ON elsewhere FOR EACH ROW',
		'AFTER DELETE ON elsewhere FOR EACH ROW',
		'AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON elsewhere FOR EACH STATEMENT',
		'BEFORE TRUNCATE ON elsewhere FOR EACH STATEMENT',
		'INSTEAD OF INSERT ON elsewhere_view FOR EACH ROW',
		'BEFORE INSERT ON elsewhere_view FOR EACH STATEMENT'
	] LOOP
		EXECUTE format('CREATE TRIGGER %I %s EXECUTE FUNCTION %s()', name,
			definition, function);
		message := 'nothing was raised';
		BEGIN
			INSERT INTO elsewhere VALUES ('n');
			DELETE FROM elsewhere;
			TRUNCATE elsewhere;
			INSERT INTO elsewhere_view VALUES ('n');
		EXCEPTION WHEN trigger_protocol_violated THEN
			message := sqlerrm;
		END;
		EXECUTE format('DROP TRIGGER %I ON %s', name,
			(regexp_match(definition, 'ON (\w+)'))[1]);
		RETURN NEXT message;
	END LOOP;
END $$;
SELECT p.proname, message, count(*)
FROM pg_proc p, attempts(p.oid) AS message
WHERE pronamespace = 'evaudit'::regnamespace AND prorettype = 'trigger'::regtype
GROUP BY p.proname, message ORDER BY p.proname, message COLLATE "C";
-- On another table of the extension, and with another name on their own.
BEGIN;
CREATE TRIGGER forget_database BEFORE INSERT ON evaudit.configuration_dump
	FOR EACH ROW EXECUTE FUNCTION evaudit.forget_database();
INSERT INTO evaudit.configuration_dump VALUES ('k', '1');
ROLLBACK;
BEGIN;
CREATE TRIGGER again BEFORE INSERT ON evaudit.configuration_dump
	FOR EACH ROW EXECUTE FUNCTION evaudit.restore_configuration();
INSERT INTO evaudit.configuration_dump VALUES ('k', '1');
ROLLBACK;
BEGIN;
DROP TRIGGER restore_configuration ON evaudit.configuration_dump;
CREATE TRIGGER restore_configuration AFTER INSERT ON evaudit.configuration_dump
	FOR EACH STATEMENT EXECUTE FUNCTION evaudit.restore_configuration();
INSERT INTO evaudit.configuration_dump VALUES ('k', '1');
ROLLBACK;
-- Columns of another type.
BEGIN;
ALTER TABLE evaudit.configuration_dump ALTER key TYPE int USING 1;
INSERT INTO evaudit.configuration_dump VALUES (1, '1');
ROLLBACK;
-- A table of the right name that is not the extension's.
BEGIN;
ALTER TABLE evaudit.configuration_dump RENAME TO other;
CREATE TABLE evaudit.configuration_dump (key int, value int);
CREATE TRIGGER restore_configuration BEFORE INSERT ON evaudit.configuration_dump
	FOR EACH ROW EXECUTE FUNCTION evaudit.restore_configuration();
INSERT INTO evaudit.configuration_dump VALUES (1, 1);
ROLLBACK;
SELECT key FROM configuration;

-- Event triggers on other events.
CREATE EVENT TRIGGER hostile ON sql_drop
	EXECUTE FUNCTION evaudit.track_partitions();
DROP FUNCTION attempts(regproc);
DROP EVENT TRIGGER hostile;
CREATE EVENT TRIGGER hostile ON ddl_command_start
	EXECUTE FUNCTION evaudit.record_dropped();
DROP FUNCTION attempts(regproc);
DROP EVENT TRIGGER hostile;
CREATE EVENT TRIGGER hostile ON table_rewrite
	EXECUTE FUNCTION evaudit.record_disabled();
ALTER TABLE guarded ALTER b TYPE bigint;
DROP EVENT TRIGGER hostile;
SELECT p.oid::regprocedure FROM pg_proc p
WHERE pronamespace = 'evaudit'::regnamespace
	AND prorettype = 'event_trigger'::regtype
	AND has_function_privilege('regress_guard', p.oid, 'EXECUTE');
SELECT evaudit.record_dropped();

-- An actor is no way to fill the disk.
SET evaudit.actor = 'ada';
SELECT set_config('evaudit.actor', repeat('x', 16384), false) = repeat('x', 16384);
SELECT length(set_config('evaudit.actor', repeat('x', 16385), false));
SELECT length(set_config('evaudit.request_id', repeat('x', 1001), false));
-- A request's id is indexed, whatever it is.
BEGIN;
CREATE TABLE requested (id int);
SELECT evaudit.track('requested');
SELECT length(set_config('evaudit.request_id',
	(SELECT string_agg(chr(33 + i * i * 31 % 90), '') FROM generate_series(1, 1000) i), true));
INSERT INTO requested VALUES (1);
ROLLBACK;
RESET evaudit.actor;

DROP FUNCTION attempt(text, text, text), attempts(regproc), replace_capture();
DROP VIEW elsewhere_view;
DROP TABLE guarded, elsewhere;
DO $$ BEGIN
	EXECUTE format('REVOKE TEMP ON DATABASE %I FROM regress_guard', current_database());
END $$;
DROP ROLE regress_guard;
TRUNCATE audit;
