# Events in the envelopes of SNS and EventBridge.

use strict;
use warnings;

use Evaudit::Aws;
use Evaudit::Cluster;
use Evaudit::Pipeline;
use Evaudit::Sqs;
use JSON::PP;
use Test::More;

my $node = Evaudit::Cluster->new('main');
my $aws = Evaudit::Aws->new;
my $sqs = $aws->queue;

add_aws($node, $aws->endpoint);
my $json = JSON::PP->new->canonical;
my $arn = 'arn:aws:sns:us-east-1:000000000000:logins';

# A notification of SNS, some of its members replaced or left out.
sub notification
{
	my ($message, %members) = @_;
	my %all = (
		Type => 'Notification',
		MessageId => '22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324',
		TopicArn => $arn,
		Subject => 'a subject',
		Message => $message,
		Timestamp => '2026-05-02T00:54:06.655Z',
		MessageAttributes => {
			tenant => { Type => 'String', Value => "t\x{e9}" } },
		%members);

	return $json->encode(
		{ map { $_ => $all{$_} } grep { defined $all{$_} } keys %all });
}

# An event of EventBridge around a text that is its detail.
sub bridged
{
	my ($detail, %members) = @_;
	my %all = (
		version => '"0"', id => '"6a7e8feb-b491"', 'detail-type' => '"Login"',
		source => '"com.example"', account => '"123456789012"',
		time => '"2026-01-02T03:04:05Z"', region => '"us-east-1"',
		resources => '["} \\" {"]', detail => $detail, %members);

	return '{' . join(" ,\n", map { qq{"$_" : $all{$_}} }
		grep { defined $all{$_} } sort keys %all) . '}';
}

# What became of the events, in the order of their users.
sub users
{
	return $node->safe_psql('postgres',
		q{SELECT string_agg(user_id, ' ' ORDER BY user_id) FROM user_services});
}


# SNS
$sqs->create_queue('sns');
$sqs->send('sns',
	notification(login('quoted "u" \\', 's', 1)),
	notification(login('other', 's', 1), Subject => undef,
		MessageAttributes => undef),
	notification('{"user_id": 1}'),
	notification(login('x', 's', 1), TopicArn => "${arn}2"),
	notification(login('x', 's', 1), Type => 'SubscriptionConfirmation'),
	notification(undef),
	notification({ user_id => 'x' }),
	login('x', 's', 1),
	'[]', 'text');
read_queue($node, 'sns', 'sns', envelope => 'sns', topic_arns => [ "$arn-9", $arn ]);
$node->wait_for('SELECT received FROM evaudit.stat_sources', '10');
is(users(), 'other quoted "u" \\', 'a message is unwrapped');
is( $node->safe_psql('postgres', q{
		SELECT string_agg(reason || ' ' || n, ', ' ORDER BY reason)
		FROM (SELECT reason, count(*) AS n FROM evaudit.dead_letters
			  GROUP BY reason) AS reasons}),
	'bad_envelope 7, wrong_type 1', 'what is none is a dead letter');
is( $node->safe_psql('postgres', q{
		SELECT headers, convert_from(payload, 'UTF8')
		FROM evaudit.dead_letters WHERE reason = 'wrong_type'}),
	"{\"tenant\": \"t\x{c3}\x{a9}\"}|{\"user_id\": 1}",
	'its attributes are headers, its message the payload');
is( $node->safe_psql('postgres', qq{
		SELECT count(*) FROM evaudit.dead_letters
		WHERE error = 'SNS topic "${arn}2" is not among topic_arns'
			AND convert_from(payload, 'UTF8')::jsonb ->> 'Type' = 'Notification'}),
	'1', 'another topic is not believed; the envelope is kept');
is($node->safe_psql('postgres', q{
		SELECT evaudit.redrive('sns');
		SELECT count(*) FROM evaudit.dead_letters WHERE reason = 'bad_envelope';
		SELECT evaudit.alter_source('sns', '{"envelope": "raw", "topic_arns": null}');
		SELECT evaudit.redrive('sns');
		DELETE FROM user_services WHERE user_id = 'x'}), "0\n7\n\n1",
	'nor is what had none, unless messages come without envelopes now');

# EventBridge
my $login = login('bridge', 's', 1);
$sqs->create_queue('bridge');
$sqs->send('bridge',
	bridged($login),
	bridged('{"user_id": 12345678901234567890.10, "a": {"]": "\\"}"}}'),
	bridged('"text"'), bridged(undef), bridged($login, id => '1'),
	bridged($login, source => undef), $login);
read_queue($node, 'bridge', 'bridge', envelope => 'eventbridge');
$node->wait_for(
	q{SELECT received FROM evaudit.stat_sources WHERE name = 'bridge'}, '7');
is(users(), 'bridge other quoted "u" \\', 'the detail is the event');
is( $node->safe_psql('postgres', q{
		SELECT headers, convert_from(payload, 'UTF8')
		FROM evaudit.dead_letters
		WHERE source = 'bridge' AND reason <> 'bad_envelope'}),
	'{"id": "6a7e8feb-b491", "time": "2026-01-02T03:04:05Z",'
	  . ' "region": "us-east-1", "source": "com.example",'
	  . ' "account": "123456789012", "detail-type": "Login"}'
	  . '|{"user_id": 12345678901234567890.10, "a": {"]": "\\"}"}}',
	'as it stands, with what the envelope says');
