-- Documents that were written for other programs: access maps, schemas of topics, keys, tokens.
SET search_path = pg_catalog;
SET client_min_messages = error;
\pset format unaligned
\pset tuples_only on

SELECT evaudit.create_topic(t, options => '{"keep": true}') FROM unnest(ARRAY['one', 'two', 'three']) t;

-- a map of some topics leaves the others alone, unless it replaces all
SELECT evaudit.import_access_map('{"one": ["Ann", "Bob"], "two": ["Ann"]}'::jsonb);
SELECT evaudit.grant_publish('/terminate', 'Ann');
SELECT evaudit.import_access_map('{"one": {"Bob": {}}}'::jsonb);
SELECT topic, subject FROM evaudit.publish_grants ORDER BY 1, 2;
SELECT evaudit.import_access_map('{"three": ["Cid"]}'::jsonb, replace => true);
SELECT topic, subject FROM evaudit.publish_grants ORDER BY 1, 2;
SELECT evaudit.import_access_map('{}', replace => true);
SELECT topic, subject FROM evaudit.publish_grants ORDER BY 1, 2;
SELECT evaudit.import_access_map('{"one": [7]}', true);
SELECT evaudit.import_access_map('[]', true);
SELECT evaudit.import_access_map('{', true);
-- fields are decided in the order of a map that comes as text, in that of jsonb else
SELECT evaudit.import_access_map('{"one": {"Ann": {"zone": ["a"], "id": ["b"], "app": ["c"]}, "Bob": {}}, "two": ["Ann"]}'::text);
SELECT topic, subject, fields FROM evaudit.publish_grants WHERE topic <> '/terminate' ORDER BY 1, 2;
SELECT p, evaudit.explain_access('one', 'ANN', p::jsonb) ->> 'reason' FROM unnest(ARRAY['{}', '{"zone": "a"}', '{"zone": "a", "app": "x"}', '{"id": "x", "zone": "x"}']) p;
SELECT jsonb_path_query_array(evaudit.explain_access('one', 'Ann', '{}'), '$.fields[*].field');
SELECT evaudit.import_access_map('{"one": {"Ann": {"zone": ["a"], "id": ["b"], "app": ["c"]}}}'::jsonb);
SELECT jsonb_path_query_array(evaudit.explain_access('one', 'Ann', '{}'), '$.fields[*].field');
-- an order by hand that does not fit
UPDATE evaudit.publish_grants SET fields = '{app, none, NULL, app, zone}' WHERE topic = 'one';
SELECT jsonb_path_query_array(evaudit.explain_access('one', 'Ann', '{}'), '$.fields[*].field');
SELECT evaudit.grant_publish('one', 'Ann', '{"zone": ["a"]}');
SELECT fields FROM evaudit.publish_grants WHERE topic = 'one';

-- schemas of topics, whose formats nobody asserted
SELECT evaudit.import_topics('{"gateway": {"properties": {"event_id": {"type": "string", "format": "uuid"}}},
	"ours": {"schema": {"format": "date"}, "options": {"keep": true}}, "decided": {"schema": {"format": "date"}, "options": {"keep": true, "assert_format": true}}}', NULL, assert_format => false);
SELECT name, options FROM evaudit.topics WHERE name IN ('gateway', 'ours', 'decided') ORDER BY name;
SELECT evaudit.import_topics('{"gateway": {"properties": {"event_id": {"type": "string", "format": "uri"}}}}');
SELECT evaudit.import_topics('{"later": {"properties": {"event_id": {"type": "string", "format": "uuid"}}}}');
SELECT evaudit.import_topics('{"later": {"properties": {"event_id": {"type": "string", "format": "uuid"}}}}', assert_format => false);
SELECT name, options FROM evaudit.topics WHERE name IN ('gateway', 'later') ORDER BY name;

