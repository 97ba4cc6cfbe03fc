# Long work says how far it is, to who does it and to pg_monitor, and a cancel
# of it loses nothing: what was done stays, and the next call does the rest.

use strict;
use warnings;

use Evaudit::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = Evaudit::Cluster->new('main');

# Work meets a lock half way: a trigger waits for an advisory lock at two rows.
$node->safe_psql('postgres', q{
	CREATE ROLE watcher LOGIN IN ROLE pg_monitor;
	CREATE ROLE stranger LOGIN;
	CREATE FUNCTION meet() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM pg_advisory_xact_lock_shared(substr(NEW.service_id, 2)::int);
		RETURN NEW;
	END $$;
	CREATE TRIGGER meet BEFORE INSERT ON user_services FOR EACH ROW WHEN (NEW.service_id IN ('s2500', 's4400')) EXECUTE FUNCTION meet();
	INSERT INTO evaudit.dead_letter_store (source, topic, owner, payload, reason, error)
		SELECT 'logins', 'login', current_user, convert_to(format('{"id": "e%s", "user_id": "u", "service_id": "s%s", "service_name": "n", "timestamp": "2025-01-01T00:00:00Z"}', n, n), 'UTF8'),
			'malformed_json', 'then' FROM generate_series(1, 4500) n;
	UPDATE evaudit.dead_letter_store SET owner_oid = to_regrole('postgres')});

my $jobs = q(SELECT work, subject, done, total, unit, per_second > 0, started_at <= now() FROM evaudit.stat_jobs);

# A session that holds the lock, and one that works until it meets it.
my $holder = $node->background_psql('postgres');
$holder->query_safe('SELECT pg_advisory_lock(2500), pg_advisory_lock(4400)');
my $worker = $node->background_psql('postgres', on_error_stop => 0);

# Wait until something waits for a lock; its process.
sub waiting
{
	my ($lock) = @_;
	my $locks = "FROM pg_locks WHERE NOT granted AND " . ($lock ? "locktype = 'advisory' AND objid = $lock" : "locktype = 'transactionid'");
	$node->wait_for("SELECT count(*) $locks", 1);
	return $node->safe_psql('postgres', "SELECT pid $locks");
}

# Start a statement and wait until it waits for a lock.
sub start_work
{
	my ($sql, $lock) = @_;
	$worker->query_until(qr/started/, "\\echo started\n$sql;\n");
	return waiting($lock);
}

sub rest { return $node->safe_psql('postgres', 'SELECT count(*) FROM evaudit.dead_letter_store WHERE redriven_at IS NULL'); }

is($node->safe_psql('postgres', $jobs), '', 'nothing is under way');
my $pid = start_work("CALL evaudit.redrive_all('logins')", 2500);
is($node->safe_psql('postgres', $jobs), 'redrive|logins|2000|4500|letters|t|t', 'redrive says how far it is');
is($node->safe_psql('postgres', 'SELECT pid FROM evaudit.stat_jobs'), $pid, 'and where');
my %see = map { $_ => scalar $node->safe_psql('postgres', 'SELECT count(*) FROM evaudit.stat_jobs', extra_params => [ '-U', $_ ]) } qw(watcher stranger);
is("$see{watcher} $see{stranger}", '1 0', 'to pg_monitor, and to no other');
is($node->safe_psql('template1', 'CREATE EXTENSION evaudit; SELECT count(*) FROM evaudit.stat_jobs'), 0, 'nor to other databases');

# cancelled: what was committed stays
$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
$node->wait_for($jobs, '');
is(rest(), 2500, 'a cancel loses nothing');
$pid = start_work("SELECT evaudit.redrive('logins')", 2500);
is($node->safe_psql('postgres', $jobs), 'redrive|logins|0|2500|letters|f|t', 'a function does, too, of what is left');
$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
$node->wait_for($jobs, '');
is(rest(), 2500, 'a session that ends takes its transaction back, and its place');
$worker->{run}->finish;
$worker = $node->background_psql('postgres', on_error_stop => 0);
$pid = start_work("CALL evaudit.redrive_all('logins')", 2500);
$node->wait_for(q(SELECT now() - started_at > '1 second' FROM evaudit.stat_jobs));
$holder->query_safe('SELECT pg_advisory_unlock(2500)');
waiting(4400);
like($node->safe_psql('postgres', "SELECT query FROM pg_stat_activity WHERE pid = $pid"),
	qr{^/\* redrive of logins: 2000 of 2500 letters, \d+ a second \*/ CALL evaudit\.redrive_all\('logins'\);$}, 'pg_stat_activity says it, too');
