# Retention of the audit: whole segments go, and rows that are in none; not what
# is held, not what a sink has yet to send, and no writer waits long for it.

use strict;
use warnings;

use Evaudit::Cluster;
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = Evaudit::Cluster->new('main', conf => <<'CONF');
evaudit.retention_interval = '1s'
evaudit.segment_rows = 400
evaudit.max_backoff = '300ms'
evaudit.alert_interval = 1
max_worker_processes = 24
log_lock_waits = on
deadlock_timeout = '101ms'
log_line_prefix = '%m [%p] %b '
CONF

sub query { return $node->safe_psql('postgres', $_[0]); }

# Wait until segments are there for what is drawn next: a segment begins above
# what was drawn when it was made
sub ahead
{
	ok( $node->wait_for(q{
			SELECT count(*) FROM pg_partition_tree('audit') s JOIN pg_class c ON c.oid = s.relid,
				audit_seq_seq q
			WHERE substring(pg_get_expr(c.relpartbound, c.oid)
				FROM $$FROM \('?(\d+)$$)::bigint > q.last_value}, '2'), 'segments are ahead');
	return;
}

# Rows of audit, a segment's worth
sub fill
{
	query(q{INSERT INTO t (v) SELECT 0 FROM generate_series(1, 400)});
	ahead();
	return;
}

# The rule's state, and for what it waits
my $state = q{SELECT state || ' ' || coalesce(detail, '') FROM evaudit.stat_retention WHERE what = 'audit'};

# The first number that is there
my $first = q{SELECT min(substring(s.relid::text FROM '\d+')::int) FROM pg_partition_tree('audit') s};

# The numbers of all
my $numbers = q{SELECT string_agg(substring(s.relid::text FROM '\d+'), ' ' ORDER BY substring(s.relid::text FROM '\d+')::int)
	FROM pg_partition_tree('audit') s};

query(q{CREATE TABLE before (id serial PRIMARY KEY, v int); SELECT evaudit.track('before');
	INSERT INTO before (v) VALUES (0);
	ALTER TABLE before RENAME TO t;
	INSERT INTO t (v) SELECT 0 FROM generate_series(1, 110)});
ahead();
fill() foreach 1 .. 4;
my $held = query('SELECT item_key FROM evaudit.audit_3 LIMIT 1');
query(qq{INSERT INTO evaudit.audit_holds (relation, item_key, reason)
	VALUES ('public.t', '$held', 'a dispute'), ('public.before', '5', 'by an earlier name')});

# Nothing is deleted that is not old
query(q{SELECT evaudit.set_retention('audit', '1 day')});
ok($node->wait_for(q{SELECT last_run_at IS NOT NULL FROM evaudit.stat_retention WHERE what = 'audit'}, 't'), 'a run');
is(query("$first"), '1', 'what is young stays');
is(query('SELECT count(*) > 1700 FROM audit'), 't', 'all of it');

# What is old goes, but for what is held
query(q{SELECT evaudit.set_retention('audit', '1 microsecond')});
ok($node->wait_for($numbers, '3 5 6'), 'segments go that have nothing held');
ok( $node->wait_for(q{SELECT string_agg(item_key, ' ') FROM evaudit.audit_3}, $held),
	'of one that has, the other rows go');
ok($node->wait_for(q{SELECT string_agg(item_key, ' ') FROM evaudit.audit_default}, '5'), 'so do rows that are in none');
ok($node->wait_for("SELECT ($state) = 'active ' AND deleted > 1700 FROM evaudit.stat_retention", 't'), 'they are counted');

# Nor is it redacted, under whatever name
query('ALTER TABLE t RENAME TO u');
my $stderr;
foreach my $name ('public.t', 'u')
{
	$node->psql('postgres', "SELECT evaudit.redact('$name', '$held', '{v}', 'asked for')", stderr => \$stderr);
	like($stderr, qr/rows of audit of this key of public\.u are held/, "what is held is not redacted: $name");
}
query('ALTER TABLE u RENAME TO t');
is(query(q{SELECT evaudit.redact('t', '6', '{v}', 'asked for') >= 0}), 't', 'what is not held is');

# A sink of the audit
query(q{
	CREATE SERVER local FOREIGN DATA WRAPPER evaudit_function;
	CREATE TABLE got (n int);
	CREATE FUNCTION take(events evaudit.event[]) RETURNS void LANGUAGE sql AS
		'INSERT INTO public.got VALUES (cardinality(events))';
	SELECT evaudit.create_sink('trail', 'local', '{audit}', '{"function": "public.take"}')});
query(q{SELECT evaudit.pause_sink('trail')});
$node->wait_for('SELECT state, pid IS NULL FROM evaudit.stat_sinks', 'paused|t');
fill() foreach 1 .. 2;
query('DELETE FROM evaudit.audit_holds');
ok($node->wait_for("SELECT ($state) ~ '^waiting a sink has not sent all rows of evaudit.audit_'", 't'),
	'it waits for the sink');
query(q{UPDATE evaudit.alert_rules SET hold = '0', threshold = 0 WHERE name = 'retention_awaits_sink'});
ok($node->wait_for(q{SELECT detail ~ 'a sink has not sent' FROM evaudit.alerts WHERE name = 'retention_awaits_sink'}, 't'),
	'there is an alert');
my $waiting = query($first);
cmp_ok($waiting, '>', 3, 'when what is held no more is gone');
query(q{SELECT evaudit.resume_sink('trail')});
fill();
ok($node->wait_for("SELECT ($first) > $waiting", 't'), 'and goes on when it has sent them');
ok($node->wait_for(q{SELECT count(*) FROM evaudit.alerts WHERE name = 'retention_awaits_sink'}, 0), 'the alert ends');
query(q{SELECT evaudit.drop_sink('trail')});

# Who holds a lock is not waited for by others, who write all the time, each
# rows with the number of its process
query('CREATE TABLE load (id bigserial PRIMARY KEY, pid int)');
query(q{SELECT evaudit.track('load')});
my $files = PostgreSQL::Test::Utils::tempdir();
append_to_file("$files/load.sql", 'INSERT INTO load (pid) VALUES (pg_backend_pid())');
my $load = IPC::Run::start([
		'pgbench', '-n', '-c', '3', '-T', '10000', '-R', '60', '-f', "$files/load.sql",
		'-h', $node->host, '-p', $node->port, 'postgres'], '<', \undef, '>', \my $out, '2>', \my $err);

# A writer that was seen to queue behind the job, and the last row that was
# written by then
sub queued
{
	return split /\|/, query(qq{
		CREATE TEMP TABLE seen (pid int, id bigint);
		DO \$\$
		BEGIN
			WHILE clock_timestamp() < now() + interval '$PostgreSQL::Test::Utils::timeout_default s' LOOP
				INSERT INTO seen
				SELECT w.pid, (SELECT max(id) FROM load)
				FROM pg_locks w JOIN pg_stat_activity j ON j.pid = ANY (pg_blocking_pids(w.pid))
				WHERE NOT w.granted AND w.relation = 'audit'::regclass AND w.mode = 'RowExclusiveLock'
					AND j.backend_type = 'evaudit retention' LIMIT 1;
				EXIT WHEN FOUND;
			END LOOP;
		END \$\$;
		TABLE seen});
}

foreach my $locked ('audit', 'a segment')
{
	my $holder = $node->background_psql('postgres', on_error_die => 1);
	# of two segments ahead, the second is not the next to go
	my $table = $locked eq 'audit' ? 'audit' :
	  query(q{SELECT segment FROM evaudit.stat_segments WHERE state = 'ahead' ORDER BY first_seq DESC LIMIT 1});

	$holder->query_safe("BEGIN; LOCK TABLE ONLY $table IN ACCESS SHARE MODE");
	query(q{INSERT INTO t (v) SELECT 0 FROM generate_series(1, 1200)});
	my $dropped = $locked eq 'audit' ? 'evaudit\.audit_' : quotemeta($table) . '$';
	ok($node->wait_for("SELECT ($state) ~ 'audit is in use, could not drop $dropped'", 't'),
		"it waits for who reads $locked");
	my $now = query($first);
	foreach my $time ($locked eq 'audit' ? (1 .. 3) : ())
	{
		my ($pid, $id) = queued();

		ok($pid, 'a writer queues behind it') or last;
		ok($node->wait_for("SELECT count(*) > 0 FROM load WHERE pid = $pid AND id > $id", 't'),
			'and goes on, while the reader still has its lock');
	}
	ok($node->wait_for(q{SELECT next_run_at > now() FROM evaudit.stat_retention WHERE what = 'audit'}, 't'), 'again')
	  foreach 1 .. 3;
	is(query($first), $now, 'in vain');
	$holder->query_safe('COMMIT');
	$holder->quit;
	ok($node->wait_for("SELECT ($first) > $now", 't'), 'and goes on then');
}
$load->kill_kill;
unlike($out . $err, qr/error|abort/i, 'no writer failed');

# Who waits for longer than deadlock_timeout says so, but does not come to it if
# the wait ends by a lock_timeout that is shorter.  Locks that are none of others
# who write, as those on the default partition, it may wait for.
my $log = slurp_file($node->logfile);
unlike($log, qr/evaudit retention LOG: .* still waiting for AccessExclusiveLock on relation/,
	'it never waited for more than 100 ms');

# Without a rule nothing goes
query(q{SELECT evaudit.set_retention('audit', NULL)});
is(query(q{SELECT count(*) FROM evaudit.stat_retention}), '0', 'no rule');

$node->stop;
done_testing();
