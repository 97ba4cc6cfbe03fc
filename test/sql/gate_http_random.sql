-- evaudit.http() with requests that are broken at random: each is answered.
SET client_min_messages = error;
\pset format unaligned
\pset tuples_only on
SELECT setseed(0.42);
SET evaudit.rate_limit = 0;
SET evaudit.http_events = open;
SET evaudit.http_services = open;
SET evaudit.http_terminate = token;

SELECT evaudit.create_issuer('gate', '{"issuer": "gate", "require_exp": false,
	"jwks": {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg"}]}}');
SELECT evaudit.create_topic('things', '{"type": "object", "required": ["id"], "properties": {"id": {"type": "string", "format": "uuid"},
	"n": {"type": "number", "multipleOf": 0.5}, "s": {"pattern": "^(a+)+$"}, "l": {"type": "array", "uniqueItems": true}}}', '{"event_id": "/id", "keep": true}');
SELECT evaudit.grant_publish('things', 'Alice', '{"s": ["(a|aa)+", "b"]}');
SELECT evaudit.grant_read('things', 'Alice');
SELECT evaudit.grant_publish('/terminate', 'Alice');

-- one of some texts
CREATE FUNCTION pg_temp.pick(VARIADIC choices text[]) RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT choices[1 + floor(random() * cardinality(choices))::int]
$$;
-- bytes with a few of them changed, taken out, put in or doubled
CREATE FUNCTION pg_temp.mutate(b bytea) RETURNS bytea LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	p int;
	n int;
BEGIN
	FOR i IN 1 .. floor(random() * 4)::int LOOP
		CONTINUE WHEN length(b) < 2;
		p := 1 + floor(random() * (length(b) - 1))::int;
		n := 1 + floor(random() * 8)::int;
		CASE floor(random() * 5)::int
			WHEN 0 THEN b := set_byte(b, p - 1, floor(random() * 256)::int);
			WHEN 1 THEN b := overlay(b PLACING '' FROM p FOR n);
			WHEN 2 THEN b := overlay(b PLACING convert_to(pg_temp.pick('{', '}', '[', ']', '"', ',', ':', '\', '1e400', '\ud800', 'é', '%', 'null'), 'UTF8') FROM p FOR 0);
			WHEN 3 THEN b := b || substr(b, p, n);
			ELSE b := substr(b, 1, p);
		END CASE;
	END LOOP;
	RETURN b;
END $$;
-- the same of a text, which stays one
CREATE FUNCTION pg_temp.mutate(t text) RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT regexp_replace(encode(pg_temp.mutate(convert_to(t, 'UTF8')), 'escape'), '\\[0-9]{3}', '%' || pg_temp.pick('00', 'c3', 'ff', '2F', 'z'), 'g')
$$;

CREATE FUNCTION pg_temp.hammer(n int) RETURNS TABLE (status int, why text) LANGUAGE plpgsql AS $$
DECLARE
	token CONSTANT text := 'eyJhbGciOiJFZERTQSJ9.eyJpc3MiOiJnYXRlIiwic3ViIjoiQWxpY2UifQ.fDHFmW448mXf1UagPB9YbPRQi_uk2LB3Z8IEz4hwPv_YFt38o-H154YiykOBhxrFVuEec9WdJjZ2PVgcB979Aw';
	method text;
	path text;
	headers jsonb;
	body bytea;
	h record;
BEGIN
	FOR i IN 1 .. n LOOP
		method := pg_temp.pick('GET', 'POST', 'POST', 'HEAD', 'OPTIONS', 'PATCH');
		path := pg_temp.pick('/topics', '/topics/things', '/topics/things', '/topics/things', '/stats/things', '/events', '/events/x1',
			'/users/u%20v/services', '/health', '/token', '/terminate', '/docs');
		IF random() < 0.3 THEN path := pg_temp.mutate(path); END IF;
		headers := pg_temp.pick('{}', '{"authorization": "Bearer ' || token || '"}', '{"BEARER": "' || token || '"}', '{"x-request-id": "r"}',
			jsonb_build_object('authorization', 'Bearer ' || pg_temp.mutate(token))::text, '[]', '{"bearer": [{}]}')::jsonb;
		body := convert_to(pg_temp.pick('{"id": "00000000-0000-4000-8000-000000000001", "n": 1.5, "s": "aaaaaaaaaaaaaaaaaaaa", "l": [1, 2, [3], {"a": null}]}',
			'{"id": "x1", "type": "t", "payload": {"a": [1, {"b": "c"}]}}', '{"limit": 5, "cursor": 123456789, "timestamp_start": 0}'), 'UTF8');
		body := pg_temp.mutate(body);
		BEGIN
			SELECT * INTO h FROM evaudit.http(method, path, headers, body);
			status := h.status;
			why := CASE
				WHEN h.status NOT IN (200, 201, 202, 204, 207, 303, 400, 401, 403, 404, 405, 409, 422) THEN 'status'
				WHEN NOT h.headers ? 'X-Request-Id' THEN 'no id'
				WHEN h.headers->>'Content-Type' = 'application/json' AND length(h.body) > 0 AND
					jsonb_typeof(convert_from(h.body, 'UTF8')::jsonb) IS NULL THEN 'no JSON'
			END;
		EXCEPTION WHEN OTHERS THEN
			status := 0;
			why := SQLERRM;
		END;
		why := why || concat_ws(' ', '', method, path, headers, encode(body, 'escape'));
		RETURN NEXT;
	END LOOP;
END $$;

CREATE TEMP TABLE answers AS SELECT * FROM pg_temp.hammer(4000);
SELECT why FROM answers WHERE why IS NOT NULL ORDER BY why LIMIT 5;
-- all kinds of answers were seen
SELECT array_agg(DISTINCT status) @> ARRAY[200, 201, 202, 204, 400, 401, 403, 404, 405, 422] FROM answers;

TRUNCATE evaudit.publish_grants, evaudit.read_grants, evaudit.events;
SELECT evaudit.drop_topic('things');
SELECT evaudit.drop_issuer('gate');
