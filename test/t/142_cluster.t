# A cluster of three brokers, one of them down or out of reach: its partitions
# are shown as stalled, with the reason, the others are read; and all is as
# before once it is back.

use strict;
use warnings;

use Evaudit::Cluster;
use Evaudit::Kafka;
use Evaudit::Pipeline;
use Test::More;

plan skip_all => Evaudit::Kafka::unavailable()
  if Evaudit::Kafka::unavailable();

my $kafka = Evaudit::Kafka->new(proxy => 1);
my @brokers = ($kafka, map { $kafka->add_broker($_, proxy => 1) } 2, 3);
$_->start foreach @brokers;
my $node = Evaudit::Cluster->new('main',
	conf => "evaudit.max_backoff = '1s'\nlog_statement = none\n");
add_server($node, join(',', map { $_->servers('PROXIED') } @brokers),
	'socket.connection.setup.timeout.ms' => 2000,
	'reconnect.backoff.max.ms' => 500);

sub ask { return $node->safe_psql('postgres', $_[0]); }

# Produce logins to some partitions of a topic; returns nothing.
my $user = 0;
sub send_logins
{
	my ($topic, @partitions) = @_;
	$kafka->tool('-p', $_, 'produce', $topic, \join '', map {
		sprintf qq(k\t{"user_id":"u%d","service_id":"s","service_name":"n",)
		  . qq("timestamp":"2022-08-04T08:50:39Z"}\n), $user++ } 1 .. 5)
	  foreach @partitions;
	return;
}

# Wait until each partition of a topic that a source reads, but one, is at an
# offset, and return the number of that one.
sub await_others
{
	my ($source, $offset) = @_;
	$node->wait_for(qq{SELECT count(*) FROM evaudit.stat_partitions WHERE source = '$source'
		AND state = 'running' AND next_offset = $offset AND lag = 0
		AND lag_seconds = 0 AND last_error IS NULL}, 2);
	return ask(qq{SELECT string_agg(partition::text, ' ') FROM evaudit.stat_partitions
		WHERE source = '$source' AND state = 'stalled'});
}

# Wait until all partitions of a source are at an offset and nothing is wrong.
sub await_all
{
	my ($source, $offset) = @_;
	return ok($node->wait_for(qq{SELECT
		(SELECT count(*) = 3 AND bool_and(state = 'running' AND lag = 0
			AND next_offset = $offset AND last_error IS NULL
			AND last_fetched_at > now() - interval '30 s')
		 FROM evaudit.stat_partitions WHERE source = '$source')
		AND (SELECT state = 'running' AND last_error IS NULL AND last_error_at IS NOT NULL
			FROM evaudit.stat_sources WHERE name = '$source')}),
		"$source: all is read, and the error is taken back");
}

my $check = q{SELECT string_agg(ok || ' ' || detail, ';')
	FROM evaudit.check_server('kafka') WHERE check_name <> 'brokers'};

$kafka->create_topic('spread', 3);
send_logins('spread', 0 .. 2);
read_topic($node, $kafka, 'before', topics => 'spread');
$node->wait_for(q{SELECT count(*) FROM evaudit.stat_partitions
	WHERE next_offset = 5 AND lag = 0 AND state = 'running'}, 3);
is(ask($check), 'true 3 partitions', 'check_server() asks the leaders');

# --- one is killed: its partition has no leader

$brokers[2]->kill9;
$node->wait_for(q{SELECT state, last_error ~ 'it has no leader'
	FROM evaudit.stat_sources}, 'degraded|t');
my $lost = ask(q{SELECT partition FROM evaudit.stat_partitions
	WHERE state = 'stalled' AND lag IS NULL AND lag_seconds IS NULL
	AND last_fetched_at IS NOT NULL AND next_offset = 5 AND last_error ~ 'no leader'});
like($lost, qr/^[0-2]$/, 'one partition is stalled, and its lag not known');
my @others = grep { $_ ne $lost } 0 .. 2;
send_logins('spread', @others);
is(await_others('before', 10), $lost, 'the others are read');
like(ask($check), qr/^false partition $lost: it has no leader$/,
	'check_server() says so');

