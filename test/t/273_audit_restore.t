# What pg_restore --data-only --disable-triggers does to audit: it adds no
# rows, but for a table that was audited here before those that say so.

use strict;
use warnings;

use Evaudit::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = Evaudit::Cluster->new('main', extension => 0);
my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump';
my @to = ('-h', $node->host, '-p', $node->port);
my $rows = q{SELECT seq, id, operation, relation FROM audit ORDER BY seq};

# A database with what the dump has, or with its schema alone.
sub make_database
{
	my ($name) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $name");
	command_ok([ 'pg_restore', @to, '--schema-only', '-d', $name, $dump ],
		"schema of $name");
	return;
}

# Restore the rows.
sub restore
{
	my ($name) = @_;
	command_ok(
		[ 'pg_restore', @to, qw(--data-only --disable-triggers --exit-on-error -d), $name, $dump ],
		"rows of $name");
	return;
}

$node->safe_psql('postgres', 'CREATE DATABASE original');
$node->safe_psql('original', q{
	CREATE EXTENSION evaudit;
	CREATE TABLE alpha (id int PRIMARY KEY);
	CREATE TABLE omega (id int PRIMARY KEY);
	CREATE TABLE empty (id int PRIMARY KEY);
	SELECT evaudit.track('alpha'), evaudit.track('omega'), evaudit.track('empty');
	INSERT INTO alpha VALUES (1), (2);
	INSERT INTO omega VALUES (3)});
command_ok([ 'pg_dump', @to, '-Fc', '-f', $dump, 'original' ], 'dump');

make_database('copy');
is($node->safe_psql('copy', $rows), '', 'making triggers audits nothing');
restore('copy');
is( $node->safe_psql('copy', $rows),
	$node->safe_psql('original', $rows), 'the same rows, no more and no fewer');
is( $node->safe_psql('copy', q{
		SELECT relation, enabled FROM evaudit.stat_audit
		WHERE relation::text IN ('alpha', 'omega') ORDER BY 1}),
	"alpha|t\nomega|t", 'triggers fire as before');
is( $node->safe_psql('copy', q{
		INSERT INTO alpha VALUES (4);
		SELECT evaudit.track('alpha'), evaudit.track('omega');
		INSERT INTO alpha VALUES (5);
		SELECT item_key FROM audit WHERE relation = 'public.alpha'
			AND operation <> 'TRACK' ORDER BY seq;
		SELECT bool_and(enabled) FROM evaudit.stat_audit
		WHERE relation::text IN ('alpha', 'omega')}) =~ s/^\|\n//r,
	"1\n2\n4\n5\nt", 'they capture all the same, and track() repairs them');

# Where there is an audit already, it says that it was interrupted
make_database('used');
$node->safe_psql('used', q{
	INSERT INTO empty VALUES (7);
	SELECT setval('audit_seq_seq', 1000);
	DELETE FROM audit});
restore('used');
is( $node->safe_psql('used', q{
		SELECT operation, relation, count(*) FROM audit WHERE seq > 1000
		GROUP BY operation, relation ORDER BY relation}),
	"TRACK|public.empty|1\nUNTRACK|public.empty|1",
	'of a table with an audit here, only rows that say it was interrupted');

$node->stop;
done_testing();
