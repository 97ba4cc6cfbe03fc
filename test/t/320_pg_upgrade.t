# pg_upgrade carries everything over: audit, tables, dead letters, sources and
# where they have read to.  The sources go on.
#
# EVAUDIT_OLD_SERVER names the bin folder of an older server, which has the
# extension, as in scripts/matrix; else the old server is of the same version.

use strict;
use warnings;

use Cwd;
use Evaudit::Cluster;
use Evaudit::Mock;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => Evaudit::Mock::unavailable()
  if Evaudit::Mock::unavailable();

# a server of 18 or later that finds extensions elsewhere, too: pg_upgrade
# looks for libraries in the server's own folder alone
plan skip_all => 'the extension is not among the server\'s own files'
  if $ENV{EVAUDIT_CONF} && slurp_file($ENV{EVAUDIT_CONF}) =~ /^extension_control_path/m;

chomp(my $new_bin = (run_command([ 'pg_config', '--bindir' ]))[0]);
my $old_bin = $ENV{EVAUDIT_OLD_SERVER} // $new_bin;
my ($old_version, $new_version) = map {
	(run_command([ "$_/pg_config", '--version' ]))[0] =~ /(\d+)/ } $old_bin, $new_bin;

# A cluster's contents and definitions, as one pg_dump sees them.
sub dump_of
{
	my ($node) = @_;
	my ($dump, $error) =
	  run_command([ 'pg_dump', '-h', $node->host, '-p', $node->port, 'postgres' ]);

	die "pg_dump: $error" if $error;
	$dump =~ s/^(-- Dumped|\\(un)?restrict ).*\n//mg;
	return $dump;
}

my $broker = Evaudit::Mock->new('logins', 2);
my $old = Evaudit::Cluster->new('old',
	conf => "evaudit.segment_rows = 100\n",
	$old_bin eq $new_bin ? () : (install_path => "$old_bin/.."));

$old->safe_psql('postgres', q{
	CREATE ROLE collector LOGIN;
	GRANT SELECT, INSERT, UPDATE ON user_services TO collector;
	INSERT INTO configuration VALUES ('a', '1'), ('b', 'null'), ('c', NULL);
	UPDATE configuration SET value = '1.0' WHERE key = 'a';
	DELETE FROM configuration WHERE key = 'b';
	CREATE TABLE parts (i int PRIMARY KEY, t text) PARTITION BY RANGE (i);
	CREATE TABLE part PARTITION OF parts DEFAULT;
	SELECT evaudit.track('parts');
	INSERT INTO parts SELECT i, 'x' FROM generate_series(1, 100) i;
	ALTER TABLE parts DROP t, ADD u text;
	UPDATE parts SET u = 'y' WHERE i < 10});
$broker->login("user$_", 's', 1700000000 + $_) foreach 1 .. 5;
$broker->produce('not json', '{}');
$broker->add_source($old, 'logins', role => 'collector');
$broker->add_source($old, 'paused', role => 'collector');
$broker->await($old);
$old->safe_psql('postgres', q{SELECT evaudit.pause_source('paused')});
is( $old->safe_psql('postgres', q{
		SELECT (SELECT count(*) FROM audit), (SELECT count(*) FROM user_services),
			(SELECT count(*) FROM evaudit.dead_letters)}),
	'115|5|4', 'there is enough to compare');
ok( $old->wait_for(q{SELECT count(*) >= 4 AND NOT EXISTS (SELECT FROM pg_stat_activity
		WHERE backend_type = 'evaudit segments') FROM pg_partition_tree('audit')}),
	'the audit has segments');
my $before = dump_of($old);
$old->stop;

# since 18 clusters have checksums unless told otherwise
my $new = Evaudit::Cluster->new('new', extension => 0, init => { extra =>
		  $old_version < 18 && $new_version >= 18 ? ['--no-data-checksums'] : [] });
$new->stop;

my $cwd = getcwd();
chdir PostgreSQL::Test::Utils::tempdir() or die "chdir: $!";
command_ok(
	[
		'pg_upgrade', '--no-sync', '-b', $old_bin, '-B', $new_bin,
		'-d', $old->data_dir, '-D', $new->data_dir, '-s', $new->host,
		'-p', $old->port, '-P', $new->port
	],
	'pg_upgrade');
Test::More->builder->is_passing or die 'there is nothing to look at';
chdir $cwd;
$new->append_conf('postgresql.conf', "shared_preload_libraries = ''\n");
$new->start;
is(dump_of($new), $before, 'everything is as it was');
$new->stop;
$new->append_conf('postgresql.conf',
	"shared_preload_libraries = 'evaudit'\n");

# what the old source read is behind it, and it goes on from there
$broker->login("user$_", 't', 1700000100 + $_) foreach 1 .. 5;
$new->start;
$new->wait_for(q{SELECT count(*) FROM user_services}, '10');
ok( $new->wait_for(q{
		SELECT string_agg(name || ' ' || state || ' ' || received, ', ' ORDER BY name)
		FROM evaudit.stat_sources}, 'logins running 5, paused paused 0'),
	'sources go on, or do not, as before');
is($new->safe_psql('postgres', 'SELECT count(*) FROM evaudit.dead_letters'),
	'4', 'with their dead letters');
$new->safe_psql('postgres', q{
	SELECT evaudit.pause_source('logins');
	DELETE FROM user_services WHERE service_id = 't'});
$new->safe_psql('postgres', q{SELECT evaudit.resume_source('paused')});
$broker->await($new);
is($new->safe_psql('postgres', 'SELECT count(*) FROM user_services'),
	'10', 'a source resumed goes on');
is( $new->safe_psql('postgres', q{
		INSERT INTO configuration VALUES ('d', '4');
		UPDATE parts SET u = 'z' WHERE i = 100;
		SELECT item_key, old_value, new_value FROM audit ORDER BY seq DESC LIMIT 2}),
	"100|null|\"z\"\nd||{\"key\": \"d\", \"value\": 4}", 'and so does the audit');
$new->stop;
$broker->stop;

done_testing();
