# The process of a sink is killed at each step of a transaction in Kafka, right
# after the commit, too, when the database does not know of it; and a fatal
# error of librdkafka's takes its producer away.  Each event is there once.  So
# they are where the transaction was begun before its batch was decided.

use strict;
use warnings;

use Evaudit::Cluster;
use Evaudit::Kafka;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => Evaudit::Kafka::unavailable()
  if Evaudit::Kafka::unavailable();
plan skip_all => 'EVAUDIT_PRELOAD is not set' unless $ENV{EVAUDIT_PRELOAD};

my $kafka = Evaudit::Kafka->new;
$kafka->start;
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
		OPTIONS ("bootstrap.servers" '$servers')});

my $next = 1;

# Publish some events, let the process fail at a step, and wait for them.
sub fail_at
{
	my ($topic, $step) = @_;
	my $last = $next + 4;

	truncate $step_file, 0 if -e $step_file;
	append_to_file($step_file, $step);

	# the server restarts with the process, and may end this session; an event
	# that was committed is not published again
	$node->wait_for("SELECT count(evaudit.publish('$topic', '{}', 'e' || n))"
		  . " FROM generate_series($next, $last) n", 5);
	$node->wait_for("SELECT pending, state FROM evaudit.stat_sinks"
		  . " WHERE name = '$topic'", '0|running');
	is(-s $step_file, 0, "$topic: it failed at \"$step\"");
	$next = $last + 1;
	return map { $_->{headers}{id} } @{ $kafka->records($topic) };
}

sub make_sink
{
	my ($topic) = @_;
	$kafka->create_topic($topic, 1);
	$node->safe_psql('postgres', qq{
		SELECT evaudit.create_topic('$topic');
		SELECT evaudit.create_sink('$topic', 'kafka', '{$topic}',
			'{"delivery": "$topic"}')});
	$next = 1;
	return;
}

make_sink('exactly_once');
foreach my $step ('begin', 'produce', 'number', 'commit', 'committed', 'committed', 'fatal')
{
	my @ids = fail_at('exactly_once', $step);
	is("@ids", join(' ', map { "e$_" } 1 .. $next - 1),
		'and each event is there once, in order');
}

make_sink('at_least_once');
foreach my $step ('produce', 'fatal')
{
	my %seen;
	my @ids = grep { !$seen{$_}++ } fail_at('at_least_once', $step);
	is("@ids", join(' ', map { "e$_" } 1 .. $next - 1),
		'and each event is there, in order');
}

# the transaction of the second batch is begun when the first is committed, with
# the number of e3 and e4 as they are then; e3 is held behind e1 of its key
$kafka->create_topic('ahead', 1);
$kafka->configure('ahead', 'max.message.bytes' => 3000);
truncate $step_file, 0;
$node->safe_psql('postgres', q{
	SELECT evaudit.create_topic('ahead', NULL, '{"key": "/k"}');
	BEGIN;
	SELECT evaudit.create_sink('ahead', 'kafka', '{ahead}',
		'{"batch_size": 2, "on_failure": "block"}');
	SELECT evaudit.pause_sink('ahead');
	COMMIT;
	SELECT evaudit.publish('ahead', jsonb_build_object('k', k, 'x', repeat('x', length)), id)
	FROM (VALUES ('e1', 'a', 9000), ('e2', 'b', 1), ('e3', 'a', 1), ('e4', 'c', 1))
		v(id, k, length)});
append_to_file($step_file, 'committed 2');
$node->wait_for(q{SELECT count(*) FROM (SELECT evaudit.resume_sink('ahead')) s}, 1);
$node->wait_for(q{SELECT pending, parked, blocked_keys, state
	FROM evaudit.stat_sinks WHERE name = 'ahead'}, '0|1|1|blocked');
is(-s $step_file, 0, 'it failed after its second transaction');
is(join(' ', map { $_->{headers}{id} } @{ $kafka->records('ahead') }), 'e2 e4',
	'and its number is that of what the batch turned out to hold');

done_testing();
