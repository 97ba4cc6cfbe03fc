# A service that sends what no service should: a message that cannot be used is
# a dead letter, a response that cannot be used an error that is seen; the
# source goes on as soon as the service does.

use strict;
use warnings;

use Evaudit::Aws;
use Evaudit::Cluster;
use Evaudit::Pipeline;
use Evaudit::Sqs;
use JSON::PP;
use Test::More;

my $node = Evaudit::Cluster->new('main',
	conf => "evaudit.max_backoff = '1s'\nlog_statement = none\n");
my $aws = Evaudit::Aws->new;
my $sqs = $aws->queue;
$sqs->create_queue('logins', VisibilityTimeout => 2);
add_aws($node, $aws->endpoint, request_timeout => '3s');
read_queue($node, 'logins', 'logins');

sub query { return $node->safe_psql('postgres', $_[0]); }

my $n = 0;
sub send_login { return $sqs->send('logins', login('u', 's' . ++$n, $n)); }

# The newest event arrives, and the source is well.
sub arrives
{
	my ($what) = @_;

	$node->wait_for(
		"SELECT count(*) FROM user_services WHERE service_id = 's$n'", '1');
	$node->wait_for('SELECT state, next_retry_at IS NULL FROM evaudit.stat_sources',
		'running|t');
	pass("$what: read on");
	return;
}

# While a rule holds the source shows an error; after it, it reads on.
sub shows_error
{
	my ($what, $pattern, @rules) = @_;

	$aws->rules(@rules);
	send_login();
	$node->wait_for("SELECT state = 'backoff' AND next_retry_at IS NOT NULL
		AND last_error ~ '$pattern' FROM evaudit.stat_sources");
	pass("$what: seen");
	$aws->rules;
	await_queue($sqs, 'logins');
	arrives($what);
	return;
}

send_login();
arrives('at first');

# Responses of status 200 that are none
my @nonsense = (
	[ 'not JSON', '{"Messages": [', 'the response is not JSON' ],
	[ 'an array', '[]', 'the response is not JSON' ],
	[ 'HTML', '<html>welcome</html>', 'the response is not JSON' ],
	[ 'messages that are none', '{"Messages": 17}', 'at most ten messages' ],
	[ 'too many messages',
		encode_json({ Messages => [ map { { MessageId => "$_" } } 1 .. 11 ] }),
		'at most ten messages' ],
	[ 'no handle', '{"Messages": [{"MessageId": "a", "Body": "{}"}]}',
		'no valid ReceiptHandle' ],
	[ 'a long handle', encode_json({ Messages => [
		{ MessageId => 'a', Body => '{}', ReceiptHandle => 'h' x 5000 } ] }),
		'no valid ReceiptHandle' ]);
foreach my $case (@nonsense)
{
	my ($what, $body, $pattern) = @$case;
	shows_error("receive, $what", "ReceiveMessage of queue .*$pattern",
		{ operation => 'ReceiveMessage', status => 200, text => $body });
}
foreach my $case (
	[ 'not JSON', '{"Successful": [', 'the response is not JSON' ],
	[ 'nothing', '{}', 'does not name all entries' ],
	[ 'other entries', '{"Successful": [{"Id": "77"}]}', 'not in the request' ],
	[ 'no list', '{"Failed": {"Id": "0"}}', 'not in the request' ])
{
	my ($what, $body, $pattern) = @$case;
	shows_error("delete, $what", "DeleteMessageBatch of queue .*$pattern",
		{ operation => 'DeleteMessageBatch', status => 200, text => $body });
}

# The lookup
foreach my $case (
	[ 'GetQueueUrl', '{}', 'no valid QueueUrl' ],
	[ 'GetQueueUrl', '{"QueueUrl": "file:///etc/passwd"}', 'no valid QueueUrl' ],
	[ 'GetQueueUrl', encode_json({ QueueUrl => 'http://x/' . 'q' x 9000 }),
		'no valid QueueUrl' ],
	[ 'GetQueueUrl', '{', 'the response is not JSON' ],
	[ 'GetQueueAttributes', '{', 'the response is not JSON' ],
	[ 'GetQueueAttributes', '{"Attributes": {"VisibilityTimeout": "1e300"}}',
		'invalid VisibilityTimeout' ],
	[ 'GetQueueAttributes', '{"Attributes": {"VisibilityTimeout": -1}}',
		'invalid VisibilityTimeout' ])
{
	my ($operation, $body, $pattern) = @$case;

	query(q{SELECT evaudit.pause_source('logins')});
	$node->wait_for('SELECT state, pids FROM evaudit.stat_sources', 'paused|{}');
	$aws->rules({ operation => $operation, status => 200, text => $body });
	query(q{SELECT evaudit.resume_source('logins')});
	shows_error("$operation " . substr($body, 0, 40),
		"$operation of queue .*$pattern",
		{ operation => $operation, status => 200, text => $body });
}

# Messages that cannot be used, each beside one that can
my @letters = (
	[ 'an id of 9,000 bytes', '"MessageId": "[^"]*"',
		'"MessageId": "' . 'i' x 9000 . '"', 'bad_envelope' ],
	[ 'no id', '"MessageId": "[^"]*", ', '', 'bad_envelope' ],
	[ 'an id that is no text', '"MessageId": "[^"]*"',
		'"MessageId": "a\\\\u0007b"', 'bad_envelope' ],
	[ 'a header of 2 MB', '"Attributes": ',
		'"MessageAttributes": {"h": {"StringValue": "' . 'v' x 2_000_000
		  . '"}}, "Attributes": ', 'too_large' ],
	[ 'a name of 2,000 bytes', '"Attributes": ',
		'"MessageAttributes": {"' . 'n' x 2000 . '": {"StringValue": "v"}}, '
		  . '"Attributes": ', 'too_large' ],
	[ '2,000 headers', '"Attributes": ',
		'"MessageAttributes": {'
		  . join(', ', map { qq{"h$_": {"StringValue": "v"}} } 1 .. 2000)
		  . '}, "Attributes": ', 'too_large' ],
	[ 'a group of 2 MB', '"Attributes": \{',
		'"Attributes": {"MessageGroupId": "' . 'g' x 2_000_000 . '", ',
		'too_large' ]);
my $letters = 0;
foreach my $case (@letters)
{
	my ($what, $from, $to, $reason) = @$case;

	query(q{SELECT evaudit.pause_source('logins')});
	$node->wait_for('SELECT state, pids FROM evaudit.stat_sources', 'paused|{}');
	# the first message alone, in whatever response it is
	my $mark = "mark$n";
	$sqs->send('logins', login('u', $mark, $n));
	send_login();
	$aws->rules({ operation => 'ReceiveMessage', replace_message => [ $mark, $from, $to ] });
	query(q{SELECT evaudit.resume_source('logins')});
	$letters++;
	$node->wait_for('SELECT count(*) FROM evaudit.dead_letters', $letters);
	is( query(q{SELECT reason, length(source_position->>'message_id') BETWEEN 1 AND 100,
			COALESCE(length(key), 0) < 2000, COALESCE(length(headers::text), 0) < 100000
			FROM evaudit.dead_letters ORDER BY id DESC LIMIT 1}),
		"$reason|t|t|t", "$what: a dead letter");
	arrives($what);
	$aws->rules;
	await_queue($sqs, 'logins');
}

# the same message again is no other dead letter
is(query('SELECT count(*) FROM evaudit.dead_letters'), $letters, 'one of each');
ok(!$node->log_contains('terminated by signal'), 'nothing crashed');
done_testing();
