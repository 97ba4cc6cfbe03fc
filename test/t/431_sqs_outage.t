# Errors of a queue: storms, cut answers, entries that fail, silence, a
# queue that is gone.  It is seen in stat_sources, passes by itself, and every
# login has its effect.

use strict;
use warnings;

use Evaudit::Aws;
use Evaudit::Cluster;
use Evaudit::Pipeline;
use Evaudit::Sqs;
use JSON::PP;
use Test::More;

my $node = Evaudit::Cluster->new('main');
my $aws = Evaudit::Aws->new;
my $sqs = $aws->queue;
my $round = 0;

# Send logins of a new user, as many as services; in any order, some twice.
sub send_logins
{
	my ($count) = @_;
	my @logins;

	$round++;
	push @logins, map { login("u$round", $_, $_) } 1 .. $count;
	push @logins, map { login("u$round", $_, -$_) } 1 .. $count / 10;
	$sqs->send('logins', reverse(@logins), @logins[ 0 .. $count / 10 ]);
	return;
}

# Wait until all that was sent last has had its effect and is gone.
sub is_done
{
	my ($count, $what) = @_;

	await_queue($sqs, 'logins');
	is( $node->safe_psql('postgres', qq{
			SELECT count(*), sum(extract(epoch FROM last_accessed)::bigint
				- 1700000000 - service_id::bigint)
			FROM user_services WHERE user_id = 'u$round'}),
		"$count|0", $what);
	return;
}

# What the view says of the source.
sub status
{
	my ($columns) = @_;
	return $node->safe_psql('postgres',
		"SELECT $columns FROM evaudit.stat_sources WHERE name = 'logins'");
}

# The receives that wait for an answer.
sub polls
{
	return grep { !defined $_->{status} } @{ $aws->requests('ReceiveMessage') };
}

$sqs->create_queue('logins', VisibilityTimeout => 2);
add_aws($node, $aws->endpoint, request_timeout => '1s');
read_queue($node, 'logins', 'logins');

# what an idle source costs: one receive at a time, as long as there can be
send_logins(200);
is_done(200, 'a quiet time');
wait_until(sub { polls() == 1 }, 'a single poll');
is_deeply([ map { decode_json($_->{body})->{WaitTimeSeconds} } polls() ],
	[20], 'an idle source asks but once in 20 seconds');

# a storm of errors on everything
$aws->rules(
	{ operation => 'ReceiveMessage|DeleteMessageBatch', status => 503,
		chance => 0.2, text => '<html>Slow down</html>' },
	{ operation => 'ReceiveMessage|DeleteMessageBatch', status => 500,
		chance => 0.2, error => 'InternalError' });
send_logins(300);
is_done(300, 'a storm of 5xx');
ok($node->wait_for('SELECT state, last_error FROM evaudit.stat_sources', 'running|'),
	'which is over then');
ok($node->log_contains(qr/ of queue "logins": /), 'and was said');

# throttling, as it comes in three ways
$aws->rules(
	{ operation => 'ReceiveMessage', status => 400, times => 1,
		error => 'com.amazonaws.sqs#RequestThrottled' },
	{ operation => 'ReceiveMessage', status => 429, times => 1,
		text => '<html>Too many</html>' },
	{ operation => 'DeleteMessageBatch', status => 400, times => 2,
		error => 'ThrottlingException' });
send_logins(300);
is_done(300, 'throttling');

# too many messages in flight: receives pause and deletes go on
$aws->rules(
	{ operation => 'ReceiveMessage', status => 403, after => 5, times => 1,
		error => 'OverLimit' });
send_logins(300);
is_done(300, 'too many in flight');

# answers that end too early, before or after the call had its effect
$aws->rules(
	map { +{ operation => 'ReceiveMessage|DeleteMessageBatch', after => 3,
			times => 2, cut => $_ } } 'before', 'answer', 'after');
send_logins(300);
is_done(300, 'cut answers');

# entries of a batch that fail
$aws->rules(
	{ operation => 'DeleteMessageBatch', fail_entries => 3, times => 5,
		error => 'InternalError' },
	{ operation => 'DeleteMessageBatch', fail_entries => 2, times => 1,
		error => 'ReceiptHandleIsInvalid', sender_fault => JSON::PP::true });
send_logins(300);
is_done(300, 'entries that fail');

# silence
$aws->rules({ operation => 'DeleteMessageBatch|Get.*', hang => JSON::PP::true });
send_logins(300);
wait_until(sub { status('state') eq 'backoff' }, 'the end of patience');
like(status('last_error'), qr/\S/, 'silence is not waited out');
$aws->rules;
is_done(300, 'silence');
wait_until(sub { status('state') eq 'running' }, 'the state');

# the queue is gone, and comes again
my $pid = status('pids');
$sqs->delete_queue('logins');
wait_until(sub { status('state') eq 'backoff' }, 'the queue to be missed');
like(status('last_error'), qr/does not exist|QueueDoesNotExist/,
	'a missing queue is missed');
ok(status('next_retry_at > now()'), 'and looked for');
$sqs->create_queue('logins', VisibilityTimeout => 2);
send_logins(300);
is_done(300, 'a queue made again');
is(status('pids'), $pid, 'all by the same process');

# not allowed
$aws->rules({ operation => 'ReceiveMessage', status => 403, times => 2,
	error => 'AccessDeniedException' });
send_logins(300);
is_done(300, 'access denied');
ok($node->log_contains(qr/as the test wants it/), 'which was said');

# a receive is answered after the source was paused
wait_until(sub { polls() == 1 }, 'a single poll');
$aws->rules({ operation => 'ReceiveMessage', hold => JSON::PP::true });
send_logins(100);
wait_until(sub { $sqs->counts('logins')->{in_flight} > 0 }, 'a receive');
$node->safe_psql('postgres', "SELECT evaudit.pause_source('logins')");
$node->wait_for('SELECT state FROM evaudit.source_stats()', 'stopped');
$aws->rules;
$node->wait_for("SELECT state, pids FROM evaudit.stat_sources", 'paused|{}');
wait_until(sub { $sqs->counts('logins')->{in_flight} == 0 },
	'messages to be put back');
cmp_ok($sqs->counts('logins')->{visible}, '>', 0, 'what comes late waits');
$node->safe_psql('postgres', "SELECT evaudit.resume_source('logins')");
is_done(100, 'and is done when the source is resumed');

is($node->safe_psql('postgres', 'SELECT count(*) FROM evaudit.dead_letters'),
	'0', 'none of it made a dead letter');

done_testing();
