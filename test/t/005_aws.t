# The fault server of tests: what Evaudit::Aws promises.

use strict;
use warnings;

use Evaudit::Aws;
use Evaudit::Pipeline;
use HTTP::Tiny;
use JSON::PP;
use POSIX ();
use Test::More;
use Time::HiRes qw(time);

my $aws = Evaudit::Aws->new(tls => 1);
my $sqs = $aws->queue;
my $http = HTTP::Tiny->new(timeout => 10);

# What a call comes to: its error, or ''.
sub fault
{
	my (@call) = @_;
	eval { $sqs->call(@call); 1; } and return '';
	return $@;
}

# queues of its own
my $url = $sqs->create_queue('q', VisibilityTimeout => 30);
my @ids = $sqs->send('q', map { "body $_" } 1 .. 12);
my @got = $sqs->receive('q');
is_deeply([ map { $_->{MessageId} } @got ], [ @ids[ 0 .. 9 ] ],
	'messages come in their order');
is($got[0]{Attributes}{ApproximateReceiveCount}, 1, 'for the first time');
is_deeply(
	$sqs->counts('q'),
	{ visible => 2, in_flight => 10, delayed => 0, all => 12 },
	'and are in flight');
my $entries = [ map { +{ Id => "$_", ReceiptHandle =>
	  $got[$_]{ReceiptHandle} } } 0 .. 4 ];
$sqs->call('DeleteMessageBatch', { QueueUrl => $url, Entries => $entries });
$_->{VisibilityTimeout} = 0 foreach @$entries;
$entries->[$_]{ReceiptHandle} = $got[ 5 + $_ ]{ReceiptHandle} foreach 0 .. 4;
$sqs->call('ChangeMessageVisibilityBatch',
	{ QueueUrl => $url, Entries => $entries });
is_deeply(
	[ map { "$_->{Body} $_->{Attributes}{ApproximateReceiveCount}" }
		  $sqs->receive('q') ],
	[ (map { "body $_ 2" } 6 .. 10), 'body 11 1', 'body 12 1' ],
	'what is released comes again');
my $start = time();
is_deeply([ $sqs->receive('q', WaitTimeSeconds => 1) ], [], 'nothing more');
cmp_ok(time() - $start, '>=', 0.9, 'which takes a long poll');
like(fault('ReceiveMessage', { QueueUrl => 'x/y' }), qr/QueueDoesNotExist/,
	'another queue is not there');

# faults
$aws->rules(
	{ operation => 'GetQueueUrl', status => 400, times => 2,
		error => 'ThrottlingException' },
	{ operation => 'ListQueues', status => 503, text => '<html></html>' },
	{ operation => 'SendMessage.*', cut => 'answer' },
	{ operation => 'DeleteMessageBatch', fail_entries => 2 });
like(fault('GetQueueUrl', { QueueName => 'q' }), qr/400.*Throttling/,
	"throttled $_") foreach 1, 2;
is(fault('GetQueueUrl', { QueueName => 'q' }), '', 'and no more');
like(fault('ListQueues', {}), qr/503 <html>/, 'an answer that is not JSON');
like(fault('SendMessage', { QueueUrl => $url, MessageBody => 'x' }),
	qr/599/, 'an answer that ends too early');
my $answer = $sqs->call('DeleteMessageBatch',
	{ QueueUrl => $url, Entries => [ @$entries[ 0 .. 2 ] ] });
is_deeply(
	[ map { $_->{Id} } @{ $answer->{Failed} }, @{ $answer->{Successful} } ],
	[ 0, 1, 2 ], 'entries of a batch fail');
is($aws->count('GetQueueUrl'), 3, 'requests are counted');
like($aws->requests('SendMessage')->[0]{body}, qr/MessageBody/, 'and listed');
$aws->forget;
is($aws->count('GetQueueUrl'), 0, 'from any moment on');

# a request that hangs is let go when the rules change
$aws->rules({ operation => 'ListQueues', hang => JSON::PP::true });
my $child = fork() // die;
if ($child == 0)
{
	fault('ListQueues', {});
	POSIX::_exit(0);
}
wait_until(sub { $aws->count('ListQueues') == 1 }, 'the request');
is(waitpid($child, POSIX::WNOHANG()), 0, 'a request hangs');
$aws->rules;
is(waitpid($child, 0), $child, 'until it is let go');

# credentials
my $imds = $aws->endpoint . '/latest';
my $role = "$imds/meta-data/iam/security-credentials/";
is($http->get($role)->{status}, 401, 'EC2 wants a token');
my $token = $http->put("$imds/api/token", { headers =>
	  { 'X-aws-ec2-metadata-token-ttl-seconds' => 60 } })->{content};
my %headers = ('X-aws-ec2-metadata-token' => $token);
my $name = $http->get($role, { headers => \%headers })->{content};
my $made = decode_json(
	$http->get("$role$name", { headers => \%headers })->{content});
like($made->{Expiration}, qr/^20\d\d-\d\d-\d\dT[0-9:]{8}Z$/, 'keys of EC2');
$made = decode_json($http->get($aws->endpoint . '/ecs')->{content});
is($made->{AccessKeyId}, 'ASIATEST00000002', 'keys of a container');
my $xml = $http->post_form($aws->endpoint . '/', {
	Action => 'AssumeRoleWithWebIdentity', WebIdentityToken => 'x' })->{content};
like($xml, qr/<AccessKeyId>ASIATEST00000003</, 'keys of STS');
is_deeply([ map { $_->{door} } @{ $aws->issued } ],
	[ 'imds', 'container', 'AssumeRoleWithWebIdentity' ], 'all are listed');
$aws->control(credentials => { check => JSON::PP::true });
like(fault('ListQueues', {}), qr/403 .*MissingAuthenticationToken/s,
	'signatures are wanted');
$aws->control(credentials => { check => JSON::PP::false });

done_testing();
