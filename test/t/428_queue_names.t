# Queues by their ARN and URL, also those of other accounts and those that
# cannot be; and what check_server() says of the rights to a queue.

use strict;
use warnings;

use Evaudit::Aws;
use Evaudit::Cluster;
use Evaudit::Sqs;
use JSON::PP;
use Test::More;

my $aws = Evaudit::Aws->new;
my $sqs = $aws->queue;
my $node = Evaudit::Cluster->new('main',
	conf => "evaudit.max_backoff = '1s'\n");
my $url = $aws->endpoint;
add_aws($node, $url);

# The bodies of the requests of an operation.
sub bodies
{
	my ($operation) = @_;
	return [ map { decode_json($_->{body}) } @{ $aws->requests($operation) } ];
}

# Lines of check_server(), as name|ok|detail.
sub checked
{
	my ($like) = @_;
	return $node->safe_psql('postgres', "SELECT check_name, ok, detail FROM"
		  . " evaudit.check_server('aws') WHERE check_name LIKE '$like'");
}

# --- an ARN

$sqs->create_queue($_) foreach qw(own other slash elsewhere);
read_queue($node, 'own', 'own', max_receives => 1);
read_queue($node, 'other', 'arn:aws:sqs:us-east-1:999999999999:other');
$sqs->send('own', login('a', 's', 1));
$sqs->send('other', login('b', 's', 2));
$node->wait_for('SELECT count(*) FROM user_services', 2);
await_queue($sqs, $_) foreach qw(own other);
is_deeply(
	[ sort { $a->{QueueName} cmp $b->{QueueName} } @{ bodies('GetQueueUrl') } ],
	[ { QueueName => 'other', QueueOwnerAWSAccountId => '999999999999' },
		{ QueueName => 'own' } ],
	'an ARN says whose queue it is, a name does not');

# --- a URL

my $slash = "https://sqs.us-east-1.amazonaws.com/999999999999/slash";
$aws->forget;
read_queue($node, 'slash', "$slash//");
$sqs->send('slash', login('c', 's', 3), 'not JSON');
$node->wait_for('SELECT count(*) FROM user_services', 3);
await_queue($sqs, 'slash');
is($aws->count('GetQueueUrl'), 0, 'a URL is not looked up');
is_deeply(
	[ map { $_->{QueueUrl} } @{ bodies('DeleteMessageBatch') } ],
	[$slash], 'it is used as it is, without the slashes behind it');
is( $node->safe_psql('postgres',
		q{SELECT source_position->>'queue' FROM evaudit.dead_letters}),
	'slash', 'its last part is the name of the queue');

# --- another region

$aws->forget;
read_queue($node, 'elsewhere',
	'arn:aws:sqs:eu-west-1:123456789012:elsewhere');
my $mismatch = 'queue "arn:aws:sqs:eu-west-1:123456789012:elsewhere" is in'
  . ' region "eu-west-1", but the server is in region "us-east-1"';
$node->wait_for(qq{SELECT state = 'backoff' AND last_error = '$mismatch'
	FROM evaudit.stat_sources WHERE name = 'elsewhere'});
is($aws->count('GetQueueUrl'), 0, 'a queue of another region is not looked up');
is(checked('queue "arn%elsewhere"'),
	"queue \"arn:aws:sqs:eu-west-1:123456789012:elsewhere\"|f|$mismatch",
	'and check_server() says so');
$node->safe_psql('postgres', q{SELECT evaudit.drop_source('elsewhere')});

# --- several queues in one source

$node->safe_psql('postgres', "SELECT evaudit.drop_source('$_')")
  foreach qw(own other slash);
$sqs->create_queue('first');
$sqs->create_queue('second.fifo', FifoQueue => 'true');
$node->safe_psql('postgres', q{SELECT evaudit.create_source('several', 'aws',
	options => '{"queues": ["first", "second.fifo",
		"arn:aws:sqs:us-east-1:999999999999:third"], "workers": 2}')});
$sqs->send('first', login('d', 's', 4), 'bad 1');
$sqs->send('second.fifo', map { +{ MessageBody => $_, MessageGroupId => 'g',
	MessageDeduplicationId => "$_" } } login('e', 's', 5), 'bad 2');
$node->wait_for(q{SELECT count(*) FROM user_services
	WHERE user_id IN ('d', 'e')}, 2);
await_queue($sqs, $_) foreach qw(first second.fifo);
$node->wait_for(q{SELECT last_error ~ 'queue "third": .*does not exist'
	FROM evaudit.stat_sources WHERE name = 'several'});
pass('one that is not there does not hold up the others');
$sqs->create_queue('third');
$sqs->send('third', login('f', 's', 6));
$node->wait_for(q{SELECT count(*) FROM user_services WHERE user_id = 'f'}, 1);
$node->wait_for(q{SELECT received, array_length(pids, 1), state, last_error
	FROM evaudit.stat_sources WHERE name = 'several'}, '5|6|running|');
is( $node->safe_psql('postgres', q{
		SELECT string_agg(source_position->>'queue', ',' ORDER BY payload)
		FROM evaudit.dead_letters WHERE source = 'several'}),
	'first,second.fifo', 'dead letters name their queues');
is( $node->safe_psql('postgres', q{SELECT string_agg(check_name, ',')
		FROM evaudit.check_server('aws') WHERE detail ~ 'messages wait'}),
	'queue "first",queue "second.fifo",'
	  . 'queue "arn:aws:sqs:us-east-1:999999999999:third"',
	'check_server() checks each');
$node->safe_psql('postgres', q{SELECT evaudit.drop_source('several')});

# --- rights

$sqs->create_queue('rights');
read_queue($node, 'rights', 'rights');
$node->wait_for(q{SELECT state FROM evaudit.stat_sources WHERE name = 'rights'},
	'running');
$node->safe_psql('postgres', q{SELECT evaudit.pause_source('rights')});
$node->wait_for(q{SELECT state, pids FROM evaudit.stat_sources WHERE name = 'rights'},
	'paused|{}');
$sqs->send('rights', map { login($_, 's', 1) } 1 .. 3);
my @operations = qw(ChangeMessageVisibilityBatch DeleteMessageBatch);
is(checked("queue \"rights\": %$_"), "queue \"rights\": $_|t|allowed",
	"$_ is allowed") foreach @operations;
foreach my $operation (@operations)
{
	$aws->rules({ operation => $operation, status => 403,
		error => 'AccessDeniedException', message => 'no' });
	is(checked("queue \"rights\": %$operation"),
		"queue \"rights\": $operation|f|AccessDeniedException: no",
		"$operation is not");
	$aws->rules({ operation => $operation, fail_entries => 1,
		error => 'AccessDenied', sender_fault => JSON::PP::true });
	is(checked("queue \"rights\": %$operation"),
		"queue \"rights\": $operation|f|not allowed",
		"$operation is not, as the entry says");
}
$aws->rules({ operation => 'DeleteMessageBatch', status => 503, text => '' });
is(checked('queue "rights": Delete%'),
	'queue "rights": DeleteMessageBatch|f|HTTP status 503',
	'no answer is not a right');
$aws->rules;
is($sqs->counts('rights')->{visible}, 3, 'no message was touched');

done_testing();
