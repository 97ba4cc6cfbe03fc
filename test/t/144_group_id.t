# The option group_id: Kafka's own tools see how far a source is; whatever the
# group does, the source reads.

use strict;
use warnings;

package Member;

use parent 'Evaudit::Process';

package main;

use Evaudit::Cluster;
use Evaudit::Kafka;
use Evaudit::Pipeline;
use Test::More;

plan skip_all => Evaudit::Kafka::unavailable()
  if Evaudit::Kafka::unavailable();

my $kafka = Evaudit::Kafka->new;
$kafka->start;
$kafka->create_topic('logins', 2);
my $node = Evaudit::Cluster->new('main',
	conf => "evaudit.max_backoff = '1s'\nlog_statement = none\n");
my $groups = 'org.apache.kafka.tools.consumer.group.ConsumerGroupCommand';
my $user = 0;

# Produce logins to each of the partitions.
sub send_logins
{
	my ($n) = @_;
	foreach my $partition (0, 1)
	{
		$kafka->tool('-p', $partition, 'produce', 'logins', \join '', map {
			sprintf qq(k\t{"user_id":"u%d","service_id":"s","service_name":"n",)
			  . qq("timestamp":"2022-08-04T08:50:39Z"}\n), $user++ } 1 .. $n);
	}
	return;
}

# What Kafka's command shows of a group: partition, offset, end, lag.
sub positions
{
	my ($group) = @_;
	my @lines = map { /^\Q$group\E +logins +(\d+) +(\d+) +(\d+) +(\d+) / ? "$1:$2/$3 lag $4" : () }
	  split /\n/, $kafka->java($groups, '--describe', '--group', $group);
	return join ', ', sort @lines;
}

sub await_positions
{
	my ($group, $expected, $name) = @_;
	my $last = '';
	my $seen = eval {
		wait_until(sub { ($last = positions($group)) eq $expected }, $expected);
	};
	return ok($seen, $name) || diag("last seen: $last");
}

foreach my $bad ('', 'a b', 'evaudit-x', 'x' x 256)
{
	like(
		($node->psql('postgres', qq{CREATE SERVER IF NOT EXISTS kafka FOREIGN DATA WRAPPER evaudit_kafka
			OPTIONS ("bootstrap.servers" 'x'); SELECT evaudit.create_source('bad', 'kafka',
			options => '{"topics": "x", "group_id": "$bad"}')}))[2],
		qr/invalid value for option "group_id"/, "group_id of " . length($bad) . ' bytes');
}
$node->safe_psql('postgres', 'DROP SERVER kafka');

send_logins(3);
read_topic($node, $kafka, 'logins', topics => 'logins', workers => 2, group_id => 'shown');
await_positions('shown', '0:3/3 lag 0, 1:3/3 lag 0', 'the group has the positions');
send_logins(4);
await_positions('shown', '0:7/7 lag 0, 1:7/7 lag 0', 'after each commit');

# lag is seen, and a move as well
$node->safe_psql('postgres', q{SELECT evaudit.pause_source('logins')});
$node->wait_for('SELECT state, pids FROM evaudit.stat_sources', 'paused|{}');
send_logins(2);
await_positions('shown', '0:7/9 lag 2, 1:7/9 lag 2', 'a source that stands has lag');

# what is in the group is not read: it may say anything
$kafka->java($groups, '--reset-offsets', '--group', 'shown', '--topic', 'logins',
	'--to-offset', 9, '--execute');
await_positions('shown', '0:9/9 lag 0, 1:9/9 lag 0', 'somebody moves the group');
$node->safe_psql('postgres', q{SELECT evaudit.resume_source('logins')});
await_end($node, $kafka, 'logins', 'logins');
is($node->safe_psql('postgres', 'SELECT count(*) FROM user_services'), $user,
	'nothing is skipped by that');
$node->safe_psql('postgres', q{SELECT evaudit.seek_source('logins', '{"0": 5}')});
$node->wait_for(q{SELECT next_offset FROM evaudit.stat_partitions WHERE partition = 0}, '9');
await_positions('shown', '0:9/9 lag 0, 1:9/9 lag 0', 'nor after a move');

# a group that others are members of: Kafka refuses, which is told and holds up nothing
my $member = Member->new('member');
$member->launch($kafka->_java('org.apache.kafka.tools.consumer.ConsoleConsumer',
	'--bootstrap-server', $kafka->servers, '--topic', 'logins', '--group', 'others'));
$member->await(sub {
	$kafka->java($groups, '--describe', '--group', 'others', '--members') =~ /^others +\S+ +\S/m; });
$node->safe_psql('postgres', q{SELECT evaudit.alter_source('logins', '{"group_id": "others"}')});
send_logins(1);
$node->wait_for(q{SELECT last_error FROM evaudit.stat_sources},
	'could not commit offsets to consumer group "others": the group has members of its own, whose offsets these are');
for (1 .. 3)
{
	send_logins(1);
	await_end($node, $kafka, 'logins', 'logins');
}
is($node->safe_psql('postgres', 'SELECT count(*) FROM user_services'), $user,
	'the source reads on');
is($node->safe_psql('postgres', 'SELECT state FROM evaudit.stat_sources'), 'running',
	'and runs');
my $told = () = PostgreSQL::Test::Utils::slurp_file($node->logfile) =~ /could not commit offsets to consumer group/g;
cmp_ok($told, '<=', 2, 'each worker tells it once');

# once they are gone the group is shown the positions, and the error is taken back
$member->stop;
$node->wait_for('SELECT last_error IS NULL FROM evaudit.stat_sources', 't');
my $end = $kafka->offsets('logins')->[0][1];
await_positions('others', "0:$end/$end lag 0, 1:$end/$end lag 0", 'then it has the positions');

done_testing();
