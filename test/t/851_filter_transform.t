# Which events a sink sends, by its filter, and what its transform makes of
# them; whose rights a transform runs with.

use strict;
use warnings;

use Evaudit::Cluster;
use Test::More;

my $node = Evaudit::Cluster->new('main',
	conf => "evaudit.max_backoff = '300ms'\n");

$node->safe_psql('postgres', q{
	CREATE SERVER local FOREIGN DATA WRAPPER evaudit_function;
	CREATE TABLE got (n bigint GENERATED ALWAYS AS IDENTITY, sink text,
		event_id text, payload jsonb);
	CREATE FUNCTION make_sink(name text, options jsonb) RETURNS void
	LANGUAGE plpgsql AS $$
	BEGIN
		EXECUTE format('CREATE FUNCTION take_%s(events evaudit.event[])
			RETURNS void LANGUAGE sql AS $b$INSERT INTO public.got
				(sink, event_id, payload)
			SELECT %L, e.event_id, e.payload FROM unnest(events) e$b$',
			name, name);
		PERFORM evaudit.create_sink(name, 'local', '{orders}', options ||
			jsonb_build_object('function', 'public.take_' || name));
	END $$;
	CREATE FUNCTION doubled(e evaudit.event) RETURNS jsonb LANGUAGE plpgsql
	AS $$
	BEGIN
		IF e.payload ->> 'n' = '0' THEN
			RETURN NULL;
		END IF;
		RETURN jsonb_build_object('twice', 2 * (e.payload ->> 'n')::int,
			'topic', e.topic);
	END $$;
	CREATE FUNCTION writes(e evaudit.event) RETURNS jsonb LANGUAGE plpgsql
	AS $$
	BEGIN
		INSERT INTO public.got (sink, event_id) VALUES ('writes', e.event_id);
		RETURN e.payload;
	END $$;
	SELECT evaudit.create_topic('orders');
	SELECT make_sink('by_path', '{"filter": "$.n > 1"}');
	SELECT make_sink('by_member', '{"filter": "$.big"}');
	SELECT make_sink('by_schema',
		'{"filter": {"properties": {"n": {"const": 1}}, "required": ["n"]}}');
	SELECT make_sink('transforming', '{"transform": "public.doubled"}');
	SELECT make_sink('both',
		'{"filter": "$.n == 2", "transform": "public.doubled"}')});

$node->safe_psql('postgres', qq{SELECT evaudit.publish('orders', '$_->[1]',
	'$_->[0]')}) for (
		['zero', '{"n": 0}'], ['one', '{"n": 1, "big": false}'],
		['two', '{"n": 2, "big": null}'],
		['three', '{"n": 3, "big": {"any": 1}}'],
		['text', '{"n": "x", "big": true}'], ['none', '{}']);

sub got
{
	my ($sink, $expected, $what) = @_;
	$node->wait_for(qq{SELECT string_agg(event_id, ' ' ORDER BY n) FROM got
		WHERE sink = '$sink'}, $expected);
	pass($what);
	return;
}

got('by_path', 'two three', 'a predicate decides');
got('by_member', 'three text',
	'what a path finds is sent, unless it is false or null');
got('by_schema', 'one', 'a JSON Schema decides');
got('both', 'two', 'a filter comes before a transform');
got('transforming', 'one two three none', 'a transform may drop events');
is($node->safe_psql('postgres', q{SELECT payload FROM got
	WHERE sink = 'transforming' AND event_id = 'three'}),
	'{"topic": "orders", "twice": 6}', 'and makes another payload');
is($node->safe_psql('postgres', q{SELECT event_id, state, code
	FROM evaudit.deliveries WHERE sink = 'transforming'}),
	'text|parked|22P02', 'one that it fails on is parked');

# an option that is altered keeps the nulls in it, and a null resets it
$node->safe_psql('postgres', q{SELECT evaudit.alter_sink('by_schema',
	'{"filter": {"properties": {"n": {"const": null}}, "required": ["n"]}}');
	SELECT evaudit.publish('orders', '{"n": null}', 'null')});
