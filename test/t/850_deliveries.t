# Events that cannot leave in their turn: parked, blocked, redelivered and
# skipped; the order of each key.

use strict;
use warnings;

use Evaudit::Cluster;
use Test::More;

my $node = Evaudit::Cluster->new('main',
	conf => "evaudit.max_backoff = '300ms'\n");

# A destination that refuses what says so, until it is told not to.
$node->safe_psql('postgres', q{
	CREATE SERVER local FOREIGN DATA WRAPPER evaudit_function;
	CREATE TABLE got (n bigint GENERATED ALWAYS AS IDENTITY, sink text,
		event_id text);
	CREATE TABLE refusing (id text PRIMARY KEY);
	CREATE FUNCTION take(sink text, events evaudit.event[]) RETURNS void
	LANGUAGE plpgsql AS $$
	DECLARE e evaudit.event;
	BEGIN
		FOREACH e IN ARRAY events LOOP
			IF EXISTS (SELECT FROM public.refusing r WHERE r.id = e.event_id) THEN
				RAISE EXCEPTION 'refuses %', e.event_id
					USING ERRCODE = 'check_violation';
			END IF;
			INSERT INTO public.got (sink, event_id) VALUES (sink, e.event_id);
		END LOOP;
	END $$;
	CREATE FUNCTION take_parking(events evaudit.event[]) RETURNS void
	LANGUAGE sql AS $$SELECT public.take('parking', events)$$;
	CREATE FUNCTION take_blocking(events evaudit.event[]) RETURNS void
	LANGUAGE sql AS $$SELECT public.take('blocking', events)$$;
	SELECT evaudit.create_topic('orders', NULL, '{"key": "/k"}');
	SELECT evaudit.create_sink('parking', 'local', '{orders}',
		'{"function": "public.take_parking"}');
	SELECT evaudit.create_sink('blocking', 'local', '{orders}',
		'{"function": "public.take_blocking", "on_failure": "block"}')});

# Publish ids, each of a key that is its first letter, in one transaction.
sub publish
{
	my @ids = @_;
	$node->safe_psql('postgres', join(';', map {
		sprintf q{SELECT evaudit.publish('orders', '{"k": "%s"}', '%s')},
			substr($_, 0, 1), $_ } @ids));
	return;
}

# What a sink got, of all keys or of one, in order.
sub got
{
	my ($sink, $expected, $what) = @_;
	$node->wait_for(qq{SELECT string_agg(event_id, ' ' ORDER BY n) FROM got
		WHERE sink = '$sink'}, $expected);
	pass($what);
	return;
}

# What is shown of a sink's deliveries.
sub deliveries
{
	my ($sink, $expected, $what) = @_;
	$node->wait_for(qq{SELECT string_agg(format('%s %s %s', event_id, state,
		attempts), ', ' ORDER BY position) FROM evaudit.deliveries
		WHERE sink = '$sink'}, $expected);
	pass($what);
	return;
}

$node->safe_psql('postgres', q{INSERT INTO refusing VALUES ('a2'), ('b1')});
publish(qw(a1 a2 a3 b1 b2 c1));
got('parking', 'a1 a3 b2 c1', 'what is refused is parked, the others pass');
got('blocking', 'a1 c1', 'or the later ones of its key wait');
deliveries('parking', 'a2 parked 1, b1 parked 1', 'parked ones are shown');
deliveries('blocking',
	'a2 parked 1, a3 blocked 0, b1 parked 1, b2 blocked 0',
	'and those that they block');
is($node->safe_psql('postgres', q{SELECT topic, last_error, code,
		next_retry_at, since > now() - interval '1 hour'
	FROM evaudit.deliveries WHERE sink = 'parking' AND event_id = 'a2'}),
	'orders|refuses a2|23514||t', 'with the error and its code');
is($node->safe_psql('postgres', q{SELECT name, state, parked, blocked_keys
	FROM evaudit.stat_sinks ORDER BY name}),
	"blocking|blocked|2|2\nparking|running|2|0", 'and counted');

publish(qw(a4 c2));
got('parking', 'a1 a3 b2 c1 a4 c2', 'parking goes on');
got('blocking', 'a1 c1 c2', 'blocking goes on with other keys');
deliveries('blocking', 'a2 parked 1, a3 blocked 0, b1 parked 1, b2 blocked 0,'
	. ' a4 blocked 0', 'and blocks what comes');

