# Alerts begin and end with their causes, are told once, and can be altered.

use strict;
use warnings;

use Evaudit::Alerts;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = alert_cluster("max_worker_processes = 24\nevaudit.segment_rows = 400\n");

sub query { return $node->safe_psql('postgres', $_[0]); }

is(query(q{SELECT count(*) >= 20 AND bool_and(enabled AND severity IN ('info', 'warning', 'critical') AND description <> '' AND hint <> '') FROM evaudit.alert_rules}),
	't', 'all rules are enabled and described');

my $runbook = slurp_file('docs/runbook.md');
foreach my $rule (split /\n/, query('SELECT name FROM evaudit.alert_rules ORDER BY 1'))
{
	like($runbook, qr/^\*\*Rule:\*\* .*`$rule`/m, "$rule is in the runbook");
}

query('CREATE TABLE watched (id integer PRIMARY KEY)');
query(q{SELECT evaudit.track('watched')});
fires($node, 'audit_disabled public.watched', 'ALTER TABLE watched DISABLE TRIGGER ALL',
	q{SELECT evaudit.track('watched')}, qr/trigger/);
fires($node, 'event_trigger_disabled evaudit_record_dropped',
	'ALTER EVENT TRIGGER evaudit_record_dropped DISABLE',
	'ALTER EVENT TRIGGER evaudit_record_dropped ENABLE ALWAYS', qr/DDL/);

my $reader = $node->background_psql('postgres');
fires($node, 'segments_late audit',
	sub {
		$reader->query_safe('BEGIN; LOCK TABLE evaudit.audit_default IN ACCESS SHARE MODE');
		query('INSERT INTO watched SELECT generate_series(1, 200)');
	},
	sub { $reader->query_safe('ROLLBACK') }, qr/^number \d+ is drawn$/);
$reader->quit;

query(q{CREATE SERVER aws FOREIGN DATA WRAPPER evaudit_aws
		OPTIONS (region 'eu-west-1', endpoint_url 'http://127.0.0.1:9');
	CREATE USER MAPPING FOR CURRENT_USER SERVER aws
		OPTIONS (access_key_id 'a', secret_access_key 'b')});
fires($node, 'source_down queue',
	q{SELECT evaudit.create_source('queue', 'aws', options => '{"queue": "q"}')},
	q{SELECT evaudit.pause_source('queue')}, qr/^backoff: ./);
fires($node, 'dead_letters queue',
	q{INSERT INTO evaudit.dead_letter_store (owner, source, topic, reason, error, received_at)
		SELECT 'x', 'queue', 'login', reason, 'bad', clock_timestamp()
		FROM unnest('{missing_field,missing_field,too_deep}'::text[]) reason},
	q{UPDATE evaudit.dead_letter_store SET redriven_at = now()},
	qr/^missing_field: 2, too_deep: 1$/);

query(q{SELECT evaudit.create_topic('sent', options => '{"keep": true, "key": "/k"}');
	CREATE SERVER here FOREIGN DATA WRAPPER evaudit_function;
	CREATE FUNCTION public.take(events evaudit.event[]) RETURNS void
		LANGUAGE plpgsql AS $$ BEGIN
		IF EXISTS (SELECT FROM unnest(events) e WHERE e.payload ? 'bad') THEN
			RAISE 'refused' USING ERRCODE = 'check_violation';
		END IF; END $$;
	SELECT evaudit.create_sink('out', 'here', '{sent}', '{"function": "public.take"}')});
fires($node, 'sink_down out', q{ALTER FUNCTION public.take RENAME TO gone; SELECT evaudit.publish('sent', '{}', 'one')},
	'ALTER FUNCTION public.gone RENAME TO take', qr/take/);
fires($node, 'deliveries_parked out', q{SELECT evaudit.publish('sent', '{"bad": 1, "k": "a"}', 'two')},
	q{SELECT evaudit.skip_delivery(array_agg(id)) FROM evaudit.deliveries}, qr/refused/);
query(q{SELECT evaudit.alter_sink('out', '{"on_failure": "block"}')});
fires($node, 'deliveries_parked out, sink_blocked out',
	q{SELECT evaudit.publish('sent', '{"bad": 1, "k": "a"}', 'three');
	  SELECT evaudit.publish('sent', '{"k": "a"}', 'four')},
	q{SELECT evaudit.skip_delivery(array_agg(id)) FROM evaudit.deliveries WHERE state = 'parked'}, qr/refused/);
