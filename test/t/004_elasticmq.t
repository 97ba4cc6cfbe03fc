# The queue server of tests: what Evaudit::ElasticMQ and Evaudit::Queue promise.

use strict;
use warnings;

use Evaudit::ElasticMQ;
use Evaudit::Pipeline;
use Test::More;

plan skip_all => Evaudit::ElasticMQ::unavailable()
  if Evaudit::ElasticMQ::unavailable();

my $emq = Evaudit::ElasticMQ->new;
$emq->start;
my $sqs = $emq->queue;

# messages come out as they went in
my $url = $sqs->create_queue('logins', VisibilityTimeout => 30);
is($url, $emq->endpoint . '/000000000000/logins', 'a queue has a URL');
my @bodies = map { "body $_, \x{e9}\x{20ac}" } 1 .. 25;
my @ids = $sqs->send('logins', @bodies);
is(scalar(@ids), 25, 'each message has an id');
is_deeply(
	$sqs->counts('logins'),
	{ visible => 25, in_flight => 0, delayed => 0, all => 25 },
	'all of them wait');
my %got;
while (my @messages = $sqs->receive('logins'))
{
	$got{ $_->{MessageId} } = $_->{Body} foreach @messages;
}
is_deeply(\%got, { map { $ids[$_] => $bodies[$_] } 0 .. 24 },
	'each is received once, as it was sent');
is($sqs->counts('logins')->{in_flight}, 25, 'and is in flight');

# a group of a FIFO queue is blocked by the message in flight
$sqs->create_queue('a.fifo', FifoQueue => 'true', VisibilityTimeout => 30);
$sqs->send('a.fifo',
	map {
		+{ MessageBody => "$_", MessageGroupId => $_ % 2 . '',
			MessageDeduplicationId => "$_" };
	} 1 .. 4, 4);
is($sqs->counts('a.fifo')->{all}, 4, 'a duplicate is dropped');
my @first = $sqs->receive('a.fifo', MaxNumberOfMessages => 1);
my @others = $sqs->receive('a.fifo');
is(scalar(@first), 1, 'one of four');
ok(!(grep { $_->{Body} % 2 == $first[0]{Body} % 2 } @others),
	'a group waits for its message in flight');
$sqs->call('ChangeMessageVisibility', {
	QueueUrl => $sqs->url('a.fifo'),
	ReceiptHandle => $_->{ReceiptHandle},
	VisibilityTimeout => 0 }) foreach @first, @others;
wait_until(sub { $sqs->counts('a.fifo')->{visible} == 4 }, 'all to be there');
is_deeply(
	[ sort { $a % 2 <=> $b % 2 } map { $_->{Body} } $sqs->receive('a.fifo') ],
	[ 2, 4, 1, 3 ], 'and comes again in order');

# it can be killed and started again
$emq->kill9;
ok(!$emq->running, 'it is gone');
$emq->start;
eval { $emq->queue->counts('logins'); };
like($@, qr/QueueDoesNotExist|NonExistentQueue/, 'its queues went with it');
$emq->stop;

done_testing();