# the event itself, for the sink's owner
is($node->safe_psql('postgres', q{SELECT e.topic, e.event_id, e.payload,
		convert_from(e.key, 'UTF8')
	FROM evaudit.deliveries d, evaudit.delivery_event(d.id) e
	WHERE d.sink = 'parking' AND d.event_id = 'a2'}),
	'orders|a2|{"k": "a"}|a', 'the event is kept');

# only for those who own the sink; pg_monitor sees that they are there
my @mine = split /\n/, $node->safe_psql('postgres',
	q{SELECT id FROM evaudit.deliveries ORDER BY id});
$node->safe_psql('postgres', q{CREATE ROLE other; CREATE ROLE watcher;
	GRANT pg_monitor TO watcher});
foreach my $call ("redeliver(ARRAY[$mine[0]])", "redeliver('blocking')",
	"skip_delivery(ARRAY[$mine[0]])", "delivery_event($mine[0])")
{
	foreach my $role (qw(other watcher))
	{
		my ($rc, $out, $err) = $node->psql('postgres',
			"SET ROLE $role; SELECT evaudit.$call");
		like($err, qr/must be owner of sink/, "$role may not $call");
	}
}
is($node->safe_psql('postgres',
	'SET ROLE other; SELECT count(*) FROM evaudit.deliveries'), 0,
	'others see nothing');
is($node->safe_psql('postgres',
	'SET ROLE watcher; SELECT count(*) FROM evaudit.deliveries'),
	scalar(@mine), 'pg_monitor sees all');

# redelivered in vain: parked again
$node->safe_psql('postgres', q{SELECT evaudit.redeliver('blocking')});
deliveries('blocking', 'a2 parked 2, a3 blocked 0, b1 parked 2, b2 blocked 0,'
	. ' a4 blocked 0', 'what is refused again is parked again');

# redelivered: the key catches up in order
$node->safe_psql('postgres', q{
	DELETE FROM refusing WHERE id = 'a2';
	SELECT evaudit.redeliver(array_agg(id)) FROM evaudit.deliveries
	WHERE event_id = 'a2'});
got('blocking', 'a1 c1 c2 a2 a3 a4', 'a key catches up in order');
got('parking', 'a1 a3 b2 c1 a4 c2 a2', 'what was parked goes alone');
deliveries('blocking', 'b1 parked 2, b2 blocked 0', 'and is gone from there');

# given up: what it blocked goes on
is($node->safe_psql('postgres', q{SELECT evaudit.skip_delivery(array_agg(id))
	FROM evaudit.deliveries WHERE event_id = 'b1'}), 2, 'two are given up');
got('blocking', 'a1 c1 c2 a2 a3 a4 b2', 'what waited behind it goes on');
$node->wait_for('SELECT count(*) FROM evaudit.delivery_store', 0);
is($node->safe_psql('postgres', q{SELECT state, parked, blocked_keys
	FROM evaudit.stat_sinks WHERE name = 'blocking'}), 'running|0|0',
	'nothing is left behind');

# what blocks no more since the options changed
$node->safe_psql('postgres', q{INSERT INTO refusing VALUES ('d1')});
publish(qw(d1 d2 d3));
deliveries('blocking', 'd1 parked 1, d2 blocked 0, d3 blocked 0',
	'a key is blocked');
$node->safe_psql('postgres',
	q{SELECT evaudit.alter_sink('blocking', '{"on_failure": "park"}')});
got('blocking', 'a1 c1 c2 a2 a3 a4 b2 d2 d3',
	'what was blocked goes on when the sink parks');

# a large backlog behind one event
$node->safe_psql('postgres', q{
	SELECT evaudit.alter_sink('blocking',
		'{"on_failure": "block", "batch_size": 100}');
	INSERT INTO refusing VALUES ('e0');
	TRUNCATE got;
	SELECT count(evaudit.publish('orders', '{"k": "e"}', 'e' || i))
	FROM generate_series(0, 999) i});
$node->wait_for(q{SELECT count(*) FILTER (WHERE state = 'blocked')
	FROM evaudit.deliveries WHERE sink = 'blocking'}, 999);
$node->safe_psql('postgres', q{
	DELETE FROM refusing;
	SELECT evaudit.redeliver('blocking')});
$node->wait_for(q{SELECT count(*) FROM got WHERE sink = 'blocking'
	AND event_id LIKE 'e%'}, 1000);
is($node->safe_psql('postgres', q{SELECT count(*) FROM (
	SELECT substr(event_id, 2)::int AS i, lag(substr(event_id, 2)::int)
		OVER (ORDER BY n) AS before FROM got WHERE sink = 'blocking'
	AND event_id LIKE 'e%') g WHERE i <> before + 1}), 0,
	'a long backlog catches up in order');

done_testing();
