-- What a topic's options may say, and what they make of an event.
SET search_path = public;
SET timezone = 'UTC';
SET datestyle = 'ISO';
\pset format unaligned
\pset tuples_only on

CREATE TEMP TABLE usual AS
	SELECT options FROM evaudit.topics WHERE name = 'login';
CREATE FUNCTION pg_temp.set_options(o jsonb) RETURNS void LANGUAGE sql AS $$
	UPDATE evaudit.topics SET options = o WHERE name = 'login'
$$;
-- publish an event by a topic of such options; the row, or the error
CREATE FUNCTION pg_temp.try(o jsonb, payload jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	DELETE FROM public.user_services;
	PERFORM pg_temp.set_options(o);
	PERFORM evaudit.publish('login', payload);
	SELECT concat_ws(', ', user_id, service_id, service_name, last_accessed)
		INTO result FROM public.user_services;
	RETURN result;
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ': ' || SQLERRM;
END
$$;
-- by the usual options, some of them replaced, an event of the usual fields
CREATE FUNCTION pg_temp.try_with(changes jsonb, event_time jsonb = '"2025-01-01T00:00:00Z"')
RETURNS text LANGUAGE sql AS $$
	SELECT pg_temp.try(options || changes,
		jsonb_build_object('user_id', 'u', 'service_id', 's', 'service_name', 'n',
						   'timestamp', event_time))
	FROM usual
$$;

-- not options
SELECT o, pg_temp.try(o, '{}') FROM unnest(ARRAY['[]', '7', 'null', '"x"', '{"colour": 1}']::jsonb[]) o;
-- values of another kind
SELECT o, v, pg_temp.try_with(jsonb_build_object(o, v))
	FROM unnest(ARRAY['key', 'event_id', 'timestamp', 'timestamp_format', 'fields', 'max_future',
					  'max_payload_bytes']) o,
		unnest(ARRAY['null', '-1', '[]']::jsonb[]) v;
-- not JSON pointers to a member
SELECT p, pg_temp.try_with(jsonb_build_object('event_id', p))
	FROM unnest(ARRAY['', 'id', 'id/', '/a~', '/a~2', '/a/~x']) p;
SELECT pg_temp.try_with(f) FROM unnest(ARRAY['{"fields": {"user_id": "user_id"}}',
	'{"fields": {"user_id": 7}}', '{"fields": {"user": "/user_id"}}']::jsonb[]) f;
-- not a format, a size, an interval
SELECT v, pg_temp.try_with(jsonb_build_object('timestamp_format', v))
	FROM unnest(ARRAY['', 'epoch', 'RFC3339']) v;
SELECT v, pg_temp.try_with(jsonb_build_object('max_payload_bytes', v))
	FROM unnest(ARRAY[0, 1, 268435455, 268435456, 1e20, 'NaN'::float8]) v;
SELECT v, pg_temp.try_with(jsonb_build_object('max_future', v)) FROM unnest(ARRAY[
	'', 'x', '-1 s', '1 day -25 hours', '200000 years', '99999999 years', 'infinity', 'today',
	'1 month', 'PT1H', 'P1Y2M3DT4H', '1-2', '0']) v;
-- the last of several intervals that is long enough
SELECT v, pg_temp.try_with(jsonb_build_object('max_future', v),
		to_jsonb(to_char(now() + interval '1 hour', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))) ~ '^u, s'
	FROM unnest(ARRAY['59 min', '1 hour 1 min', 'PT2H']) v;

-- pointers: into objects and arrays, with escapes, two to one member, past the end
SELECT pg_temp.try(options || '{"fields": {"user_id": "/who/0", "service_id": "/a~1b~0c",
	"service_name": "/who/1/name"}, "event_id": "/who/0"}',
	'{"who": ["u0", {"name": "n1"}], "a/b~c": "s", "timestamp": "2025-01-01T00:00:00Z"}') FROM usual;
SELECT p, pg_temp.try_with(jsonb_build_object('fields', jsonb_build_object('user_id', p,
		'service_id', '/service_id', 'service_name', '/service_name')))
	FROM unnest(ARRAY['/service_id', '/user_id/0', '/user_id/x', '/', '/0', '/00', '/1234567890']) p;
