-- Rules for columns: what of a tracked table is audited, and in which form.

CREATE SCHEMA rules;
SET search_path = rules, public;
CREATE VIEW trail AS
	SELECT operation, item_key, updated_attribute, old_value, new_value
	FROM audit WHERE relation LIKE 'rules.%' ORDER BY seq;

CREATE TABLE users (id int PRIMARY KEY, password text, email text, card bigint,
	note text, updated_at int,
	lower_email text GENERATED ALWAYS AS (lower(email)) STORED,
	twice int GENERATED ALWAYS AS (updated_at * 2) STORED);
SELECT evaudit.track('users', options => '{"columns": {"password": "exclude",
	"email": {"mask": "keep_domain"}, "card": {"mask": "keep_last:4"},
	"note": {"mask": "fixed"}, "*": "include"},
	"ignore_alone": ["updated_at", "twice"],
	"operations": ["UPDATE", "DELETE"]}');
SELECT options FROM evaudit.stat_audit WHERE relation = 'users'::regclass;

INSERT INTO users VALUES (1, 's3cret', 'Ada@example.org', 4111111111111111,
	'a note', 1);
UPDATE users SET password = 'other';
UPDATE users SET updated_at = 2;
UPDATE users SET updated_at = 3, note = 'another';
UPDATE users SET email = 'bob@example.org', card = NULL;
UPDATE users SET email = 'bob@example.org';
DELETE FROM users;
INSERT INTO users VALUES (2, 's3cret', 'no address', 1234567, NULL, 1);
SELECT evaudit.alter_tracking('users',
	'{"operations": null, "ignore_alone": null}');
TRUNCATE users;
SELECT * FROM trail;
SELECT a.document - 'id' - 'modificationTime' AS document FROM audit a
	WHERE relation = 'rules.users' AND operation = 'TRACK' ORDER BY seq;

-- Masks show no more than they say
CREATE TABLE masks (a text, b text, c text, d jsonb, e boolean, f text);
SELECT evaudit.track('masks', '{"columns": {"a": {"mask": "keep_first:2"},
	"b": {"mask": "keep_last:2"}, "c": {"mask": "keep_domain"},
	"*": {"mask": "keep_last:1"}}}');
INSERT INTO masks VALUES ('äöüß', 'äöüß', 'a@b@c', '{"a": 1}', true, 'x'),
	('äöü', 'äöü', '@', '"str"', false, ''),
	('', '', 'x@' || repeat('y', 300), '12', NULL, 'xy');
SELECT new_value FROM audit WHERE relation = 'rules.masks'
	AND operation = 'INSERT' ORDER BY seq;

-- Keys
CREATE TABLE keyed (a text, b text, v int, PRIMARY KEY (a, b));
SELECT evaudit.track('keyed', '{"columns": {"a": "exclude",
	"b": {"mask": "keep_domain"}}}');
INSERT INTO keyed VALUES ('secret', 'ada@x.org', 1);
UPDATE keyed SET v = 2;
UPDATE keyed SET a = 'another secret';
CREATE TABLE keyed_alone (k text PRIMARY KEY, v int);
SELECT evaudit.track('keyed_alone', '{"columns": {"v": "include", "*": "exclude"}}');
INSERT INTO keyed_alone VALUES ('secret', 1);
SELECT evaudit.alter_tracking('keyed_alone', '{"columns": {"k": {"mask": "fixed"}}}');
UPDATE keyed_alone SET v = 2;
SELECT relation, operation, item_key, updated_attribute, old_value, new_value
	FROM audit WHERE relation LIKE 'rules.keyed%' ORDER BY seq;

-- An allow-list excludes what comes later
CREATE TABLE allowed (id int PRIMARY KEY, a int, b int);
SELECT evaudit.track('allowed', '{"columns": {"id": "include", "a": "include", "*": "exclude"}}');
ALTER TABLE allowed ADD c text;
INSERT INTO allowed VALUES (1, 2, 3, 'secret');
ALTER TABLE allowed RENAME a TO renamed;
UPDATE allowed SET renamed = 4;
ALTER TABLE allowed DROP renamed, ADD renamed text;
UPDATE allowed SET renamed = 'secret';
SELECT new_value FROM audit WHERE relation = 'rules.allowed' ORDER BY seq;