fires($node, 'sink_lag out',
	q{UPDATE evaudit.alert_rules SET enabled = false WHERE name = 'sink_down';
	  UPDATE evaudit.alert_rules SET threshold = 0.5 WHERE name = 'sink_lag';
	  ALTER FUNCTION public.take RENAME TO gone; SELECT evaudit.publish('sent', '{}', 'five')},
	'ALTER FUNCTION public.gone RENAME TO take', qr/^it is of /);
query(q{UPDATE evaudit.alert_rules SET enabled = true WHERE name = 'sink_down'});
fires($node, 'outbox_size outbox',
	q{UPDATE evaudit.alert_rules SET threshold = 1e-9 WHERE name = 'outbox_size'},
	q{UPDATE evaudit.alert_rules SET threshold = 0.5 WHERE name = 'outbox_size'}, qr/(?:kB|MB)$/);

fires($node, 'issuer_unusable idp',
	q{SELECT evaudit.create_issuer('idp', '{"issuer": "https://idp", "algorithms": ["RS256"],
		"jwks_url": "https://127.0.0.1:9/keys"}')},
	q{SELECT evaudit.drop_issuer('idp')}, qr/./);
fires($node, 'retention_failed events',
	q{CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql
			AS 'BEGIN RAISE ''no''; END';
		CREATE TRIGGER refuse BEFORE DELETE ON evaudit.events
			FOR EACH ROW EXECUTE FUNCTION public.refuse();
		UPDATE evaudit.events SET received_at = now() - interval '2 days';
		SELECT evaudit.set_retention('events', '1 day')},
	q{DROP TRIGGER refuse ON evaudit.events; SELECT evaudit.set_retention('events', '1 day')},
	qr/^no$/);
fires($node, 'worker_slots max_worker_processes',
	q{UPDATE evaudit.alert_rules SET threshold = 0 WHERE name = 'worker_slots'},
	q{UPDATE evaudit.alert_rules SET threshold = 0.99 WHERE name = 'worker_slots'}, qr/ of 24$/);

my $open = $node->background_psql('postgres');
$open->query_safe('BEGIN; CREATE TEMP TABLE t (i int)');
query(q{UPDATE evaudit.alert_rules SET threshold = 0.1 WHERE name = 'old_transaction'});
ok($node->wait_for("SELECT count(*) FROM evaudit.alerts WHERE name = 'old_transaction'", '1'),
	'old_transaction');
$open->query_safe('ROLLBACK');
ok($node->wait_for('SELECT count(*) FROM evaudit.alerts', 0), 'old_transaction ends');
query(q{UPDATE evaudit.alert_rules SET threshold = 600 WHERE name = 'old_transaction'});

# What is told.  Nothing is told twice.
my $log = slurp_file($node->logfile);
is(() = $log =~ /alert "audit_disabled" begins: public\.watched/g, 1, 'one line when it begins');
is(() = $log =~ /alert "audit_disabled" ends: public\.watched/g, 1, 'and one when it ends');
like($log, qr/DETAIL:  alert="audit_disabled" subject="public\.watched" severity=critical value=1: /,
	'with details');

query(q{CREATE TABLE told (payload jsonb);
	CREATE FUNCTION public.tell(events evaudit.event[]) RETURNS void LANGUAGE sql
		AS 'INSERT INTO public.told SELECT e.payload FROM unnest(events) e WHERE e.topic = ''alerts''';
	SELECT evaudit.create_sink('teller', 'here', '{alerts}', '{"function": "public.tell"}')});
$open->query_safe('LISTEN evaudit_alerts');
query('ALTER TABLE watched DISABLE TRIGGER ALL');
ok($node->wait_for(q{SELECT string_agg(concat_ws(' ', payload->>'name', payload->>'subject', payload->>'state', payload->>'severity'), ', ') FROM told},
		'audit_disabled public.watched begin critical'), 'a sink of the topic gets it');
like(query('SELECT payload FROM told'), qr/"hint": "track.*"detail": "a trigger/, 'with its texts');
my $notified = '';
$notified .= $open->query('SELECT 1') until $notified =~ /audit_disabled/;
like($notified, qr/"evaudit_alerts" with payload "\{.*"state": "begin".*"subject": "public\.watched"/, 'as JSON');
unlike($notified, qr/detail|hint/, 'without texts, which not every role may read');
$open->quit;

# Whoever reads
query('CREATE ROLE nobody; CREATE ROLE watcher IN ROLE pg_monitor');
is(query('SET ROLE watcher; SELECT subject FROM evaudit.alerts'), 'public.watched', 'for pg_monitor');
foreach my $view ('alerts', 'alert_rules')
{
	my (undef, undef, $err) = $node->psql('postgres', "SET ROLE nobody; TABLE evaudit.$view");
	like($err, qr/permission denied/, "$view are not for everybody");
}
my (undef, undef, $err) = $node->psql('postgres',
	q{SET ROLE watcher; UPDATE evaudit.alert_rules SET enabled = false});
like($err, qr/permission denied/, 'who monitors alters no rule');
query('GRANT SELECT ON evaudit.events TO nobody; GRANT USAGE ON FOREIGN SERVER here TO nobody');
(undef, undef, $err) = $node->psql('postgres',
	q{SET ROLE nobody; SELECT evaudit.create_sink('spy', 'here', '{alerts}', '{"function": "public.tell"}')});
like($err, qr/permission denied for topic "alerts"/, 'nor does anybody have them sent to him');
(undef, undef, $err) = $node->psql('postgres', q{SELECT evaudit.create_topic('alerts')});
like($err, qr/must not be "alerts"/, 'nobody publishes what looks like an alert');
(undef, undef, $err) = $node->psql('postgres', q{UPDATE evaudit.alert_rules SET hint = 'x'});
like($err, qr/only severity, threshold, hold and enabled/, 'what a rule is stays');

# It is there after a crash, and ends by being disabled
$node->crash;
is(query($alerts), 'audit_disabled public.watched', 'it survives a crash');
query(q{UPDATE evaudit.alert_rules SET enabled = false, hold = '1h' WHERE name = 'audit_disabled'});
ok($node->wait_for($alerts, ''), 'a rule that is disabled has no alerts');

# A rule that cannot be evaluated holds up no other
my $locker = $node->background_psql('postgres');
$locker->query_safe('BEGIN; LOCK TABLE evaudit.retention');
query(q{UPDATE evaudit.alert_rules SET threshold = 0 WHERE name = 'worker_slots'});
ok($node->wait_for($alerts, 'worker_slots max_worker_processes'), 'a lock costs its own rules alone');
$locker->query_safe('COMMIT');
$locker->quit;
like(slurp_file($node->logfile), qr/alert rule "retention_failed" could not be evaluated: canceling statement due to lock timeout/,
	'which say so');

# Near the threshold it neither begins nor ends
query(q{UPDATE evaudit.alert_rules SET threshold = 1.1 * (SELECT value FROM evaudit.alerts) WHERE name = 'worker_slots'});
query(q{UPDATE evaudit.alert_rules SET hold = '1h', enabled = true WHERE name = 'audit_disabled'});
query('ALTER EVENT TRIGGER evaudit_record_dropped DISABLE');
ok($node->wait_for($alerts, 'event_trigger_disabled evaudit_record_dropped, worker_slots max_worker_processes'),
	'near the threshold an alert stays, another begins, and one that has to hold does not yet');
query(q{UPDATE evaudit.alert_rules SET threshold = 1.5 * (SELECT value FROM evaudit.alerts WHERE name = 'worker_slots') WHERE name = 'worker_slots'});
ok($node->wait_for($alerts, 'event_trigger_disabled evaudit_record_dropped'), 'and ends away from it');

# Of more than ten changes of a rule in a minute the others are counted, at its
# end, though nothing changes any more.
query('ALTER EVENT TRIGGER evaudit_record_dropped ENABLE ALWAYS');
ok($node->wait_for($alerts, ''), 'no alerts');
query(q{UPDATE evaudit.alert_rules SET hold = '0s' WHERE name = 'audit_disabled'});
ok($node->wait_for($alerts, 'audit_disabled public.watched'), 'one');
query(q{DO $$
	BEGIN
		FOR i IN 1 .. 15 LOOP
			EXECUTE format('CREATE TABLE many%s (id int)', i);
			PERFORM evaudit.track(format('many%s', i)::regclass);
			EXECUTE format('ALTER TABLE many%s DISABLE TRIGGER ALL', i);
		END LOOP;
	END $$});
my $begun = -s $node->logfile;
ok($node->wait_for('SELECT count(*) FROM evaudit.alerts', 16), 'many');
$node->wait_for_log(qr/LOG:  \d+ more changes of alert "audit_disabled" were not reported/, $begun);
my $told = substr(slurp_file($node->logfile), $begun);
my ($untold) = $told =~ /LOG:  (\d+) more changes of alert "audit_disabled"/;
is((() = $told =~ /alert "audit_disabled" begins: public\.many/g) + $untold, 15, 'all are told or counted');

$node->stop;
done_testing();
