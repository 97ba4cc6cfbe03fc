-- The owner of audit may alter it: what rows cannot be written to, or read
-- from, is an error, never a crash; what only the executor honours is honoured.
CREATE TABLE formed (id int PRIMARY KEY, v text);
SELECT evaudit.track('formed');
INSERT INTO formed VALUES (1, 'a');

-- Types and places.
CREATE DOMAIN regress_number AS bigint;
CREATE FUNCTION refused(command text) RETURNS TABLE (written text, read text)
LANGUAGE plpgsql AS $$
BEGIN
	BEGIN
		DROP INDEX IF EXISTS audit_new_key_idx;	-- depends on types
		BEGIN
			EXECUTE command;
		EXCEPTION WHEN OTHERS THEN
			written := 'refused: ' || sqlerrm;
			RAISE division_by_zero;
		END;
		BEGIN
			UPDATE formed SET v = v || 'x';
			written := 'yes';
		EXCEPTION WHEN OTHERS THEN
			written := sqlstate || ' ' || sqlerrm;
		END;
		BEGIN
			PERFORM a.document FROM audit a;
			read := 'yes';
		EXCEPTION WHEN OTHERS THEN
			read := sqlstate || ' ' || sqlerrm;
		END;
		RAISE division_by_zero;
	EXCEPTION WHEN division_by_zero THEN
		RETURN NEXT;
	END;
