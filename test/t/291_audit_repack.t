# pg_repack of the partitions of audit under load: no row of it is lost, whether
# writers wrote past the executor before or during it.

use strict;
use warnings;

use Evaudit::Cluster;
use IPC::Run ();
use PostgreSQL::Test::Utils;
use Test::More;

my $node = Evaudit::Cluster->new('main', conf => "evaudit.segment_rows = 1000\n");
my $bindir = $node->config_data('--bindir');

plan skip_all => 'pg_repack is not there'
  unless -x "$bindir/pg_repack"
  && $node->safe_psql('postgres', q{SELECT count(*) FROM pg_available_extensions
	WHERE name = 'pg_repack'});

$node->safe_psql('postgres', q{
	CREATE EXTENSION pg_repack;
	CREATE TABLE t (id serial PRIMARY KEY, v int);
	SELECT evaudit.track('t')});

# Writers, whose sessions know the partitions as they were before
my @writers = map { $node->background_psql('postgres', on_error_die => 1) } 1 .. 2;
foreach my $writer (@writers)
{
	$writer->query_safe('INSERT INTO t (v) VALUES (0)');
	$writer->{stdin} .= q{DO $$
		BEGIN
			LOOP
				INSERT INTO t (v) SELECT 1 FROM generate_series(1, 5);
				IF random() < 0.1 THEN ROLLBACK; ELSE COMMIT; END IF;
				EXIT WHEN EXISTS (SELECT FROM pg_class WHERE relname = 'stopped');
			END LOOP;
		END $$;
		};
	$writer->{run}->pump_nb;
}
ok($node->wait_for(q{SELECT count(*) > 100 FROM audit}), 'there are writers');

# Repack a partition.  pg_repack waits for locks for short times alone, and ends
# with an error of its own where the machine is busy: it is run again then.
sub repack
{
	my ($partition) = @_;
	my @command = (
		"$bindir/pg_repack", '-h', $node->host, '-p', $node->port, '-d', 'postgres',
		'--no-kill-backend', '--wait-timeout', '600', '-t', $partition);
	my ($ok, $err);

	foreach (1 .. 50)
	{
		($ok, $err) = (0, '');
		$ok = IPC::Run::run(\@command, '<', \undef, '>', \my $out, '2>', \$err,
			IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
		last if $ok || $err !~ /canceling statement due to \w+ timeout|current transaction is aborted/;
	}
	ok($ok, 'a partition is repacked') or diag($err);
	return $err =~ /repacking table "\Q$partition\E"/ ? 1 : 0;
}

# The default partition, and the segment that is written to, if there is one
# yet: which one that is may change at any moment
my $repacked = 0;
foreach my $round (1 .. 3)
{
	my $rows = $node->safe_psql('postgres', 'SELECT count(*) FROM audit');
	my @partitions = split /\n/, $node->safe_psql('postgres', q{
		SELECT tableoid::regclass FROM audit WHERE seq = (SELECT max(seq) FROM audit)
		UNION SELECT 'evaudit.audit_default'::regclass});

	$repacked += repack($_) foreach @partitions;
	ok($node->wait_for("SELECT count(*) > $rows + 100 FROM audit"), "round $round: it is written to");
}
cmp_ok($repacked, '>=', 3, 'pg_repack says so');
$node->safe_psql('postgres', 'CREATE TABLE stopped ()');
$_->query_safe('SELECT 1') foreach @writers;
$_->quit foreach @writers;
is( $node->safe_psql('postgres', q{
		SELECT count(*) FROM (SELECT id::text FROM t) t FULL JOIN
			(SELECT item_key AS id FROM audit WHERE operation = 'INSERT') a USING (id)
		WHERE t.id IS NULL OR a.id IS NULL}),
	'0', 'each row is audited once');
is( $node->safe_psql('postgres', q{
		SELECT count(*) = count(DISTINCT seq), count(*) = count(DISTINCT id) FROM audit}),
	't|t', 'and nothing twice');
is( $node->safe_psql('postgres', q{SELECT count(*) FROM pg_trigger
		WHERE tgname = 'repack_trigger'}),
	'0', 'pg_repack has dropped its triggers');

# And past the executor again
$node->safe_psql('postgres', 'INSERT INTO t (v) VALUES (2)');
is( $node->safe_psql('postgres', q{SELECT count(*) FROM audit
		WHERE new_value ->> 'v' = '2'}),
	'1', 'audit is written as before');
$node->stop;
done_testing();
