# In whatever order a dump is restored, the tables and the audit are the same,
# the triggers fire as before, and what is captured next is numbered after it.

use strict;
use warnings;

use Digest::SHA qw(sha256_hex);
use Evaudit::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = Evaudit::Cluster->new('main', extension => 0, conf =>
	  "max_worker_processes = 40\nevaudit.segment_rows = 200\n");
my $files = PostgreSQL::Test::Utils::tempdir();
my @to = ('-h', $node->host, '-p', $node->port);

# What must be the same, one query for each kind of thing.
my %contents = (
	audit => q{SELECT a::text FROM app.audit a ORDER BY seq},
	'flat table' => q{TABLE app.flat ORDER BY i},
	'partitioned table' => q{TABLE app.parts ORDER BY i},
	'referring table' => q{TABLE zeta.child ORDER BY i},
	configuration => q{TABLE app.configuration ORDER BY key},
	names => q{SELECT r::text FROM evaudit.tracked_relations r ORDER BY 1},
	columns => q{SELECT c::text FROM evaudit.tracked_columns c ORDER BY 1},
	triggers => q{SELECT tgrelid::regclass, tgname, tgenabled FROM pg_trigger
		WHERE (NOT tgisinternal OR tgparentid <> 0)
		AND tgrelid::regclass::text !~ '^evaudit\.audit_[0-9]+$' ORDER BY 1, 2},
	'what is audited' => q{SELECT relation, enabled FROM evaudit.stat_audit ORDER BY 1},
	'what is for pg_dump alone' => q{SELECT a::text FROM evaudit.audit_dump a
		UNION ALL SELECT c::text FROM evaudit.configuration_dump c});

sub hashes
{
	my ($database) = @_;
	return { map { ($_ => sha256_hex($node->safe_psql($database, $contents{$_}))) }
		  keys %contents };
}

# The last number that the dumped database drew, for a row or for none.
my $last;

# Run a program with its output or input in a file.
sub restored
{
	my ($database, $how, @commands) = @_;

	$node->safe_psql('postgres', "CREATE DATABASE $database");
	foreach my $command (@commands)
	{
		my ($program, @options) = @$command;
		my @with = $program eq 'psql' ? ('-XqAt', '-v', 'ON_ERROR_STOP=1', '-f') :
		  ('--exit-on-error');

		command_ok([ $program, @to, '-d', $database, @with, @options ],
			"$how: " . join(' ', $program, map { s{.*/}{}r } @options));
	}
	return;
}

sub check
{
	my ($database, $how, $expected) = @_;
	my $got = hashes($database);

	is($got->{$_}, $expected->{$_}, "$how: the same $_") foreach sort keys %contents;
	is( $node->safe_psql($database, q{
			SELECT max(seq) AS last FROM app.audit \gset
			INSERT INTO app.flat VALUES (1000, 'new', 1);
			INSERT INTO app.parts VALUES (1000, 'new');
			UPDATE zeta.child SET flat = 1000;
			INSERT INTO app.configuration VALUES ('new', '1');
			SELECT count(*), bool_and(epoch <> (SELECT epoch FROM app.audit ORDER BY seq LIMIT 1)),
				min(seq) > } . $last . q{
			FROM app.audit WHERE seq > :last;
			-- the same tables under their oids here
			SELECT count(DISTINCT id), count(DISTINCT relid) FROM evaudit.tracked_relations
			WHERE relation_name IN ('flat', 'parts', 'child', 'configuration')}),
		"4|t|t\n4|8", "$how: the audit goes on");
	$node->safe_psql('postgres', "DROP DATABASE $database");
	return;
}

$node->safe_psql('postgres', 'CREATE DATABASE prod');
$node->safe_psql('prod', q{
	CREATE SCHEMA app;
	CREATE SCHEMA zeta;
	CREATE EXTENSION evaudit SCHEMA app;
	CREATE TABLE app.flat (i int PRIMARY KEY, t text, gone int);
	CREATE TABLE app.parts (i int PRIMARY KEY, t text) PARTITION BY RANGE (i);
	CREATE TABLE app.part1 PARTITION OF app.parts FOR VALUES FROM (0) TO (10);
	CREATE TABLE app.part2 PARTITION OF app.parts DEFAULT;
	CREATE TABLE zeta.child (i int PRIMARY KEY, flat int REFERENCES app.flat);
	SELECT evaudit.track('app.flat'), evaudit.track('app.parts'), evaudit.track('zeta.child');
	ALTER TABLE app.flat DROP gone;
	ALTER TABLE app.flat ADD n int;
	INSERT INTO app.flat SELECT i, 'x' FROM generate_series(1, 500) i;
	INSERT INTO app.parts SELECT i, 'y' FROM generate_series(1, 200) i;
	INSERT INTO zeta.child VALUES (1, 1);
	UPDATE app.parts SET i = i + 2000 WHERE i = 5;
	DELETE FROM app.parts WHERE i = 6;
	INSERT INTO app.configuration VALUES ('a', '1'), ('b', 'null'), ('c', NULL);
	UPDATE app.configuration SET value = '1.0' WHERE key = 'a';
	BEGIN; DELETE FROM app.parts; ROLLBACK});
