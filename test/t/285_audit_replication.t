# Logical replication with the extension on both sides: of all tables, the
# audit included, initial copy and switch-over; of some tables without it; and
# between two nodes that both write.

use strict;
use warnings;

use Evaudit::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $audit = q{SELECT a::text FROM audit a ORDER BY seq};
my %nodes = map { ($_ => Evaudit::Cluster->new($_, extension => 0,
	init => { allows_streaming => 'logical' },
	conf => "evaudit.segment_rows = 100\nwal_level = logical\nmax_worker_processes = 60\nmax_replication_slots = 60\nmax_wal_senders = 60\n"
	  . "max_logical_replication_workers = 40\nmax_sync_workers_per_subscription = 8\n"
	  . "wal_retrieve_retry_interval = 100\n")) } qw(a b);
my ($a, $b) = @nodes{qw(a b)};

sub connection
{
	my ($node, $database) = @_;
	return join(' ', 'host=' . $node->host, 'port=' . $node->port, "dbname=$database");
}

# A database whose schema is that of another.
sub copy_schema
{
	my ($from, $database, $to) = @_;
	my $file = PostgreSQL::Test::Utils::tempdir() . '/schema';

	command_ok([ 'pg_dump', '-s', '--no-publications', '--no-subscriptions', '-d',
			connection($from, $database), '-f', $file ], "schema of $database");
	$to->safe_psql('postgres', "CREATE DATABASE $database");
	command_ok([ 'psql', '-qAtX', '-d', connection($to, $database), '-f', $file ], 'restored');
	return;
}

# Wait until all tables of a subscription are copied, and all is applied.
sub synchronized
{
	my ($from, $to, $database, $subscription) = @_;

	ok( $to->wait_for(q{SELECT count(*) FROM pg_subscription_rel WHERE srsubstate <> 'r'},
			'0', database => $database), "$subscription: all tables are copied");
	my $lsn = $from->safe_psql($database, 'SELECT pg_current_wal_lsn()');
	ok( $from->wait_for(qq{SELECT bool_and(replay_lsn >= '$lsn') FROM pg_stat_replication
			WHERE application_name = '$subscription'}, 't'), "$subscription: all is applied");
	return;
}

# All tables
$a->safe_psql('postgres', 'CREATE DATABASE shop');
$a->safe_psql('shop', q{
	CREATE EXTENSION evaudit;
	CREATE TABLE orders (id int PRIMARY KEY, state text);
	CREATE TABLE parts (id int PRIMARY KEY) PARTITION BY RANGE (id);
	CREATE TABLE part PARTITION OF parts DEFAULT;
	SELECT evaudit.track('orders'), evaudit.track('parts');
	INSERT INTO orders SELECT i, 'new' FROM generate_series(1, 100) i;
	INSERT INTO configuration VALUES ('k', '1');
	INSERT INTO parts VALUES (1), (2);
	CREATE PUBLICATION everything FOR ALL TABLES});
copy_schema($a, 'shop', $b);
$b->safe_psql('shop', 'CREATE SUBSCRIPTION everything CONNECTION \''
	  . connection($a, 'shop') . '\' PUBLICATION everything');
synchronized($a, $b, 'shop', 'everything');
is($b->safe_psql('shop', $audit), $a->safe_psql('shop', $audit), 'the initial copy is audited once');
$a->safe_psql('shop', q{
	BEGIN;
	SET LOCAL evaudit.actor = 'ada';
	UPDATE orders SET state = 'paid' WHERE id < 10;
	DELETE FROM orders WHERE id = 100;
	UPDATE configuration SET value = '2';
	INSERT INTO parts VALUES (3);
	COMMIT;
	TRUNCATE parts;
	ALTER TABLE orders RENAME COLUMN state TO status;
	SELECT evaudit.untrack('parts')});
$b->safe_psql('shop', 'ALTER TABLE orders RENAME COLUMN state TO status');
$a->safe_psql('shop', q{UPDATE orders SET status = 'sent' WHERE id = 1});
synchronized($a, $b, 'shop', 'everything');
is($b->safe_psql('shop', $audit), $a->safe_psql('shop', $audit), 'and so are changes, once');
is( $b->safe_psql('shop', q{SELECT string_agg(o::text, ' ' ORDER BY id) FROM orders o}),
	$a->safe_psql('shop', q{SELECT string_agg(o::text, ' ' ORDER BY id) FROM orders o}),
	'the tables are the same');
is( $b->safe_psql('shop', q{SELECT count(*) FROM evaudit.audit_dump}), '0', 'nothing else is left');

# What a session writes there is captured, with numbers of its own
my $written = q{
	UPDATE orders SET status = 'local' WHERE id = 2;
	INSERT INTO configuration VALUES ('local', '1')};
$b->safe_psql('shop', $written);
is( $b->safe_psql('shop', q{SELECT count(*), min(seq) > } . $a->safe_psql('shop', 'SELECT max(seq) FROM audit')
		  . q{ FROM audit WHERE new_value = '"local"' OR item_key = 'local'}),
	'2|t', 'a session of the subscriber is audited after them');

# Switch over: the subscriber becomes the one that is written, and publishes
$b->safe_psql('shop', q{
	ALTER SUBSCRIPTION everything DISABLE;
	ALTER SUBSCRIPTION everything SET (slot_name = NONE);
	DROP SUBSCRIPTION everything;
	CREATE PUBLICATION everything FOR ALL TABLES});
