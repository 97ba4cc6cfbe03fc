# Sinks to topics of SNS, read back from queues that are subscribed to them:
# batches of ten, FIFO topics, entries that fail, topics that are not there.

use strict;
use warnings;

use Evaudit::Aws;
use Evaudit::Cluster;
use Evaudit::Moto;
use Evaudit::Sqs;
use JSON::PP;
use Test::More;

plan skip_all => Evaudit::Moto::unavailable() if Evaudit::Moto::unavailable();

my $moto = Evaudit::Moto->new;
$moto->start;
my $sqs = $moto->queue;
my $aws = Evaudit::Aws->new(target => $moto->endpoint);
my $node = Evaudit::Cluster->new('main',
	conf => "evaudit.max_backoff = '300ms'\n");

add_aws($node, $aws->endpoint);
$node->safe_psql('postgres', q{
	SELECT evaudit.create_topic('orders', NULL, '{"key": "/customer"}')});

# Make a topic with a queue that gets its messages as they are.
sub create_topic
{
	my ($name, $queue, %attributes) = @_;
	my $topic = $moto->call('sns', 'create_topic', { Name => $name,
		%attributes ? (Attributes => \%attributes) : () })->{TopicArn};

	$sqs->create_queue($queue, VisibilityTimeout => 300,
		$queue =~ /fifo$/ ? (FifoQueue => 'true') : ());
	$moto->call('sns', 'subscribe', { TopicArn => $topic, Protocol => 'sqs',
		Endpoint => $moto->arn($queue),
		Attributes => { RawMessageDelivery => 'true' } });
	return;
}

sub sink
{
	my ($name, $topic, %options) = @_;
	my $json = encode_json({ service => 'sns',
		topic_arn => "arn:aws:sns:us-east-1:123456789012:$topic", %options });

	$node->safe_psql('postgres',
		qq{SELECT evaudit.create_sink('$name', 'aws', '{orders}', \$\$$json\$\$)});
	return;
}

sub publish { return $node->publish_orders(@_); }

sub messages { return $sqs->messages(@_); }

sub numbers { return sort { $a <=> $b } map { decode_json($_->{Body})->{n} } @_; }

# --- a topic that is not there, and one

sink('out', 'out');
$node->wait_for(q{SELECT state = 'backoff' AND last_error ~ 'NotFound'
	FROM evaudit.stat_sinks});
my @all = publish(95, 40);
is($aws->count('PublishBatch'), 0, 'a topic that is not there is sent nothing');
is($node->safe_psql('postgres', q{SELECT ok FROM evaudit.check_server('aws')
	WHERE check_name LIKE 'sink%'}), 'f', 'and check_server() says so');
# nothing may come before the queue is subscribed
$aws->rules({ operation => 'PublishBatch', status => 503, text => '' });
create_topic('out', 'seen');
$aws->rules;
my @got = messages('seen', 95);
is_deeply([ numbers(@got) ], \@all, 'what waited is sent once it is there');
my ($first) = grep { decode_json($_->{Body})->{n} == 1 } @got;
is_deeply({ map { $_ => $first->{MessageAttributes}{$_}{StringValue} } qw(topic event_id) },
	{ topic => 'orders', event_id => 'e1' }, 'topic and id are attributes');
my @entries = map { scalar(() = $_->{body} =~ /\.Id=/g) }
  grep { $_->{status} == 200 } @{ $aws->requests('PublishBatch') };
cmp_ok((sort { $b <=> $a } @entries)[0], '==', 10, 'requests of up to ten');
cmp_ok(scalar(@entries), '<=', 25, 'and not many of them');
is($node->safe_psql('postgres', q{SELECT ok FROM evaudit.check_server('aws')
	WHERE check_name LIKE 'sink%'}), 't', 'check_server() sees it');

# --- too large

$node->safe_psql('postgres', q{
	SELECT evaudit.publish('orders', jsonb_build_object('n', 1000, 'customer', 'c',
		'x', repeat('x', 262144)), 'large');
	SELECT evaudit.publish('orders', '{"n": 1001, "customer": "c"}', 'after')});
is_deeply([ numbers(messages('seen', 1)) ], [1001], 'what is behind one that is too large is sent');
is($node->safe_psql('postgres', 'SELECT event_id, state, code FROM evaudit.deliveries'),
	'large|parked|TooLarge', 'which is parked');

# --- throttled, denied, and half failing

$aws->rules(
	{ operation => 'PublishBatch', status => 400, times => 2, text =>
		  '<ErrorResponse><Error><Type>Sender</Type><Code>Throttled</Code><Message>m</Message></Error></ErrorResponse>' },
	{ operation => 'PublishBatch', status => 503, text => '<html>', times => 1 },
	{ operation => 'PublishBatch', cut => 'before', times => 1 });
