# The HTTP front: requests, shared transactions, what is refused, and what
# happens when the database or the front stops.

use strict;
use warnings;

use Evaudit::Cluster;
use Evaudit::Front;
use HTTP::Tiny;
use Test::More;

plan skip_all => 'the front was not built'
  unless $ENV{EVAUDIT_FRONT} && -x $ENV{EVAUDIT_FRONT};

my $node = Evaudit::Cluster->new('main');
my $front = Evaudit::Front->new(
	$node,
	'header-timeout' => 1000,
	'write-connections' => 2,
	'max-queue' => 40,
	'max-body' => 64);

# The event logger's routes need no token here: this is about the front.
$node->safe_psql('postgres', q(
	ALTER ROLE front SET evaudit.http_events = 'open';
	GRANT INSERT ON evaudit.events TO front;
	ALTER ROLE front SET evaudit.rate_limit = 0));
$front->stop;
$front->begin;

my $lane = '{lane="writing"}';

sub event
{
	my ($id) = @_;
	return qq({"id":"$id","type":"t","source":"s","time":"2026-01-01T00:00:00Z","payload":{"n":1}});
}

sub kept
{
	my ($like) = @_;
	return $node->safe_psql('postgres',
		"SELECT count(*) FROM evaudit.events WHERE event_id LIKE '$like'");
}

# One request, and what comes with it.
my $response = $front->request('GET', '/health', undef, 'X-Request-Id' => 'r-1');
is($response->{status}, 200, 'a request is answered');
is($response->{headers}{'x-request-id'}, 'r-1', 'with its id');
$response = $front->request('POST', '/events', event('one'));
like($response->{status}, qr/^20[0-9]$/, 'an event is taken')
  or diag($response->{content});
is(kept('one'), '1', 'and is there when that is said');

# Several requests in one connection, sent at once.
my $socket = $front->connection;
print $socket "GET /health HTTP/1.1\r\nHost: x\r\n\r\n" x 3,
  "GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
my @answers = $front->read_all($socket) =~ m{HTTP/1\.1 200 }g;
is(scalar(@answers), 4, 'pipelined requests are answered in turn');

# While transactions wait for a lock, requests gather for the next one.
sub lock_events
{
	my $session = $node->background_psql('postgres', on_error_die => 1);
	$session->query_safe('BEGIN; LOCK TABLE evaudit.events IN SHARE MODE');
	return $session;
}

# Begin requests of which two wait for the lock, each in a transaction of its
# own, and the others in the queue.
sub begin_blocked
{
	my ($prefix, $n) = @_;
	my @sockets;
	foreach my $i (1 .. $n)
	{
		push @sockets, $front->start_request('POST', '/events',
			event("$prefix-$i"));
		$node->wait_for(
			'SELECT count(*) FROM pg_locks WHERE NOT granted', "$i")
		  if $i <= 2;
	}
	$front->await_metric("evaudit_http_queue_length$lane", $n - 2);
	return @sockets;
}

my $lock = lock_events();
my $before = $front->metric("evaudit_http_transactions_total$lane");
my @sockets = begin_blocked('shared', 22);
$lock->quit;
my @statuses = map { $front->status_of($_) } @sockets;
is(join(' ', grep { !/^20/ } @statuses), '', 'all requests that waited are answered');
is(kept('shared-%'), '22', 'and their events are there, once each');
is($front->metric("evaudit_http_transactions_total$lane") - $before, 3,
	'those that waited shared one transaction');

# What fails at the end of a shared transaction harms only itself.
$node->safe_psql('postgres', q(
	CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN RAISE EXCEPTION 'refused'; END $$;
	CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON evaudit.events
		DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
		WHEN (NEW.event_id = 'late-5') EXECUTE FUNCTION refuse()));
