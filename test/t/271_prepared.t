# Prepared transactions: what they audit, what is counted of them, and what
# cannot be prepared.

use strict;
use warnings;

use Evaudit::Cluster;
use Test::More;

my $node = Evaudit::Cluster->new('main', conf => "max_prepared_transactions = 5\n");

# Rows in audit, and what the view says.
sub counts
{
	return $node->safe_psql('postgres', q{
		SELECT (SELECT count(*) FROM audit WHERE operation <> 'TRACK'), rows_written
		FROM evaudit.stat_audit WHERE relation = 'changed'::regclass});
}

$node->safe_psql('postgres', q{
	CREATE TABLE changed (id int PRIMARY KEY);
	SELECT evaudit.track('changed');
	INSERT INTO changed VALUES (1)});
is(counts(), '1|1', 'a row is counted');

$node->safe_psql('postgres', q{
	BEGIN;
	INSERT INTO changed VALUES (2), (3);
	PREPARE TRANSACTION 'undone'});
is(counts(), '1|1', 'prepared rows are not');
$node->safe_psql('postgres', q{ROLLBACK PREPARED 'undone'});
is(counts(), '1|1', 'nor once they are rolled back');

$node->safe_psql('postgres', q{
	BEGIN;
	INSERT INTO changed VALUES (4), (5);
	PREPARE TRANSACTION 'done'});
$node->crash;
$node->safe_psql('postgres', q{COMMIT PREPARED 'done'});
is( $node->safe_psql('postgres',
		q{SELECT item_key FROM audit WHERE operation <> 'TRACK' ORDER BY seq}),
	"1\n4\n5", 'what is committed, after a crash, is audited');
is(counts(), '3|0', 'and not counted');

# Who prepares a change of sources would have nobody to tell of it
my ($ret, $out, $err) = $node->psql('postgres', q{
	CREATE SERVER silent FOREIGN DATA WRAPPER evaudit_kafka
		OPTIONS ("bootstrap.servers" '127.0.0.1:1');
	BEGIN;
	SELECT evaudit.create_source('s', 'silent', options => '{"topics": "t"}');
	PREPARE TRANSACTION 'source'});
like($err, qr/cannot PREPARE a transaction that has changed sources/,
	'a change of sources cannot be prepared');
is( $node->safe_psql('postgres', q{
		SELECT count(*) FROM pg_prepared_xacts UNION ALL
		SELECT count(*) FROM evaudit.sources}),
	"0\n0", 'and nothing is left of it');
($ret, $out, $err) = $node->psql('postgres', q{
	BEGIN;
	SELECT evaudit.create_topic('t');
	PREPARE TRANSACTION 'topic';
	ROLLBACK PREPARED 'topic'});
is($err, '', 'others can');

$node->stop;
done_testing();
