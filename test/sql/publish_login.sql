-- publish('login', …): what a login event must be, and what is said if it is not.
SET search_path = public;
\pset format unaligned
\pset tuples_only on

-- a good event with some members replaced
CREATE FUNCTION pg_temp.login(members jsonb) RETURNS jsonb LANGUAGE sql AS $$
	SELECT '{"user_id": "u", "service_id": "s", "service_name": "n",
			 "timestamp": "2025-01-01T00:00:00Z"}'::jsonb || members
$$;
-- publish it; the stored time, or the error
CREATE FUNCTION pg_temp.try(payload jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	DELETE FROM public.user_services;
	PERFORM evaudit.publish('login', payload);
	SELECT 'ok: ' || left(user_id, 20) || ', ' || left(service_id, 20) || ', ' ||
		   left(service_name, 20) || ', ' ||
		   to_char(last_accessed AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')
		INTO result FROM public.user_services;
	RETURN result;
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ': ' || left(SQLERRM, 200);
END
$$;

-- not an object
SELECT p, pg_temp.try(p) FROM unnest(ARRAY['null', '[]', '"x"', '7', 'true', '[{}]']::jsonb[]) p;
-- nested too deep: 127 arrays in an object are the most
SELECT n, pg_temp.try(pg_temp.login(jsonb_build_object('x',
	(repeat('[', n) || repeat(']', n))::jsonb))) FROM unnest(ARRAY[127, 128, 1000]) n;
-- too large
SELECT pg_temp.try(pg_temp.login(jsonb_build_object('x', repeat('x', 1024 * 1024))));

-- a field is missing; the first in the order of the columns is named
SELECT f, pg_temp.try(pg_temp.login('{}') - f)
	FROM unnest(ARRAY['user_id', 'service_id', 'service_name', 'timestamp']) f;
SELECT pg_temp.try('{}');
SELECT pg_temp.try('{"user_id": "", "service_id": 7}');
-- a field of another type: numbers are not ids
SELECT f, v, pg_temp.try(pg_temp.login(jsonb_build_object(f, v)))
	FROM unnest(ARRAY['user_id', 'service_id', 'service_name', 'timestamp']) f,
		unnest(ARRAY['null', '7', 'true', '{}', '["u"]']::jsonb[]) v;
-- empty or too long: bytes count, not characters, and a name may be either
SELECT f, pg_temp.try(pg_temp.login(jsonb_build_object(f, '')))
	FROM unnest(ARRAY['user_id', 'service_id', 'service_name', 'timestamp']) f;
SELECT f, n, pg_temp.try(pg_temp.login(jsonb_build_object(f, repeat('x', n))))
	FROM unnest(ARRAY['user_id', 'service_id', 'service_name']) f, unnest(ARRAY[1024, 1025]) n;
SELECT n, pg_temp.try(pg_temp.login(jsonb_build_object('user_id', repeat('é', n))))
	FROM unnest(ARRAY[512, 513]) n;
-- odd but good
SELECT pg_temp.try(pg_temp.login('{"user_id": " ", "service_id": "a\"b\\c\u00e9", "service_name": "\ud83d\ude00", "more": {"user_id": 7}}'));

-- times that are RFC 3339
SELECT t, pg_temp.try(pg_temp.login(jsonb_build_object('timestamp', t))) FROM unnest(ARRAY[
	'2025-01-01T00:00:00Z', '2025-01-01t00:00:00z',
	'2025-01-01T00:00:00.1Z', '2025-01-01T00:00:00.1234565Z', '2025-01-01T00:00:00.00000049Z',
	'2025-01-01T05:30:00+05:30', '2024-12-31T23:59:00-00:01', '2025-01-01T00:00:00-00:00',
	'2016-12-31T23:59:60Z', '2016-12-31T15:59:60.5-08:00', '2017-01-01T00:59:60+01:00', '2024-02-29T00:00:00Z', '0001-01-01T00:00:00Z']) t;
-- times that are not
SELECT pg_temp.try(pg_temp.login(jsonb_build_object('timestamp', t))) FROM unnest(ARRAY[
	'2025-01-01 00:00:00Z', '2025-06-15T12:34:60.5Z', '2016-12-31T23:59:60+01:00', '2016-12-31T23:59Z',
	'now', 'infinity', 'epoch', '2025-01-01', '2025-01-01T00:00:00', '2025-01-01T00:00Z',
	'2025-01-01T00:00:00.Z', '2025-01-01T00:00:00,5Z', '2025-01-01T24:00:00Z',
	'2025-01-01T23:60:00Z', '2025-01-01T23:59:61Z', '2025-02-29T00:00:00Z', '1900-02-29T00:00:00Z',
	'2025-13-01T00:00:00Z', '2025-01-00T00:00:00Z', '2025-1-1T00:00:00Z', '12025-01-01T00:00:00Z',
	'-2025-01-01T00:00:00Z', '2025-01-01T00:00:00+24:00', '2025-01-01T00:00:00+0000',
	'2025-01-01T00:00:00+00', '2025-01-01T00:00:00 +00:00', ' 2025-01-01T00:00:00Z',
	'2025-01-01T00:00:00Z ', '20250101T000000Z', '0000-01-01T00:00:00+00:01',
	'9999-12-31T23:59:59.9999999Z', '2025-01-01T00:00:00Z' || E'\n' || repeat('x', 100)]) t;
-- what a schema calls a date-time is an RFC 3339 time, and the other way round
SELECT t, pg_temp.try(pg_temp.login(jsonb_build_object('timestamp', t))) NOT LIKE '%RFC 3339%'
	= evaudit.json_schema_is_valid('{"format": "date-time"}', to_jsonb(t), true) AS agree
FROM unnest(ARRAY['2025-01-01T00:00:00Z', '2025-01-01 00:00:00Z', '2025-06-15T12:34:60Z', '2016-12-31T23:59:60Z',
	'2017-01-01T00:59:60+01:00', '2025-01-01T00:00:00+0000', '2025-01-01T00:00:00+00', '2025-01-01T00:00Z', '2025-01-01t00:00:00,5z']) t;
-- lenient ones, by option
SELECT evaudit.create_topic('lenient', options => '{"timestamp": "/t", "timestamp_format": "iso8601", "keep": true}');
CREATE FUNCTION pg_temp.lenient(t text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	RETURN evaudit.publish('lenient', jsonb_build_object('t', t, 'x', 1), 'id');
EXCEPTION WHEN OTHERS THEN RETURN SQLERRM;
END $$;
CREATE FUNCTION public.show_time(events evaudit.event[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	RAISE NOTICE '% is %', events[1].payload->>'t', events[1].event_time AT TIME ZONE 'UTC';
END $$;
SELECT evaudit.alter_topic('lenient', options => '{"keep": null, "project": "public.show_time"}');
SELECT count(pg_temp.lenient(t)) FROM unnest(ARRAY['2025-01-01T00:00:00Z', '2025-01-01 10:00:00+0000', '2025-01-01T10:00+02',
	'2025-01-01 10:00Z', '2025-01-01T10:00:01,25+0530', '2025-01-01T10:00:01.25-02:30', '2016-12-31T23:59:60+00']) t;
SELECT t, pg_temp.lenient(t) FROM unnest(ARRAY['2025-01-01T10:00:00', '2025-01-01', '20250101T100000Z', '2025-01-01T10Z', '2025-01-01T10:00:00 +00',
	'2025-01-01T10:00:00+000', '2025-01-01T10:00:00+24', '2025-01-01T10:00:00+0060', '2025-01-01T10:00:60+00', '2025-01-01T10:00:00+', '2025-01-01T10:00:Z',
	'2025-01-01T10:00.5Z', '2025-01-01  10:00Z', 'now']) t;
SELECT evaudit.drop_topic('lenient');
DROP FUNCTION public.show_time;
-- times to come
SELECT pg_temp.try(pg_temp.login('{"timestamp": "9999-12-31T23:59:59Z"}'));
SELECT m, pg_temp.try(pg_temp.login(jsonb_build_object('timestamp',
		to_char((now() + m) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')))) LIKE 'ok%'
	FROM unnest(ARRAY['4 min', '6 min']::interval[]) m;

DELETE FROM user_services;
