# Accounts that were deleted: SNS tells a queue, and each becomes an event that
# is kept; one that the database refuses ends where it can be seen and redriven.
# And events of EventBridge.  Every request is signed, as moto checks.

use strict;
use warnings;

use Evaudit::Cluster;
use Evaudit::Moto;
use Evaudit::Sqs;
use JSON::PP;
use Test::More;

plan skip_all => Evaudit::Moto::unavailable()
  if Evaudit::Moto::unavailable();

my $moto = Evaudit::Moto->new;
$moto->start;
my $node = Evaudit::Cluster->new('main');
my $endpoint = $moto->endpoint;

foreach my $queue ('accounts', 'bridge')
{
	$moto->call('sqs', 'create_queue', { QueueName => $queue,
		Attributes => { VisibilityTimeout => '30' } });
}
my $topic = $moto->create_topic('account-deleted', 'accounts');
my $foreign = $moto->create_topic('something-else', 'accounts');
$moto->create_rule('deleted', 'bridge', { source => ['accounts'] });

# what the README says the policy must allow
my $user = $moto->create_user('evaudit', map { "sqs:$_" } qw(
  GetQueueUrl GetQueueAttributes ReceiveMessage DeleteMessage
  ChangeMessageVisibility DeleteMessageBatch ChangeMessageVisibilityBatch));
$moto->require_signatures;

$node->safe_psql('postgres', qq{
	CREATE SERVER aws FOREIGN DATA WRAPPER evaudit_aws
		OPTIONS (region 'us-east-1', endpoint_url '$endpoint');
	CREATE USER MAPPING FOR CURRENT_USER SERVER aws
		OPTIONS (access_key_id '$user->{key}', secret_access_key '$user->{secret}');
	SELECT evaudit.create_topic('account_deleted',
		schema => '{"type": "object", "required": ["email"],
			"properties": {"email": {"type": "string"}}}',
		options => '{"keep": true}');
	ALTER TABLE evaudit.events ADD CONSTRAINT refused
		CHECK (payload->>'email' NOT LIKE 'refused%')});
read_queue($node, 'accounts', 'accounts', topic => 'account_deleted',
	envelope => 'sns', topic_arns => [$topic], max_attempts => 3);

# what is published is kept, with the time and place of its coming
my @ids = map { $moto->publish($topic, qq({"email": "user$_\@example.com"})) }
  1 .. 5;
$node->wait_for('SELECT count(*) FROM evaudit.events', '5');
is( $node->safe_psql('postgres', q{
		SELECT string_agg(payload->>'email', ' ' ORDER BY payload->>'email')
		FROM evaudit.events WHERE topic = 'account_deleted'
			AND source = 'accounts' AND source_position->>'queue' = 'accounts'}),
	join(' ', map { "user$_\@example.com" } 1 .. 5),
	'accounts that were deleted are kept');
is( $node->safe_psql('postgres',
		q{SELECT string_agg(event_id, ' ' ORDER BY event_id) FROM evaudit.events}),
	join(' ', sort @ids), 'by the id that SNS gave them');

# what cannot be used, and what another topic sent
$moto->publish($topic, '{"email": 17}');
$moto->publish($foreign, '{"email": "forged@example.com"}');
$node->wait_for(q{
	SELECT string_agg(reason, ' ' ORDER BY reason) FROM evaudit.dead_letters},
	'bad_envelope schema_violation');

# what the database refuses is tried again, given up, and can be redriven
$moto->publish($topic, '{"email": "refused@example.com"}');
$node->wait_for(q{
	SELECT sqlstate, source_position->>'receive_count'
	FROM evaudit.dead_letters WHERE reason = 'database_error'}, '23514|3');
is($node->safe_psql('postgres', 'SELECT count(*) FROM evaudit.events'),
	'5', 'which is not kept');
is( $node->safe_psql('postgres', q{
		ALTER TABLE evaudit.events DROP CONSTRAINT refused;
		SELECT evaudit.redrive(array_agg(id)) FROM evaudit.dead_letters
		WHERE reason = 'database_error'}),
	'1', 'a message that was given up is redriven');
is( $node->safe_psql('postgres', q{
		SELECT count(*) FROM evaudit.events
		WHERE payload->>'email' = 'refused@example.com'}),
	'1', 'and is kept now');

# EventBridge
$node->safe_psql('postgres', q{
	SELECT evaudit.create_topic('bridged', options => '{"keep": true}')});
read_queue($node, 'bridge', 'bridge', topic => 'bridged',
	envelope => 'eventbridge');
my $answer = $moto->call('events', 'put_events', { Entries => [
	{ Source => 'accounts', DetailType => 'deleted',
		Detail => '{"email": "bridge@example.com"}' },
	{ Source => 'others', DetailType => 'deleted',
		Detail => '{"email": "other@example.com"}' } ] });
$node->wait_for(q{SELECT count(*) FROM evaudit.events WHERE topic = 'bridged'},
	'1');
is( $node->safe_psql('postgres', q{
		SELECT payload, source FROM evaudit.events WHERE topic = 'bridged'}),
	'{"email": "bridge@example.com"}|bridge', 'an event of EventBridge');

# both queues are empty
foreach my $queue ('accounts', 'bridge')
{
	my $url = $moto->call('sqs', 'get_queue_url', { QueueName => $queue });
	my $left;
	my $deadline = time() + 60;
	do
	{
		my $got = $moto->call('sqs', 'get_queue_attributes', {
			QueueUrl => $url->{QueueUrl}, AttributeNames => ['All'] });
		$left = $got->{Attributes}{ApproximateNumberOfMessages}
		  + $got->{Attributes}{ApproximateNumberOfMessagesNotVisible};
	} while ($left > 0 && time() < $deadline);
	is($left, 0, "queue $queue is empty");
}

# a key that is not good
$node->safe_psql('postgres', q{
	ALTER USER MAPPING FOR CURRENT_USER SERVER aws
		OPTIONS (SET secret_access_key 'another')});
$node->wait_for(q{
	SELECT bool_and(state = 'backoff' AND last_error ~ 'SignatureDoesNotMatch')
	FROM evaudit.stat_sources});
pass('a wrong secret is seen');

$node->stop;
$moto->stop;
done_testing();
