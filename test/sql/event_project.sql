-- Events handed to a function of the user's.
SET search_path = public;
\pset format unaligned
\pset tuples_only on
\set VERBOSITY terse

CREATE FUNCTION pg_temp.try(topic text, payload jsonb, id text DEFAULT NULL) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
	RETURN evaudit.publish(topic, payload, id);
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ': ' || SQLERRM;
END
$$;
CREATE SCHEMA "Proj App";
SET search_path = "Proj App";
CREATE TABLE seen (n serial, topic text, event_id text, key bytea, payload jsonb, headers jsonb,
	event_time timestamptz, subject text, source text, source_position jsonb, ran_as name DEFAULT current_user);
CREATE FUNCTION "On Event"(events evaudit.event[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO "Proj App".seen (topic, event_id, key, payload, headers, event_time, subject, source, source_position)
	SELECT * FROM pg_catalog.unnest(events);
	IF (events[1]).payload->>'fail' IS NOT NULL THEN
		RAISE EXCEPTION 'cannot take %', (events[1]).payload->>'fail';
	END IF;
END
$$;
SET search_path = public;
SELECT evaudit.create_topic('p', options => '{"project": "\"Proj App\".\"On Event\"", "key": "/k", "event_id": "/id",
	"timestamp": "/at", "timestamp_format": "epoch_s"}');
SELECT pg_temp.try('p', '{"id": "a", "k": "key", "at": 1700000000}');
SELECT topic, event_id, convert_from(key, 'UTF8'), payload, headers, event_time AT TIME ZONE 'UTC',
	subject = current_user, source, source_position FROM "Proj App".seen;
-- not kept: each call counts
SELECT pg_temp.try('p', '{"id": "a", "k": 17, "at": 1700000000}');
SELECT pg_temp.try('p', '{"k": {}, "at": 1700000000}') ~ '^[-0-9a-f]{36}$';
SELECT event_id = 'a', convert_from(key, 'UTF8') FROM "Proj App".seen ORDER BY n;
SELECT count(*) FROM evaudit.events;
TRUNCATE "Proj App".seen;

-- kept as well: once for an event
SELECT evaudit.alter_topic('p', options => '{"keep": true}');
SELECT pg_temp.try('p', p) FROM unnest(ARRAY['{"id": "a", "at": 1}', '{"id": "a", "at": 1}', '{"id": "a", "at": 2}',
	'{"id": "b", "at": 1, "fail": "b"}', '{"id": "b", "at": 1}']::jsonb[]) p;
SELECT event_id, payload FROM "Proj App".seen ORDER BY n;
SELECT event_id, payload FROM evaudit.events ORDER BY 1;

-- the function sees the row of its event, and may publish and alter
CREATE FUNCTION "Proj App".chain(events evaudit.event[]) RETURNS integer LANGUAGE sql AS $$
	SELECT evaudit.alter_topic('chain', options => '{"event_id": "/other"}')
		WHERE (events[1]).payload ? 'alter';
	SELECT count(evaudit.publish('p', e.payload || '{"at": 5}', 'from ' || e.event_id))::integer
	FROM unnest(events) e, evaudit.events k WHERE k.topic = e.topic AND k.event_id = e.event_id
$$;
SELECT evaudit.create_topic('chain', options => '{"project": "Proj App.chain"}');
SELECT evaudit.create_topic('chain', options => '{"project": "\"Proj App\".chain", "keep": true, "event_id": "/id"}');
SELECT pg_temp.try('chain', '{"id": "1"}'), pg_temp.try('chain', '{"id": "2", "alter": true, "other": "o"}'),
	pg_temp.try('chain', '{"id": "3", "other": "o"}');
SELECT topic, event_id FROM evaudit.events ORDER BY 1, 2;

-- a superuser's function runs as the one who publishes, who needs EXECUTE and what it touches
CREATE ROLE projection_caller;
GRANT INSERT ON evaudit.events TO projection_caller;
GRANT USAGE ON SCHEMA "Proj App" TO projection_caller;
REVOKE EXECUTE ON FUNCTION "Proj App"."On Event"(evaudit.event[]) FROM PUBLIC;
SET ROLE projection_caller;
SELECT pg_temp.try('p', '{"id": "c", "at": 1}');
RESET ROLE;
GRANT EXECUTE ON FUNCTION "Proj App"."On Event"(evaudit.event[]) TO projection_caller;
SET ROLE projection_caller;
SELECT pg_temp.try('p', '{"id": "c", "at": 1}');
RESET ROLE;
GRANT INSERT ON "Proj App".seen TO projection_caller;
GRANT USAGE ON SEQUENCE "Proj App".seen_n_seq TO projection_caller;
SET ROLE projection_caller;
SELECT pg_temp.try('p', '{"id": "c", "at": 1}');
RESET ROLE;
SELECT event_id, ran_as, subject FROM "Proj App".seen WHERE event_id = 'c';
SELECT count(*) FROM evaudit.events WHERE event_id = 'c';

-- other forms of function, and one that goes away
CREATE FUNCTION "Proj App".many(events evaudit.event[]) RETURNS SETOF text LANGUAGE sql AS $$SELECT 'x'$$;
CREATE PROCEDURE "Proj App".proc(events evaudit.event[]) LANGUAGE sql AS $$SELECT 1$$;
CREATE FUNCTION "Proj App".trig() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NULL; END$$;
CREATE FUNCTION "Proj App".one(events evaudit.event[]) RETURNS evaudit.event STRICT LANGUAGE sql AS $$SELECT events[1]$$;
SELECT evaudit.alter_topic('p', options => '{"project": "\"Proj App\".many"}');
SELECT evaudit.alter_topic('p', options => '{"project": "\"Proj App\".proc"}');
SELECT evaudit.alter_topic('p', options => '{"project": "\"Proj App\".trig"}');
SELECT evaudit.alter_topic('p', options => '{"project": "\"Proj App\".one"}');
SELECT pg_temp.try('p', '{"id": "one", "at": 1}');
DROP FUNCTION "Proj App".one(evaudit.event[]);
SELECT pg_temp.try('p', '{"id": "none", "at": 1}');
CREATE FUNCTION "Proj App".one(events evaudit.event[]) RETURNS void LANGUAGE plpgsql AS $$BEGIN END$$;
SELECT pg_temp.try('p', '{"id": "none", "at": 1}');

SELECT evaudit.drop_topic('p'), evaudit.drop_topic('chain');
DELETE FROM evaudit.events;
REVOKE INSERT ON evaudit.events FROM projection_caller;
DROP SCHEMA "Proj App" CASCADE;
DROP ROLE projection_caller;
