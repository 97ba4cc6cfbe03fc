# Connections that break while a transaction commits: whether it did, the front
# asks the server, and nothing is there twice.

use strict;
use warnings;

use Evaudit::Cluster;
use Evaudit::Front;
use Test::More;

plan skip_all => 'the front was not built'
  unless $ENV{EVAUDIT_FRONT} && -x $ENV{EVAUDIT_FRONT};

my $token = 'eyJhbGciOiJFZERTQSJ9.eyJpc3MiOiJnYXRlIiwic3ViIjoiQWxpY2UifQ.fDHFmW448mXf1UagPB9YbPRQi_uk2LB3Z8IEz4hwPv_YFt38o-H154YiykOBhxrFVuEec9WdJjZ2PVgcB979Aw';
my $node = Evaudit::Cluster->new('main', init => { allows_streaming => 1 },
	conf => "evaudit.rate_limit = 0\nwal_level = replica\n");

# A table without a key, and a check at commit that waits for a lock.
$node->safe_psql('postgres', q{
	SELECT evaudit.create_issuer('gate', '{"issuer": "gate", "require_exp": false,
		"jwks": {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg"}]}}');
	CREATE TABLE received (n integer);
	CREATE FUNCTION receive(events evaudit.event[]) RETURNS void LANGUAGE sql AS
		$$ INSERT INTO public.received SELECT (e.payload->>'n')::int FROM unnest(events) e $$;
	CREATE FUNCTION check_late() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NULL; END $$;
	CREATE CONSTRAINT TRIGGER check_late AFTER INSERT ON received
		DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION check_late();
	SELECT evaudit.create_topic('numbers', options => '{"keep": false, "project": "public.receive"}');
	SELECT evaudit.grant_publish('numbers', 'Alice');
	CREATE ROLE front LOGIN;
	GRANT EXECUTE ON FUNCTION evaudit.http TO front;
	GRANT EXECUTE ON FUNCTION public.receive TO front;
	GRANT INSERT ON public.received TO front});
my $front = Evaudit::Front->new($node);

# Begin a request, and wait until its session waits for something.
sub begin_at
{
	my ($n, $event) = @_;
	my $socket = $front->connection;
	my $body = qq({"n": $n});
	print $socket "POST /topics/numbers HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer $token\r\n"
	  . 'Content-Length: ' . length($body) . "\r\n\r\n$body";
	$node->wait_for("SELECT count(*) FROM pg_stat_activity WHERE usename = 'front' AND wait_event = '$event'", '1');
	return $socket;
}

# Likewise, and end that session.
sub break_at
{
	my ($n, $event) = @_;
	my $socket = begin_at($n, $event);
	is($node->safe_psql('postgres', "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'front' AND wait_event = '$event'"),
		't', "a session that waits for $event is ended");
	return $socket;
}

# Committed here, and waiting for a standby that is not there.
$node->append_conf('postgresql.conf', "synchronous_standby_names = 'nobody'\n");
$node->reload;
my $socket = break_at(1, 'SyncRep');
is($front->status_of($socket), '202', 'what was committed is accepted');
$node->append_conf('postgresql.conf', "synchronous_standby_names = ''\n");
$node->reload;
is($node->safe_psql('postgres', 'SELECT count(*) FROM received WHERE n = 1'), '1', 'and is there once');

# Not committed: it runs again.
my $lock = $node->background_psql('postgres', on_error_die => 1);
$lock->query_safe('SELECT pg_advisory_lock(1)');
$socket = break_at(2, 'advisory');
$lock->quit;
is($front->status_of($socket), '202', 'what was not committed runs again');
is($node->safe_psql('postgres', 'SELECT count(*) FROM received WHERE n = 2'), '1', 'and is there once');

# Not committed, and nothing of it had reached the disk when the server crashed:
# another transaction is given its id, and commits.  The server may have written
# some of it all the same: then it is tried again.
$node->append_conf('postgresql.conf', <<'EOT');
wal_level = minimal
max_wal_senders = 0
wal_writer_delay = 10s
bgwriter_lru_maxpages = 0
autovacuum = off
EOT
$node->restart;
$front->await(sub { $front->ready });
my ($n, $status) = (2, '');
until ($status eq 'committed' || $n == 12)
{
	$n++;
	$lock = $node->background_psql('postgres');
	$lock->query_safe('SELECT pg_advisory_lock(1)');
	$node->safe_psql('postgres', 'ALTER ROLE front NOLOGIN');
	$socket = begin_at($n, 'advisory');
	my $xid = $node->safe_psql('postgres', q{SELECT backend_xid FROM pg_stat_activity WHERE usename = 'front' AND backend_xid IS NOT NULL});
	$node->crash;
	1 while $node->safe_psql('postgres', 'SELECT pg_current_xact_id()') < $xid;
	$status = $node->safe_psql('postgres', "SELECT pg_xact_status('$xid')");
	$node->safe_psql('postgres', 'ALTER ROLE front LOGIN');
	is($front->status_of($socket), '202', 'what was lost runs again');
	is($node->safe_psql('postgres', "SELECT count(*) FROM received WHERE n = $n"), '1', 'and is there once');
	$lock->quit;
}
is($status, 'committed', 'after a crash another transaction had its id');

done_testing();