is( $node->safe_psql('postgres', q{
		SELECT count(*) FROM evaudit.dead_letters
		WHERE source = 'bridge' AND reason = 'bad_envelope'}),
	'5', 'what is none is a dead letter');
await_queue($sqs, $_) foreach 'sns', 'bridge';

# what is kept has the envelope's id, and is kept once
$node->safe_psql('postgres', q{
	SELECT evaudit.create_topic('account_deleted', options => '{"keep": true}');
	ALTER TABLE evaudit.events ADD CONSTRAINT no_two CHECK (event_id <> 'two')});
$sqs->create_queue('deleted');
my @ids = $sqs->send('deleted',
	(notification('{"email": "a@example.com"}', MessageId => 'one')) x 2,
	notification('{"email": "b@example.com"}', MessageId => 'two'));
read_queue($node, 'deleted', 'deleted', envelope => 'sns',
	topic => 'account_deleted', max_attempts => 1);
$node->wait_for(
	q{SELECT received FROM evaudit.stat_sources WHERE name = 'deleted'}, '3');
is($node->safe_psql('postgres', q{
		ALTER TABLE evaudit.events DROP CONSTRAINT no_two;
		SELECT evaudit.redrive('deleted')}), '1', 'one that was refused is redriven');
is( $node->safe_psql('postgres', q{
		SELECT event_id, payload, source, source_position
		FROM evaudit.events ORDER BY event_id}),
	join("\n", map {
		my ($id, $email, $message) = @$_;
		qq(${id}|{"email": "$email\@example.com"}|deleted|)
		  . qq({"queue": "deleted", "message_id": "$message", "receive_count": 1});
	} [ 'one', 'a', $ids[0] ], [ 'two', 'b', $ids[2] ]),
	'an event that SNS delivers twice is kept once, by the id of SNS');
await_queue($sqs, 'deleted');

# a source that was created with the wrong envelope: redrive() goes by the
# options of now, and trusts no more than a message that comes now would be
sub letters
{
	my ($source) = @_;
	return $node->safe_psql('postgres', qq{
		SELECT string_agg(reason || ' ' || n, ', ' ORDER BY reason)
		FROM (SELECT reason, count(*) AS n FROM evaudit.dead_letters
			WHERE source = '$source' AND redriven_at IS NULL
			GROUP BY reason) AS reasons});
}

sub redrive
{
	my ($source, $options) = @_;
	return $node->safe_psql('postgres', qq{
		SET client_min_messages = error;
		DO \$\$BEGIN PERFORM evaudit.alter_source('$source', '$options'); END\$\$;
		SELECT evaudit.redrive('$source')});
}

$sqs->create_queue('wrong');
$sqs->send('wrong',
	notification('{"email": "c@example.com"}', MessageId => 'three'),
	notification('{"email": "d@example.com"}', MessageId => 'four', TopicArn => "${arn}2"),
	bridged('{"email": "e@example.com"}', id => '"five"'));
$node->safe_psql('postgres', q{
	SELECT evaudit.create_topic('mail', options => '{"keep": true, "key": "/email"}',
		schema => '{"type": "object", "required": ["email"]}')});
read_queue($node, 'wrong', 'wrong', topic => 'mail');
$node->wait_for(
	q{SELECT received FROM evaudit.stat_sources WHERE name = 'wrong'}, '3');
is(letters('wrong'), 'schema_violation 3', 'with the wrong envelope none is used');
is(redrive('wrong', '{"max_event_bytes": 10}'), '0', 'a limit of now holds');
is(letters('wrong'), 'too_large 3', 'for each');
is(redrive('wrong', qq({"max_event_bytes": null, "envelope": "sns", "topic_arns": "$arn"})),
	'1', 'with the right one those go through that are trusted');
is(letters('wrong'), 'bad_envelope 2', 'another topic and what is no notification do not');
is(redrive('wrong', '{"topic_arns": null, "envelope": "eventbridge"}'),
	'1', 'likewise with EventBridge');
is(redrive('wrong', '{"envelope": "sns"}'), '1', 'and with any topic of SNS');
is( $node->safe_psql('postgres', q{
		SELECT string_agg(event_id || ' ' || (payload->>'email'), ', '
			ORDER BY event_id) FROM evaudit.events WHERE topic = 'mail'}),
	'five e@example.com, four d@example.com, three c@example.com',
	'each has the id and the event of its envelope');

# what came in an envelope is bound by what is said of envelopes now
$sqs->send('wrong',
	notification('{"mail": "f"}', MessageId => 'six', TopicArn => "${arn}3"));
$node->wait_for(q{SELECT count(*) FROM evaudit.dead_letters
	WHERE source = 'wrong' AND redriven_at IS NULL}, '1');
$node->safe_psql('postgres',
	q{SELECT evaudit.alter_topic('mail', schema => '{"type": "object"}')});
is(redrive('wrong', qq({"topic_arns": ["$arn"]})), '0', 'a topic that is not accepted any more');
is(letters('wrong'), 'bad_envelope 1', 'is none now');
is(redrive('wrong', '{"topic_arns": null, "verify_sns": true}'), '0',
	'nor is a signature that nobody checked');
is(letters('wrong'), 'bad_signature 1', 'good enough once they are to be');
is(redrive('wrong', '{"verify_sns": null, "envelope": "eventbridge"}'), '0',
	'nor was it in another envelope');
is($node->safe_psql('postgres', q{SELECT evaudit.drop_source('wrong');
		SELECT evaudit.redrive('wrong')}), "\n0", 'nothing changes that when the source is gone');

done_testing();