SELECT p, pg_temp.try(options || jsonb_build_object('fields', jsonb_build_object('user_id', p,
		'service_id', '/s', 'service_name', '/s')),
	'{"u": ["u0", "u1", ["u20"]], "s": "s", "timestamp": "2025-01-01T00:00:00Z"}')
	FROM usual, unnest(ARRAY['/u/0', '/u/1', '/u/2/0', '/u/2', '/u/3', '/u/01', '/u/-', '/u']) p;

-- seconds and milliseconds since 1970
CREATE TEMP TABLE numbers AS SELECT * FROM unnest(ARRAY[
	0, -1, 1659602439, 1659602439.123456, 0.0000005, 0.0000004999999, -0.0000005, 1659602439000,
	1e-20, -62167219200, -62167219201, 253402300799, 253402300800, 1e17, 1e30,
	-62167219200000, -62167219200001]::numeric[]) WITH ORDINALITY v (v, i);
SELECT v, pg_temp.try_with('{"timestamp_format": "epoch_s", "max_future": "90000 years"}', to_jsonb(v))
	FROM numbers ORDER BY i;
SELECT v, pg_temp.try_with('{"timestamp_format": "epoch_ms", "max_future": "90000 years"}', to_jsonb(v))
	FROM numbers ORDER BY i;
-- which must be as to_timestamp() has it
SELECT v FROM numbers
	WHERE v BETWEEN -62135596800 AND 253402300799 AND v = trunc(v, 6) AND
	pg_temp.try_with('{"timestamp_format": "epoch_s", "max_future": "90000 years"}', to_jsonb(v))
	<> 'u, s, n, ' || (timestamptz '1970-01-01 00:00:00Z' + v * interval '1 s');
SELECT f, v, pg_temp.try_with(jsonb_build_object('timestamp_format', f), v)
	FROM unnest(ARRAY['epoch_s', 'epoch_ms']) f, unnest(ARRAY['"1659602439"', 'null', '{}']::jsonb[]) v;
SELECT f, pg_temp.try_with(jsonb_build_object('timestamp_format', f), '99999999999')
	FROM unnest(ARRAY['epoch_s', 'epoch_ms']) f;
-- of the record, of which publish() has none; and of neither
SELECT pg_temp.try_with('{"timestamp_format": "record"}');
SELECT split_part(pg_temp.try(options - 'timestamp',
		'{"user_id": "u", "service_id": "s", "service_name": "n"}'), ', ', 4)::timestamptz
	BETWEEN now() AND clock_timestamp() FROM usual;

-- ids of events: a string or a number as jsonb has it, else none
CREATE FUNCTION pg_temp.event_id(id jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	result := evaudit.publish('login', jsonb_build_object('user_id', 'u', 'service_id', 's',
		'service_name', 'n', 'timestamp', '2025-01-01T00:00:00Z', 'id', id));
	RETURN CASE WHEN result ~ '^[0-9a-f]{8}-[0-9a-f-]{27}$' THEN 'a new one' ELSE result END;
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ': ' || left(SQLERRM, 200);
END
$$;
SELECT i, pg_temp.event_id(i) FROM unnest(ARRAY['"e"', '""', '7', '-7', '1e2', '1.50', '1e-3', '[]', 'null',
	'true']::jsonb[]) i;
SELECT n, length(pg_temp.event_id(to_jsonb(repeat('9', n)::numeric))),
		left(pg_temp.event_id(to_jsonb(repeat('9', n)::numeric)), 60),
		left(pg_temp.event_id(to_jsonb(-repeat('9', n)::numeric)), 60)
	FROM unnest(ARRAY[1023, 1024, 1025]) n;
SELECT n, left(pg_temp.event_id(to_jsonb(repeat('é', n))), 60) FROM unnest(ARRAY[512, 513]) n;

-- what is not there, or not for everybody
SELECT pg_temp.set_options(options) FROM usual;
SELECT evaudit.publish('no such topic', '{}');
SELECT evaudit.publish(NULL, '{}'), evaudit.publish('login', NULL);
TRUNCATE public.user_services;
