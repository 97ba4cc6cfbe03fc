# Sources are started, paused, moved, changed and dropped while they run.

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

# The error that a statement ends with.
sub error_of
{
	my ($status, $out, $err) = $node->psql('postgres', $_[0]);
	return $err;
}

# What stat_sources has of a source.
sub stat_of
{
	my ($source, $columns) = @_;
	return ask("SELECT $columns FROM evaudit.stat_sources WHERE name = '$source'");
}

# Produce logins of users to a partition; each record is an hour younger than
# the one before.
my $hour = 0;
sub send_logins
{
	my ($topic, $partition, @users) = @_;
	$kafka->tool('-e', '-p', $partition, 'produce', $topic, \join '', map {
		sprintf qq(k\t{"user_id":"%s","service_id":"s","service_name":"n",)
		  . qq("timestamp":"2022-08-04T08:50:39Z"}\t%d\n), $_,
		  1_700_000_000_000 + 3_600_000 * $hour++
	} @users);
}

# --- where a source starts

my %start = (
	earliest => [ 'earliest', 11 ],
	latest => [ 'latest', 1 ],
	time => [ '2023-11-15T04:13:20Z', 5 ],          # hour 6
	between => [ '2023-11-15T05:00:00+01:00', 5 ],  # 13 minutes before
	offsets => [ '{"0": 8}', 3 ]);
$kafka->create_topic('start', 1);
send_logins('start', 0, map { "u$_" } 0 .. 9);
read_topic($node, $kafka, $_, topics => 'start', start => $start{$_}[0])
  foreach sort keys %start;
$node->wait_for('SELECT count(*) FROM evaudit.stat_partitions', 5);
send_logins('start', 0, 'u10');
foreach my $source (sort keys %start)
{
	await_end($node, $kafka, $source, 'start');
	is(stat_of($source, 'received, state'), "$start{$source}[1]|running",
		"start: $source");
}

# --- what is to be seen

is(ask(q{SELECT backend_type, count(*) FROM pg_stat_activity
		WHERE backend_type ^@ 'evaudit' GROUP BY 1 ORDER BY 1}),
	"evaudit launcher|1\nevaudit scheduler|1\nevaudit worker|5", 'processes');
ok( $node->wait_for(q{SELECT count(*)
		FROM pg_stat_activity a, evaudit.stat_sources s
		WHERE a.pid = ANY (s.pids) AND a.usename = current_user
		AND a.datname = current_database() AND a.state = 'idle'
		AND a.query ^@ format('source "%s"', s.name)}, 5),
	'each says what it does, and as whom');
$kafka->produce('start', 'not JSON');
await_end($node, $kafka, 'offsets', 'start');
is(stat_of('offsets', q{kind, received, merged, dead_lettered, batches,
		last_received_at BETWEEN now() - interval '1 min' AND now(),
		last_committed_at >= last_received_at, last_error, next_retry_at}),
	'kafka|4|' . stat_of('offsets', 'merged') . '|1|'
	  . stat_of('offsets', 'batches') . '|t|t||', 'counters');
is(ask(q{SELECT topic, partition, next_offset, end_offset, lag, state, last_error
		FROM evaudit.stat_partitions WHERE source = 'offsets'}),
	'start|0|12|12|0|running|', 'a partition');
is(ask('SELECT count(DISTINCT user_id) FROM user_services'), 11, 'the table');

# --- pause, resume, seek

ask("SELECT evaudit.drop_source('$_')") foreach grep { $_ ne 'offsets' } keys %start;
$node->wait_for(q{SELECT count(*) FROM pg_stat_activity
	WHERE backend_type = 'evaudit worker'}, 1);
is(ask('SELECT string_agg(source, $$ $$) FROM evaudit.stat_partitions'), 'offsets',
	'of a dropped source nothing is left');

# Seek, and wait until the topic is read; returns how many events that were.
sub received_after
{
	my ($target, @users) = @_;
	my $before = stat_of('offsets', 'received');

	ask("SELECT evaudit.seek_source('offsets', '$target')");
	$node->wait_for('SELECT seek IS NULL FROM evaudit.sources');
	send_logins('start', 0, @users) if @users;
	await_end($node, $kafka, 'offsets', 'start');
	return stat_of('offsets', 'received') - $before;
}

