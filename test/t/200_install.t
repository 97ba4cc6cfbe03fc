# The extension comes and goes: in any schema, with and without preload, with
# sources running.

use strict;
use warnings;

use Evaudit::Cluster;
use Evaudit::Mock;
use Test::More;

my $processes = q{SELECT count(*) FROM pg_stat_activity
	WHERE backend_type IN ('evaudit scheduler', 'evaudit worker')};

# How many objects of any kind the catalogs hold.
my $objects = q{SELECT (SELECT count(*) FROM pg_class) || ' '
	|| (SELECT count(*) FROM pg_proc) || ' '
	|| (SELECT count(*) FROM pg_namespace) || ' '
	|| (SELECT count(*) FROM pg_trigger) || ' '
	|| (SELECT count(*) FROM pg_description) || ' '
	|| (SELECT count(*) FROM pg_init_privs)};

foreach my $preload (0, 1)
{
	my $what = $preload ? 'with preload' : 'without preload';
	my $node = Evaudit::Cluster->new("install_$preload",
		preload => $preload, extension => 0);
	my $before = $node->safe_psql('postgres', $objects);

	# everything that needs no process, in a schema of an odd name, created
	# and dropped twice in one session
	is( $node->safe_psql('postgres', q{
			CREATE SCHEMA "Odd Schema, 1.0";
			CREATE EXTENSION evaudit SCHEMA "Odd Schema, 1.0";
			INSERT INTO "Odd Schema, 1.0".configuration VALUES ('a', '1');
			SELECT "Odd Schema, 1.0".document(a)->'newValue' FROM "Odd Schema, 1.0".audit a;
			SELECT evaudit.publish('login', '{"user_id": "u", "service_id": "s",
				"service_name": "n", "timestamp": "2022-08-04T08:50:39Z"}', 'e');
			SELECT "Odd Schema, 1.0".services_for_user('u')->'services'->0->'service_id';
			DROP EXTENSION evaudit;
			CREATE EXTENSION evaudit;
			INSERT INTO configuration VALUES ('b', '2');
			SELECT item_key, seq, a.document->'newValue' FROM audit a;
			SELECT evaudit.publish('login', '{"user_id": "u", "service_id": "t",
				"service_name": "n", "timestamp": "2022-08-04T08:50:39Z"}', 'f');
			SELECT services_for_user('u')->'services'->0->'service_id';
			DROP EXTENSION evaudit;
			DROP SCHEMA "Odd Schema, 1.0"}),
		join("\n",
			'{"key": "a", "value": 1}', 'e', '"s"',
			'b|1|{"key": "b", "value": 2}', 'f', '"t"'),
		"in two schemas, $what");
	is($node->safe_psql('postgres', $objects),
		$before, "nothing is left, $what");

	$node->safe_psql('postgres', q{
		CREATE EXTENSION evaudit;
		CREATE SERVER kafka FOREIGN DATA WRAPPER evaudit_kafka
			OPTIONS ("bootstrap.servers" '127.0.0.1:1')});
	if (!$preload)
	{
		my ($status, undef, $error) = $node->psql('postgres',
			q{SELECT evaudit.create_source('s', 'kafka', options => '{"topics": "t"}')});
		is($status, 3, 'a source needs preload');
		like( $error,
			qr/HINT:\s+Add evaudit to "shared_preload_libraries" and restart/,
			'and says how to come by it');
		is( $node->safe_psql('postgres', 'SELECT count(*) FROM evaudit.stat_sources'),
			'0', 'and is not made');
		$node->stop;
		next;
	}

	# a table that is tracked holds the extension, as any user's object does
	$node->safe_psql('postgres', q{
		CREATE TABLE t (i int PRIMARY KEY); SELECT evaudit.track('t')});
	my (undef, undef, $error) = $node->psql('postgres', 'DROP EXTENSION evaudit');
	like($error, qr/trigger 00_evaudit_capture on table t depends on/,
		'tracked tables are in the way of DROP EXTENSION');
	$node->safe_psql('postgres', q{
		SET client_min_messages = error;
		DROP EXTENSION evaudit CASCADE;
		INSERT INTO t VALUES (1)});
	$node->stop;
}

SKIP:
{
	skip Evaudit::Mock::unavailable(), 6 if Evaudit::Mock::unavailable();

	# sources run, one of them in vain
	my $broker = Evaudit::Mock->new('logins');
	my $node = Evaudit::Cluster->new('running');
	$broker->login('u', 's', 1);
	$broker->add_source($node, 'good');
	$broker->await($node);
	$node->safe_psql('postgres', q{
		CREATE SERVER gone FOREIGN DATA WRAPPER evaudit_kafka
			OPTIONS ("bootstrap.servers" '127.0.0.1:1');
		SELECT evaudit.create_source('bad', 'gone', options => '{"topics": "t"}')});
	$node->wait_for(q{SELECT state FROM evaudit.stat_sources WHERE name = 'bad'},
		'backoff');
	my $before = $node->safe_psql('postgres',
		'SELECT pg_postmaster_start_time()');
	$node->safe_psql('postgres', q{
		SET client_min_messages = error;
		DROP EXTENSION evaudit CASCADE});
	ok($node->wait_for($processes, '0'), 'processes end with the extension');

	# in the same database, with the same ids, begins anew
	$node->safe_psql('postgres',
		'CREATE SCHEMA s; CREATE EXTENSION evaudit SCHEMA s');
	$broker->login('u', 't', 2);
	$broker->add_source($node, 'good');
	$broker->await($node);
	ok( $node->wait_for(q{
			SELECT state, received, last_error IS NULL FROM evaudit.stat_sources},
			'running|2|t'),
		'counters are not those of a source before');

	# servers dropped first, so that no server tells of the extension's end
	$node->safe_psql('postgres', 'DROP SERVER kafka');
	$node->wait_for('SELECT last_error FROM evaudit.stat_sources',
		'server "kafka" does not exist');
	$node->safe_psql('postgres', 'DROP EXTENSION evaudit');
	ok($node->wait_for($processes, '0'), 'processes end without a server too');

	# in a transaction that is rolled back
	$node->safe_psql('postgres', 'CREATE EXTENSION evaudit');
	$broker->add_source($node, 'good');
	$broker->await($node);
	$node->safe_psql('postgres', q{
		BEGIN;
		DROP SERVER kafka;
		DROP EXTENSION evaudit;
		ROLLBACK});
	$broker->login('u', 'v', 3);
	$broker->await($node);
	is($node->safe_psql('postgres', q{
			SELECT jsonb_array_length(services_for_user('u')->'services')}),
		'3', 'a DROP that is rolled back changes nothing');
	$node->safe_psql('postgres', 'DROP SERVER kafka; DROP EXTENSION evaudit');
	ok($node->wait_for($processes, '0'), 'and the last one does');
	is($node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()'),
		$before, 'all without a crash');
	unlike(PostgreSQL::Test::Utils::slurp_file($node->logfile),
		qr/PANIC|terminated by signal|cache lookup failed/, 'and without a trace in the log');
	$node->stop;
	$broker->stop;
}

done_testing();
