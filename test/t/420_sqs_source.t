# Events from a queue: what is good has its effect, what is not becomes a dead
# letter or stays, and the queue is empty then.

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

# good ones
$sqs->create_queue('logins', VisibilityTimeout => 30);
$sqs->send('logins', map { login($_ % 7, $_ % 3, $_) } 1 .. 200);
read_queue($node, 'logins', 'logins', max_attempts => 2);
$node->wait_for("SELECT received FROM evaudit.stat_sources", '200');
await_queue($sqs, 'logins');
is( $node->safe_psql('postgres', q{
		SELECT string_agg(format('%s %s %s', user_id, service_id,
				extract(epoch FROM last_accessed)::bigint - 1700000000), ','
			ORDER BY user_id, service_id) FROM user_services}),
	join(',', map {
		my ($user, $service) = @$_;
		my ($newest) = grep { $_ % 7 == $user && $_ % 3 == $service }
		  reverse 1 .. 200;
		"$user $service $newest";
	} map { my $user = $_; map { [ $user, $_ ] } 0 .. 2 } 0 .. 6),
	'the newest event of each key');
is( $node->safe_psql('postgres', q{
		SELECT kind, state, merged > 0, dead_lettered, last_error IS NULL,
			(SELECT count(*) FROM evaudit.stat_partitions)
		FROM evaudit.stat_sources}),
	'sqs|running|t|0|t|0', 'and so says the view');
my @deletes = @{ $aws->requests('DeleteMessageBatch') };
cmp_ok(scalar(@deletes), '<=', 40, 'messages are deleted in batches');

# a bad one, with all that came with it
my ($id) = $sqs->send('logins', {
	MessageBody => '{"user_id": 1}',
	MessageAttributes => {
		trace => { DataType => 'String', StringValue => 'abc' },
		number => { DataType => 'Number', StringValue => '17' } } });
$node->wait_for("SELECT count(*) FROM evaudit.dead_letters", '1');
await_queue($sqs, 'logins');
is_deeply(
	decode_json($node->safe_psql('postgres', q{
		SELECT to_jsonb(d) - 'id' - 'error' - 'received_at'
			|| jsonb_build_object('payload', convert_from(payload, 'UTF8'))
		FROM evaudit.dead_letters d})),
	{
		source => 'logins', topic => 'login', key => undef,
		source_position => {
			queue => 'logins', message_id => $id, receive_count => 1 },
		headers => { trace => 'abc', number => '17' },
		payload => '{"user_id": 1}', reason => 'wrong_type',
		sqlstate => undef, redriven_at => undef
	},
	'a dead letter has the body, the attributes and the position');

# one that the database refuses is tried again, and then given up
$node->safe_psql('postgres', q{
	ALTER TABLE user_services ADD CONSTRAINT no_svc CHECK (service_id <> 'bad')});
$sqs->send('logins', login('u', 'bad', 1), login('u', 'good', 1));
$node->wait_for(q{SELECT count(*) FROM user_services WHERE user_id = 'u'}, '1');
$node->wait_for(q{
	SELECT reason, sqlstate, source_position->'receive_count' >= '2'
	FROM evaudit.dead_letters WHERE reason = 'database_error'},
	'database_error|23514|t');
await_queue($sqs, 'logins');
like($node->safe_psql('postgres', 'SELECT last_error FROM evaudit.stat_sources'),
	qr/messages stay in queue/, 'which the view says');

# a bad one that is left to the queue's own policy
$sqs->create_queue('strict', VisibilityTimeout => 1);
read_queue($node, 'strict', 'strict', on_bad_event => 'leave');
$sqs->send('strict', 'not JSON', login('v', 'w', 1));
$node->wait_for(q{SELECT count(*) FROM user_services WHERE user_id = 'v'}, '1');
$node->wait_for(q{SELECT received >= 3 FROM evaudit.stat_sources
	WHERE name = 'strict'});
await_queue($sqs, 'strict', all => 1);
pass('stays there');
is( $node->safe_psql('postgres',
		"SELECT count(*) FROM evaudit.dead_letters WHERE source = 'strict'"),
	'0', 'and is no dead letter');

# a message that comes again after its dead letter was written
$aws->rules({ operation => 'DeleteMessageBatch', fail_entries => 1,
	error => 'InternalError' });
my $received = $node->safe_psql('postgres',
	q{SELECT received FROM evaudit.stat_sources WHERE name = 'strict'});
$node->safe_psql('postgres', q{
	SELECT evaudit.alter_source('strict', '{"on_bad_event": "dead_letter"}')});
$node->wait_for(q{SELECT count(*) FROM evaudit.dead_letters WHERE source = 'strict'}, 1);
$node->wait_for(qq{SELECT received >= $received + 2 FROM evaudit.stat_sources
	WHERE name = 'strict'});
$aws->rules;
await_queue($sqs, 'strict');
is( $node->safe_psql('postgres', q{
		SELECT count(*), min(reason) FROM evaudit.dead_letters
		WHERE source = 'strict'}),
	'1|malformed_json', 'has no second one');

# places to seek to
my ($ret, $out, $err) = $node->psql('postgres',
	"SELECT evaudit.seek_source('logins', 'earliest')");
like($err, qr/cannot seek in a queue.*HINT: /s, 'there are none in a queue');

done_testing();
