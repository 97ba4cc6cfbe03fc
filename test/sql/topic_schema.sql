-- Events are checked by the schema of their topic.
SET search_path = public;
\pset format unaligned
\pset tuples_only on
\set VERBOSITY terse

CREATE FUNCTION pg_temp.try(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	EXECUTE statement INTO result;
	RETURN result;
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ': ' || SQLERRM;
END
$$;
-- how the validator words a violation is its own affair
CREATE FUNCTION pg_temp.publish(topic text, payload jsonb) RETURNS text LANGUAGE sql AS $$
	SELECT regexp_replace(pg_temp.try(format('SELECT evaudit.publish(%L, %L)', topic, payload)),
		'(at "[^"]*"): [^(]* \(schema', '\1 (schema', 'g')
$$;

SELECT evaudit.create_topic('s', '{
	"type": "object", "required": ["id", "at"],
	"properties": {
		"id": {"type": "string", "format": "uuid"},
		"at": {"type": "string", "format": "date-time"},
		"items": {"type": "array", "items": {"type": "integer", "minimum": 1}, "maxItems": 4}}}',
	'{"event_id": "/id", "timestamp": "/at"}');

-- what it takes, and what is said of what it does not
SELECT pg_temp.publish('s', p) FROM unnest(ARRAY[
	'{"id": "0e37df36-f698-11e6-8dd4-cb9ced3df976", "at": "2025-01-01T00:00:00Z", "items": [1, 2]}',
	'{"id": "0e37df36-f698-11e6-8dd4-cb9ced3df976"}',
	'{"id": "not a uuid", "at": "yesterday"}',
	'{"id": 7, "at": 7, "items": [0, 1.5, "x"]}',
	'{"id": "0e37df36-f698-11e6-8dd4-cb9ced3df976", "at": "2025-01-01T00:00:00Z", "items": [1, 2, 3, 4, 5]}',
	'[]']::jsonb[]) p;
SELECT event_id, schema_version FROM evaudit.events;
-- the schema comes before the mapping, which has its own say
SELECT evaudit.alter_topic('s', options => '{"timestamp": "/when"}');
SELECT pg_temp.publish('s', '{"id": "x"}') LIKE '%breaks the schema%',
	pg_temp.publish('s', '{"id": "0e37df36-f698-11e6-8dd4-cb9ced3df976", "at": "2025-01-01T00:00:00Z"}');
SELECT evaudit.alter_topic('s', options => '{"timestamp": null}');

-- asked beforehand
SELECT * FROM evaudit.validate('s', '{"id": "0e37df36-f698-11e6-8dd4-cb9ced3df976", "at": "2025-01-01T00:00:00Z"}');
SELECT instance_location, keyword_location, error <> ''
	FROM evaudit.validate('s', '{"id": 7, "items": [0, 1.5, "x"]}') ORDER BY 1, 2;
SELECT count(*) FROM evaudit.validate('login', '{}');
SELECT count(*) FROM evaudit.validate('s', NULL);

-- a long list is cut
SELECT length(pg_temp.publish('s', jsonb_build_object(repeat('k', 5000), 1, 'items',
	(SELECT jsonb_agg(repeat('v', 3000)) FROM generate_series(1, 100))))) < 2500;

-- format is checked unless the topic says otherwise
SELECT evaudit.alter_topic('s', options => '{"assert_format": false}');
SELECT pg_temp.publish('s', '{"id": "not a uuid", "at": "yesterday"}');
SELECT count(*) FROM evaudit.validate('s', '{"id": "not a uuid", "at": "yesterday"}');
SELECT evaudit.alter_topic('s', options => '{"assert_format": null}');

-- another version; none
SELECT evaudit.alter_topic('s', '{"required": ["id"]}');
SELECT pg_temp.publish('s', '{"id": "2"}'), pg_temp.publish('s', '{}');
SELECT evaudit.alter_topic('s', 'null');
SELECT pg_temp.publish('s', '{"id": "3"}');
SELECT evaudit.alter_topic('s', 'false');
SELECT pg_temp.publish('s', '{"id": "4"}');
SELECT event_id, schema_version FROM evaudit.events ORDER BY received_at;
-- the same event by an older version stays what it was
SELECT evaudit.alter_topic('s', 'true');
SELECT pg_temp.publish('s', '{"id": "2"}'), schema_version FROM evaudit.events WHERE event_id = '2';

-- a broken schema is refused, and its topic with it
SELECT left(pg_temp.try(format('SELECT evaudit.create_topic(''broken'', %L)', s)), 40) FROM unnest(ARRAY['7', '"x"', '[]',
	'{"type": "objekt"}', '{"properties": {"a": {"minimum": "1"}}}', '{"pattern": "("}',
	'{"$ref": "#/nope"}', '{"$ref": "urn:nope"}']::jsonb[]) s;
SELECT left(pg_temp.try($$SELECT evaudit.alter_topic('s', '{"properties": {"a/b": {"pattern": "["}}}')$$), 60);
SELECT count(*) FROM evaudit.topics WHERE name = 'broken';

-- a schema that refers to another follows it
SELECT evaudit.register_schema('urn:evaudit:id', '{"type": "string"}');
SELECT evaudit.create_topic('ref', '{"properties": {"id": {"$ref": "urn:evaudit:id"}}}');
SELECT pg_temp.publish('ref', '{"id": "x"}') ~ '-', pg_temp.publish('ref', '{"id": 1}');
SELECT evaudit.register_schema('urn:evaudit:id', '{"type": "integer"}');
SELECT pg_temp.publish('ref', '{"id": "x"}'), pg_temp.publish('ref', '{"id": 1}') ~ '-';

-- login with a schema
SELECT evaudit.alter_topic('login', '{"properties": {"user_id": {"pattern": "^u"}}}');
SELECT pg_temp.publish('login', p) FROM unnest(ARRAY[
	'{"id": "1", "user_id": "u", "service_id": "s", "service_name": "a", "timestamp": "2025-01-01T00:00:00Z"}',
	'{"id": "2", "user_id": "v", "service_id": "s", "service_name": "a", "timestamp": "2025-01-01T00:00:00Z"}']::jsonb[]) p;
SELECT user_id FROM user_services;
SELECT evaudit.alter_topic('login', 'null');
DELETE FROM user_services;

SELECT evaudit.drop_topic('s'), evaudit.drop_topic('ref');
DELETE FROM evaudit.events;
DELETE FROM evaudit.schemas WHERE uri = 'urn:evaudit:id';
DELETE FROM evaudit.topic_schemas;
