-- Many dead letters are tried again in chunks, by a function in one
-- transaction or by a procedure that commits after each.
\pset format unaligned
\pset tuples_only on
CREATE FUNCTION add_letters(source text, n int, payload text) RETURNS void LANGUAGE sql AS $$
	INSERT INTO evaudit.dead_letter_store (owner, source, topic, source_position, payload, reason, error)
	SELECT current_user, source, 'login', jsonb_build_object('topic', 'logins', 'partition', 0, 'offset', i),
		convert_to(format(payload, i), 'UTF8'), 'database_error', 'then'
	FROM generate_series(1, n) i
$$;
CREATE FUNCTION letters(OUT source text, OUT through bigint, OUT pending bigint, OUT reasons text)
RETURNS SETOF record LANGUAGE sql AS $$
	SELECT source, count(redriven_at), count(*) - count(redriven_at), string_agg(DISTINCT reason || ' ' || left(error, 20), ', ')
	FROM evaudit.dead_letters GROUP BY source ORDER BY source
$$;
\set good '{"id": "%1$s", "user_id": "u%1$s", "service_id": "s", "service_name": "n", "timestamp": "2025-01-01T00:00:00Z"}'

SELECT add_letters('a', 4500, :'good'), add_letters('b', 3, :'good'), add_letters('a', 2, '{');
SELECT evaudit.redrive('a');
SELECT * FROM letters();
SELECT count(*), min(last_accessed AT TIME ZONE 'UTC') FROM user_services;
-- those that failed are tried again, and only those
SELECT evaudit.redrive('a');
SELECT evaudit.redrive('nobody'), evaudit.redrive(NULL::text), evaudit.redrive('{}'::bigint[]), evaudit.redrive(ARRAY[NULL, 0, -1]::bigint[]);
-- ids in any order, repeated, of several sources
TRUNCATE user_services;
UPDATE evaudit.dead_letter_store SET redriven_at = NULL;
SELECT evaudit.redrive(ARRAY(SELECT id FROM evaudit.dead_letters, generate_series(1, 2) ORDER BY hashint8(id)));
SELECT * FROM letters();
SELECT count(*) FROM user_services;

-- the procedure keeps what was committed before an error
TRUNCATE user_services;
UPDATE evaudit.dead_letter_store SET redriven_at = NULL;
CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.user_id = 'u4321' THEN
		RAISE 'disk is full' USING ERRCODE = '53100';
	END IF;
	RETURN NEW;
END $$;
CREATE TRIGGER fail BEFORE INSERT ON user_services FOR EACH ROW EXECUTE FUNCTION fail();
\set VERBOSITY terse
SELECT evaudit.redrive('a');
SELECT count(*) FROM user_services;
CALL evaudit.redrive_all('a');
SELECT count(*) FROM user_services;
SELECT * FROM letters();
DROP TRIGGER fail ON user_services;
CALL evaudit.redrive_all('a');
SELECT * FROM letters();
CALL evaudit.redrive_all('a');
CALL evaudit.redrive_all('nobody');
CALL evaudit.redrive_all(NULL);
-- not where there is a transaction that it would have to end
UPDATE evaudit.dead_letter_store SET redriven_at = NULL;
BEGIN;
CALL evaudit.redrive_all('b');
ROLLBACK;
SELECT * FROM letters();
-- each takes the letters of sources that are its own
CREATE ROLE regress_redrive;
GRANT ALL ON user_services TO regress_redrive;
SET ROLE regress_redrive;
CALL evaudit.redrive_all('a');
SELECT evaudit.redrive('a'), evaudit.redrive(ARRAY(SELECT generate_series(1, 10000)));
RESET ROLE;
SELECT sum(through) FROM letters();
-- what comes meanwhile waits for the next time
CREATE FUNCTION add_another() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO evaudit.dead_letter_store (owner, source, topic, payload, reason, error)
	SELECT owner, source, topic, payload, reason, error FROM evaudit.dead_letter_store
	WHERE source = 'd' AND (SELECT count(*) FROM evaudit.dead_letter_store WHERE source = 'd') < 5
	LIMIT 1;
	RETURN NULL;
END $$;
CREATE TRIGGER add_another AFTER INSERT ON user_services EXECUTE FUNCTION add_another();
SELECT add_letters('d', 2, :'good');
SELECT evaudit.redrive('d');
SELECT through, pending FROM letters() WHERE source = 'd';
DROP TRIGGER add_another ON user_services;
DROP FUNCTION add_another;
-- memory does not grow with their number: it is measured as each chunk is merged
CREATE TABLE memory (id serial, bytes bigint);
CREATE FUNCTION measure() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO memory (bytes) SELECT sum(total_bytes) FROM pg_backend_memory_contexts;
	RETURN NULL;
END $$;
CREATE TRIGGER measure AFTER INSERT ON user_services EXECUTE FUNCTION measure();
SELECT add_letters('c', 40000, :'good');
SELECT evaudit.redrive('c');
SELECT count(*), max(bytes) FILTER (WHERE id > 10) - max(bytes) FILTER (WHERE id <= 10) < 1000000 FROM memory;
DROP TRIGGER measure ON user_services;
DROP TABLE memory;
DROP FUNCTION measure;

REVOKE ALL ON user_services FROM regress_redrive;
DROP ROLE regress_redrive;
DROP FUNCTION add_letters, letters, fail;
TRUNCATE user_services, evaudit.dead_letter_store;
