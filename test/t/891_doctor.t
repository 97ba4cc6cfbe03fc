# doctor() names what is wrong with a set-up, and nothing once it is mended.

use strict;
use warnings;

use Evaudit::Cluster;
use Test::More;

my $node = Evaudit::Cluster->new('main', conf => "max_worker_processes = 24\nfsync = on\nlog_statement = none\n");

sub query { return $node->safe_psql($_[1] // 'postgres', $_[0]); }

# The checks that found something
my $found =
  q{SELECT coalesce(string_agg(check_name, ', ' ORDER BY check_name), '') FROM evaudit.doctor() WHERE NOT ok};

# Wait until a check, and no other one, finds what is wrong
sub finds
{
	my ($check, $detail, $what) = @_;
	ok( $node->wait_for(qq{SELECT coalesce(string_agg(check_name || ': ' || detail, ', '), '')
			~ '^$check: $detail' FROM evaudit.doctor() WHERE NOT ok}), $what);
	return;
}

sub mended
{
	my ($what) = @_;
	ok($node->wait_for($found, ''), "$what: mended");
	return;
}

query('CREATE ROLE watcher IN ROLE pg_monitor; CREATE ROLE nobody');
is(query("SET ROLE watcher; $found"), '', 'nothing is wrong with a new extension');
is(query('SELECT count(*) > 10 AND bool_and(detail IS NULL AND hint IS NULL) FROM evaudit.doctor()'),
	't', 'all of which was checked');
my (undef, undef, $err) = $node->psql('postgres', 'SET ROLE nobody; SELECT evaudit.doctor()');
like($err, qr/permission denied for function doctor/, 'not for everybody');

query('ALTER TABLE configuration DISABLE TRIGGER ALL');
finds('audit triggers', 'public\.configuration$', 'a trigger that is disabled');
query(q{SELECT evaudit.track('configuration')});
mended('triggers');

query('ALTER EVENT TRIGGER evaudit_record_dropped DISABLE');
finds('event triggers', 'evaudit_record_dropped$', 'an event trigger that is disabled');
query('ALTER EVENT TRIGGER evaudit_record_dropped ENABLE ALWAYS');
mended('event triggers');

query('ALTER TABLE evaudit.dead_letter_store DISABLE TRIGGER forget_owner');
finds('own triggers', 'forget_owner on evaudit\.dead_letter_store$', 'a trigger of an own table that is disabled');
query('ALTER TABLE evaudit.dead_letter_store ENABLE REPLICA TRIGGER forget_owner');
finds('own triggers', 'forget_owner on evaudit\.dead_letter_store$', 'or that fires for replication alone');
query('ALTER TABLE evaudit.dead_letter_store ENABLE ALWAYS TRIGGER forget_owner');
mended('own triggers');

foreach my $setting ('log_min_duration_statement = 0', 'log_statement = all')
{
	my ($name, $value) = split / = /, $setting;
	query("ALTER DATABASE postgres SET $name = '$value'");
	finds('statements in the log', "$setting\$", "$setting has tokens in the log");
	query("ALTER DATABASE postgres RESET $name");
	mended($name);
}

query(q{CREATE SERVER aws FOREIGN DATA WRAPPER evaudit_aws
		OPTIONS (region 'eu-west-1', endpoint_url 'http://127.0.0.1:9');
	CREATE USER MAPPING FOR CURRENT_USER SERVER aws
		OPTIONS (access_key_id 'a', secret_access_key 'b');
	SELECT evaudit.create_source('queue', 'aws', options => '{"queue": "q"}')});
finds('sources', 'queue is in state (?:backoff|starting|running): .', 'a source whose service is away');
query(q{SELECT evaudit.drop_source('queue')});
mended('source');

query(q{SELECT evaudit.create_topic('sent', options => '{"keep": true}');
	CREATE SERVER here FOREIGN DATA WRAPPER evaudit_function;
	CREATE FUNCTION public.take(events evaudit.event[]) RETURNS void
		LANGUAGE sql AS 'SELECT';
	SELECT evaudit.create_sink('out', 'here', '{sent}', '{"function": "public.take"}');
	DROP FUNCTION public.take;
	SELECT evaudit.publish('sent', '{}', 'one')});
finds('sinks', 'out is in state (?:backoff|stopped|starting): .*take', 'a sink without its function');
query(q{SELECT evaudit.drop_sink('out')});
mended('sink');

query(q{SELECT evaudit.create_issuer('idp', '{"issuer": "https://idp", "algorithms": ["RS256"],
	"jwks_url": "https://127.0.0.1:9/keys"}')});
finds('issuers', 'idp: .', 'an issuer without keys');
query(q{SELECT evaudit.drop_issuer('idp')});
mended('issuer');

query(q{CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql
		AS 'BEGIN RAISE ''no''; END';
	CREATE TRIGGER refuse BEFORE DELETE ON evaudit.events
		FOR EACH ROW EXECUTE FUNCTION public.refuse();
	UPDATE evaudit.events SET received_at = now() - interval '2 days';
	SELECT evaudit.set_retention('events', '1 day')});
finds('retention', 'events: no$', 'retention that fails');
query(q{DROP TRIGGER refuse ON evaudit.events; SELECT evaudit.set_retention('events', '1 day')});
mended('retention');

query(q{UPDATE audit SET modification_time = now() + interval '1 day'
	WHERE seq = (SELECT max(seq) FROM audit)});
finds('clock', 'the last audit row is of ', 'a clock that went back');
query(q{UPDATE audit SET modification_time = now()});
mended('clock');

query('ALTER SYSTEM SET autovacuum = off; SELECT pg_reload_conf()');
finds('settings', 'autovacuum = off$', 'a setting that hurts');
query('ALTER SYSTEM RESET autovacuum; SELECT pg_reload_conf()');
mended('settings');

# what a lock hides is told as such
my $locker = $node->background_psql('postgres');
$locker->query_safe('BEGIN; LOCK TABLE evaudit.retention');
is( query(q{SELECT detail FROM evaudit.doctor() WHERE check_name = 'retention'}),
	'canceling statement due to lock timeout',
	'a table that is locked is not waited for');
$locker->query_safe('COMMIT');
$locker->quit;
mended('lock');

# a copy of the database
query(q{SELECT evaudit.create_source('queue', 'aws', options => '{"queue": "q"}');
	SELECT evaudit.pause_source('queue')});
query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = \'client backend\'');
$node->safe_psql('template1', 'CREATE DATABASE copy TEMPLATE postgres');
is( query(
		q{SELECT detail FROM evaudit.doctor() WHERE check_name = 'restored'}, 'copy'),
	'retention of events, source queue', 'what came with a copy');

# without preload
my $plain = Evaudit::Cluster->new('plain', preload => 0, conf => "fsync = on\nlog_statement = none\n");
is( $plain->safe_psql('postgres', $found), 'launcher, preload',
	'a server that does not preload the library');

$plain->stop;
$node->stop;
done_testing();
