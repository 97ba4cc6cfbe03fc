# Memory does not grow with work: of a worker that merges, and of a backend
# that audits, publishes and queries, what is used after a tenth of the work
# is compared with what is used at its end.
#
# EVAUDIT_MEMORY_EVENTS and EVAUDIT_MEMORY_CALLS say how much there is to do;
# 5000000 and 1000000 take a quarter of an hour.

use strict;
use warnings;

use Evaudit::Cluster;
use Evaudit::Mock;
use Evaudit::Pipeline;
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;

my $events = $ENV{EVAUDIT_MEMORY_EVENTS} || 200000;
my $calls = $ENV{EVAUDIT_MEMORY_CALLS} || 20000;

# What contexts may grow by: a query's generic plan, say, not 150 bytes for
# each batch.  What a process may, beside the server's contexts: the library's
# threads have heaps of their own; and the peak of a statement.
my $noise = 12 * 1024;
my $heap_noise = 6 * 1024 * 1024;
my $peak_noise = 2 * 1024 * 1024;

# AddressSanitizer keeps what is freed: then a process's size says nothing.
my $quarantine = $ENV{ASAN_OPTIONS};

# Bytes in use in all memory contexts of a process, and all that it has to
# itself; and the bytes by the names of contexts.
sub memory
{
	my ($node, $pid) = @_;
	my $offset = -s $node->logfile;
	my ($used, $rss, $log, %contexts);

	$node->safe_psql('postgres', "SELECT pg_log_backend_memory_contexts($pid)");
	wait_until(
		sub {
			$log = slurp_file($node->logfile, $offset);
			($used) = $log =~ /\[$pid\].*Grand total: .* (\d+) used/;
			return defined $used;
		},
		"the memory contexts of process $pid");
	($rss) = slurp_file("/proc/$pid/status") =~ /^RssAnon:\s+(\d+) kB/m;
	$contexts{$1} += $2
	  while $log =~ /\[$pid\].*level: \d+; (.*?): \d+ total .* (\d+) used/g;
	return ($used, $rss * 1024, \%contexts);
}

