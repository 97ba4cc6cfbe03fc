-- Whose token may publish what: grants, access maps, and what they decide.
SET search_path = pg_catalog;
\pset format unaligned
\pset tuples_only on
-- what a statement raises, in short
CREATE FUNCTION pg_temp.try(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	detail text;
BEGIN
	EXECUTE statement;
	RETURN 'ok';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN SQLSTATE || ': ' || SQLERRM || COALESCE(' / ' || NULLIF(detail, ''), '');
END
$$;
-- the decision in short
CREATE FUNCTION pg_temp.explain(subject text, payload jsonb, topic text DEFAULT 'login')
RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', e->>'allowed', e->>'decided_by', e->>'reason')
	FROM evaudit.explain_access(topic, subject, payload) e
$$;

-- nobody may before somebody grants it
SELECT pg_temp.explain('Alice', '{}');
SELECT evaudit.grant_publish('login', 'Alice');
SELECT evaudit.grant_publish('login', 'Bob', '{"app": ["web", "web-[0-9]+"], "env": ["dev"]}');
SELECT evaudit.grant_publish('login', 'Carol', '{}');
SELECT topic, subject, folded, constraints FROM evaudit.publish_grants ORDER BY 1, 2;

-- subjects without regard to case, in any script
SELECT s, pg_temp.explain(s, '{}') FROM unnest(ARRAY['Alice', 'ALICE', 'alice', 'alice ', 'Alicia', '']) s;
SELECT evaudit.grant_publish('login', 'Straße Ünal Ωμέγας Жук');
SELECT s, pg_temp.explain(s, '{}') FROM unnest(ARRAY[
	'STRASSE ÜNAL ΩΜΈΓΑΣ ЖУК', 'straße ünal ωμέγασ жук', 'STRAßE ÜNAL ΩΜΈΓΑΣ ЖУК', 'STRASE ÜNAL ΩΜΈΓΑΣ ЖУК']) s;
SELECT evaudit.revoke_publish('login', 'STRASSE ünal ωμέγας жук');

-- all fields, one pattern of each, the whole value
SELECT p, pg_temp.explain('bob', p) FROM unnest(ARRAY[
	'{"app": "web", "env": "dev"}', '{"app": "web-17", "env": "dev"}',
	'{"app": "web-", "env": "dev"}', '{"app": "xweb", "env": "dev"}', '{"app": "web\n", "env": "dev"}',
	'{"app": "web", "env": "prod"}', '{"app": "WEB", "env": "dev"}',
	'{"env": "dev"}', '{"app": "web"}', '{"app": null, "env": "dev"}', '{}',
	'{"in": {"app": "web"}, "env": "dev"}', '{"app": ["web"], "env": "dev"}', '{"app": {"web": "web"}, "env": "dev"}',
	'[]', '[{"app": "web", "env": "dev"}]', '"web"', '7', 'null']::jsonb[]) p;
-- numbers and booleans as JSON writes them; an empty list allows nothing
SELECT evaudit.grant_publish('login', 'dan', '{"n": ["1\\.50", "-7"],  "b": ["True"]}');
SELECT p, pg_temp.explain('dan', p) FROM unnest(ARRAY[
	'{"n": 1.50, "b": true}', '{"n": "1.50", "b": "true"}', '{"n": -7, "b": true}', '{"n": 1.5, "b": true}',
	'{"n": -7, "b": false}']::jsonb[]) p;
SELECT evaudit.grant_publish('login', 'Dan', '{"n": []}');
SELECT subject, constraints FROM evaudit.publish_grants WHERE folded = 'dan';
SELECT pg_temp.explain('dan', '{"n": 1}');
-- alternatives do not end a whole match early; lines and letters are Unicode
SELECT evaudit.grant_publish('login', 'dan', '{"t": ["avm|avms", "\\w+@ä"]}');
SELECT p, pg_temp.explain('dan', p) FROM unnest(ARRAY[
	'{"t": "avms"}', '{"t": "avm"}', '{"t": "avmsx"}', '{"t": "x@ä"}', '{"t": "x@ä\n"}']::jsonb[]) p;
-- a pattern that would run for ever is no match
SELECT evaudit.grant_publish('login', 'dan', '{"t": ["(a+)+b"]}');
SELECT pg_temp.explain('dan', jsonb_build_object('t', repeat('a', 5000)));

-- all that is said about a decision
SELECT jsonb_pretty(evaudit.explain_access('login', 'BOB', '{"app": "web-7", "env": "prod"}'));
SELECT evaudit.explain_access('login', 'eve', '{}');
SELECT pg_temp.explain('Alice', '{}', 'nowhere');
SELECT evaudit.explain_access(NULL, 'Alice', '{}');

-- reading is granted apart: who publishes does not read by it, nor the other way
SELECT evaudit.grant_read('login', 'Rita');
SELECT evaudit.grant_read('services', 'Rita');
SELECT evaudit.grant_read('nowhere', 'Straße');
SELECT s, t, evaudit.explain_access(t, s, '{}')->'may_read' AS may_read, pg_temp.explain(s, '{}', t)
FROM unnest(ARRAY['RITA', 'Alice', 'STRASSE']) s, unnest(ARRAY['login', 'services', 'nowhere']) t;
SELECT evaudit.grant_read('login', 'RITA');
SELECT topic, subject, folded FROM evaudit.read_grants ORDER BY 1, 2;
SELECT pg_temp.try($$SELECT evaudit.grant_read(NULL, 'eve')$$), pg_temp.try($$SELECT evaudit.grant_read('login', NULL)$$),
	pg_temp.try($$SELECT evaudit.grant_read('', 'eve')$$), pg_temp.try($$SELECT evaudit.grant_read('login', '')$$);
SELECT evaudit.revoke_read('services', 'rita');
SELECT evaudit.revoke_read('services', 'rita');
SELECT evaudit.explain_access('services', 'Rita', '{}')->'may_read';

-- rows that no function wrote: each denies what it concerns, says why, and harms no other
INSERT INTO evaudit.publish_grants VALUES
	('login', 'mal', 'mal', '{"a": ["("]}'), ('login', 'max', 'max', '"x"'), ('login', 'Moe', 'alice2', NULL),
	('login', 'big', 'big', jsonb_build_object('a', jsonb_build_array(repeat('x', 100000))));
INSERT INTO evaudit.read_grants VALUES ('login', 'Moe', 'alice2'), ('nowhere', 'Moe', 'moe');
SELECT s, pg_temp.explain(s, '{"a": "("}'), e->>'invalid', e->'may_read'
FROM unnest(ARRAY['mal', 'max', 'moe', 'alice2', 'big', 'Alice', 'bob']) s, evaudit.explain_access('login', s, '{"a": "("}') e;
DELETE FROM evaudit.publish_grants WHERE folded IN ('mal', 'max', 'alice2', 'big');

-- what is refused at once, and where it is wrong
SELECT c, pg_temp.try(format('SELECT evaudit.grant_publish(''login'', ''eve'', %L)', c)) FROM unnest(ARRAY[
	'[]', '"x"', '7', '{"a": "x"}', '{"a": {}}', '{"a": null}', '{"a": [7]}', '{"a": ["x", null]}', '{"a": ["x", ["y"]]}',
	'{"a": ["x"], "b": ["ok", "(", "fine"]}', '{"a": ["[z-a]"]}']::jsonb[]) c;
SELECT pg_temp.try(format('SELECT evaudit.grant_publish(''login'', ''eve'', %L)', c)) FROM (VALUES
	(jsonb_build_object('a', jsonb_build_array(repeat('x', 5000)))),
	((SELECT jsonb_object_agg('f' || i, '[]'::jsonb) FROM generate_series(1, 65) i)),
	((SELECT jsonb_build_object('a', jsonb_agg('x'::text)) FROM generate_series(1, 257) i))) v(c);
SELECT pg_temp.try(format('SELECT evaudit.grant_publish(''login'', ''eve'', %L)', jsonb_build_object('a', (SELECT jsonb_agg(repeat('x', 4000)) FROM generate_series(1, 17)))));
SELECT pg_temp.try($$SELECT evaudit.grant_publish('', 'eve')$$), pg_temp.try($$SELECT evaudit.grant_publish('login', '')$$);
SELECT pg_temp.try($$SELECT evaudit.grant_publish('login', repeat('x', 1025))$$);
SELECT pg_temp.try($$SELECT evaudit.grant_publish(NULL, 'eve')$$), pg_temp.try($$SELECT evaudit.grant_publish('login', NULL)$$);
SELECT count(*) FROM evaudit.publish_grants WHERE folded = 'eve';

-- both forms of an access map; topics that it does not name stay as they are
SELECT evaudit.import_access_map('{
	"runs": {"FooBarUser": {}, "RestrictedUser": {"app": ["restricted-app"], "env": ["dev", "uat"]}},
	"dlchange": ["FooUser", "BarUser", "FOOUSER"],
	"none": []}');
SELECT topic, subject, constraints FROM evaudit.publish_grants WHERE topic <> 'login' ORDER BY topic, folded;
SELECT evaudit.import_access_map('{"runs": ["Another"], "none": {}}');
SELECT topic, string_agg(subject, ' ' ORDER BY folded) FROM evaudit.publish_grants GROUP BY 1 ORDER BY 1;
SELECT m, pg_temp.try(format('SELECT evaudit.import_access_map(%L)', m)) FROM unnest(ARRAY[
	'[]', '"x"', '{"login": "x"}', '{"login": 7}', '{"login": null}', '{"login": [7]}', '{"login": [["x"]]}', '{"login": {"u": []}}',
	'{"login": {"u": null}}', '{"login": {"u": {"f": "x"}}}', '{"login": {"u": {"f": ["a", "b("]}}}', '{"login": {"u": {}, "U": {"f": ["x"]}}}',
	'{"login": [""]}']::jsonb[]) m;
SELECT count(*) FROM evaudit.publish_grants WHERE topic = 'login';

-- a grant goes with its transaction, also out of the cache
BEGIN;
SELECT evaudit.revoke_publish('login', 'alice');
SELECT pg_temp.explain('alice', '{}');
SAVEPOINT s;
SELECT evaudit.grant_publish('login', 'alice', '{"x": ["y"]}');
SELECT pg_temp.explain('alice', '{}');
ROLLBACK TO s;
SELECT pg_temp.explain('alice', '{}');
ROLLBACK;
SELECT pg_temp.explain('alice', '{}');
-- one that is taken back was there; and the table itself may be changed
SELECT evaudit.revoke_publish('login', 'nobody');
TRUNCATE evaudit.publish_grants;
SELECT pg_temp.explain('alice', '{}');

-- no one else grants, revokes or asks
CREATE ROLE evaudit_access_other;
SET ROLE evaudit_access_other;
SELECT pg_temp.try($$SELECT evaudit.grant_publish('login', 'eve')$$);
SELECT pg_temp.try($$SELECT evaudit.revoke_publish('login', 'eve')$$);
SELECT pg_temp.try($$SELECT evaudit.grant_read('login', 'eve')$$), pg_temp.try($$SELECT evaudit.revoke_read('login', 'eve')$$),
	pg_temp.try($$SELECT FROM evaudit.read_grants$$);
SELECT pg_temp.try($$SELECT evaudit.import_access_map('{}')$$);
SELECT pg_temp.try($$SELECT evaudit.explain_access('login', 'eve', '{}')$$);
SELECT pg_temp.try($$SELECT FROM evaudit.publish_grants$$);
RESET ROLE;
-- unless told so: rights on the table are not needed
GRANT EXECUTE ON FUNCTION evaudit.grant_publish(text, text, jsonb) TO evaudit_access_other;
SET ROLE evaudit_access_other;
SELECT pg_temp.try($$SELECT evaudit.grant_publish('login', 'eve')$$);
RESET ROLE;
SELECT subject FROM evaudit.publish_grants;
DROP OWNED BY evaudit_access_other;
DROP ROLE evaudit_access_other;
TRUNCATE evaudit.publish_grants, evaudit.read_grants;
