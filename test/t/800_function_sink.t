# Sinks that call a function: each committed event once, in order, whatever
# door it came in by; none that was rolled back.

use strict;
use warnings;

use Evaudit::Cluster;
use Test::More;

my $node = Evaudit::Cluster->new('main',
	conf => "evaudit.max_backoff = '300ms'\n");

$node->safe_psql('postgres', q{
	CREATE SERVER local FOREIGN DATA WRAPPER evaudit_function;
	CREATE TABLE got (n bigint GENERATED ALWAYS AS IDENTITY, topic text,
		event_id text, key text, payload jsonb, batch bigint);
	CREATE SEQUENCE batches;
	CREATE FUNCTION take(events evaudit.event[]) RETURNS void LANGUAGE sql
	BEGIN ATOMIC
		INSERT INTO got (topic, event_id, key, payload, batch)
		SELECT e.topic, e.event_id, convert_from(e.key, 'UTF8'), e.payload,
			b.batch
		FROM (SELECT nextval('batches') AS batch) b,
			unnest(events) WITH ORDINALITY
			AS e(topic, event_id, key, payload, headers, event_time, subject,
				source, source_position, n) ORDER BY e.n;
	END;
	SELECT evaudit.create_topic('orders', NULL, '{"key": "/customer"}');
	SELECT evaudit.create_topic('other');
	SELECT evaudit.publish('orders', '{"customer": "c", "n": 0}', 'before');
	SELECT evaudit.create_sink('report', 'local', '{orders}',
		'{"function": "public.take"}')});

sub got
{
	my ($expected, $what) = @_;
	$node->wait_for(q{SELECT string_agg(event_id, ' ' ORDER BY n) FROM got},
		$expected);
	pass($what);
	return;
}

# one transaction, a subtransaction that is undone, and one that is not
$node->safe_psql('postgres', q{
	BEGIN;
	SELECT evaudit.publish('orders', '{"customer": "c", "n": 1}', 'a');
	SAVEPOINT s;
	SELECT evaudit.publish('orders', '{"customer": "c", "n": 2}', 'undone');
	ROLLBACK TO s;
	SAVEPOINT s;
	SELECT evaudit.publish('orders', '{"customer": "d", "n": 3}', 'b');
	RELEASE s;
	SELECT evaudit.publish('other', '{"n": 4}', 'c');
	COMMIT;
	BEGIN;
	SELECT evaudit.publish('orders', '{"customer": "c", "n": 5}', 'undone, too');
	ROLLBACK});
got('a b', 'what was committed after the sink was made, of its topic');
is($node->safe_psql('postgres', 'SELECT key, payload FROM got ORDER BY n'),
	qq(c|{"n": 1, "customer": "c"}\nd|{"n": 3, "customer": "d"}),
	'with key and payload');
$node->wait_for(q{SELECT format('%s %s %s %s', state, delivered, pending,
	last_delivered_at > now() - interval '1 hour') FROM evaudit.stat_sinks},
	'running 2 0 t');

# an event that is kept already is not sent again
$node->safe_psql('postgres', q{
	SELECT evaudit.publish('orders', '{"customer": "c", "n": 1}', 'a');
	SELECT evaudit.publish('orders', '{"customer": "c", "n": 6}', 'e')});
got('a b e', 'a repeated event is not sent again');

# a transaction that stays open delays its own rows alone
my $open = $node->background_psql('postgres');
$open->query_safe(q{BEGIN;
	SELECT evaudit.publish('orders', '{"customer": "o", "n": 7}', 'late')});
$node->safe_psql('postgres',
	q{SELECT evaudit.publish('orders', '{"customer": "c", "n": 8}', 'f')});
got('a b e f', 'what others commit meanwhile is sent');
$open->query_safe('COMMIT');
$open->quit;
got('a b e f late', 'and the rest when it is committed');

# paused, and resumed
$node->safe_psql('postgres', q{SELECT evaudit.pause_sink('report')});
$node->wait_for('SELECT state, pid IS NULL FROM evaudit.stat_sinks',
	'paused|t');
$node->safe_psql('postgres',
	q{SELECT evaudit.publish('orders', '{"customer": "c", "n": 9}', 'g')});
