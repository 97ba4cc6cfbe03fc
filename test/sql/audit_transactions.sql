-- A change and its audit row live and die together.
CREATE TABLE account (id int PRIMARY KEY, v int CHECK (v >= 0));
CREATE TABLE entry (id int PRIMARY KEY,
	account int REFERENCES account ON DELETE CASCADE ON UPDATE CASCADE);
SELECT evaudit.track('account');
SELECT evaudit.track('entry');
CREATE VIEW changes AS SELECT relation, item_key, operation, updated_attribute,
	coalesce(old_value, 'null') AS old, coalesce(new_value, 'null') AS new, seq
	FROM audit;

-- Savepoints, exceptions and whole transactions that are rolled back.
BEGIN;
INSERT INTO account VALUES (1, 1);
SAVEPOINT a;
UPDATE account SET v = 2;
ROLLBACK TO a;
UPDATE account SET v = 3;
SAVEPOINT b;
UPDATE account SET v = 4;
RELEASE b;
DO $$
BEGIN
	UPDATE public.account SET v = 5;
	UPDATE public.account SET v = -1;
EXCEPTION WHEN check_violation THEN
	UPDATE public.account SET v = 6;
END $$;
COMMIT;
BEGIN;
UPDATE account SET v = 7;
ROLLBACK;
UPDATE account SET v = -1;
INSERT INTO account VALUES (2, 2), (1, 1);
SELECT operation, old, new FROM changes ORDER BY seq;
SELECT count(DISTINCT xid) FROM audit;
TRUNCATE audit;

-- An audit row is there for the next statement, and several for one row.
BEGIN;
UPDATE account SET v = 8;
SELECT operation, new FROM changes;
UPDATE account SET v = 9;
UPDATE account SET v = 8;
DELETE FROM account;
INSERT INTO account VALUES (1, 0);
COMMIT;
SELECT operation, old, new FROM changes ORDER BY seq;
TRUNCATE audit;

-- Cascades follow what caused them.
INSERT INTO account VALUES (2, 2);
INSERT INTO entry VALUES (1, 1), (2, 1), (3, 2);
UPDATE account SET id = 10 WHERE id = 1;
DELETE FROM account WHERE id = 10;
TRUNCATE account CASCADE;
SELECT relation, item_key, operation, updated_attribute, old, new
FROM changes WHERE operation <> 'INSERT'
ORDER BY operation = 'TRUNCATE', CASE WHEN operation <> 'TRUNCATE' THEN seq END,
	relation;
TRUNCATE audit;

-- Triggers that change tracked tables themselves, one of them the same row.
CREATE FUNCTION more() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO public.entry VALUES (new.id, new.id);
	UPDATE public.account SET v = v + 1 WHERE id = new.id AND v < 3;
	RETURN NULL;
END $$;
CREATE TRIGGER a_more AFTER INSERT ON account
	FOR EACH ROW EXECUTE FUNCTION more();
INSERT INTO account VALUES (1, 1), (2, 2);
SELECT relation, item_key, operation, old, new FROM changes ORDER BY seq;
TRUNCATE audit;
DROP TRIGGER a_more ON account;

-- BEFORE triggers: what is stored counts, not what was asked for.
CREATE FUNCTION bend() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF new.v = 100 THEN RETURN NULL; END IF;
	new.v := 50;
	RETURN new;
END $$;
CREATE TRIGGER bend BEFORE UPDATE ON account
	FOR EACH ROW EXECUTE FUNCTION bend();
UPDATE account SET v = 20 WHERE id = 1;
UPDATE account SET v = 100;
UPDATE account SET v = 30 WHERE id = 1;
SELECT relation, item_key, operation, old, new FROM changes ORDER BY seq;
TRUNCATE audit;
DROP TRIGGER bend ON account;

-- Replicated changes, and triggers switched off by other means.
SET session_replication_role = replica;
UPDATE account SET v = 60 WHERE id = 1;
TRUNCATE entry;
SET session_replication_role = local;
UPDATE account SET v = 61 WHERE id = 1;
RESET session_replication_role;
SELECT relation, operation, old, new FROM changes ORDER BY relation, seq;
TRUNCATE audit;

-- Isolation levels; what may only read writes nothing.
BEGIN ISOLATION LEVEL SERIALIZABLE;
UPDATE account SET v = 70 WHERE id = 1;
COMMIT;
BEGIN READ ONLY;
UPDATE account SET v = 71;
ROLLBACK;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) FROM account;
TRUNCATE account CASCADE;
COMMIT;
SELECT relation, item_key, operation, old, new FROM changes
ORDER BY operation DESC, relation, item_key;
TRUNCATE audit;

-- Many rows of a statement, and TRUNCATE of many.
INSERT INTO account SELECT i, i FROM generate_series(1, 20000) i;
TRUNCATE account CASCADE;
SELECT operation, count(*), count(DISTINCT id), count(DISTINCT seq),
	count(DISTINCT xid) FROM audit GROUP BY operation ORDER BY operation;
TRUNCATE audit;

DROP TABLE entry, account CASCADE;
DROP FUNCTION more(), bend();
DROP VIEW changes;
TRUNCATE audit;
