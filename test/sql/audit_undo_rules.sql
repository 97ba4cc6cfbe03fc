-- What rules for columns kept out of audit cannot be undone: that is said
-- before, and no mask is written into a row.
CREATE SCHEMA audit_undo_rules;
SET search_path = audit_undo_rules, public;
CREATE TABLE users (id int PRIMARY KEY, name text, secret text, email text, site text, doc jsonb);
SELECT evaudit.track('users', '{"columns": {"secret": "exclude", "email": {"mask": "fixed"},
	"site": {"mask": "keep_domain"}}, "diff": {"doc": "paths"}}');
INSERT INTO users VALUES (1, 'ada', 's1', 'a@x', 'a@x', '{"k": 1, "l": 2}'), (2, 'bob', 's2', 'b@x', 'b@x', '{}');
-- What undoing a statement says, and what it does when forced.
CREATE FUNCTION undo(statement text) RETURNS TABLE (action text, changes jsonb, conflict text, forced boolean)
LANGUAGE plpgsql AS $$
DECLARE
	last bigint := (SELECT max(seq) FROM audit);
	these bigint[];
BEGIN
	EXECUTE statement;
	these := ARRAY(SELECT seq FROM audit WHERE seq > last);
	RETURN QUERY SELECT u.action, u.changes, u.conflict,
		(SELECT bool_or(f.done) FROM evaudit.undo(seqs => these, mode => 'force', dry_run => false) f)
		FROM evaudit.undo(seqs => these, dry_run => true) u;
END $$;
-- a mask that is the same before and after
SELECT * FROM undo($$UPDATE users SET name = 'eve', email = 'c@y' WHERE id = 1$$);
SELECT * FROM undo($$UPDATE users SET email = 'd@y' WHERE id = 1$$);
-- one that is another, and one that is the same
SELECT * FROM undo($$UPDATE users SET site = 'c@y' WHERE id = 1$$);
SELECT * FROM undo($$UPDATE users SET site = 'd@y' WHERE id = 1$$);
SELECT * FROM undo($$UPDATE users SET doc = '{"k": 2, "l": 2}' WHERE id = 1$$);
-- other columns of such a row can be
SELECT * FROM undo($$UPDATE users SET name = 'zoe' WHERE id = 1$$);
-- a row that is gone
SELECT * FROM undo($$DELETE FROM users WHERE id = 2$$);
TABLE users;
SET client_min_messages = warning;
DROP SCHEMA audit_undo_rules CASCADE;
TRUNCATE audit;
