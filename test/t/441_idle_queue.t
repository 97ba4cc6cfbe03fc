# A message that comes to a queue that was idle for longer than it hides
# messages: it takes effect at its first delivery.

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

$node->safe_psql('postgres', q{
	CREATE TABLE effects (id text, receive_count int);
	CREATE FUNCTION note(events evaudit.event[]) RETURNS void LANGUAGE sql
		AS $$INSERT INTO public.effects SELECT e.payload->>'id',
			(e.source_position->>'receive_count')::int FROM unnest(events) e$$;
	SELECT evaudit.create_topic('idle', options =>
		'{"project": "public.note", "keep": false}')});
add_aws($node, $aws->endpoint);
$sqs->create_queue('idle', VisibilityTimeout => 2);
$node->safe_psql('postgres',
	q{SELECT evaudit.create_source('idle', 'aws', 'idle', '{"queue": "idle"}')});

foreach my $id ('one', 'two', 'three')
{
	# a receive that waits for longer than the queue hides messages
	$node->wait_for(q{SELECT clock_timestamp() - state_change > '3s' AND state = 'idle'
		FROM pg_stat_activity WHERE backend_type = 'evaudit worker'});
	$sqs->send('idle', encode_json({ id => $id }));
	$node->wait_for("SELECT receive_count FROM effects WHERE id = '$id'", '1');
	pass("message $id");
}
is($node->safe_psql('postgres', 'SELECT count(*) FROM effects'), 3,
	'each had its effect once');

$node->stop;
$aws->stop;
done_testing();
