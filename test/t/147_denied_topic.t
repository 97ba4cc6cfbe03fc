# Topics that a source may not read: each has a row that says so, the others
# are read, and the row changes once the right is there.  And the reason that
# a source shows whose worker was ended from outside.

use strict;
use warnings;

use Evaudit::Cluster;
use Evaudit::Kafka;
use Evaudit::Pipeline;
use Test::More;

plan skip_all => Evaudit::Kafka::unavailable()
  if Evaudit::Kafka::unavailable();

my $kafka = Evaudit::Kafka->new(acls => 1, sasl => { alice => 'secret' });
$kafka->start;
foreach my $topic (qw(open hidden closed))
{
	$kafka->create_topic($topic, 1);
	$kafka->load($topic, 10, 5, 1);
}

# Allow alice an operation on topics.
sub allow
{
	my ($operation, @topics) = @_;
	$kafka->java('kafka.admin.AclCommand', '--add', '--allow-principal',
		'User:alice', '--operation', $operation,
		map { ('--topic', $_) } @topics);
	return;
}

allow('Read', 'open');
allow('Describe', 'closed');
my $node = Evaudit::Cluster->new('main',
	conf => "evaudit.max_backoff = '500ms'\nrestart_after_crash = on\n");
my $servers = $kafka->servers('SASL_PLAINTEXT');
$node->safe_psql('postgres', qq{
	CREATE SERVER kafka FOREIGN DATA WRAPPER evaudit_kafka
		OPTIONS ("bootstrap.servers" '$servers', "security.protocol" 'SASL_PLAINTEXT',
			"sasl.mechanism" 'PLAIN');
	CREATE USER MAPPING FOR CURRENT_USER SERVER kafka
		OPTIONS ("sasl.username" 'alice', "sasl.password" 'secret');
	SELECT evaudit.create_source('logins', 'kafka', options =>
		'{"topics": ["open", "hidden", "closed"]}')});

$node->wait_for(q{SELECT received, state FROM evaudit.stat_sources},
	'10|degraded');
$node->wait_for(q{SELECT string_agg(topic, ',' ORDER BY topic)
	FROM evaudit.stat_partitions WHERE last_error <> ''}, 'closed,hidden');
pass('what may not be read has a row that says so');
$node->wait_for(q{SELECT last_error ~ 'authorization failed'
	FROM evaudit.stat_partitions WHERE topic = 'closed'}, 't');
is( $node->safe_psql('postgres', q{
		SELECT state, lag FROM evaudit.stat_partitions WHERE topic = 'open'}),
	'running|0', 'the other topic is read');
allow('Read', 'hidden', 'closed');
$node->wait_for(q{SELECT received, state FROM evaudit.stat_sources},
	'30|running');
is( $node->safe_psql('postgres', q{
		SELECT count(*) FROM evaudit.stat_partitions
		WHERE last_error <> '' OR state <> 'running'}),
	0, 'all are read once that is allowed');

# a worker that is ended, and one that is killed with the server
my $said = 0;
wait_until(
	sub {
		$node->safe_psql('postgres', q{SELECT pg_terminate_backend(pid)
			FROM pg_stat_activity WHERE backend_type = 'evaudit worker'});
		my $shown = $node->safe_psql('postgres', q{
			SELECT state, last_error FROM evaudit.stat_sources});
		$said++ if $shown =~ /^backoff\|a worker was ended/;
		return $said;
	},
	'a worker that was ended to be told of');
pass('a worker that was ended is the reason');
kill_process($node, 'worker');
$kafka->load('open', 10, 5, 2);
wait_until(
	sub {
		my $shown = ask_if_up($node, q{
			SELECT state, last_error IS NOT NULL, next_offset
			FROM evaudit.stat_sources, evaudit.offsets o WHERE o.topic = 'open'});
		fail("a backoff without a reason: $shown") if $shown =~ /^backoff\|f/;
		return $shown =~ /^running\|.*\|20$/;
	},
	'the source to go on');
pass('after a kill -9 the source goes on');

done_testing();
