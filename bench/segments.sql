-- The cost of audit rows beside the same statement without, when the audit is
-- empty and when it is full: updates of random rows by key, in µs of processor
-- time a row.  Then looking rows up, by statements and by functions.

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
\echo '| µs of processor time a row | plain | tracked | audit | full : empty |'
\echo '|---|---|---|---|---|'
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
SELECT format('| %s rows in audit | %s | %s | %s | %s |',
	CASE WHEN full_audit THEN :audit_rows ELSE 0 END, round(plain::numeric, 1),
	round(tracked::numeric, 1), round(audit::numeric, 1),
	round((audit / lag(audit) OVER (ORDER BY full_audit))::numeric, 2))
FROM medians ORDER BY full_audit;

-- A row with 1,000 changes, each of a transaction.
CREATE TABLE busy (id int PRIMARY KEY, value text, n int, at timestamptz, note text);
SELECT FROM evaudit.track('busy') \gset
INSERT INTO busy VALUES (1, 'value', 0, now(), 'note');
CREATE PROCEDURE change(n int) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1..n LOOP
		UPDATE busy SET value = 'value ' || i WHERE id = 1;
		COMMIT;
	END LOOP;
END $$;
CALL change(1000);

-- Look-ups: by a statement that is planned each time, by one that is prepared,
-- and by functions.  The rows of "tracked" were there before it was tracked.
SELECT id FROM audit TABLESAMPLE SYSTEM (1) LIMIT 1 \gset
CREATE TABLE ways (way int PRIMARY KEY, what text, prepare bool, statement text);
INSERT INTO ways VALUES
	(1, 'by key, planned', false, 'SELECT count(*) FROM audit'
		' WHERE relation = ''evaudit_bench.tracked'' AND item_key = %L'),
	(2, 'by key, prepared', true, 'SELECT count(*) FROM audit'
		' WHERE relation = ''evaudit_bench.tracked'' AND item_key = $1'),
	(3, 'by id, planned', false, 'SELECT count(*) FROM audit WHERE id = '
		|| quote_literal(:'id') || ' AND %L IS NOT NULL'),
	(4, 'history() of a row', false,
		'SELECT count(*) FROM evaudit.history(''evaudit_bench.tracked'', to_jsonb(%L::text))'),
	(5, 'row_as_of()', false,
		'SELECT evaudit.row_as_of(''evaudit_bench.tracked'', to_jsonb(%L::text), now())'),
	(6, 'history() of 1,000 changes', false,
		'SELECT count(*) FROM evaudit.history(''evaudit_bench.busy'', ''1'') WHERE %L IS NOT NULL');
CREATE TABLE lookup (way int, ms float8, cpu_ms float8);

-- All ways in turn.  The processor's clock is too coarse for one of them.
CREATE PROCEDURE look_up(n int, keys int) LANGUAGE plpgsql AS $$
DECLARE
	w ways;
	start timestamptz;
	cpu_start bigint;
	sought text;
	spent float8[];
BEGIN
	FOR w IN SELECT * FROM ways ORDER BY way LOOP
		IF w.prepare THEN
			EXECUTE format('PREPARE way_%s (text) AS %s', w.way, w.statement);
		END IF;
	END LOOP;
	FOR round IN 1..n / 10 LOOP
		FOR w IN SELECT * FROM ways ORDER BY way LOOP
			spent := '{}';
			cpu_start := cpu_ns();
			FOR i IN 1..10 LOOP
				sought := (1 + random() * (keys - 1))::int::text;
				start := clock_timestamp();
				IF w.prepare THEN
					EXECUTE format('EXECUTE way_%s (%L)', w.way, sought);
				ELSE
					EXECUTE format(w.statement, sought);
				END IF;
				spent := spent || extract(epoch FROM clock_timestamp() - start)::float8 * 1e3;
			END LOOP;
			cpu_start := cpu_ns() - cpu_start;
			INSERT INTO lookup SELECT w.way, ms, cpu_start / 1e7 FROM unnest(spent) ms;
		END LOOP;
	END LOOP;
END $$;
SET plan_cache_mode = force_generic_plan;
CALL look_up(200, :table_rows);
\echo
\echo '| look-up, ms | clock | processor |'
\echo '|---|---|---|'
SELECT format('| %s, %s partitions | %s | %s |', what,
	(SELECT count(*) - 1 FROM pg_partition_tree('audit')),
	round((percentile_cont(0.5) WITHIN GROUP (ORDER BY ms))::numeric, 2),
	round((percentile_cont(0.5) WITHIN GROUP (ORDER BY cpu_ms))::numeric, 2))
FROM lookup JOIN ways USING (way) GROUP BY way, what ORDER BY way;
