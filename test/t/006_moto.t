# The services of AWS for tests: what Evaudit::Moto promises, and that the
# fault server takes and refuses the same signatures.

use strict;
use warnings;

use Evaudit::Aws;
use Evaudit::Boto;
use Evaudit::Moto;
use JSON::PP;
use Test::More;

plan skip_all => Evaudit::Moto::unavailable()
  if Evaudit::Moto::unavailable();

my $moto = Evaudit::Moto->new;
$moto->start;
my $sqs = $moto->queue;

# SNS and EventBridge reach a queue
my $url = $sqs->create_queue('accounts', VisibilityTimeout => 30);
my $topic = $moto->create_topic('deleted', 'accounts');
my $id = $moto->publish($topic, '{"email": "a@example.com"}');
$moto->create_rule('rule', 'accounts', { source => ['app'] });
$moto->call('events', 'put_events', { Entries => [
	{ Source => 'app', DetailType => 'deleted', Detail => '{"n": 1}' },
	{ Source => 'other', DetailType => 'deleted', Detail => '{"n": 2}' } ] });
my ($sns, $event) = map { decode_json($_->{Body}) } $sqs->receive('accounts');
is_deeply([ @$sns{qw(MessageId TopicArn Message)} ],
	[ $id, $topic, '{"email": "a@example.com"}' ], 'an envelope of SNS');
is_deeply([ @$event{qw(source detail-type detail)} ],
	[ 'app', 'deleted', { n => 1 } ], 'and one of EventBridge');
is($sqs->counts('accounts')->{visible}, 0, 'of what the rule matches');

# signatures and policies
my $may = $moto->create_user('may', 'sqs:ReceiveMessage', 'sts:AssumeRole');
my $may_not = $moto->create_user('may-not', 'sqs:SendMessage');
my $arn = $moto->create_role('reader', 'sqs:ReceiveMessage');
$moto->require_signatures;
my @receive = ('sqs', 'receive_message', { QueueUrl => $url });
is($moto->error(@receive, $may), '', 'a signature is good');
is($moto->error(@receive, $may_not), '403', 'a policy counts');
is($moto->error(@receive, { %$may, secret => 'x' }),
	'403', 'a secret counts');
is($moto->error(@receive, { %$may, key => 'AKIAX' }),
	'403', 'a key counts');
my $made = $moto->call('sts', 'assume_role',
	{ RoleArn => $arn, RoleSessionName => 'test' }, $may)->{Credentials};
my %role = (key => $made->{AccessKeyId}, secret => $made->{SecretAccessKey});
is($moto->error(@receive, { %role, token => $made->{SessionToken} }),
	'', 'a role is good');
isnt($moto->error(@receive, { %role, token => 'x' }), '', 'its token counts');
$moto->stop;

# the fault server agrees with boto3
my $aws = Evaudit::Aws->new;
$aws->queue->create_queue('q');
$aws->control(
	credentials => { check => JSON::PP::true },
	keys => {
		AKIA1 => { secret => 'se/cr+et=' },
		ASIA2 => { secret => 's', token => 't+/=', requests => 1 } });
my $signed = Evaudit::Boto->new($aws->endpoint,
	{ key => 'AKIA1', secret => 'se/cr+et=' });
@receive = ('sqs', 'list_queues', {});
is($signed->error(@receive),
	'', 'the fault server takes a signature of boto3');
is($signed->error(@receive, { key => 'AKIA1', secret => 'x' }),
	'SignatureDoesNotMatch', 'and refuses a wrong one');
my %short = (key => 'ASIA2', secret => 's', token => 't+/=');
is($signed->error(@receive, \%short), '', 'a token is good');
is($signed->error(@receive, \%short), 'ExpiredToken', 'for as long as it is');
is($signed->error(@receive, { %short, token => 'x' }),
	'InvalidClientTokenId', 'and no other');

done_testing();
