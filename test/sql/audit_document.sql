-- The document to the letter, whatever the session's settings.
CREATE TABLE letter (id int, at timestamptz, span interval, ratio float8,
	bytes bytea, kind regclass, price money, PRIMARY KEY (id));
SELECT evaudit.track('letter');

-- One change under the defaults, and the same one under other settings.
CREATE FUNCTION change() RETURNS void LANGUAGE sql SET search_path = '' AS $$
	INSERT INTO public.letter VALUES (1, '2024-01-01 00:00:00+00',
		'1 year 2 days 03:04:05', 0.1::float8 + 0.2, '\x00ff',
		1259, 1234.5::numeric::money);
	UPDATE public.letter SET at = '2024-06-01 12:00:00.123456+00',
		span = '-1 day', ratio = 1e21, bytes = '\xabcd',
		kind = 'public.letter'::regclass, price = 2;
	DELETE FROM public.letter;
$$;
SET lc_monetary = 'C';
SELECT change();
CREATE TABLE plain AS
	SELECT row_number() OVER (ORDER BY seq) AS n,
		a.document - 'id' - 'modificationTime' AS document FROM audit a;
SELECT document FROM plain ORDER BY n;
TRUNCATE audit;

SET TimeZone = 'Asia/Kathmandu';
SET DateStyle = 'German, DMY';
SET IntervalStyle = 'iso_8601';
SET extra_float_digits = -10;
SET bytea_output = 'escape';
SET quote_all_identifiers = on;
SELECT change();
SELECT count(*) AS same FROM plain JOIN (
	SELECT row_number() OVER (ORDER BY seq) AS n,
		a.document - 'id' - 'modificationTime' AS document FROM audit a) b
	USING (n, document);
-- The session has its settings back at once.
CREATE VIEW settings AS SELECT string_agg(setting, '|' ORDER BY name COLLATE "C")
	FROM pg_settings WHERE name IN ('TimeZone', 'DateStyle', 'IntervalStyle',
	'extra_float_digits', 'bytea_output', 'search_path', 'quote_all_identifiers');
BEGIN;
INSERT INTO letter VALUES (2, now(), '1 day', 1, '', 'letter', 1);
TABLE settings;
UPDATE letter SET span = '2 days', kind = 'plain';
TABLE settings;
ROLLBACK;
DROP VIEW settings;

-- The members of each kind, and the time.
SELECT DISTINCT relation FROM audit;
UPDATE audit a SET modification_time = '2024-01-01 00:00:00+00',
	id = overlay('01234567-89ab-4def-8123-456789abcdef' placing n::text from 36)::uuid
FROM (SELECT seq, row_number() OVER (ORDER BY seq) AS n FROM audit) b
WHERE a.seq = b.seq;
SELECT a.document FROM audit a WHERE operation = 'INSERT';
SELECT a.document FROM audit a WHERE updated_attribute = 'ratio';
SELECT a.document FROM audit a WHERE operation = 'DELETE';
UPDATE audit SET modification_time = '2024-02-29 23:59:59.999999+00',
	operation = 'TRUNCATE' WHERE operation = 'DELETE';
SELECT a.document FROM audit a WHERE operation = 'TRUNCATE';
SELECT jsonb_object_agg(operation, keys) FROM (
	SELECT DISTINCT ON (operation) operation,
		ARRAY(SELECT jsonb_object_keys(a.document)) AS keys FROM audit a) k;
TRUNCATE audit;

-- A key that is NULL, and a value that is.
CREATE TABLE keyless (v int);
SELECT evaudit.track('keyless');
INSERT INTO keyless VALUES (NULL);
UPDATE keyless SET v = 1;
SELECT a.document - 'id' - 'modificationTime' FROM audit a ORDER BY seq;
SELECT document(NULL);

RESET ALL;
DROP TABLE letter, plain, keyless;
DROP FUNCTION change();
TRUNCATE audit;
