# What concurrent writers did is replayed from the audit: a table as of each of
# many moments is what it was then, and all of it together is what the table is
# now.

use strict;
use warnings;

use Evaudit::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = Evaudit::Cluster->new('main');
my $seed = $ENV{EVAUDIT_TEST_SEED} || $$;
note "EVAUDIT_TEST_SEED=$seed";

$node->safe_psql('postgres', q{
	CREATE TABLE h (a int, b int, v numeric, t text, PRIMARY KEY (a, b));
	SELECT evaudit.track('h');
	CREATE TABLE shots (n int, at timestamptz, row h);
	CREATE PROCEDURE write(seed float8, n int) LANGUAGE plpgsql AS $$
	DECLARE
		k int;
	BEGIN
		PERFORM setseed(seed);
		FOR i IN 1 .. n LOOP
			BEGIN
				k := random() * 20;
				CASE (random() * 7)::int
					WHEN 0, 1 THEN
						INSERT INTO h VALUES (k, k % 3, random(), 'new')
							ON CONFLICT DO NOTHING;
					WHEN 2 THEN
						DELETE FROM h WHERE a = k;
					WHEN 3 THEN
						UPDATE h SET a = (random() * 20)::int, b = b + 1
						WHERE a = k;
					WHEN 4 THEN
						UPDATE h SET b = b + 1, t = NULL WHERE a = k;
					ELSE
						UPDATE h SET v = random(), t = t || i WHERE a = k;
				END CASE;
			EXCEPTION WHEN unique_violation OR deadlock_detected THEN
				NULL;
			END;
			IF random() < 0.4 THEN
				COMMIT;
			ELSIF random() < 0.1 THEN
				ROLLBACK;
			END IF;
		END LOOP;
	END $$;
	-- No writer is under way while the lock is held.
	CREATE PROCEDURE shoot(m int) LANGUAGE plpgsql AS $$
	BEGIN
		FOR i IN 1 .. m LOOP
			LOCK TABLE h IN SHARE MODE;
			INSERT INTO shots SELECT i, t, r
			FROM clock_timestamp() t LEFT JOIN (SELECT h AS r FROM h) s ON true;
			COMMIT;
		END LOOP;
	END $$;
});

my @writers = map {
	$node->background_psql('postgres', on_error_stop => 0)
} 1 .. 3;
my $number = 0;
foreach my $writer (@writers)
{
	my $part = (($seed * 7 + 31 * $number++) % 1000) / 1000;

	$writer->query_until(qr/started/,
		"\\echo started\nCALL write($part, 400);\n");
}
$node->safe_psql('postgres', 'CALL shoot(25)');
$_->quit foreach @writers;

is($node->safe_psql('postgres', q{
	SELECT count(DISTINCT n) FROM shots}), 25, 'moments');
is($node->safe_psql('postgres', q{
	SELECT s.n FROM (SELECT DISTINCT n, at FROM shots) s
	WHERE (SELECT string_agg(x::text, E'\\n' ORDER BY x.a, x.b)
			FROM evaudit.table_as_of(NULL::h, s.at) x) IS DISTINCT FROM
		(SELECT string_agg(y.row::text, E'\\n' ORDER BY (y.row).a, (y.row).b)
			FROM shots y WHERE y.n = s.n AND (y.row).a IS NOT NULL)}), '',
	'the table as of each moment is what it was then');
is($node->safe_psql('postgres', q{
	SELECT s.n, k.a, b.b FROM (SELECT DISTINCT n, at FROM shots) s,
		generate_series(0, 20, 5) k(a), generate_series(0, 2) b(b),
		LATERAL (SELECT evaudit.row_as_of('h', jsonb_build_array(k.a, b.b),
			s.at) AS r) x
	WHERE (r ->> 'v')::numeric IS DISTINCT FROM
		(SELECT (row).v FROM shots t WHERE t.n = s.n AND (t.row).a = k.a
			AND (t.row).b = b.b)}), '',
	'and so is each row');
is($node->safe_psql('postgres', q{SELECT count(*) FROM evaudit.reconcile('h')}),
	0, 'all changes together are what the table is');

# Everything undone, there is nothing.
$node->safe_psql('postgres', q{
	CREATE TABLE seqs AS SELECT array_agg(seq) AS seqs FROM audit
		WHERE relation = 'public.h' AND operation <> 'TRACK'});
is($node->safe_psql('postgres', q{
	SELECT count(*) FROM seqs, evaudit.undo(seqs => seqs, dry_run => false)
		WHERE conflict IS NOT NULL}), 0, 'all changes can be undone');
is($node->safe_psql('postgres', 'SELECT count(*) FROM h'), 0,
	'and then there is no row');
$node->stop;

done_testing();
