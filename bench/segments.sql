-- The cost of audit rows beside the same statement without, when the audit is
-- empty and when it is full: updates of random rows by key, in µs of processor
-- time a row.  Then look-ups by the key of a row and by id.

\ir timing.sql
SET search_path = evaudit_bench, public;
SET synchronous_commit = off;
SET jit = off;

CREATE TABLE plain (id int PRIMARY KEY, value text) WITH (fillfactor = 70);
CREATE TABLE tracked (LIKE plain INCLUDING ALL) WITH (fillfactor = 70);
INSERT INTO plain SELECT i, 'value ' || i FROM generate_series(1, :table_rows) i;
INSERT INTO tracked TABLE plain;
VACUUM (FREEZE, ANALYZE) plain, tracked;
SELECT FROM evaudit.track('tracked') \gset

CREATE TABLE timing (full_audit bool, round int, way text, cpu_us float8, us float8);
CREATE PROCEDURE measure(full_audit bool, rounds int, n int, keys int)
LANGUAGE plpgsql AS $$
DECLARE
	way text;
	start timestamptz;
	cpu_start bigint;
	chosen int[];
BEGIN
	FOR round IN 0..rounds LOOP
		SELECT array_agg(1 + random() * (keys - 1)) INTO chosen
		FROM generate_series(1, n);
		FOREACH way IN ARRAY '{plain,tracked}'::text[] LOOP
			cpu_start := cpu_ns();
			start := clock_timestamp();
			IF way = 'plain' THEN
				FOR i IN 1..n LOOP
					UPDATE plain SET value = 'changed ' || round WHERE id = chosen[i];
				END LOOP;
			ELSE
				FOR i IN 1..n LOOP
					UPDATE tracked SET value = 'changed ' || round WHERE id = chosen[i];
				END LOOP;
			END IF;
			COMMIT;
			INSERT INTO timing VALUES (full_audit, round, way,
				(cpu_ns() - cpu_start) / 1e3 / n,
				extract(epoch FROM clock_timestamp() - start) * 1e6 / n);
			COMMIT;
		END LOOP;
	END LOOP;
END $$;
CALL measure(false, :rounds, :rows, :table_rows);

-- Fill it, as the job makes segments and capture rows.
CREATE PROCEDURE fill(n bigint, segment bigint, keys int)
LANGUAGE plpgsql AS $$
DECLARE
	first bigint;
	name text;
BEGIN
	SELECT last_value + 1 INTO first FROM audit_seq_seq;
	FOR i IN 1..n / segment LOOP
		name := 'bench_' || i;
		IF (SELECT relkind FROM pg_class WHERE oid = 'audit'::regclass) = 'p' THEN
			EXECUTE format('CREATE TABLE evaudit_bench.%I PARTITION OF audit '
				'FOR VALUES FROM (%s) TO (%s)', name, first, first + segment);
		END IF;
		INSERT INTO audit (id, relation, item_key, operation,
			modification_time, updated_attribute, old_value, new_value,
			session_role, application_name, xid, epoch, relid, role_name, seq)
		-- ids as capture makes them: a run for 4,096 rows
		SELECT (substr(md5((seq / 4096)::text), 1, 12) || '4' ||
			lpad(to_hex(seq % 4096), 3, '0') || 'a' || substr(md5(seq::text), 1, 15))::uuid,
			'evaudit_bench.tracked', (1 + random() * (keys - 1))::int::text,
			'UPDATE', now(), 'value', '"value 12345"', '"changed 1"',
			'postgres', 'psql', pg_current_xact_id(), 1,
			'tracked'::regclass, 'postgres', seq
		FROM generate_series(first, first + segment - 1) seq;
		first := first + segment;
		PERFORM setval('audit_seq_seq', first - 1);
		COMMIT;
		IF i = n / segment - 1 AND
			(SELECT relkind FROM pg_class WHERE oid = 'audit'::regclass) = 'p' THEN
			EXECUTE format('CREATE TABLE evaudit_bench.next PARTITION OF audit '
				'FOR VALUES FROM (%s) TO (%s)', first + segment, first + 2 * segment);
		END IF;
	END LOOP;
END $$;
CALL fill(:audit_rows, :segment_rows, :table_rows);
VACUUM (ANALYZE) audit;
CHECKPOINT;
CALL measure(true, :rounds, :rows, :table_rows);

\pset format unaligned
\pset tuples_only on
\pset fieldsep ' | '
\echo '| µs of processor time a row | plain | tracked | audit |'
\echo '|---|---|---|---|'
WITH rounds AS (
	SELECT full_audit, round,
		max(cpu_us) FILTER (WHERE way = 'plain') AS plain,
		max(cpu_us) FILTER (WHERE way = 'tracked') AS tracked
	FROM timing WHERE round > 0 GROUP BY full_audit, round
), medians AS (
	SELECT full_audit,
		percentile_cont(0.5) WITHIN GROUP (ORDER BY plain) AS plain,
		percentile_cont(0.5) WITHIN GROUP (ORDER BY tracked) AS tracked,
		percentile_cont(0.5) WITHIN GROUP (ORDER BY tracked - plain) AS audit
	FROM rounds GROUP BY full_audit
)
SELECT format('| %s rows in audit | %s | %s | %s |',
	CASE WHEN full_audit THEN :audit_rows ELSE 0 END, round(plain::numeric, 1),
	round(tracked::numeric, 1), round(audit::numeric, 1))
FROM medians ORDER BY full_audit;

-- Look-ups, planned each time and prepared.
CREATE TABLE lookup (what text, ms float8);
CREATE PROCEDURE look_up(n int, keys int) LANGUAGE plpgsql AS $$
DECLARE
	start timestamptz;
	sought text;
	chosen uuid;
BEGIN
	SELECT id INTO chosen FROM audit TABLESAMPLE SYSTEM (0.01) LIMIT 1;
	FOR i IN 1..n LOOP
		sought := (1 + random() * (keys - 1))::int::text;
		start := clock_timestamp();
		EXECUTE format('SELECT count(*) FROM audit WHERE relation = %L'
			' AND item_key = %L', 'evaudit_bench.tracked', sought);
		INSERT INTO lookup VALUES ('by key, planned', extract(epoch FROM clock_timestamp() - start) * 1e3);
		start := clock_timestamp();
		PERFORM count(*) FROM audit WHERE relation = 'evaudit_bench.tracked'
			AND item_key = sought;
		INSERT INTO lookup VALUES ('by key, prepared', extract(epoch FROM clock_timestamp() - start) * 1e3);
		start := clock_timestamp();
		EXECUTE format('SELECT count(*) FROM audit WHERE id = %L', chosen);
		INSERT INTO lookup VALUES ('by id, planned', extract(epoch FROM clock_timestamp() - start) * 1e3);
	END LOOP;
END $$;
CALL look_up(100, :table_rows);
SELECT format('| %s, %s partitions | %s ms |', what,
	(SELECT count(*) - 1 FROM pg_partition_tree('audit')),
	round((percentile_cont(0.5) WITHIN GROUP (ORDER BY ms))::numeric, 2))
FROM lookup GROUP BY what ORDER BY what;
