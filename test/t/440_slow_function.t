# A function that takes longer than the queue hides a message: each message has
# its effect once, none is delivered again, and none gets to the queue of dead
# letters; whether it is slow from the start or becomes so.

use strict;
use warnings;

use Evaudit::Aws;
use Evaudit::Cluster;
use Evaudit::Pipeline;
use Evaudit::Sqs;
use JSON::PP;
use Test::More;

my $node = Evaudit::Cluster->new('main', conf => "log_statement = none\n");
my $aws = Evaudit::Aws->new;
my $sqs = $aws->queue;

sub ask { return $node->safe_psql('postgres', $_[0]); }

# A function without "keep": what it does twice is seen twice.  How long it
# takes for an event, in seconds, is in a table: it waits for a lock that is
# never given.
my $holder = $node->background_psql('postgres');
$holder->query_safe('SELECT pg_advisory_lock(1)');
ask(q{
	CREATE TABLE pace (seconds float);
	INSERT INTO pace VALUES (0.4);
	CREATE TABLE effects (id text, receive_count int);
	CREATE FUNCTION note(events evaudit.event[]) RETURNS void LANGUAGE plpgsql AS $$
	DECLARE e evaudit.event;
	BEGIN
		FOREACH e IN ARRAY events LOOP
			PERFORM set_config('lock_timeout', (1000 * seconds)::text, true)
				FROM public.pace;
			BEGIN
				PERFORM pg_advisory_xact_lock(1) FROM public.pace WHERE seconds > 0;
			EXCEPTION WHEN lock_not_available THEN
			END;
			PERFORM set_config('lock_timeout', '0', true);
			INSERT INTO public.effects VALUES (e.payload->>'id',
				(e.source_position->>'receive_count')::int);
		END LOOP;
	END $$;
	SELECT evaudit.create_topic('slow', options =>
		'{"project": "public.note", "keep": false}')});
add_aws($node, $aws->endpoint);

# Send messages with ids of a prefix.
sub send_ids
{
	my ($queue, $prefix, $n) = @_;
	$sqs->send($queue, map { encode_json({ id => "$prefix$_" }) } 1 .. $n);
	return;
}

# Make a queue that hides for some seconds, and a queue of dead letters for
# what is received twice.
sub make_queue
{
	my ($name, $visibility) = @_;
	$sqs->create_queue("$name-dead");
	$sqs->create_queue($name, VisibilityTimeout => $visibility,
		RedrivePolicy => encode_json({ maxReceiveCount => 2,
			deadLetterTargetArn => "arn:aws:sqs:us-east-1:000000000000:$name-dead" }));
	return;
}

# Each of n messages had its effect once, at its first delivery.
sub is_once
{
	my ($queue, $prefix, $n, $what) = @_;
	await_queue($sqs, $queue);
	is(ask("SELECT count(*), count(DISTINCT id), max(receive_count) FROM effects
			WHERE id ^\@ '$prefix'"), "$n|$n|1", $what);
	is($sqs->counts("$queue-dead")->{all}, 0, 'no message was given up');
	is(ask("SELECT state, last_error FROM evaudit.stat_sources WHERE name = '$queue'"),
		'running|', 'and nothing is wrong');
	return;
}

# slow from the start: ten messages take as long as they are hidden
make_queue('slow', 4);
send_ids('slow', 's', 40);
read_queue($node, 'slow', 'slow', topic => 'slow');
is_once('slow', 's', 40, 'a slow function');

# the first batch has ten messages at most, and each one after it takes no more
# than a quarter of the time for which they are hidden: two messages
$node->wait_for('SELECT received FROM evaudit.stat_sources', 40);
cmp_ok(ask('SELECT batches FROM evaudit.stat_sources'), '>=', 1 + 30 / 2,
	'batches are as small as they are slow');

# a single message takes longer than it is hidden
ask('UPDATE pace SET seconds = 5');
make_queue('long', 2);
send_ids('long', 'l', 3);
read_queue($node, 'long', 'long', topic => 'slow');
is_once('long', 'l', 3, 'a message that takes longer than it is hidden');

# it becomes slow, while further messages come
ask('UPDATE pace SET seconds = 0');
make_queue('turns', 4);
send_ids('turns', 'f', 200);
read_queue($node, 'turns', 'turns', topic => 'slow');
is_once('turns', 'f', 200, 'a fast function');
ask('BEGIN; UPDATE pace SET seconds = 0.2; COMMIT');
send_ids('turns', 't', 30);
send_ids('turns', 'v', 30);
await_queue($sqs, 'turns');
is(ask("SELECT count(*), count(DISTINCT id) FROM effects WHERE id ~ '^[tv]'"),
	'60|60', 'one that becomes slow');

# what keeps it waiting is a lock, and it is told of nothing else
ask('UPDATE pace SET seconds = 0');
my $blocker = $node->background_psql('postgres');
$blocker->query_safe('BEGIN; LOCK TABLE effects');
send_ids('turns', 'w', 20);
$node->wait_for(q{SELECT count(*) > 0 FROM pg_locks WHERE NOT granted});
my $begin = time;
wait_until(sub { time - $begin > 9 }, 'messages to become visible, if they do');
$blocker->query_safe('COMMIT');
$blocker->quit;
await_queue($sqs, 'turns');
is(ask("SELECT count(*), count(DISTINCT id) FROM effects WHERE id ^\@ 'w'"),
	'20|20', 'one that waits for a lock');
ok(!$node->log_contains('timed out'), 'the service is not said to have timed out');

# --- a service that does not extend: that is what is said

ask('UPDATE pace SET seconds = 3');
make_queue('refused', 2);
$aws->rules({ operation => 'ChangeMessageVisibilityBatch', status => 403,
		error => 'AccessDenied' });
send_ids('refused', 'r', 1);
read_queue($node, 'refused', 'refused', topic => 'slow');
ok($node->wait_for(q{SELECT last_error ~ 'could not keep messages of queue "refused" hidden during a transaction of 3'
	FROM evaudit.stat_sources WHERE name = 'refused'}), 'the true cause is named');

$holder->quit;
done_testing();