# Compare two measurements; of memory that grew, say which.
sub compare
{
	my ($before, $after, $what) = @_;

	note("$what: contexts $before->[0], $after->[0];"
		  . " process $before->[1], $after->[1]");
	foreach my $name (sort keys %{ $after->[2] || {} })
	{
		my $growth = $after->[2]{$name} - ($before->[2]{$name} // 0);
		note("$name grew by $growth") if $growth > 512;
	}
	cmp_ok($after->[0] - $before->[0], '<', $noise, "$what: contexts");
	cmp_ok($after->[1] - $before->[1], '<', $heap_noise, "$what: process")
	  unless $quarantine;
	return;
}

# A worker.  Events come in rounds: the mock broker keeps little, and each
# round is ten batches at least.  Some are late, repeated or broken.
sub test_worker
{
	my ($node) = @_;
	my $broker = Evaudit::Mock->new('logins', 4);
	my $round = $events / 20;
	my ($pid, @tenth);

	$round = 20000 if $round > 20000;
	$broker->add_source($node, 'logins');
	$node->safe_psql('postgres', q{
		SELECT evaudit.alter_source('logins', '{"batch_size": 20}')});
	foreach my $n (1 .. $events / $round)
	{
		IPC::Run::run([ $ENV{EVAUDIT_KAFKA_TOOL}, '-s', $broker->servers,
				'-m', 10, '-r', 100, '-l', 100, 'load', 'logins', $round, 1000, $n ])
		  or die 'could not load events';
		$broker->{sent} += $round;
		$broker->await($node);
		next if @tenth || $n * $round < $events / 10;
		($pid) = @{ worker_pids($node, 'logins') };
		@tenth = memory($node, $pid);
	}
	is_deeply(worker_pids($node, 'logins'), [$pid], 'one worker did it all');
	compare(\@tenth, [ memory($node, $pid) ], 'worker');
	$broker->stop;
	return;
}

# Statements of which each runs in a transaction and does a number of calls in
# as many: what a session keeps grows here.
my %in_transactions = (
	audit => q{
		INSERT INTO configuration VALUES ('k' || i % 100, to_jsonb(i))
			ON CONFLICT (key) DO UPDATE SET value = excluded.value;
		UPDATE configuration SET value = to_jsonb(-i) WHERE key = 'k' || i % 100;
		IF i % 10 = 0 THEN
			DELETE FROM configuration WHERE key = 'k' || i % 100;
		END IF;},
	publish => q{
		PERFORM evaudit.publish('login', jsonb_build_object('user_id', 'u' || i % 100,
			'service_id', 's', 'service_name', 'n', 'timestamp', to_char(TIMESTAMP '2022-08-04' +
				i * interval '1 s', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')));},
	query => q{
		PERFORM services_for_user('u' || i % 100);},
	refuse => q{
		BEGIN
			PERFORM evaudit.publish('login', '{"user_id": "u"}');
		EXCEPTION WHEN invalid_parameter_value THEN
		END;});

# One statement that does a number of calls: what a statement keeps until its
# end grows here.
my %in_statement = (
	audit => q{UPDATE wide SET a = a + 1 WHERE i <= %d},
	insert => q{INSERT INTO sink SELECT i, repeat('x', 200) FROM generate_series(1, %d) i},
	publish => q{
		SELECT count(evaudit.publish('login', jsonb_build_object('user_id', 'u' || i %% 100,
			'service_id', 's', 'service_name', 'n', 'timestamp', '2022-08-04T08:50:39Z')))
		FROM generate_series(1, %d) i},
	query => q{SELECT count(services_for_user('u' || i)) FROM generate_series(1, %d) i});

# A session's statements, one after the other; the last row of each.
sub in_one_session
{
	my ($node, @statements) = @_;
	my $rows = $node->safe_psql('postgres', join(";\n", @statements));
	return map { [ split /\|/ ] } grep { /^\d+\|\d+$/ } split /\n/, $rows;
}

my $measure = q{
	SELECT (SELECT sum(used_bytes) FROM pg_backend_memory_contexts),
		1024 * substring(pg_read_file('/proc/self/status', 0, 8000)
			FROM '%s:\s+(\d+)')::bigint};

sub test_transactions
{
	my ($node, $name) = @_;
	my $session_state = sprintf($measure, 'RssAnon');
	my $loop = q{DO $do$ BEGIN FOR i IN 1 .. %d LOOP %s COMMIT; END LOOP; END $do$};
	my @memory = in_one_session($node,
		$session_state,
		sprintf($loop, $calls / 10, $in_transactions{$name}), $session_state,
		sprintf($loop, $calls, $in_transactions{$name}), $session_state);

	compare(@memory[ 1, 2 ], "$name, in $calls transactions");
	return;
}

# The peak is compared; a trigger's queue has some bytes for each row.
sub test_statement
{
	my ($node, $name) = @_;
	my $peak = sprintf($measure, 'VmHWM');
	my ($before, $after) = in_one_session($node,
		'SET work_mem = 64', 'SET jit = off',
		sprintf($in_statement{$name}, $calls / 10), $peak,
		sprintf($in_statement{$name}, $calls), $peak);

	note("$name: peak $before->[1], $after->[1]");
	cmp_ok($after->[1] - $before->[1], '<', $peak_noise + 32 * $calls,
		"$name, $calls in one statement");
	return;
}

# One statement that audits a row after the other: a trigger that fires after
# ours measures meanwhile.  The queue of the triggers is made before.
sub test_rows
{
	my ($node) = @_;

	$node->safe_psql('postgres', qq{
		CREATE TABLE steps (i int PRIMARY KEY, a int);
		INSERT INTO steps SELECT i, 0 FROM generate_series(1, $calls) i;
		SELECT evaudit.track('steps');
		CREATE TABLE measured (used bigint);
		CREATE FUNCTION measure() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN
			INSERT INTO measured SELECT sum(used_bytes)
				FROM pg_backend_memory_contexts WHERE name <> 'AfterTriggerEvents';
			RETURN NULL; END \$\$;
		CREATE TRIGGER zz_measure AFTER UPDATE ON steps FOR EACH ROW
			WHEN (NEW.i % ($calls / 10) = 0) EXECUTE FUNCTION measure();
		UPDATE steps SET a = 1});
	my @used = split /\n/,
	  $node->safe_psql('postgres', 'SELECT used FROM measured ORDER BY ctid');
	is(scalar @used, 10, 'ten measurements in one statement');
	note("rows: contexts @used");
	cmp_ok($used[9] - $used[1], '<', $noise, "audit, $calls rows in one statement");
	return;
}

my $node = Evaudit::Cluster->new('main',
	conf => "autovacuum = off\nshared_buffers = 4MB\nsynchronous_commit = off\n");
$node->safe_psql('postgres', qq{
	CREATE TABLE wide (i int PRIMARY KEY, a int, b text, c jsonb);
	CREATE TABLE sink (i int, t text);
	INSERT INTO wide SELECT i, 0, repeat('x', 100), '{"k": [1, 2]}'
		FROM generate_series(1, $calls) i;
	SELECT evaudit.track('wide'), evaudit.track('sink')});
test_transactions($node, $_) foreach sort keys %in_transactions;
test_rows($node);
if (!$quarantine)
{
	test_statement($node, $_) foreach sort keys %in_statement;
}

SKIP:
{
	skip Evaudit::Mock::unavailable(), 3 if Evaudit::Mock::unavailable();
	test_worker($node);
}
$node->stop;

done_testing();
