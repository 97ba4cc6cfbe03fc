-- evaudit.http(): every route with every status that it has.
SET search_path = pg_catalog;
SET client_min_messages = error;
\pset format unaligned
\pset tuples_only on

-- tokens of an issuer whose key signed them for good
SELECT evaudit.create_issuer('gate', '{"issuer": "gate", "require_exp": false, "token_url": "https://login.example/token?for=gate",
	"jwks": {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg"}]}}');
CREATE TABLE public.evaudit_http_token (who text PRIMARY KEY, token text);
INSERT INTO public.evaudit_http_token VALUES
	('Alice', 'eyJhbGciOiJFZERTQSJ9.eyJpc3MiOiJnYXRlIiwic3ViIjoiQWxpY2UifQ.fDHFmW448mXf1UagPB9YbPRQi_uk2LB3Z8IEz4hwPv_YFt38o-H154YiykOBhxrFVuEec9WdJjZ2PVgcB979Aw'),
	('ALICE', 'eyJhbGciOiJFZERTQSJ9.eyJpc3MiOiJnYXRlIiwic3ViIjoiQUxJQ0UifQ.pUiVtEQRTfc4v4LXBxHs2fHF1ruWEbRYqxBpcuvzwunaIyjRwLzKtl98ca4l6dE3Z0Tc6CXp0dr2zFEi_8v7Cg'),
	('Bob', 'eyJhbGciOiJFZERTQSJ9.eyJpc3MiOiJnYXRlIiwic3ViIjoiQm9iIn0.yS6aMsv1v1lJ49Vvz1pyIfQJ3Bi1867MH6-u_mpMe7qmGd5BI7RJYtEztgquG8MgB7IbqkZ2mEb3TlHssN9XCA'),
	('Eve', 'eyJhbGciOiJFZERTQSJ9.eyJpc3MiOiJnYXRlIiwic3ViIjoiRXZlIn0.Nieezvg_gaXL73Y_s2Hmxer7ChfUENA5-3qeMu5gqgzEnPN6n02OHmr-3eClNF2fRItoRhdqv2vNxsICDszHAw'),
	('nobody', 'eyJhbGciOiJFZERTQSJ9.eyJpc3MiOiJnYXRlIn0.0JBcVe4wwWgh-gtPTJ-0PhkUq8XrZ7YMtybTfRpPCOGFBqvDEjZ1bN3T7hv3sXzdO3qTTct8mQybWV_E1RtrDg');

-- a request, by somebody who has a token or by nobody: status and body
CREATE FUNCTION pg_temp.ask(method text, path text, body text DEFAULT NULL, who text DEFAULT NULL)
RETURNS text LANGUAGE sql AS $$
	SELECT h.status || ' ' || convert_from(h.body, 'UTF8')
	FROM evaudit.http(method, path, (
			SELECT jsonb_object_agg('Authorization', 'Bearer ' || token) FROM public.evaudit_http_token t WHERE t.who = ask.who),
		convert_to(ask.body, 'UTF8')) h
$$;
-- status and headers, without the request id and the tag
CREATE FUNCTION pg_temp.head(method text, path text, headers jsonb DEFAULT NULL)
RETURNS text LANGUAGE sql AS $$
	SELECT h.status || ' ' || (h.headers - 'X-Request-Id' - 'ETag')::text FROM evaudit.http(method, path, head.headers, NULL) h
$$;

-- topics to publish to: one as it is, one with a schema, one with a function
SELECT evaudit.create_topic('things', '{"type": "object", "required": ["event_id", "app", "at"], "properties": {
	"event_id": {"type": "string"}, "app": {"type": "string"}, "at": {"type": "number"},
	"kind": {"enum": ["a", "b"]}}}', '{"event_id": "/event_id", "keep": true, "max_payload_bytes": 2000}');
SELECT evaudit.create_topic('loose', options => '{"keep": true}');
CREATE FUNCTION public.evaudit_http_project(events evaudit.event[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF events[1].payload->>'do' = 'raise' THEN RAISE EXCEPTION 'not on a Sunday'; END IF;
	IF events[1].payload->>'do' = 'divide' THEN PERFORM 1 / 0; END IF;
	IF events[1].payload->>'do' = 'deny' THEN PERFORM FROM pg_catalog.pg_authid; RAISE insufficient_privilege; END IF;
	IF events[1].payload->>'do' = 'again' THEN RAISE serialization_failure; END IF;
	IF events[1].payload->>'do' = 'cancel' THEN RAISE query_canceled; END IF;
	IF events[1].payload->>'do' = 'locked' THEN RAISE lock_not_available; END IF;
	INSERT INTO public.configuration VALUES (events[1].event_id, events[1].payload);
END $$;
SELECT evaudit.create_topic('projected', options => '{"keep": true, "event_id": "/id", "project": "public.evaudit_http_project"}');
SELECT evaudit.grant_publish(t, 'Alice') FROM unnest(ARRAY['things', 'loose', 'projected', 'login']) t;
SELECT evaudit.grant_publish('things', 'Bob', '{"app": ["web", "web-[0-9]+"], "kind": ["a"]}');
SELECT evaudit.grant_read('things', 'Eve');

-- by default strangers see no kept payload, and change nothing
SELECT m, p, left(pg_temp.ask(m, p, '{"type": "x", "payload": {}}'), 3) FROM (VALUES ('POST', '/events'), ('GET', '/events/x'), ('HEAD', '/events/x'),
	('POST', '/stats/things'), ('POST', '/topics/things'), ('GET', '/users/u/services'), ('POST', '/terminate')) v(m, p);
SHOW evaudit.rate_limit;
-- any rate until it is about rates
SET evaudit.rate_limit = 0;

-- what needs no token
SELECT pg_temp.ask('GET', '/topics');
SELECT p, pg_temp.ask('GET', p) FROM unnest(ARRAY['/topics/things', '/topics/THINGS', '/topics/loose', '/topics/none',
	'/topics/th%69ngs?version=1', '/topics/N%C3%96', '/topics/%zz', '/topics/%00', '/topics/a%ff', '/topics/%']) p;
SELECT pg_temp.ask('HEAD', '/topics/things');
SELECT pg_temp.head('GET', '/topics'), pg_temp.head('GET', '/token');
SELECT (evaudit.http(path => '/topics', method => 'GET')).status, (evaudit.http('GET', '/topics', body => 'x', headers => '{}')).status;
SELECT regexp_replace(pg_temp.ask('GET', '/health'), '"uptime_seconds":[0-9]+', '"uptime_seconds":N');
SELECT pg_temp.head('GET', '/api'), pg_temp.head('GET', '/docs'), pg_temp.head('OPTIONS', '/events');
SELECT regexp_matches(pg_temp.ask('GET', '/api'), '(^200 openapi: [0-9.]+)|^(paths:)|^(  "/topics/things":)|(^    "topic.*)', 'gn');
SELECT pg_temp.ask('GET', '/docs') ~ 'SwaggerUIBundle.*\./api';
-- no such route
SELECT m, p, pg_temp.ask(m, p, '{}', 'Alice') FROM (VALUES ('GET', '/'), ('GET', ''), ('GET', '/nowhere'), ('GET', '/topics/'), ('GET', '/topics/a/b'),
	('DELETE', '/topics/things'), ('PUT', '/topics/things'), ('POST', '/topics'), ('POST', '/api'), ('get', '/topics'), ('GET', '/users//services'),
	('GET', '/users/u'), ('GET', '/users/u/services/x'), ('GET', '/stats/things'), ('GET', '/terminate'), ('DELETE', '/events/x')) v(m, p);

-- publish: first the JSON, then the token, the topic, the grant, its constraints, the schema
SELECT b, pg_temp.ask('POST', '/topics/none', b) FROM unnest(ARRAY[NULL, '', '{', '{}x', '{"a": 01}', '{"a": "\u0000"}', 'nul', repeat('[', 200)]) b;
SELECT pg_temp.ask('POST', '/topics/none', '{}');
SELECT pg_temp.ask('POST', '/topics/none', '{}', 'Eve');
SELECT pg_temp.ask('POST', '/topics/Things', '{}', 'Eve'), pg_temp.ask('POST', '/topics/things', '{}', 'nobody');
SELECT p, pg_temp.ask('POST', '/topics/things', p, 'Bob') FROM unnest(ARRAY['{}', '{"app": "db"}', '{"app": "web", "kind": "b"}',
	'{"app": "web-7", "kind": "a"}', '[]', '"web"', 'null', '7']) p;
SELECT p, pg_temp.ask('POST', '/topics/things', p, 'Alice') FROM unnest(ARRAY['{}', '{"event_id": 7, "app": null, "at": "x", "kind": "c"}', '[]', '"web"', 'null']) p;
SELECT pg_temp.ask('POST', '/topics/loose', '[]', 'Alice');
SELECT pg_temp.ask('POST', '/topics/things', format('{"event_id": "big", "app": %s, "at": 1}', to_jsonb(repeat('x', 2000))), 'Alice');
SELECT count(*) FROM evaudit.events;
-- a number that jsonb cannot hold, and where it is; a gateway's Python would
SELECT b, pg_temp.ask('POST', '/topics/things', b, 'Alice') FROM unnest(ARRAY['{"event_id": "n", "é": [1, {"a": 1e2000}]}', '1e2000', '[1e2000, 1e3000]', '{"a": "1e2000", "b": -1e-2000}']) b;
SET evaudit.http_compat = eventgate;
SELECT pg_temp.ask('POST', '/topics/things', '{"a": 1e2000}', 'Alice'), pg_temp.ask('POST', '/topics/things', '{"a": 1', 'Alice');
RESET evaudit.http_compat;
-- accepted, by any spelling of the subject; again the same; again another
SELECT pg_temp.ask('POST', '/topics/things', '{"event_id": "1", "app": "web", "at": 1}', 'Alice'),
	pg_temp.ask('POST', '/topics/THINGS', '{"at": 1.0, "app": "web", "event_id": "1"}', 'ALICE'),
	pg_temp.ask('POST', '/topics/things', '{"event_id": "1", "app": "web", "at": 2}', 'Alice'),
	pg_temp.ask('POST', '/topics/things', '{"event_id": "2", "app": "web-1", "at": 1, "kind": "a"}', 'Bob');
SELECT topic, event_id, payload, subject, source, source_position, schema_version FROM evaudit.events ORDER BY id;
-- the token in other places
SELECT replace(h::text, token, 'TOKEN'), (SELECT status FROM evaudit.http('POST', '/topics/things', h, '{"event_id": "1", "app": "web", "at": 1}'))
FROM (SELECT token FROM public.evaudit_http_token WHERE who = 'Alice') t, LATERAL unnest(ARRAY[
	jsonb_build_object('bearer', token), jsonb_build_object('BEARER', ' ' || token || ' '), jsonb_build_object('authorization', 'bEARER   ' || token),
	jsonb_build_object('Authorization', jsonb_build_array('Bearer ' || token)), jsonb_build_object('Authorization', token),
	jsonb_build_object('Authorization', 'Basic ' || token), jsonb_build_object('Authorization', 'Bearer'), jsonb_build_object('bearer', token || 'x'),
	jsonb_build_object('bearer', 'x', 'Authorization', 'Bearer ' || token), jsonb_build_object('bearer', ' ', 'Authorization', 'Bearer ' || token),
	jsonb_build_object('bearer', NULL), jsonb_build_object('bearer', 7)]) h;
SELECT pg_temp.head('POST', '/topics/things');

-- what the database says to an event: an error of the data, of the server, and of the transaction
SELECT d, pg_temp.ask('POST', '/topics/projected', format('{"id": "e", "do": %s}', to_jsonb(d)), 'Alice')
FROM unnest(ARRAY['raise', 'divide', 'deny', 'locked']) d;
\set VERBOSITY sqlstate
SELECT pg_temp.ask('POST', '/topics/projected', '{"id": "e", "do": "again"}', 'Alice');
SELECT pg_temp.ask('POST', '/topics/projected', '{"id": "e", "do": "cancel"}', 'Alice');
\set VERBOSITY default
SELECT count(*) FROM evaudit.events WHERE topic = 'projected';
-- an answer of 400 leaves nothing behind, and what it is in goes on
BEGIN;
SELECT pg_temp.ask('POST', '/topics/projected', '{"id": "e1", "do": "keep"}', 'Alice');
SELECT pg_temp.ask('POST', '/topics/projected', '{"id": "e2", "do": "raise"}', 'Alice');
SELECT pg_temp.ask('POST', '/topics/projected', '{"id": "e1", "do": "other"}', 'Alice');
COMMIT;
SELECT event_id FROM evaudit.events WHERE topic = 'projected' ORDER BY id;
-- who did it, and in which request, is in the audit
SELECT h.status, h.headers->>'X-Request-Id' FROM evaudit.http('POST', '/topics/projected',
	(SELECT jsonb_build_object('bearer', token, 'x-Request-ID', 'r-17') FROM public.evaudit_http_token WHERE who = 'Alice'), '{"id": "e3"}') h;
SELECT item_key, actor, request_id = 'r-17' FROM public.audit WHERE item_key LIKE 'e%' ORDER BY seq;
SELECT current_setting('evaudit.actor') = '', current_setting('evaudit.request_id') = '';
-- only sane ids are passed on; without any there is a new one
SELECT i, h.headers->>'X-Request-Id' = i FROM unnest(ARRAY['a', 'A-1_b.c:d/e+f=g@h', repeat('x', 128), repeat('x', 129), '', 'a b', E'a\nb', 'é', '<a>']) i,
	evaudit.http('GET', '/topics', jsonb_build_object('X-REQUEST-ID', i), NULL) h;
BEGIN;
SET LOCAL evaudit.request_id = 'set-before';
SELECT headers->>'X-Request-Id' FROM evaudit.http('GET', '/topics', NULL, NULL);
COMMIT;
SELECT headers->>'X-Request-Id' ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' FROM evaudit.http('GET', '/topics', NULL, NULL);

-- an event logger that is open
SET evaudit.http_events = open;
SELECT b, regexp_replace(pg_temp.ask('POST', '/events', b), '"created_at":"[-0-9T:.]+Z"', '"created_at":"T"') FROM unnest(ARRAY[
	'{"id": "l1", "type": "seen", "payload": {"b": 1, "a": "ü"}}', '{"payload": {"a": "ü", "b": 1.0}, "type": "seen", "id": "l1", "more": 1}',
	'{"id": "l1", "type": "seen", "payload": {"b": 2}}', '{"type": "seen"}', '{"payload": {}}', '{"type": 7, "payload": {}}', '{"type": "", "payload": {}}',
	'{"type": "x", "payload": null}', '{"type": "x", "payload": []}', '{"type": "x", "payload": "{}"}', '{"id": 7, "type": "x", "payload": {}}',
	'{"id": "", "type": "x", "payload": {}}', '[]', '7', '', '{', NULL]) b;
SELECT regexp_replace(pg_temp.ask('POST', '/events', '{"type": "x", "payload": {}}'), '"id":"[-0-9a-f]{36}"(.*)"created_at":"[-0-9T:.]+Z"', '"id":"I"\1"created_at":"T"');
SELECT pg_temp.ask('GET', '/events/l1') ~ '^200 {"id":"l1","type":"seen","payload":.*"created_at":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"}$';
SELECT regexp_replace(pg_temp.ask('GET', '/events/l1'), '^200', '201') = pg_temp.ask('POST', '/events', '{"id": "l1", "type": "seen", "payload": {"b": 1, "a": "ü"}}') AS same_answer;
SELECT pg_temp.ask('GET', '/events/none');
SELECT pg_temp.head('GET', '/events/none');
SET evaudit.http_max_body = '1kB';
SELECT pg_temp.ask('POST', '/events', '{"type": "' || repeat('x', 2000) || '", "payload": {}}');
RESET evaudit.http_max_body;
SET evaudit.rate_limit = 0.001;
SELECT left(pg_temp.ask('POST', '/events', '{"id": "l1", "type": "seen", "payload": {"b": 1, "a": "ü"}}'), 3) FROM generate_series(1, 2);
SELECT status, headers ? 'Retry-After', convert_from(body, 'UTF8')
FROM evaudit.http('POST', '/events', NULL, '{"id": "l1", "type": "seen", "payload": {"b": 1, "a": "b"}}');
SET evaudit.rate_limit = 0;
BEGIN;
SELECT evaudit.alter_topic('http_events', options => '{"keep": false}');
SELECT pg_temp.ask('POST', '/events', '{"type": "x", "payload": {}}');
ROLLBACK;
SET evaudit.http_events = token;
SELECT pg_temp.ask('POST', '/events', '{"id": "l2", "type": "x", "payload": {}}'), pg_temp.ask('GET', '/events/l1'),
	pg_temp.ask('POST', '/events', '{"id": "l2", "type": "x", "payload": {}}', 'Alice');
SELECT evaudit.grant_publish('http_events', 'Alice', '{"type": ["x"]}');
-- who publishes does not read
SELECT pg_temp.ask('GET', '/events/l1', NULL, 'Alice'), pg_temp.ask('GET', '/events/l1', NULL, 'nobody');
SELECT evaudit.grant_read('http_events', 'EVE');
SELECT left(pg_temp.ask('POST', '/events', '{"id": "l2", "type": "x", "payload": {}}', 'Alice'), 15), left(pg_temp.ask('GET', '/events/l2', NULL, 'Eve'), 15),
	pg_temp.ask('POST', '/events', '{"id": "l3", "type": "y", "payload": {}}', 'Alice');
SELECT event_id, subject FROM evaudit.events WHERE topic = 'http_events' AND event_id LIKE 'l%' ORDER BY id;
SET evaudit.http_events = off;
SELECT pg_temp.ask('POST', '/events', '{"id": "l4", "type": "x", "payload": {}}'), pg_temp.ask('GET', '/events/l1'), pg_temp.ask('OPTIONS', '/events');
SET evaudit.http_events = open;
-- events that came to its topic another way may lack anything
SELECT evaudit.publish('http_events', p) FROM unnest(ARRAY['{"id": "m1"}', '{"id": "m2", "type": null, "payload": null}', '{"id": "m3", "type": {"a": 1}, "payload": "x"}',
	'{"id": "m4", "payload": [1e3]}']::jsonb[]) p;
SELECT regexp_replace(pg_temp.ask('GET', '/events/m' || i), '"created_at":"[-0-9T:.]+Z"', '"created_at":"T"') FROM generate_series(1, 4) i;
INSERT INTO evaudit.events (topic, event_id, payload, received_at) VALUES ('http_events', 'm5', '[]', 'infinity'), ('http_events', 'm6', '7', '-infinity');
SELECT pg_temp.ask('GET', '/events/m5'), pg_temp.ask('GET', '/events/m6');

-- the query
INSERT INTO public.user_services VALUES ('a/b é', 's', 'S', '2025-01-01Z');
SELECT pg_temp.ask('GET', '/users/none/services'), pg_temp.ask('GET', '/users/none/services', NULL, 'Eve');
SELECT evaudit.grant_read('services', 'Eve');
SELECT pg_temp.ask('GET', '/users/a%2Fb%20%c3%a9/services', NULL, 'Eve'), pg_temp.ask('GET', '/users/none/services', NULL, 'Eve');
SET evaudit.http_services = off;
SELECT pg_temp.ask('GET', '/users/none/services', NULL, 'Eve');
SET evaudit.http_services = open;
SELECT pg_temp.ask('GET', '/users/none/services');

-- kept events: a grant to read, which is of no use to publish
SELECT who, left(pg_temp.ask('POST', '/stats/things', '{}', who), 125) FROM unnest(ARRAY[NULL, 'Alice', 'nobody', 'Eve', 'Bob']) who;
SELECT pg_temp.ask('POST', '/topics/things', '{"event_id": "1", "app": "web", "at": 1}', 'Eve');
SELECT evaudit.revoke_read('things', 'eve');
SELECT pg_temp.ask('POST', '/stats/things', '{}', 'Eve'), pg_temp.ask('POST', '/stats/none', '{}', 'Eve'), pg_temp.ask('POST', '/stats/none', '{}');
SELECT evaudit.grant_read('things', 'Eve');
SET evaudit.http_stats = off;
SELECT pg_temp.ask('POST', '/stats/things', '{}', 'Eve');
SET evaudit.http_stats = open;
SELECT left(pg_temp.ask('POST', '/stats/things', '{}'), 3), pg_temp.ask('POST', '/stats/none', '{}');
RESET evaudit.http_stats;

-- reload: off, or for those with a grant
SELECT pg_temp.ask('POST', '/terminate', NULL, 'Eve');
SET evaudit.http_terminate = token;
SELECT pg_temp.ask('POST', '/terminate'), pg_temp.ask('POST', '/terminate', NULL, 'Eve');
SELECT evaudit.grant_publish('/terminate', 'Eve');
SELECT pg_temp.ask('POST', '/terminate', NULL, 'Eve');
SELECT evaudit.grant_publish('/terminate', 'Eve', '{"x": ["y"]}');
SELECT pg_temp.ask('POST', '/terminate', NULL, 'Eve');
SET evaudit.http_terminate = open;
RESET evaudit.http_terminate;

-- responses are bounded, whatever is stored: a number of a few bytes has 131,072 digits as text
SET evaudit.http_max_response = '64kB';
INSERT INTO evaudit.events (topic, event_id, payload) SELECT 'http_events', 'n' || i, jsonb_build_object('type', 'n', 'payload', p)
FROM (VALUES (1, jsonb_build_array('1e70000'::numeric)), (2, jsonb_build_array('1e60000'::numeric)), (3, to_jsonb(repeat('x', 70000))),
	(4, to_jsonb(repeat(E'\x01', 20000))), (5, '[1e-16000, 1e-16000, 1e-16000, 1e-16000, 1e-16000]')) v(i, p);
SELECT 'n' || i, length(body) / 100, CASE WHEN status <> 200 THEN status || ' ' || convert_from(body, 'UTF8') END FROM generate_series(1, 5) i, evaudit.http('GET', '/events/n' || i);
SELECT left(pg_temp.ask('POST', '/events', '{"id": "n6", "type": "x", "payload": {"a": [' || repeat('1e1000, ', 70) || '1]}}'), 100);
SELECT count(*) FROM evaudit.events WHERE event_id = 'n6';
SELECT evaudit.create_topic('big', ('{"enum": [' || repeat('1e1000, ', 70) || '1]}')::jsonb);
SELECT left(pg_temp.ask('GET', '/topics/big'), 100), left(pg_temp.ask('GET', '/api'), 100);
SELECT evaudit.drop_topic('big');
-- a page goes past what is too large for it
SET evaudit.http_stats = open;
SELECT r->>'event_id', r->>'error', length(r->>'payload') FROM jsonb_array_elements(substr(pg_temp.ask('POST', '/stats/http_events', '{"limit": 5}'), 5)::jsonb->'data') r;
RESET evaudit.http_stats;
RESET evaudit.http_max_response;
DELETE FROM evaudit.events WHERE event_id LIKE 'n_';

-- limits
SELECT pg_temp.ask('GET', '/' || repeat('x', 2047)), pg_temp.ask('GET', '/' || repeat('x', 2048));
SELECT n, (evaudit.http('GET', '/topics', (SELECT jsonb_object_agg('h' || i, 'x') FROM generate_series(1, n) i), NULL)).status FROM unnest(ARRAY[128, 129]) n;
SELECT n, (evaudit.http('GET', '/topics', jsonb_build_object('h', repeat('x', n)), NULL)).status FROM unnest(ARRAY[65000, 65536]) n;
SELECT h, (evaudit.http('GET', '/topics', h, NULL)).status FROM unnest(ARRAY['[]', '7', '"x"', 'null', '{}']::jsonb[]) h;
SELECT n, left(pg_temp.ask('POST', '/topics/login', repeat('x', n)), 100) FROM unnest(ARRAY[1024 * 1024, 1024 * 1024 + 1]) n;
SET evaudit.http_max_body = '1kB';
SELECT n, left(pg_temp.ask('POST', '/topics/login', repeat('x', n)), 100) FROM unnest(ARRAY[1024, 1025]) n;
RESET evaudit.http_max_body;
SELECT m, p, pg_temp.ask(m, p) FROM (VALUES (NULL, '/topics'), ('GET', NULL), (repeat('G', 17), '/topics')) v(m, p);

-- a rate: two at once, then one each day
SET evaudit.rate_limit = 0.00001157;
SET evaudit.rate_burst = 2;
SELECT n, pg_temp.ask('POST', '/topics/things', '{}', 'Alice') FROM generate_series(1, 3) n;
SELECT pg_temp.ask('POST', '/topics/things', '{}', 'ALICE'), pg_temp.ask('POST', '/topics/things', '{}', 'Eve'), pg_temp.ask('POST', '/topics/loose', '[]', 'Alice');
SELECT h.status, (h.headers->>'Retry-After')::int BETWEEN 86000 AND 86400 FROM evaudit.http('POST', '/topics/things',
	(SELECT jsonb_build_object('bearer', token) FROM public.evaudit_http_token WHERE who = 'Alice'), '{}') h;
RESET evaudit.rate_limit;
RESET evaudit.rate_burst;

-- what reads works where nothing may be written
BEGIN READ ONLY;
SELECT p, (evaudit.http('GET', p, NULL, NULL)).status FROM unnest(ARRAY['/topics', '/topics/things', '/health', '/token', '/api', '/docs', '/events/l1', '/users/u/services']) p;
SELECT left(pg_temp.ask('POST', '/stats/things', '{}', 'Eve'), 3);
SELECT pg_temp.ask('POST', '/topics/things', '{"event_id": "9", "app": "web", "at": 1}', 'Alice');
COMMIT;

-- the letter of a gateway, its defects included
SET evaudit.http_compat = eventgate;
SELECT b, pg_temp.ask('POST', '/topics/things', b, 'Alice') FROM unnest(ARRAY[NULL, '', '{']) b;
SELECT pg_temp.ask('POST', '/topics/things', '[]', 'Bob'), pg_temp.ask('POST', '/topics/things', '[]', 'Alice');
BEGIN;
TRUNCATE evaudit.publish_grants;
SELECT pg_temp.ask('POST', '/topics/things', '{}');
ROLLBACK;
SELECT pg_temp.ask('POST', '/stats/things', '{}'), pg_temp.ask('POST', '/stats/things', '{}', 'Eve');
RESET evaudit.http_compat;
RESET evaudit.http_events;
RESET evaudit.http_services;

-- a role needs nothing but EXECUTE to take in events
CREATE ROLE evaudit_http_front;
SET ROLE evaudit_http_front;
\set VERBOSITY sqlstate
SELECT (evaudit.http('GET', '/topics', NULL, NULL)).status;
\set VERBOSITY default
RESET ROLE;
GRANT EXECUTE ON FUNCTION evaudit.http(text, text, jsonb, bytea) TO evaudit_http_front;
GRANT SELECT ON public.evaudit_http_token TO evaudit_http_front;
SET ROLE evaudit_http_front;
SELECT pg_temp.ask('POST', '/topics/things', '{"event_id": "3", "app": "web", "at": 1}', 'Alice'), left(pg_temp.ask('POST', '/events', '{"id": "f", "type": "x", "payload": {}}', 'Alice'), 3),
	pg_temp.ask('POST', '/topics/things', '{"event_id": "4", "app": "web", "at": 1}', 'Eve');
-- what a projection does is its own doing; the query, like all that is asked, is the token's
SELECT pg_temp.ask('POST', '/topics/projected', '{"id": "e9"}', 'Alice'), pg_temp.ask('GET', '/users/u/services', NULL, 'Eve');
-- and it may set nothing that decides
SET evaudit.http_compat = eventgate;
SET evaudit.rate_limit = 0;
SET evaudit.http_events = open;
SET evaudit.http_stats = open;
SET evaudit.http_services = open;
SET evaudit.http_terminate = token;
SET evaudit.http_services_root = on;
SET evaudit.http_cors_origins = '*';
SET evaudit.http_cors_credentials = on;
SET evaudit.http_max_response = '256MB';
\set VERBOSITY sqlstate
SELECT evaudit.publish('things', '{"event_id": "5", "app": "web", "at": 1}');
SELECT FROM evaudit.events;
\set VERBOSITY default
RESET ROLE;
SELECT event_id, subject FROM evaudit.events WHERE event_id IN ('3', '4', '5', 'f', 'e9') ORDER BY id;
DROP OWNED BY evaudit_http_front;
DROP ROLE evaudit_http_front;

-- a topic that goes takes its grants along
SELECT evaudit.drop_topic('things');
SELECT pg_temp.ask('POST', '/topics/things', '{}', 'Alice');
SELECT topic FROM evaudit.publish_grants ORDER BY 1, folded;
SELECT topic FROM evaudit.read_grants ORDER BY 1, folded;

SELECT evaudit.drop_topic(t) FROM unnest(ARRAY['loose', 'projected']) t;
SELECT evaudit.drop_issuer('gate');
DROP FUNCTION public.evaudit_http_project(evaudit.event[]);
DROP TABLE public.evaudit_http_token;
TRUNCATE evaudit.publish_grants, evaudit.read_grants, evaudit.events, evaudit.topic_schemas;
DELETE FROM public.configuration;
DELETE FROM public.user_services;
