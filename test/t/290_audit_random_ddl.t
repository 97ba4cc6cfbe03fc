# Changes at random, and between them commands at random that alter the table:
# each row as of each of many moments is what it was then, under the names that
# its columns have now.  Columns are told apart by their numbers, which renaming
# keeps.  They are the same in each run unless EVAUDIT_TEST_SEED says otherwise.

use strict;
use warnings;

use Evaudit::Cluster;
use Test::More;

my $node = Evaudit::Cluster->new('main');
my $seed = $ENV{EVAUDIT_TEST_SEED} || 1;
note "EVAUDIT_TEST_SEED=$seed";

$node->safe_psql('postgres', q{
	CREATE SCHEMA one;
	CREATE SCHEMA two;
	CREATE TABLE one.t (id int PRIMARY KEY, c1 text, c2 numeric, c3 jsonb);
	CREATE TABLE place (oid oid);
	INSERT INTO place VALUES ('one.t'::regclass);
	SELECT evaudit.track('one.t');
	CREATE TABLE shots (n int, at timestamptz, key text, image jsonb, PRIMARY KEY (n, key));
	CREATE TABLE done (what text);

	-- The table, by whatever name.
	CREATE FUNCTION it() RETURNS regclass LANGUAGE sql STABLE AS 'SELECT oid::regclass FROM public.place';
	-- A column that is not of the key; and the key's.
	CREATE FUNCTION some_column() RETURNS name LANGUAGE sql VOLATILE AS
		'SELECT attname FROM pg_attribute WHERE attrelid = public.it() AND attnum > 1 AND NOT attisdropped
		ORDER BY random() LIMIT 1';
	CREATE FUNCTION key() RETURNS name LANGUAGE sql STABLE AS
		'SELECT attname FROM pg_attribute WHERE attrelid = public.it() AND attnum = 1';
	CREATE FUNCTION some_value(name) RETURNS text LANGUAGE sql VOLATILE AS $$
		SELECT CASE WHEN random() < 0.2 THEN 'NULL'
			WHEN atttypid = 'jsonb'::regtype THEN
				quote_literal(jsonb_build_object('k', (random() * 3)::int, 'l', repeat('x', (random() * 3000)::int)))
			WHEN atttypid IN ('text'::regtype, 'varchar'::regtype) THEN quote_literal(chr(97 + (random() * 3)::int))
			ELSE ((random() * 3)::int)::text END
		FROM pg_attribute WHERE attrelid = public.it() AND attname = $1 $$;

	CREATE FUNCTION change(kind int, i int) RETURNS text LANGUAGE plpgsql AS $$
	DECLARE
		k int := random() * 15;
		c name := some_column();
	BEGIN
		IF c IS NULL THEN
			kind := 16;
		END IF;
		CASE
			WHEN kind < 12 THEN
				EXECUTE format('INSERT INTO %s (%I) VALUES (%s) ON CONFLICT DO NOTHING', it(), key(), k);
				EXECUTE format('UPDATE %s SET %I = %s WHERE %I <= %s', it(), c, some_value(c), key(), k);
				RETURN 'change';
			WHEN kind < 14 THEN
				EXECUTE format('DELETE FROM %s WHERE %I = %s', it(), key(), k);
				RETURN 'delete';
			WHEN kind < 16 THEN
				EXECUTE format('UPDATE %s SET %I = %s WHERE %I = %s', it(), key(), k, key(), (random() * 15)::int);
				RETURN 'key';
			WHEN kind = 16 THEN
				EXECUTE format('ALTER TABLE %s ADD %I %s', it(), 'c' || i, (ARRAY['text', 'int', 'numeric', 'jsonb',
					'text DEFAULT ''new''', 'int NOT NULL DEFAULT 7', 'jsonb DEFAULT ''{"d": null}'''])[1 + (random() * 6)::int]);
				RETURN 'add';
			WHEN kind = 17 THEN
				EXECUTE format('ALTER TABLE %s DROP %I', it(), c);
				RETURN 'drop';
			WHEN kind = 18 THEN
				-- a name that another column had before, too
				EXECUTE format('ALTER TABLE %s RENAME %I TO %I', it(),
					CASE WHEN random() < 0.2 THEN key() ELSE c END, 'c' || (random() * i)::int);
				RETURN 'rename column';
			WHEN kind = 19 THEN
				EXECUTE format('ALTER TABLE %s RENAME TO %I', it(), 't' || (random() * 3)::int);
				RETURN 'rename';
			WHEN kind = 20 THEN
				EXECUTE format('ALTER TABLE %s SET SCHEMA %s', it(), (ARRAY['one', 'two'])[1 + random()::int]);
				RETURN 'schema';
			WHEN kind = 21 THEN
				EXECUTE (SELECT format('ALTER TABLE %s ALTER %I TYPE %s', it(), c, CASE atttypid::regtype
						WHEN 'int'::regtype THEN 'bigint' WHEN 'text'::regtype THEN 'varchar(9999)'
						ELSE atttypid::regtype::text END)
					FROM pg_attribute WHERE attrelid = it() AND attname = c);
				RETURN 'type';
			WHEN kind = 22 THEN
				-- all of it is rolled back
				EXECUTE format('ALTER TABLE %s ADD gone text DEFAULT ''x''; UPDATE %1$s SET gone = ''y'';
					ALTER TABLE %1$s RENAME %I TO away; DELETE FROM %1$s; ALTER TABLE %1$s RENAME TO away',
					it(), c);
				RAISE division_by_zero;
			WHEN kind = 23 AND random() < 0.3 THEN
				EXECUTE format('TRUNCATE %s', it());
				RETURN 'truncate';
			ELSE
				RETURN 'nothing';
		END CASE;
	EXCEPTION
		WHEN division_by_zero THEN
			RETURN 'rolled back';
		WHEN unique_violation OR duplicate_column OR duplicate_table OR not_null_violation THEN
			RETURN 'refused';
	END $$;

	-- What is there now, each row an object of its columns' numbers.
	CREATE FUNCTION shoot(n int) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		EXECUTE (SELECT format('INSERT INTO public.shots SELECT %s, %L::timestamptz, t.%I::text, jsonb_build_object(%s) FROM %s t
				UNION ALL SELECT %1$s, %2$L::timestamptz, ''none'', NULL', n,
				clock_timestamp(), key(), string_agg(format('%L, t.%I', attnum, attname), ', '), it())
			FROM pg_attribute WHERE attrelid = it() AND attnum > 0 AND NOT attisdropped);
	END $$;
	CREATE PROCEDURE run(seed float8) LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM setseed(seed);
		FOR i IN 1 .. 600 LOOP
			INSERT INTO done VALUES (change((random() * 23)::int, i));
			COMMIT;
			IF i % 15 = 0 THEN
				PERFORM shoot(i);
				COMMIT;
			END IF;
		END LOOP;
	END $$;
});
$node->safe_psql('postgres', 'CALL run(' . ($seed % 1000) / 1000 . ')');
note $node->safe_psql('postgres', q{SELECT string_agg(what || ' ' || n, ', ' ORDER BY what)
	FROM (SELECT what, count(*) AS n FROM done GROUP BY what) d});
