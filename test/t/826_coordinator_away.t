# A sink whose cluster goes away while it is idle, and again before it can read
# back its number, neither ends the server nor sends anything twice.

use strict;
use warnings;

use Evaudit::Cluster;
use Evaudit::Kafka;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => Evaudit::Kafka::unavailable()
  if Evaudit::Kafka::unavailable();

my $kafka = Evaudit::Kafka->new;
$kafka->start;
my $node = Evaudit::Cluster->new('main', conf => "evaudit.max_backoff = '1s'\n");

sub query { return $node->safe_psql('postgres', $_[0]); }

$kafka->create_topic('out', 1);
query(qq{CREATE SERVER kafka FOREIGN DATA WRAPPER evaudit_kafka
		OPTIONS ("bootstrap.servers" '${\$kafka->servers}');
	SELECT evaudit.create_topic('sent', options => '{"keep": true}');
	SELECT evaudit.create_sink('out', 'kafka', '{sent}', '{"topic": "out"}');
	SELECT evaudit.publish('sent', '{}', 'one')});
$node->wait_for(q{SELECT delivered FROM evaudit.stat_sinks}, '1');

my $delivered = 1;
foreach my $id ('two', 'three')
{
	$kafka->kill9;
	# the process that had a cluster, and one that begins without
	query(q{SELECT pg_terminate_backend(pid) FROM evaudit.stat_sinks})
	  if $id eq 'three';
	query("SELECT evaudit.publish('sent', '{}', '$id')");
	$node->wait_for(
		q{SELECT last_error_at > last_delivered_at FROM evaudit.stat_sinks});
	$kafka->start;
	$node->wait_for(q{SELECT delivered FROM evaudit.stat_sinks}, ++$delivered);
}
is(join(' ', map { $_->{headers}{id} } @{ $kafka->records('out') }),
	'one two three', 'each event once');
unlike(slurp_file($node->logfile), qr/was terminated by signal/,
	'no process was ended by a signal');

# a cluster that goes away for good while the sink is idle
$kafka->kill9;
query(q{SELECT evaudit.publish('sent', '{}', 'four')});
$node->wait_for(q{SELECT last_error_at > last_delivered_at FROM evaudit.stat_sinks});
unlike(slurp_file($node->logfile), qr/was terminated by signal/,
	'nor then');

$node->stop;
done_testing();
