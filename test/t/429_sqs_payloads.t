# Payloads in S3, where Amazon's extended client puts them: fetched by a user
# who may do no more than that, from the buckets that the source names, and
# deleted only by option.  moto checks the signatures.

use strict;
use warnings;
use utf8;

use Evaudit::Cluster;
use Evaudit::Moto;
use Evaudit::Pipeline;
use Evaudit::Sqs qw(login);
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => Evaudit::Moto::unavailable()
  if Evaudit::Moto::unavailable();

$ENV{AWS_EC2_METADATA_DISABLED} = 'true';
my $moto = Evaudit::Moto->new;
$moto->start;
my $url = $moto->endpoint;
my @needed = map { "sqs:$_" } qw(ReceiveMessage DeleteMessage
  DeleteMessageBatch ChangeMessageVisibility ChangeMessageVisibilityBatch
  GetQueueUrl GetQueueAttributes);
my $reader = $moto->create_user('reader', @needed, 's3:GetObject');
my $deleter =
  $moto->create_user('deleter', @needed, 's3:GetObject', 's3:DeleteObject');
$moto->call('sqs', 'create_queue', { QueueName => $_ })
  foreach qw(kept deleted plain);
$moto->call('s3', 'create_bucket', { Bucket => $_ }) foreach qw(ours theirs);
$moto->require_signatures;

# Put an object, and send a message that points to it.
sub point_to
{
	my ($queue, $bucket, $key, $payload, %more) = @_;

	$moto->call('s3', 'put_object',
		{ Bucket => $bucket, Key => $key, Body => $payload })
	  if defined $payload;
	$moto->call('sqs', 'send_message', {
		QueueUrl => "$url/123456789012/$queue",
		MessageBody => $more{body} // JSON::PP->new->encode([
			'software.amazon.payloadoffloading.PayloadS3Pointer',
			{ s3BucketName => $bucket, s3Key => $key } ]),
		MessageAttributes => {
			$more{attribute} // 'ExtendedPayloadSize' =>
			  { DataType => 'Number', StringValue => '1000' } } });
	return;
}

# What is in a bucket.
sub objects
{
	my ($bucket) = @_;
	my $list = $moto->call('s3', 'list_objects_v2', { Bucket => $bucket });

	return [ map { $_->{Key} } @{ $list->{Contents} || [] } ];
}

# Wait until a queue is empty.
sub await_empty
{
	my ($queue) = @_;

	wait_until(
		sub {
			my $counts = $moto->call('sqs', 'get_queue_attributes', {
				QueueUrl => "$url/123456789012/$queue",
				AttributeNames => ['All'] })->{Attributes};
			return $counts->{ApproximateNumberOfMessages}
			  + $counts->{ApproximateNumberOfMessagesNotVisible} == 0;
		},
		"queue $queue to be empty");
	return;
}

my $node = Evaudit::Cluster->new('main');
my $closed = 'http://127.0.0.1:' . PostgreSQL::Test::Cluster::get_free_port();
$node->safe_psql('postgres', qq{
	CREATE SERVER aws FOREIGN DATA WRAPPER evaudit_aws OPTIONS
		(region 'us-east-1', endpoint_url '$url', s3_endpoint_url '$closed');
	CREATE USER MAPPING FOR CURRENT_USER SERVER aws OPTIONS
		(access_key_id '$reader->{key}', secret_access_key '$reader->{secret}');
	SELECT evaudit.create_source('kept', 'aws', options => '{"queue": "kept",
		"s3_buckets": "ours", "max_event_bytes": 1024, "visibility_timeout": 20}');
	SELECT evaudit.create_source('plain', 'aws', options => '{"queue": "plain"}')});

# --- S3 is away, and comes back

my $key = 'a b/é+%&=?#~.json';
point_to('kept', 'ours', $key, login('one', 's', 1));
$node->wait_for(q{SELECT last_error ~ 'could not fetch the payload s3://ours/a b/.*could not reach'
	FROM evaudit.stat_sources WHERE name = 'kept'});
is($node->safe_psql('postgres', 'SELECT count(*) FROM evaudit.dead_letters'),
	0, 'a message whose payload cannot be had stays in the queue');
$node->safe_psql('postgres', "ALTER SERVER aws OPTIONS (SET s3_endpoint_url '$url')");
$node->wait_for('SELECT count(*) FROM user_services', 1);
await_empty('kept');
is(objects('ours')->[0], $key, 'it is read later, and stays in S3');

# --- what cannot be used

point_to('kept', 'theirs', 'k', login('no', 's', 2));
point_to('kept', 'ours', 'large', login('x' x 1024, 's', 3));
point_to('kept', 'ours', 'absent');
point_to('kept', 'ours', 'a/../k', undef);
point_to('kept', 'ours', 'k', undef, body => '{"user_id": "no"}');
point_to('kept', 'ours', 'old', login('two', 's', 4),
	attribute => 'SQSLargePayloadSize');
$node->wait_for('SELECT count(*) FROM user_services', 2);
$node->wait_for('SELECT count(*) FROM evaudit.dead_letters', 5);
await_empty('kept');
is( $node->safe_psql('postgres', q{
		SELECT reason, count(*), min(error) FROM evaudit.dead_letters
		GROUP BY reason, error ORDER BY reason, count(*), 3}) =~
	  s/(absent: )\w+.*/$1/r,
	'bad_envelope|1|could not fetch the payload s3://ours/absent: ' . "\n"
	  . 'bad_envelope|3|message has the attribute "ExtendedPayloadSize", but'
	  . " is no pointer to an object of the source's s3_buckets\n"
	  . 'too_large|1|payload in S3 exceeds max_event_bytes, 1024',
	'dead letters say why');

# --- a source that names no bucket

point_to('plain', 'ours', 'one', login('three', 's', 5));
$node->wait_for(q{SELECT count(*) FROM evaudit.dead_letters
	WHERE source = 'plain' AND payload::text !~ 'three'}, 1);
pass('a pointer is a message like any other, unless buckets are named');

# --- deletion

is_deeply([ sort @{ objects('ours') } ], [ sort $key, 'large', 'old', 'one' ],
	'nothing was deleted from S3');
unlike(slurp_file($node->logfile), qr/could not delete a payload/,
	'nor was that tried');
$node->safe_psql('postgres', qq{
	ALTER USER MAPPING FOR CURRENT_USER SERVER aws OPTIONS
		(SET access_key_id '$deleter->{key}', SET secret_access_key '$deleter->{secret}');
	SELECT evaudit.create_source('deleted', 'aws', options => '{"queue": "deleted",
		"s3_buckets": ["other", "ours"], "s3_delete": true}')});
point_to('deleted', 'ours', 'gone/é', login('four', 's', 6));
point_to('deleted', 'ours', 'bad', 'not JSON');
$node->wait_for('SELECT count(*) FROM user_services', 3);
await_empty('deleted');
wait_until(sub { @{ objects('ours') } == 4 }, 'the objects to be deleted');
is( $node->safe_psql('postgres', q{SELECT convert_from(payload, 'UTF8')
		FROM evaudit.dead_letters WHERE source = 'deleted'}),
	'not JSON', 'with their messages; a dead letter keeps the payload');

done_testing();