$lock = lock_events();
@sockets = begin_blocked('late', 8);
$lock->quit;
@statuses = map { $front->status_of($_) } @sockets;
is($statuses[4], '500', 'a request that fails at commit is told so');
is(scalar(grep { /^20/ } @statuses), 7, 'its neighbours are not');
is(kept('late-%'), '7', 'and their events are there');
$node->safe_psql('postgres', 'DROP TRIGGER refuse ON evaudit.events');

# A connection that breaks in the middle.
$lock = lock_events();
@sockets = begin_blocked('broken', 4);
$node->safe_psql('postgres', q(
	SELECT pg_terminate_backend(pid) FROM pg_stat_activity
	WHERE usename = 'front' AND wait_event_type = 'Lock'));
$lock->quit;
@statuses = map { $front->status_of($_) } @sockets;
is(join(' ', grep { !/^20/ } @statuses), '', 'terminated backends cost no request');
is(kept('broken-%'), '4', 'and leave each event once');

# More than the queue holds.
$lock = lock_events();
@sockets = begin_blocked('full', 42);
$response = $front->request('POST', '/events', event('full-43'), 'X-Request-Id' => 'r-43');
is($response->{status}, 503, 'a request beyond the queue is refused');
like($response->{content}, qr/Too many requests wait/, 'at once');
is($response->{headers}{'x-request-id'}, 'r-43', 'with its id');
ok($response->{headers}{'retry-after'}, 'and told to come again');
is($front->request('GET', '/health')->{status}, 200, 'reading goes on beside');
$lock->quit;
$front->status_of($_) foreach @sockets;

# What is refused before the database sees it.
sub raw
{
	my ($text) = @_;
	my $connection = $front->connection;
	print $connection $text;
	return $front->status_of($connection) // 'closed';
}

my $head = "POST /events HTTP/1.1\r\nHost: x\r\nConnection: close\r\n";
my $chunk = sprintf("%x\r\n%s\r\n0\r\n\r\n", 70_000, 'x' x 70_000);
is(raw($head . "Content-Length: 70000\r\n\r\n"), 413, 'a body that is announced too large');
is(raw($head . "Transfer-Encoding: chunked\r\n\r\n$chunk"), 413, 'one that turns out so');
is(raw($head . "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} "), 400, 'two lengths');
is(raw($head . "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 400,
	'a length beside chunks');
is(raw("GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: a\r\nAuthorization: b\r\n\r\n"),
	400, 'two authorizations');
is(raw("GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: \xff\r\n\r\n"), 400, 'a header that is not UTF-8');
like(raw("GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" . ('A' x 40_000) . ": b\r\n\r\n"),
	qr/^(431|closed)$/, 'a head that is too large');
is(raw("GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" . "A: b\r\n" x 200 . "\r\n"), 431,
	'too many headers');

# Whoever is too slow for his headers is not waited for.
$socket = $front->connection;
print $socket "GET /health HTT";
is($front->read_all($socket), '', 'a slow client is closed');

# The database goes and comes.
$node->stop;
$front->await_metric("evaudit_http_database_up$lane", 0);
my $deadline = time() + 60;
do { $response = $front->request('POST', '/events', event('down')); }
  until $response->{status} == 503 || time() > $deadline;
is($response->{status}, 503, 'without a database');
$node->start;
$front->await(sub { $front->ready });
like($front->request('POST', '/events', event('back'))->{status}, qr/^20/, 'and with one again');

# The end: what is under way is finished.
$lock = lock_events();
@sockets = begin_blocked('end', 3);
kill 'TERM', $front->pid;
$deadline = time() + 60;
1 until !IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $front->{port})
  || time() > $deadline;
$lock->quit;
my @texts = map { $front->read_all($_) } @sockets;
is(scalar(grep { m{^HTTP/1\.1 20} } @texts), 3, 'SIGTERM lets requests finish');
is(scalar(grep { /^Connection: close/mi } @texts), 3, 'and closes their connections');
$front->stop;
is(kept('end-%'), '3', 'their events are there');

done_testing();
