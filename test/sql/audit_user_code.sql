-- Functions of users that run while a change is captured: casts to json and
-- output functions.  What they set is not believed for that change.
CREATE TYPE sly AS ENUM ('a', 'b', 'c');
CREATE TYPE shown AS (n float8, at timestamptz);
CREATE FUNCTION sly_json(sly) RETURNS json LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('evaudit.actor', 'forged', false),
		set_config('evaudit.request_id', 'forged', false),
		set_config('application_name', 'forged', false),
		set_config('TimeZone', 'Asia/Tokyo', false),
		set_config('DateStyle', 'SQL, DMY', false),
		set_config('IntervalStyle', 'sql_standard', false),
		set_config('extra_float_digits', '-10', false),
		set_config('bytea_output', 'escape', false),
		set_config('search_path', 'public, pg_catalog', false);
	RETURN to_json('sly ' || $1::text);
END $$;
CREATE TABLE tricked (a int PRIMARY KEY, c timestamptz[], b sly[], d shown,
	e interval, f bytea[], g regclass, h sly[]);
SELECT evaudit.track('tricked');
CREATE CAST (sly AS json) WITH FUNCTION sly_json(sly);
TRUNCATE audit;
CREATE FUNCTION settings() RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(name || ' = ' || setting, '; ' ORDER BY name)
	FROM pg_settings WHERE name IN ('evaudit.actor', 'evaudit.request_id',
		'application_name', 'TimeZone', 'DateStyle', 'IntervalStyle',
		'extra_float_digits', 'bytea_output') $$;
SET application_name = 'true';
SET evaudit.actor = 'ada';
SET evaudit.request_id = 'req-1';
SET TimeZone = 'America/New_York';

BEGIN;
INSERT INTO tricked VALUES (1, '{2024-01-01 00:00:00+00}', '{a}',
	(0.1::float8 + 0.2, '2024-01-01 00:00:00+00'), '1 day 02:03:04',
	'{"\\x01"}', 'tricked', '{b}');
SELECT settings();
-- Later changes follow what the session says by then.
DELETE FROM tricked;
COMMIT;
SELECT operation, coalesce(new_value, old_value) AS row_value, actor,
	request_id, application_name FROM audit ORDER BY seq;
TRUNCATE audit;
-- An UPDATE, whose rows are all written after the conversion; item_key, too.
SET application_name = 'true';
SET evaudit.actor = 'ada';
SET evaudit.request_id = 'req-2';
SET extra_float_digits = 1;
INSERT INTO tricked VALUES (2, '{2024-01-01}', '{a}', (1, '2024-01-01'), '1 day',
	'{"\\x01"}', 'tricked', '{b}');
TRUNCATE audit;
SET application_name = 'true';
SET evaudit.actor = 'ada';
SET evaudit.request_id = 'req-3';
UPDATE tricked SET a = 3, b = '{b}', c = '{2024-01-02 00:00:00+00}',
	d = (0.1::float8 + 0.2, '2024-01-02 00:00:00+00'), e = '2 days 02:03:04',
	f = '{"\\x02"}', g = 'audit', h = '{c}';
SELECT item_key, updated_attribute, new_value, actor, request_id, application_name
FROM audit ORDER BY seq;
TRUNCATE audit;

-- A cast that changes tables itself, as another actor and another role's code:
-- both changes are told as they were.
CREATE TABLE beside (id int PRIMARY KEY, v sly[]);
SELECT evaudit.track('beside');
CREATE OR REPLACE FUNCTION sly_json(sly) RETURNS json LANGUAGE plpgsql AS $$
BEGIN
	IF $1 <> 'c' THEN
		PERFORM set_config('evaudit.actor', repeat('x', 1000), false);
		INSERT INTO public.beside VALUES (1, '{c}')
			ON CONFLICT (id) DO UPDATE SET id = excluded.id + 1;
		PERFORM set_config('evaudit.actor', 'eve', false);
		UPDATE public.beside SET id = id + 10;
	END IF;
	RETURN to_json($1::text);
END $$;
SET evaudit.actor = 'ada';
INSERT INTO tricked (a, b, h) VALUES (4, '{a}', '{b}');
SELECT relation, operation, left(actor, 5) AS actor FROM audit ORDER BY seq;
TRUNCATE audit;
-- One that drops a column of the very table, and one that fails.
CREATE OR REPLACE FUNCTION sly_json(sly) RETURNS json LANGUAGE plpgsql AS $$
BEGIN
	ALTER TABLE public.tricked DROP COLUMN g;
	RETURN '1';
END $$;
INSERT INTO tricked (a, b) VALUES (5, '{a}');
CREATE OR REPLACE FUNCTION sly_json(sly) RETURNS json LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('evaudit.actor', 'eve', true);
	RAISE 'no json today';
END $$;
SET evaudit.actor = 'ada';
INSERT INTO tricked (a, b) VALUES (6, '{a}');
SHOW evaudit.actor;
SELECT count(*) FROM audit;

-- Within the transaction, too, the session has its own settings back.
BEGIN;
SET LOCAL TimeZone = 'America/New_York';
INSERT INTO tricked (a, c) VALUES (7, '{2024-01-01 00:00:00+00}');
SHOW TimeZone;
SELECT new_value -> 'c' AS c FROM audit;
ROLLBACK;

RESET ALL;
DROP TABLE tricked, beside;
DROP CAST (sly AS json);
DROP FUNCTION sly_json(sly), settings();
DROP TYPE sly, shown;
TRUNCATE audit;
