# Retention of deliveries takes those that are over and nothing that another
# waits for, that of fetched schemas what was fetched long ago; and no rule for
# events makes the window in which ids are remembered shorter without a word.

use strict;
use warnings;

use Evaudit::Cluster;
use Test::More;

my $node = Evaudit::Cluster->new('main', conf => "evaudit.retention_interval = '1s'\n");

sub query { return $node->safe_psql('postgres', $_[0]); }

# What a statement says beside its result
sub said
{
	my ($sql) = @_;
	my (undef, undef, $err) = $node->psql('postgres', $sql);
	return join ' ', $err =~ /(?:NOTICE|ERROR|DETAIL|HINT):  (.*)/g;
}

# The deliveries that there are, by the ids of their events.
my $stored = q{SELECT string_agg(event_id || ' ' || state, ', ' ORDER BY id) FROM evaudit.delivery_store};

# --- deliveries

query(q{SELECT evaudit.create_topic('sent', options => '{"key": "/k"}');
	CREATE TABLE got (event_id text);
	CREATE SERVER here FOREIGN DATA WRAPPER evaudit_function;
	CREATE FUNCTION public.take(events evaudit.event[]) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		IF EXISTS (SELECT FROM unnest(events) e WHERE e.payload ? 'bad') THEN
			RAISE 'refused' USING ERRCODE = 'check_violation';
		END IF;
		INSERT INTO public.got SELECT e.event_id FROM unnest(events) e;
	END $$;
	SELECT evaudit.create_sink('out', 'here', '{sent}', '{"function": "public.take", "on_failure": "block"}')});
query(qq{SELECT evaudit.publish('sent', '{"k": "$_->[1]", "$_->[2]": 1}', '$_->[0]')})
  for [ 'a1', 'a', 'bad' ], [ 'a2', 'a', 'good' ], [ 'b1', 'b', 'bad' ], [ 'c1', 'c', 'bad' ], [ 'd1', 'd', 'bad' ];
query(q{SELECT evaudit.publish('sent', '{"bad": 1}', 'no key')});
$node->wait_for($stored, 'a1 parked, a2 blocked, b1 parked, c1 parked, d1 parked, no key parked');
query(q{UPDATE evaudit.delivery_store SET since = now() - interval '2 days' WHERE event_id <> 'd1'});
query(q{SELECT evaudit.set_retention('deliveries', '1 day')});
$node->wait_swept('deliveries');
is(query($stored), 'a1 parked, a2 blocked, b1 parked, c1 parked, d1 parked, no key parked', 'what waits for somebody stays, however old');

# A sink that runs deletes what was given up itself, so this one is paused.
query(q{SELECT evaudit.pause_sink('out')});
$node->wait_for(q{SELECT state, pid IS NULL FROM evaudit.stat_sinks}, 'paused|t');
query(q{UPDATE evaudit.sink_positions SET high = low;
	SELECT evaudit.skip_delivery(array_agg(id)) FROM evaudit.deliveries WHERE event_id IN ('a1', 'b1', 'd1')});
$node->wait_swept('deliveries');
is(query($stored), 'a1 skipped, a2 blocked, b1 skipped, c1 parked, d1 skipped, no key parked', 'nothing of a batch that is read again');
query(q{UPDATE evaudit.sink_positions SET high = NULL;
	INSERT INTO evaudit.delivery_store (sink_id, seq, state, attempts, since, topic, event_id, payload, event_time, received_at)
	SELECT 999, n, 'parked', 1, now() - interval '2 days', 'sent', 'gone' || n, '{}', now(), now() FROM generate_series(1, 6000) n});
$node->wait_for($stored, 'a1 skipped, a2 blocked, c1 parked, d1 skipped, no key parked');
$node->wait_swept('deliveries');
is(query($stored), 'a1 skipped, a2 blocked, c1 parked, d1 skipped, no key parked',
	'what was given up goes, but not before what is behind it, nor too soon; and what no sink is there for');
is(query(q{SELECT deleted, state FROM evaudit.stat_retention WHERE what = 'deliveries'}), '6001|active', 'counted');
query(q{SELECT evaudit.resume_sink('out')});
$node->wait_for('SELECT string_agg(event_id, $$,$$) FROM got', 'a2');
$node->wait_for($stored, 'c1 parked, no key parked');
pass('what was blocked is delivered after all');

# --- fetched schemas

query(q{INSERT INTO evaudit.registry_schemas (server_oid, location, id, type, schema, fetched_at)
	SELECT 1, 'http://registry', n, CASE WHEN n % 2 = 0 THEN 'AVRO' END, '"string"', now() - make_interval(days => CASE WHEN n <= 7000 THEN 40 ELSE 20 END)
	FROM generate_series(1, 7100) n});
query(q{SELECT evaudit.set_retention('fetched_schemas', '30 days')});
$node->wait_swept('fetched_schemas');
is(query('SELECT count(*), min(id::int) FROM evaudit.registry_schemas'), '100|7001', 'schemas fetched long ago');
is(query(q{SELECT deleted FROM evaudit.stat_retention WHERE what = 'fetched_schemas'}), 7000, 'counted');

# --- the window of ids

query(qq{SELECT evaudit.create_topic('$_->[0]', options => '{"keep": true$_->[1]}')})
  for [ 'wide', ', "dedup_window": "60 days"' ], [ 'Narrow', ', "dedup_window": "1 day"' ], [ 'plain', '' ];
like(said(q{SELECT evaudit.set_retention('events.wide', '59 days')}),
	qr/^events of topic "wide" cannot be kept for less than its "dedup_window" /, 'a rule that is shorter is refused');
is(query(q{SELECT count(*) FROM evaudit.stat_retention WHERE what = 'events.wide'}), 0, 'and not there');
is(said(q{SELECT evaudit.set_retention('events.wide', '60 days')}), '', 'one that is as long says nothing');
is(said(q{SELECT evaudit.set_retention('events.Narrow', '59 days')}), '', 'nor does one that is longer');
like(said(q{SELECT evaudit.set_retention('events.plain', '59 days')}),
	qr/^event ids of 1 topic are not remembered .*Topics: plain\. .*dedup_window/, 'a topic without a window gets one, and it is said');
is(said(q{SELECT evaudit.set_retention('events.wide', NULL); SELECT evaudit.set_retention('events.plain', NULL)}), '', 'rules go silently');
like(said(q{SELECT evaudit.set_retention('events', '2 days')}),
	qr/^events of 1 topic are kept for longer, for its "dedup_window" Topics: wide\. event ids of 2 topics are not remembered for longer than their events are kept Topics: http_events, plain\. /,
	'one for all topics says what it does to each');

$node->stop;
done_testing();
