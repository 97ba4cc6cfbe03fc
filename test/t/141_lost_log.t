# A partition whose log is not what was read before stops and says why; the
# others go on, and seek_source() brings it back.

use strict;
use warnings;

use Evaudit::Cluster;
use Evaudit::Kafka;
use Evaudit::Pipeline;
use Test::More;

plan skip_all => Evaudit::Kafka::unavailable()
  if Evaudit::Kafka::unavailable();

my $kafka = Evaudit::Kafka->new;
$kafka->start;
my $node = Evaudit::Cluster->new('main',
	conf => "evaudit.max_backoff = '300ms'\nlog_statement = none\n");

sub ask { return $node->safe_psql('postgres', $_[0]); }

# Produce logins of numbered users to one partition.
my $user = 0;
sub send_logins
{
	my ($topic, $partition, $n) = @_;
	$kafka->tool('-p', $partition, 'produce', $topic, \join '', map {
		sprintf qq(k\t{"user_id":"u%d","service_id":"s","service_name":"n",)
		  . qq("timestamp":"2022-08-04T08:50:39Z"}\n), $user++ } 1 .. $n);
}

# Wait until a partition of the topic is as described by an SQL condition.
sub await_partition
{
	my ($partition, $condition) = @_;
	$node->wait_for("SELECT $condition FROM evaudit.stat_partitions
		WHERE topic = 'logins' AND partition = $partition");
}

# Have all partitions read from their beginning.
sub seek_to_beginning
{
	ask("SELECT evaudit.seek_source('logins', 'earliest')");
	$node->wait_for("SELECT seek IS NULL FROM evaudit.sources WHERE name = 'logins'");
}

# A partition has stopped: what that means, and how it comes back.
sub stopped_and_back
{
	my ($what, $error, $first) = @_;

	await_partition(0, "state = 'stopped' AND last_error ~ '$error'");
	note(ask("SELECT last_error FROM evaudit.stat_partitions WHERE state = 'stopped'"));
	like(ask('SELECT last_error FROM evaudit.stat_sources'), qr/partition 0 .*$error/,
		"$what: it stops, and stat_sources says why");

	# the other partition is read
	send_logins('logins', 1, 3);
	my $end = $kafka->offsets('logins')->[1][1];
	await_partition(1, "next_offset = $end AND state = 'running' AND last_error IS NULL");

	# a stop outlives restarts of the worker
	my $pid = worker_pids($node, 'logins')->[0];
	ask("SELECT pg_terminate_backend($pid, 10000)");
	$node->wait_for("SELECT state = 'degraded' AND pids <> '{}' AND pids <> '{$pid}'
		FROM evaudit.stat_sources");
	await_partition(0, "state = 'stopped'");
	is(ask('SELECT count(*) FROM evaudit.dead_letters'), 0, 'no dead letter');

	seek_to_beginning();
	await_end($node, $kafka, 'logins', 'logins');
	await_partition(0, "state = 'running' AND last_error IS NULL");
	is(ask("SELECT count(*) FROM user_services WHERE user_id = 'u$first'"), 1,
		'seek_source() brings it back');
}

$kafka->create_topic('logins', 2);
send_logins('logins', $_, 10) foreach 0, 1;
read_topic($node, $kafka, 'logins', topics => 'logins');
await_end($node, $kafka, 'logins', 'logins');

# Do something to the log while the source is paused.
sub while_paused
{
	my ($do) = @_;
	ask("SELECT evaudit.pause_source('logins')");
	$node->wait_for("SELECT pids FROM evaudit.stat_sources", '{}');
	$do->();
	ask("SELECT evaudit.resume_source('logins')");
}

# Make the topic, as soon as the broker has forgotten the one before.
sub make_topic
{
	wait_until(sub { eval { $kafka->create_topic('logins', 2); 1 } }, 'a new topic');
}

# Delete the topic and make it again, with some logins in it.
sub make_anew
{
	my ($n) = @_;
	$kafka->delete_topic('logins');
	make_topic();
	send_logins('logins', 1, 10);
	send_logins('logins', 0, $n);
}

# records were removed before they were read
while_paused(sub {
	send_logins('logins', 0, 10);
	$kafka->tool('delete-records', 'logins', 0, 15);
});
stopped_and_back('records removed', 'records 10 to 14 were removed', 25);
is(ask("SELECT count(*) FROM user_services WHERE user_id IN ('u24', 'u25')"), 1,
	'what was removed is lost');

# records were removed after they were read: nothing is missing
while_paused(sub {
	$kafka->tool('delete-records', 'logins', 0, 20);
	send_logins('logins', 0, 1);
});
await_end($node, $kafka, 'logins', 'logins');
await_partition(0, "state = 'running' AND last_error IS NULL AND next_offset = 21");
pass('records that were read may go');

# a topic that is made anew, shorter, longer and just as long as before
foreach my $n (5, 40, 40)
{
	my $first = $user + 10;
	while_paused(sub { make_anew($n) });
	stopped_pair("made anew while paused, $n records", $first);
}

# Both partitions of a topic that was made anew stop; each comes back.
sub stopped_pair
{
	my ($what, $first) = @_;
	$node->wait_for("SELECT count(*) FROM evaudit.stat_partitions
		WHERE state = 'stopped' AND last_error ~ 'made anew'", 2);
	is(ask('SELECT state FROM evaudit.stat_sources'), 'stopped', "$what: all stops");
	seek_to_beginning();
	await_end($node, $kafka, 'logins', 'logins');
	is(ask("SELECT count(*) FROM user_services WHERE user_id = 'u$first'"), 1,
		'and come back');
}

# while it runs, at once: nobody may have seen the topic go
foreach my $n (5, 60)
{
	my $first = $user + 10;
	make_anew($n);
	# one that is as long as before shows when it grows
	send_logins('logins', 1, $n);
	stopped_pair("made anew while it runs, $n records", $first);
}
$kafka->create_topic('other', 1);
read_topic($node, $kafka, 'other', topics => 'other');
$kafka->delete_topic('logins');
await_partition(0, "state = 'stalled' AND last_error IS NOT NULL");
note(ask("SELECT last_error FROM evaudit.stat_partitions WHERE partition = 0"));
send_logins('other', 0, 3);
await_end($node, $kafka, 'other', 'other');
pass('a deleted topic: other sources go on');
make_topic();
send_logins('logins', 0, 2);
await_partition(0, "state = 'stopped' AND last_error ~ 'made anew'");
pass('it comes back as another one');
is(ask('SELECT count(*) FROM evaudit.dead_letters'), 0, 'no dead letter');
ok(!$node->log_contains('terminated by signal'), 'nothing crashed');

done_testing();
