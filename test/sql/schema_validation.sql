-- JSON Schema: where violations are, what a broken schema is told, references
-- to registered schemas, and bounds.  The official suite is in test/t.
\pset format unaligned
\pset tuples_only on
\pset fieldsep '  '

-- all violations, with their places in the instance and in the schema
SELECT * FROM evaudit.json_schema_errors('{
	"type": "object",
	"required": ["id", "kind", "a/b"],
	"properties": {
		"id": {"type": "integer", "minimum": 1},
		"tags": {"items": {"type": "string", "maxLength": 3}, "uniqueItems": true},
		"a~b": {"const": 1},
		"ref": {"$ref": "#/$defs/short"}
	},
	"additionalProperties": false,
	"$defs": {"short": {"maxLength": 2, "pattern": "^[a-z]*$"}}
}', '{"id": 0.5, "tags": ["abcd", 1, "abcd"], "a~b": 2, "ref": "ABC", "more/less": 1}');
SELECT * FROM evaudit.json_schema_errors(
	'{"anyOf": [{"type": "string"}, {"properties": {"x": {"enum": [1, 2]}}}]}', '{"x": 3}');
SELECT * FROM evaudit.json_schema_errors(
	'{"oneOf": [{"multipleOf": 2}, {"multipleOf": 3}], "not": {"const": 6}}', '6');
SELECT * FROM evaudit.json_schema_errors(
	'{"if": {"required": ["a"]}, "then": {"required": ["b"]}, "else": {"required": ["c"]}}', '{"a": 1}');
SELECT * FROM evaudit.json_schema_errors(
	'{"dependentRequired": {"a": ["b", "c"]}, "propertyNames": {"maxLength": 1}}', '{"a": 1, "dd": 1}');
SELECT * FROM evaudit.json_schema_errors(
	'{"properties": {"a": true}, "unevaluatedProperties": false}', '{"a": 1, "b": 2}');
SELECT * FROM evaudit.json_schema_errors(
	'{"prefixItems": [{"type": "null"}], "contains": {"type": "string"}, "unevaluatedItems": false}', '[1, "a", 2]');
SELECT * FROM evaudit.json_schema_errors('{"type": ["string", "integer"]}', 'null');
SELECT * FROM evaudit.json_schema_errors('false', 'null');
-- no more than asked for
SELECT count(*) FROM evaudit.json_schema_errors('{"items": {"type": "null"}}',
	(SELECT jsonb_agg(i) FROM generate_series(1, 50) i), false, 7);
SELECT count(*) FROM evaudit.json_schema_errors('{"items": {"type": "null"}}',
	(SELECT jsonb_agg(i) FROM generate_series(1, 5000) i), false, 1000000);
-- locations have a limit
SELECT length(instance_location), right(instance_location, 5)
FROM evaudit.json_schema_errors('{"additionalProperties": false}',
	jsonb_build_object(repeat('ü', 100000), 1));

-- formats are asserted when asked for
SELECT evaudit.json_schema_is_valid('{"format": "uuid"}', '"x"'),
	evaudit.json_schema_is_valid('{"format": "uuid"}', '"x"', true),
	evaudit.json_schema_is_valid('{"format": "nobody-knows"}', '"x"', true);
SELECT * FROM evaudit.json_schema_errors(
	'{"properties": {"at": {"format": "date-time"}, "n": {"format": "date"}}}',
	'{"at": "2026-02-30T00:00:00Z", "n": 1}', true);

-- numbers are exact
SELECT evaudit.json_schema_is_valid('{"multipleOf": 0.01}', '19.99'),
	evaudit.json_schema_is_valid('{"const": 9007199254740993}', '9007199254740992'),
	evaudit.json_schema_is_valid('{"maximum": 1e400}', '1e401'),
	evaudit.json_schema_is_valid('{"enum": [1.0]}', '1'),
	evaudit.json_schema_is_valid('{"type": "integer"}', '1.0'),
	evaudit.json_schema_is_valid('{"$schema": "http://json-schema.org/draft-04/schema#", "type": "integer"}', '1.0');
-- characters are counted, not bytes
SELECT evaudit.json_schema_is_valid('{"maxLength": 3, "minLength": 3}', '"äöü"');

-- a broken schema is told where
\set VERBOSITY verbose
\set SHOW_CONTEXT never
SELECT set_config('client_min_messages', 'warning', false);
CREATE FUNCTION broken(schema jsonb) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM evaudit.json_schema_is_valid(schema, '1');
	RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
	RETURN sqlstate || ' ' || left(sqlerrm, 150);