END $$;
SELECT command, r.* FROM (VALUES
	('ALTER TABLE audit ALTER xid TYPE text USING ''x'''),
	('ALTER TABLE audit ALTER id TYPE text'),
	('ALTER TABLE audit ALTER old_value TYPE int USING 1, ALTER new_value TYPE int USING 1'),
	('ALTER TABLE audit ALTER modification_time TYPE timestamp'),
	('ALTER TABLE audit ALTER modification_time TYPE timestamptz(0)'),
	('ALTER TABLE audit ALTER actor TYPE varchar(10)'),
	('ALTER TABLE audit ALTER actor TYPE text COLLATE "C"'),
	('ALTER TABLE audit ALTER client_addr TYPE cidr'),
	('ALTER TABLE audit ALTER seq TYPE regress_number'),
	('ALTER TABLE audit ALTER seq TYPE int'),
	('ALTER TABLE audit DROP request_id'),
	('ALTER TABLE audit DROP request_id, ADD request_id text'),
	('ALTER TABLE audit DROP actor, ADD actor text GENERATED ALWAYS AS (''me'') STORED'),
	('ALTER TABLE audit RENAME old_value TO before'),
	('CREATE RULE quiet AS ON INSERT TO audit DO INSTEAD NOTHING'),
	('CREATE RULE also AS ON INSERT TO audit DO ALSO SELECT 1 / 0'),
	('CREATE RULE also AS ON INSERT TO audit DO ALSO SELECT 1 / 0; ALTER TABLE audit DISABLE RULE also'),
	('CREATE RULE keep AS ON DELETE TO audit DO INSTEAD NOTHING'),
	('ALTER SEQUENCE audit_seq_seq OWNED BY NONE'),
	('ALTER SEQUENCE audit_seq_seq OWNED BY NONE; ALTER TABLE audit ALTER seq DROP DEFAULT;
		ALTER EXTENSION evaudit DROP SEQUENCE audit_seq_seq; DROP SEQUENCE audit_seq_seq'),
	('ALTER TABLE audit RENAME TO moved; CREATE VIEW audit AS TABLE moved')
	) AS c (command), refused(command) AS r;
BEGIN;
ALTER TABLE audit ALTER xid TYPE text USING 'x';
UPDATE formed SET v = 'b';
ROLLBACK;
UPDATE formed SET v = 'c';
SELECT operation, new_value FROM audit ORDER BY seq;
TRUNCATE audit;

-- What only the executor honours, each by itself.
CREATE DOMAIN regress_given AS text NOT NULL;
CREATE FUNCTION veto() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	RAISE '% % %', tg_when, tg_op, tg_level;
END $$;
CREATE TABLE whole (LIKE audit) PARTITION BY LIST (operation);
SELECT command, r.written FROM (VALUES
	('CREATE TRIGGER veto BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION veto()'),
	('CREATE TRIGGER veto AFTER INSERT ON audit FOR EACH ROW EXECUTE FUNCTION veto()'),
	('CREATE TRIGGER veto BEFORE INSERT ON audit FOR EACH STATEMENT EXECUTE FUNCTION veto()'),
	('CREATE TRIGGER veto AFTER INSERT ON audit FOR EACH STATEMENT EXECUTE FUNCTION veto()'),
	('CREATE TRIGGER veto BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION veto()'),
	('ALTER TABLE audit ADD CONSTRAINT no_update CHECK (operation <> ''UPDATE'')'),
	('ALTER TABLE audit ALTER actor SET NOT NULL'),
	('ALTER TABLE audit ALTER id DROP NOT NULL'),
	('ALTER TABLE audit ADD note text NOT NULL'),
	('CREATE FUNCTION no_default() RETURNS text LANGUAGE plpgsql AS ''BEGIN RAISE ''''default''''; END'';
		ALTER TABLE audit ADD note text; ALTER TABLE audit ALTER note SET DEFAULT no_default()'),
	('ALTER TABLE audit ADD note int GENERATED ALWAYS AS (1 / (length(updated_attribute) - 1)) STORED'),
	('ALTER TABLE audit ADD note regress_given'),
	('ALTER TABLE audit ADD note text'),
	('ALTER TABLE evaudit.audit_default ADD CONSTRAINT one_a_table EXCLUDE (relation WITH =);
		UPDATE formed SET v = v || ''y'''),
	('ALTER TABLE evaudit.audit_default ADD CONSTRAINT one_a_table UNIQUE (relation);
		UPDATE formed SET v = v || ''y'''),
	('ALTER TABLE evaudit.audit_default ADD CONSTRAINT one_a_table UNIQUE (relation) DEFERRABLE INITIALLY DEFERRED;
		UPDATE formed SET v = v || ''y'''),
	('ALTER TABLE whole ATTACH PARTITION audit FOR VALUES IN (''INSERT'')')
	) AS c (command), refused(command) AS r;

-- An owner who is no superuser, and his triggers, constraints and defaults.
CREATE ROLE regress_owner;
CREATE ROLE regress_writer;
GRANT SELECT, INSERT, UPDATE ON formed TO regress_writer;
GRANT CREATE ON SCHEMA public TO regress_owner;
ALTER TABLE audit OWNER TO regress_owner;
SET ROLE regress_owner;
CREATE TABLE seen (seq bigint, operation text, who name, path text, note text);
CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO public.seen VALUES (new.seq, new.operation, current_user,
		current_setting('search_path'), new.note);
	RETURN new;
END $$;
ALTER TABLE audit ADD note text DEFAULT 'unset',
	ADD size int GENERATED ALWAYS AS (length(new_value::text)) STORED;
CREATE TRIGGER see BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION see();
ALTER TABLE audit ENABLE ROW LEVEL SECURITY;
CREATE POLICY none ON audit USING (false);
RESET ROLE;
SET ROLE regress_writer;
SET evaudit.actor = 'ada';
INSERT INTO formed VALUES (2, 'b');
UPDATE formed SET id = 3, v = 'c' WHERE id = 2;
RESET ROLE;
SELECT s.operation, who, path, s.note, item_key, updated_attribute, new_value,
	actor, session_role = session_user AS session, size, a.note
FROM audit a JOIN seen s USING (seq) ORDER BY seq;
-- Checks, and an actor that is required.
\set VERBOSITY terse
ALTER TABLE audit DISABLE TRIGGER see;
ALTER TABLE audit ALTER actor SET NOT NULL,
	ADD CONSTRAINT known CHECK (actor <> 'eve');
INSERT INTO formed VALUES (4, 'd');
SET evaudit.actor = 'eve';
INSERT INTO formed VALUES (5, 'e');
RESET evaudit.actor;
INSERT INTO formed VALUES (6, 'f');
ALTER TABLE audit DROP CONSTRAINT known, ALTER actor DROP NOT NULL;
\set VERBOSITY default
-- A trigger on audit that changes a tracked table itself, under another actor.
CREATE TABLE echo (id bigint PRIMARY KEY);
SELECT evaudit.track('echo');
CREATE OR REPLACE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF new.relation = 'public.formed' THEN
		PERFORM set_config('evaudit.actor', 'echo' || new.seq, true);
		INSERT INTO public.echo VALUES (new.seq);
	END IF;
	RETURN new;
END $$;
GRANT INSERT ON echo TO regress_owner;
ALTER TABLE audit ENABLE TRIGGER see;
TRUNCATE audit;
BEGIN;
SET LOCAL evaudit.actor = 'ada';
UPDATE formed SET v = 'g', id = 7 WHERE id = 4;
COMMIT;
SELECT relation, operation, updated_attribute, new_value - 'id' IS NULL AS scalar,
	CASE WHEN actor ~ '^echo' THEN 'echo' ELSE actor END AS actor
FROM (SELECT relation, operation, updated_attribute,
	CASE WHEN jsonb_typeof(new_value) = 'object' THEN new_value END AS new_value,
	actor, seq FROM audit) a ORDER BY seq;
DROP TRIGGER see ON audit;
ALTER TABLE audit DROP size;
-- Constraints that are indexes: exclusion, and unique ones that are deferred.
ALTER TABLE evaudit.audit_default ADD CONSTRAINT one_a_note EXCLUDE (note WITH =)
	WHERE (note = 'once');
ALTER TABLE audit ALTER note SET DEFAULT 'once';
INSERT INTO formed VALUES (8, 'h');
\set VERBOSITY terse
INSERT INTO formed VALUES (9, 'i');
\set VERBOSITY default
ALTER TABLE evaudit.audit_default DROP CONSTRAINT one_a_note;
ALTER TABLE audit DROP note;
-- The function of an index that lies about what it is.
CREATE FUNCTION add_echo() RETURNS void LANGUAGE sql AS
	'INSERT INTO public.echo SELECT count(*) + 1000 FROM public.echo';
CREATE FUNCTION lies(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	IF $1 = 'public.formed' THEN
		PERFORM public.add_echo();
	END IF;
	RETURN $1;
END $$;
TRUNCATE audit;
CREATE INDEX lies ON audit (lies(relation));
INSERT INTO formed VALUES (10, 'j');
DROP INDEX lies;
INSERT INTO formed VALUES (10, 'j');
SELECT item_key FROM audit;

ALTER TABLE audit NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY;
DROP POLICY none ON audit;
ALTER TABLE audit OWNER TO CURRENT_USER;
DROP TABLE formed, echo, seen, whole;
DROP FUNCTION see(), veto(), lies(text), add_echo(), refused(text);
DROP DOMAIN regress_number, regress_given;
REVOKE CREATE ON SCHEMA public FROM regress_owner;
DROP ROLE regress_owner, regress_writer;
TRUNCATE audit;
