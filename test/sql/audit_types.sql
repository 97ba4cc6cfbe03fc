-- Values of all types are kept as to_jsonb() shows them in a session whose
-- settings are the plain ones.
CREATE TYPE mood AS ENUM ('calm', 'angry');
CREATE TYPE pair AS (a int, b text, c timestamptz);
CREATE DOMAIN short AS varchar(8) CHECK (value <> '');
CREATE DOMAIN pairs AS pair[];
CREATE DOMAIN stamp AS timestamptz;
CREATE TABLE wide (
	c_bool bool, c_int2 int2, c_int4 int4, c_int8 int8, c_float4 float4,
	c_float8 float8, c_numeric numeric, c_numeric2 numeric(10,2), c_text text,
	c_varchar varchar(10), c_bpchar char(5), c_char "char", c_name name,
	c_bytea bytea, c_uuid uuid, c_date date, c_time time, c_timetz timetz,
	c_timestamp timestamp, c_timestamptz timestamptz, c_interval interval,
	c_json json, c_jsonb jsonb, c_xml xml, c_inet inet, c_cidr cidr,
	c_macaddr macaddr, c_bit bit(4), c_varbit varbit, c_oid oid, c_xid8 xid8,
	c_lsn pg_lsn, c_money money, c_point point, c_box box, c_range tstzrange,
	c_mrange int4multirange, c_tsvector tsvector, c_class regclass,
	c_proc regprocedure, c_mood mood, c_pair pair, c_short short, c_pairs pairs,
	c_stamp stamp, c_ints int[], c_texts text[][], c_floats float8[],
	c_times timestamptz[], c_bytes bytea[], c_moods mood[],
	c_ranges tstzrange[], c_classes regclass[]);
SELECT evaudit.track('wide');

-- The oracle: whole rows, by SQL alone, from triggers that fire last.
CREATE TABLE seen (n serial, op text, old jsonb, new jsonb);
CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql
	SET search_path = pg_catalog SET "TimeZone" = 'UTC' SET "DateStyle" = 'ISO'
	SET "IntervalStyle" = 'postgres' SET extra_float_digits = 1
	SET bytea_output = 'hex' SET lc_monetary = 'C'
AS $$
BEGIN
	INSERT INTO public.seen (op, old, new)
	VALUES (tg_op, to_jsonb(old), to_jsonb(new));
	RETURN NULL;
END $$;
CREATE TRIGGER zz AFTER INSERT OR UPDATE OR DELETE ON wide
	FOR EACH ROW EXECUTE FUNCTION see();

SET TimeZone = 'America/New_York';
SET DateStyle = 'SQL, DMY';
SET IntervalStyle = 'sql_standard';
SET extra_float_digits = -3;
SET bytea_output = 'escape';

INSERT INTO wide VALUES (true, 1, -2, 3, 0.1, 1.1e300, 12345678901234567890.5,
	1.5, 'text "q" \ ', 'varchar', 'ab', 'c', 'name', '\x00ff10', gen_random_uuid(),
	'2024-02-29', '12:34:56.789', '12:34:56+05:30', '2024-02-29 12:34:56',
	'2024-02-29 12:34:56.5+00', '1 mon -2 days 03:00', '{"a" : 1,"a":2}',
	'{"b": [1, {"c": null}]}', '<a>b</a>', '10.0.0.1/8', '10.0.0.0/8',
	'08:00:2b:01:02:03', '1010', '101', 42, '1234567890123', '16/B374D848', 12.34,
	'(0.1,2)', '(1,1),(0,0)', '[2024-01-01 00:00+00,2024-02-01 00:00+00)',
	'{[1,3),[5,8)}', 'a:1 fat:2', 'wide', 'see()', 'angry',
	(1, 'x', '2024-01-01 00:00+00'), 'short',
	ARRAY[(1, NULL, '2024-01-01 00:00+00'), NULL]::pair[], '2024-01-01 00:00+00',
	'{1,NULL,3}', '{{a,"b c"},{d,e}}', '{0.1,NaN,1e21}',
	'{2024-01-01 00:00+00,infinity}', ARRAY['\x01'::bytea, NULL], '{calm,angry}',
	ARRAY['[2024-01-01 00:00+00,)'::tstzrange], '{wide,pg_class}');
