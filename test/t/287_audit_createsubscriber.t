# pg_createsubscriber makes a logical replica of a physical standby: the audit
# that is there goes on with the rows that arrive, and after a switch-over with
# those that are captured there.

use strict;
use warnings;

use Evaudit::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'pg_createsubscriber is of PostgreSQL 17 and later'
  if `pg_config --version` =~ /PostgreSQL (\d+)/ && $1 < 17;

# A server that is not the system's must not take the system's libpq, which may
# not know what pg_createsubscriber writes into primary_conninfo.
chomp(my $libraries = `pg_config --libdir`);
$ENV{LD_LIBRARY_PATH} = join ':', $libraries, $ENV{LD_LIBRARY_PATH} // ();

my $publisher = Evaudit::Cluster->new('publisher', init => { allows_streaming => 'logical' },
	conf => "max_wal_senders = 10\nmax_replication_slots = 10\n");
$publisher->safe_psql('postgres', q{
	CREATE TABLE orders (id int PRIMARY KEY, state text, secret text);
	SELECT evaudit.track('orders', '{"columns": {"secret": "exclude"}}');
	INSERT INTO orders SELECT i, 'new', 's3cret' FROM generate_series(1, 50) i;
	INSERT INTO configuration VALUES ('k', '1')});
$publisher->backup('backup');
my $subscriber = PostgreSQL::Test::Cluster->new('subscriber');
bless $subscriber, 'Evaudit::Cluster';
$subscriber->init_from_backup($publisher, 'backup', has_streaming => 1);
$subscriber->start;
$publisher->safe_psql('postgres', q{UPDATE orders SET state = 'paid' WHERE id < 10});
$publisher->wait_for_catchup($subscriber, 'replay', $publisher->lsn('insert'));
$subscriber->stop;

command_ok(
	[
		'pg_createsubscriber', '--pgdata' => $subscriber->data_dir,
		'--publisher-server' => $publisher->connstr('postgres'),
		'--socketdir' => $subscriber->host, '--subscriber-port' => $subscriber->port,
		'--recovery-timeout' => $PostgreSQL::Test::Utils::timeout_default,
		'--database' => 'postgres', '--publication' => 'everything', '--subscription' => 'everything'
	],
	'a standby becomes a subscriber');
$subscriber->start;

my $audit = q{SELECT a::text FROM audit a ORDER BY seq};

# Wait until all is applied
sub applied
{
	my ($from, $name) = @_;
	my $lsn = $from->safe_psql('postgres', 'SELECT pg_current_wal_lsn()');
	ok( $from->wait_for(qq{SELECT bool_and(replay_lsn >= '$lsn') FROM pg_stat_replication
			WHERE application_name = '$name'}, 't'), "$name: all is applied");
	return;
}

$publisher->safe_psql('postgres', q{
	UPDATE orders SET state = 'sent' WHERE id < 5;
	DELETE FROM orders WHERE id = 50;
	TRUNCATE configuration});
applied($publisher, 'everything');
is($subscriber->safe_psql('postgres', $audit), $publisher->safe_psql('postgres', $audit),
	'the audit arrives as it is, each row once');

# The switch-over
my $before = $publisher->safe_psql('postgres', 'SELECT max(seq) FROM audit');
$subscriber->safe_psql('postgres', q{DROP SUBSCRIPTION everything;
	UPDATE orders SET state = 'back', secret = 'other' WHERE id = 1;
	INSERT INTO configuration VALUES ('l', '2')});
is( $subscriber->safe_psql('postgres', qq{SELECT relation, operation, updated_attribute, epoch <>
		(SELECT epoch FROM audit ORDER BY seq LIMIT 1) FROM audit WHERE seq > $before ORDER BY seq}),
	"public.orders|UPDATE|state|t\npublic.configuration|INSERT||t",
	'the audit goes on, in an epoch of its own, by the same rules');
is($subscriber->safe_psql('postgres', q{SELECT count(*) FROM (SELECT seq FROM audit GROUP BY seq HAVING count(*) > 1) s}),
	'0', 'no number is drawn twice');
is( $subscriber->safe_psql('postgres', q{SELECT count(DISTINCT id), count(*) FROM evaudit.tracked_relations
		WHERE relation_name = 'orders' AND last_seq IS NULL}),
	'1|1', 'the table goes on under its identity');

# And the way back
$subscriber->safe_psql('postgres', 'DROP PUBLICATION IF EXISTS everything;
	CREATE PUBLICATION back FOR ALL TABLES');
$publisher->safe_psql('postgres', q{DROP PUBLICATION everything; CREATE SUBSCRIPTION back CONNECTION '}
	  . $subscriber->connstr('postgres') =~ s/'//gr . q{' PUBLICATION back WITH (copy_data = false)});
$subscriber->safe_psql('postgres', q{UPDATE orders SET state = 'again' WHERE id = 2});
applied($subscriber, 'back');
is( $publisher->safe_psql('postgres', qq{SELECT operation, item_key, new_value FROM audit WHERE seq > $before
		ORDER BY seq DESC LIMIT 1}), 'UPDATE|2|"again"', 'the old publisher has what is written since');
$publisher->safe_psql('postgres', q{DROP SUBSCRIPTION back; UPDATE orders SET state = 'home' WHERE id = 3});
is($publisher->safe_psql('postgres', q{SELECT new_value FROM audit ORDER BY seq DESC LIMIT 1}), '"home"',
	'and captures again');

done_testing();