$a->safe_psql('shop', q{
	SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE NOT active;
	DELETE FROM configuration WHERE key = 'local';
	DROP PUBLICATION everything});
$b->safe_psql('shop', $_) foreach
	q{DELETE FROM configuration WHERE key = 'local'},
	q{INSERT INTO orders SELECT i, 'after' FROM generate_series(1001, 1400) i};
is($b->safe_psql('shop', 'SELECT count(*), count(DISTINCT seq), count(DISTINCT id) FROM audit WHERE item_key::int > 1000 AND relation = \'public.orders\''),
	'400|400|400', 'the first writes after a switch-over are audited');
$a->safe_psql('shop', 'CREATE SUBSCRIPTION back CONNECTION \''
	  . connection($b, 'shop') . '\' PUBLICATION everything WITH (copy_data = false)');
$b->safe_psql('shop', q{UPDATE orders SET status = 'back' WHERE id = 1400 OR id = 5});
synchronized($b, $a, 'shop', 'back');
my $last = q{SELECT a::text FROM audit a WHERE new_value = '"back"' ORDER BY seq};
is($a->safe_psql('shop', $last), $b->safe_psql('shop', $last), 'the other direction brings the audit, too');
$a->safe_psql('shop', 'DROP SUBSCRIPTION back; INSERT INTO orders VALUES (2000, NULL)');
is( $a->safe_psql('shop', q{SELECT seq = max FROM audit, (SELECT max(seq) FROM audit) m
		WHERE item_key = '2000'}),
	't', 'and back again');

# Without the audit: changes are captured where they are applied
$a->safe_psql('postgres', 'CREATE DATABASE part');
$a->safe_psql('part', q{
	CREATE EXTENSION evaudit;
	CREATE TABLE t (id int PRIMARY KEY, v text);
	SELECT evaudit.track('t');
	INSERT INTO t VALUES (1, 'a');
	CREATE PUBLICATION part FOR TABLE t});
copy_schema($a, 'part', $b);
$b->safe_psql('part', 'CREATE SUBSCRIPTION part CONNECTION \'' . connection($a, 'part') . '\' PUBLICATION part');
synchronized($a, $b, 'part', 'part');
$a->safe_psql('part', q{UPDATE t SET v = 'b'; TRUNCATE t});
synchronized($a, $b, 'part', 'part');
my $changes = q{SELECT operation, item_key, new_value FROM audit
	WHERE operation <> 'TRACK' ORDER BY seq};
is($b->safe_psql('part', $changes), $a->safe_psql('part', $changes),
	'a subscription without the audit is audited as it is applied');
is($b->safe_psql('part', q{SELECT bool_and(application_name IS NULL) FROM audit}), 't', 'by its worker');
$b->safe_psql('part', 'DROP SUBSCRIPTION part');

# Two nodes that write: numbers of each are their own
$a->safe_psql('postgres', 'CREATE DATABASE two');
$a->safe_psql('two', q{
	CREATE EXTENSION evaudit;
	CREATE TABLE t (id int PRIMARY KEY, v text);
	SELECT evaudit.track('t');
	ALTER SEQUENCE audit_seq_seq INCREMENT 2 RESTART 101;
	CREATE PUBLICATION two FOR TABLE t, audit});
copy_schema($a, 'two', $b);
$b->safe_psql('two', q{
	ALTER SEQUENCE audit_seq_seq INCREMENT 2 RESTART 102;
	CREATE PUBLICATION two FOR TABLE t, audit});
my $origin = $a->pg_version >= 16 ? ', origin = none' : '';
$b->safe_psql('two', 'CREATE SUBSCRIPTION from_a CONNECTION \'' . connection($a, 'two')
	  . "' PUBLICATION two WITH (copy_data = true$origin)");
synchronized($a, $b, 'two', 'from_a');
if ($origin)
{
	$a->safe_psql('two', 'CREATE SUBSCRIPTION from_b CONNECTION \'' . connection($b, 'two')
		  . "' PUBLICATION two WITH (copy_data = false$origin)");
	synchronized($b, $a, 'two', 'from_b');
}
foreach my $round (1 .. 5)
{
	$a->safe_psql('two', "INSERT INTO t VALUES ($round, 'a'), (50 + $round, 'a')");
	synchronized($a, $b, 'two', 'from_a') if $round % 2;
	$b->safe_psql('two', "INSERT INTO t VALUES (100 + $round, 'b')");
}
synchronized($a, $b, 'two', 'from_a');
is( $b->safe_psql('two', q{SELECT count(*), count(DISTINCT seq),
		bool_and(seq % 2 = CASE new_value ->> 'v' WHEN 'a' THEN 1 ELSE 0 END)
		FROM audit WHERE operation = 'INSERT'}),
	'15|15|t', 'two nodes that write have numbers of their own');
if ($origin)
{
	synchronized($b, $a, 'two', 'from_b');
	is($a->safe_psql('two', $audit), $b->safe_psql('two', $audit), 'and in the end the same audit');
	$a->safe_psql('two', 'DROP SUBSCRIPTION from_b');
}
$b->safe_psql('two', 'DROP SUBSCRIPTION from_a');

$_->stop foreach $a, $b;
done_testing();
