# The option share: servers that read parts of a topic's partitions, each with
# its own offsets, and nothing twice.

use strict;
use warnings;

use Evaudit::Cluster;
use Evaudit::Kafka;
use Evaudit::Pipeline;
use Test::More;

plan skip_all => Evaudit::Kafka::unavailable()
  if Evaudit::Kafka::unavailable();

my $kafka = Evaudit::Kafka->new;
$kafka->start;
$kafka->create_topic('logins', 5);
my $groups = 'org.apache.kafka.tools.consumer.group.ConsumerGroupCommand';
my @nodes = map { Evaudit::Cluster->new("server$_", 
	conf => "evaudit.max_backoff = '1s'\nrestart_after_crash = on\nmax_prepared_transactions = 1\n") } 1, 2;
my $produced = 0;

# Produce logins of users of their own to each of some partitions.
sub send_logins
{
	my ($n, @partitions) = @_;
	foreach my $partition (@partitions)
	{
		$kafka->tool('-p', $partition, 'produce', 'logins', \join '', map {
			sprintf qq(k\t{"user_id":"p%d-%d","service_id":"s","service_name":"n",)
			  . qq("timestamp":"2022-08-04T08:50:39Z"}\n), $partition, $produced++ } 1 .. $n);
	}
	return;
}

# Wait until a server has read so many events.
sub await_received
{
	my ($node, $n) = @_;
	$node->wait_for(q{SELECT count(*) FROM user_services}, $n);
	return;
}

# The partitions that a server's view shows, with their places.
sub shown
{
	my ($node) = @_;
	return $node->safe_psql('postgres', q{
		SELECT string_agg(format('%s:%s/%s', partition, next_offset, lag), ' ' ORDER BY partition)
		FROM evaudit.stat_partitions});
}

sub create_source
{
	my ($node, $options) = @_;
	return $node->psql('postgres',
		qq{SELECT evaudit.create_source('logins', 'kafka', options => '{"topics": "logins", "start": "earliest", $options}')});
}

add_server($_, $kafka->servers) foreach @nodes;

# what is no share is refused
foreach my $share ('"0/2"', '"3/2"', '"1/2/3"', '"1"', '"x"', '"1/1001"', '7')
{
	my (undef, undef, $err) = create_source($nodes[0], qq("share": $share));
	like($err, qr/option "share"/, "share $share is refused");
}

# two servers, one of them with two workers
send_logins(20, 0 .. 4);
create_source($nodes[0], '"share": "1/2", "workers": 2, "group_id": "shown"');
create_source($nodes[1], '"share": "2/2", "group_id": "shown"');
await_received($nodes[0], 60);
await_received($nodes[1], 40);
$_->wait_for(q{SELECT bool_and(lag = 0) FROM evaudit.stat_partitions}, 't') foreach @nodes;
is(shown($nodes[0]), '0:20/0 2:20/0 4:20/0', 'the first share');
is(shown($nodes[1]), '1:20/0 3:20/0', 'and the second');
my $from = q{SELECT string_agg(DISTINCT split_part(user_id, '-', 1), ' ' ORDER BY split_part(user_id, '-', 1)) FROM user_services};
is_deeply([ map { $_->safe_psql('postgres', $from) } @nodes ], [ 'p0 p2 p4', 'p1 p3' ], 'each has the events of its own');
is($_->safe_psql('postgres', 'SELECT received FROM evaudit.stat_sources'),
	$_ == $nodes[0] ? 60 : 40, 'and reads them once') foreach @nodes;
wait_until(sub {
	my @lines = $kafka->java($groups, '--describe', '--group', 'shown') =~ /^shown +logins +(\d+ +\d+) /mg;
	join(', ', sort @lines) =~ tr/ //sr eq join(', ', map { "$_ 20" } 0 .. 4)
}, 'a consumer group that shows all of them');

# both workers have a part of the share: one waits, the other goes on
$nodes[0]->safe_psql('postgres', q{
	CREATE TABLE gate ();
	CREATE FUNCTION await_gate() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
		PERFORM FROM public.gate;
		RETURN NEW;
	END$$;
	CREATE TRIGGER gate BEFORE INSERT ON user_services FOR EACH ROW
		WHEN (NEW.user_id LIKE 'p0-%') EXECUTE FUNCTION await_gate();
	BEGIN;
	LOCK TABLE gate;
	PREPARE TRANSACTION 'gate'});
send_logins(1, 0);
$nodes[0]->wait_for(q{SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'}, 1);
send_logins(1, 2);
await_received($nodes[0], 61);
$nodes[0]->safe_psql('postgres', q{COMMIT PREPARED 'gate'});
await_received($nodes[0], 62);
pass('two workers');

# a crash, more events, new partitions
kill_process($nodes[0], 'worker');
$kafka->tool('partitions', 'logins', 7);
send_logins(10, 0 .. 6);
await_received($nodes[0], 102);
await_received($nodes[1], 70);
is(shown($nodes[0]) =~ s{/\d*}{}gr, '0:31 2:31 4:30 6:10', 'new partitions are shared as well');

# altered: what falls out of the share keeps its place, and is not shown
$nodes[0]->safe_psql('postgres', q{SELECT evaudit.alter_source('logins', '{"share": "1/4", "group_id": null, "workers": 1}')});
$nodes[0]->wait_for(q{SELECT string_agg(partition::text, ' ' ORDER BY partition) FROM evaudit.stat_partitions}, '0 4');
send_logins(5, 2, 4);
await_received($nodes[0], 107);
is($nodes[0]->safe_psql('postgres', q{SELECT next_offset FROM evaudit.offsets WHERE partition = 2}), 31, 'it is not read any more');
$nodes[0]->safe_psql('postgres', q{SELECT evaudit.seek_source('logins', 'latest')});
$nodes[0]->wait_for(q{SELECT seek IS NULL FROM evaudit.sources}, 't');
$nodes[0]->safe_psql('postgres', q{SELECT evaudit.alter_source('logins', '{"share": "1/2"}')});
await_received($nodes[0], 112);
is($nodes[0]->safe_psql('postgres', q{SELECT string_agg(next_offset::text, ' ' ORDER BY partition) FROM evaudit.offsets}),
	'31 36 35 10', 'a seek leaves it, and it goes on from there');

done_testing();
