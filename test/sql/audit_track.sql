-- track() and untrack(): what may be tracked, and what they leave behind.
CREATE TABLE item (id int PRIMARY KEY, name text);
SELECT evaudit.track('item');
SELECT evaudit.track('item');
SELECT tgname, tgenabled, tgfoid::regproc FROM pg_trigger
WHERE tgrelid = 'item'::regclass ORDER BY tgname;
INSERT INTO item VALUES (1, 'one');
SELECT evaudit.untrack('item');
SELECT evaudit.untrack('item');
INSERT INTO item VALUES (2, 'two');
TRUNCATE item;
SELECT relation, item_key, operation FROM audit ORDER BY seq;
TRUNCATE audit;

-- What cannot be.
CREATE VIEW item_view AS SELECT * FROM item;
CREATE MATERIALIZED VIEW item_matview AS SELECT * FROM item;
CREATE TEMP TABLE item_temp (id int);
CREATE SEQUENCE item_seq;
SELECT evaudit.track('item_view');
SELECT evaudit.track('item_matview');
SELECT evaudit.track('item_temp');
SELECT evaudit.track('item_seq');
SELECT evaudit.track('pg_class');
SELECT evaudit.track('audit');
SELECT evaudit.track('item_pkey');
SELECT evaudit.track(0);
SELECT evaudit.track(NULL);

-- The functions behind are no use without a trigger of the right kind.
SELECT evaudit.capture();
CREATE TRIGGER t BEFORE INSERT ON item
	FOR EACH ROW EXECUTE FUNCTION evaudit.capture();
INSERT INTO item VALUES (3, 'three');
DROP TRIGGER t ON item;
CREATE TRIGGER t AFTER INSERT ON item
	FOR EACH STATEMENT EXECUTE FUNCTION evaudit.capture();
INSERT INTO item VALUES (3, 'three');
DROP TRIGGER t ON item;
CREATE TRIGGER t AFTER INSERT ON item
	FOR EACH ROW EXECUTE FUNCTION evaudit.capture_truncate();
INSERT INTO item VALUES (3, 'three');
DROP TRIGGER t ON item;

-- Names that need quoting, and a table that moves and is renamed.
CREATE SCHEMA "Odd.Schema";
CREATE TABLE "Odd.Schema"."It""em" ("the Key" int PRIMARY KEY, "Val ue" text);
SELECT evaudit.track('"Odd.Schema"."It""em"');
INSERT INTO "Odd.Schema"."It""em" VALUES (1, 'a');
UPDATE "Odd.Schema"."It""em" SET "Val ue" = 'b';
ALTER TABLE "Odd.Schema"."It""em" RENAME TO thing;
ALTER TABLE "Odd.Schema".thing RENAME COLUMN "Val ue" TO v;
UPDATE "Odd.Schema".thing SET v = 'c';
ALTER SCHEMA "Odd.Schema" RENAME TO even;
UPDATE even.thing SET v = 'd';
ALTER TABLE even.thing SET SCHEMA public;
TRUNCATE thing;
SELECT relation, item_key, operation, updated_attribute, old_value, new_value
FROM audit ORDER BY seq;
TRUNCATE audit;

-- Under any search_path.
SET search_path = '';
INSERT INTO public.thing VALUES (2, 'e');
SELECT evaudit.untrack('public.thing');
SELECT evaudit.track('public.thing');
TRUNCATE public.thing;
SELECT relation, operation FROM public.audit ORDER BY seq;
RESET search_path;
TRUNCATE audit;

-- What is not there is no internal error.
\set VERBOSITY sqlstate
SELECT evaudit.track(0), evaudit.track(4294967295);
SELECT evaudit.untrack(4294967295);
\set VERBOSITY default

DROP TABLE thing;
DROP TABLE item CASCADE;
DROP SEQUENCE item_seq;
DROP SCHEMA even;
TRUNCATE audit;
