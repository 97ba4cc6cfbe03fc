-- Some thousand changes of all kinds at random, compared row by row with a
-- change log that triggers in SQL keep beside.
CREATE TABLE r_plain (id int PRIMARY KEY, a text, b numeric, c jsonb, d int[]);
CREATE TABLE r_pair (a text, k2 int, b numeric, k1 text, PRIMARY KEY (k1, k2));
CREATE TABLE r_part (a text, id int, k text, b numeric, PRIMARY KEY (k, id))
	PARTITION BY HASH (id);
CREATE TABLE r_part_0 PARTITION OF r_part FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE r_part_1 (b numeric, k text NOT NULL, a text, id int NOT NULL);
ALTER TABLE r_part ATTACH PARTITION r_part_1 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
SELECT evaudit.track(t) FROM unnest('{r_plain,r_pair,r_part}'::regclass[]) t;

-- The arguments of the trigger: the name of the table, and its key.
CREATE TABLE log (n serial, relation text, keys text[], op text,
	old jsonb, new jsonb);
CREATE FUNCTION log_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO log (relation, keys, op, old, new)
	VALUES (tg_argv[0], tg_argv[1]::text[], tg_op, to_jsonb(old), to_jsonb(new));
	RETURN NULL;
END $$;
CREATE TRIGGER zz AFTER INSERT OR UPDATE OR DELETE ON r_plain
	FOR EACH ROW EXECUTE FUNCTION log_change('public.r_plain', '{id}');
CREATE TRIGGER zz AFTER INSERT OR UPDATE OR DELETE ON r_pair
	FOR EACH ROW EXECUTE FUNCTION log_change('public.r_pair', '{k1,k2}');
CREATE TRIGGER zz AFTER INSERT OR UPDATE OR DELETE ON r_part
	FOR EACH ROW EXECUTE FUNCTION log_change('public.r_part', '{k,id}');

CREATE FUNCTION word() RETURNS text LANGUAGE sql VOLATILE AS $$
	SELECT CASE WHEN random() < 0.2 THEN NULL
		WHEN random() < 0.1 THEN repeat(md5(random()::text), 200)
		ELSE chr(97 + (random() * 3)::int) END $$;
CREATE FUNCTION number() RETURNS numeric LANGUAGE sql VOLATILE AS $$
	SELECT CASE WHEN random() < 0.2 THEN NULL
		ELSE round((random() * 3)::numeric, (random() * 2)::int) END $$;
CREATE FUNCTION pick() RETURNS int LANGUAGE sql VOLATILE AS $$
	SELECT (random() * 20)::int $$;

CREATE FUNCTION change(kind int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	CASE kind
	WHEN 0 THEN
		INSERT INTO r_plain VALUES (pick(), word(), number(), to_jsonb(word()),
			ARRAY[pick(), NULL]) ON CONFLICT (id) DO UPDATE
			SET a = excluded.a, b = excluded.b;
	WHEN 1 THEN
		UPDATE r_plain SET a = word(), c = to_jsonb(number()) WHERE id = pick();
	WHEN 2 THEN UPDATE r_plain SET id = pick(), b = number() WHERE id = pick();
	WHEN 3 THEN DELETE FROM r_plain WHERE id = pick();
	WHEN 4 THEN
		MERGE INTO r_pair r USING (SELECT coalesce(word(), 'x') AS k1,
			pick() AS k2) s ON (r.k1, r.k2) = (s.k1, s.k2)
		WHEN MATCHED AND random() < 0.3 THEN DELETE
		WHEN MATCHED THEN UPDATE SET a = word(), k2 = pick()
		WHEN NOT MATCHED THEN INSERT VALUES (word(), k2, number(), k1);
	WHEN 5 THEN UPDATE r_pair SET a = word(), b = number() WHERE k2 < pick() / 4;
	WHEN 6 THEN
		INSERT INTO r_part VALUES (word(), pick(), 'k', number())
			ON CONFLICT DO NOTHING;
	WHEN 7 THEN UPDATE r_part SET id = pick(), a = word() WHERE id = pick();
	WHEN 8 THEN UPDATE r_part_1 SET b = number(), a = a WHERE id < pick() / 2;
	WHEN 9 THEN DELETE FROM r_part WHERE id = pick();
	WHEN 10 THEN
		UPDATE r_part SET a = word();
		UPDATE r_pair SET b = b;
		UPDATE r_plain SET d = d || 1 WHERE id = pick();
		RAISE division_by_zero;
	END CASE;
EXCEPTION WHEN unique_violation OR division_by_zero THEN NULL;
END $$;
SELECT setseed(0.42);
DO $$
BEGIN
	FOR i IN 1..3000 LOOP
		PERFORM change((random() * 10)::int);
		IF i % 100 = 0 THEN COMMIT; END IF;
	END LOOP;
END $$;

CREATE VIEW expected AS
	SELECT row_number() OVER (ORDER BY n, u.name = ANY (keys), u.place) AS n,
		relation, op, u.name,
		CASE cardinality(keys)
			WHEN 1 THEN coalesce(old, new) ->> keys[1]
			ELSE format('[%s,%s]', coalesce(old, new) -> keys[1],
				coalesce(old, new) -> keys[2]) END AS item_key,
		CASE op WHEN 'UPDATE' THEN old -> u.name ELSE old END::text AS old,
		CASE op WHEN 'UPDATE' THEN new -> u.name ELSE new END::text AS new
	FROM log LEFT JOIN LATERAL (
		SELECT attname::text AS name, attnum AS place FROM pg_attribute
		WHERE attrelid = relation::regclass AND attnum > 0 AND op = 'UPDATE'
		AND (old -> attname::text)::text <> (new -> attname::text)::text) u ON true
	WHERE op <> 'UPDATE' OR u.name IS NOT NULL;
CREATE TEMP VIEW captured AS
	SELECT row_number() OVER (ORDER BY seq) AS n, relation, operation AS op,
		updated_attribute AS name, item_key, old_value::text AS old,
		new_value::text AS new
	FROM audit WHERE operation <> 'TRACK';
SELECT relation, op, count(*) > 10 AS many FROM expected
GROUP BY relation, op ORDER BY relation, op;
SELECT (SELECT count(*) FROM expected) = count(*) AS same_count FROM captured;
SELECT * FROM (TABLE expected EXCEPT ALL TABLE captured) e ORDER BY n LIMIT 5;
SELECT * FROM (TABLE captured EXCEPT ALL TABLE expected) c ORDER BY n LIMIT 5;

DROP VIEW expected, captured;
DROP TABLE r_plain, r_pair, r_part, log;
DROP FUNCTION log_change(), word(), number(), pick(), change(int);
TRUNCATE audit;
