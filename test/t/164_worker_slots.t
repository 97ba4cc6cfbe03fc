# Sources leave background worker slots to others, and roles to each other.

use strict;
use warnings;

use Evaudit::Cluster;
use Evaudit::Mock;
use Test::More;

plan skip_all => Evaudit::Mock::unavailable()
  if Evaudit::Mock::unavailable();

my $broker = Evaudit::Mock->new('logins', 16);

# Of 12 slots, 3 are the launchers' and the scheduler's, 3 reserved: sources
# may have 6, those of a role 3.
my $node = Evaudit::Cluster->new('main', conf =>
	  "max_worker_processes = 12\nevaudit.reserved_worker_slots = 3\n"
	  . "evaudit.max_backoff = '300ms'\nmax_parallel_workers = 8\n");

sub query { return $node->safe_psql('postgres', $_[0]); }

# Workers by role
my $workers = q{SELECT string_agg(usename || ' ' || n, ', ' ORDER BY usename) FROM
	(SELECT usename, count(*) n FROM pg_stat_activity
	 WHERE backend_type = 'evaudit worker' GROUP BY 1) w};

# Wait until a source says which limit it meets.
sub await_error
{
	my ($name, $setting, $what) = @_;
	ok( $node->wait_for("SELECT last_error ~ 'evaudit.$setting'
			FROM evaudit.stat_sources WHERE name = '$name'"), $what);
	return;
}

# Make a source of a role with some workers.
sub add_source
{
	my ($name, $role, $n) = @_;
	query(qq{SET ROLE $role; SELECT evaudit.create_source('$name', 'kafka',
		options => '{"topics": "logins", "workers": $n}')});
	return;
}

query(qq{CREATE ROLE alice LOGIN; CREATE ROLE bob LOGIN;
	GRANT SELECT, INSERT, UPDATE ON user_services TO PUBLIC;
	CREATE SERVER kafka FOREIGN DATA WRAPPER evaudit_kafka
		OPTIONS ("bootstrap.servers" '${\$broker->servers}');
	GRANT USAGE ON FOREIGN SERVER kafka TO PUBLIC});
add_source('many', 'alice', 16);
ok($node->wait_for($workers, 'alice 3'), 'a role has half of the slots');
await_error('many', 'max_workers_per_role', 'and is told by which limit');
add_source('bobs', 'bob', 1);
ok($node->wait_for($workers, 'alice 3, bob 1'), 'there is room for another');

# the rest but for those that are reserved
query(q{SELECT evaudit.create_source('all', 'kafka',
	options => '{"topics": "logins", "workers": 16}')});
ok( $node->wait_for($workers =~ s/usename \|\| ' ' \|\| n, ', ' ORDER BY usename/n::text, ' ' ORDER BY usename = 'alice' DESC, usename = 'bob' DESC/r,
		'3 1 2'), 'a superuser has what is left, but for the reserve');
await_error('all', 'reserved_worker_slots', 'and is told so');
like( query(q{
		CREATE TABLE t AS SELECT generate_series(1, 100000) i;
		SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0;
		SET min_parallel_table_scan_size = 0;
		EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT count(*) FROM t}),
	qr/Workers Launched: [12]/, 'a parallel query finds workers');

# settings that are reloaded
query('ALTER SYSTEM SET evaudit.max_workers_per_role = 1');
query('SELECT pg_reload_conf()');
query(q{SELECT evaudit.drop_source('all')});
query(q{SELECT evaudit.pause_source('many')});
ok($node->wait_for($workers, 'bob 1'), 'all but one are ended');
query(q{SELECT evaudit.resume_source('many')});
ok($node->wait_for($workers, 'alice 1, bob 1'), 'a limit that was set');
query('ALTER SYSTEM RESET evaudit.max_workers_per_role');
query('SELECT pg_reload_conf()');
ok($node->wait_for($workers, 'alice 3, bob 1'), 'and taken back');

$node->stop;
$broker->stop;
done_testing();
