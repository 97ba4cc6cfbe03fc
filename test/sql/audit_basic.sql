-- Every way of changing a table, on the table that is tracked from the start.
CREATE VIEW changes AS
	SELECT item_key, operation, updated_attribute, old_value, new_value, seq
	FROM audit WHERE relation = 'public.configuration';

INSERT INTO configuration VALUES ('a', '{"x": 1}'), ('b', '2'), ('c', NULL);
UPDATE configuration SET value = '3' WHERE key = 'b';
DELETE FROM configuration WHERE key = 'a';
SELECT item_key, operation, updated_attribute, old_value, new_value
FROM changes ORDER BY seq;
TRUNCATE audit;

-- Nothing changed, nothing written.
UPDATE configuration SET value = value, key = key;
UPDATE configuration SET value = '3' WHERE key = 'b';
UPDATE configuration SET value = '4' WHERE false;
SELECT count(*) FROM changes;

-- NULL becomes JSON null and back; 1.0 becomes 1.00.
UPDATE configuration SET value = 'null' WHERE key = 'c';
UPDATE configuration SET value = NULL WHERE key = 'c';
UPDATE configuration SET value = '1.0' WHERE key = 'c';
UPDATE configuration SET value = '1.00' WHERE key = 'c';
SELECT item_key, operation, updated_attribute, old_value, new_value
FROM changes ORDER BY seq;
TRUNCATE audit;

-- The key and more: in column order, the key last, under the key before.
UPDATE configuration SET key = 'd', value = '5' WHERE key = 'c';
SELECT item_key, operation, updated_attribute, old_value, new_value
FROM changes ORDER BY seq;
TRUNCATE audit;

-- Upserts: what was inserted, what was updated, what was left alone.
INSERT INTO configuration VALUES ('b', '6'), ('e', '7')
	ON CONFLICT (key) DO UPDATE SET value = excluded.value;
INSERT INTO configuration VALUES ('b', '8') ON CONFLICT DO NOTHING;
MERGE INTO configuration c USING (VALUES ('b', '9'::jsonb), ('d', NULL),
	('f', '10')) AS s (key, value) ON c.key = s.key
	WHEN MATCHED AND s.value IS NULL THEN DELETE
	WHEN MATCHED THEN UPDATE SET value = s.value
	WHEN NOT MATCHED THEN INSERT VALUES (s.key, s.value);
SELECT item_key, operation, updated_attribute, old_value, new_value
FROM changes ORDER BY seq;
TRUNCATE audit;

-- COPY, and several changes of a row by one command.
COPY configuration FROM stdin;
g	{"copied": true}
h	\N
\.
WITH gone AS (DELETE FROM configuration WHERE key = 'g' RETURNING *),
	changed AS (UPDATE configuration SET value = '11' WHERE key = 'h')
INSERT INTO configuration SELECT 'i', value FROM gone;
SELECT item_key, operation, updated_attribute, old_value, new_value
FROM changes ORDER BY seq;
TRUNCATE audit;

-- TRUNCATE keeps the rows that it removes.
TRUNCATE configuration;
SELECT item_key, operation, updated_attribute, old_value, new_value
FROM changes ORDER BY item_key;
TRUNCATE configuration;
SELECT count(*) FROM changes;

-- What every audit row says besides.
SET evaudit.actor = 'ann';
SET evaudit.request_id = 'r-1';
SET application_name = 'audit_basic';
BEGIN;
INSERT INTO configuration VALUES ('j', '12');
SAVEPOINT s;
UPDATE configuration SET value = '13';
SELECT actor, request_id, session_role = session_user AS role,
	application_name, client_addr IS NOT DISTINCT FROM inet_client_addr() AS addr,
	xid = pg_current_xact_id() AS xid,
	modification_time BETWEEN now() AND clock_timestamp() AS now,
	id::text ~ '^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$' AS v4
FROM audit WHERE item_key = 'j' ORDER BY seq;
COMMIT;
SET evaudit.actor = '';
RESET evaudit.request_id;
SET application_name = '';
DELETE FROM configuration;
SELECT operation, actor, request_id, application_name
FROM audit WHERE item_key = 'j' ORDER BY seq DESC LIMIT 1;
RESET application_name;

-- What a connection brings along may be no text; a dump could not restore it.
\set options `printf "options='-cevaudit.actor=a\377'"`
\c -reuse-previous=on :options
INSERT INTO configuration VALUES ('j', '12');
SELECT actor FROM audit ORDER BY seq DESC LIMIT 1;
\c -reuse-previous=on options=''
DELETE FROM configuration;

-- lastval() is the application's.
CREATE TABLE numbered (n serial PRIMARY KEY);
SELECT evaudit.track('numbered');
INSERT INTO numbered DEFAULT VALUES;
SELECT lastval() = currval('numbered_n_seq') AS own;

DROP TABLE numbered;
DROP VIEW changes;
TRUNCATE audit;
