# Events that have no id of their own get one that no other record has: of
# another cluster with the same topic, or of the topic before it was made anew.
# Repeats stay repeats, also for another source; and a source that is moved back
# writes no dead letter twice.

use strict;
use warnings;

use Evaudit::Cluster;
use Evaudit::Kafka;
use Evaudit::Pipeline;
use Test::More;

plan skip_all => Evaudit::Kafka::unavailable()
  if Evaudit::Kafka::unavailable();

my @clusters = (Evaudit::Kafka->new,
	Evaudit::Kafka->new(cluster => 'anotheranotheranotherQ'));
$_->start foreach @clusters;
my $kafka = $clusters[0];
my $node = Evaudit::Cluster->new('main',
	conf => "evaudit.max_backoff = '300ms'\nlog_statement = none\n");

sub ask { return $node->safe_psql('postgres', $_[0]); }

# Events of the topic "kept" by payload, each with how often it is there.
sub kept
{
	return ask(q{SELECT string_agg(n || 'x' || p, ' ' ORDER BY p) FROM
		(SELECT payload->>'p' AS p, count(*) AS n FROM evaudit.events GROUP BY 1) e});
}

# Create a source of a server.
sub add_source
{
	my ($name, $server) = @_;
	ask(qq{SELECT evaudit.create_source('$name', '$server', 'kept', '{"topics": "t"}')});
	return;
}

# Produce payloads of a number.
sub produce
{
	my ($cluster, @numbers) = @_;
	$cluster->produce('t', map { qq(k\t{"p": "$_"}) } @numbers);
	return;
}

ask(q{SELECT evaudit.create_topic('kept', options => '{"keep": true}')});
foreach my $i (0, 1)
{
	ask(qq{CREATE SERVER s$i FOREIGN DATA WRAPPER evaudit_kafka
		OPTIONS ("bootstrap.servers" '${\$clusters[$i]->servers}')});
	$clusters[$i]->create_topic('t', 1);
}

# two clusters
produce($clusters[0], 1, 2);
produce($clusters[1], 3, 4);
add_source('a', 's0');
add_source('b', 's1');
await_end($node, $clusters[0], 'a', 't');
await_end($node, $clusters[1], 'b', 't');
is(kept(), '1x1 1x2 1x3 1x4', 'two clusters with a topic of one name');
is(ask(q{SELECT event_id FROM evaudit.events WHERE payload->>'p' = '2'}),
	'evauditevauditevauditQ:t:1:0:1', 'an id says where it is from');

# repeats, by the same source and by another
ask("SELECT evaudit.seek_source('a', 'earliest')");
$node->wait_for("SELECT seek IS NULL FROM evaudit.sources WHERE name = 'a'");
add_source('c', 's0');
await_end($node, $clusters[0], $_, 't') foreach 'a', 'c';
is(kept(), '1x1 1x2 1x3 1x4', 'repeats are repeats');

# the topic is made anew: both sources find out, and count that once
$kafka->delete_topic('t');
wait_until(sub { eval { $kafka->create_topic('t', 1); 1 } }, 'a new topic');
produce($kafka, 5, 6, 7);
$node->wait_for(q{SELECT count(*) FROM evaudit.stat_partitions
	WHERE state = 'stopped' AND source IN ('a', 'c')}, 2);
ask("SELECT evaudit.seek_source('$_', 'earliest')") foreach 'a', 'c';
$node->wait_for("SELECT bool_and(seek IS NULL) FROM evaudit.sources");
await_end($node, $kafka, $_, 't') foreach 'a', 'c';
is(kept(), '1x1 1x2 1x3 1x4 1x5 1x6 1x7', 'a topic that was made anew');
is(ask('SELECT count(*) FROM evaudit.dead_letters'), 0, 'no conflict');
is(ask('SELECT cluster, topic, incarnation FROM evaudit.kafka_topics'),
	'evauditevauditevauditQ|t|2', 'its incarnation is counted once');
add_source('d', 's0');
await_end($node, $kafka, 'd', 't');
is(kept(), '1x1 1x2 1x3 1x4 1x5 1x6 1x7', 'another source has the same ids');

# dead letters, once
my %errors = (
	"\\xef\\xbb\\xbf{}" => 'payload begins with a byte order mark of UTF-8, which JSON must not',
	"\\xff\\xfe{\\x00}\\x00" =>
	  'payload begins with a byte order mark of UTF-16, and is not UTF-8',
	"{\\x00}" => 'payload has a NUL byte at byte 2');
ask("SELECT evaudit.drop_source('$_')") foreach 'c', 'd';
$kafka->tool('-e', 'produce', 't', \join('', map { "k\t$_\n" } sort keys %errors));
await_end($node, $kafka, 'a', 't');
is(ask(q{SELECT string_agg(error, E'\n' ORDER BY id) FROM evaudit.dead_letters}),
	join("\n", map { $errors{$_} } sort keys %errors), 'dead letters say what is there');
ask("SELECT evaudit.seek_source('a', 'earliest')");
$node->wait_for("SELECT bool_and(seek IS NULL) FROM evaudit.sources");
await_end($node, $kafka, 'a', 't');
is(ask('SELECT count(*) FROM evaudit.dead_letters'), 3,
	'a source that is moved back writes none twice');
ask(q{SELECT evaudit.alter_topic('kept', options => '{"max_payload_bytes": 10}');
	SELECT evaudit.alter_source('a', '{"max_event_bytes": 20}')});
produce($kafka, 'long', 'longer and longer');
$node->wait_for('SELECT count(*) FROM evaudit.dead_letters', 5);
is(ask(q{SELECT string_agg(error, E'\n' ORDER BY id) FROM evaudit.dead_letters
		WHERE reason = 'too_large'}),
	"payload of 13 bytes exceeds max_payload_bytes, 10\n"
	  . 'payload of 26 bytes exceeds max_event_bytes, 20', 'which option refused is said');

done_testing();
