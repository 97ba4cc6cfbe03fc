# What is in the queues of a source, as SQS says it, and what a source could not
# use, by reason: as many as there are, 0 from the first moment.

use strict;
use warnings;

use Evaudit::Aws;
use Evaudit::Cluster;
use Evaudit::Pipeline;
use Evaudit::Sqs;
use Test::More;

my $node = Evaudit::Cluster->new('main');
my $aws = Evaudit::Aws->new;
my $sqs = $aws->queue;

sub query { return $node->safe_psql('postgres', $_[0]); }

# The values of the series of a metric of a source, by their other labels.
sub series
{
	my ($metric, $source) = @_;
	return { query('SELECT evaudit.metrics()') =~ /^\Q$metric\E\{source="$source",(\S+)\} (\S+)$/mg };
}

# What is shown of the queues of a source.
sub depths
{
	my ($source) = @_;
	return "SELECT string_agg(concat_ws(' ', queue, visible, in_flight, delayed), ', ' ORDER BY queue)
		FROM evaudit.stat_queues WHERE source = '$source'";
}

# The first queue has two messages that nobody received, three that somebody
# did, and four for later; what is not received stays as it is.
$sqs->create_queue($_, VisibilityTimeout => 900) foreach qw(one two);
$sqs->send('one', map { login("early$_", 's', $_) } 1 .. 3);
$sqs->call('ReceiveMessage', { QueueUrl => $sqs->url('one'), MaxNumberOfMessages => 3 });
$sqs->send('one', map { login("user$_", 's', $_) } 1 .. 2);
$sqs->send('one', map { { MessageBody => login("late$_", 's', $_), DelaySeconds => 900 } } 1 .. 4);
add_aws($node, $aws->endpoint);
$aws->rules({ operation => 'ReceiveMessage', status => 503, error => 'ServiceUnavailable' });
query(q{
	CREATE ROLE nobody;
	CREATE ROLE watcher IN ROLE pg_monitor;
	BEGIN;
	SELECT evaudit.create_source('both', 'aws', options => '{"queues": ["one", "two"]}');
	SELECT evaudit.pause_source('both');
	COMMIT});

is(query(depths('both')), 'one, two', 'nothing is known of the queues at first');
foreach my $metric (qw(messages_visible messages_in_flight messages_delayed measured_timestamp_seconds))
{
	is_deeply(series("evaudit_queue_$metric", 'both'), { 'queue="one"' => 0, 'queue="two"' => 0 },
		"and $metric is 0");
}
my $zeros = series('evaudit_source_dead_letters_total', 'both');
is(join(' ', sort { $a <=> $b } values %$zeros), join(' ', (0) x 22), 'each reason is 0');

query(q{SELECT evaudit.resume_source('both')});
$node->wait_for(depths('both'), 'one 2 3 4, two 0 0 0');
pass('as many as there are');
is_deeply(series('evaudit_queue_messages_visible', 'both'), { 'queue="one"' => 2, 'queue="two"' => 0 }, 'visible');
is_deeply(series('evaudit_queue_messages_in_flight', 'both'), { 'queue="one"' => 3, 'queue="two"' => 0 }, 'in flight');
is_deeply(series('evaudit_queue_messages_delayed', 'both'), { 'queue="one"' => 4, 'queue="two"' => 0 }, 'delayed');
cmp_ok(series('evaudit_queue_measured_timestamp_seconds', 'both')->{'queue="two"'}, '>', time - 600, 'since when');
is($node->safe_psql('postgres', "SET ROLE $_->[0]; SELECT count(*) FROM evaudit.stat_queues"), $_->[1], "$_->[0] sees $_->[1]")
  foreach [ 'nobody', 0 ], [ 'watcher', 2 ];

# what is received is not there any more, as SQS is asked again
$aws->rules;
$node->wait_for('SELECT received FROM evaudit.stat_sources', 2);
$node->wait_for(depths('both'), 'one 0 3 4, two 0 0 0');
pass('and they are followed');

# dead letters by reason, of two queues: as many as there are
$sqs->send('one', '{', '[', '[]', '{"user_id": 1}', '{"user_id": "u"}', '{"user_id": "v"}');
$sqs->send('two', ']', '{"user_id": 3}');
$node->wait_for('SELECT count(*) FROM evaudit.dead_letters', 8);
$node->wait_for('SELECT received, dead_lettered FROM evaudit.stat_sources', '10|8');
my %letters = map { split /\|/ } split /\n/, query('SELECT format(\'reason="%s"\', reason), count(*) FROM evaudit.dead_letters GROUP BY 1');
cmp_ok(scalar(keys %letters), '>=', 4, 'of several reasons');
is_deeply(series('evaudit_source_dead_letters_total', 'both'), { %$zeros, %letters }, 'and so say the metrics');
is(query(q{SET ROLE nobody; SELECT count(*) FROM evaudit.stat_dead_letters}), 0, 'but to nobody');

# who may not read attributes, receives
$aws->rules({ operation => 'GetQueueAttributes', status => 403, error => 'AccessDenied' });
$sqs->create_queue('closed');
$sqs->send('closed', login('w', 's', 1));
read_queue($node, 'closed', 'closed');
$node->wait_for(q{SELECT received, state, last_error IS NULL FROM evaudit.stat_sources WHERE name = 'closed'}, '1|running|t');
is(query(depths('closed')), 'closed', 'a queue that does not say it is not known');

# what was known of a source that is gone, goes
query(q{SELECT evaudit.drop_source('both')});
$node->wait_for(q{SELECT count(*) FROM evaudit.queue_stats()}, 0);
pass('a source that is dropped has no queues');

$node->stop;
$aws->stop;
done_testing();
