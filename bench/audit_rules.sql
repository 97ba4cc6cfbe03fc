-- What rules for columns cost: a table with an excluded, a masked and an HMACed
-- column beside the same table that is audited without rules, both above the
-- same table that is not audited.
--
-- Variables: rows (in a statement), rounds (of which the median is taken).

\ir timing.sql

CREATE TABLE plain (id int PRIMARY KEY, name text, email text, password text,
	ssn text) WITH (autovacuum_enabled = off);
CREATE TABLE unruled (LIKE plain INCLUDING ALL) WITH (autovacuum_enabled = off);
CREATE TABLE ruled (LIKE plain INCLUDING ALL) WITH (autovacuum_enabled = off);
SELECT FROM evaudit.track('unruled') \gset
SELECT FROM evaudit.track('ruled', '{"columns": {"password": "exclude",
	"email": {"mask": "keep_domain"}, "ssn": "hmac"}}') \gset

CREATE TABLE timing (round int, statement text, way text, us float8,
	cpu_us float8);

CREATE PROCEDURE single(way text, n int) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1..n LOOP
		EXECUTE format('UPDATE %I SET name = name || ''-'', ssn = ssn || ''-'''
			' WHERE id = $1', way) USING i;
	END LOOP;
END $$;

CREATE PROCEDURE run(rounds int, n int) LANGUAGE plpgsql AS $$
DECLARE
	statement text;
	way text;
	start timestamptz;
	cpu_start bigint;
BEGIN
	FOR round IN 0..rounds LOOP
		SET evaudit.audit = off;
		TRUNCATE plain, unruled, ruled;
		RESET evaudit.audit;
		COMMIT;
		FOREACH statement IN ARRAY '{insert,update,single}'::text[] LOOP
			FOREACH way IN ARRAY '{plain,unruled,ruled}'::text[] LOOP
				cpu_start := cpu_ns();
				start := clock_timestamp();
				IF statement = 'insert' THEN
					EXECUTE format('INSERT INTO %I SELECT i, ''name '' || i,'
						' i || ''@example.org'', ''password '' || i,'
						' ''123-45-'' || i FROM generate_series(1, $1) i', way)
						USING n;
				ELSIF statement = 'update' THEN
					EXECUTE format('UPDATE %I SET name = name || ''+'','
						' ssn = ssn || ''+''', way);
				ELSE
					CALL single(way, n);
				END IF;
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
\echo '| µs a row | not audited | without rules | with rules | audit without | audit with | with : without |'
\echo '|---|---|---|---|---|---|---|'
WITH measures AS (
	SELECT round, statement, way, m.measure, m.us
	FROM timing, LATERAL (VALUES ('clock', timing.us), ('processor', cpu_us))
		AS m (measure, us)
	WHERE round > 0
), rounds AS (
	SELECT round, statement, measure,
		max(us) FILTER (WHERE way = 'plain') AS plain,
		max(us) FILTER (WHERE way = 'unruled') AS unruled,
		max(us) FILTER (WHERE way = 'ruled') AS ruled
	FROM measures GROUP BY round, statement, measure
), medians AS (
	SELECT statement, measure,
		percentile_cont(0.5) WITHIN GROUP (ORDER BY plain) AS plain,
		percentile_cont(0.5) WITHIN GROUP (ORDER BY unruled) AS unruled,
		percentile_cont(0.5) WITHIN GROUP (ORDER BY ruled) AS ruled,
		percentile_cont(0.5) WITHIN GROUP (ORDER BY unruled - plain) AS cost,
		percentile_cont(0.5) WITHIN GROUP (ORDER BY ruled - plain) AS ruled_cost
	FROM rounds GROUP BY statement, measure
)
SELECT format('| %s, %s | %s | %s | %s | %s | %s | %s |',
	CASE statement WHEN 'insert' THEN 'INSERT of ' || :rows || ' rows'
		WHEN 'update' THEN 'UPDATE of ' || :rows || ' rows'
		ELSE :rows || ' UPDATEs of a row' END, measure,
	round(plain::numeric, 1), round(unruled::numeric, 1),
	round(ruled::numeric, 1), round(cost::numeric, 1),
	round(ruled_cost::numeric, 1), round((ruled_cost / cost)::numeric, 2))
FROM medians ORDER BY measure, statement = 'single', statement;

DROP SCHEMA evaudit_bench CASCADE;
DELETE FROM :"audit_schema".audit WHERE relation LIKE 'evaudit\_bench.%';
