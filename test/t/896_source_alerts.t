# Alerts of a source of a real broker begin and end with their causes: of a
# topic that is missing, and of what waits in the database while the broker
# has more.

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
$locker->quit;
is($node->safe_psql('postgres', 'SELECT received FROM evaudit.stat_sources'), 20,
	'and all is read');

done_testing();
