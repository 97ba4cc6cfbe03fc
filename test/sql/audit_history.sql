-- history(), row_as_of() and table_as_of(): what rows were.
CREATE SCHEMA audit_history;
SET search_path = audit_history, public;
CREATE FUNCTION versions(relation text, key jsonb)
RETURNS TABLE (operation text, begins boolean, ends boolean, row_data jsonb,
	changed jsonb, actor text, request_id text)
LANGUAGE sql AS $$
	SELECT operation, valid_from IS NOT NULL, valid_to IS NOT NULL, row_data,
		changed, actor, request_id
	FROM evaudit.history(relation, key)
$$;
CREATE TABLE orders (id int PRIMARY KEY, state text, total numeric,
	tags text[]);
INSERT INTO orders VALUES (1, 'old', 1, NULL), (2, 'still', 1, NULL);
SELECT evaudit.track('orders');
SET evaudit.actor = 'ada';
SET evaudit.request_id = 'req-1';
INSERT INTO orders VALUES (7, 'new', 12.50, '{gift}');
RESET evaudit.actor;
RESET evaudit.request_id;
UPDATE orders SET state = 'paid', total = 12.5 WHERE id = 7;
UPDATE orders SET state = 'later' WHERE id = 1;
SELECT * FROM versions('orders', '7');
-- What was there before, changed or not.
SELECT * FROM versions('audit_history.orders', '"1"');
SELECT * FROM versions('orders', '{"id": 2}');
SELECT * FROM versions('orders', '3');

-- Names change, columns come and go, and the row gets another key.
ALTER TABLE orders RENAME state TO status;
ALTER TABLE orders ADD note text DEFAULT 'none';
ALTER TABLE orders DROP tags;
UPDATE orders SET id = 8, status = 'moved' WHERE id = 7;
CREATE SCHEMA "Old shop";
ALTER TABLE orders SET SCHEMA "Old shop";
ALTER TABLE "Old shop".orders RENAME TO sales;
UPDATE "Old shop".sales SET note = 'n' WHERE id = 8;
DELETE FROM "Old shop".sales WHERE id = 8;
INSERT INTO "Old shop".sales VALUES (8, 'again');
SELECT operation, row_data, changed FROM versions('"Old shop".sales', '8');
SELECT operation, row_data FROM versions('"Old shop".sales', '7');
-- Each version begins where the one before it ends.
SELECT bool_and(valid_from = before) FROM (
	SELECT valid_from, lag(valid_to) OVER (ORDER BY seq) AS before
	FROM evaudit.history('"Old shop".sales', '8')) v WHERE before IS NOT NULL;

-- As of each version's time the row is what the version says.
SELECT k, v.operation, evaudit.row_as_of('"Old shop".sales', k, v.valid_from)
	IS NOT DISTINCT FROM CASE WHEN v.valid_to > v.valid_from
		OR v.valid_to IS NULL THEN v.row_data END AS same
FROM (VALUES ('1'::jsonb), ('7')) k(k),
	evaudit.history('"Old shop".sales', k) v
WHERE v.valid_from IS NOT NULL ORDER BY k::text, seq;
SELECT evaudit.row_as_of('"Old shop".sales', '1', '2000-01-01');

-- A table that is gone is found by its name.
DROP TABLE "Old shop".sales;
SELECT operation, row_data FROM versions('"Old shop".sales', '8');
SELECT operation, row_data FROM versions('audit_history.orders', '1');
SELECT * FROM evaudit.history('orders', '8');
SELECT * FROM evaudit.history('nowhere.orders', '8');

-- Keys of several columns, and of types with more than one form.
CREATE TABLE pairs (no int, v int, region text, PRIMARY KEY (region, no));
CREATE TABLE times (id timestamptz PRIMARY KEY, v int);
CREATE TABLE brackets (id text PRIMARY KEY, v int);
CREATE TABLE nokey (v int);
SELECT evaudit.track(t::regclass)
FROM unnest('{pairs, times, brackets, nokey}'::text[]) t;
INSERT INTO pairs VALUES (42, 1, 'eu');
UPDATE pairs SET no = 43;
UPDATE pairs SET v = 2, no = 44, region = 'us';
UPDATE pairs SET region = 'fi';
SELECT operation, row_data FROM versions('pairs', '["fi", 44]');
SELECT count(*) FROM versions('pairs', '{"no": 44, "region": "fi"}');
SELECT count(*) FROM versions('pairs', '["fi"]');
SELECT count(*) FROM versions('pairs', '{"no": 44}');
SELECT count(*) FROM versions('pairs', '7');
INSERT INTO times VALUES ('2024-01-01 01:00+01', 1);
SELECT count(*) FROM versions('times', '"2024-01-01T00:00:00Z"');
SELECT count(*) FROM versions('times', '"yesterday or so"');
INSERT INTO brackets VALUES ('[1,2]', 1), (repeat('x', 150000), 1);
UPDATE brackets SET id = '[3]' WHERE id = '[1,2]';
UPDATE brackets SET id = repeat('y', 150000) WHERE id LIKE 'x%';
SELECT operation FROM versions('brackets', '"[3]"');
SELECT operation FROM versions('brackets', to_jsonb(repeat('y', 150000)));
SELECT count(*) FROM versions('nokey', '1');
SELECT count(*) FROM versions('pairs', 'null');
SELECT count(*) FROM evaudit.history('pairs', NULL);

-- A table as of each transaction's end is what it was then.
CREATE TABLE stock (a int, b text, c jsonb, n numeric,
	g int GENERATED ALWAYS AS (a * 2) STORED, PRIMARY KEY (a, b));
CREATE TABLE taken (at timestamptz, row stock);
INSERT INTO stock VALUES (1, 'x', '{"a": 1}', 1.0), (2, 'y', NULL, 'NaN');
SELECT evaudit.track('stock');
INSERT INTO taken SELECT t, s FROM clock_timestamp() t, stock s;
UPDATE stock SET a = a + 10, c = '[1]' WHERE a = 1;
INSERT INTO taken SELECT t, s FROM clock_timestamp() t, stock s;
INSERT INTO stock VALUES (1, 'x', '1', 1.00), (5, 'z', '"s"', 3);
DELETE FROM stock WHERE a = 2;
INSERT INTO taken SELECT t, s FROM clock_timestamp() t, stock s;
UPDATE stock SET b = 'q', n = n + 1;
UPDATE stock SET a = 2, n = 7 WHERE a = 5;
INSERT INTO taken SELECT t, s FROM clock_timestamp() t, stock s;
ALTER TABLE stock DROP c;
ALTER TABLE stock ADD later int;
TRUNCATE stock;
SELECT s.* FROM (SELECT min(at) AS at FROM taken) t,
	evaudit.table_as_of(NULL::stock, t.at) s ORDER BY a;
SELECT t.at IS NOT NULL AS taken, (SELECT array_agg((s.a, s.b, s.n, s.g)::text
		ORDER BY s.a, s.b) FROM evaudit.table_as_of(NULL::stock, t.at) s) =
	(SELECT array_agg(((u.row).a, (u.row).b, (u.row).n, (u.row).g)::text
		ORDER BY (u.row).a, (u.row).b) FROM taken u WHERE u.at = t.at) AS same
FROM (SELECT DISTINCT at FROM taken) t;
SELECT * FROM evaudit.table_as_of(NULL::nokey, now());
SELECT * FROM evaudit.table_as_of(1, now());
SELECT * FROM evaudit.table_as_of(NULL::stock, NULL);
SET client_min_messages = warning;
DROP SCHEMA audit_history, "Old shop" CASCADE;
TRUNCATE audit;
