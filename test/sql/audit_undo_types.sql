-- Values of all types survive: audited as JSON, and brought back by undo(),
-- whatever the settings of the session are.
CREATE SCHEMA audit_undo_types;
SET search_path = audit_undo_types, public;
CREATE TYPE mood AS ENUM ('sad', 'it''s "ok"');
CREATE TYPE place AS (name text, at point, tags text[], doc jsonb);
CREATE DOMAIN even AS int CHECK (VALUE % 2 = 0);
CREATE DOMAIN places AS place[];
CREATE TABLE kinds (
	id int PRIMARY KEY, b bool, bytes bytea, ch "char", nam name, i2 int2,
	i4 int4, i8 int8, f4 float4, f8 float8, num numeric, num2 numeric(10, 2),
	mon money, t text, vc varchar(9), bp char(5), o oid, td tid, xi xid,
	ci cid, x8 xid8, cls regclass, typ regtype, prc regprocedure, js json,
	jb jsonb, jp jsonpath, ls pg_lsn, p point, l line, s lseg, pa path,
	bx box, po polygon, c circle, ma macaddr, m8 macaddr8, ip inet, net cidr,
	d date, tm time, tmz timetz, ts timestamp, tsz timestamptz, iv interval,
	bi bit(4), vb varbit, u uuid, tv tsvector, tq tsquery, ir int4range,
	nr numrange, tr tstzrange, dr daterange, im int4multirange,
	tmr tstzmultirange, sn pg_snapshot, en mood, co place, dom even,
	ints int[], texts text[][], times timestamptz[], docs jsonb[],
	rs numrange[], ens mood[], cos place[], doms places, byteas bytea[],
	ov oidvector, iv2 int2vector);
INSERT INTO kinds VALUES (1, true, '\x00ff27', 'x', 'n"a''m', -32768,
	2147483647, -9223372036854775808, 1.1, 0.1, 12.50, 12.50, '$1,234.50',
	E'a\nb\\"ü', 'v', 'bp', 4294967295, '(1,2)', '7', '8', '9', 'pg_class',
	'timestamp with time zone', 'sum(int)', '{"a": [1, "x"]}', '{"b": null}',
	'$.a[*] ? (@ > 1)', '16/B374D848', '(1,2.5)', '{1,2,3}', '[(0,0),(1,1)]',
	'((0,0),(1,1))', '(1,1),(0,0)', '((0,0),(1,1),(1,0))', '<(0,0),2>',
	'08:00:2b:01:02:03', '08:00:2b:01:02:03:04:05', '192.168.1.5/24',
	'10.0.0.0/8', '2024-02-29', '23:59:59.999999', '01:02:03+05:30',
	'2024-02-29 01:02:03.5', '2024-02-29 01:02:03.5+02',
	'1 year -2 months 3 days -04:05:06.7', '1010', '101',
	'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 'a:1A b:2', 'a & !b', '[1,5)',
	'(1.50,]', '[2024-01-01 00:00+00,infinity)', 'empty', '{[1,3),[7,9)}',
	'{[2024-01-01 00:00+00,2024-01-02 00:00+00)}', '10:20:10,14', 'sad',
	ROW('x, "y"', '(1,2)', '{a,NULL,"c d"}', '{"k": [1]}'), 4, '{1,NULL,3}',
	'{{a,b},{"c,d",NULL}}', '{2024-01-01 00:00+00}', ARRAY['{"a": 1}', NULL,
	'"s"']::jsonb[], '{"[1.0,2)",empty}', ARRAY['sad', 'it''s "ok"']::mood[],
	ARRAY[ROW('p', '(0,0)', NULL, '1')::place, NULL],
	ARRAY[ROW('q', NULL, '{}', NULL)::place], ARRAY['\x00'::bytea, NULL],
	'1 2', '3 4');
