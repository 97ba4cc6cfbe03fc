# Options of an SQS source: what can be, and what is refused with which words.

use strict;
use warnings;

use Evaudit::Cluster;
use Evaudit::Sqs;
use Test::More;

my $node = Evaudit::Cluster->new('main');
my $arn = 'arn:aws:sns:us-east-1:1:a';

# What create_source() says of options, in a transaction that is rolled back.
sub verdict
{
	my ($options) = @_;
	my ($status, $out, $err) = $node->psql('postgres', qq{
		BEGIN;
		SET LOCAL client_min_messages = error;
		SELECT evaudit.create_source('s', 'aws', options => \$o\$$options\$o\$);
		ROLLBACK;});

	# a superuser is warned of what the source may do
	$err = join "\n", grep { !/ WARNING:  source "s" runs as superuser/ && !/^(DETAIL|HINT):/ }
	  split /\n/, $err if $err =~ /WARNING/;
	return $err =~ s/^psql:[^ ]* ERROR:  //r =~ s/\n.*//sr;
}

# nothing listens there, and nothing is asked
add_aws($node, 'http://127.0.0.1:1');
foreach my $good (
	'{"queue": "logins"}',
	'{"queue": "logins.fifo", "max_receives": 1, "workers": 16}',
	'{"queues": ["a", "b.fifo", "arn:aws:sqs:us-east-1:1:c"], "workers": 5}',
	'{"queues": "a"}',
	'{"queue": "http://127.0.0.1:1/000000000000/logins"}',
	'{"queue": "https://sqs.eu-west-1.amazonaws.com/123456789012/l.fifo"}',
	'{"queue": "https://sqs.eu-west-1.amazonaws.com/123456789012/logins/"}',
	'{"queue": "arn:aws:sqs:us-east-1:123456789012:logins"}',
	'{"queue": "arn:aws-cn:sqs:cn-north-1:123456789012:l.fifo"}',
	qq({"queue": "q", "envelope": "sns", "topic_arns": "$arn"}),
	qq({"queue": "q", "envelope": "sns", "topic_arns": ["$arn"],
		"verify_sns": true}),
	'{"queue": "q", "envelope": "eventbridge", "on_bad_event": "leave"}',
	'{"queue": "q", "visibility_timeout": 43200, "max_attempts": 1}',
	'{"queue": "q", "visibility_timeout": "15min", "batch_interval": "1s"}',
	'{"queue": "q", "visibility_timeout": null, "envelope": null}')
{
	is(verdict($good), '', "can be: $good");
}

my %bad = (
	'{}' => 'one of the options "queue" and "queues" is required',
	'{"queue": "q", "queues": ["r"]}' =>
	  'one of the options "queue" and "queues" is required',
	'{"queues": []}' =>
	  'option "queues" must be a string or an array of strings',
	'{"queues": ["q", 1]}' =>
	  'option "queues" must be a string or an array of strings',
	'{"queues": ["q", "a b"]}' =>
	  'invalid name, URL or ARN of a queue: "a b"',
	'{"queues": ["a", "b", "c"], "workers": 6}' => 'too many workers',
	'{"queue": 1}' => 'option "queue" must be a string',
	'{"queue": ""}' => 'invalid name, URL or ARN of a queue: ""',
	'{"queue": "a b"}' => 'invalid name, URL or ARN of a queue: "a b"',
	'{"queue": "a.fifo.fifo"}' =>
	  'invalid name, URL or ARN of a queue: "a.fifo.fifo"',
	'{"queue": "ftp://h/q"}' => 'invalid name, URL or ARN of a queue: "ftp://h/q"',
	'{"queue": "http://h/q?x"}' =>
	  'invalid name, URL or ARN of a queue: "http://h/q?x"',
	(map {;
		qq({"queue": "$_"}) => qq(invalid name, URL or ARN of a queue: "$_")
	} 'arn:aws:sns:us-east-1:123456789012:logins',
		'arn:aws:sqs:us-east-1:logins', 'arn:aws:sqs:us-east-1:12x:logins',
		'arn:aws:sqs:us-east-1:123456789012:', 'arn:aws:sqs::123456789012:q',
		'arn:aws:sqs:us-east-1:123456789012:q:q', 'http://h/1/q?x/', '/', '//'),
	'{"queue": "q", "topics": "q"}' => 'unrecognized option "topics"',
	'{"queue": "q", "secret_access_key": "x"}' =>
	  'unrecognized option "secret_access_key"',
	'{"queue": "q", "envelope": "SNS"}' =>
	  'invalid value for option "envelope": "SNS"',
	'{"queue": "q", "verify_sns": true}' =>
	  'options "topic_arns" and "verify_sns" require the envelope "sns"',
	qq({"queue": "q", "envelope": "eventbridge", "topic_arns": "$arn"}) =>
	  'options "topic_arns" and "verify_sns" require the envelope "sns"',
	'{"queue": "q", "envelope": "sns", "verify_sns": "yes"}' =>
	  'option "verify_sns" must be true or false',
	'{"queue": "q", "envelope": "sns", "topic_arns": []}' =>
	  'option "topic_arns" must be a string or an array of strings',
	'{"queue": "q", "envelope": "sns", "topic_arns": "logins"}' =>
	  'option "topic_arns" must be the ARN of an SNS topic, or an array of them',
	'{"queue": "q", "max_receives": 0}' =>
	  'option "max_receives" must be a number from 1 to 64',
	'{"queue": "q", "visibility_timeout": 0}' =>
	  'option "visibility_timeout" must be a number from 1 to 43200',
	'{"queue": "q", "visibility_timeout": "13h"}' =>
	  'option "visibility_timeout" must be a time from 1000 ms to 43200000 ms',
	'{"queue": "q", "on_bad_event": "delete"}' =>
	  'invalid value for option "on_bad_event": "delete"',
	'{"queue": "q", "max_attempts": 0}' =>
	  'option "max_attempts" must be a number from 1 to 1000',
	'{"queue": "q", "workers": 17}' =>
	  'option "workers" must be a number from 1 to 16',
	'{"queue": "q", "batch_size": 0}' =>
	  'option "batch_size" must be a number from 1 to 100000');
is(verdict($_), $bad{$_}, "cannot be: $_") foreach sort keys %bad;

done_testing();
