-- What an audit costs above the statement itself: evaudit beside a CTE that
-- writes the same audit rows by hand, and beside a trigger in plpgsql.
--
-- Variables: rows (in a statement), rounds (of which the median is taken).
-- Everything lives in the schema evaudit_bench, but for the rows that evaudit
-- itself writes; those are deleted at the end.

\ir timing.sql

CREATE TABLE plain (id int PRIMARY KEY, value text);
CREATE TABLE tracked (id int PRIMARY KEY, value text);
CREATE TABLE by_cte (id int PRIMARY KEY, value text);
CREATE TABLE by_plpgsql (id int PRIMARY KEY, value text);

-- The same columns and indexes as audit, for each of the two peers.
CREATE TABLE cte_audit (LIKE :"audit_schema".audit INCLUDING INDEXES);
CREATE TABLE plpgsql_audit (LIKE :"audit_schema".audit INCLUDING INDEXES);
CREATE SEQUENCE cte_seq OWNED BY cte_audit.seq;
CREATE SEQUENCE plpgsql_seq OWNED BY plpgsql_audit.seq;
ALTER TABLE cte_audit ALTER id SET DEFAULT gen_random_uuid(),
	ALTER seq SET DEFAULT nextval('cte_seq');
ALTER TABLE plpgsql_audit ALTER id SET DEFAULT gen_random_uuid(),
	ALTER seq SET DEFAULT nextval('plpgsql_seq');

-- Autovacuum would come between.
ALTER TABLE plain SET (autovacuum_enabled = off);
ALTER TABLE tracked SET (autovacuum_enabled = off);
ALTER TABLE by_cte SET (autovacuum_enabled = off);
ALTER TABLE by_plpgsql SET (autovacuum_enabled = off);
ALTER TABLE cte_audit SET (autovacuum_enabled = off);
ALTER TABLE plpgsql_audit SET (autovacuum_enabled = off);

CREATE FUNCTION plpgsql_capture() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
	old_row jsonb := to_jsonb(old);
	new_row jsonb := to_jsonb(new);
	name text;
BEGIN
	IF TG_OP = 'INSERT' THEN
		INSERT INTO plpgsql_audit (relation, item_key, operation,
			modification_time, new_value, actor, request_id, session_role,
			application_name, client_addr, xid, epoch, relid,
			role_name)
		VALUES ('evaudit_bench.by_plpgsql', new.id::text, 'INSERT',
			clock_timestamp(), new_row,
			nullif(current_setting('evaudit.actor', true), ''),
			nullif(current_setting('evaudit.request_id', true), ''),
			session_user, current_setting('application_name'),
			inet_client_addr(), pg_current_xact_id(), 1,
			'evaudit_bench.by_plpgsql'::regclass, current_user);
		RETURN NULL;
	END IF;
	FOR name IN SELECT key FROM jsonb_each(new_row)
		WHERE value IS DISTINCT FROM old_row -> key
	LOOP
		INSERT INTO plpgsql_audit (relation, item_key, operation,
			modification_time, updated_attribute, old_value, new_value, actor,
			request_id, session_role, application_name, client_addr, xid, epoch, relid,
			role_name)
		VALUES ('evaudit_bench.by_plpgsql', old.id::text, 'UPDATE',
			clock_timestamp(), name, old_row -> name, new_row -> name,
			nullif(current_setting('evaudit.actor', true), ''),
			nullif(current_setting('evaudit.request_id', true), ''),
			session_user, current_setting('application_name'),
			inet_client_addr(), pg_current_xact_id(), 1,
			'evaudit_bench.by_plpgsql'::regclass, current_user);
	END LOOP;
	RETURN NULL;
END $$;
CREATE TRIGGER capture AFTER INSERT OR UPDATE ON by_plpgsql
	FOR EACH ROW EXECUTE FUNCTION plpgsql_capture();

SELECT FROM evaudit.track('tracked') \gset

-- The statements: one table each, everything else alike.
CREATE FUNCTION insert_plain(n int) RETURNS void LANGUAGE sql AS $$
	INSERT INTO plain SELECT i, 'value ' || i FROM generate_series(1, n) i $$;
