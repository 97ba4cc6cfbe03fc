# What there is not room for waits and says so; the rest goes on.  Where there
# is nothing to do there is no process.

use strict;
use warnings;

use Evaudit::Cluster;
use Evaudit::Mock;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => Evaudit::Mock::unavailable()
  if Evaudit::Mock::unavailable();

my $broker = Evaudit::Mock->new('logins');
my $states = q{SELECT string_agg(state || ' ' || n, ', ' ORDER BY state) FROM
	(SELECT state, count(*) n FROM evaudit.stat_sources GROUP BY 1) s};
my $processes = q{SELECT string_agg(backend_type || ' ' || n, ', '
		ORDER BY backend_type) FROM
	(SELECT backend_type, count(*) n FROM pg_stat_activity
	 WHERE backend_type LIKE 'evaudit%' GROUP BY 1) p};

# Make sources by number, all of one server.
sub add_sources
{
	my ($node, $from, $to, $database) = @_;
	$broker->add_source($node, "s$_", database => $database)
	  foreach $from .. $to;
	return;
}

$broker->login('u', 's', 1);

# more sources than evaudit.max_sources
my $node = Evaudit::Cluster->new('sources', conf =>
	  "evaudit.max_sources = 3\nmax_worker_processes = 16\nevaudit.max_backoff = '500ms'\n");
add_sources($node, 1, 5);
$node->wait_for(q{SELECT sum(received) FROM evaudit.stat_sources}, '3');
ok($node->wait_for($states, 'backoff 2, running 3'),
	'evaudit.max_sources bounds what runs');
is( $node->safe_psql('postgres', q{SELECT string_agg(name, ' ' ORDER BY name)
		FROM evaudit.stat_sources WHERE state = 'running'}),
	's1 s2 s3', 'those that were first');
is( $node->safe_psql('postgres', q{SELECT DISTINCT last_error
		FROM evaudit.stat_sources WHERE state = 'backoff'}),
	'all evaudit.max_sources slots are in use', 'the others say why they do not run');
$node->safe_psql('postgres', q{SELECT evaudit.drop_source('s1')});
ok( $node->wait_for(q{SELECT string_agg(name, ' ' ORDER BY name)
		FROM evaudit.stat_sources WHERE received = 1}, 's2 s3 s4'),
	'the next one takes a place that comes free');
$node->safe_psql('postgres', q{
	SELECT evaudit.pause_source('s2'); SELECT evaudit.drop_source('s3')});
ok( $node->wait_for(q{SELECT string_agg(name, ' ' ORDER BY name)
		FROM evaudit.stat_sources WHERE state = 'running'}, 's4 s5'),
	'and another the next');
$node->safe_psql('postgres', q{SELECT evaudit.pause_source('s4')});
add_sources($node, 6, 7);
ok( $node->wait_for($states, 'paused 2, running 3'),
	'sources that are paused take no place');
$node->stop;

# more workers than max_worker_processes: two are for the launchers of
# evaudit and of logical replication, one for the scheduler
$node = Evaudit::Cluster->new('workers', conf =>
	  "max_worker_processes = 6\nevaudit.max_backoff = '500ms'\n"
	  . "evaudit.reserved_worker_slots = 0\n");
add_sources($node, 1, 5);
$node->wait_for(q{SELECT sum(received) FROM evaudit.stat_sources}, '3');
ok($node->wait_for($states, 'backoff 2, running 3'),
	'max_worker_processes bounds what runs');
is( $node->safe_psql('postgres', q{SELECT DISTINCT last_error
		FROM evaudit.stat_sources WHERE state = 'backoff'}),
	'no background worker slot is free: max_worker_processes may have to be raised',
	'and the others say so');
$broker->login('u', 's', 2);
$node->wait_for(q{SELECT sum(received) FROM evaudit.stat_sources}, '6');
$node->safe_psql('postgres', q{
	SELECT evaudit.drop_source(name) FROM evaudit.stat_sources
	WHERE state = 'running'});
ok($node->wait_for($states, 'running 2'), 'they run when there is room');

# a database for which there is no scheduler's place is served later
$node->safe_psql('postgres', 'CREATE DATABASE other');
$node->safe_psql('other', 'CREATE EXTENSION evaudit');
add_sources($node, 6, 7);
$node->wait_for($states, 'backoff 1, running 3');
$broker->add_source($node, 'late', database => 'other');
ok( $node->wait_for('SELECT state, last_error FROM evaudit.stat_sources',
		'backoff|no background worker slot is free: max_worker_processes may have to be raised',
		database => 'other'),
	'a database without a scheduler says so');
$node->safe_psql('postgres',
	'SELECT evaudit.drop_source(name) FROM evaudit.sources');
ok( $node->wait_for('SELECT state FROM evaudit.stat_sources', 'running',
		database => 'other'),
	'has one when there is room');
$node->stop;

# many databases: each is visited, and left alone if it has no sources
$node = Evaudit::Cluster->new('databases', conf =>
	  "max_worker_processes = 8\n");
foreach my $i (1 .. 10)
{
	$node->safe_psql('postgres', "CREATE DATABASE d$i");
	$node->safe_psql("d$i", 'CREATE EXTENSION evaudit') unless $i == 3;
}
add_sources($node, 1, 1, 'd4');
add_sources($node, 1, 1, 'd10');
foreach my $restart (0, 1)
{
	$node->restart if $restart;
	foreach my $database ('d4', 'd10')
	{
		$node->wait_for('SELECT state FROM evaudit.stat_sources', 'running',
			database => $database);
	}
	ok( $node->wait_for($processes,
			'evaudit launcher 1, evaudit scheduler 2, evaudit worker 2'),
		'only databases with sources have processes'
		  . ($restart ? ' after a restart' : ''));
}
$node->safe_psql($_, q{SELECT evaudit.pause_source('s1')}) foreach 'd4', 'd10';
ok($node->wait_for($processes, 'evaudit launcher 1'),
	'and none has, when all are paused');
$node->stop;

# fifty sources
$node = Evaudit::Cluster->new('fifty', conf => "max_worker_processes = 60\n");
$node->safe_psql('postgres', qq{
	CREATE SERVER kafka FOREIGN DATA WRAPPER evaudit_kafka
		OPTIONS ("bootstrap.servers" '${\$broker->servers}');
	SELECT evaudit.create_source('s' || i, 'kafka',
		options => '{"topics": "logins", "start": "earliest"}')
	FROM generate_series(1, 50) i});
$node->wait_for(q{SELECT sum(received) FROM evaudit.stat_sources}, '100');
ok($node->wait_for($states, 'running 50'), 'fifty sources run');
is( $node->safe_psql('postgres', 'SELECT * FROM user_services'),
	'u|s|s|1970-01-01 00:00:02+00', 'and write one row together');
$node->safe_psql('postgres',
	'SELECT evaudit.drop_source(name) FROM evaudit.sources');
ok($node->wait_for($processes, 'evaudit launcher 1'), 'and end');
is($node->safe_psql('postgres', 'SELECT count(*) FROM evaudit.offsets'),
	'0', 'and leave nothing');
$node->stop;

$broker->stop;
done_testing();
