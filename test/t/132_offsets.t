# Offsets are fenced: what somebody else moved while a batch was under way is
# neither overwritten nor skipped; and their rows are locked in order.

use strict;
use warnings;

use Evaudit::Cluster;
use Evaudit::Mock;
use Evaudit::Pipeline;
use Test::More;

plan skip_all => Evaudit::Mock::unavailable() if Evaudit::Mock::unavailable();

my $broker = Evaudit::Mock->new('logins', 2);
my $node = Evaudit::Cluster->new('main', conf => <<'EOT');
evaudit.max_backoff = '300ms'
max_prepared_transactions = 2
EOT
my $servers = $broker->servers;

sub query { return $node->safe_psql('postgres', $_[0]); }

# Hold what a statement locks until release(); no session is needed for that.
sub hold
{
	query("BEGIN; $_[0]; PREPARE TRANSACTION 'held'");
	return;
}

sub release
{
	query("ROLLBACK PREPARED 'held'");
	return;
}

# Send events to a partition.
my $sent = 0;
sub send_logins
{
	my ($partition, $n) = @_;

	$broker->produce_lines([ '-p', $partition ],
		map { sprintf '{"user_id":"u%d","service_id":"s","service_name":"n",'
			  . '"timestamp":"2022-08-04T08:50:39Z"}', ++$sent } 1 .. $n);
	return;
}

# Wait until the worker waits for a lock.
sub await_blocked
{
	$node->wait_for(q{SELECT count(*) FROM pg_stat_activity
		WHERE backend_type = 'evaudit worker' AND wait_event_type = 'Lock'}, 1);
	return;
}

# Wait until the source has read the ends given.
sub await_offsets
{
	my (@ends) = @_;

	$node->wait_for('SELECT string_agg(next_offset::text, \' \' ORDER BY partition)'
		  . ' FROM evaudit.offsets WHERE ' . Evaudit::Cluster::counted('logins'),
		"@ends");
	return;
}

sub received { return query('SELECT received FROM evaudit.stat_sources'); }

query(qq{CREATE SERVER kafka FOREIGN DATA WRAPPER evaudit_kafka
		OPTIONS ("bootstrap.servers" '$servers');
	SELECT evaudit.create_source('logins', 'kafka', options =>
		'{"topics": "logins", "start": "earliest", "batch_interval": "10ms"}')});
send_logins(0, 10);
await_offsets(10, 0);
is(received(), 10, 'events are read');

# moved back while a batch is under way: all is read again
hold('LOCK TABLE user_services IN EXCLUSIVE MODE');
send_logins(0, 1);
await_blocked();
query('UPDATE evaudit.offsets SET next_offset = 0 WHERE partition = 0');
release();
await_offsets(11, 0);
is(received(), 21, 'a batch does not overwrite what was moved back');
ok($node->log_contains('partitions of source "logins" were moved while they were read'),
	'it fails, and says why');
is(query("SELECT count(*) FROM user_services"), 11, 'nothing is lost');

# moved forward while a batch is under way: what was skipped has no effect
hold('LOCK TABLE user_services IN EXCLUSIVE MODE');
send_logins(0, 3);
await_blocked();
query('UPDATE evaudit.offsets SET next_offset = 14 WHERE partition = 0');
release();
send_logins(0, 1);
await_offsets(15, 0);
is(query("SELECT count(*) FROM user_services WHERE user_id IN ('u12', 'u13', 'u14')"),
	0, 'a batch that somebody skipped is rolled back');
is(query("SELECT count(*) FROM user_services WHERE user_id = 'u15'"), 1,
	'and what follows is read');

# The rows of a batch are locked by their key, whatever their order in the
# table: who holds the first one finds the second one free
query("SELECT evaudit.pause_source('logins');
	SELECT evaudit.alter_source('logins', '{\"batch_interval\": \"3s\"}')");
$node->wait_for('SELECT state, pids FROM evaudit.stat_sources', 'paused|{}');
query('UPDATE evaudit.offsets SET error = error WHERE partition = 0');
query('ANALYZE evaudit.offsets');
is(query('SELECT partition FROM evaudit.offsets ORDER BY ctid LIMIT 1'), 1,
	'the second one is the first in the table');
hold('SELECT FROM evaudit.offsets WHERE partition = 0 FOR UPDATE');
send_logins(0, 1);
send_logins(1, 1);
query("SELECT evaudit.resume_source('logins')");
await_blocked();
is( query('SELECT partition FROM evaudit.offsets WHERE partition = 1 FOR UPDATE NOWAIT'),
	1, 'rows are locked in the order of their key');
release();
await_offsets(16, 1);
is(query('SELECT sum(deadlocks) FROM pg_stat_database'), 0, 'no deadlock');

# who puts another one out of reach stops nobody
query('UPDATE evaudit.offsets SET next_offset = 1000000 WHERE partition = 1');
query("SELECT evaudit.pause_source('logins')");
$node->wait_for('SELECT state, pids FROM evaudit.stat_sources', 'paused|{}');
query("SELECT evaudit.resume_source('logins')");
send_logins(0, 1);
$node->wait_for('SELECT next_offset FROM evaudit.offsets WHERE partition = 0', 17);
pass('the other partition is read');

$node->stop;
$broker->stop;
done_testing();
