# A restored dump holds what was dumped: no row more, none less, nothing
# audited anew, and sources that wait until somebody resumes them.

use strict;
use warnings;

use Evaudit::Cluster;
use Evaudit::Mock;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => Evaudit::Mock::unavailable()
  if Evaudit::Mock::unavailable();

my $broker = Evaudit::Mock->new('logins', 2);
my $main = Evaudit::Cluster->new('main', extension => 0);
my $other = Evaudit::Cluster->new('other', extension => 0);
my $files = PostgreSQL::Test::Utils::tempdir();

# All that must be the same, one query for each kind of thing.
my %contents = (
	audit => q{SELECT a::text FROM app.audit a ORDER BY seq},
	configuration => q{SELECT c::text FROM app.configuration c ORDER BY key},
	'user_services' => q{SELECT u::text FROM app.user_services u ORDER BY 1},
	'dead letters' => q{SELECT to_jsonb(d) - 'owner_oid' FROM evaudit.dead_letter_store d ORDER BY id},
	'offsets' => q{SELECT o::text FROM evaudit.offsets o ORDER BY o},
	'sources' => q{SELECT to_jsonb(s) - '{database,owner_oid,server_oid,cluster}'::text[] FROM evaudit.sources s ORDER BY id},
	'grants to publish' => q{SELECT g::text FROM evaudit.publish_grants g ORDER BY 1},
	'grants to read' => q{SELECT g::text FROM evaudit.read_grants g ORDER BY 1},
	'topics' => q{SELECT t::text FROM evaudit.topics t ORDER BY name},
	'schemas of topics' => q{SELECT s::text FROM evaudit.topic_schemas s
		ORDER BY topic, version},
	'events' => q{SELECT e::text FROM evaudit.events e
		ORDER BY topic, event_id},
	'sequences' => q{SELECT schemaname, sequencename, last_value
		FROM pg_sequences ORDER BY 1, 2},
	'triggers' => q{SELECT tgrelid::regclass, tgname, tgenabled FROM pg_trigger
		WHERE NOT tgisinternal OR tgparentid <> 0 ORDER BY 1, 2},
	'servers' => q{SELECT srvname, srvoptions FROM pg_foreign_server
		ORDER BY 1},
	'tracked tables' => q{SELECT * FROM (TABLE app.flat UNION ALL TABLE app.parts) t ORDER BY 1, 2},
	'what is for pg_dump alone' => 'TABLE evaudit.configuration_dump');

sub contents
{
	my ($node, $database) = @_;
	return {
		map { ($_ => $node->safe_psql($database, $contents{$_})) }
		  keys %contents };
}

# What a restored database is like, and that it can be worked with.
sub check_copy
{
	my ($node, $database, $what, $expected) = @_;
	my $got = contents($node, $database);

	is($got->{$_}, $expected->{$_}, "$what: $_") foreach sort keys %contents;
	is( $node->safe_psql($database,
			'SELECT name, state FROM evaudit.stat_sources ORDER BY 1'),
		"bad|paused\nlogins|paused\nstopped|paused", "$what: sources are paused");
	is( $node->safe_psql($database, q{
			INSERT INTO app.configuration VALUES ('new', '1');
			INSERT INTO app.flat VALUES (100, 'new');
			INSERT INTO app.parts VALUES (100, 'new');
			SELECT count(*) = 3 AND
				bool_and(a.relation IN ('app.configuration', 'app.flat', 'app.parts'))
			FROM app.audit a
			WHERE seq > (SELECT count(*) FROM app.audit) - 3;
			SELECT evaudit.publish('orders', '{"id": "a", "n": 1}');
			SELECT nextval('evaudit.dead_letter_store_id_seq') > max(id)
				FROM evaudit.dead_letter_store;
			SELECT nextval('evaudit.sources_id_seq') > max(id)
				FROM evaudit.sources;
			SELECT nextval('evaudit.events_id_seq') > max(id)
				FROM evaudit.events}),
		"t\na\nt\nt\nt", "$what: numbers and topics go on");
	return;
}

