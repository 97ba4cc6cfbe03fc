# Signatures, session tokens and roles, as moto checks them: its code is not
# ours.  A queue is read by a user who may do no more than the README says.

use strict;
use warnings;

use Evaudit::Cluster;
use Evaudit::Moto;
use Evaudit::Pipeline;
use Evaudit::Sqs qw(login);
use Test::More;

plan skip_all => Evaudit::Moto::unavailable()
  if Evaudit::Moto::unavailable();

$ENV{AWS_EC2_METADATA_DISABLED} = 'true';
my $moto = Evaudit::Moto->new;
$moto->start;
my $sqs = $moto->queue;
my @needed = map { "sqs:$_" } qw(ReceiveMessage DeleteMessage
  DeleteMessageBatch ChangeMessageVisibility ChangeMessageVisibilityBatch
  GetQueueUrl GetQueueAttributes);

$sqs->create_queue($_, VisibilityTimeout => 20) foreach qw(dead logins);
my $dead = $moto->arn('dead');
my $logins = $sqs->create_queue('policy', VisibilityTimeout => 300,
	RedrivePolicy => qq({"deadLetterTargetArn": "$dead", "maxReceiveCount": "5"}));
# what needs encoding in JSON, in a signature or in neither
$sqs->send('logins', map { login("user \x{e9}\x{1f600} \"$_\" + & % \\", 's', $_) }
	  1 .. 25);
my $reader = $moto->create_user('reader', @needed);
my $keeper = $moto->create_user('keeper',
	grep { !/Delete|Change/ } @needed);
my $assumer = $moto->create_user('assumer', 'sts:AssumeRole');
my $stranger = $moto->create_user('stranger', 'sqs:SendMessage');
my $role = $moto->create_role('queue-reader', @needed);
$moto->require_signatures;

my $node = Evaudit::Cluster->new('main');
my $url = $moto->endpoint;
$node->safe_psql('postgres', qq{
	CREATE SERVER aws FOREIGN DATA WRAPPER evaudit_aws OPTIONS
		(region 'us-east-1', endpoint_url '$url', sts_endpoint_url '$url')});

# Let the current user be a user of AWS, with further options.
sub become
{
	my ($user, %more) = @_;
	my %options = (
		access_key_id => $user->{key},
		secret_access_key => $user->{secret}, %more);

	$node->safe_psql('postgres',
		'DROP USER MAPPING IF EXISTS FOR CURRENT_USER SERVER aws;'
		  . 'CREATE USER MAPPING FOR CURRENT_USER SERVER aws OPTIONS ('
		  . join(', ', map { "$_ '$options{$_}'" } keys %options) . ')');
	return;
}

# A line of check_server(), as "t" or "f" and its detail.
sub checked
{
	my ($check) = @_;
	return $node->safe_psql('postgres', "SELECT ok, detail FROM"
		  . " evaudit.check_server('aws') WHERE check_name = '$check'");
}

become($reader);
is(checked('identity'), 't|arn:aws:iam::123456789012:user/reader',
	'STS knows the user by the signature');
is(checked('service'), "t|$url responds",
	'the service answers one who may not list queues');
become({ key => $reader->{key}, secret => 'x' . $reader->{secret} });
like(checked('service'), qr/^f\|SignatureDoesNotMatch: /,
	'a wrong secret is refused');
become({ key => 'AKIAXXXXXXXXXXXXXXXX', secret => $reader->{secret} });
like(checked('service'), qr/^f\|InvalidClientTokenId: /, 'and a wrong key');
become($assumer, role_arn => $role);
like(checked('identity'),
	qr/^t\|arn:aws:sts::123456789012:assumed-role\/queue-reader\/evaudit$/,
	'a role can be assumed, and its session token is signed');

# the role reads the queue
$node->safe_psql('postgres', q{
	SELECT evaudit.create_source('logins', 'aws', options => '{"queue": "logins"}')});
$node->wait_for('SELECT count(*) FROM user_services', 25);
is( $node->safe_psql('postgres',
		q{SELECT user_id FROM user_services ORDER BY last_accessed LIMIT 1}),
	"user \303\251\360\237\230\200 \"1\" + & % \\", 'messages come through');
wait_until(
	sub {
		my $counts = $moto->call('sqs', 'get_queue_attributes', {
			QueueUrl => "$url/123456789012/logins",
			AttributeNames => ['All'] })->{Attributes};
		return $counts->{ApproximateNumberOfMessages}
		  + $counts->{ApproximateNumberOfMessagesNotVisible} == 0;
	},
	'an empty queue');
pass('and are deleted');

# what check_server() says of queues
$node->safe_psql('postgres', q{
	SELECT evaudit.create_source('policy', 'aws', options => '{"queue": "policy"}');
	SELECT evaudit.pause_source('policy')});
is(checked('queue "logins"'), 't|about 0 messages wait', 'a queue');
like(checked('queue "logins": visibility timeout'), qr/^f\|20 s is short/,
	'a short visibility timeout');
like(checked('queue "logins": redrive policy'), qr/^f\|there is none/,
	'no redrive policy');
is(checked('queue "policy": visibility timeout'), 't|300 s',
	'one that is long enough');
like(checked('queue "policy": redrive policy'), qr/^t\|.*maxReceiveCount/,
	'and a policy');
$node->safe_psql('postgres', q{
	SELECT evaudit.alter_source('logins', '{"visibility_timeout": 60}')});
is(checked('queue "logins": visibility timeout'), 't|60 s',
	"the source's own setting counts");
is(checked("queue \"policy\": $_"), 't|allowed', "$_ is allowed")
  foreach qw(DeleteMessageBatch ChangeMessageVisibilityBatch);
become($keeper);
like(checked("queue \"policy\": $_"), qr/^f\|AccessDenied/,
	"$_ is not, which check_server() finds")
  foreach qw(DeleteMessageBatch ChangeMessageVisibilityBatch);
become($stranger);
like(checked('queue "policy"'), qr/^f\|AccessDenied/, 'one who may not look');
$node->wait_for(q{SELECT state = 'backoff' AND last_error ~ 'not authorized'
	FROM evaudit.stat_sources WHERE name = 'logins'});
pass('whose source says so');

done_testing();
