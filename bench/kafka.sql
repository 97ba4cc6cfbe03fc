-- kafka.sql: the events of the benchmark as a table, what the newest of them
-- leave behind, and the merges that are the limit of what SQL can do.
--
-- :distinct and :hot are commands that print the streams.

CREATE SCHEMA bench;
CREATE UNLOGGED TABLE bench.streams (
	shape text, n int, user_id text COLLATE "C", service_id text COLLATE "C",
	service_name text COLLATE "C", ts timestamptz);

-- What must be there after a pass; the second pass is a day later.
CREATE TABLE bench.truth (
	shape text, user_id text COLLATE "C", service_id text COLLATE "C",
	service_name text COLLATE "C", ts timestamptz);

-- The winners of each batch in the order of their keys.
CREATE UNLOGGED TABLE bench.batches (
	shape text, size int, batch int,
	u text[], s text[], n text[], t timestamptz[]);

-- Everything from the table on: read, choose the winners, merge.
CREATE PROCEDURE bench.merge_table(which text, size int, later interval)
LANGUAGE plpgsql AS $$
DECLARE
	last int := (SELECT max(n) FROM bench.streams WHERE shape = which);
	lo int := 0;
BEGIN
	WHILE lo <= last LOOP
		INSERT INTO public.user_services AS t
			(user_id, service_id, service_name, last_accessed)
		SELECT DISTINCT ON (user_id, service_id)
			user_id, service_id, service_name, ts + later
		FROM bench.streams
		WHERE shape = which AND n >= lo AND n < lo + size
		ORDER BY user_id, service_id, ts DESC
		ON CONFLICT (user_id, service_id) DO UPDATE
		SET service_name = EXCLUDED.service_name,
			last_accessed = EXCLUDED.last_accessed
		WHERE t.last_accessed < EXCLUDED.last_accessed;
		COMMIT;
		lo := lo + size;
	END LOOP;
END $$;

-- The bare merge: winners were chosen, sorted and put into arrays before.
CREATE PROCEDURE bench.merge_arrays(which text, length int, later interval)
LANGUAGE plpgsql AS $$
DECLARE
	last int := (SELECT max(batch) FROM bench.batches
				 WHERE shape = which AND size = length);
BEGIN
	FOR i IN 0 .. last LOOP
		INSERT INTO public.user_services AS t
			(user_id, service_id, service_name, last_accessed)
		SELECT e.u, e.s, e.n, e.t + later
		FROM bench.batches b, unnest(b.u, b.s, b.n, b.t) AS e (u, s, n, t)
		WHERE b.shape = which AND b.size = length AND b.batch = i
		ON CONFLICT (user_id, service_id) DO UPDATE
		SET service_name = EXCLUDED.service_name,
			last_accessed = EXCLUDED.last_accessed
		WHERE t.last_accessed < EXCLUDED.last_accessed;
		COMMIT;
	END LOOP;
END $$;

-- Fill in truth and batches from the streams.
CREATE PROCEDURE bench.prepare()
LANGUAGE sql AS $$
	CREATE INDEX ON bench.streams (shape, n);
	INSERT INTO bench.truth
	SELECT DISTINCT ON (shape, user_id, service_id)
		shape, user_id, service_id, service_name, ts
	FROM bench.streams
	ORDER BY shape, user_id, service_id, ts DESC, service_name DESC;
	INSERT INTO bench.batches
	SELECT shape, size, n / size, array_agg(user_id ORDER BY user_id, service_id),
		array_agg(service_id ORDER BY user_id, service_id),
		array_agg(service_name ORDER BY user_id, service_id),
		array_agg(ts ORDER BY user_id, service_id)
	FROM (SELECT DISTINCT ON (size, shape, n / size, user_id, service_id) *
		  FROM (VALUES (5000), (20000)) AS v (size), bench.streams
		  ORDER BY size, shape, n / size, user_id, service_id, ts DESC) w
	GROUP BY shape, size, n / size;
	CREATE INDEX ON bench.batches (shape, size, batch);
$$;

-- How many keys are missing, and how many have another time or name.
CREATE FUNCTION bench.faults(which text, later interval,
							 OUT missing bigint, OUT wrong bigint)
LANGUAGE sql STABLE AS $$
	SELECT count(*) FILTER (WHERE s.user_id IS NULL),
		count(*) FILTER (WHERE s.last_accessed <> t.ts + later
			OR s.service_name <> t.service_name)
	FROM bench.truth t LEFT JOIN public.user_services s
		USING (user_id, service_id)
	WHERE t.shape = which
$$;
