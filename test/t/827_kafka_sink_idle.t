# A sink that has nothing to send leaves no transaction open in Kafka.  One
# that is idle for longer than brokers keep its number, which is a week
# by their default: it goes on, also when its process is killed in the first
# batch that comes then, or after one of which Kafka got nothing.

use strict;
use warnings;

use Evaudit::Cluster;
use Evaudit::Kafka;
use Evaudit::Pipeline;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => Evaudit::Kafka::unavailable()
  if Evaudit::Kafka::unavailable();
plan skip_all => 'EVAUDIT_PRELOAD is not set' unless $ENV{EVAUDIT_PRELOAD};

my $kafka = Evaudit::Kafka->new(config => {
	'offsets.retention.minutes' => 1,
	'offsets.retention.check.interval.ms' => 500 });
$kafka->start;
$kafka->create_topic('e', 1);
$kafka->configure('e', 'max.message.bytes' => 3000);
my $step_file = PostgreSQL::Test::Utils::tempdir() . '/step';
my $node;
{
	local $ENV{LD_PRELOAD} = $ENV{EVAUDIT_PRELOAD};
	local $ENV{EVAUDIT_TEST_STEP} = $step_file;
	$node = Evaudit::Cluster->new('main',
		conf => "evaudit.max_backoff = '200ms'\nrestart_after_crash = on\n");
}
my $servers = $kafka->servers;
$node->safe_psql('postgres', qq{
	CREATE SERVER kafka FOREIGN DATA WRAPPER evaudit_kafka
		OPTIONS ("bootstrap.servers" '$servers');
	SELECT evaudit.create_topic('e');
	SELECT evaudit.create_sink('out', 'kafka', '{e}')});
my $group = 'evaudit-'
  . $node->safe_psql('postgres', 'SELECT identity FROM evaudit.sinks');

# Publish an event, which may end the server, and wait until it is sent.
sub sends
{
	my ($id, $length) = @_;
	$node->wait_for("SELECT evaudit.publish('e', jsonb_build_object('x',"
		  . " (SELECT string_agg(md5(i::text), '') FROM generate_series(0, "
		  . ($length || 0) . ") i)), '$id')", $id);
	$node->wait_for('SELECT pending, state FROM evaudit.stat_sinks', '0|running');
	return;
}

# Have the process killed when it produces its next record.
sub kill_next
{
	append_to_file($step_file, 'produce');
	return;
}

sub was_killed
{
	my ($what) = @_;
	is(-s $step_file, 0, $what);
	return;
}

# Wait until the broker has deleted the number.
sub await_expiry
{
	wait_until(
		sub { $kafka->tool('-X', "group.id=$group", 'committed', 'e') eq "none\n" },
		'the end of the number');
	return;
}

sends('e1');
sends('e2');
is($kafka->tool('-X', "group.id=$group", 'committed', 'e'), "2\n", 'the number of two batches');
await_expiry();
sends('e3');
pass('a process sends on');

await_expiry();
$node->safe_psql('postgres',
	'SELECT pg_terminate_backend(pid) FROM evaudit.stat_sinks');
kill_next();
sends('e4');
was_killed('the next process was killed while it sent');

# of a batch that is refused as a whole Kafka gets no number
sends('refused', 200);
is($node->safe_psql('postgres', 'SELECT event_id FROM evaudit.deliveries'), 'refused',
	'an event that is too large is parked');
kill_next();
sends('e5');
was_killed('and so was the one after it');

is(join(' ', map { $_->{headers}{id} } @{ $kafka->records('e') }),
	'e1 e2 e3 e4 e5', 'each event is there once');
is($node->safe_psql('postgres', 'SELECT identity FROM evaudit.sinks'),
	$group =~ s/^evaudit-//r, 'of the same sink');

# a batch is refused whose transaction was begun with the end of the one before
$kafka->create_topic('ahead', 1);
$kafka->configure('ahead', 'max.message.bytes' => 3000);
$node->safe_psql('postgres', q{
	SELECT evaudit.create_topic('ahead');
	BEGIN;
	SELECT evaudit.create_sink('ahead', 'kafka', '{ahead}', '{"batch_size": 1}');
	SELECT evaudit.pause_sink('ahead');
	COMMIT;
	SELECT evaudit.publish('ahead', '{}', 'a' || n) FROM generate_series(1, 2) n;
	SELECT evaudit.publish('ahead', jsonb_build_object('x', repeat('x', 9000)), 'a3');
	SELECT evaudit.resume_sink('ahead')});
$node->wait_for(q{SELECT pending, parked, state FROM evaudit.stat_sinks
	WHERE name = 'ahead'}, '0|1|running');
my $ahead = 'evaudit-' . $node->safe_psql('postgres',
	q{SELECT identity FROM evaudit.sinks WHERE name = 'ahead'});
# while a transaction is open that has written the number, nobody can read it
is($kafka->tool('-X', "group.id=$ahead", 'committed', 'ahead'), "2\n",
	'its transaction is aborted, as nothing is sent in it');
$node->safe_psql('postgres', q{SELECT evaudit.publish('ahead', '{}', 'a4')});
$node->wait_for(q{SELECT pending FROM evaudit.stat_sinks WHERE name = 'ahead'}, 0);
is(join(' ', map { $_->{headers}{id} } @{ $kafka->records('ahead') }),
	'a1 a2 a4', 'and the next one is sent');

done_testing();