# The database that is dumped
$main->safe_psql('postgres', q{CREATE ROLE collector LOGIN; CREATE DATABASE prod});
$main->safe_psql('prod', q{
	CREATE SCHEMA app;
	CREATE EXTENSION evaudit SCHEMA app;
	GRANT USAGE ON SCHEMA app TO collector;
	GRANT SELECT, INSERT, UPDATE ON app.user_services TO collector;
	INSERT INTO app.configuration VALUES
		('a', '1'), ('b', NULL), ('c', 'null'), (E'tab\tand\nline\\\\N', '"\\\\"'),
		('gone', '{"k": 1.00}');
	UPDATE app.configuration SET value = '1.0' WHERE key = 'a';
	DELETE FROM app.configuration WHERE key = 'gone';
	CREATE TABLE app.flat (i int PRIMARY KEY, t text);
	CREATE TABLE app.parts (i int PRIMARY KEY, t text) PARTITION BY RANGE (i);
	CREATE TABLE app.part1 PARTITION OF app.parts FOR VALUES FROM (0) TO (10);
	CREATE TABLE app.part2 PARTITION OF app.parts DEFAULT;
	SELECT evaudit.track('app.flat'), evaudit.track('app.parts');
	INSERT INTO app.flat SELECT i, 'x' FROM generate_series(1, 5) i;
	INSERT INTO app.parts SELECT i, 'y' FROM generate_series(1, 20) i;
	UPDATE app.parts SET i = i + 200 WHERE i = 5;
	DELETE FROM app.parts WHERE i = 6;
	UPDATE evaudit.topics SET options = options || '{"max_future": "10min"}';
	INSERT INTO evaudit.topics (name, options)
		SELECT 'other', options FROM evaudit.topics WHERE name = 'login';
	CREATE FUNCTION app.take(events evaudit.event[]) RETURNS bigint LANGUAGE sql
		AS 'INSERT INTO app.flat SELECT 1000, ($1[1]).event_id RETURNING i';
	SELECT evaudit.create_topic('orders', '{"required": ["n"]}',
		'{"keep": true, "event_id": "/id", "project": "app.take"}');
	SELECT evaudit.publish('orders', '{"id": "a", "n": 1.00}');
	SELECT evaudit.alter_topic('orders', '{"required": ["n", "id"]}');
	SELECT evaudit.alter_topic('login', '{"type": "object"}');
	SELECT evaudit.grant_publish('orders', 'Alice'),
		evaudit.grant_publish('orders', 'Bob', '{"n": ["1"]}')});
$broker->login("user$_", "service" . $_ % 3, 1700000000 + $_) foreach 1 .. 5;
$broker->produce('not json', '{}', "key\tpayload");
$broker->add_source($main, 'logins', database => 'prod', role => 'collector');
$broker->add_source($main, 'stopped', database => 'prod');
$broker->await($main, 'prod');
$main->safe_psql('prod', q{
	SELECT evaudit.pause_source('stopped');
	CREATE SERVER silent FOREIGN DATA WRAPPER evaudit_kafka
		OPTIONS ("bootstrap.servers" '127.0.0.1:1');
	SELECT evaudit.create_source('bad', 'silent', options => '{"topics": "t"}')});
my $expected = contents($main, 'prod');

# Enough of everything that being the same means something
is( $main->safe_psql('prod', q{
		SELECT (SELECT count(*) FROM app.audit) > 30,
			(SELECT count(*) FROM evaudit.dead_letter_store),
			(SELECT count(*) FROM app.user_services)}),
	't|6|5', 'there is enough to compare');

# Ways to dump and restore: options of pg_dump, and of pg_restore if it is not
# psql that restores.  Several jobs restore a section after the other: in one
# run, pg_restore may make the trigger of a partitioned table before the rows of
# its partitions are there, whatever the trigger does.
my @sections = map { "--section=$_" } qw(pre-data data post-data);
my @ways = (
	[ plain => ['--format=plain'], undef ],
	[ inserts => [ '--format=plain', '--inserts' ], undef ],
	[ custom => ['--format=custom'], [ '--jobs=2', '--exit-on-error' ] ],
	[ directory => [ '--format=directory', '--jobs=2' ], ['--jobs=2'] ],
	[ single => ['--format=custom'], ['--single-transaction'] ]);

