# Waiting until sinks have delivered an event.

use strict;
use warnings;

use Evaudit::Cluster;
use Test::More;

my $node = Evaudit::Cluster->new('main',
	conf => "evaudit.max_backoff = '300ms'\n");

$node->safe_psql('postgres', q{
	CREATE SERVER local FOREIGN DATA WRAPPER evaudit_function;
	CREATE TABLE gate (open boolean);
	INSERT INTO gate VALUES (true);
	CREATE FUNCTION take(events evaudit.event[]) RETURNS void LANGUAGE plpgsql
	AS $$
	BEGIN
		IF EXISTS (SELECT FROM unnest(events) e WHERE e.payload ? 'bad') THEN
			RAISE EXCEPTION 'refuses it' USING ERRCODE = 'check_violation';
		END IF;
	END $$;
	CREATE FUNCTION take_gated(events evaudit.event[]) RETURNS void
	LANGUAGE plpgsql AS $$
	BEGIN
		IF NOT (SELECT open FROM public.gate) THEN
			RAISE EXCEPTION 'closed' USING ERRCODE = 'insufficient_resources';
		END IF;
	END $$;
	SELECT evaudit.create_topic('orders', NULL, '{"key": "/k"}');
	SELECT evaudit.create_topic('fleeting', NULL, '{"keep": false}');
	SELECT evaudit.create_sink('always', 'local', '{orders,fleeting}',
		'{"function": "public.take"}');
	SELECT evaudit.create_sink('gated', 'local', '{orders}',
		'{"function": "public.take_gated"}')});

sub publish
{
	my ($topic, $id, $payload) = @_;
	$node->safe_psql('postgres',
		qq{SELECT evaudit.publish('$topic', '$payload', '$id')});
	return;
}

sub waited
{
	my ($topic, $id, $timeout) = @_;
	return $node->safe_psql('postgres',
		qq{SELECT * FROM evaudit.wait_delivered('$topic', '$id', '$timeout')});
}

publish('orders', 'a', '{}');
is(waited('orders', 'a', '60s'), "always|delivered|\ngated|delivered|",
	'delivered by both sinks');
is(waited('orders', 'a', '0s'), "always|delivered|\ngated|delivered|",
	'which is known without a wait from then on');
publish('fleeting', 'b', '{}');
is(waited('fleeting', 'b', '60s'), 'always|delivered|',
	'only sinks of its topic count');

publish('orders', 'c', '{"bad": true}');
is(waited('orders', 'c', '60s'), "always|parked|refuses it\ngated|delivered|",
	'parked');

# a sink that does not deliver does not hold up what is known of others
$node->safe_psql('postgres', 'UPDATE gate SET open = false');
publish('orders', 'd', '{}');
$node->wait_for(q{SELECT last_error FROM evaudit.stat_sinks
	WHERE name = 'gated'}, 'closed');
is(waited('orders', 'd', '300ms'), "always|delivered|\ngated|pending|closed",
	'pending when the time is over, with the sink\'s error');

# who waits is told by the process of the sink
my $waiting = $node->background_psql('postgres', on_error_stop => 0);
$waiting->query_until(qr/begun/, q{\echo begun
	SELECT * FROM evaudit.wait_delivered('orders', 'd', '60s');
});
$node->wait_for(q{SELECT count(*) FROM pg_stat_activity
	WHERE query ~ '^SELECT \* FROM evaudit.wait_delivered'
	AND wait_event = 'Extension'}, 1);
$node->safe_psql('postgres', 'UPDATE gate SET open = true');
my $told = $waiting->query(q{SELECT 'told'});
like($told, qr/always\|delivered\|\ngated\|delivered\|/, 'told when it is there');
$waiting->quit;

# redelivered
$node->safe_psql('postgres', q{
	CREATE OR REPLACE FUNCTION take(events evaudit.event[]) RETURNS void
	LANGUAGE sql AS '';
	SELECT evaudit.redeliver('always')});
is(waited('orders', 'c', '60s'), "always|delivered|\ngated|delivered|",
	'and when what was parked is');

my ($rc, $out, $err) = $node->psql('postgres',
	q{SELECT * FROM evaudit.wait_delivered('orders', 'nobody', '60s')});
like($err, qr/event "nobody" of topic "orders" is not known/,
	'an unknown event is an error');
($rc, $out, $err) = $node->psql('postgres', q{BEGIN;
	SELECT evaudit.publish('orders', '{}', 'mine');
	SELECT * FROM evaudit.wait_delivered('orders', 'mine', '60s')});
like($err, qr/event "mine" of topic "orders" is not committed/,
	'and one that the own transaction has just published');
($rc, $out, $err) = $node->psql('postgres', q{CREATE ROLE nosy;
	SET ROLE nosy; SELECT * FROM evaudit.wait_delivered('orders', 'a')});
like($err, qr/permission denied for table events/,
	'who may not read events learns nothing');

done_testing();