CREATE FUNCTION insert_tracked(n int) RETURNS void LANGUAGE sql AS $$
	INSERT INTO tracked SELECT i, 'value ' || i FROM generate_series(1, n) i $$;
CREATE FUNCTION insert_plpgsql(n int) RETURNS void LANGUAGE sql AS $$
	INSERT INTO by_plpgsql
	SELECT i, 'value ' || i FROM generate_series(1, n) i $$;
CREATE FUNCTION insert_cte(n int) RETURNS void LANGUAGE sql AS $$
	WITH c AS (
		INSERT INTO by_cte SELECT i, 'value ' || i
		FROM generate_series(1, n) i RETURNING *)
	INSERT INTO cte_audit (relation, item_key, operation, modification_time,
		new_value, actor, request_id, session_role, application_name,
		client_addr, xid, epoch, relid,
			role_name)
	SELECT 'evaudit_bench.by_cte', id::text, 'INSERT', clock_timestamp(),
		to_jsonb(c), nullif(current_setting('evaudit.actor', true), ''),
		nullif(current_setting('evaudit.request_id', true), ''),
		session_user, current_setting('application_name'),
		inet_client_addr(), pg_current_xact_id(), 1,
			'evaudit_bench.by_cte'::regclass, current_user
	FROM c $$;

CREATE FUNCTION update_plain(n int) RETURNS void LANGUAGE sql AS $$
	UPDATE plain SET value = value || '+' $$;
CREATE FUNCTION update_tracked(n int) RETURNS void LANGUAGE sql AS $$
	UPDATE tracked SET value = value || '+' $$;
CREATE FUNCTION update_plpgsql(n int) RETURNS void LANGUAGE sql AS $$
	UPDATE by_plpgsql SET value = value || '+' $$;
CREATE FUNCTION update_cte(n int) RETURNS void LANGUAGE sql AS $$
	WITH c AS (
		UPDATE by_cte t SET value = t.value || '+' FROM by_cte o
		WHERE o.id = t.id RETURNING t.id, o.value AS old, t.value AS new)
	INSERT INTO cte_audit (relation, item_key, operation, modification_time,
		updated_attribute, old_value, new_value, actor, request_id,
		session_role, application_name, client_addr, xid, epoch, relid,
			role_name)
	SELECT 'evaudit_bench.by_cte', id::text, 'UPDATE', clock_timestamp(),
		'value', to_jsonb(old), to_jsonb(new),
		nullif(current_setting('evaudit.actor', true), ''),
		nullif(current_setting('evaudit.request_id', true), ''),
		session_user, current_setting('application_name'),
		inet_client_addr(), pg_current_xact_id(), 1,
			'evaudit_bench.by_cte'::regclass, current_user
	FROM c $$;

