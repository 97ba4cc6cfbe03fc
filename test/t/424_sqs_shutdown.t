# A worker that ends leaves nothing hidden in the queue that it has not done.

use strict;
use warnings;

use Evaudit::Aws;
use Evaudit::Cluster;
use Evaudit::Pipeline;
use Evaudit::Sqs;
use Test::More;
use Time::HiRes qw(time);

my $node = Evaudit::Cluster->new('main');
my $aws = Evaudit::Aws->new;
my $sqs = $aws->queue;

add_aws($node, $aws->endpoint);

$sqs->create_queue('logins', VisibilityTimeout => 600);
read_queue($node, 'logins', 'logins', batch_interval => '60s');
$sqs->send('logins', login('first', 's', 1));     # a batch of its own
$node->wait_for('SELECT count(*) FROM user_services', '1');
await_queue($sqs, 'logins');

# a batch that waits is put back
$sqs->send('logins', map { login('held', $_, 1) } 1 .. 25);
await_queue($sqs, 'logins', in_flight => 25);
my $start = time();
$node->safe_psql('postgres', q{SELECT evaudit.pause_source('logins')});
await_queue($sqs, 'logins', visible => 25, in_flight => 0);
$node->wait_for(q{SELECT pids = '{}' FROM evaudit.stat_sources});
cmp_ok(time() - $start, '<', 30, 'a pause puts back what is not done');
is($node->safe_psql('postgres', 'SELECT count(*) FROM user_services'), '1',
	'which has had no effect');
$aws->forget;
is( $node->safe_psql('postgres', 'SELECT state FROM evaudit.stat_sources'),
	'paused', 'the source is paused');

# an answer that comes when the source is paused already
$node->safe_psql('postgres', q{
	SELECT evaudit.alter_source('logins', '{"batch_interval": "10ms"}')});
$node->safe_psql('postgres', q{SELECT evaudit.resume_source('logins')});
await_queue($sqs, 'logins');
my $pid = worker_pids($node, 'logins')->[0];
$node->safe_psql('postgres', q{SELECT evaudit.pause_source('logins')});
$node->wait_for('SELECT state FROM evaudit.source_stats()', 'stopped');
$sqs->send('logins', login('late', 's', 1));
$node->wait_for(q{SELECT pids = '{}' FROM evaudit.stat_sources});
$node->safe_psql('postgres', q{SELECT evaudit.resume_source('logins')});
$node->wait_for(
	q{SELECT count(*) FROM user_services WHERE user_id = 'late'}, '1');
await_queue($sqs, 'logins');
pass('is not lost');

# messages that wait for their delete are deleted before the end
$aws->rules({ operation => 'DeleteMessageBatch', delay => 1, times => 3 });
$sqs->send('logins', map { login('deleted', $_, 1) } 1 .. 25);
$node->wait_for(
	q{SELECT count(*) FROM user_services WHERE user_id = 'deleted'}, '25');
$node->stop('fast');
is($sqs->counts('logins')->{all}, 0, 'a shutdown deletes what is committed');

# a service that hangs holds nothing up for long
$aws->rules;
$aws->forget;
$node->start;
$node->wait_for(q{SELECT pids <> '{}' FROM evaudit.stat_sources});
wait_until(sub { $aws->count('ReceiveMessage') > 0 }, 'a receive');
$aws->freeze;
$start = time();
$node->stop('fast');
cmp_ok(time() - $start, '<', 30, 'a shutdown does not wait for a service that hangs');
$aws->thaw;

done_testing();