# a source that begins now, and one that is moved
read_topic($node, $kafka, 'during', topics => '^spre', start => 'earliest');
is(await_others('during', 10), $lost, 'a source that begins reads the others');
is(ask("SELECT next_offset IS NULL, last_error FROM evaudit.stat_partitions
		WHERE source = 'during' AND partition = $lost"),
	't|it has no leader', 'and says of what it waits for');
ask("SELECT evaudit.seek_source('before', 'earliest')");
$node->wait_for("SELECT seek IS NULL FROM evaudit.sources WHERE name = 'before'");
is(await_others('before', 10), $lost, 'so does one that is moved');
read_topic($node, $kafka, 'latest', topics => 'spread', start => 'latest');
is(await_others('latest', 10), $lost, 'and one that begins at the end');

$brokers[2]->start;
send_logins('spread', $lost);
await_all('before', 10);
await_all('during', 10);
ok($node->wait_for(q{SELECT received FROM evaudit.stat_sources WHERE name = 'latest'},
	5), 'what was produced since it began is read');
is(ask(q{SELECT received FROM evaudit.stat_sources WHERE name = 'during'}), 30,
	'all, once');
ask('SELECT evaudit.drop_source(name) FROM evaudit.sources');

# --- one is there, and we cannot reach it

read_topic($node, $kafka, 'reach', topics => '^(spread|later)$');
$node->wait_for(q{SELECT count(*) FROM evaudit.stat_partitions
	WHERE next_offset = 10 AND state = 'running'}, 3);
$brokers[2]->proxy->black_hole;
$node->wait_for(q{SELECT state, last_error ~ 'broker|127.0.0.1' FROM evaudit.stat_sources},
	'degraded|t', deadline => 60);
note(ask('SELECT last_error FROM evaudit.stat_sources'));
send_logins('spread', @others);
is(await_others('reach', 15), $lost, 'out of reach: the others are read');
$kafka->create_topic('later', 3);
send_logins('later', 0 .. 2);
ok($node->wait_for(q{SELECT count(*) FROM evaudit.stat_partitions
	WHERE topic = 'later' AND next_offset = 5 AND state = 'running'}, 2),
	'and those of a new topic');
ok($node->wait_for(q{SELECT next_offset IS NULL FROM evaudit.stat_partitions
	WHERE topic = 'later' AND state = 'stalled' AND last_error <> ''}),
	'but for one');
note(ask(q{SELECT last_error FROM evaudit.stat_partitions WHERE topic = 'later' AND state = 'stalled'}));
is(ask("SELECT state FROM evaudit.stat_sources"), 'degraded', 'it goes on');
$brokers[2]->proxy->forward;
send_logins('spread', $lost);
ok($node->wait_for(q{SELECT string_agg(topic || next_offset, ' ' ORDER BY topic, next_offset)
	FROM evaudit.stat_partitions WHERE state = 'running'},
	'later5 later5 later5 spread15 spread15 spread15'), 'back: all is read');
ok($node->wait_for('SELECT state, last_error FROM evaudit.stat_sources', 'running|'),
	'and well');
ask('SELECT evaudit.drop_source(name) FROM evaudit.sources');

# --- a response that is larger than the client takes

ask(q{ALTER SERVER kafka OPTIONS (ADD "receive.message.max.bytes" '8389120')});
$kafka->tool('-C', 'max.message.bytes=20000000', 'create', 'large', 1);
read_topic($node, $kafka, 'large', topics => 'large', max_event_bytes => 16000000);
$kafka->tool('-X', 'message.max.bytes=20000000', 'produce', 'large',
	\("k\t" . 'x' x 9_000_000 . "\n"));
$node->wait_for(q{SELECT p.state, p.lag, s.state, p.last_error ~ 'receive.message.max.bytes'
	FROM evaudit.stat_partitions p, evaudit.stat_sources s}, 'stalled||degraded|t',
	deadline => 60);
note(ask('SELECT last_error FROM evaudit.stat_sources'));
ask(q{ALTER SERVER kafka OPTIONS (DROP "receive.message.max.bytes")});
ok($node->wait_for('SELECT dead_lettered FROM evaudit.stat_sources', 1),
	'a large response is read once it is allowed');

# --- topics that are not there

read_topic($node, $kafka, 'missing', topics => '["spread", "no-such", "nor-this"]');
ok($node->wait_for(q{SELECT string_agg(topic, ' ' ORDER BY topic) FROM evaudit.stat_partitions
	WHERE source = 'missing' AND partition IS NULL AND state = 'stalled'
	AND last_error = 'it is not there, or may not be read'},
	'no-such nor-this'), 'topics that are not there have a row each');
is(ask(q{SELECT state FROM evaudit.stat_sources WHERE name = 'missing'}), 'degraded',
	'and the source is degraded');
$kafka->create_topic($_, 1) foreach 'no-such', 'nor-this';
ok($node->wait_for(q{SELECT state, last_error FROM evaudit.stat_sources WHERE name = 'missing'},
	'running|'), 'until they are there');
ok(!$node->log_contains('terminated by signal'), 'nothing crashed');

done_testing();