$holder->query_safe('SELECT pg_advisory_unlock(4400)');
$node->wait_for($jobs, '');
is(rest(), 0, 'the next call does the rest');
$node->wait_for("SELECT state || query FROM pg_stat_activity WHERE pid = $pid", q(idleCALL evaudit.redrive_all('logins');));

# a baseline: a row in each block, and one of them locked
$node->safe_psql('postgres', q{
	CREATE TABLE wide (i int PRIMARY KEY, v text) WITH (fillfactor = 10);
	ALTER TABLE wide ALTER v SET STORAGE PLAIN;
	INSERT INTO wide SELECT i, repeat('x', 700) FROM generate_series(1, 2200) i;
	SELECT evaudit.track('wide')});
my $blocks = $node->safe_psql('postgres', q(SELECT pg_relation_size('wide') / 8192));
$holder->query_safe('BEGIN; UPDATE wide SET v = v WHERE i = 1500');
$pid = start_work("CALL evaudit.baseline_all('wide')");
is($node->safe_psql('postgres', $jobs), "baseline|wide|1024|$blocks|blocks|t|t", 'a baseline');
$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
$node->wait_for($jobs, '');
my $baseline = q(SELECT count(*), count(DISTINCT item_key) FROM audit WHERE operation = 'BASELINE');
is($node->safe_psql('postgres', $baseline), '1024|1024', 'what it wrote stays');
$holder->query_safe('ROLLBACK');
$node->safe_psql('postgres', "CALL evaudit.baseline_all('wide')");
is($node->safe_psql('postgres', $baseline), '2200|2200', 'and nothing is written twice');
is($node->safe_psql('postgres', "SELECT count(*) FROM evaudit.reconcile('wide')"), 0, 'as reconcile says');

# an undo, in batches
my $xid = $node->safe_psql('postgres', q{WITH u AS (UPDATE wide SET v = 'y' RETURNING pg_current_xact_id()) SELECT max(pg_current_xact_id::text::bigint) FROM u});
$holder->query_safe('BEGIN; SELECT FROM wide WHERE i = 1 FOR UPDATE');
$pid = start_work("CALL evaudit.undo_all(xid => '$xid')");
like($node->safe_psql('postgres', $jobs), qr/^undo\|.*wide\|0\|2200\|rows\|f\|t$/, 'an undo');
$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
$node->wait_for($jobs, '');
$holder->query_safe('ROLLBACK');

# retention, by a process of its own
$node->safe_psql('postgres', q{INSERT INTO evaudit.dead_letter_store (source, topic, owner, payload, reason, error, received_at)
	SELECT 'old', 'login', current_user, '', 'malformed_json', 'then', now() - interval '1 year' FROM generate_series(1, 7000)});
$holder->query_safe('BEGIN; SELECT FROM evaudit.dead_letter_store WHERE id = (SELECT max(id) FROM evaudit.dead_letter_store) FOR UPDATE');
$node->safe_psql('postgres', q{SELECT evaudit.set_retention('dead_letters', '1 month')});
$pid = waiting();
my $gone = $node->safe_psql('postgres', q(SELECT 7000 - count(*) FROM evaudit.dead_letter_store WHERE source = 'old'));
cmp_ok($gone, '>', 0, 'retention has deleted some');
is($node->safe_psql('postgres', $jobs), "retention|dead_letters|$gone||rows|t|t", 'and says so');
$holder->query_safe('COMMIT');
$node->wait_for($jobs, '');
is($node->safe_psql('postgres', q(SELECT count(*) FROM evaudit.dead_letter_store WHERE source = 'old')), 0, 'which goes on');
$_->quit foreach $holder, $worker;

$node->stop;
done_testing();
