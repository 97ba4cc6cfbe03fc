-- What comes out of a table of the extension is checked: somebody may have
-- changed it by hand.  An error, and nothing worse.
\set VERBOSITY terse
SELECT evaudit.create_topic('t', '{"type": "object"}');

BEGIN;
ALTER TABLE evaudit.topics ALTER options DROP NOT NULL;
UPDATE evaudit.topics SET options = NULL WHERE name = 't';
SAVEPOINT s;
SELECT evaudit.publish('t', '{}');
ROLLBACK TO s;
SELECT evaudit.alter_topic('t', options => '{"keep": false}');
ROLLBACK;

BEGIN;
ALTER TABLE evaudit.topics ALTER options TYPE text;
SELECT evaudit.publish('t', '{}');
ROLLBACK;

BEGIN;
UPDATE evaudit.topics SET options = '[1]' WHERE name = 't';
SELECT evaudit.publish('t', '{}');
ROLLBACK;

BEGIN;
ALTER TABLE evaudit.topic_schemas ALTER schema DROP NOT NULL;
UPDATE evaudit.topic_schemas SET schema = NULL WHERE topic = 't';
SELECT evaudit.publish('t', '{}');
ROLLBACK;

BEGIN;
ALTER TABLE evaudit.schemas ALTER schema DROP NOT NULL;
INSERT INTO evaudit.schemas VALUES ('https://example.com/null');
SELECT evaudit.json_schema_is_valid('{"$ref": "https://example.com/null"}', '1');
ROLLBACK;

BEGIN;
ALTER TABLE evaudit.schemas ALTER schema TYPE text;
INSERT INTO evaudit.schemas VALUES ('https://example.com/text', '{"type": "string"}');
SELECT evaudit.json_schema_is_valid('{"$ref": "https://example.com/text"}', '1');
ROLLBACK;

BEGIN;
ALTER TABLE user_services DROP CONSTRAINT user_services_pkey;
ALTER TABLE user_services ALTER service_name DROP NOT NULL;
INSERT INTO user_services VALUES ('u', 's', NULL, now());
SELECT services_for_user('u');
ROLLBACK;

SELECT evaudit.drop_topic('t');