my $expected = hashes('prod');
foreach my $dump ([ all => '' ], [ schema => '-s' ], [ data => '-a' ],
	[ inserts => '-a', '--inserts' ], [ disabled => '-a', '--disable-triggers' ])
{
	my ($name, @options) = @$dump;
	command_ok([ 'pg_dump', @to, '-f', "$files/$name", grep({ $_ } @options), 'prod' ], "pg_dump @options");
}
command_ok([ 'pg_dump', @to, '-Fd', '-j2', '-f', "$files/dir", 'prod' ], 'pg_dump -Fd');
is_deeply(hashes('prod'), $expected, 'a dump changes nothing');
$last = $node->safe_psql('prod', 'SELECT last_value FROM app.audit_seq_seq');

my %orders = (
	'in one' => [ [ 'psql', "$files/all" ] ],
	'schema, then data' => [ [ 'psql', "$files/schema" ], [ 'psql', "$files/data" ] ],
	'schema, then INSERTs' => [ [ 'psql', "$files/schema" ], [ 'psql', "$files/inserts" ] ],
	'schema, then data without triggers' =>
	  [ [ 'psql', "$files/schema" ], [ 'psql', "$files/disabled" ] ],
	'pg_restore' => [ [ 'pg_restore', "$files/dir" ] ],
	'pg_restore --jobs' => [ [ 'pg_restore', '--jobs=4', "$files/dir" ] ],
	'pg_restore, schema, then data' =>
	  [ [ 'pg_restore', '-s', "$files/dir" ], [ 'pg_restore', '-a', "$files/dir" ] ],
	# in parallel, pg_restore -a loads tables in any order: without
	# --disable-triggers, foreign keys fail by chance, whoever has triggers
	'pg_restore, schema, then data without triggers, --jobs' => [
		[ 'pg_restore', '-s', "$files/dir" ],
		[ 'pg_restore', '-a', '--disable-triggers', '--jobs=4', "$files/dir" ] ],
	'pg_restore by sections' =>
	  [ map { [ 'pg_restore', "--section=$_", '--jobs=2', "$files/dir" ] } qw(pre-data data post-data) ],
);

my $number = 0;
foreach my $how (sort keys %orders)
{
	my $database = 'copy' . ++$number;

	restored($database, $how, @{ $orders{$how} });
	check($database, $how, $expected);
}

# What was captured before the dump's rows came moves out of their way
restored('busy', 'a busy copy', [ 'psql', "$files/schema" ]);
$node->safe_psql('busy', q{
	INSERT INTO app.configuration VALUES ('early', '1');
	INSERT INTO app.parts VALUES (3000, 'early')});
restored('busy2', 'a copy', [ 'psql', "$files/all" ]);
command_ok([ 'psql', @to, '-d', 'busy', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-f', "$files/data" ],
	'data of a busy copy');
is( $node->safe_psql('busy', q{
		SELECT seq > (SELECT max(seq) FROM app.audit WHERE item_key = 'c'), relation, operation, item_key
		FROM app.audit WHERE item_key IN ('early', '3000') ORDER BY seq;
		SELECT count(*) FROM app.audit}),
	"t|app.configuration|INSERT|early\nt|app.parts|INSERT|3000\n"
	  . ($node->safe_psql('prod', 'SELECT count(*) FROM app.audit') + 2 + 199),
	'what was captured before the rows came is numbered after them');

# A restore of a table that is audited here leaves rows that say so
$node->safe_psql('busy', 'DELETE FROM zeta.child; DELETE FROM app.flat WHERE i < 1000');
my $rows = $node->safe_psql('busy', 'SELECT count(*) FROM app.audit');
command_ok([ 'pg_restore', @to, '-d', 'busy', '-a', '--disable-triggers', '-t', 'flat', "$files/dir" ],
	'one table without triggers');
is( $node->safe_psql('busy', qq{
		SELECT operation, relation FROM app.audit ORDER BY seq OFFSET $rows;
		SELECT enabled FROM evaudit.stat_audit WHERE relation = 'app.flat'::regclass}),
	"UNTRACK|app.flat\nTRACK|app.flat\nt", 'the audit tells of its interruption');

$node->stop;
done_testing();
