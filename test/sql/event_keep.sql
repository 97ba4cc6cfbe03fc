-- Kept events: an id of a topic names one payload, for good.
SET search_path = public;
\pset format unaligned
\pset tuples_only on
\set VERBOSITY terse

CREATE FUNCTION pg_temp.try(topic text, payload jsonb, id text DEFAULT NULL) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
	RETURN evaudit.publish(topic, payload, id);
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ': ' || left(SQLERRM, 120);
END
$$;

SELECT evaudit.create_topic('log', options => '{"event_id": "/id", "max_payload_bytes": 2000}');
-- what is kept of an event
SELECT evaudit.publish('log', '{"id": "first", "n": [1, "\u00e9", null]}');
SELECT topic, event_id, payload, subject = current_user, source, source_position,
	received_at BETWEEN now() - interval '1 min' AND clock_timestamp(), schema_version FROM evaudit.events;
-- once more: the same event, as jsonb has it
SELECT evaudit.publish('log', '{"n": [1.0, "é", null], "id": "first"}');
-- another one of that id
SELECT pg_temp.try('log', '{"id": "first", "n": 2}');
SELECT pg_temp.try('log', '{"id": "second"}', 'first');
SELECT event_id, payload FROM evaudit.events;
-- the same id in another topic
SELECT evaudit.create_topic('other', '{}', '{"event_id": "/id"}');
SELECT evaudit.publish('other', '{"id": "first"}');
SELECT topic, event_id, schema_version FROM evaudit.events ORDER BY 1, 2;

-- where an id comes from: it is given, or in the payload, or made
SELECT left(pg_temp.try('log', p, i), 100) FROM (VALUES ('{"id": "in payload"}'::jsonb, NULL), ('{"id": "in payload"}', 'given'),
	('{"id": 1e2}', NULL), ('{"id": "100"}', NULL), ('{"id": null}', ''), ('{"id": "x"}', repeat('x', 1024)),
	('{"id": "x"}', repeat('é', 513)), (jsonb_build_object('id', repeat('x', 1025)), NULL)) v(p, i);
SELECT pg_temp.try('log', p) ~ '^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$'
	FROM unnest(ARRAY['{}', '{"id": ""}', '{"id": {}}', '{"id": false}']::jsonb[]) p;
-- what cannot be kept
SELECT pg_temp.try('log', p) FROM unnest(ARRAY['[]', '7', 'null', jsonb_build_object('x', repeat('x', 2000))]) p;
SELECT pg_temp.try('log', NULL), pg_temp.try(NULL, '{}');
DELETE FROM evaudit.events;

-- the caller's transaction
BEGIN;
SELECT evaudit.publish('log', '{"id": "gone"}');
ROLLBACK;
BEGIN;
SELECT evaudit.publish('log', '{"id": "a"}');
SAVEPOINT s;
SELECT evaudit.publish('log', '{"id": "a", "x": 1}');
ROLLBACK TO s;
SELECT evaudit.publish('log', '{"id": "a"}');
COMMIT;
SELECT count(evaudit.publish('log', jsonb_build_object('id', i % 100))) FROM generate_series(1, 1000) i;
SELECT count(*), count(DISTINCT event_id) FROM evaudit.events;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT evaudit.publish('log', '{"id": "a"}'), evaudit.publish('log', '{"id": "serial"}');
COMMIT;
DELETE FROM evaudit.events;

-- kept and merged: a repeat changes nothing, a conflict is not merged
SELECT evaudit.alter_topic('login', options => '{"keep": true}');
SELECT pg_temp.try('login', p) FROM unnest(ARRAY[
	'{"id": "1", "user_id": "u", "service_id": "s", "service_name": "a", "timestamp": "2025-01-01T00:00:00Z"}',
	'{"id": "1", "user_id": "u", "service_id": "s", "service_name": "a", "timestamp": "2025-01-01T00:00:00Z"}',
	'{"id": "1", "user_id": "u", "service_id": "s", "service_name": "b", "timestamp": "2025-01-02T00:00:00Z"}',
	'{"id": "2", "user_id": "u", "service_id": "s", "service_name": "c", "timestamp": "infinity"}']::jsonb[]) p;
SELECT topic, event_id FROM evaudit.events;
SELECT service_name FROM user_services;
SELECT evaudit.alter_topic('login', options => '{"keep": false}');
DELETE FROM user_services;
DELETE FROM evaudit.events;

-- who may: INSERT on the table; nobody needs to read it for that
CREATE ROLE events_publisher;
CREATE ROLE events_stranger;
GRANT INSERT ON evaudit.events TO events_publisher;
SET ROLE events_stranger;
SELECT pg_temp.try('log', '{"id": "stranger"}');
SET ROLE events_publisher;
SELECT pg_temp.try('log', '{"id": "a", "x": 1}'), pg_temp.try('log', '{"id": "a", "x": 1}'), pg_temp.try('log', '{"id": "a"}');
SELECT count(*) FROM evaudit.events;
RESET ROLE;
SELECT event_id, payload, subject FROM evaudit.events;
-- a publisher is the one who calls
CREATE FUNCTION pg_temp.publish_for_all(payload jsonb) RETURNS text LANGUAGE sql SECURITY DEFINER
	SET search_path = pg_catalog AS $$SELECT evaudit.publish('log', payload)$$;
ALTER FUNCTION pg_temp.publish_for_all(jsonb) OWNER TO events_publisher;
SET ROLE events_stranger;
SELECT pg_temp.publish_for_all('{"id": "b"}');
RESET ROLE;
SELECT event_id, subject FROM evaudit.events ORDER BY 1;
REVOKE INSERT ON evaudit.events FROM events_publisher;
DROP FUNCTION pg_temp.publish_for_all(jsonb);
DROP ROLE events_publisher, events_stranger;

-- a row that never comes is an error, not a loop
CREATE FUNCTION pg_temp.skip() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NULL; END$$;
CREATE TRIGGER skip BEFORE INSERT ON evaudit.events FOR EACH ROW EXECUTE FUNCTION pg_temp.skip();
SELECT pg_temp.try('log', '{"id": "skipped"}');
DROP TRIGGER skip ON evaudit.events;

DELETE FROM evaudit.events;
SELECT evaudit.drop_topic('log'), evaudit.drop_topic('other');
