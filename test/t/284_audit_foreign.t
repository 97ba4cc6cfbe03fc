# TRUNCATE of foreign tables and of partitions that are, and a partition that
# is tracked by itself.

use strict;
use warnings;

use Evaudit::Cluster;
use Test::More;

# a server that brings its own libpq has it loaded by postgres_fdw
chomp(my $libraries = `pg_config --libdir`);
local $ENV{LD_LIBRARY_PATH} = $libraries if -e "$libraries/libpq.so.5";
my $node = Evaudit::Cluster->new('main');

plan skip_all => 'no postgres_fdw'
  if $node->safe_psql('postgres', q{SELECT count(*) FROM pg_available_extensions
	WHERE name = 'postgres_fdw'}) ne '1';

$node->safe_psql('postgres', q{
	CREATE EXTENSION postgres_fdw;
	CREATE SERVER loop FOREIGN DATA WRAPPER postgres_fdw OPTIONS (dbname 'postgres', host '}
	  . $node->host . q{', port '} . $node->port . q{');
	CREATE USER MAPPING FOR CURRENT_USER SERVER loop;
	CREATE TABLE far1 (gone int, id int, v text);
	CREATE TABLE far2 (id int, v text);
	CREATE FOREIGN TABLE alone (gone int, id int, v text) SERVER loop OPTIONS (table_name 'far1');
	CREATE TABLE parts (id int, v text) PARTITION BY RANGE (id);
	CREATE FOREIGN TABLE part1 PARTITION OF parts FOR VALUES FROM (0) TO (10)
		SERVER loop OPTIONS (table_name 'far2');
	CREATE TABLE part2 PARTITION OF parts DEFAULT;
	ALTER FOREIGN TABLE alone DROP gone;
	INSERT INTO alone VALUES (1, 'a'), (2, 'b');
	INSERT INTO parts VALUES (1, 'c'), (11, 'd')});
my (undef, undef, $said) = $node->psql('postgres',
	q{SELECT evaudit.track('alone'), evaudit.track('parts')});
my $has = $node->pg_version >= 16;
is( join(' ', $said =~ /TRUNCATE of foreign table "(\w+)" is not audited/g),
	$has ? '' : 'alone part1', 'what is not audited is said');
$node->safe_psql('postgres', 'TRUNCATE alone; TRUNCATE parts');
is( $node->safe_psql('postgres', q{
		SELECT relation, old_value FROM audit WHERE operation = 'TRUNCATE' ORDER BY seq}),
	($has ? qq{public.alone|{"v": "a", "id": 1}\npublic.alone|{"v": "b", "id": 2}\n}
		  . qq{public.parts|{"v": "c", "id": 1}\n} : '')
	  . 'public.parts|{"v": "d", "id": 11}', 'TRUNCATE is, where there are triggers');
is($node->safe_psql('postgres', 'SELECT bool_and(enabled) FROM evaudit.stat_audit'),
	't', 'all that can be captured is');

# ATTACH of a partition that is tracked by itself
my $attach = 'ALTER TABLE parts ATTACH PARTITION single FOR VALUES FROM (20) TO (30)';
$node->safe_psql('postgres', q{CREATE TABLE single (id int, v text); SELECT evaudit.track('single')});
my (undef, undef, $error) = $node->psql('postgres', $attach);
like($error, qr/table "single" is tracked by itself.*HINT:  Call evaudit.untrack\(\)/s,
	'a partition that is tracked by itself is refused with a hint');
$node->safe_psql('postgres', "SELECT evaudit.untrack('single'); $attach;
	INSERT INTO single VALUES (20, 'e'); TRUNCATE single");
is( $node->safe_psql('postgres', q{SELECT operation FROM audit
		WHERE coalesce(old_value, new_value) @> '{"id": 20}' AND relation = 'public.parts' ORDER BY seq}),
	"INSERT\nTRUNCATE", 'and attached when it is not');

$node->stop;
done_testing();