is(received_after('earliest'), 12, 'seek to the beginning, while it runs');
is(received_after('{"0": 10}'), 2, 'to an offset');
is(received_after('{"start": {"0": 11}, "other": {"0": 0}}'), 1, 'of a topic');
is(received_after('{"7": 1}'), 0, 'or of a partition that is not there');
is(received_after('2023-11-15T07:13:20Z'), 3, 'to a time');
is(received_after('2100-01-01T00:00:00Z'), 0, 'which may be in the future');
is(received_after('latest', 'new'), 1, 'to the end');
like(error_of("SELECT evaudit.seek_source('offsets', 'yesterday')"),
	qr/invalid position to read from/, 'nowhere else');

ask("SELECT evaudit.pause_source('offsets')");
$node->wait_for(q{SELECT state || pids::text FROM evaudit.stat_sources}, 'paused{}');
my $received = stat_of('offsets', 'received');
send_logins('start', 0, 'while paused');
$node->restart;
is(stat_of('offsets', 'state'), 'paused', 'a pause outlives a restart');
is(ask(q{SELECT count(*) FROM user_services WHERE user_id = 'while paused'}), 0,
	'nothing is read meanwhile');
ask("SELECT evaudit.resume_source('offsets')");
await_end($node, $kafka, 'offsets', 'start');
is(stat_of('offsets', 'received'), 1, 'resumed where it was');

# --- alter