is($node->safe_psql('postgres', q{SELECT count(DISTINCT what) >= 11 FROM done}), 't', 'of all kinds');

# The columns that there are, each under its number
my $columns = q{columns AS (SELECT attnum::text AS number, attname::text AS name FROM pg_attribute
	WHERE attrelid = it() AND attnum > 0 AND NOT attisdropped)};

# What a row has in a column that came after it may be told by nothing: then it
# is left out.  How a row of a key began: by an INSERT, which tells all, or as
# one whose key was changed to that one.
is( $node->safe_psql('postgres', qq{
		WITH $columns, moments AS (SELECT n, at FROM shots WHERE key = 'none'),
		came AS (SELECT attnum::text AS number, min(first_seq) AS seq FROM evaudit.tracked_columns
			WHERE id = (SELECT id FROM evaudit.tracked_relations WHERE relid = it() AND last_seq IS NULL)
			GROUP BY 1),
		began AS (SELECT seq, modification_time AS at, item_key AS key, true AS whole FROM audit WHERE operation = 'INSERT'
			UNION ALL SELECT seq, modification_time, new_value::text, false FROM audit a WHERE operation = 'UPDATE'
				AND EXISTS (SELECT FROM evaudit.tracked_columns c WHERE c.attnum = 1 AND c.name = updated_attribute
					AND a.seq >= c.first_seq AND (a.seq <= c.last_seq) IS NOT FALSE)),
		was AS (SELECT m.n, k::text AS key, b.seq, b.whole, evaudit.row_as_of(it()::text, to_jsonb(k), m.at) AS r
			FROM moments m CROSS JOIN generate_series(0, 15) k LEFT JOIN LATERAL (SELECT * FROM began b
				WHERE b.key = k::text AND b.at <= m.at ORDER BY seq DESC LIMIT 1) b ON true)
		SELECT w.n, w.key, c.name, c.number, w.r -> c.name, s.image -> c.number
		FROM was w LEFT JOIN shots s USING (n, key), columns c JOIN came USING (number)
		WHERE w.r -> c.name IS DISTINCT FROM s.image -> c.number
			AND NOT (NOT w.r ? c.name AND s.image IS NOT NULL AND (came.seq > w.seq OR NOT w.whole))
			-- a column that is gone is shown under its last name
			AND NOT (NOT s.image ? c.number AND EXISTS (SELECT FROM evaudit.tracked_columns o
				WHERE o.name = c.name AND o.attnum::text <> c.number))
		ORDER BY 1, 2, 4 LIMIT 5}), '', 'each row as of each moment is what it was');
is($node->safe_psql('postgres', "WITH $columns SELECT count(*) >= 1 FROM columns"), 't', 'there are columns');
is( $node->safe_psql('postgres', qq{
		WITH $columns, moments AS (SELECT n, at FROM shots WHERE key = 'none'),
		was AS (SELECT m.n, to_jsonb(r) ->> key()::text AS key, to_jsonb(r) AS r
			FROM moments m, evaudit.table_as_of(NULL::} . $node->safe_psql('postgres', 'SELECT it()') . q{, m.at) r)
		SELECT n, key, c.name, c.number, t.r -> c.name, s.image -> c.number
		FROM was t FULL JOIN (SELECT * FROM shots WHERE key <> 'none') s USING (n, key), columns c
		WHERE t.r IS NULL OR s.image IS NULL
			OR s.image ? c.number AND t.r -> c.name IS DISTINCT FROM s.image -> c.number
		ORDER BY 1, 2, 4 LIMIT 5}), '', 'and so is the table');
is($node->safe_psql('postgres', 'SELECT * FROM evaudit.reconcile(it()) LIMIT 5'), '',
	'all changes together are what the table is');
is( $node->safe_psql('postgres', q{
		SELECT conflict FROM evaudit.undo(seqs => (SELECT array_agg(seq) FROM audit
			WHERE relation <> 'public.configuration' AND operation NOT IN ('TRACK', 'UNTRACK')), mode => 'force', dry_run => false)
		WHERE NOT done AND action <> 'NONE' LIMIT 5}), '', 'all can be undone');
is($node->safe_psql('postgres', q{SELECT xpath('//count/text()', query_to_xml('SELECT count(*) FROM ' || it(), false, false, ''))}),
	'{0}', 'and then there is no row');

$node->stop;
done_testing();
