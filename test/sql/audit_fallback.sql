-- A write does not fail because it is audited: what jsonb cannot hold is kept
-- as a string, or is said to be unavailable.  Rows from before track() too.
SET client_min_messages = warning;
-- A type whose output function fails: it looks for the label of an enum.
CREATE TYPE broken;
CREATE FUNCTION broken_in(cstring) RETURNS broken LANGUAGE internal IMMUTABLE
	STRICT AS 'int4in';
CREATE FUNCTION broken_out(broken) RETURNS cstring LANGUAGE internal IMMUTABLE
	STRICT AS 'enum_out';
CREATE TYPE broken (INPUT = broken_in, OUTPUT = broken_out, LIKE = int4);
-- One that shows well but has a cast to json that fails, as PostGIS' curves.
CREATE TYPE curve;
CREATE FUNCTION curve_in(cstring) RETURNS curve LANGUAGE internal IMMUTABLE
	STRICT AS 'textin';
CREATE FUNCTION curve_out(curve) RETURNS cstring LANGUAGE internal IMMUTABLE
	STRICT AS 'textout';
CREATE TYPE curve (INPUT = curve_in, OUTPUT = curve_out, LIKE = text);
CREATE FUNCTION no_json(cstring) RETURNS json LANGUAGE internal IMMUTABLE
	STRICT AS 'textin';
CREATE FUNCTION curve_json(curve) RETURNS json LANGUAGE plpgsql AS $$
BEGIN
	IF $1::text LIKE 'POINT%' THEN
		RETURN '{"type": "Point"}';
	ELSIF $1::text = 'NAN' THEN
		-- what is no JSON at all, as that of a point of NaN
		RETURN no_json('{"coordinates": [NaN, 1]}');
	END IF;
	RAISE 'no GeoJSON of a curve';
END $$;
CREATE CAST (curve AS text) WITHOUT FUNCTION;
CREATE CAST (curve AS json) WITH FUNCTION curve_json(curve);
CREATE TYPE pair AS (a int, j json);
CREATE DOMAIN strict_json AS json CHECK (length(VALUE::text) < 99);

CREATE TABLE hostile (id int PRIMARY KEY, j json, js json[], d strict_json,
	p pair, b broken, c curve, cs curve[]);
CREATE FUNCTION fill() RETURNS void LANGUAGE sql AS $$
	INSERT INTO hostile (id, j) VALUES
		(1, '{"a": "\u0000"}'), (2, '["\ud800"]'), (3, '"\udc00\ud800"'),
		(4, '1e400000'), (5, '[1e-400000, 1E+999999999]'),
		(6, '{"a": "\u20ac \\u0000"}'), (7, '{"ok": 1.50, "ok": 2}'),
		(8, (repeat('[', 3000) || repeat(']', 3000))::json),
		(9, (repeat('1', 140000))::json), (10, ('0.' || repeat('1', 17000))::json);
	INSERT INTO hostile (id, js) VALUES (20, ARRAY['{"a": "\u0000"}', '1']::json[]);
	INSERT INTO hostile (id, d) VALUES (30, '"\u0000"');
	INSERT INTO hostile (id, p) VALUES (40, ROW(1, '"\u0000"')), (41, ROW(2, '3'));
	INSERT INTO hostile (id, b) VALUES (50, '7');
	INSERT INTO hostile (id, c, cs) VALUES (60, 'POINT(1 2)', '{POINT(1 2)}'),
		(61, 'CURVE(1)', '{POINT(1 2),CURVE(1)}'), (62, 'NAN', '{}');
	$$;
CREATE FUNCTION kept() RETURNS TABLE (operation text, item_key text, j jsonb,
	len int, rest jsonb) LANGUAGE sql AS $$
	SELECT operation, item_key, CASE WHEN length(v ->> 'j') < 200 THEN v -> 'j' END,
		length(v ->> 'j'), jsonb_strip_nulls(v - 'j' - 'id')
	FROM audit, coalesce(new_value, old_value) v
	WHERE operation <> 'TRACK' ORDER BY seq $$;

-- Rows from before track() can go.
SELECT fill();
SELECT evaudit.track('hostile');
DELETE FROM hostile WHERE id IN (1, 50);
TRUNCATE hostile;
SELECT operation, count(*) FROM kept() GROUP BY 1 ORDER BY 1;

TRUNCATE audit;
SELECT fill();
SELECT * FROM kept();
SELECT new_value -> 'b' = jsonb_build_object('evaudit', 'unavailable', 'type',
	'public.broken', 'bytes', 4, 'sha256',
	encode(sha256('\x07000000'), 'hex')) AS "of what is stored"
FROM audit WHERE item_key = '50';
SELECT a.document -> 'newValue' -> 'b' ->> 'evaudit' AS document FROM audit a
WHERE item_key = '50';

-- Changes: from and to such values, and none that is none.
TRUNCATE audit;
UPDATE hostile SET j = '{"a": 1}' WHERE id = 1;
UPDATE hostile SET j = '{"a": "\u0000"}' WHERE id = 1;
UPDATE hostile SET j = '{"a": "\u0000"}', b = b, c = c;
UPDATE hostile SET b = '8' WHERE id = 50;
UPDATE hostile SET c = 'CURVE(2)', cs = '{CURVE(1)}' WHERE id = 61;
SELECT item_key, updated_attribute, old_value, new_value FROM audit
WHERE item_key IN ('1', '50', '61') ORDER BY seq;
TRUNCATE audit;

-- As keys.
CREATE TABLE keyed (c curve NOT NULL, b broken NOT NULL, v int);
SELECT evaudit.track('keyed');
INSERT INTO keyed VALUES ('CURVE(1)', '9', 1);
SELECT new_value - 'b' FROM audit WHERE operation = 'INSERT';
TRUNCATE audit;

-- A function of such a type that ends the transaction is not silenced.
CREATE OR REPLACE FUNCTION curve_json(curve) RETURNS json LANGUAGE plpgsql AS
	$$ BEGIN RAISE 'conflict' USING ERRCODE = 'serialization_failure'; END $$;
INSERT INTO hostile (id, c) VALUES (63, 'CURVE(1)');
CREATE OR REPLACE FUNCTION curve_json(curve) RETURNS json LANGUAGE plpgsql AS
	$$ BEGIN LOOP PERFORM pg_cancel_backend(pg_backend_pid()); END LOOP; END $$;
INSERT INTO hostile (id, c) VALUES (63, 'CURVE(1)');
-- What it wrote before it failed is undone with it.
CREATE TABLE beside (id int);
SELECT evaudit.track('beside');
CREATE OR REPLACE FUNCTION curve_json(curve) RETURNS json LANGUAGE plpgsql AS
	$$ BEGIN INSERT INTO beside VALUES (1); RAISE 'failed'; END $$;
INSERT INTO hostile (id, c) VALUES (64, 'CURVE(1)');
SELECT relation, operation, new_value -> 'c' AS c FROM audit
WHERE operation <> 'TRACK' ORDER BY seq;
TABLE beside;

DROP TABLE hostile, keyed, beside;
DROP FUNCTION fill, kept, no_json;
DROP DOMAIN strict_json;
DROP TYPE pair;
DROP TYPE curve CASCADE;
DROP TYPE broken CASCADE;
TRUNCATE audit;