got('by_schema', 'one null', 'a schema that was altered holds null');
$node->safe_psql('postgres', q{SELECT evaudit.alter_sink('by_schema',
	'{"filter": null}');
	SELECT evaudit.publish('orders', '{"n": 7}', 'seven')});
got('by_schema', 'one null seven', 'a null resets an option');

# mended, the event as it was published is transformed again
$node->safe_psql('postgres', q{
	CREATE OR REPLACE FUNCTION doubled(e evaudit.event) RETURNS jsonb
	LANGUAGE sql AS $$SELECT jsonb_build_object('was', e.payload)$$;
	SELECT evaudit.redeliver('transforming')});
got('transforming', 'one two three none null seven text',
	'mended, it is sent');
is($node->safe_psql('postgres', q{SELECT payload FROM got
	WHERE sink = 'transforming' AND event_id = 'text'}),
	'{"was": {"n": "x", "big": true}}', 'with what was published');

# a transform cannot write
$node->safe_psql('postgres', q{SELECT make_sink('writing',
	'{"transform": "public.writes"}');
	SELECT evaudit.publish('orders', '{"n": 4}', 'four')});
$node->wait_for(q{SELECT last_error FROM evaudit.stat_sinks
	WHERE name = 'writing'},
	'cannot execute INSERT in a read-only transaction');
is($node->safe_psql('postgres',
	q{SELECT count(*) FROM got WHERE sink = 'writes'}), 0,
	'a transform cannot write');
$node->safe_psql('postgres', q{SELECT evaudit.drop_sink('writing')});

# whose rights: of the function's owner, who cannot be the sink's owner
$node->safe_psql('postgres', q{
	CREATE ROLE low NOLOGIN;
	CREATE TABLE secret AS SELECT 'hidden' AS what;
	CREATE SCHEMA low AUTHORIZATION low;
	SET ROLE low;
	CREATE FUNCTION low.peeks(e evaudit.event) RETURNS jsonb LANGUAGE plpgsql
	AS $$
	BEGIN
		RETURN jsonb_build_object('user', current_user, 'may',
			has_table_privilege('public.secret', 'SELECT'));
	END $$;
	RESET ROLE;
	SELECT make_sink('peeking', '{"transform": "low.peeks"}');
	SELECT evaudit.publish('orders', '{"n": 5}', 'five')});
got('peeking', 'five', 'a function of a lower role is called');
is($node->safe_psql('postgres', q{SELECT payload FROM got
	WHERE sink = 'peeking'}), '{"may": false, "user": "low"}',
	'with no rights but its own');

# what cannot be is refused when it is given
sub refused
{
	my ($options, $error, $role) = @_;
	my ($rc, $out, $err) = $node->psql('postgres', ($role // '') .
		qq{SELECT evaudit.create_sink('bad', 'local', '{orders}',
			'{"function": "public.take_both"}'::jsonb || '$options')});
	like($err, $error, "refused: $options");
	return;
}
refused('{"filter": "$.["}', qr/syntax error/);
refused('{"filter": 1}', qr/option "filter" must be a jsonpath or a JSON Schema/);
refused('{"filter": {"type": "no type"}}', qr/"no type"|type/);
refused('{"transform": "doubled"}',
	qr/option "transform" must be a function's name with its schema/);
refused('{"transform": "public.take_both"}',
	qr/function public\.take_both\(evaudit\.event\) does not exist/);
refused('{"format": "cloudevents"}', qr/a sink of kind "function" has no format/);
refused('{"format": "xml"}', qr/option "format" must be "payload" or "cloudevents"/);
refused('{"order": "none", "on_failure": "block"}',
	qr/option "on_failure" cannot be "block" where "order" is "none"/);
refused('{"max_attempts": -1}', qr/option "max_attempts" must be a number from 0/);
$node->safe_psql('postgres', q{GRANT USAGE ON FOREIGN SERVER local TO low;
	GRANT SELECT ON evaudit.events TO low});
refused('{"transform": "public.doubled"}',
	qr/must be able to SET ROLE .* to have a sink call function public\.doubled/,
	'SET ROLE low; ');

done_testing();
