# Export and redaction of audit say how far they are, and one that is cancelled
# in the middle loses nothing: the next does all of it.

use strict;
use warnings;

use Evaudit::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = Evaudit::Cluster->new('main', conf => <<'CONF');
evaudit.segment_rows = 400
evaudit.retention_interval = '1s'
CONF
my $directory = PostgreSQL::Test::Utils::tempdir();

sub query { return $node->safe_psql('postgres', $_[0]); }

my $jobs = q(SELECT work, subject, done, total, unit, per_second >= 0 FROM evaudit.stat_jobs ORDER BY started_at DESC LIMIT 1);
my $holder = $node->background_psql('postgres');
my $worker = $node->background_psql('postgres', on_error_stop => 0);

# --- redact: a row of which there are 3,000 changes, one of them locked

query(q{CREATE TABLE person (id int PRIMARY KEY, name text);
	SELECT evaudit.track('person');
	INSERT INTO person VALUES (1, 'n0');
	DO $$ BEGIN FOR i IN 1..2999 LOOP UPDATE person SET name = 'n' || i; END LOOP; END $$});
my $names = q{SELECT count(*) FROM audit WHERE relation = 'public.person' AND (new_value::text ~ 'n\d' OR old_value::text ~ 'n\d')};
is(query($names), 3000, 'names are in the audit');
$holder->query_safe(q{BEGIN; SELECT FROM audit WHERE seq = (SELECT seq FROM audit WHERE relation = 'public.person' AND operation <> 'TRACK' ORDER BY seq OFFSET 2500 LIMIT 1) FOR UPDATE});
my $redact = q{SELECT evaudit.redact('person', '1', '{name}', 'asked for')};
$worker->query_until(qr/started/, "\\echo started\n$redact;\n");
$node->wait_for(q{SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'}, 1);
is(query($jobs), 'redact|public.person|2000|3000|rows|t', 'redact says how far it is');
my $pid = query(q{SELECT pid FROM evaudit.stat_jobs});
query("SELECT pg_cancel_backend($pid)");
$node->wait_for(q{SELECT count(*) FROM evaudit.stat_jobs}, 0);
$holder->query_safe('ROLLBACK');
is(query($names), 3000, 'a cancel takes all of it back');
is(query($redact), 3000, 'the next does all');
is(query($names), 0, 'and nothing is there any more');

# --- export: a segment with a row that its reader waits for

query(q{CREATE TYPE slow AS ENUM ('x');
	-- other locks are waited for no longer than 100 ms there
	CREATE FUNCTION meet(slow) RETURNS json LANGUAGE plpgsql SET lock_timeout = 0 AS $$
	BEGIN
		PERFORM pg_advisory_xact_lock_shared(250);
		RETURN '1';
	END $$;
	CREATE CAST (slow AS json) WITH FUNCTION meet(slow);
	ALTER TABLE audit ADD COLUMN extra slow;
	ALTER DATABASE postgres SET enable_sort = off;
	CREATE TABLE t (id int PRIMARY KEY);
	SELECT evaudit.track('t')});
for (1 .. 4)
{
	query(qq{INSERT INTO t SELECT i FROM generate_series($_ * 1000, $_ * 1000 + 399) i});
	$node->wait_for(q{SELECT count(*) >= 2 FROM evaudit.stat_segments WHERE state = 'ahead'}, 't');
}
my $segment = query(q{SELECT segment FROM evaudit.stat_segments WHERE state = 'closed' ORDER BY first_seq DESC LIMIT 1});
query(qq{UPDATE audit SET extra = 'x' WHERE seq = (SELECT first_seq + 250 FROM evaudit.stat_segments WHERE segment = '$segment'::regclass)});
my $changes = q{FROM audit WHERE operation IN ('INSERT', 'UPDATE')};
my @seqs = split /\n/, query("SELECT seq $changes");
$holder->query_safe('SELECT pg_advisory_lock(250)');
query(qq{SELECT evaudit.set_retention('audit', '1 microsecond', '{"export": "$directory"}')});
ok($node->wait_for($jobs, "export|$segment|200|400|rows|t"), 'an export says how far it is');
$pid = query(q{SELECT DISTINCT pid FROM evaudit.stat_jobs});
is(query('SELECT string_agg(DISTINCT work, $$, $$) FROM evaudit.stat_jobs'), 'export, retention', 'within retention');
query("SELECT pg_cancel_backend($pid)");
$node->wait_for("SELECT count(*) FROM pg_stat_activity WHERE pid = $pid", 0);
is(query("SELECT count(*) FROM $segment"), 400, 'a cancel deletes nothing that is not exported');
$holder->query_safe('SELECT pg_advisory_unlock(250)');
$node->wait_for("SELECT to_regclass('$segment') IS NULL", 't');
# what is not in the table any more is in a file
my %there = map { $_ => 1 } split /\n/, query("SELECT seq $changes");
cmp_ok(scalar(keys %there), '<=', @seqs - 400, 'the next run exports and drops the segment');
foreach my $file (glob "$directory/*.jsonl")
{
	$there{$_} = 1 for slurp_file($file) =~ /"seq": (\d+)/g;
}
is(scalar(grep { !$there{$_} } @seqs), 0, 'and no change is lost');

$_->quit foreach $holder, $worker;
$node->stop;
done_testing();
