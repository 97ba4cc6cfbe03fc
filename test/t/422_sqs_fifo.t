# A FIFO queue: a message that fails stops its group, and no other; nothing of
# the group has an effect before it.

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

add_aws($node, $aws->endpoint);
my $sent = 0;

# A message of a group: the user is the group, the service a number.
sub message
{
	my ($group, $service, $body) = @_;
	$sent++;
	return { MessageBody => $body // login($group, $service, $sent),
		MessageGroupId => $group, MessageDeduplicationId => "d$sent" };
}

# The services of a group that have arrived, in the order of their arrival.
sub arrived
{
	my ($group) = @_;
	return $node->safe_psql('postgres',
		"SELECT string_agg(service_id, ' ' ORDER BY n) FROM arrivals"
		  . " WHERE user_id = '$group'");
}

# rows are refused as long as a gate of their service is closed
$node->safe_psql('postgres', q{
	CREATE TABLE closed (service_id text);
	INSERT INTO closed VALUES ('3');
	CREATE TABLE arrivals (n bigserial, user_id text, service_id text);
	CREATE FUNCTION arrive() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		IF EXISTS (SELECT FROM public.closed c
				   WHERE c.service_id = NEW.service_id AND NEW.user_id = 'a') THEN
			RAISE EXCEPTION 'closed';
		END IF;
		INSERT INTO public.arrivals (user_id, service_id)
			VALUES (NEW.user_id, NEW.service_id);
		RETURN NEW;
	END $$;
	CREATE TRIGGER arrive BEFORE INSERT ON user_services
		FOR EACH ROW EXECUTE FUNCTION arrive()});

$sqs->create_queue('logins.fifo', FifoQueue => 'true', VisibilityTimeout => 30);
$sqs->send('logins.fifo', map { (message('a', $_), message('b', $_)) } 1 .. 5);
read_queue($node, 'logins', 'logins.fifo', max_attempts => 50);
$node->wait_for(q{SELECT count(*) FROM user_services WHERE user_id = 'b'}, '5');
$node->wait_for(q{SELECT count(*) FROM user_services WHERE user_id = 'a'}, '2');
is(arrived('b'), '1 2 3 4 5', 'the other group goes on');
await_queue($sqs, 'logins.fifo', all => 3);
is(arrived('a'), '1 2', 'the rest of the group stays, and has no effect');
is( $node->safe_psql('postgres', 'SELECT count(*) FROM evaudit.dead_letters'),
	'0', 'nor is it a dead letter');
$node->safe_psql('postgres', 'DELETE FROM closed');
await_queue($sqs, 'logins.fifo');
is(arrived('a'), '1 2 3 4 5', 'then it comes in order');

# once it is given up, the group goes on without it
$node->safe_psql('postgres', q{
	SELECT evaudit.drop_source('logins');
	INSERT INTO closed VALUES ('7')});
$sqs->create_queue('more.fifo', FifoQueue => 'true', VisibilityTimeout => 30);
$sqs->send('more.fifo', message('a', 6), message('a', 7), message('a', 8),
	message('a', 0, 'not JSON'), message('a', 9));
read_queue($node, 'more', 'more.fifo', max_attempts => 2);
await_queue($sqs, 'more.fifo');
is(arrived('a'), '1 2 3 4 5 6 8 9', 'what follows has its effect');
is( $node->safe_psql('postgres', q{
		SELECT string_agg(format('%s %s', reason, convert_from(key, 'UTF8')), ', '
			ORDER BY id)
		FROM evaudit.dead_letters}),
	'database_error a, malformed_json a',
	'the failing ones are dead letters, with their group as key');

done_testing();