CREATE FUNCTION single_plain(n int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1..n LOOP
		UPDATE plain SET value = value || '-' WHERE id = i;
	END LOOP;
END $$;
CREATE FUNCTION single_tracked(n int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1..n LOOP
		UPDATE tracked SET value = value || '-' WHERE id = i;
	END LOOP;
END $$;
CREATE FUNCTION single_plpgsql(n int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1..n LOOP
		UPDATE by_plpgsql SET value = value || '-' WHERE id = i;
	END LOOP;
END $$;
CREATE FUNCTION single_cte(n int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1..n LOOP
		WITH c AS (
			UPDATE by_cte t SET value = t.value || '-' FROM by_cte o
			WHERE o.id = t.id AND t.id = i
			RETURNING t.id, o.value AS old, t.value AS new)
		INSERT INTO cte_audit (relation, item_key, operation,
			modification_time, updated_attribute, old_value, new_value, actor,
			request_id, session_role, application_name, client_addr, xid, epoch, relid,
			role_name)
		SELECT 'evaudit_bench.by_cte', id::text, 'UPDATE', clock_timestamp(),
			'value', to_jsonb(old), to_jsonb(new),
			nullif(current_setting('evaudit.actor', true), ''),
			nullif(current_setting('evaudit.request_id', true), ''),
			session_user, current_setting('application_name'),
			inet_client_addr(), pg_current_xact_id(), 1,
			'evaudit_bench.by_cte'::regclass, current_user
		FROM c;
	END LOOP;
END $$;

CREATE TABLE timing (round int, statement text, way text, us float8,
	cpu_us float8);

-- Each round takes all ways of a statement in turn, so that what else the
-- machine does falls on all of them.
CREATE PROCEDURE run(rounds int, n int) LANGUAGE plpgsql AS $$
DECLARE
	statement text;
	way text;
	start timestamptz;
	cpu_start bigint;
BEGIN
	FOR round IN 0..rounds LOOP
		TRUNCATE plain, by_cte, by_plpgsql;
		PERFORM evaudit.untrack('tracked');
		TRUNCATE tracked;
		PERFORM evaudit.track('tracked');
		COMMIT;
		FOREACH statement IN ARRAY '{insert,update,single}'::text[] LOOP
			FOREACH way IN ARRAY '{plain,tracked,cte,plpgsql}'::text[] LOOP
				cpu_start := cpu_ns();
				start := clock_timestamp();
				EXECUTE format('SELECT %I($1)', statement || '_' || way)
					USING n;
				COMMIT;
				INSERT INTO timing VALUES (round, statement, way, extract(
					epoch FROM clock_timestamp() - start) * 1e6 / n,
					(cpu_ns() - cpu_start) / 1e3 / n);
				COMMIT;
			END LOOP;
		END LOOP;
	END LOOP;
END $$;
CALL run(:rounds, :rows);

\pset format unaligned
\pset tuples_only on
\pset fieldsep ' | '
\echo '| µs a row | plain | evaudit | CTE | plpgsql | evaudit above plain | CTE above plain | plpgsql above plain | evaudit : CTE |'
\echo '|---|---|---|---|---|---|---|---|---|'
WITH measures AS (
	SELECT round, statement, way, m.measure, m.us
	FROM timing, LATERAL (VALUES ('clock', timing.us), ('processor', cpu_us))
		AS m (measure, us)
	WHERE round > 0
), rounds AS (
	SELECT round, statement, measure,
		max(us) FILTER (WHERE way = 'plain') AS plain,
		max(us) FILTER (WHERE way = 'tracked') AS tracked,
		max(us) FILTER (WHERE way = 'cte') AS cte,
		max(us) FILTER (WHERE way = 'plpgsql') AS plpgsql
	FROM measures GROUP BY round, statement, measure
), medians AS (
	SELECT statement, measure,
		percentile_cont(0.5) WITHIN GROUP (ORDER BY plain) AS plain,
		percentile_cont(0.5) WITHIN GROUP (ORDER BY tracked) AS tracked,
		percentile_cont(0.5) WITHIN GROUP (ORDER BY cte) AS cte,
		percentile_cont(0.5) WITHIN GROUP (ORDER BY plpgsql) AS plpgsql,
		percentile_cont(0.5) WITHIN GROUP (ORDER BY tracked - plain) AS tracked_cost,
		percentile_cont(0.5) WITHIN GROUP (ORDER BY cte - plain) AS cte_cost,
		percentile_cont(0.5) WITHIN GROUP (ORDER BY plpgsql - plain) AS plpgsql_cost
	FROM rounds GROUP BY statement, measure
)
SELECT format('| %s, %s | %s | %s | %s | %s | %s | %s | %s | %s |',
	CASE statement WHEN 'insert' THEN 'INSERT of ' || :rows || ' rows'
		WHEN 'update' THEN 'UPDATE of ' || :rows || ' rows'
		ELSE :rows || ' UPDATEs of a row' END, measure,
	round(plain::numeric, 1), round(tracked::numeric, 1),
	round(cte::numeric, 1), round(plpgsql::numeric, 1),
	round(tracked_cost::numeric, 1), round(cte_cost::numeric, 1),
	round(plpgsql_cost::numeric, 1),
	round((tracked_cost / cte_cost)::numeric, 2))
FROM medians ORDER BY measure, statement = 'single', statement;

DROP SCHEMA evaudit_bench CASCADE;
DELETE FROM :"audit_schema".audit WHERE relation = 'evaudit_bench.tracked';
