-- What bounds JSON that comes in, as text and as jsonb: at each bound one that
-- passes and one that does not.
\pset format unaligned
\pset tuples_only on
SELECT evaudit.create_topic('doc');
SET evaudit.http_events = open;
SET evaudit.http_max_body = '8MB';
-- by SQL, and as text by HTTP
CREATE FUNCTION doors(payload text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
	answer record;
BEGIN
	BEGIN
		PERFORM evaudit.publish('doc', payload::jsonb);
		result := 'ok';
	EXCEPTION WHEN OTHERS THEN
		result := regexp_replace(SQLERRM, '^.*event: ', '');
	END;
	SELECT status, convert_from(body, 'UTF8') AS body INTO answer
	FROM evaudit.http('POST', '/events', NULL, ('{"type": "t", "payload": ' || payload || '}')::bytea);
	RETURN result || ' / ' || CASE answer.status WHEN 201 THEN 'ok'
		ELSE COALESCE(answer.body::jsonb #>> '{detail,0,ctx,error}', answer.body::jsonb #>> '{detail,0,msg}', answer.body) END;
END $$;

-- digits: of integers, fractions and exponents, in members and elements
SELECT left(n, 20), length(n), doors(format('{"a": %s}', n)), doors(format('{"a": [1, %s]}', n))
FROM unnest(ARRAY[repeat('9', 1024), repeat('9', 1025), '-' || repeat('9', 1024), '0.' || repeat('1', 1023),
	'0.' || repeat('1', 1024), '1e1023', '1e1024', '1E+1023', '1E+1024', '-1e1023', '1e-1023', '1e-1024',
	'1.5e1023', '1.5e1024', '0.1e-1022', '0.1e-1023', '1e-60', '12345e-70', '1e131071', '1e-16383', '0e1024']) n;
-- levels
SELECT n, doors('{"a": ' || repeat('[', n) || repeat(']', n) || '}'), doors('{"a": ' || repeat('{"b":', n) || '1' || repeat('}', n) || '}')
FROM unnest(ARRAY[126, 127, 128]) n;
-- values
SELECT evaudit.alter_topic('doc', options => '{"max_payload_bytes": 8000000}');
SELECT evaudit.alter_topic('http_events', options => '{"max_payload_bytes": 8000000}');
SELECT n, doors('{"a": [' || repeat('1,', n) || '1]}') FROM unnest(ARRAY[999990, 1000000]) n;

-- what was received counts, however it is rendered
SELECT evaudit.alter_topic('doc', options => '{"max_payload_bytes": 1000}');
SELECT evaudit.publish('doc', ('{"a": [' || repeat('1e1000,', 100) || '1]}')::jsonb) IS NOT NULL;
SELECT doors(format('{"a": "%s"}', repeat('x', n))) FROM unnest(ARRAY[990, 1000]) n;

-- schemas that are stored
CREATE FUNCTION store(schema jsonb) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM evaudit.alter_topic('doc', schema);
	PERFORM evaudit.register_schema('https://example.com/bounds', schema);
	RETURN 'ok';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
SELECT store('{"maximum": 1e1023}'), store('{"maximum": 1e1024}'), store('{"multipleOf": 1e-1024}'),
	store(('{"enum": [' || repeat('1e1000, ', 5000) || '1]}')::jsonb), store(('{"enum": [' || repeat('-1e-60, ', 40000) || '1]}')::jsonb);
\set VERBOSITY terse
SELECT evaudit.register_schema('https://example.com/bounds', '{"$schema": "http://json-schema.org/draft-07/schema#", "const": 1e1024}');
\set VERBOSITY default
-- a rehearsal says what an event would be told
SELECT evaudit.alter_topic('doc', '{"required": ["a"]}');
SELECT * FROM evaudit.validate('doc', '{"b": 1e1024}');
SELECT * FROM evaudit.validate('doc', '{"b": 1e1023}');
SELECT error FROM evaudit.validate('doc', jsonb_build_object('b', repeat('x', 1000)));

DELETE FROM evaudit.events;
SELECT evaudit.drop_topic('doc');
SELECT evaudit.alter_topic('http_events', options => '{"max_payload_bytes": null}');
SELECT evaudit.unregister_schema('https://example.com/bounds');
DROP FUNCTION doors, store;