END $$;
SELECT broken(s::jsonb) FROM unnest(ARRAY[
	'1',
	'{"type": "strin"}',
	'{"type": ["string", 1]}',
	'{"type": []}',
	'{"properties": {"a/b": {"minLength": -1}}}',
	'{"properties": {"a": {"minLength": 1.5}}}',
	'{"items": [true]}',
	'{"$schema": "http://json-schema.org/draft-07/schema#", "items": [true, {"maxItems": "1"}]}',
	'{"$schema": "http://json-schema.org/draft-04/schema#", "items": [true]}',
	'{"$schema": "http://json-schema.org/draft-03/schema#"}',
	'{"$schema": "https://example.com/not/registered"}',
	'{"$defs": {"unused": {"pattern": "(a"}}}',
	'{"pattern": "a\\Z"}',
	'{"pattern": "(*LIMIT_MATCH=1)a"}',
	'{"pattern": "(?R)"}',
	'{"patternProperties": {"[": true}}',
	'{"required": "a"}',
	'{"required": [1]}',
	'{"enum": 1}',
	'{"multipleOf": 0}',
	'{"allOf": {"type": "string"}}',
	'{"anyOf": []}',
	'{"not": 1}',
	'{"uniqueItems": "yes"}',
	'{"$ref": 1}',
	'{"$ref": "#/$defs/nothing"}',
	'{"$ref": "#nothing"}',
	'{"$ref": "https://example.com/not/registered"}',
	'{"allOf": [{"$anchor": "a"}, {"$anchor": "a"}]}',
	'{"$id": "https://example.com/a#b"}',
	'{"const": {"type": 1}, "x-unknown": {"type": 1}}'
]) s;

-- registered schemas
SELECT evaudit.register_schema('https://example.com/name', '{"type": "string", "minLength": 1}');
SELECT evaudit.json_schema_is_valid('{"$ref": "https://example.com/name"}', '""');
SELECT evaudit.register_schema('https://example.com/name#', '{"type": "string"}');
SELECT evaudit.json_schema_is_valid('{"$ref": "https://example.com/name"}', '""');
BEGIN;
SELECT evaudit.register_schema('https://example.com/name', '{"type": "null"}');
SELECT evaudit.json_schema_is_valid('{"$ref": "https://example.com/name"}', '""');
ROLLBACK;
SELECT evaudit.json_schema_is_valid('{"$ref": "https://example.com/name"}', '""');
SELECT evaudit.json_schema_is_valid(
	'{"$id": "https://example.com/dir/x", "items": {"$ref": "../name"}}', '["", 1]');
SELECT evaudit.unregister_schema('https://example.com/name');
SELECT broken('{"$ref": "https://example.com/name"}');
\set VERBOSITY default
SELECT evaudit.unregister_schema('https://example.com/name');
SELECT evaudit.register_schema('name', 'true');
SELECT evaudit.register_schema('https://example.com/name#/a', 'true');
SELECT evaudit.register_schema('http://json-schema.org/draft-07/schema#', 'true');
SELECT evaudit.register_schema('https://example.com/name',
	'{"$schema": "https://json-schema.org/draft/2020-12/schema", "type": 1}');
-- what is not there yet may be referred to
SELECT evaudit.register_schema('https://example.com/a',
	'{"$schema": "https://json-schema.org/draft/2020-12/schema", "$ref": "b"}');
SELECT evaudit.register_schema('https://example.com/b', '{"type": "null"}');
SELECT evaudit.json_schema_is_valid('{"$ref": "https://example.com/a"}', 'null');
SELECT evaudit.register_schema('https://example.com/future', '{"$schema": "https://example.com/meta", "type": 1}');
SELECT broken('{"$ref": "https://example.com/future"}');
SELECT evaudit.register_schema('https://example.com/meta',
	'{"$schema": "https://json-schema.org/draft/2020-12/schema", "$vocabulary": {"https://json-schema.org/draft/2020-12/vocab/applicator": true}}');
SELECT broken('{"$ref": "https://example.com/future"}');
SELECT evaudit.register_schema('https://example.com/meta',
	'{"$schema": "https://json-schema.org/draft/2020-12/schema", "$vocabulary": {"https://example.com/vocabulary": true}}');