-- a document of one key, of the gateway's form, and RFC 9864's name of an algorithm
SELECT evaudit.create_issuer('single', '{"require_exp": false, "keys": {"key": "MCowBQYDK2VwAyEAtqLWGzWWXN4LOxr3g4U8/BRe3kG5P0gMyeWjzSlsnWw="}}');
SELECT keys, invalid FROM evaudit.stat_issuers;
CREATE TEMP TABLE token (name text, token text);
INSERT INTO token VALUES
	('ed25519', 'eyJhbGciOiJFZDI1NTE5In0.eyJzdWIiOiJBbm4ifQ._Nr5Hq8MKedjuVuL8maUBnHQ2LT8ywO0wWLEmKjbHGJVXUdMQ3FVzk0aegDI9xe2yFxOHIs1yYHrBt2vMpBiDQ'),
	('number', 'eyJhbGciOiJFZERTQSJ9.eyJzdWIiOjQ3MTF9.7sLbmSG2PQmrdgAEmDqkgF5qgG3DU-FzSdeSkBLZJl6h4q1F_I8fnsLxkzPWvJvMIDZx79bTDj2CBtnzJxeUBA'),
	('fraction', 'eyJhbGciOiJFZERTQSJ9.eyJzdWIiOjEuNX0.nvnluJebPxSMwQeOmmC31Swdd454fQp-heDMnoLY0BfIPY1KV54rnujKls6SRNQcXFPVfDTfNykmamdHOwN4Cg'),
	('whole', 'eyJhbGciOiJFZERTQSJ9.eyJzdWIiOi03LjB9.VN99oNK28yg7-rdhY5v1eIzlAyD8gylJcfzCxrJLyje2wPHvXnn-U7jZi2i3T-a1wpRG_rVXJsISkANKG8jkAw'),
	('boolean', 'eyJhbGciOiJFZERTQSJ9.eyJzdWIiOnRydWV9.j6QX2oEIMQaP1oNwrYSKQnMxSUybibk45ybrUWoUKXt5Y7Dj9Ae5PKksEZ2RoM_hUqVT0wkt92gpWg4MeB2ICQ'),
	('large', 'eyJhbGciOiJFZERTQSJ9.eyJzdWIiOjFlMTAwfQ.drMlNjFLY8Fh0zqrAcg1CUbKQTwuv-VpJtftt-jNvsjeKddDpPkAu5IVqXsAWSc6YN2JChWBJS032h5CJKxLCw'),
	('empty', 'eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIifQ.IIHo0xKF6qFhQXThftNB2P-Q_TD2zQzIzNL2jSk0o7G5hkAdy8BKkMbjiHkZ4yPQg45sNldnh0QAAPh6SI3NDg');
CREATE FUNCTION pg_temp.subject(token text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	RETURN evaudit.verify_token(token) ->> 'sub';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ': ' || SQLERRM;
END $$;
SELECT name, pg_temp.subject(token) FROM token;
SELECT evaudit.alter_issuer('single', '{"algorithms": ["Ed25519"], "numeric_sub": true}');
SELECT name, pg_temp.subject(token) FROM token;
SELECT evaudit.drop_issuer('single');
SELECT evaudit.create_issuer('jwk', '{"require_exp": false, "numeric_sub": true, "jwks": {"keys": [{"kty": "OKP", "crv": "Ed25519", "alg": "Ed25519", "x": "tqLWGzWWXN4LOxr3g4U8_BRe3kG5P0gMyeWjzSlsnWw"}]}}');
SELECT keys FROM evaudit.stat_issuers;
SELECT name, pg_temp.subject(token) FROM token WHERE name IN ('ed25519', 'number');
SELECT evaudit.create_issuer('wrong', '{"keys": {"key": 7}}');
SELECT evaudit.create_issuer('wrong', '{"numeric_sub": "yes", "keys": {"key": "MCowBQYDK2VwAyEAtqLWGzWWXN4LOxr3g4U8/BRe3kG5P0gMyeWjzSlsnWw="}}');
-- an integer is a subject like any other
SELECT evaudit.grant_publish('two', '4711');
SELECT h.status, convert_from(h.body, 'UTF8') FROM token, evaudit.http('POST', '/topics/two', jsonb_build_object('bearer', token), '{}') h WHERE name IN ('number', 'whole', 'fraction') ORDER BY name;

-- with compat, formats are not asserted, as the gateway does not
SELECT evaudit.grant_publish('later', '4711');
SELECT evaudit.alter_topic('later', options => '{"assert_format": true}');
SELECT h.status, convert_from(h.body, 'UTF8') FROM token, evaudit.http('POST', '/topics/later', jsonb_build_object('bearer', token), '{"event_id": "1"}') h WHERE name = 'number';
SET evaudit.http_compat = eventgate;
SELECT h.status, convert_from(h.body, 'UTF8') FROM token, evaudit.http('POST', '/topics/later', jsonb_build_object('bearer', token), '{"event_id": "1"}') h WHERE name = 'number';
SELECT h.status, convert_from(h.body, 'UTF8') FROM token, evaudit.http('POST', '/topics/later', jsonb_build_object('bearer', token), '{"event_id": 1}') h WHERE name = 'number';
RESET evaudit.http_compat;

SELECT evaudit.drop_issuer('jwk');
SELECT evaudit.drop_topic(t) FROM unnest(ARRAY['one', 'two', 'three', 'gateway', 'ours', 'decided', 'later']) t;
TRUNCATE evaudit.publish_grants, evaudit.events, evaudit.topic_schemas;
