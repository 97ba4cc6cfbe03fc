# What a queue service does to its clients: nothing ends the worker, nothing is
# lost, and the view says what is wrong.

use strict;
use warnings;

use Evaudit::Aws;
use Evaudit::Cluster;
use Evaudit::Pipeline;
use Evaudit::Sqs;
use Test::More;

my $node = Evaudit::Cluster->new('main');
my $aws = Evaudit::Aws->new;
my $sqs = $aws->queue;

add_aws($node, $aws->endpoint);
my $n = 0;

# Send a login and wait until it has arrived.
sub passes
{
	my ($what) = @_;
	$n++;
	$sqs->send('logins', login('u', "s$n", $n));
	$node->wait_for(
		"SELECT count(*) FROM user_services WHERE service_id = 's$n'", '1');
	await_queue($sqs, 'logins');
	$node->wait_for(
		'SELECT state, next_retry_at IS NULL FROM evaudit.stat_sources',
		'running|t');
	pass($what);
	return;
}

# Wait until the view shows an error.
sub await_error
{
	my ($pattern) = @_;
	$node->wait_for(qq{
		SELECT state = 'backoff' AND next_retry_at IS NOT NULL
			AND last_error ~ '$pattern' FROM evaudit.stat_sources});
	return;
}

# a queue that is not there yet
read_queue($node, 'logins', 'logins');
await_error('QueueDoesNotExist|does not exist');
my $pid = worker_pids($node, 'logins')->[0];
$sqs->create_queue('logins', VisibilityTimeout => 4);
passes('the queue is made, and read');

# deleted, and made again
$sqs->delete_queue('logins');
await_error('QueueDoesNotExist|does not exist');
$sqs->create_queue('logins', VisibilityTimeout => 4);
passes('made anew, it is read again');

# throttled, out of order, and cut; receives and deletes alike
$aws->rules(
	{ operation => 'ReceiveMessage', status => 400, times => 3,
		error => 'RequestThrottled' },
	{ operation => 'DeleteMessageBatch', status => 503, times => 2 },
	{ operation => 'ReceiveMessage', cut => 'before', times => 2 },
	{ operation => 'DeleteMessageBatch', cut => 'answer', times => 1 });
passes('storms pass');

# denied
$aws->rules({ operation => 'ReceiveMessage', status => 403,
	error => 'AccessDenied' });
$sqs->send('logins', login('u', 'wake', 1));
await_error('AccessDenied');
$aws->forget;
$aws->rules;
await_queue($sqs, 'logins');
passes('what is denied is tried again');

# entries of a delete fail, and are tried again by themselves
$aws->rules({ operation => 'DeleteMessageBatch', fail_entries => 2,
	error => 'InternalError', times => 2 });
$sqs->send('logins', map { login('many', $_, 1) } 1 .. 10);
await_queue($sqs, 'logins');
$aws->rules;
is( $node->safe_psql('postgres', q{
		SELECT count(*) FROM user_services WHERE user_id = 'many'}),
	'10', 'failed entries are deleted in the end');

is(worker_pids($node, 'logins')->[0], $pid, 'all that is one worker');

# messages of a batch that waits stay ours
$node->safe_psql('postgres', q{
	SELECT evaudit.alter_source('logins', '{"batch_interval": "6s"}')});
$node->wait_for(qq{SELECT pids <> '{}' AND pids <> '{$pid}'
	FROM evaudit.stat_sources});
$sqs->send('logins', login('first', 's', 1));     # a batch of its own
await_queue($sqs, 'logins');
$aws->forget;
$sqs->send('logins', map { login('held', $_, 1) } 1 .. 3);
$node->wait_for(
	q{SELECT count(*) FROM user_services WHERE user_id = 'held'}, '3');
await_queue($sqs, 'logins');
cmp_ok($aws->count('ChangeMessageVisibilityBatch'), '>=', 1,
	'a batch that waits asks for more time');

done_testing();