SELECT broken('{"$ref": "https://example.com/future"}');
SELECT count(*) FROM evaudit.schemas;
CREATE ROLE regress_json_schema;
SET ROLE regress_json_schema;
SELECT evaudit.json_schema_is_valid('{"$ref": "https://example.com/a"}', 'null');
SELECT evaudit.register_schema('https://example.com/c', 'true');
SELECT evaudit.unregister_schema('https://example.com/a');
SELECT count(*) FROM evaudit.schemas;
RESET ROLE;
DROP ROLE regress_json_schema;

-- parallel workers find registered schemas, too
CREATE TABLE many AS SELECT to_jsonb(i) AS j FROM generate_series(1, 5000) i;
ANALYZE many;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SELECT count(*) FILTER (WHERE evaudit.json_schema_is_valid('{"not": {"$ref": "https://example.com/a"}}', j)),
	bool_or(evaudit.json_schema_is_valid('{"$ref": "https://example.com/a"}', j))
FROM many;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
DROP TABLE many;

-- the meta-schemas are built in
SELECT evaudit.json_schema_is_valid(jsonb_build_object('$ref', uri), '{"minLength": -1}')
FROM unnest(ARRAY['http://json-schema.org/draft-04/schema#', 'http://json-schema.org/draft-06/schema#',
	'http://json-schema.org/draft-07/schema#', 'https://json-schema.org/draft/2019-09/schema',
	'https://json-schema.org/draft/2020-12/schema']) uri;

-- whatever comes, a statement ends soon: each of these would take years
CREATE FUNCTION attempt(schema jsonb, instance jsonb, assert_format boolean DEFAULT false)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	began timestamptz := clock_timestamp();
	result text;
BEGIN
	BEGIN
		result := evaudit.json_schema_is_valid(schema, instance, assert_format);
	EXCEPTION WHEN OTHERS THEN
		result := sqlstate || ' ' || left(sqlerrm, 90);
	END;
	RETURN result || CASE WHEN clock_timestamp() - began > interval '10 min' THEN ' late' ELSE '' END;
END $$;
-- patterns
SELECT attempt(jsonb_build_object('pattern', p), to_jsonb(repeat('a', 60) || '!'))
FROM unnest(ARRAY['^(a+)+$', '^(a|a)*$', '^(([a-z])+.)+[A-Z]([a-z])+$', '^(a|aa)+$']) p;
SELECT attempt('{"patternProperties": {"^(a+)+$": true}}',
	jsonb_build_object(repeat('a', 60) || '!', 1));
SELECT attempt('{"items": {"not": {"pattern": "^(a+)+$"}}}',
	(SELECT jsonb_agg(repeat('a', 25) || '!') FROM generate_series(1, 10000)));
SELECT attempt('{"pattern": "^(a|b)*$"}', to_jsonb(repeat('ab', 150000)));
SELECT attempt('{"format": "regex"}', to_jsonb(repeat('(a?){0,200}', 800)), true);
-- the event is refused, with a reason
SELECT * FROM evaudit.json_schema_errors('{"properties": {"x": {"pattern": "^(a+)+$"}}}',
	jsonb_build_object('x', repeat('a', 60) || '!'));
-- references
SELECT attempt('{"$ref": "#"}', '1');
SELECT attempt('{"anyOf": [{"type": "string"}, {"$ref": "#"}]}', '1');
SELECT attempt('{"$defs": {"a": {"allOf": [{"$ref": "#/$defs/b"}]}, "b": {"not": {"$ref": "#/$defs/a"}}}, "$ref": "#/$defs/a"}', '1');
SELECT attempt('{"$dynamicAnchor": "x", "$dynamicRef": "#x"}', '1');
SELECT attempt(jsonb_build_object('$ref', '#/$defs/d0', '$defs', jsonb_object_agg('d' || i,
	CASE WHEN i = 40 THEN '{"type": "integer"}'
	ELSE format('{"%s": [{"$ref": "#/$defs/d%s"}, {"$ref": "#/$defs/d%2$s"}]}', k, i + 1) END::jsonb)), '1')
FROM generate_series(0, 40) i, unnest(ARRAY['allOf', 'oneOf']) k GROUP BY k ORDER BY k;
SELECT attempt(jsonb_build_object('$ref', '#/$defs/d0', 'unevaluatedProperties', false, '$defs', jsonb_object_agg('d' || i,
	CASE WHEN i = 40 THEN '{"properties": {"a": true}}'
	ELSE format('{"anyOf": [{"$ref": "#/$defs/d%s"}, {"$ref": "#/$defs/d%1$s"}]}', i + 1) END::jsonb)), '{"a": 1}')