my $pid = worker_pids($node, 'offsets')->[0];
ask(q{SELECT evaudit.alter_source('offsets', '{"batch_size": 7, "batch_interval": "10ms"}')});
$node->wait_for("SELECT pids <> '{$pid}' AND state = 'running' AND pids <> '{}'
	FROM evaudit.stat_sources");
send_logins('start', 0, map { "a$_" } 1 .. 100);
await_end($node, $kafka, 'offsets', 'start');
is(stat_of('offsets', 'received'), 101, 'altered and on');

# After a silence the first records of each partition only tell whether it is
# the same log: those that wait behind them must not wait for something else.
$kafka->create_topic('four', 4);
ask(q{SELECT evaudit.create_source('four', 'kafka', options =>
	'{"topics": "four", "batch_size": 2, "batch_interval": "10ms"}')});
send_logins('four', $_, 'first') foreach 0 .. 3;
await_end($node, $kafka, 'four', 'four');
$node->wait_for(q{SELECT last_received_at < clock_timestamp() - interval '1 s'
	FROM evaudit.stat_sources WHERE name = 'four'});
send_logins('four', $_, map { "f$_" } 1 .. 100) foreach 0 .. 3;
my $sent = time;
await_end($node, $kafka, 'four', 'four');
cmp_ok(time - $sent, '<', 10, 'many small batches after a silence');
ask(q{SELECT evaudit.drop_source('four')});
ask(q{SELECT evaudit.alter_source('offsets', '{"batch_size": null}')});
is(ask(q{SELECT options - 'topics' - 'start' FROM evaudit.sources}),
	'{"batch_interval": "10ms"}', 'an option goes back to its default');
foreach my $bad ('{"batch_sise": 7}', '{"batch_size": 0}', '{"topics": null}',
	'{"workers": 17}', '{"start": "now"}', '{"topics": "^("}', '[]', '1',
	'{"topics": 7}', '{"topics": []}', '{"topics": ["start", 7]}', '{"topics": ""}',
	'{"topics": {"start": 0}}', '{"topics": "' . 'x' x 300 . '"}', '{"start": {"0": -1}}',
	'{"start": {"0": "1"}}', '{"start": {"start": {"0": {"0": 1}}}}',
	'{"start": {"0": 1e30}}', '{"start": "{"}', '{"start": true}')
{
	isnt(error_of("SELECT evaudit.alter_source('offsets', '$bad')"), '',
		"refused: $bad");
}
like(error_of(q{SELECT evaudit.create_source('offsets', 'kafka',
		options => '{"topics": "start"}')}), qr/already exists/, 'a name is taken');

# --- what appears later is read from its beginning, without a restart

ask(q{SELECT evaudit.drop_source('offsets')});
$kafka->create_topic('re-1', 1);
send_logins('re-1', 0, 'unseen');
read_topic($node, $kafka, 'regex', topics => '^re-[0-9]$', start => 'latest');
$node->wait_for('SELECT count(*) FROM evaudit.stat_partitions', 1);
$pid = worker_pids($node, 'regex')->[0];
$kafka->create_topic('re-2', 2);
$kafka->create_topic('re-xy', 1);
$kafka->tool('partitions', 're-1', 2);
send_logins('re-2', 1, 'topic');
send_logins('re-1', 1, 'partition');
$node->wait_for(q{SELECT count(*) FROM user_services
	WHERE user_id IN ('unseen', 'topic', 'partition')}, 2);
is(ask(q{SELECT string_agg(topic || ':' || partition, ' ' ORDER BY topic, partition)
		FROM evaudit.stat_partitions}), 're-1:0 re-1:1 re-2:0 re-2:1',
	'topics and partitions that appeared');
is(worker_pids($node, 'regex')->[0], $pid, 'by the same worker');

# a topic that is gone for good does not keep the others from being moved
$kafka->delete_topic('re-2');
ask("SELECT evaudit.seek_source('regex', 'earliest')");
ok( $node->wait_for("SELECT seek IS NULL FROM evaudit.sources", 't', deadline => 30),
	'seek in spite of a deleted topic');
await_end($node, $kafka, 'regex', 're-1');
ok( $node->wait_for(q{SELECT bool_and(state = 'stalled' AND last_error ~ 'not there')
		FROM evaudit.stat_partitions WHERE topic = 're-2'}),
	'of which it is said that it is not there');

# other topics: those before are not read any more, but keep their place
my $read = q{SELECT string_agg(DISTINCT topic, ' ') FROM evaudit.stat_partitions};
ask(q{SELECT evaudit.alter_source('regex', '{"topics": ["start", "re-xy"]}')});
await_end($node, $kafka, 'regex', $_) foreach 'start', 're-xy';
send_logins('re-1', 0, 'unwanted');
send_logins('re-xy', 0, 'altered');
await_end($node, $kafka, 'regex', 're-xy');
is(ask($read), 're-xy start', 'a source that was given other topics');
is(ask(q{SELECT string_agg(user_id, ' ') FROM user_services
		WHERE user_id IN ('altered', 'unwanted')}), 'altered', 'reads these alone');
my $received_before = stat_of('regex', 'received');
ask(q{SELECT evaudit.alter_source('regex', '{"topics": "^re-1$"}')});
await_end($node, $kafka, 'regex', 're-1');
is(ask($read) . '|' . (stat_of('regex', 'received') - $received_before), 're-1|1',
	'and goes on where it was when it gets the former ones again');

# --- a scheduler that is ended leaves no worker behind that nobody tends

my $scheduler = q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'evaudit scheduler'};
$pid = worker_pids($node, 'regex')->[0];
ask("SELECT pg_terminate_backend(($scheduler), 10000)");
ok( $node->wait_for(qq{SELECT s.pids = array_agg(a.pid) AND s.pids <> '{$pid}'
		FROM pg_stat_activity a, evaudit.stat_sources s
		WHERE backend_type = 'evaudit worker' GROUP BY s.pids}),
	'the next one begins anew');

# --- an owner that cannot log in, as the server demands of a worker's role

ask(q{CREATE ROLE reader; GRANT USAGE ON FOREIGN SERVER kafka TO reader;
	GRANT SELECT, INSERT, UPDATE ON user_services TO reader;
	SET ROLE reader;
	SELECT evaudit.create_source('group', 'kafka', options => '{"topics": "re-1"}')});
$node->wait_for(q{SELECT state = 'backoff' AND last_error ~ 'not permitted to log in'
	FROM evaudit.stat_sources WHERE name = 'group'});
ask('ALTER ROLE reader LOGIN');
await_end($node, $kafka, 'group', 're-1');
is(ask(q{SELECT count(*) FROM user_services WHERE user_id = 'unseen'}), 1,
	'once it may, it does');

done_testing();
