-- Topics as data: made, altered, dropped and imported, and who may.
SET search_path = public;
\pset format unaligned
\pset tuples_only on
\set VERBOSITY terse

-- what stands of a topic
CREATE FUNCTION pg_temp.show(topic text) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', options::text, 'version ' || schema_version,
		(SELECT schema FROM evaudit.topic_schemas s
		 WHERE s.topic = name AND s.version = schema_version)::text)
	FROM evaudit.topics WHERE name = show.topic
$$;
-- the error of a statement, with its hint
CREATE FUNCTION pg_temp.try(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	hint text;
BEGIN
	EXECUTE statement;
	RETURN 'ok';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
	RETURN concat_ws(' ', SQLSTATE || ':', SQLERRM, NULLIF(hint, ''));
END
$$;
CREATE FUNCTION pg_temp.create_with(options jsonb) RETURNS text LANGUAGE sql AS $$
	SELECT pg_temp.try(format('SELECT evaudit.create_topic(%L, options => %L)', 'bad', options))
$$;

-- made and altered: what is not named stays, null takes back the default
SELECT evaudit.create_topic('orders');
SELECT pg_temp.show('orders');
SELECT evaudit.alter_topic('orders', options => '{"event_id": "/id", "keep": false, "max_future": null}');
SELECT pg_temp.show('orders');
SELECT evaudit.alter_topic('orders', options => '{"keep": null}');
SELECT pg_temp.show('orders');
SELECT evaudit.alter_topic('orders');
SELECT pg_temp.show('orders');

-- a schema has a new version when it is another one
SELECT evaudit.alter_topic('orders', '{"type": "object"}');
SELECT pg_temp.show('orders');
SELECT evaudit.alter_topic('orders', '{"type": "object"}', '{"keep": true}');
SELECT pg_temp.show('orders');
SELECT evaudit.alter_topic('orders', '{"required": ["id"]}');
SELECT evaudit.alter_topic('orders', 'null');
SELECT pg_temp.show('orders');
SELECT evaudit.alter_topic('orders', '{"type": "object"}');
SELECT pg_temp.show('orders');
SELECT topic, version, schema FROM evaudit.topic_schemas ORDER BY 1, 2;
SELECT evaudit.create_topic('strict', 'true', '{"assert_format": false}');
SELECT pg_temp.show('strict');

-- names
SELECT pg_temp.try($$SELECT evaudit.create_topic('orders')$$);
SELECT pg_temp.try($$SELECT evaudit.create_topic('')$$);
SELECT pg_temp.try($$SELECT evaudit.create_topic(NULL)$$);
SELECT n, pg_temp.try(format('SELECT evaudit.create_topic(%L)', repeat('x', n))) FROM unnest(ARRAY[249, 250]) n;
SELECT evaudit.drop_topic(repeat('x', 249));
SELECT pg_temp.try($$SELECT evaudit.alter_topic('nope')$$);
SELECT pg_temp.try($$SELECT evaudit.drop_topic('nope')$$);
SELECT pg_temp.try($$SELECT evaudit.publish('nope', '{}')$$);
SELECT pg_temp.try($$SELECT evaudit.publish(repeat('x', 300), '{}')$$);
SELECT pg_temp.try($$SELECT * FROM evaudit.validate('nope', '{}')$$);

-- options that cannot be: none of them leaves a topic behind
SELECT o, pg_temp.create_with(o) FROM unnest(ARRAY['[]', '"x"', '{"kep": true}', '{"keep": 1}',
	'{"keep": "true"}', '{"assert_format": "no"}', '{"project": 7}', '{"project": "user_services"}',
	'{"project": "user_services", "fields": {"user_id": "/u", "service_id": "/s"}}',
	'{"project": "f"}', '{"project": "a.b.c"}', '{"project": "nope.f"}', '{"project": "pg_catalog.now"}',
	'{"key": "k"}', '{"key": ""}', '{"event_id": "/a~2"}', '{"event_id": 1}', '{"timestamp_format": "iso"}',
	'{"fields": {"nope": "/x"}}', '{"fields": []}', '{"max_future": "-1s"}', '{"max_payload_bytes": 0}',
	'{"max_payload_bytes": 33554433}', '{"max_payload_bytes": 33554433, "keep": false, "nope": 1}']::jsonb[]) o;
SELECT pg_temp.try($$SELECT evaudit.alter_topic('orders', options => '{"keep": 1}')$$);
SELECT pg_temp.create_with('{"max_payload_bytes": 33554433, "keep": false}');
SELECT evaudit.drop_topic('bad');
SELECT name FROM evaudit.topics WHERE seed IS NULL ORDER BY name;

-- login takes options and a schema as well, but stays
SELECT pg_temp.try($$SELECT evaudit.drop_topic('login')$$);
BEGIN;
SELECT evaudit.alter_topic('login', options => '{"fields": {"user_id": "/u", "service_id": "/s", "service_name": "/n"}, "timestamp": "/t"}');
SELECT evaudit.publish('login', '{"u": "u", "s": "s", "n": "n", "t": "2025-01-01T00:00:00Z"}', 'x');
SELECT user_id, service_id, service_name FROM user_services;
ROLLBACK;
-- a session keeps a topic compiled: a rollback takes that back, too
SELECT pg_temp.try($$SELECT evaudit.publish('login', '{"u": "u", "s": "s", "n": "n", "t": "2025-01-01T00:00:00Z"}')$$);
BEGIN;
SAVEPOINT s;
SELECT evaudit.alter_topic('orders', options => '{"event_id": "/number"}');
SELECT evaudit.publish('orders', '{"id": "i", "number": "n"}');
ROLLBACK TO s;
SELECT evaudit.publish('orders', '{"id": "i", "number": "n"}');
UPDATE evaudit.topics SET options = options || '{"event_id": "/other"}' WHERE name = 'orders';
SELECT evaudit.publish('orders', '{"id": "i", "number": "n", "other": "o"}');
ROLLBACK;
SELECT evaudit.publish('orders', '{"id": "i2", "number": "n"}');

-- what is kept stays when a topic goes, with the schemas that accepted it
SELECT evaudit.drop_topic('orders'), evaudit.drop_topic('strict');
SELECT topic, event_id, schema_version FROM evaudit.events;
SELECT topic, version FROM evaudit.topic_schemas ORDER BY 1, 2;
SELECT evaudit.create_topic('orders', '{"minProperties": 1}');
SELECT pg_temp.show('orders');
DELETE FROM evaudit.events;
SELECT evaudit.drop_topic('orders');
SELECT count(*) FROM evaudit.topic_schemas;

-- import: our form, a gateway's, names of files, keys
SELECT evaudit.import_topics('{
	"ours": {"schema": {"type": "object"}, "options": {"event_id": "/id", "keep": false}},
	"bare": {"options": {"key": "/k"}},
	"public.runs.json": {"type": "object", "properties": {"event_id": {"type": "string"}, "source_app": {}}},
	"any": true}',
	'{"public.runs": "source_app", "any": "a/b~c", "ours": "id"}');
