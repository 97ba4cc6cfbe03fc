# Statistics of more tables than have room: those that were dropped make room
# for others, and their databases do.

use strict;
use warnings;

use Evaudit::Cluster;
use Test::More;

# As many as are counted, and some
my $tables = 4096 + 100;
my $node = Evaudit::Cluster->new('main',
	conf => "max_locks_per_transaction = 1024\nshared_buffers = 128MB\n");

# Make and change that many tables, with the triggers as track() makes them.
sub fill
{
	my ($database) = @_;
	$node->safe_psql($database, qq{
		CREATE SCHEMA many;
		DO \$\$
		BEGIN
			FOR i IN 1 .. $tables LOOP
				EXECUTE format('CREATE TABLE many.t%s (id int)', i);
				EXECUTE format('CREATE TRIGGER "00_evaudit_capture"
					AFTER INSERT OR UPDATE OR DELETE ON many.t%s
					FOR EACH ROW EXECUTE FUNCTION evaudit.capture()', i);
				EXECUTE format('INSERT INTO many.t%s VALUES (1)', i);
			END LOOP;
		END \$\$});
	return;
}

# What is counted of a new table that one row was inserted into.
sub count_new
{
	my ($table) = @_;
	$node->safe_psql('postgres', qq{
		CREATE TABLE $table (id int);
		SELECT evaudit.track('$table');
		INSERT INTO $table VALUES (1)});
	return $node->safe_psql('postgres', qq{
		SELECT COALESCE(rows_written::text, 'unknown') FROM evaudit.stat_audit
		WHERE relation = '$table'::regclass});
}

is(count_new('early'), '1', 'a table is counted');
fill('postgres');
is(count_new('late'), 'unknown', 'no room is left');
$node->safe_psql('postgres', 'DROP SCHEMA many CASCADE');
is(count_new('later'), '1', 'dropped tables make room');
is( $node->safe_psql('postgres', q{
		INSERT INTO early VALUES (2);
		SELECT rows_written FROM evaudit.stat_audit
		WHERE relation = 'early'::regclass}),
	'2', 'and the others are counted on');

$node->safe_psql('postgres', 'CREATE DATABASE other');
$node->safe_psql('other', 'CREATE EXTENSION evaudit');
fill('other');
is(count_new('last'), 'unknown', 'another database takes all room');
$node->safe_psql('postgres', 'DROP DATABASE other');
is(count_new('very_last'), '1', 'and gives it back when it is dropped');

$node->stop;
done_testing();
