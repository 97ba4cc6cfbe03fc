-- evaudit.http(): methods, media types, encodings, tags, and pages of other origins.
SET search_path = pg_catalog;
SET client_min_messages = error;
\pset format unaligned
\pset tuples_only on

SELECT evaudit.create_issuer('gate', '{"issuer": "gate", "require_exp": false,
	"jwks": {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg"}]}}');
SELECT evaudit.create_topic('things', '{"type": "object", "required": ["event_id"]}', '{"event_id": "/event_id", "keep": true}');
SELECT evaudit.grant_publish('things', 'Alice');
\set alice '''eyJhbGciOiJFZERTQSJ9.eyJpc3MiOiJnYXRlIiwic3ViIjoiQWxpY2UifQ.fDHFmW448mXf1UagPB9YbPRQi_uk2LB3Z8IEz4hwPv_YFt38o-H154YiykOBhxrFVuEec9WdJjZ2PVgcB979Aw'''

-- a response: its status, some of its headers, and its body
CREATE FUNCTION pg_temp.ask(method text, path text, headers jsonb DEFAULT '{}', body bytea DEFAULT NULL, names text DEFAULT '^Allow$|^Accept')
RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', h.status, (SELECT jsonb_object_agg(key, value) FROM jsonb_each_text(h.headers) WHERE key ~ names),
		NULLIF(convert_from(h.body, 'UTF8'), ''))
	FROM evaudit.http(method, path, ask.headers, ask.body) h
$$;
CREATE FUNCTION pg_temp.publish(headers jsonb, body bytea) RETURNS text LANGUAGE sql AS $$
	SELECT pg_temp.ask('POST', '/topics/things', headers || jsonb_build_object('bearer', current_setting('test.alice')), body)
$$;
SELECT set_config('test.alice', :alice, false) <> '';

-- what a path takes
SELECT m, p, pg_temp.ask(m, p) FROM (VALUES ('DELETE', '/topics/things'), ('PATCH', '/topics'), ('GET', '/stats/things'), ('PUT', '/events'),
	('DELETE', '/events/x'), ('POST', '/health'), ('OPTIONS', '/topics/things'), ('OPTIONS', '/topics/things/'), ('OPTIONS', '/nowhere'),
	('OPTIONS', '/terminate'), ('POST', '/terminate'), ('POST', '/'), ('head', '/topics'), ('HEAD', '/users/u/services')) v(m, p);
SET evaudit.http_events = off;
SELECT pg_temp.ask('DELETE', '/events'), pg_temp.ask('OPTIONS', '/events/x');
RESET evaudit.http_events;
-- gateways know no other methods
SET evaudit.http_compat = eventgate;
SELECT pg_temp.ask('DELETE', '/topics/things'), pg_temp.ask('POST', '/nowhere'), pg_temp.ask('OPTIONS', '/topics');
RESET evaudit.http_compat;
-- one slash at the end
SELECT p, left(pg_temp.ask('GET', p), 3) FROM unnest(ARRAY['/topics/', '/topics//', '/topics/things/', '/topics/things/?a=b', '/topics/things//', '/', '//']) p;

-- media types
SELECT t, pg_temp.publish(jsonb_build_object('Content-Type', t), '{"event_id": "type"}') FROM unnest(ARRAY['application/json', 'APPLICATION/JSON', 'application/json; charset=utf-8',
	'application/json;charset="UTF-8"', 'application/vnd.things+json', 'text/json', '', 'text/plain', 'application/x-www-form-urlencoded', 'application/jsonp',
	'application/json; charset=latin1', 'application/json charset=utf-8', '+json', 'json']) t;
SELECT pg_temp.publish('{"Content-Type": "text/plain"}', '');
SELECT left(pg_temp.ask('GET', '/topics', '{"Content-Type": "text/plain"}'), 3);
SET evaudit.http_compat = eventgate;
SELECT pg_temp.publish('{"Content-Type": "text/plain"}', '{"event_id": "type"}');
RESET evaudit.http_compat;

-- encodings: by Python's gzip, one member and two
SELECT pg_temp.publish('{"content-encoding": "gzip"}', '\x1f8b08000000000002ffab564a2d4bcd2b89cf4c51b25250aaca2c50d251504a2c2800f1ca5393c0bc1220c7b01600a545922b2a000000');
SELECT pg_temp.publish('{"Content-Encoding": " X-GZIP "}', '\x1f8b08000000000002ffab564a2d4bcd2b89cf4c51b252502a29cf57d25100002d050fd4140000001f8b08000000000002ff534a2c2850b252502a4f4d52d251504a2c01720c6b016e384c8216000000');
SELECT event_id FROM evaudit.events WHERE topic = 'things' ORDER BY id;
SELECT e, pg_temp.publish(jsonb_build_object('content-encoding', e), '{"event_id": "plain"}') FROM unnest(ARRAY['', 'identity', 'deflate', 'br', 'gzip, gzip', 'gzip']) e;
-- cut, changed, followed by something else, and what zlib calls deflate
SELECT n, pg_temp.publish('{"content-encoding": "gzip"}', b) FROM (VALUES (1, '\x1f8b08000000000002ffab564a2d4bcd2b89cf4c51b25250aaca2c50d251504a2c2800f1ca5393c0bc'::bytea),
	(2, '\x1f8b08000000000002ffab564a2d4bcd2b89cf4c51b25250aaca2c50d251504a2c2800f1ca5393c0bc1220c7b01600a545922b2a000001'),
	(3, '\x1f8b08000000000002ffab564a2d4bcd2b89cf4c51b25250aaca2c50d251504a2c2800f1ca5393c0bc1220c7b01600a545922b2a00000000'),
	(4, '\x789cabae0500017500f9'), (5, '\x1f')) v(n, b);
-- 3,002 bytes that stand in 38: within the limit, and beyond it
SELECT pg_temp.publish('{"content-encoding": "gzip"}', '\x1f8b08000000000002ffedc1411100000c02a02af6f4ecbe1a7b00090000f05d7784f81c26ba0b0000');
SET evaudit.http_max_body = '2kB';
SELECT pg_temp.publish('{"content-encoding": "gzip"}', '\x1f8b08000000000002ffedc1411100000c02a02af6f4ecbe1a7b00090000f05d7784f81c26ba0b0000');
RESET evaudit.http_max_body;
-- one byte order mark is skipped
SELECT pg_temp.publish('{}', '\xefbbbf' || '{"event_id": "bom"}'::bytea), pg_temp.publish('{}', '\xefbbbfefbbbf' || '{"event_id": "bom"}'::bytea),
	pg_temp.publish('{}', '\xefbbbf');

-- what is wrong with a token
SELECT n, pg_temp.ask('POST', '/topics/things', h, '{}', '^WWW') FROM (VALUES ('none', '{}'::jsonb), ('another scheme', '{"Authorization": "Basic QTpC"}'),
	('garbage', '{"bearer": "x"}'), ('no signature', '{"bearer": "eyJhbGciOiJFZERTQSJ9.eyJpc3MiOiJnYXRlIiwic3ViIjoiQWxpY2UifQ.AAAA"}')) v(n, h);
SELECT pg_temp.ask('POST', '/topics/login', jsonb_build_object('bearer', current_setting('test.alice')), '{}', '^WWW');

-- what may be cached, and by whom
SELECT p, pg_temp.ask('HEAD', p, names => '^Cache|^X-Content') FROM unnest(ARRAY['/topics', '/topics/things', '/topics/none', '/api', '/docs', '/health', '/users/u/services']) p;
SELECT h.headers ->> 'ETag' AS tag, length(h.headers ->> 'ETag') FROM evaudit.http('GET', '/topics/things') h \gset
SELECT :length;
SELECT replace(t, :'tag', 'TAG'), pg_temp.ask(m, '/topics/things', jsonb_build_object('If-None-Match', t), names => '^Content-Type|^Cache') FROM (VALUES ('GET', :'tag'), ('HEAD', 'W/' || :'tag'),
	('GET', '"a", ' || :'tag' || ',"b"'), ('GET', '*'), ('GET', '"a"'), ('GET', ''), ('GET', replace(:'tag', '"', ''))) v(m, t);
SELECT pg_temp.ask('GET', '/topics/none', '{"If-None-Match": "*"}', names => '^ETag');
SELECT evaudit.alter_topic('things', '{"type": "object"}');
SELECT pg_temp.ask('GET', '/topics/things', jsonb_build_object('If-None-Match', :'tag'), names => 'none');
SELECT left(pg_temp.ask('GET', p, jsonb_build_object('If-None-Match', h.headers ->> 'ETag')), 3) FROM unnest(ARRAY['/topics', '/api', '/docs']) p, evaudit.http('GET', p) h;

-- pages of other origins: none, some, and any
SELECT pg_temp.ask('GET', '/token', '{"Origin": "https://a.example"}', names => '^Access|^Vary');
SET evaudit.http_cors_origins = 'https://a.example, http://localhost:3000';
SELECT o, pg_temp.ask('GET', '/token', jsonb_build_object('Origin', o), names => '^Access|^Vary') FROM unnest(ARRAY['https://a.example', 'http://localhost:3000', 'http://localhost',
	'https://A.example', 'null', 'https://a.example.evil', NULL]) o;
-- errors are for the page as well, and so is what is refused early
SELECT left(pg_temp.ask(m, p, '{"Origin": "https://a.example"}', '{}', '^Access-Control-Allow'), 80) FROM (VALUES ('GET', '/nowhere'), ('POST', '/topics/things'), ('PUT', '/topics'), ('GET', '/' || repeat('x', 3000))) v(m, p);
-- what a page may send: what it asks for, of the methods that the path takes
SELECT p, pg_temp.ask('OPTIONS', p, jsonb_build_object('Origin', 'https://a.example', 'Access-Control-Request-Method', 'POST', 'Access-Control-Request-Headers', h), names => '^Access|^Vary|^Allow')
FROM (VALUES ('/topics/things', 'authorization,content-type'), ('/events', 'x-any'), ('/topics', E'x\nSet-Cookie: a'), ('/nowhere', 'x')) v(p, h);
SET evaudit.http_cors_credentials = on;
SET evaudit.http_cors_max_age = '1h';
SET evaudit.http_cors_headers = 'authorization, content-type';
SELECT pg_temp.ask('OPTIONS', '/topics', '{"Origin": "https://a.example", "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "x-any"}', names => '^Access');
SET evaudit.http_cors_origins = '*';
SELECT pg_temp.ask('GET', '/token', '{"Origin": "https://b.example"}', names => '^Access|^Vary');
SET evaudit.http_cors_origins = 'https://a.example/';
SET evaudit.http_cors_origins = 'a.example';
SET evaudit.http_cors_origins = 'https://A.example';
SET evaudit.http_cors_origins = 'https://*.example, null';
SET evaudit.http_cors_origins = '';
RESET evaudit.http_cors_origins;

-- the query at the root, by a subject for itself
SELECT pg_temp.ask('GET', '/?user_id=Alice');
SET evaudit.http_services_root = on;
SELECT q, pg_temp.ask('GET', q, jsonb_build_object('bearer', current_setting('test.alice'))) FROM unnest(ARRAY['/?user_id=Alice', '/?user_id=alice', '/?user_id=Bob', '/?a=b&user_id=Al%69ce&user_id=Bob',
	'/', '/?user_id=', '/?user_id=%ff', '/?user_idx=Alice', '/users/Alice/services', '/users/alice/services']) q;
INSERT INTO public.user_services VALUES ('Al ice', 's', 'S', '2025-01-01Z');
SET evaudit.http_services = open;
SELECT pg_temp.ask('GET', '/?user_id=Al+ice#x'), pg_temp.ask('GET', '/?user_id=Al%20ice&x');
SET evaudit.http_services = off;
SELECT pg_temp.ask('GET', '/?user_id=Alice');

DELETE FROM public.user_services;
SELECT evaudit.drop_topic('things');
SELECT evaudit.drop_issuer('gate');
TRUNCATE evaudit.events, evaudit.topic_schemas;