SELECT name, pg_temp.show(name) FROM evaudit.topics WHERE seed IS NULL ORDER BY name;
-- once more: no new versions, and what was set stays
SELECT evaudit.alter_topic('public.runs', options => '{"max_future": "1h"}');
SELECT evaudit.import_topics('{"ours": {"schema": {"type": "object"}, "options": {"keep": true}},
	"public.runs": {"type": "object", "properties": {"event_id": {"type": "string"}, "source_app": {}}}}');
SELECT name, pg_temp.show(name) FROM evaudit.topics WHERE name IN ('ours', 'public.runs') ORDER BY name;
-- all or nothing
SELECT pg_temp.try($$SELECT evaudit.import_topics('{"fine": true, "worse": {"options": {"kep": true}}}')$$);
SELECT pg_temp.try($$SELECT evaudit.import_topics('{"fine": true}', '{"nope": "x"}')$$);
SELECT pg_temp.try($$SELECT evaudit.import_topics('{"fine": true}', '{"fine": 7}')$$);
SELECT pg_temp.try($$SELECT evaudit.import_topics('[]')$$);
SELECT pg_temp.try($$SELECT evaudit.import_topics('{}', '[]')$$);
SELECT evaudit.import_topics(NULL) IS NULL, evaudit.import_topics('{}');
SELECT name FROM evaudit.topics WHERE seed IS NULL ORDER BY name;

-- who may: the owner of the database, and whom it is granted to
CREATE ROLE topics_stranger;
CREATE ROLE topics_maker;
GRANT EXECUTE ON FUNCTION evaudit.create_topic(text, jsonb, jsonb) TO topics_maker;
SET ROLE topics_stranger;
SELECT pg_temp.try(s) FROM unnest(ARRAY['SELECT evaudit.create_topic(''x'')',
	'SELECT evaudit.alter_topic(''ours'')', 'SELECT evaudit.drop_topic(''ours'')',
	'SELECT evaudit.import_topics(''{}'')', 'SELECT * FROM evaudit.topics',
	'SELECT * FROM evaudit.topic_schemas']) s;
SET ROLE topics_maker;
SELECT pg_temp.try($$SELECT evaudit.create_topic('made')$$);
SELECT pg_temp.try($$SELECT evaudit.drop_topic('made')$$);
RESET ROLE;
REVOKE EXECUTE ON FUNCTION evaudit.create_topic(text, jsonb, jsonb) FROM topics_maker;
DROP ROLE topics_stranger, topics_maker;
SELECT evaudit.drop_topic(name) FROM evaudit.topics WHERE seed IS NULL;
SELECT count(*) FROM evaudit.topic_schemas;