FROM generate_series(0, 40) i;
-- depth
SELECT attempt('{"items": {"$ref": "#"}}', (repeat('[', 300) || repeat(']', 300))::jsonb);
SELECT attempt('{"items": {"$ref": "#"}}', (repeat('[', 5000) || repeat(']', 5000))::jsonb);
SELECT attempt((repeat('{"not": ', n) || '{}' || repeat('}', n))::jsonb, '1') ~ '^22023' OR n < 250
FROM unnest(ARRAY[240, 2000]) n;
SELECT attempt((repeat('{"not": ', 240) || 'true' || repeat('}', 240))::jsonb, '1');
-- width
SELECT attempt(jsonb_build_object('properties', jsonb_object_agg('p' || i, '{"type": "integer"}'::jsonb)),
	(SELECT jsonb_object_agg('p' || i, i) FROM generate_series(1, 20000) i))
FROM generate_series(1, 20000) i;
SELECT attempt(jsonb_build_object('properties', jsonb_object_agg('p' || i, true)), '1')
FROM generate_series(1, 50001) i;
SELECT attempt('{"uniqueItems": true}', (SELECT jsonb_agg(i % 50000) FROM generate_series(1, 50001) i));
SELECT attempt(jsonb_build_object('enum', jsonb_agg(i)), '77777.0') FROM generate_series(1, 100000) i;
SELECT attempt(jsonb_build_object('$defs', jsonb_build_object('c', jsonb_build_object('const', c)),
	'allOf', (SELECT jsonb_agg('{"$ref": "#/$defs/c"}'::jsonb) FROM generate_series(1, 20000))), c)
FROM (SELECT jsonb_agg(i) c FROM generate_series(1, 20000) i) x;
-- what was evaluated of more members and elements than a word has bits
CREATE FUNCTION members(a int, b int, c int) RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_object_agg(k || i, i) FROM (VALUES ('a', a), ('b', b), ('c', c)) v(k, n), generate_series(1, n) i
$$;
SELECT string_agg(evaudit.json_schema_is_valid(schema::jsonb, members(a, b, c))::text, ' ' ORDER BY i)
FROM (VALUES ('{"anyOf": [{"patternProperties": {"^a": true}}, {"patternProperties": {"^b": true}}], "unevaluatedProperties": false}'),
	('{"if": {"required": ["a1"]}, "then": {"patternProperties": {"^a": true}}, "else": {"additionalProperties": true},
	"unevaluatedProperties": {"type": "string"}}')) s(schema),
	(VALUES (1, 100, 0, 0), (2, 70, 70, 0), (3, 70, 70, 1), (4, 0, 0, 65), (5, 64, 0, 1), (6, 0, 100, 0)) v(i, a, b, c)
GROUP BY schema ORDER BY schema;
SELECT evaudit.json_schema_is_valid(schema::jsonb, to_jsonb(items))
FROM (VALUES ('{"prefixItems": [true, true, true], "contains": {"multipleOf": 2}, "unevaluatedItems": false}')) s(schema),
	(VALUES (1, ARRAY(SELECT generate_series(0, 200, 2))), (2, ARRAY[0, 1, 2] || array_fill(4, ARRAY[80])),
	(3, array_fill(0, ARRAY[90]) || 1)) v(i, items) ORDER BY i;
-- numbers
SELECT attempt('{"items": {"not": {"multipleOf": 0.123456789012345678901234567890123456789}}}',
	('[' || repeat('1e131000, ', 20000) || '1]')::jsonb);
SELECT attempt('{"multipleOf": 1e-16000}', '1e131000');
-- and can be cancelled: by an interrupt that is there when the validation
-- begins, so that it matters how far it gets, not how fast it is
SELECT jsonb_build_object('$ref', '#/$defs/d0', '$defs', jsonb_object_agg('d' || i,
	CASE WHEN i = 25 THEN '{"type": "integer"}'
	ELSE format('{"allOf": [{"$ref": "#/$defs/d%s"}, {"$ref": "#/$defs/d%1$s"}]}', i + 1) END::jsonb)) AS long
FROM generate_series(0, 25) i \gset
\set VERBOSITY terse
SELECT evaudit.json_schema_is_valid(:'long', '1');
SELECT pg_cancel_backend(pg_backend_pid()) AND evaudit.json_schema_is_valid(:'long', '1');
\set VERBOSITY default

DROP FUNCTION broken, attempt, members;
SELECT evaudit.unregister_schema(uri) FROM (SELECT uri FROM evaudit.schemas) s;
