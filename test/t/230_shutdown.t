# The server stops within seconds, however its brokers are, and goes on where
# it was.

use strict;
use warnings;

use Evaudit::Cluster;
use Evaudit::Mock;
use IO::Socket::INET;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

plan skip_all => Evaudit::Mock::unavailable()
  if Evaudit::Mock::unavailable();

# Seconds that a stop may take on a busy machine; a wait for a broker is 10
# seconds and more.
my $limit = 9;

my $broker = Evaudit::Mock->new('logins', 3);
my $node = Evaudit::Cluster->new('main',
	conf => "max_worker_processes = 20\nevaudit.max_backoff = '2s'\n"
	  . "restart_after_crash = on\n");
my $closed = PostgreSQL::Test::Cluster::get_free_port();
my $silent = Evaudit::Mock::silent_port();
my $sent = 0;

# Wait until all that was sent is merged, and no event twice.
sub check_events
{
	my ($what) = @_;

	$broker->login('u', 's' . ++$sent, $sent);
	$node->wait_for(
		q{SELECT jsonb_array_length(services_for_user('u')->'services')},
		$sent);
	$node->wait_for(q{
		SELECT sum(next_offset) FROM evaudit.stat_partitions
		WHERE source = 'good'}, $sent);
	pass("$what: events are merged");
	return;
}

# Stop and start; the stop must be over soon.
sub restart
{
	my ($mode, $what) = @_;
	my $start = time();

	$node->stop($mode);
	cmp_ok(time() - $start, '<', $limit, "stop, $mode, $what");
	$node->start;
	return;
}

$broker->add_source($node, 'good');
$node->safe_psql('postgres', q{
	SELECT evaudit.alter_source('good', '{"workers": 3}')});
check_events('at first');
foreach my $mode ('fast', 'smart', 'immediate')
{
	restart($mode, 'while events are read');
	check_events("after $mode");
}

# while nobody answers, or nobody is there
$node->safe_psql('postgres', qq{
	CREATE SERVER silent FOREIGN DATA WRAPPER evaudit_kafka
		OPTIONS ("bootstrap.servers" '127.0.0.1:$silent');
	CREATE SERVER closed FOREIGN DATA WRAPPER evaudit_kafka
		OPTIONS ("bootstrap.servers" '127.0.0.1:$closed');
	CREATE SERVER unknown FOREIGN DATA WRAPPER evaudit_kafka
		OPTIONS ("bootstrap.servers" 'nowhere.invalid:9092');
	SELECT evaudit.create_source(s, s::name, options => '{"topics": "t"}')
		FROM unnest('{silent,closed,unknown}'::text[]) s});
foreach my $mode ('fast', 'smart', 'fast')
{
	# workers are in the middle of a vain attempt
	$node->wait_for(q{
		SELECT count(*) FROM evaudit.stat_sources
		WHERE pids <> '{}' AND name = 'silent'}, '1');
	restart($mode, 'while brokers are silent or not there');
	check_events("after $mode without brokers");
}

# other things that end the workers of such sources must not wait either
$node->wait_for(q{
	SELECT pids <> '{}' FROM evaudit.stat_sources WHERE name = 'silent'});
my $start = time();
$node->safe_psql('postgres', q{
	SELECT evaudit.drop_source(name) FROM evaudit.sources WHERE name <> 'good'});
$node->wait_for(q{SELECT count(*) FROM pg_stat_activity
	WHERE backend_type = 'evaudit worker'}, '3');
cmp_ok(time() - $start, '<', $limit, 'drop_source() ends a worker that waits');

# after the broker has gone silent in the middle of its work: what it was sent
# meanwhile is read when the server is up again
my @pids = ($broker->{harness}{KIDS}[0]{PID});
kill 'STOP', @pids;
foreach my $mode ('fast', 'smart')
{
	$start = time();
	restart($mode, 'while the broker hangs');
}
kill 'CONT', @pids;
check_events('when the broker goes on');

# a reload is no reason to begin anew, and takes effect
$node->wait_for(q{
	SELECT count(*) FROM pg_stat_activity
	WHERE backend_type = 'evaudit worker' AND query LIKE '%waiting for events'}, 3);
my $before = $node->safe_psql('postgres',
	'SELECT pids, batches FROM evaudit.stat_sources');
$node->append_conf('postgresql.conf', "evaudit.max_backoff = '3s'\n");
$node->reload;
$node->wait_for('SHOW evaudit.max_backoff', '3s');
is($node->safe_psql('postgres',
		'SELECT pids, batches FROM evaudit.stat_sources'),
	$before, 'a reload leaves workers alone');
check_events('after a reload');

# a crash of a backend: everything begins anew, and nothing is lost or twice
my $row = q{SELECT md5(string_agg(u::text, ' ' ORDER BY u)) FROM user_services u};
my $rows = $node->safe_psql('postgres', $row);
my $worker = $node->safe_psql('postgres',
	'SELECT pids[1] FROM evaudit.stat_sources');
$node->kill_one("pid = $worker");
$node->wait_for(qq{
	SELECT state = 'running' AND NOT $worker = ANY (pids)
	FROM evaudit.stat_sources});
# the last batch may be lost with its offset (synchronous_commit is off), and
# is then merged once more
ok($node->poll_query_until('postgres', $row, $rows),
	'rows are as before the crash');
check_events('after crash recovery');
is( $node->safe_psql('postgres', q{
		SELECT count(*) FROM evaudit.dead_letters}), '0', 'and nothing went wrong');

$node->stop;
$broker->stop;
done_testing();
