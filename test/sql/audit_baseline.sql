-- baseline(), reconcile() and redact().
CREATE SCHEMA audit_baseline;
SET search_path = audit_baseline, public;
\set VERBOSITY terse
CREATE TABLE clients (id int PRIMARY KEY, name text, email text);
INSERT INTO clients VALUES (1, 'ada', 'a@x'), (2, 'bob', 'b@x'), (3, 'cy', NULL);
SELECT evaudit.baseline('clients');
SELECT evaudit.track('clients');
UPDATE clients SET name = 'Ada' WHERE id = 1;
INSERT INTO clients VALUES (4, 'dee', 'd@x');
-- Rows that were there before are in no audit; then each is, once.
SELECT * FROM evaudit.reconcile('clients') ORDER BY 1;
SELECT evaudit.baseline('clients');
SELECT evaudit.baseline('clients');
SELECT operation, item_key, new_value FROM audit
WHERE relation = 'audit_baseline.clients' AND operation = 'BASELINE'
ORDER BY item_key;
SELECT a.document - 'id' - 'modificationTime' AS document FROM audit a
WHERE operation = 'BASELINE' AND item_key = '2';
SELECT operation, row_data FROM evaudit.history('clients', '1');
SELECT * FROM evaudit.reconcile('clients');
-- A row that went and came unseen needs another one.
DELETE FROM clients WHERE id = 2;
ALTER TABLE clients DISABLE TRIGGER "00_evaudit_capture";
INSERT INTO clients VALUES (2, 'eve', 'e@x');
UPDATE clients SET email = 'forged' WHERE id = 3;
DELETE FROM clients WHERE id = 4;
SELECT evaudit.track('clients');
SELECT * FROM evaudit.reconcile('clients') ORDER BY 1;
SELECT evaudit.baseline('clients');
SELECT item_key, attribute FROM evaudit.reconcile('clients') ORDER BY 1;
UPDATE clients SET id = 30, name = 'moved' WHERE id = 3;
SELECT item_key, attribute FROM evaudit.reconcile('clients') ORDER BY 1;

-- Partitions, whose columns stand in another order, in batches.
CREATE TABLE visits (country text, id int, page text, PRIMARY KEY (country, id))
	PARTITION BY LIST (country);
CREATE TABLE visits_fi (gone int, page text, id int NOT NULL,
	country text NOT NULL);
ALTER TABLE visits_fi DROP gone;
ALTER TABLE visits ATTACH PARTITION visits_fi FOR VALUES IN ('fi');
INSERT INTO visits SELECT 'fi', g, 'home' FROM generate_series(1, 300) g;
SELECT evaudit.track('visits');
CALL evaudit.baseline_all('visits');
CALL evaudit.baseline_all('visits_fi');
SELECT count(*), min(new_value::text) FROM audit WHERE operation = 'BASELINE'
	AND relation = 'audit_baseline.visits';
SELECT * FROM evaudit.reconcile('visits');
BEGIN;
CALL evaudit.baseline_all('visits');
ROLLBACK;

-- Erasing a person: values and key, under whatever names and keys.
ALTER TABLE clients RENAME email TO mail;
UPDATE clients SET id = 10, mail = 'ada@new' WHERE id = 1;
SELECT evaudit.redact('clients', '10', '{mail, name}', 'request 17');
SELECT operation, item_key, updated_attribute, regexp_replace(old_value::text,
	'\d{2,}', 'N', 'g') AS old_value, regexp_replace(new_value::text, '\d{2,}',
	'N', 'g') AS new_value
FROM audit WHERE relation = 'audit_baseline.clients' AND
	(item_key IN ('1', '10') OR operation = 'REDACT')
ORDER BY seq;
SELECT count(*) FROM audit a WHERE relation = 'audit_baseline.clients'
	AND (old_value::text || new_value::text) ~* 'ada|a@x';
SELECT name, mail FROM clients WHERE id = 10;
SELECT evaudit.redact('clients', '10', '{id, name}', 'the key, too');
SELECT count(*), count(DISTINCT item_key) FROM audit
WHERE relation = 'audit_baseline.clients' AND item_key LIKE 'redacted:%';
SELECT count(*) FROM audit WHERE relation = 'audit_baseline.clients'
	AND item_key IN ('1', '10');
-- What is erased cannot be brought back.
SET evaudit.request_id = 'erased';
UPDATE clients SET name = 'eva' WHERE id = 2;
RESET evaudit.request_id;
SELECT evaudit.redact('clients', '2', '{name}', '');
SELECT conflict FROM evaudit.undo(request_id => 'erased');
SELECT id, name FROM evaudit.table_as_of(NULL::clients,
	(SELECT min(modification_time) - interval '1us' FROM audit
	WHERE request_id = 'erased')) WHERE id = 2;
SELECT evaudit.redact('clients', '2', '{salary}', '');
SELECT evaudit.redact('clients', '2', ARRAY[NULL]::text[], '');

-- Rights.
CREATE ROLE baseline_user;
GRANT USAGE ON SCHEMA audit_baseline TO baseline_user;
GRANT SELECT ON clients, audit TO baseline_user;
GRANT UPDATE (item_key, old_value, new_value) ON audit TO baseline_user;
SET ROLE baseline_user;
SELECT evaudit.baseline('clients');
CALL evaudit.baseline_all('clients');
SELECT evaudit.redact('clients', '2', '{name}', '');
SELECT count(*) >= 0 FROM evaudit.reconcile('clients');
RESET ROLE;
GRANT UPDATE ON audit TO baseline_user;
SET ROLE baseline_user;
SELECT evaudit.redact('clients', '2', '{mail}', '') > 0;
RESET ROLE;
CREATE TABLE nokey (v int);
SELECT evaudit.track('nokey');
SELECT evaudit.baseline('nokey');
SELECT * FROM evaudit.reconcile('nokey');
DROP OWNED BY baseline_user;
DROP ROLE baseline_user;
SET client_min_messages = warning;
DROP SCHEMA audit_baseline CASCADE;
TRUNCATE audit;