-- Rules follow columns, and fail closed where these are gone
CREATE TABLE followed (id int PRIMARY KEY, a text, b text, c text, d jsonb);
SELECT evaudit.track('followed', '{"columns": {"a": "exclude",
	"b": {"mask": "fixed"}, "c": {"mask": "fixed"}}, "ignore_alone": ["d"]}');
CREATE VIEW options AS SELECT options FROM evaudit.stat_audit
	WHERE relation = 'followed'::regclass;
ALTER TABLE followed RENAME a TO x;
ALTER TABLE followed RENAME b TO a;
ALTER TABLE followed RENAME x TO b;
INSERT INTO followed VALUES (1, 'secret', 'masked', 'masked', '1');
ALTER TABLE followed DROP b;
SELECT * FROM options;
ALTER TABLE followed ADD b text DEFAULT 'secret';
ALTER TABLE followed ALTER c TYPE varchar;
ALTER TABLE followed DROP d;
UPDATE followed SET b = 'another secret', c = 'another secret', a = 'x';
UPDATE followed SET b = 'gone';
ALTER VIEW followed RENAME COLUMN c TO y;
SELECT * FROM options;
SELECT evaudit.alter_tracking('followed', '{"columns": {"b": "include"}}');
UPDATE followed SET b = 'public';
SELECT operation, updated_attribute, old_value, new_value FROM audit
	WHERE relation = 'rules.followed' ORDER BY seq;

-- Children that a command reaches, and tables of a type
CREATE TABLE parent (id int, secret text);
CREATE TABLE child () INHERITS (parent);
SELECT evaudit.track('child', '{"columns": {"secret": "exclude"}}');
ALTER TABLE parent RENAME secret TO hidden;
CREATE TYPE shape AS (id int, secret text);
CREATE TABLE shaped OF shape;
SELECT evaudit.track('shaped', '{"columns": {"secret": "exclude"}}');
ALTER TYPE shape RENAME ATTRIBUTE secret TO hidden CASCADE;
SELECT relation, options FROM evaudit.stat_audit
	WHERE relation IN ('child'::regclass, 'shaped'::regclass);

-- Partitions have the rules of their root, and none of their own
CREATE TABLE root (id int, secret text, public text) PARTITION BY RANGE (id);
CREATE TABLE part1 PARTITION OF root FOR VALUES FROM (0) TO (10);
SELECT evaudit.track('root', '{"columns": {"secret": "exclude"}}');
CREATE TABLE part2 PARTITION OF root FOR VALUES FROM (10) TO (20);
CREATE TABLE part3 (gone int, public text, secret text, id int);
ALTER TABLE part3 DROP gone;
ALTER TABLE root ATTACH PARTITION part3 FOR VALUES FROM (20) TO (30);
INSERT INTO root VALUES (1, 'secret', 'a'), (11, 'secret', 'b'), (21, 'secret', 'c');
SELECT evaudit.track('part2', '{"columns": {"secret": "include"}}');
SELECT evaudit.alter_tracking('part2', '{"columns": null}');
SELECT evaudit.alter_tracking('root', '{"columns": {"secret": "exclude", "public": {"mask": "fixed"}}}');
INSERT INTO part1 VALUES (2, 'secret', 'd');
INSERT INTO part3 (id, secret, public) VALUES (22, 'secret', 'e');
CREATE TABLE part4 (id int, secret text, public text);
SELECT evaudit.track('part4', '{"columns": {"public": "exclude"}}');
ALTER TABLE root ATTACH PARTITION part4 FOR VALUES FROM (30) TO (40);
SELECT enabled, options FROM evaudit.stat_audit WHERE relation = 'root'::regclass;
SELECT new_value FROM audit WHERE relation = 'rules.root' ORDER BY seq;