is($node->safe_psql('postgres', 'SELECT pending FROM evaudit.stat_sinks'),
	1, 'it waits while the sink is paused');
$node->safe_psql('postgres', q{SELECT evaudit.resume_sink('report')});
got('a b e f late g', 'and goes when it is resumed');

# a large event is compressed once, as both tables do it, or by each
sub publish_large
{
	my ($id, $alter, $middle) = @_;

	return $node->safe_psql('postgres', qq{
		$alter;
		SELECT NULL FROM evaudit.publish('orders', jsonb_build_object(
			'customer', 'l', 'x', repeat('a long text ', 500)
				|| (SELECT COALESCE(string_agg(md5(n::text), ''), '')
					FROM generate_series(1, @{[ $middle // 0 ]}) n)
				|| repeat('a long text ', 500)), '$id');
		SELECT COALESCE(pg_column_compression(e.payload), 'none'),
			COALESCE(pg_column_compression(o.payload), 'none'),
			e.payload = o.payload
		FROM evaudit.events e JOIN evaudit.outbox o USING (topic, event_id)
		WHERE event_id = '$id'}) =~ s/^\n//r;
}
is(publish_large('h1', 'SELECT WHERE false'), 'pglz|pglz|t',
	'a large event is compressed in both tables');
is(publish_large('h2',
		'ALTER TABLE evaudit.events ALTER payload SET STORAGE EXTERNAL'),
	'none|pglz|t', 'not where a table is not to compress it');
is(publish_large('h3', 'ALTER TABLE evaudit.events ALTER payload SET STORAGE
		EXTENDED, ALTER payload SET COMPRESSION pglz'),
	'pglz|pglz|t', 'by the method that evaudit.events names');
is(publish_large('h4', 'SELECT WHERE false', 100), 'pglz|none|t',
	'the middle tells whether it is worth while');
got('a b e f late g h1 h2 h3 h4', 'and all are sent');

# What a sink lacks when its process is to be started, and has again later:
# the function, and a right, of which nobody tells the scheduler
sub stopped
{
	my ($sink, $because, $error) = @_;

	$node->safe_psql('postgres', $because);
	$node->wait_for("SELECT state FROM evaudit.stat_sinks WHERE name = '$sink'", 'stopped');
	like($node->safe_psql('postgres', "SELECT last_error FROM evaudit.stat_sinks WHERE name = '$sink'"),
		$error, "$sink says what it lacks");
	return;
}
stopped('report', q{
	BEGIN;
	SELECT evaudit.alter_sink('report', '{"batch_size": 10}');
	ALTER FUNCTION take RENAME TO gone;
	COMMIT}, qr/^function public\.take\(evaudit\.event\[\]\) does not exist$/);
$node->safe_psql('postgres', q{
	ALTER FUNCTION gone RENAME TO take;
	SELECT evaudit.publish('orders', '{"customer": "c", "n": 11}', 'back')});
got('a b e f late g h1 h2 h3 h4 back', 'and runs when the function is there again');
$node->safe_psql('postgres', q{
	CREATE ROLE sender LOGIN;
	GRANT SELECT ON evaudit.events TO sender;
	GRANT USAGE ON FOREIGN SERVER local TO sender;
	SET ROLE sender;
	SELECT evaudit.create_sink('own', 'local', '{other}', '{"function": "public.take"}');
	RESET ROLE;
	REVOKE SELECT ON evaudit.events FROM sender});
stopped('own', 'ALTER ROLE sender CONNECTION LIMIT 10',
	qr/^permission denied for table events$/);
$node->safe_psql('postgres', 'GRANT SELECT ON evaudit.events TO sender');
$node->wait_for(q{SELECT state FROM evaudit.stat_sinks WHERE name = 'own'}, 'running');

# dropped
$node->safe_psql('postgres', q{SELECT evaudit.drop_sink('report')});
$node->safe_psql('postgres',
	q{SELECT evaudit.publish('orders', '{"customer": "c", "n": 10}', 'h')});
is($node->safe_psql('postgres',
	q{SELECT count(*) FROM evaudit.outbox WHERE event_id = 'h'}), 0,
	'a topic without sinks writes nothing');

done_testing();
