-- The extension in a schema of any name, outside everybody's search_path.
SELECT current_database() AS here \gset
CREATE DATABASE regress_evaudit_schema TEMPLATE template0;
\c regress_evaudit_schema
SET client_min_messages = warning;
CREATE SCHEMA "Odd schema";
CREATE EXTENSION evaudit SCHEMA "Odd schema";
CREATE TABLE item (id int PRIMARY KEY, v text);
SELECT evaudit.track('item');
INSERT INTO item VALUES (1, 'a');
INSERT INTO "Odd schema".configuration VALUES ('k', '1');
SELECT relation, item_key, operation, new_value FROM "Odd schema".audit ORDER BY seq;
SELECT "Odd schema".document(a) -> 'newValue' FROM "Odd schema".audit a
WHERE item_key = 'k';
SET search_path = "Odd schema";
SELECT a.document -> 'newValue' FROM audit a WHERE item_key = 'k';
RESET search_path;
-- A table named audit of somebody else's is not taken for it.
CREATE TABLE audit (id int);
UPDATE item SET v = 'b';
SELECT count(*) FROM "Odd schema".audit;
SELECT count(*) FROM audit;

-- Away with it, and back, in the same session.
DROP EXTENSION evaudit;
DROP EXTENSION evaudit CASCADE;
UPDATE item SET v = 'c';
CREATE SCHEMA other;
CREATE EXTENSION evaudit SCHEMA other;
INSERT INTO other.configuration VALUES ('k', '1');
SELECT evaudit.track('item');
UPDATE item SET v = 'd';
SELECT relation, operation, seq FROM other.audit ORDER BY seq;

-- Renamed, it is found by what the session has planned.
SELECT evaudit.publish('login', '{"user_id": "u", "service_id": "s",
	"service_name": "n", "timestamp": "2022-08-04T08:50:39Z"}', 'e');
ALTER SCHEMA other RENAME TO "an other";
SELECT evaudit.publish('login', '{"user_id": "u", "service_id": "s",
	"service_name": "n", "timestamp": "2022-08-04T08:50:40Z"}', 'f');
SELECT "an other".services_for_user('u');
\c :here
DROP DATABASE regress_evaudit_schema;