# Restore a file into a new database.
sub restore
{
	my ($node, $name, $how) = @_;
	my @to = ('-h', $node->host, '-p', $node->port, '-d', $name);

	$node->safe_psql('postgres', "CREATE DATABASE \"$name\"");
	if ($how)
	{
		command_ok([ 'pg_restore', @to, @$how, $_, "$files/$name" ],
			"restore $name $_")
		  foreach grep(/jobs/, @$how) ? @sections : '--verbose';
		return;
	}
	command_ok([ 'psql', '-Xq', '-o', '/dev/null', @to, '-v', 'ON_ERROR_STOP=1',
			'-f', "$files/$name" ], "restore $name");
	return;
}

foreach my $way (@ways)
{
	my ($name, $dump, $restore) = @$way;

	command_ok(
		[
			'pg_dump', '-h', $main->host, '-p', $main->port, @$dump, '-f',
			"$files/$name", 'prod'
		],
		"dump $name");
	restore($main, $name, $restore);
	check_copy($main, $name, $name, $expected);
}

# The original went on meanwhile, and a copy goes on when it is told to: from
# where the dump was taken, once
$broker->login('late', 'service', 1750000000);
$main->wait_for(q{SELECT count(*) FROM app.user_services WHERE user_id = 'late'},
	'1', database => 'prod');
is( $main->safe_psql('plain',
		q{SELECT count(*) FROM app.user_services WHERE user_id = 'late'}),
	'0', 'the copy takes nothing');
$main->safe_psql('plain', q{SELECT evaudit.resume_source('logins')});
$main->wait_for(q{SELECT count(*) FROM app.user_services WHERE user_id = 'late'},
	'1', database => 'plain');
ok( $main->wait_for(q{
		SELECT received, merged, dead_lettered FROM evaudit.stat_sources
		WHERE name = 'logins'},
		'1|1|0', database => 'plain'),
	'until it is resumed, then only what is new');

# Where the owner of the source is unknown, nothing is lost
{
	my @to = ('-h', $other->host, '-p', $other->port, '-d', 'plain');

	$other->safe_psql('postgres', 'CREATE DATABASE plain');
	my ($out, $err) = run_command([ 'psql', '-X', '-q', @to, '-f', "$files/plain" ]);
	is(join('', grep { !/role "collector" does not exist/ } split /^/, $err),
		'', 'only the role is missed');
	check_copy($other, 'plain', 'without the role', $expected);
	is( $other->safe_psql('plain', 'SELECT count(*) FROM evaudit.dead_letters'),
		'6', 'dead letters of a role that is gone belong to the database');
	$other->safe_psql('plain', q{SELECT evaudit.resume_source('logins')});
	$other->wait_for(
		q{SELECT state, last_error FROM evaudit.stat_sources WHERE name = 'logins'},
		'stopped|its owner does not exist any more', database => 'plain');
	$other->safe_psql('plain', q{
		CREATE ROLE collector LOGIN;
		GRANT USAGE ON FOREIGN SERVER kafka TO collector;
		GRANT USAGE ON SCHEMA app TO collector;
		GRANT SELECT, INSERT, UPDATE ON app.user_services TO collector;
		SELECT evaudit.resume_source('logins')});
	ok( $other->wait_for(
			q{SELECT count(*) FROM app.user_services WHERE user_id = 'late'},
			'1', database => 'plain'),
		'and it runs when it is resumed for a role that is there');
}

# Under the name that the schema has by then
$main->safe_psql('prod', 'ALTER SCHEMA app RENAME TO moved');
command_like(
	[ 'pg_dump', '-h', $main->host, '-p', $main->port, 'prod' ],
	qr/^COPY evaudit\.configuration_dump .*\n(?:.+\n)*a\t1\.0$/m,
	'dumped from a schema that was renamed');

$main->stop;
$other->stop;
$broker->stop;
done_testing();
