# Whatever door an event comes in by, it is sent: publish(), HTTP, Kafka, SQS,
# and a dead letter that is redriven.  Topics without sinks write nothing.

use strict;
use warnings;

use Evaudit::Aws;
use Evaudit::Cluster;
use Evaudit::Mock;
use Evaudit::Sqs;
use Evaudit::Token;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => Evaudit::Mock::unavailable() if Evaudit::Mock::unavailable();

my $node = Evaudit::Cluster->new('main',
	conf => "evaudit.max_backoff = '300ms'\n");
my $broker = Evaudit::Mock->new('things');
my $aws = Evaudit::Aws->new;
my $issuer = Evaudit::Token->new(PostgreSQL::Test::Utils::tempdir());
my $servers = $broker->servers;

add_aws($node, $aws->endpoint);
$aws->queue->create_queue('things', VisibilityTimeout => 30);
$node->safe_psql('postgres', sprintf q{
	CREATE SERVER local FOREIGN DATA WRAPPER evaudit_function;
	CREATE SERVER kafka FOREIGN DATA WRAPPER evaudit_kafka
		OPTIONS ("bootstrap.servers" '%s');
	CREATE TABLE got (id text, door text, source text);
	CREATE FUNCTION take(events evaudit.event[]) RETURNS void LANGUAGE sql
	BEGIN ATOMIC
		INSERT INTO got SELECT event_id, payload ->> 'door', source
		FROM unnest(events);
	END;
	SELECT evaudit.create_topic(topic, NULL, '{"event_id": "/id"}')
	FROM unnest(ARRAY['things', 'quiet']) topic;
	SELECT evaudit.grant_publish('things', 'ada');
	SELECT evaudit.create_issuer('provider', '%s');
	SELECT evaudit.create_source('kafka', 'kafka', 'things',
		'{"topics": "things", "start": "earliest", "batch_interval": "10ms"}');
	SELECT evaudit.create_source('sqs', 'aws', 'things', '{"queue": "things"}');
	SELECT evaudit.create_sink('out', 'local', '{things}',
		'{"function": "public.take"}')}, $servers, $issuer->keys);

# An event that came by a door is sent, once, and knows where it came from.
sub comes
{
	my ($door, $source) = @_;
	$node->wait_for(qq{SELECT string_agg(id || ' ' || coalesce(source, '-'), ', ')
		FROM got WHERE door = '$door'}, "$door $source");
	pass("by $door");
	return;
}

sub event { return qq({"id": "$_[0]", "door": "$_[0]"}); }

$node->safe_psql('postgres', sprintf q{SELECT evaudit.publish('things', '%s')}, event('publish'));
comes('publish', '-');

is($node->safe_psql('postgres', sprintf q{SELECT status FROM evaudit.http('POST',
	'/topics/things', '{"bearer": "%s"}', convert_to('%s', 'UTF8'))},
	$issuer->token(sub => 'ada'), event('http')), 202, 'accepted');
comes('http', '-');

$broker->produce(event('kafka'));
comes('kafka', 'kafka');

$aws->queue->send('things', event('sqs'));
comes('sqs', 'sqs');

# refused at first, and redriven when it is good
$node->safe_psql('postgres', q{SELECT evaudit.alter_topic('things', '{"required": ["later"]}')});
$broker->produce(event('redrive'));
$node->wait_for('SELECT count(*) FROM evaudit.dead_letters', 1);
$node->safe_psql('postgres', q{SELECT evaudit.alter_topic('things', 'null');
	SELECT evaudit.redrive('kafka')});
comes('redrive', 'kafka');

# a topic without sinks pays nothing: no row, no number drawn
my $drawn = $node->safe_psql('postgres', 'SELECT last_value FROM evaudit.outbox_seq');
$node->safe_psql('postgres', sprintf q{SELECT evaudit.publish('quiet', '%s')}, event('quiet'));
is($node->safe_psql('postgres', q{SELECT count(*) FROM evaudit.outbox WHERE topic = 'quiet'}),
	0, 'a topic without sinks has no row in the outbox');
is($node->safe_psql('postgres', 'SELECT last_value FROM evaudit.outbox_seq'), $drawn,
	'nor a number');

$node->stop;
done_testing();
