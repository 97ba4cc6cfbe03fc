# The table audit as people change it: tools that copy it by a trigger, as
# pg_repack does, lose no row; an audit that Citus distributes is refused.

use strict;
use warnings;

use Evaudit::Cluster;
use Test::More;

my $node = Evaudit::Cluster->new('main', conf => "allow_system_table_mods = on\n");

$node->safe_psql('postgres', q{
	CREATE TABLE t (id serial PRIMARY KEY, v int);
	SELECT evaudit.track('t');
	CREATE TABLE copy_log (seq bigint);
	CREATE FUNCTION copy_log() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN INSERT INTO public.copy_log VALUES (new.seq); RETURN NULL; END $$;
	});

# Writers, whose sessions know the audit as it was before, go on meanwhile
my @writers = map { $node->background_psql('postgres', on_error_die => 1) } 1 .. 3;
foreach my $writer (@writers)
{
	$writer->query_safe('INSERT INTO t (v) VALUES (0)');
	$writer->{stdin} .= q{DO $$
		BEGIN
			LOOP
				INSERT INTO t (v) VALUES (1);
				COMMIT;
				EXIT WHEN EXISTS (SELECT FROM pg_class WHERE relname = 'stopped');
			END LOOP;
		END $$;
		SELECT 'writer is done';
		};
	$writer->{run}->pump_nb;
}
ok($node->wait_for(q{SELECT count(*) > 50 FROM audit}), 'there are writers');

# As pg_repack: a trigger, and only then a copy of what was there before
$node->safe_psql('postgres', q{
	CREATE TRIGGER copy_log AFTER INSERT ON audit FOR EACH ROW EXECUTE FUNCTION copy_log();
	BEGIN ISOLATION LEVEL SERIALIZABLE;
	CREATE TABLE copied AS SELECT seq FROM audit;
	COMMIT});
ok($node->wait_for(q{SELECT count(*) > 300 FROM copy_log}), 'rows are written through the trigger');
$node->safe_psql('postgres', 'CREATE TABLE stopped ()');
ok( $node->wait_for(q{SELECT count(*) FROM pg_stat_activity
		WHERE query LIKE '%LOOP%' AND state = 'active' AND pid <> pg_backend_pid()}, '0'), 'the writers are done');
is( $node->safe_psql('postgres', q{
		SELECT count(*) FROM audit a WHERE NOT EXISTS (SELECT FROM copied c WHERE c.seq = a.seq)
			AND NOT EXISTS (SELECT FROM copy_log l WHERE l.seq = a.seq)}),
	'0', 'no row was missed');
$node->safe_psql('postgres', q{DROP TRIGGER copy_log ON audit; TRUNCATE copy_log;
	INSERT INTO t (v) VALUES (2)});
is($node->safe_psql('postgres', 'SELECT count(*) FROM copy_log'), '0', 'and then as before');

# What Citus keeps elsewhere
$node->safe_psql('postgres', q{
	CREATE TABLE pg_catalog.pg_dist_partition (logicalrelid regclass, partmethod "char");
	INSERT INTO pg_catalog.pg_dist_partition VALUES ('t', 'h')});
$node->safe_psql('postgres', 'INSERT INTO t (v) VALUES (3)');
$node->safe_psql('postgres', q{
	INSERT INTO pg_catalog.pg_dist_partition VALUES ('audit', 'n')});
my (undef, undef, $error) = $node->psql('postgres', 'INSERT INTO t (v) VALUES (4)');
like($error, qr/table "audit" is distributed by Citus.*HINT:  Call undistribute_table\(\)/s,
	'a distributed audit is refused');
$node->safe_psql('postgres', q{
	DELETE FROM pg_catalog.pg_dist_partition WHERE logicalrelid = 'audit'::regclass;
	INSERT INTO t (v) VALUES (5)});
is( $node->safe_psql('postgres', q{SELECT count(*) FROM audit WHERE operation = 'INSERT'
		AND (new_value ->> 'v')::int > 2}),
	'2', 'only it is');

$_->quit foreach @writers;
$node->stop;
done_testing();
