# Who may do and see what: sources belong to roles, which need no more rights
# than their events do.

use strict;
use warnings;

use Evaudit::Cluster;
use Evaudit::Mock;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => Evaudit::Mock::unavailable()
  if Evaudit::Mock::unavailable();

my $broker = Evaudit::Mock->new('logins');
my $node = Evaudit::Cluster->new('main', conf => "log_statement = none\n"
	  . "log_min_error_statement = panic\nevaudit.max_backoff = '500ms'\n");
my $servers = $broker->servers;

# Run SQL as a role.
sub as
{
	my ($role, $sql) = @_;
	return $node->safe_psql('postgres', "SET ROLE \"$role\";\n$sql");
}

# SQL that fails for a role.
sub refused
{
	my ($role, $sql, $error) = @_;
	my ($status, undef, $err) =
	  $node->psql('postgres', "SET ROLE \"$role\";\n$sql");

	like($err, $error, "$role may not: " . ($sql =~ s/\s+/ /gr));
	return;
}

# Wait until the only source is in a state, with an error.
sub wait_for_state
{
	my ($state, $error, $what) = @_;
	ok( $node->wait_for(
			"SELECT state, COALESCE(last_error, '') LIKE '%$error%'"
			  . ' FROM evaudit.stat_sources', "$state|t"), $what);
	return;
}

my $merged = q{SELECT string_agg(user_id, ' ' ORDER BY user_id) FROM user_services};

$node->safe_psql('postgres', qq{
	CREATE ROLE collector LOGIN; CREATE ROLE member; CREATE ROLE nobody;
	CREATE ROLE watcher; CREATE ROLE app; CREATE ROLE admin;
	GRANT collector TO member;
	GRANT pg_monitor TO watcher;
	CREATE SERVER kafka FOREIGN DATA WRAPPER evaudit_kafka
		OPTIONS ("bootstrap.servers" '$servers')});
my $create = q{SELECT evaudit.create_source('logins', 'kafka',
	options => '{"topics": "logins", "start": "earliest"}')};

# a source needs USAGE on its server, and belongs to who made it
refused('collector', $create, qr/permission denied for foreign server kafka/);
$node->safe_psql('postgres', 'GRANT USAGE ON FOREIGN SERVER kafka TO collector');
as('collector', q{
	CREATE USER MAPPING FOR collector SERVER kafka
		OPTIONS ("sasl.username" 'u', "sasl.password" 'top-secret')});
as('collector', $create);

# its events need the grants of their table; until then they wait
$broker->login('u1', 's', 1);
$broker->produce('not json');
wait_for_state('backoff', 'permission denied for table user_services',
	'without a grant it waits');
is( $node->safe_psql('postgres', q{
		SELECT (SELECT sum(next_offset) FROM evaudit.offsets),
			(SELECT count(*) FROM evaudit.dead_letter_store),
			(SELECT count(*) FROM user_services)}),
	'0|0|0', 'and nothing is lost, or a dead letter');
$node->safe_psql('postgres',
	'GRANT SELECT, INSERT, UPDATE ON user_services TO collector');
$node->wait_for($merged, 'u1');
$broker->await($node);
is( $node->safe_psql('postgres', q{
		SELECT usename FROM pg_stat_activity
		WHERE backend_type = 'evaudit worker'}),
	'collector', 'the worker runs as the owner');

# others neither change it nor see it
foreach my $call (
	"pause_source('logins')", "resume_source('logins')",
	"drop_source('logins')", "alter_source('logins', '{}')",
	"seek_source('logins', 'earliest')")
{
	refused($_, "SELECT evaudit.$call", qr/must be owner of source "logins"/)
	  foreach 'nobody', 'watcher';
}
foreach my $table ('sources', 'offsets', 'topics', 'dead_letter_store',
	'configuration_dump')
{
	refused('nobody', "SELECT FROM evaudit.$table", qr/permission denied/);
	refused('collector', "DELETE FROM evaudit.$table", qr/permission denied/);
}
my %sees = (
	'stat_sources' => 'collector member watcher',
	'stat_partitions' => 'collector member watcher',
	'stat_dead_letters' => 'collector member watcher',
	'source_stats()' => 'collector member watcher',
	'partition_stats()' => 'collector member watcher',
	'dead_letters' => 'collector member');
foreach my $view (sort keys %sees)
{
	is( join(' ',
			grep { as($_, "SELECT count(*) FROM evaudit.$view") > 0 }
			  qw(collector member nobody watcher)),
		$sees{$view}, "who sees $view");
}
is(as('nobody', q{SELECT evaudit.redrive('logins'), evaudit.redrive('{1}')}),
	'0|0', "nobody redrives others' dead letters");
