-- Who may what: audit is its owner's, tracked tables are their users'.
CREATE ROLE regress_audit_user;
CREATE ROLE regress_audit_owner;
CREATE ROLE regress_audit_definer;
CREATE TABLE shared (id int PRIMARY KEY, v text);
SELECT evaudit.track('shared');
GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON shared, configuration
	TO regress_audit_user;
GRANT CREATE ON SCHEMA public TO regress_audit_owner;

-- No right on audit, on its sequence, or on the functions behind is needed.
SET SESSION AUTHORIZATION regress_audit_user;
INSERT INTO shared VALUES (1, 'a');
UPDATE shared SET v = 'b';
INSERT INTO configuration VALUES ('user', '1');
UPDATE configuration SET value = '2';
TRUNCATE shared, configuration;
-- Nor is there any.
SELECT count(*) FROM audit;
INSERT INTO audit SELECT FROM generate_series(1, 0);
UPDATE audit SET actor = 'nobody';
DELETE FROM audit;
TRUNCATE audit;
SELECT nextval('audit_seq_seq');
SELECT evaudit.track('shared');
SELECT evaudit.untrack('shared');
DROP TRIGGER "00_evaudit_capture" ON shared;
ALTER TABLE shared DISABLE TRIGGER ALL;
SET session_replication_role = replica;
RESET SESSION AUTHORIZATION;

-- A table's owner decides about it.
SET SESSION AUTHORIZATION regress_audit_owner;
CREATE TABLE mine (id int PRIMARY KEY, v text);
SELECT evaudit.track('mine');
INSERT INTO mine VALUES (1, 'a');
CREATE TABLE parts (id int PRIMARY KEY) PARTITION BY RANGE (id);
SELECT evaudit.track('parts');
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (9);
INSERT INTO parts VALUES (1);
TRUNCATE parts_1;
RESET SESSION AUTHORIZATION;

-- The session's role, also inside a function of another's and under SET ROLE.
CREATE FUNCTION change_shared() RETURNS void LANGUAGE sql SECURITY DEFINER
	AS $$ INSERT INTO public.shared VALUES (2, current_user) $$;
ALTER FUNCTION change_shared() OWNER TO regress_audit_definer;
GRANT INSERT ON shared TO regress_audit_definer;
SET SESSION AUTHORIZATION regress_audit_user;
SELECT change_shared();
RESET SESSION AUTHORIZATION;
SET ROLE regress_audit_user;
INSERT INTO shared VALUES (3, current_user);
RESET ROLE;
ALTER ROLE regress_audit_user RENAME TO regress_audit_renamed;
SET SESSION AUTHORIZATION regress_audit_renamed;
INSERT INTO shared VALUES (4, session_user);
RESET SESSION AUTHORIZATION;
SELECT relation, operation,
	CASE WHEN session_role LIKE 'regress%' THEN session_role ELSE 'superuser' END
FROM audit ORDER BY seq;

-- Row security and constraints of audit do not stand in the way of a change.
ALTER TABLE audit ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
INSERT INTO shared VALUES (5, 'e');
ALTER TABLE audit DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY;
SELECT count(*) FROM audit WHERE item_key = '5';
SELECT relacl IS NULL OR NOT relacl::text ~ '[{,]=' AS not_public
FROM pg_class WHERE relname IN ('audit', 'configuration', 'audit_seq_seq');

DROP TABLE shared, mine, parts;
DROP FUNCTION change_shared();
REVOKE ALL ON configuration FROM regress_audit_renamed;
REVOKE ALL ON SCHEMA public FROM regress_audit_owner;
DROP ROLE regress_audit_renamed, regress_audit_owner, regress_audit_definer;
TRUNCATE audit;
