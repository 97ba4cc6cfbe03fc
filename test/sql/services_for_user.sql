-- services_for_user(): the document, whoever asks and however.
SET search_path = public;
\pset format unaligned
\pset tuples_only on

INSERT INTO user_services VALUES
	('u1', 'b', 'Beta', '2022-08-04 08:50:39Z'),
	('u1', 'a', 'Alpha', '2022-08-04 08:50:39Z'),
	('u1', 'B', 'Upper', '2022-08-04 08:50:39Z'),
	('u1', 'aa', 'Longer', '2022-08-04 08:50:39Z'),
	('u1', 'new', 'New', '2023-01-01 00:00:00Z'),
	('u1', 'old', 'Old', '1999-12-31 23:59:59Z'),
	('u2', 'half', 'Half', '2022-08-04 08:50:39.5Z'),
	('u2', 'micro', 'Micro', '2022-08-04 08:50:39.000001Z'),
	('u2', 'milli', 'Milli', '2022-08-04 08:50:39.12Z'),
	('o''neil "x" \ é😀', 'se"r\v', E'Línea\n', '2022-08-04 08:50:39Z'),
	('', '', '', '2022-08-04 08:50:39Z'),
	('far', 'inf', 'i', 'infinity'),
	('far', 'minf', 'm', '-infinity'),
	('far', 'bc', 'b', '0044-03-15 12:00:00Z BC'),
	('far', 'y10k', 'y', '12345-01-01 00:00:00Z');

-- newest first, ties by the bytes of service_id
SELECT jsonb_pretty(services_for_user('u1'));
-- a fraction only where there is one, without trailing zeros
SELECT services_for_user('u2');
SELECT services_for_user('o''neil "x" \ é😀');
SELECT services_for_user('');
SELECT services_for_user('far');
-- nobody, and NULL
SELECT services_for_user('nobody');
SELECT services_for_user(NULL) IS NULL;

-- built by hand, it is the jsonb that the server would build
SELECT count(*), bool_and(d = services_for_user(user_id)),
	   bool_and(d::text = services_for_user(user_id)::text)
FROM (SELECT user_id, jsonb_build_object('user_id', user_id, 'services',
		jsonb_agg(jsonb_build_object('service_id', service_id,
			'service_name', service_name,
			'last_accessed', regexp_replace(to_char(last_accessed AT TIME ZONE 'UTC',
				'YYYY-MM-DD"T"HH24:MI:SS.US'), '\.?0*$', '') || 'Z')
			ORDER BY last_accessed DESC, service_id)) d
	  FROM user_services WHERE user_id <> 'far' GROUP BY user_id) s;

-- it depends on no setting of the session
BEGIN;
SET LOCAL TimeZone = 'Asia/Kolkata';
SET LOCAL DateStyle = 'SQL, DMY';
SET LOCAL search_path = '';
SELECT public.services_for_user('u2');
ROLLBACK;
-- nor on operators of the caller's
BEGIN;
CREATE SCHEMA trap;
CREATE FUNCTION trap.eq(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT true';
CREATE OPERATOR trap.= (leftarg = text, rightarg = text, function = trap.eq);
SET LOCAL search_path = trap, pg_catalog, public;
SELECT services_for_user('nobody');
ROLLBACK;

-- the planner inlines it
EXPLAIN (VERBOSE, COSTS OFF) SELECT services_for_user(user_id) FROM user_services;

-- read-only, in a cursor, with the snapshot of the caller
BEGIN READ ONLY;
SELECT services_for_user('u2') ->> 'user_id';
ROLLBACK;
BEGIN;
DECLARE c CURSOR FOR SELECT jsonb_array_length(services_for_user('u2') -> 'services')
	FROM generate_series(1, 2);
FETCH 1 FROM c;
DELETE FROM user_services WHERE user_id = 'u2';
FETCH 1 FROM c;
SELECT services_for_user('u2');
ROLLBACK;

-- in parallel workers
BEGIN;
CREATE TABLE many AS SELECT 'u1' AS u FROM generate_series(1, 1000);
ANALYZE many;
SET LOCAL parallel_setup_cost = 0;
SET LOCAL parallel_tuple_cost = 0;
SET LOCAL min_parallel_table_scan_size = 0;
SET LOCAL max_parallel_workers_per_gather = 2;
SET LOCAL parallel_leader_participation = off;
EXPLAIN (COSTS OFF)
	SELECT min(services_for_user(u)::text) = services_for_user('u1')::text FROM many;
SELECT min(services_for_user(u)::text) = services_for_user('u1')::text FROM many;
ROLLBACK;

-- grants and row security of the caller
CREATE ROLE regress_evaudit_reader;
SET ROLE regress_evaudit_reader;
SELECT services_for_user('u1');
RESET ROLE;
GRANT SELECT ON user_services TO regress_evaudit_reader;
CREATE POLICY own ON user_services FOR SELECT TO regress_evaudit_reader
	USING (service_id IN ('a', 'new'));
SET ROLE regress_evaudit_reader;
SELECT jsonb_array_length(services_for_user('u1') -> 'services');
RESET ROLE;
ALTER TABLE user_services ENABLE ROW LEVEL SECURITY;
SET ROLE regress_evaudit_reader;
SELECT services_for_user('u1');
SELECT services_for_user('u2');
RESET ROLE;
SELECT jsonb_array_length(services_for_user('u1') -> 'services');
ALTER TABLE user_services DISABLE ROW LEVEL SECURITY;
DROP POLICY own ON user_services;
REVOKE SELECT ON user_services FROM regress_evaudit_reader;
DROP ROLE regress_evaudit_reader;

-- the table changes under the kept plan
BEGIN;
ALTER TABLE user_services ADD COLUMN note text;
ALTER TABLE user_services ALTER COLUMN service_name TYPE varchar;
SELECT services_for_user('u2');
ALTER TABLE user_services RENAME TO user_services_1;
CREATE TABLE user_services (LIKE user_services_1) PARTITION BY HASH (user_id);
ALTER TABLE user_services ATTACH PARTITION user_services_1
	FOR VALUES WITH (MODULUS 1, REMAINDER 0);
SELECT services_for_user('u2');
ROLLBACK;
SELECT services_for_user('u2');

-- another schema in the same session, with a name that needs quotes
BEGIN;
DROP EXTENSION evaudit;
CREATE SCHEMA "Odd schema";
CREATE EXTENSION evaudit SCHEMA "Odd schema";
INSERT INTO "Odd schema".user_services VALUES ('u2', 'odd', 'Odd', '2022-08-04 08:50:39Z');
SELECT "Odd schema".services_for_user('u2');
ALTER SCHEMA "Odd schema" RENAME TO even;
CREATE SCHEMA "Odd schema";
CREATE TABLE "Odd schema".user_services (LIKE even.user_services);
SELECT even.services_for_user('u2');
ROLLBACK;
SELECT services_for_user('u2');

DELETE FROM user_services;