is(as('nobody', 'WITH d AS (DELETE FROM evaudit.dead_letters RETURNING 1)
		SELECT count(*) FROM d'), '0', 'or deletes them');
as('member', q{SELECT evaudit.pause_source('logins'); SELECT evaudit.resume_source('logins')});

# secrets
is( as('watcher', q{SELECT umoptions IS NULL FROM pg_user_mappings}),
	't', 'a mapping is hidden');
foreach my $role ('watcher', 'postgres')
{
	is( as($role, join(' UNION ALL ',
				map { "SELECT count(*) FROM $_ v WHERE v::text LIKE '%top-' || 'secret%'" }
				  qw(evaudit.stat_sources evaudit.stat_partitions
				  evaudit.dead_letters pg_settings pg_stat_activity))),
		join("\n", (0) x 5), "no view shows a secret to $role");
}
refused('collector', qq{ALTER USER MAPPING FOR collector SERVER kafka
	OPTIONS (ADD "ssl.key.location" '/etc/passwd')}, qr/pg_read_server_files/);

# publish() and services_for_user() go by the grants and row security of
# whoever calls
my $publish = q{SELECT evaudit.publish('login', '{"user_id": "app", "service_id":
	"s", "service_name": "n", "timestamp": "2022-08-04T08:50:39Z"}', 'e')};
refused('app', $publish, qr/permission denied for table user_services/);
refused('app', q{SELECT services_for_user('u1')}, qr/permission denied for table/);
$node->safe_psql('postgres', q{
	GRANT SELECT, INSERT, UPDATE ON user_services TO app;
	ALTER TABLE user_services ENABLE ROW LEVEL SECURITY;
	CREATE POLICY own ON user_services TO app USING (user_id = current_user);
	CREATE POLICY not_x ON user_services TO collector USING (user_id <> 'x')});
is(as('app', $publish), 'e', 'app may publish what is its own');
refused('app', $publish =~ s/app/u1/r, qr/violates row-level security policy/);
is( as('app', q{
		SELECT jsonb_array_length(services_for_user(u)->'services')
		FROM unnest('{app,u1}'::text[]) u}),
	"1\n0", 'and sees the same');
$broker->login('u2', 's', 2);
$node->wait_for($merged, 'app u1 u2');
$broker->login('x', 's', 2);
wait_for_state('backoff', 'row-level security policy', 'a source heeds it too');
$node->safe_psql('postgres', 'DROP POLICY not_x ON user_services;
	CREATE POLICY all_rows ON user_services TO collector USING (true)');
$node->wait_for($merged, 'app u1 u2 x');

# an owner who cannot run workers, for each reason
foreach my $case (
	[ 'ALTER ROLE collector NOLOGIN', 'backoff', 'not permitted to log in',
		'ALTER ROLE collector LOGIN' ],
	[ 'REVOKE CONNECT ON DATABASE postgres FROM PUBLIC', 'backoff',
		'not permitted to connect to the database',
		'GRANT CONNECT ON DATABASE postgres TO collector' ],
	[ 'ALTER ROLE collector RENAME TO other', 'stopped', 'was renamed',
		'ALTER ROLE other RENAME TO collector' ])
{
	my ($before, $state, $error, $after) = @$case;

	$node->safe_psql('postgres', $before);
	wait_for_state($state, $error, $before);
	if ($state eq 'backoff')
	{
		my (undef, undef, $warning) = $node->psql('postgres',
			q{BEGIN; SELECT evaudit.resume_source('logins'); ROLLBACK});
		like($warning, qr/WARNING:  source "logins" cannot run: its owner is \Q$error\E.*\n.*HINT/s,
			"who resumes it is warned: $before");
	}
	$node->safe_psql('postgres', $after);
	wait_for_state('running', '', $after);
}
# and of the role that makes one
$node->safe_psql('postgres', q{CREATE ROLE batch; GRANT USAGE ON FOREIGN SERVER kafka TO batch});
foreach my $role ('batch', 'collector')
{
	my (undef, undef, $warning) = $node->psql('postgres', qq{
		BEGIN;
		SET LOCAL ROLE $role;
		SELECT evaudit.create_source('of_$role', 'kafka', options => '{"topics": "logins"}');
		ROLLBACK});
	is($warning =~ /source "of_$role" cannot run: its owner is not permitted to log in/ ? 1 : 0,
		$role eq 'batch' ? 1 : 0, "$role makes a source");
}
$node->safe_psql('postgres', q{
	DROP OWNED BY batch; DROP ROLE batch;
	DROP OWNED BY collector; DROP ROLE collector; DROP ROLE member;
	CREATE DATABASE copy OWNER admin TEMPLATE postgres});
wait_for_state('stopped', 'its owner does not exist any more', 'DROP ROLE');
refused('nobody', q{SELECT evaudit.drop_source('logins')}, qr/must be owner/);
is( $node->safe_psql('copy', q{
		SET ROLE admin;
		SELECT count(*) FROM evaudit.dead_letters;
		SELECT evaudit.drop_source('logins');
		SELECT count(*) FROM evaudit.stat_sources}),
	"1\n\n0", 'what it left belongs to the owner of the database');
unlike(slurp_file($node->logfile),
	qr/top-secret|PANIC|terminated by signal/, 'the log is clean');

# who comes by TCP has an address, which is in the audit
$node->append_conf('postgresql.conf', "listen_addresses = '127.0.0.1'");
$node->restart;
my $port = $node->port;
is( $node->safe_psql('postgres', q{
		INSERT INTO configuration VALUES ('by TCP', '1');
		SELECT client_addr FROM audit WHERE item_key = 'by TCP'},
		connstr => "host=127.0.0.1 port=$port dbname=postgres"),
	'127.0.0.1', 'the address of a client');

$node->stop;
$broker->stop;
done_testing();