@all = publish(20, 20);
is_deeply([ numbers(messages('seen', 20)) ], \@all, 'through throttles and errors');
$aws->rules({ operation => 'PublishBatch', status => 403, text =>
	  '<ErrorResponse><Error><Type>Sender</Type><Code>AuthorizationError</Code><Message>m</Message></Error></ErrorResponse>' });
@all = publish(5, 5);
$node->wait_for(q{SELECT state = 'backoff' AND last_error ~ 'PublishBatch.*AuthorizationError'
	FROM evaudit.stat_sinks});
$aws->rules;
is_deeply([ numbers(messages('seen', 5)) ], \@all, 'denied, and allowed again');
$node->safe_psql('postgres', q{SELECT evaudit.drop_sink('out')});

# --- FIFO

create_topic('out.fifo', 'seen.fifo', FifoTopic => 'true', ContentBasedDeduplication => 'false');
sink('fifo', 'out.fifo');

# the answer says of the first entry of each request that it failed; the topic
# has it, and drops what is sent again
$aws->rules({ operation => 'PublishBatch', times => 4, replace => [
	'(?s)<Successful>\s*<member>.*?<Id>(\w+)</Id>.*?</member>(.*?)</Successful>.*?</PublishBatchResult>',
	'<Successful>\2</Successful><Failed><member><Id>\1</Id><Code>InternalFailure</Code>'
	  . '<Message>m</Message><SenderFault>false</SenderFault></member></Failed></PublishBatchResult>' ] });
@all = publish(40, 4);
$node->wait_for(q{SELECT delivered, pending FROM evaudit.stat_sinks WHERE name = 'fifo'},
	'40|0');
@got = messages('seen.fifo', 40);
is_deeply([ numbers(@got) ], \@all, 'FIFO: each once, through entries that fail');
my (%last, @late);
foreach (@got)
{
	my $event = decode_json($_->{Body});
	my $group = $_->{Attributes}{MessageGroupId};
	push @late, $event if $event->{n} < ($last{$group} // 0) || $group ne $event->{customer};
	$last{$group} = $event->{n};
}
is_deeply(\@late, [], 'each group is a key, in order');
is_deeply([ sort map { $_->{Attributes}{MessageDeduplicationId} } @got ],
	[ sort map { "e$_" } @all ], 'the id of each is the event\'s');
my @requests = @{ $aws->requests('PublishBatch') };
my $again = grep { $_->{body} =~ /\.Id=/ } @requests;
cmp_ok($again, '>', 10, 'what failed was sent again');
$aws->rules;

# an entry that can never go, by its index
$aws->rules({ operation => 'PublishBatch', body => 'poison', replace => [
	'(?s)<member>(?:(?!</member>).)*<Id>0</Id>.*?</member>(.*?)</Successful>.*?</PublishBatchResult>',
	'\1</Successful><Failed><member><Id>0</Id><Code>InvalidParameter</Code>'
	  . '<Message>m</Message><SenderFault>true</SenderFault></member></Failed></PublishBatchResult>' ] });
$node->safe_psql('postgres', q{
	SELECT evaudit.publish('orders', '{"n": 2000, "customer": "a", "x": "poison"}', 'poison'),
		evaudit.publish('orders', '{"n": 2001, "customer": "b"}', 'good')});
$node->wait_for(q{SELECT event_id || ' ' || code FROM evaudit.deliveries
	WHERE sink = 'fifo'}, 'poison InvalidParameter');
$node->wait_for(q{SELECT pending FROM evaudit.stat_sinks WHERE name = 'fifo'}, 0);
pass('an entry that is refused is parked, and no other');
$aws->rules;
$node->safe_psql('postgres', q{SELECT evaudit.drop_sink('fifo')});

# --- signed, as the service itself checks it; moto signs the form as it would
# have encoded it, which is another one where there are spaces

my $user = $moto->create_user('sender', 'sns:*');
my $endpoint = $moto->endpoint;
$moto->require_signatures;
$node->safe_psql('postgres', qq{
	CREATE SERVER direct FOREIGN DATA WRAPPER evaudit_aws
		OPTIONS (region 'us-east-1', endpoint_url '$endpoint');
	CREATE USER MAPPING FOR CURRENT_USER SERVER direct
		OPTIONS (access_key_id '$user->{key}', secret_access_key '$user->{secret}');
	SELECT evaudit.create_sink('signed', 'direct', '{orders}',
		'{"service": "sns", "topic_arn": "arn:aws:sns:us-east-1:123456789012:out"}');
	SELECT evaudit.publish('orders', '{}', 'signed')});
$node->wait_for(q{SELECT delivered FROM evaudit.stat_sinks}, 1);
pass('a request that is signed is taken');

$node->stop;
done_testing();