INSERT INTO wide DEFAULT VALUES;
INSERT INTO wide (c_int2, c_int4, c_int8, c_float4, c_float8, c_numeric, c_text,
	c_bytea, c_date, c_timestamp, c_timestamptz, c_jsonb, c_ints, c_texts)
VALUES (-32768, -2147483648, -9223372036854775808, 'NaN', '-Infinity', 'NaN', '',
	'', 'infinity', '-infinity', 'infinity', 'null', '{}', '{}'),
	(32767, 2147483647, 9223372036854775807, 'Infinity', 1e-300, 'Infinity',
	E'\t\u0001\u20ac', '\x5c', '0044-03-15 BC', '0044-03-15 12:00 BC',
	'12345-01-01 00:00+00', '"s"', '[3:4]={1,2}', NULL),
	(0, 0, 0, '-0', 5e-324, 0, repeat('long', 1000), decode(repeat('ab', 3000), 'hex'),
	'2000-01-01', '2000-01-01', '2000-01-01 00:00+00', '[]', '{}', NULL),
	(NULL, NULL, NULL, 3.4e38, 1.7976931348623157e308, 0.000, NULL, NULL, NULL,
	NULL, NULL, '{}', NULL, NULL),
	(NULL, NULL, NULL, 1e15, 123456789012345680, 1e-10, NULL, NULL, NULL, NULL,
	NULL, '1.50', NULL, NULL);
UPDATE wide SET (c_int4, c_text, c_numeric, c_jsonb, c_interval, c_pair, c_class)
	= (coalesce(c_int4, 0) / 2 + 1, c_text || 'x', c_numeric + 0.10, '[1.50]',
	'-1 day', ROW(2, 'y', now()), 'seen');
UPDATE wide SET c_ints = '{9}', c_mood = 'calm', c_times = '{}', c_floats = '{0.30000000000000004}';
DELETE FROM wide;
RESET ALL;

CREATE VIEW expected AS
	SELECT row_number() OVER (ORDER BY n, u.place) AS n, op, u.name,
		CASE op WHEN 'UPDATE' THEN old -> u.name ELSE old END::text AS old,
		CASE op WHEN 'UPDATE' THEN new -> u.name ELSE new END::text AS new
	FROM seen LEFT JOIN LATERAL (
		SELECT attname AS name, attnum AS place FROM pg_attribute
		WHERE attrelid = 'wide'::regclass AND attnum > 0 AND op = 'UPDATE'
		AND (old -> attname::text)::text <> (new -> attname::text)::text) u ON true
	WHERE op <> 'UPDATE' OR u.name IS NOT NULL;
CREATE TEMP VIEW captured AS
	SELECT row_number() OVER (ORDER BY seq) AS n, operation AS op,
		updated_attribute AS name, old_value::text AS old, new_value::text AS new
	FROM audit WHERE operation <> 'TRACK';
SELECT (SELECT count(*) FROM expected) AS expected, count(*) AS captured
FROM captured;
SELECT * FROM (TABLE expected EXCEPT TABLE captured) e ORDER BY n;
SELECT * FROM (TABLE captured EXCEPT TABLE expected) c ORDER BY n;
-- Byte for byte what jsonb itself would have stored.
SELECT count(*) AS not_canonical FROM audit,
	LATERAL (VALUES (old_value), (new_value)) AS x (v)
WHERE NOT record_image_eq(ROW(v), ROW(v::text::jsonb));
TRUNCATE audit;

DROP VIEW expected, captured;
DROP TABLE wide, seen;
DROP FUNCTION see();
DROP DOMAIN short, pairs, stamp;
DROP TYPE mood, pair;
TRUNCATE audit;
