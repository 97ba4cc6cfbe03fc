-- Tables whose columns are not plain: dropped, added, generated, many, toasted.
CREATE TABLE shape (gone int, id int PRIMARY KEY, a text, also_gone text,
	b int GENERATED ALWAYS AS (id * 2) STORED, c text DEFAULT 'c');
ALTER TABLE shape DROP gone;
SELECT evaudit.track('shape');
INSERT INTO shape (id, a) VALUES (1, 'a');
ALTER TABLE shape DROP also_gone;
ALTER TABLE shape ADD d int DEFAULT 7, ADD e text;
UPDATE shape SET a = 'aa';
UPDATE shape SET id = 2;
UPDATE shape SET d = 7;
UPDATE shape SET d = 8, e = 'e';
ALTER TABLE shape ALTER d TYPE text USING 'd' || d;
UPDATE shape SET d = 'd9';
DELETE FROM shape;
SELECT item_key, operation, updated_attribute, old_value, new_value
FROM audit ORDER BY seq;
TRUNCATE audit;

-- Rewriting the table was no change: what it made of the rows is theirs.
INSERT INTO shape (id) VALUES (3);
ALTER TABLE shape ADD f float8 DEFAULT random();
UPDATE shape SET a = 'x';
SELECT updated_attribute FROM audit WHERE operation = 'UPDATE';
TRUNCATE audit;

-- No columns at all, and more than one stride of jsonb entries.
CREATE TABLE none ();
SELECT evaudit.track('none');
INSERT INTO none DEFAULT VALUES;
DELETE FROM none;
DO $$
BEGIN
	EXECUTE 'CREATE TABLE many (' ||
		(SELECT string_agg(format('column_%s int', i), ', ')
		FROM generate_series(1, 200) i) || ')';
	EXECUTE 'INSERT INTO many SELECT ' ||
		(SELECT string_agg(i::text, ', ') FROM generate_series(1, 200) i);
END $$;
SELECT evaudit.track('many');
UPDATE many SET column_100 = 0;
DELETE FROM many;
SELECT relation, operation, updated_attribute,
	CASE WHEN relation = 'public.none' THEN coalesce(old_value, new_value) END
FROM audit ORDER BY seq;
-- Byte for byte what jsonb itself would have stored.
SELECT operation, record_image_eq(ROW(v), ROW(v::text::jsonb)) AS canonical
FROM audit, coalesce(old_value, new_value) AS v ORDER BY seq;
SELECT count(*), sum((old_value ->> ('column_' || i))::int - i) AS wrong
FROM audit, generate_series(1, 200) i
WHERE relation = 'public.many' AND operation = 'DELETE';
TRUNCATE audit;

-- Values out of line: equal content is no change, however it is stored.
CREATE TABLE toasted (id int PRIMARY KEY, v text, w text, n int);
ALTER TABLE toasted ALTER v SET STORAGE EXTERNAL;
SELECT evaudit.track('toasted');
INSERT INTO toasted SELECT 1, string_agg(md5(i::text), ''), repeat('z', 100000)
FROM generate_series(1, 3000) i;
TRUNCATE audit;
UPDATE toasted SET n = 1;
UPDATE toasted SET v = v || '', w = w || '';
ALTER TABLE toasted ALTER v SET STORAGE MAIN, ALTER w SET STORAGE EXTERNAL;
UPDATE toasted SET v = v || '', w = w || '';
SELECT updated_attribute FROM audit ORDER BY seq;
UPDATE toasted SET v = overwrite.v
FROM (SELECT id, overlay(v placing '!' from 90000 for 1) AS v FROM toasted)
	AS overwrite WHERE toasted.id = overwrite.id;
SELECT updated_attribute, length(old_value #>> '{}'),
	old_value #>> '{}' <> new_value #>> '{}' AS differ,
	new_value #>> '{}' = v AS right_value
FROM audit, toasted WHERE updated_attribute = 'v';
DELETE FROM toasted;
SELECT length(old_value ->> 'v'), length(old_value ->> 'w')
FROM audit WHERE operation = 'DELETE';
TRUNCATE audit;

-- Composite values and arrays whose images differ but whose parts do not.
CREATE TYPE two AS (a int, b text);
CREATE TABLE composite (id int PRIMARY KEY, v two, w two[], n int[]);
SELECT evaudit.track('composite');
INSERT INTO composite VALUES (1, (1, repeat('y', 5000)),
	ARRAY[NULL, (1, 'y')::two], '{1,NULL}');
ALTER TYPE two ADD ATTRIBUTE c int;
UPDATE composite SET n[2] = 2;
TRUNCATE audit;
UPDATE composite SET v = ROW(1, repeat('y', 5000), NULL),
	w = ARRAY[NULL, (1, 'y', NULL)::two], n = '{1,2}';
SELECT count(*) FROM audit;
-- What shows is a change, whether or not JSON can tell.
UPDATE composite SET n = '[0:1]={1,2}';
SELECT updated_attribute, old_value, new_value FROM audit;
TRUNCATE audit;
UPDATE composite SET v.c = 3;
SELECT updated_attribute, old_value - 'b', new_value - 'b' FROM audit;
TRUNCATE audit;

DROP TABLE shape, none, many, toasted, composite;
DROP TYPE two;
TRUNCATE audit;
