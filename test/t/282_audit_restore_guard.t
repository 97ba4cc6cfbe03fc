# That a restore is not audited is no way past the audit; and columns that
# somebody added to audit come through a dump.

use strict;
use warnings;

use Evaudit::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = Evaudit::Cluster->new('main', extension => 0);
my $files = PostgreSQL::Test::Utils::tempdir();
my @to = ('-h', $node->host, '-p', $node->port);

# What a session of pg_dump's script or pg_restore sets.
my $disguise = q{SET check_function_bodies = false;
	SELECT FROM set_config('search_path', '', false);};

# The changes of t that are audited, after some command.
sub audited
{
	my ($database, $sql) = @_;

	$node->safe_psql($database, $sql) if $sql;
	return $node->safe_psql($database, q{SELECT string_agg(item_key, ' ' ORDER BY seq)
		FROM public.audit WHERE relation = 'public.t'});
}

$node->safe_psql('postgres', q{
	CREATE ROLE owner LOGIN;
	CREATE ROLE writer LOGIN;
	CREATE DATABASE prod});
$node->safe_psql('prod', q{
	CREATE EXTENSION evaudit;
	CREATE TABLE t (id int PRIMARY KEY);
	ALTER TABLE t OWNER TO owner;
	GRANT INSERT ON t TO writer;
	SELECT evaudit.track('t')});
foreach my $copy (qw(copy1 copy2 copy3))
{
	$node->safe_psql('postgres', "CREATE DATABASE $copy");
	command_ok([ 'pg_dump', @to, '-s', '-f', "$files/schema", 'prod' ], 'schema');
	command_ok([ 'psql', @to, '-qAtX', '-d', $copy, '-f', "$files/schema" ], 'restored');
}
is(audited('prod', "$disguise SET ROLE owner; INSERT INTO public.t VALUES (1)"),
	'1', 'where the table is tracked, the owner has no way past');
is(audited('prod', "$disguise INSERT INTO public.t VALUES (2)"), '1 2', 'nor a superuser');
is(audited('copy1', "$disguise SET ROLE writer; INSERT INTO public.t VALUES (1)"),
	'1', 'a restored table has none for who does not own it');
is(audited('copy2', "$disguise SET ROLE owner; INSERT INTO public.t VALUES (1)"),
	'', 'the owner restores rows');
is(audited('copy2', "$disguise SET ROLE owner; DELETE FROM public.t"),
	'1', 'but deletes none unseen');
is(audited('copy2', "$disguise SET ROLE owner; INSERT INTO public.t VALUES (2)"),
	'1 2', 'nor inserts one after that');
is(audited('copy3', 'INSERT INTO t VALUES (1)'), '1', 'a schema alone is audited, too');
is( audited('copy3', "BEGIN; INSERT INTO t VALUES (3); ROLLBACK;
		$disguise INSERT INTO public.t VALUES (2)"),
	'1 2', 'and from then on');
is(audited('copy1', "$disguise INSERT INTO public.configuration VALUES ('k', '1');
		INSERT INTO public.t VALUES (7)"), '1 7', 'likewise');
is( $node->safe_psql('copy1', q{SELECT count(*) FROM audit WHERE item_key = 'k'}),
	'1', 'configuration is the extension\'s own');

# Columns of others in audit
$node->safe_psql('prod', q{
	CREATE DOMAIN trap AS text CHECK (length(VALUE) < 100);
	ALTER TABLE audit ADD "No te" text NOT NULL DEFAULT 'x''y',
		ADD n numeric(10,2) DEFAULT 1.5, ADD at timestamptz[] DEFAULT '{2024-01-01}',
		ADD len int GENERATED ALWAYS AS (length(relation)) STORED,
		ADD gone int, ADD trapped trap DEFAULT 'z';
	ALTER TABLE audit DROP gone;
	INSERT INTO t VALUES (3)});
my $rows = q{SELECT seq, operation, item_key, "No te", n, at, len FROM audit ORDER BY seq};
$node->safe_psql('postgres', 'CREATE DATABASE added');
command_ok([ 'pg_dump', @to, '-f', "$files/all", 'prod' ], 'dump with added columns');
my ($out, $err) = run_command([ 'psql', @to, '-qAtX', '-v', 'ON_ERROR_STOP=1', '-d', 'added',
	'-f', "$files/all" ]);
like($err, qr/WARNING:  column "trapped" of table "audit" is not restored/,
	'a type that is not the server\'s own is refused');
unlike($err, qr/ERROR/, 'and nothing fails');
is($node->safe_psql('added', $rows), $node->safe_psql('prod', $rows), 'added columns are restored');
is( $node->safe_psql('added', q{
		SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
		WHERE attrelid = 'audit'::regclass AND attnum > 18 ORDER BY attname}),
	"No te|text\nat|timestamp with time zone[]\nlen|integer\nn|numeric(10,2)",
	'with their types');
is(audited('added', 'INSERT INTO t VALUES (4)') =~ s/.* //r, '4', 'and the audit goes on');

# With the columns made before, all values come, and are checked
$node->safe_psql('postgres', 'CREATE DATABASE made');
command_ok([ 'pg_dump', @to, '-s', '-f', "$files/schema", 'prod' ], 'schema');
command_ok([ 'pg_dump', @to, '-a', '-f', "$files/data", 'prod' ], 'data');
command_ok([ 'psql', @to, '-qAtX', '-d', 'made', '-f', "$files/schema" ], 'restored');
$node->safe_psql('made', q{
	ALTER TABLE audit ADD "No te" text NOT NULL,
		ADD n numeric(10,2), ADD at timestamptz[],
		ADD len int GENERATED ALWAYS AS (length(relation)) STORED, ADD trapped trap NOT NULL});
command_ok([ 'psql', @to, '-qAtX', '-v', 'ON_ERROR_STOP=1', '-d', 'made', '-f', "$files/data" ],
	'data restored');
is($node->safe_psql('made', $rows), $node->safe_psql('prod', $rows), 'into columns made before');

$node->stop;
done_testing();
