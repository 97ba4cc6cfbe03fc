-- evaudit.http(): several events at once, ids by header, and lists of events.
SET search_path = pg_catalog;
SET client_min_messages = error;
SET evaudit.rate_limit = 0;
\pset format unaligned
\pset tuples_only on

SELECT evaudit.create_issuer('gate', '{"issuer": "gate", "require_exp": false,
	"jwks": {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg"}]}}');
SELECT set_config('test.alice', 'eyJhbGciOiJFZERTQSJ9.eyJpc3MiOiJnYXRlIiwic3ViIjoiQWxpY2UifQ.fDHFmW448mXf1UagPB9YbPRQi_uk2LB3Z8IEz4hwPv_YFt38o-H154YiykOBhxrFVuEec9WdJjZ2PVgcB979Aw', false) <> '';
SELECT set_config('test.bob', 'eyJhbGciOiJFZERTQSJ9.eyJpc3MiOiJnYXRlIiwic3ViIjoiQm9iIn0.yS6aMsv1v1lJ49Vvz1pyIfQJ3Bi1867MH6-u_mpMe7qmGd5BI7RJYtEztgquG8MgB7IbqkZ2mEb3TlHssN9XCA', false) <> '';
CREATE FUNCTION pg_temp.ask(method text, path text, body text DEFAULT NULL, headers jsonb DEFAULT '{}', who text DEFAULT 'alice')
RETURNS text LANGUAGE sql AS $$
	SELECT h.status || ' ' || convert_from(h.body, 'UTF8')
	FROM evaudit.http(method, path, ask.headers || jsonb_build_object('bearer', current_setting('test.' || who)), convert_to(ask.body, 'UTF8')) h
$$;
-- a projection without the topic's keeping: a retry meets its own row
CREATE TABLE public.evaudit_batch (id text PRIMARY KEY, n integer CHECK (n > 0));
CREATE FUNCTION public.evaudit_batch(events evaudit.event[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	IF events[1].payload ->> 'id' = 'raise' THEN RAISE EXCEPTION 'not on a Sunday'; END IF;
	INSERT INTO public.evaudit_batch SELECT e.payload ->> 'id', (e.payload ->> 'n')::int FROM unnest(events) e;
END $$;
SELECT evaudit.create_topic('many', '{"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}', '{"event_id": "/id", "keep": true, "batch": true}');
SELECT evaudit.create_topic('single', options => '{"event_id": "/id", "keep": true}');
SELECT evaudit.create_topic('anonymous', options => '{"keep": true, "batch": true}');
SELECT evaudit.create_topic('projected', options => '{"event_id": "/id", "keep": false, "batch": true, "project": "public.evaudit_batch"}');
SELECT evaudit.create_topic('wrong', options => '{"batch": 10}');
SELECT evaudit.grant_publish(t, 'Alice') FROM unnest(ARRAY['many', 'single', 'anonymous', 'projected']) t;
SELECT evaudit.grant_publish('many', 'Bob', '{"app": ["web"]}');

-- each element has a result of its own
SELECT pg_temp.ask('POST', '/topics/many', '[{"id": "a", "n": 1}, {"id": "b", "n": 2}]');
SELECT pg_temp.ask('POST', '/topics/many', '[{"id": "a", "n": 1}, {"id": "a", "n": 3}, {"id": "c"}, {"n": 4}, 7, null, [], "x", {"id": "d", "n": 5}, {"id": "d", "n": 5}]');
SELECT pg_temp.ask('POST', '/topics/many', '[{"id": "e", "n": 1}, {"id": "f", "n": 1, "app": "db"}, {"id": "g", "n": 1, "app": "web"}, []]', who => 'bob');
SELECT pg_temp.ask('POST', '/topics/many', '[]'), pg_temp.ask('POST', '/topics/many', '{"id": "one", "n": 1}'), pg_temp.ask('POST', '/topics/many', '7');
SELECT pg_temp.ask('POST', '/topics/single', '[{"id": "a"}]');
SELECT pg_temp.ask('POST', '/topics/anonymous', '[{}]', who => 'bob');
SELECT regexp_replace(event_id, '^[-0-9a-f]{36}$', 'a new one'), payload, subject FROM evaudit.events ORDER BY (payload ->> 'n')::int, event_id COLLATE "C";
SELECT left(pg_temp.ask('POST', '/topics/anonymous', (SELECT json_agg('{}'::jsonb) FROM generate_series(1, n))::text), 60) FROM unnest(ARRAY[1000, 1001]) n;
DELETE FROM evaudit.events WHERE topic = 'anonymous';
SET evaudit.http_max_response = '64kB';
SELECT left(pg_temp.ask('POST', '/topics/many', (SELECT json_agg('7'::jsonb) FROM generate_series(1, 1000))::text), 100);
RESET evaudit.http_max_response;
-- each counts for the rate
SET evaudit.rate_limit = 0.001;
SET evaudit.rate_burst = 2;
SELECT pg_temp.ask('POST', '/topics/anonymous', '[{}, {}, {}]');
SET evaudit.rate_limit = 0;
-- what the database refuses is its element's
SELECT pg_temp.ask('POST', '/topics/projected', '[{"id": "a", "n": 1}, {"id": "b", "n": 0}, {"id": "raise", "n": 1}, {"id": "c", "n": 1}]');
SELECT pg_temp.ask('POST', '/topics/projected', '[{"id": "c", "n": 1}]'), pg_temp.ask('POST', '/topics/projected', '{"id": "c", "n": 1}');
SELECT id FROM public.evaudit_batch ORDER BY id;

-- a key of the request is the id, where the topic names none
DELETE FROM evaudit.events;
SELECT k, pg_temp.ask('POST', '/topics/anonymous', '{"n": 1}', jsonb_build_object('Idempotency-Key', k)) FROM unnest(ARRAY['k1', 'k1', '"k2"', ' "k2" ', '', '""', 'a b', 'é', repeat('x', 256), repeat('x', 257), '"a"b"']) k;
SELECT pg_temp.ask('POST', '/topics/anonymous', '{"n": 2}', '{"idempotency-key": "k1"}');
SELECT pg_temp.ask('POST', '/topics/anonymous', '[{"n": 1}, {"n": 2}]', '{"idempotency-key": "k1"}') FROM generate_series(1, 2);
SELECT pg_temp.ask('POST', '/topics/anonymous', '[{"n": 1}, {"n": 3}]', '{"idempotency-key": "k1"}');
SELECT pg_temp.ask('POST', '/topics/single', '{"id": "its own"}', '{"idempotency-key": "k1"}');
SELECT topic, left(event_id, 20), payload FROM evaudit.events ORDER BY id;

-- the event logger: an id of the body, of the request, or a new one
DELETE FROM evaudit.events;
SET evaudit.http_events = open;
SELECT regexp_replace(pg_temp.ask('POST', '/events', b, '{"Idempotency-Key": "k7"}'), '"created_at":"[^"]*"', '"created_at":"T"') FROM unnest(ARRAY['{"type": "t", "payload": {}}', '{"type": "t", "payload": {}}',
	'{"type": "t", "payload": {"a": 1}}', '{"id": null, "type": "t", "payload": {}}', '{"id": "i", "type": "t", "payload": {}}']) b;
SET evaudit.http_events_require_id = on;
SELECT left(pg_temp.ask('POST', '/events', '{"type": "t", "payload": {}}', '{"Idempotency-Key": "k8"}'), 3), left(pg_temp.ask('POST', '/events', '{"type": "t", "payload": {}}'), 3),
	left(pg_temp.ask('POST', '/events', '{"id": null, "type": "t", "payload": {}}', '{"Idempotency-Key": "k8"}'), 3);
RESET evaudit.http_events_require_id;

-- lists: the newest first, in pages
DELETE FROM evaudit.events;
SELECT left(pg_temp.ask('POST', '/events', format('{"id": "%s", "type": "t", "payload": {"n": %s}}', n, n)), 3) FROM generate_series(1, 7) n;
CREATE FUNCTION pg_temp.pages(size int) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	page jsonb;
	cursor text := '';
BEGIN
	FOR i IN 1 .. 20 LOOP
		page := substr(pg_temp.ask('GET', '/events?limit=' || size || cursor), 5)::jsonb;
		RETURN NEXT jsonb_path_query_array(page, '$.data[*].id') || (page #> '{pagination,has_more}');
		EXIT WHEN page #>> '{pagination,cursor}' IS NULL;
		cursor := '&cursor=' || (page #>> '{pagination,cursor}');
	END LOOP;
END $$;
SELECT pg_temp.pages(3);
SELECT pg_temp.pages(7);
SELECT pg_temp.pages(100);
SELECT regexp_replace(regexp_replace(pg_temp.ask('GET', '/events?limit=1'), '"created_at":"[^"]*"', '"created_at":"T"'), '"cursor":\d+', '"cursor":N');
SELECT q, pg_temp.ask('GET', '/events?' || q) FROM unnest(ARRAY['limit=0', 'limit=x', 'limit=-1', 'limit=', 'limit=1&cursor=99999999999999999999', 'cursor=1.5', 'limit=%20' || '5']) q;
SELECT pg_temp.ask('GET', '/events?cursor=1');
SELECT (substr(pg_temp.ask('GET', '/events?limit=5000'), 5)::jsonb) #> '{pagination,limit}';
-- what is too large for a page is there without its payload
INSERT INTO evaudit.events (topic, event_id, payload) SELECT 'http_events', 'large', jsonb_build_object('type', 't', 'payload', jsonb_build_object('a', jsonb_agg('1e131071'::numeric))) FROM generate_series(1, 1000);
SELECT regexp_replace(pg_temp.ask('GET', '/events?limit=2'), '"created_at":"[^"]*"', '"created_at":"T"', 'g') ~ '^200 {"data":\[{"id":"large","type":null,"payload":null,"created_at":"T"},{"id":"7",';
SET evaudit.http_max_response = '64kB';
SELECT left(pg_temp.ask('POST', '/events', format('{"id": "p%s", "type": "t", "payload": {"x": "%s"}}', n, repeat('x', 20000))), 3) FROM generate_series(1, 4) n;
SELECT pg_temp.pages(100);
RESET evaudit.http_max_response;
-- by token and grant, unless it is open
SET evaudit.http_events = token;
SELECT left(pg_temp.ask('GET', '/events'), 3), (evaudit.http('GET', '/events')).status;
SELECT evaudit.grant_read('http_events', 'Alice');
SELECT left(pg_temp.ask('GET', '/events'), 3);

SELECT evaudit.drop_topic(t) FROM unnest(ARRAY['many', 'single', 'anonymous', 'projected']) t;
SELECT evaudit.drop_issuer('gate');
DROP FUNCTION public.evaudit_batch(evaudit.event[]);
DROP TABLE public.evaudit_batch;
TRUNCATE evaudit.publish_grants, evaudit.read_grants, evaudit.events, evaudit.topic_schemas;
