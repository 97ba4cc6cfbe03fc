# The audit as a stream: each audit row's document, read from the table.

use strict;
use warnings;

use Evaudit::Cluster;
use Test::More;

my $node = Evaudit::Cluster->new('main',
	conf => "evaudit.max_backoff = '300ms'\n");

$node->safe_psql('postgres', q{
	CREATE SERVER local FOREIGN DATA WRAPPER evaudit_function;
	CREATE TABLE got (n bigint GENERATED ALWAYS AS IDENTITY, topic text,
		event_id text, key text, payload jsonb, headers jsonb, subject text);
	CREATE FUNCTION take(events evaudit.event[]) RETURNS void LANGUAGE sql AS $$
		INSERT INTO public.got (topic, event_id, key, payload, headers, subject)
		SELECT e.topic, e.event_id, convert_from(e.key, 'UTF8'), e.payload,
			e.headers, e.subject
		FROM unnest(events) WITH ORDINALITY AS e(topic, event_id, key, payload,
			headers, event_time, subject, source, source_position, n)
		ORDER BY e.n $$;
	INSERT INTO configuration VALUES ('before', '0');
	SELECT evaudit.create_sink('trail', 'local', '{audit}',
		'{"function": "public.take"}');
	INSERT INTO configuration VALUES ('theme', '"dark"');
	BEGIN;
	SET LOCAL evaudit.actor = 'ada';
	SET LOCAL evaudit.request_id = 'r1';
	UPDATE configuration SET value = '"light"' WHERE key = 'theme';
	COMMIT;
	BEGIN;
	DELETE FROM configuration;
	ROLLBACK});

$node->wait_for('SELECT count(*) FROM got', 2);
is($node->safe_psql('postgres', q{SELECT g.topic, g.event_id = a.id::text,
		g.key, g.payload = a.document, g.headers, g.subject
	FROM got g JOIN audit a ON a.id::text = g.event_id ORDER BY n}),
	join("\n",
		'audit|t|["public.configuration", "theme"]|t|{"relation": "public.configuration", "operation": "INSERT"}|',
		'audit|t|["public.configuration", "theme"]|t|{"relation": "public.configuration", "operation": "UPDATE", "request_id": "r1"}|ada'),
	'what was committed after the sink was made, as documents');

# a transaction that stays open delays its own rows alone
my $open = $node->background_psql('postgres');
$open->query_safe(q{BEGIN; INSERT INTO configuration VALUES ('late', '1')});
$node->safe_psql('postgres', q{INSERT INTO configuration VALUES ('early', '2')});
$node->wait_for(q{SELECT string_agg(key::jsonb ->> 1, ' ' ORDER BY n)
	FROM got}, 'theme theme early');
$open->query_safe('COMMIT');
$open->quit;
$node->wait_for(q{SELECT string_agg(key::jsonb ->> 1, ' ' ORDER BY n)
	FROM got}, 'theme theme early late');
pass('difference of snapshots');

# an audit row can be waited for
is($node->safe_psql('postgres', q{SELECT w.* FROM audit a,
	evaudit.wait_delivered('audit', a.id::text, '60s') w
	WHERE a.item_key = 'late'}), 'trail|delivered|', 'waited for');

# nothing but the audit, and not by a pattern
my ($rc, $out, $err) = $node->psql('postgres', q{SELECT evaudit.create_sink(
	'mixed', 'local', '{audit,orders}', '{"function": "public.take"}')});
like($err, qr/topic "audit" needs a sink of its own/, 'not mixed with others');
is($node->safe_psql('postgres', q{SELECT evaudit.sink_wants('{*}', 'audit'),
	evaudit.sink_wants('{^.*}', 'audit')}), 'f|f', 'no pattern means it');

# who may not read the audit cannot have it sent, nor what a policy hides
$node->safe_psql('postgres', q{
	CREATE ROLE low LOGIN;
	GRANT USAGE ON FOREIGN SERVER local TO low;
	GRANT SELECT ON evaudit.events TO low;
	GRANT INSERT ON got TO low;
	CREATE SCHEMA low AUTHORIZATION low;
	SET ROLE low;
	CREATE FUNCTION low.take(events evaudit.event[]) RETURNS void LANGUAGE sql
	AS $$INSERT INTO public.got (topic, key)
		SELECT 'low', convert_from(e.key, 'UTF8') FROM unnest(events) e$$});
($rc, $out, $err) = $node->psql('postgres', q{SET ROLE low;
	SELECT evaudit.create_sink('low', 'local', '{audit}',
	'{"function": "low.take"}')});
like($err, qr/permission denied for table audit/, 'it takes SELECT on audit');
$node->safe_psql('postgres', q{
	GRANT SELECT ON audit TO low;
	ALTER TABLE audit ENABLE ROW LEVEL SECURITY;
	CREATE POLICY shown ON audit FOR SELECT TO low
		USING (item_key NOT LIKE 'hidden%');
	CREATE POLICY written ON audit FOR INSERT TO PUBLIC WITH CHECK (true);
	SET ROLE low;
	SELECT evaudit.create_sink('low', 'local', '{audit}',
		'{"function": "low.take"}');
	RESET ROLE;
	INSERT INTO configuration VALUES ('hidden one', '3'), ('shown one', '4')});
$node->wait_for(q{SELECT string_agg(key::jsonb ->> 1, ' ' ORDER BY n)
	FROM got WHERE topic = 'low'}, 'shown one');
pass('row security of its owner holds');

done_testing();
