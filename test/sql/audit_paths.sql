-- Changed paths of jsonb columns: exact, reversible, never longer than the values.
CREATE SCHEMA paths;
SET search_path = paths, public;
CREATE TABLE d (id int PRIMARY KEY, doc jsonb, v int);
SELECT evaudit.track('d', '{"diff": {"doc": "paths"}}');

CREATE VIEW trail AS SELECT updated_attribute, old_value, new_value FROM audit
	WHERE relation = 'paths.d' AND operation = 'UPDATE' ORDER BY seq;
INSERT INTO d VALUES (1, '{"a": {"b": 1.0, "c/d~e": [1, 2, {"f": "g"}]}, "": "", "n": null,
	"long": "a string that makes whole values longer than the paths in them that change"}', 1);
UPDATE d SET doc = jsonb_set(doc, '{a,b}', '1.00');
UPDATE d SET doc = jsonb_set(doc, '{a,c/d~e,2,f}', '"h"'), v = 2;
UPDATE d SET doc = jsonb_set(doc, '{a,c/d~e}', '[1]');
UPDATE d SET doc = jsonb_set(doc, '{a,c/d~e}', '[1, null, [2]]');
UPDATE d SET doc = doc - 'n';
UPDATE d SET doc = doc || '{"n": null, "": {"": 0}}';
UPDATE d SET doc = doc;
-- what is no change of paths
UPDATE d SET doc = '["an array"]';
UPDATE d SET doc = '["another array"]';
UPDATE d SET doc = '1';
UPDATE d SET doc = NULL;
UPDATE d SET doc = '{}';
SELECT * FROM trail;
SELECT a.document - 'id' - 'modificationTime' AS document FROM audit a
	WHERE relation = 'paths.d' AND updated_attribute = 'doc' ORDER BY seq LIMIT 1;

-- A large value with one change
UPDATE d SET doc = (SELECT jsonb_object_agg('key ' || i, repeat(i::text, 20)) FROM generate_series(1, 10000) i);
UPDATE d SET doc = doc || '{"key 5000": 1}';
SELECT pg_column_size(new_value) < 200 AS small FROM audit ORDER BY seq DESC LIMIT 1;
UPDATE d SET doc = (SELECT jsonb_object_agg(key, 0) FROM jsonb_each(doc));
SELECT old_value IS NULL AS paths, pg_column_size(new_value) < 1000000 AS bounded
	FROM audit ORDER BY seq DESC LIMIT 1;

-- Random values: what the audit has leads from each to the other
CREATE FUNCTION random_json(depth int) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
	kind int := (random() * CASE WHEN depth > 3 THEN 4 ELSE 9 END)::int;
BEGIN
	RETURN CASE
		WHEN kind = 0 THEN 'null'
		WHEN kind = 1 THEN to_jsonb(random() < 0.5)
		WHEN kind = 2 THEN to_jsonb(round(random()::numeric * 10, (random() * 2)::int))
		WHEN kind <= 4 THEN to_jsonb((ARRAY['', 'x', '~', '/', 'a/~b', '0'])[1 + (random() * 5)::int])
		WHEN kind <= 6 THEN coalesce((SELECT jsonb_agg(random_json(depth + 1)) FROM generate_series(1, (random() * 4)::int)), '[]')
		ELSE coalesce((SELECT jsonb_object_agg((ARRAY['', 'x', '~', '/', 'a/~b', '0', '1', '~1'])[1 + (random() * 7)::int],
			random_json(depth + 1)) FROM generate_series(1, (random() * 5)::int)), '{}') END;
END $$;
CREATE FUNCTION change(value jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
BEGIN
	IF random() < 0.2 THEN
		RETURN random_json(0);
	END IF;
	RETURN CASE jsonb_typeof(value)
		WHEN 'object' THEN coalesce((SELECT jsonb_object_agg(key, CASE WHEN random() < 0.3 THEN change(e.value) ELSE e.value END)
			FROM jsonb_each(value) e WHERE random() < 0.9), '{}') || CASE WHEN random() < 0.3
			THEN jsonb_build_object((ARRAY['new', '~1', '/'])[1 + (random() * 2)::int], random_json(2)) ELSE '{}' END
		WHEN 'array' THEN coalesce((SELECT jsonb_agg(CASE WHEN random() < 0.3 THEN change(e) ELSE e END)
			FROM jsonb_array_elements(value) e WHERE random() < 0.9), '[]') || CASE WHEN random() < 0.3
			THEN jsonb_build_array(random_json(2), random_json(2)) ELSE '[]' END
		ELSE value END;
END $$;
CREATE TABLE pairs AS SELECT i AS id, jsonb_build_object('pad', repeat('pad', 40), 'v', random_json(0)) AS old
	FROM generate_series(1, 2000) i;
ALTER TABLE pairs ADD new jsonb;
UPDATE pairs SET new = jsonb_build_object('pad', repeat('pad', 40), 'v', change(old -> 'v'));
TRUNCATE d;
INSERT INTO d SELECT id, old FROM pairs;
TRUNCATE audit;
UPDATE d SET doc = new FROM pairs p WHERE p.id = d.id;
-- the texts are compared, so that 1.0 is not 1.00
SELECT count(*) > 500 AS many, bool_and(evaudit.patch(p.old, a.new_value)::text = p.new::text) AS forwards,
	bool_and(evaudit.patch(p.new, a.new_value, true)::text = p.old::text) AS backwards
	FROM audit a JOIN pairs p ON p.id::text = a.item_key WHERE a.old_value IS NULL;
SELECT count(*) AS lost FROM pairs p WHERE old::text <> new::text
	AND NOT EXISTS (SELECT FROM audit a WHERE a.item_key = p.id::text);

-- What patch() refuses
SELECT evaudit.patch('{"a": 1}', '{"/a": {"old": 2, "new": 3}}');
SELECT evaudit.patch('{"a": 1}', '{"/a": {"new": 3}}');
SELECT evaudit.patch('{"a": 1}', '{"/b": {"old": 1}}');
SELECT evaudit.patch('{"a": 1}', '{"/b/c": {"new": 1}}');
SELECT evaudit.patch('[1]', '{"/2": {"new": 1}}');
SELECT evaudit.patch('[1]', '{"/01": {"new": 1}}');
SELECT evaudit.patch('[1]', '{"0": {"new": 1}}');
SELECT evaudit.patch('[1]', '{"/0": {}}');
SELECT evaudit.patch('1', '{}');
SELECT evaudit.patch('{}', '[]');
SELECT evaudit.patch('{"a": 1}', '{"/a": {"old": 1, "new": {"b": 1}}, "/a/b": {"new": 1}}');
DROP SCHEMA paths CASCADE;
TRUNCATE audit;
