# What the front promises of its limits and of its transactions: connections
# in all, time for the database, time at its end, reading alone for GET; and
# options by environment, beside those of a file and of the command line.

use strict;
use warnings;

use Evaudit::Cluster;
use Evaudit::Front;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

plan skip_all => 'the front was not built'
  unless $ENV{EVAUDIT_FRONT} && -x $ENV{EVAUDIT_FRONT};

my $node = Evaudit::Cluster->new('main');
my $front = Evaudit::Front->new($node);
$front->stop;

# /mode says what a request's transaction may do.
$node->safe_psql('postgres', q(
	ALTER ROLE front SET evaudit.http_events = 'open';
	GRANT INSERT ON evaudit.events TO front;
	ALTER FUNCTION evaudit.http(text, text, jsonb, bytea) RENAME TO http_before;
	CREATE FUNCTION evaudit.http(text, text, jsonb, bytea,
		OUT status integer, OUT headers jsonb, OUT body bytea) LANGUAGE plpgsql AS $$
		BEGIN
			IF $2 = '/mode' THEN
				status := 200;
				headers := jsonb_build_object('Mode', current_setting('transaction_read_only'));
			ELSE
				SELECT h.* INTO http.status, http.headers, http.body FROM evaudit.http_before($1, $2, $3, $4) h;
			END IF;
		END $$;
	GRANT EXECUTE ON FUNCTION evaudit.http TO front));

sub event
{
	my ($id) = @_;
	return qq({"id":"$id","type":"t","source":"s","time":"2026-01-01T00:00:00Z","payload":{"n":1}});
}

# --- options: the command line, else the environment, else the file
my $file = "$front->{dir}/config";
append_to_file($file, "max-body = 1\nmax-connections = 20\nresponse-timeout = 1500\n");
{
	local $ENV{EVAUDIT_HTTP_CONFIG} = $file;
	local $ENV{EVAUDIT_HTTP_MAX_BODY} = 2;
	local $ENV{EVAUDIT_HTTP_MAX_CONNECTIONS} = 30;
	$front->begin('--max-connections' => 25);
}
my $space = ' ' x 1500;
is($front->request('POST', '/events', event('environment') . $space)->{status}, 201, 'the environment comes before the file');
is($front->request('POST', '/events', event('environment') . $space x 2)->{status}, 413, 'and is an option like any other');

# --- connections in all
my @sockets = map { $front->connection } 1 .. 60;
$front->await(sub { $front->metric('evaudit_http_connections_refused_total') >= 35 });
ok($front->await_metric('evaudit_http_connections', 25), 'as many connections as the command line says');
@sockets = ();
$front->await_metric('evaudit_http_connections', 0);

# --- GET reads, and nothing else
is(join(' ', map { $front->request($_, '/mode')->{headers}{mode} } qw(GET HEAD OPTIONS POST)), 'on on on off',
	'requests that read run in transactions that only read');

# --- the time of a response
my $lock = $node->background_psql('postgres', on_error_die => 1);
$lock->query_safe('BEGIN; LOCK TABLE evaudit.events IN SHARE MODE');
my $began = time();
my $response = $front->request('POST', '/events', event('late'));
is($response->{status}, 503, 'a database that takes too long');
ok($response->{headers}{'retry-after'}, 'may be asked again');
cmp_ok(time() - $began, '>', 1, 'after its time');
is($front->request('GET', '/topics')->{status}, 200, 'reading goes on');
$front->stop;

# --- the time at the end: what is not done by then is not waited for; the
# session of the request before still waits for the lock
$front->begin('--shutdown-timeout' => 1500, '--response-timeout' => 600_000);
my $socket = $front->start_request('POST', '/events', event('never'));
$node->wait_for(q(SELECT count(*) FROM pg_locks WHERE NOT granted), 2);
my $idle = $front->connection;
kill 'TERM', $front->pid;
$front->await(sub { !-d "/proc/$front->{pid}" || slurp_file("/proc/$front->{pid}/stat") =~ /\) Z / });
ok(1, 'the program ends, whoever it would wait for');
unlike($front->read_all($socket), qr{^HTTP/1.1 2}, 'nobody is told that something is stored');
is($front->read_all($idle), '', 'connections are closed');
$front->stop;
$lock->quit;

$node->stop;
done_testing();