-- A repair keeps the rules
ALTER TABLE child DISABLE TRIGGER USER;
SELECT evaudit.track('child');
ALTER TRIGGER "00_evaudit_capture" ON child RENAME TO other;
SELECT evaudit.track('child');
SELECT evaudit.track('child', '{"columns": {"hidden": "exclude"}}');
SELECT evaudit.track('child', '{"columns": {"hidden": "include"}}');
SELECT enabled, options FROM evaudit.stat_audit WHERE relation = 'child'::regclass;

-- Odd names
CREATE TABLE odd ("a""b\c'd {}:," text, "*" text, "e/f~" text);
SELECT evaudit.track('odd', '{"columns": {"a\"b\\c''d {}:,": "exclude", "*": {"mask": "fixed"}, "e/f~": "include"}}');
INSERT INTO odd VALUES ('secret', 'masked', 'public');
SELECT new_value FROM audit WHERE relation = 'rules.odd' ORDER BY seq;

-- What is refused
SELECT evaudit.alter_tracking('odd', '{"column": {}}');
SELECT evaudit.alter_tracking('odd', '{"bound": {"*": [1, 25]}}');
SELECT evaudit.alter_tracking('odd', '{"columns": {"nowhere": "exclude"}}');
SELECT evaudit.alter_tracking('odd', '{"columns": {"*": "hide"}}');
SELECT evaudit.alter_tracking('odd', '{"columns": {"*": {"mask": "keep_last:17"}}}');
SELECT evaudit.alter_tracking('odd', '{"columns": {"*": {"mask": "keep_last:4x"}}}');
SELECT evaudit.alter_tracking('odd', '{"columns": {"*": {"mask": "fixed", "x": 1}}}');
SELECT evaudit.alter_tracking('odd', '{"columns": "exclude"}');
SELECT evaudit.alter_tracking('odd', '{"columns": {"*": "hmac"}}');
SELECT evaudit.alter_tracking('odd', '{"operations": []}');
SELECT evaudit.alter_tracking('odd', '{"operations": ["MERGE"]}');
SELECT evaudit.alter_tracking('odd', '{"ignore_alone": ["nowhere"]}');
SELECT evaudit.alter_tracking('odd', '{"diff": {"*": "paths"}}');
SELECT evaudit.alter_tracking('odd', '{"diff": {"e/f~": "lines"}}');
SELECT evaudit.alter_tracking('odd', '[]');
SELECT evaudit.alter_tracking('parent', '{}');
SELECT evaudit.hmac_values('x');
CREATE ROLE regress_rules_other;
GRANT USAGE ON SCHEMA rules TO regress_rules_other;
SET ROLE regress_rules_other;
SELECT evaudit.alter_tracking('odd', '{"columns": {}}');
SELECT evaudit.hmac_values('x');
RESET ROLE;

-- A trigger that is made by hand has the rules that it says
CREATE OR REPLACE TRIGGER "00_evaudit_capture"
	AFTER INSERT OR UPDATE OR DELETE ON odd FOR EACH ROW
	EXECUTE FUNCTION evaudit.capture('{"columns": {"e/f~": "exclude", "gone": "hmac"}, "bound": {"e/f~": [1, 20]}}');
SELECT options FROM evaudit.stat_audit WHERE relation = 'odd'::regclass;
INSERT INTO odd VALUES ('a', 'b', 'secret');
CREATE OR REPLACE TRIGGER "00_evaudit_capture"
	AFTER INSERT OR UPDATE OR DELETE ON odd FOR EACH ROW
	EXECUTE FUNCTION evaudit.capture('{"columns": {}', 'x');
INSERT INTO odd VALUES ('a', 'b', 'secret');
CREATE OR REPLACE TRIGGER "00_evaudit_capture"
	AFTER INSERT OR UPDATE OR DELETE ON odd FOR EACH ROW
	EXECUTE FUNCTION evaudit.capture('{"columns": {}');
SELECT operation, old_value, new_value FROM audit
	WHERE relation = 'rules.odd' ORDER BY seq;

-- A secret in none of it
SELECT count(*) AS leaks FROM audit a
	WHERE a::text ~ 'secret|s3cret' AND relation LIKE 'rules.%' AND operation <> 'TRACK';

DROP SCHEMA rules CASCADE;
DROP ROLE regress_rules_other;
TRUNCATE audit;