INSERT INTO kinds VALUES (2, false, '', '', '', 0, 0, 0, 'NaN', '-Infinity',
	'NaN', 0, '-$0.01', '', '', '', 0, '(0,0)', '0', '0', '0', '-', '-', '0',
	'"x"', '"a string"', '"x"', '0/0', '(NaN,Infinity)', '{0,1,0}',
	'[(0,0),(0,0)]', '[(0,0),(1,1)]', '(0,0),(0,0)', '((0,0))', '<(0,0),0>',
	'00:00:00:00:00:00', '00:00:00:00:00:00:00:00', '::1', '::/0', 'infinity',
	'24:00', '00:00-15:59', '-infinity', 'infinity', '0', '0000', '',
	'00000000-0000-0000-0000-000000000000', '', '', 'empty', '(,)', '(,)',
	'(,2024-01-01)', '{}', '{}', '1:1:', 'it''s "ok"', ROW(NULL, NULL, '{}',
	'"s"'), 0, '{}', '{}', '{-infinity}', '{}', '{}', '{}', '{}', '{}', '{}',
	'', '');
INSERT INTO kinds (id, num, f8, d, js) VALUES (3, 'Infinity', 'NaN',
	'4714-11-24 BC', '{"kept": "\u0000"}'), (4, '-Infinity', 5e-324,
	'5874897-12-31', '1e400000');
INSERT INTO kinds (id) VALUES (5);
DO $$
BEGIN
	PERFORM xmlparse(CONTENT '<a/>');
	ALTER TABLE kinds ADD x xml;
	UPDATE kinds SET x = '<a b="1">&amp;</a>' WHERE id = 1;
	UPDATE kinds SET x = '' WHERE id = 2;
EXCEPTION WHEN feature_not_supported THEN
	NULL;
END $$;
CREATE TABLE kinds_then AS TABLE kinds;
SELECT count(DISTINCT atttypid) >= 49 AS enough FROM pg_attribute
WHERE attrelid = 'kinds'::regclass AND attnum > 0;
SELECT evaudit.track('kinds');

-- Each row gets another's values; some go, and one comes.
SELECT format('UPDATE kinds k SET (%1$s) = (SELECT %1$s FROM kinds_then f '
	'WHERE f.id = k.id %% 5 + 1) WHERE id <> 4',
	string_agg(quote_ident(attname), ', ')) AS shift
FROM pg_attribute WHERE attrelid = 'kinds'::regclass AND attnum > 1
	AND NOT attisdropped \gset
SET evaudit.request_id = 'shift';
:shift;
DELETE FROM kinds WHERE id IN (2, 4);
INSERT INTO kinds (id) VALUES (6);
RESET evaudit.request_id;

SET DateStyle = 'German, DMY';
SET IntervalStyle = 'iso_8601';
SET TimeZone = 'Asia/Kolkata';
SET bytea_output = 'escape';
SET extra_float_digits = -10;
SET search_path = '';
SELECT item_key, action, conflict, done
FROM evaudit.undo(request_id => 'shift', dry_run => false) ORDER BY 1;
RESET ALL;
SET search_path = audit_undo_types, public;
SELECT k.id, k::text = f::text AS same_text FROM audit_undo_types.kinds k
	FULL JOIN audit_undo_types.kinds_then f USING (id) ORDER BY 1;

-- What JSON cannot tell apart.
CREATE TABLE unlike (id int PRIMARY KEY, a int[], j json, n jsonb,
	m jsonb NOT NULL, e jsonb[]);
INSERT INTO unlike VALUES (1, '[0:1]={7,8}', '{"a":1,  "a": 2}', 'null',
	'null', ARRAY['null'::jsonb]);
SELECT evaudit.track('unlike');
SET evaudit.request_id = 'unlike';
DELETE FROM unlike;
RESET evaudit.request_id;
SELECT done FROM evaudit.undo(request_id => 'unlike', dry_run => false);
SELECT a, j, n, m, e FROM unlike;
SET client_min_messages = warning;
DROP SCHEMA audit_undo_types CASCADE;
TRUNCATE audit;
