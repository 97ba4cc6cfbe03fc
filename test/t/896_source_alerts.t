# Alerts of a source of a real broker begin and end with their causes: of a
# topic that is missing, and of what waits in the database while the broker
# has more; whose age does not shrink by that.

use strict;
use warnings;

use Evaudit::Alerts;
use Evaudit::Kafka;
use Evaudit::Pipeline;
use Test::More;

plan skip_all => Evaudit::Kafka::unavailable()
  if Evaudit::Kafka::unavailable();

my $kafka = Evaudit::Kafka->new;
$kafka->start;
$kafka->create_topic('there', 1);
$kafka->load('there', 10, 5, 1);

my $node = alert_cluster();
read_topic($node, $kafka, 'logins', topics => 'there');
$node->wait_for('SELECT received, state FROM evaudit.stat_sources', '10|running');

fires($node, 'partition_stalled logins absent, source_degraded logins',
	q{SELECT evaudit.alter_source('logins', '{"topics": ["there", "absent"]}')},
	sub { $kafka->create_topic('absent', 1) }, qr/^stalled: it is not there/);

$node->safe_psql('postgres',
	q{UPDATE evaudit.alert_rules SET threshold = 0.5 WHERE name = 'source_lag'});
my $locker = $node->background_psql('postgres');
fires($node, 'source_lag logins',
	sub {
		$locker->query_safe('BEGIN; LOCK TABLE user_services');
		$kafka->load('there', 10, 5, 2);
	},
	sub { $locker->query_safe('COMMIT') }, qr/^10 messages$/);
ok($node->wait_for('SELECT received FROM evaudit.stat_sources', 20), 'and all is read');

# a batch that waits is not read yet: the lag's age is that of the record before
sub old_login
{
	my ($user) = @_;
	$kafka->tool('-e', 'produce', 'old', \sprintf(
		qq(k\t{"user_id":"%s","service_id":"s","service_name":"n",)
		  . qq("timestamp":"2022-08-04T08:50:39Z"}\t%d\n), $user, 1000 * (time - 3600)));
	return;
}
$kafka->create_topic('old', 1);
old_login('a');
read_topic($node, $kafka, 'old', topics => 'old');
await_end($node, $kafka, 'old', 'old');
$node->safe_psql('postgres', q{SELECT evaudit.pause_source('old')});
$node->wait_for(q{SELECT pids FROM evaudit.stat_sources WHERE name = 'old'}, '{}');
$locker->query_safe('BEGIN; LOCK TABLE user_services IN EXCLUSIVE MODE');
old_login('b');
$node->safe_psql('postgres', q{SELECT evaudit.resume_source('old')});
$node->wait_for(q{SELECT lag FROM evaudit.stat_partitions WHERE source = 'old'}, 1);
is($node->safe_psql('postgres', q{SELECT lag_seconds BETWEEN 3600 AND 7200
		FROM evaudit.stat_partitions WHERE source = 'old'}), 't', 'a batch that waits is not read yet');
$locker->query_safe('COMMIT');
await_end($node, $kafka, 'old', 'old');
$node->wait_for(q{SELECT lag, lag_seconds FROM evaudit.stat_partitions WHERE source = 'old'}, '0|0');
$locker->quit;

done_testing();
