# Clients that mean ill: requests that two programs read differently, heads
# and bodies that never end, floods, and clients that do not read.

use strict;
use warnings;

use Evaudit::Cluster;
use Evaudit::Front;
use IO::Select;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

plan skip_all => 'the front was not built'
  unless $ENV{EVAUDIT_FRONT} && -x $ENV{EVAUDIT_FRONT};

my $node = Evaudit::Cluster->new('main');
my $front = Evaudit::Front->new($node,
	'header-timeout' => 1500,
	'body-timeout' => 5000,
	'response-timeout' => 1500,
	'idle-timeout' => 1500,
	'max-body' => 64,
	'max-memory' => 2,
	'max-per-address' => 50);
$node->safe_psql('postgres', q(
	ALTER ROLE front SET evaudit.http_events = 'open';
	GRANT INSERT ON evaudit.events TO front;
	SELECT evaudit.create_topic('large', jsonb_build_object('description',
		(SELECT string_agg(md5(i::text), '') FROM generate_series(1, 120000) i)))));
$front->stop;
$front->begin;

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

# The statuses of all responses until the connection is closed.
sub statuses
{
	my ($text, %args) = @_;
	my $socket = $front->connection;
	print $socket $text;
	$socket->shutdown(1) if $args{shutdown};
	return join ' ', $front->read_all($socket) =~ m{HTTP/1\.[01] (\d+) }g;
}

# Clients that have nothing more to say, and wait.
my $body = event('half-1');
like(statuses("POST /events HTTP/1.1\r\nHost: x\r\nContent-Length: " . length($body) . "\r\n\r\n$body", shutdown => 1),
	qr/^20[0-9]$/, 'a client that has shut down its side is answered');
is(statuses("GET /topics HTTP/1.1\r\nHost: x\r\n\r\n" x 3, shutdown => 1), '200 200 200', 'to all that it asked');
is(statuses("POST /events HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n" . event('half-2'), shutdown => 1),
	'', 'half a body is no request');
is(kept('half-%'), '1', 'and has no effect');

# What a proxy may read as another number of requests: one response at most,
# and the connection is closed.  RFC 9112, 2.2, 5.1, 6.1, 6.3, 7.1.  What
# libmicrohttpd 0.9.75 refuses by itself has the head of its response twice.
my $smuggled = "GET /topics HTTP/1.1\r\nHost: x\r\n\r\n";
my $head = "POST /events HTTP/1.1\r\nHost: x\r\n";
my $chunked = "Transfer-Encoding: chunked\r\n";
my $body_of = sub { "Content-Length: $_[0]\r\n" };
foreach my $case (
	[ 'a length beside chunks', $head . $body_of->(4) . "$chunked\r\n0\r\n\r\n$smuggled", '400' ],
	[ 'chunks beside a length', $head . $chunked . $body_of->(4) . "\r\n0\r\n\r\n$smuggled", '400' ],
	[ 'two lengths', $head . $body_of->(0) . $body_of->(length $smuggled) . "\r\n$smuggled", '400' ],
	[ 'two lengths that are one', $head . $body_of->(0) . $body_of->(0) . "\r\n$smuggled", '400' ],
	[ 'a list of lengths', $head . $body_of->('0, 0') . "\r\n$smuggled", '400' ],
	[ 'a length with a sign', $head . $body_of->('+0') . "\r\n$smuggled", '400' ],
	[ 'a length below zero', $head . $body_of->('-1') . "\r\n$smuggled", '400' ],
	[ 'a length in hexadecimal', $head . $body_of->('0x1') . "\r\n$smuggled", '400' ],
	[ 'no length', $head . $body_of->('') . "\r\n$smuggled", '400' ],
	[ 'a length beyond 64 bits', $head . $body_of->('99999999999999999999999') . "\r\n", '4\d\d' ],
	[ 'two codings', $head . $chunked . $chunked . "\r\n0\r\n\r\n$smuggled", '400' ],
	[ 'a coding that nobody knows', $head . "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n$smuggled", '501' ],
	[ 'a list of codings', $head . "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n$smuggled", '501' ],
	[ 'a space before the colon', $head . "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n$smuggled", '400' ],
	[ 'a name with a control character', $head . "Transfer-Encoding\x0b: chunked\r\n\r\n0\r\n\r\n$smuggled", '400' ],
	[ 'a line without a colon', "GET /topics HTTP/1.1\r\nHost: x\r\nnothing\r\n\r\n$smuggled", '400' ],
	[ 'two hosts', "GET /topics HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n$smuggled", '400' ],
	[ 'no host', "GET /topics HTTP/1.1\r\n\r\n$smuggled", '400' ],
	[ 'a chunk without a size', $head . "$chunked\r\nzz\r\n{}\r\n0\r\n\r\n$smuggled", '400' ],
	[ 'a chunk of a negative size', $head . "$chunked\r\n-1\r\n{}\r\n0\r\n\r\n$smuggled", '400' ],
	[ 'a chunk beyond 64 bits', $head . "$chunked\r\nfffffffffffffffff\r\n{}", '4\d\d' ],
	[ 'another protocol', "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", '400|505' ],
	[ 'a protocol of nobody', "GET /topics HTTQ/1.1\r\nHost: x\r\n\r\n", '400|505' ],
	[ 'a path that is none', "GET topics HTTP/1.1\r\nHost: x\r\n\r\n$smuggled", '400' ],
	[ 'TLS', "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" . "\xaa" x 500 . "\r\n\r\n", '(?:400)?' ],
	[ 'a line without end', 'GET /' . 'a' x 100_000, '(?:414)?' ],
	[ 'a head without end', "GET /topics HTTP/1.1\r\nHost: x\r\n" . 'X-A: ' . 'a' x 100_000, '(?:431)?' ],
	[ 'a coding on a line of its own', $head . "Transfer-Encoding:\r\n chunked\r\n" . $body_of->(4) . "\r\n0\r\n\r\n$smuggled", '400' ],
	[ 'the same in the first header', "POST /events HTTP/1.1\r\nTransfer-Encoding:\r\n chunked\r\nHost: x\r\n" . $body_of->(4) . "\r\n0\r\n\r\n$smuggled", '400' ],
	[ 'a length on a line of its own', $head . "Content-Length:\r\n 0\r\n" . $body_of->(1) . "\r\n$smuggled", '400' ],
	[ 'a line that goes on before there is one', "GET /topics HTTP/1.1\r\n Host: x\r\nHost: x\r\n\r\n$smuggled", '400' ],
	[ 'a return within a header', $head . "X: a\rTransfer-Encoding: chunked\r\n" . $body_of->(length $smuggled) . "\r\n$smuggled", '400|415' ],
	[ 'a byte of zero in a header', $head . "X: a\0b\r\n" . $body_of->(0) . "\r\n$smuggled", '400' ],
	[ 'a byte of zero in a name', $head . "X\0: a\r\n" . $body_of->(0) . "\r\n$smuggled", '400' ],
	[ 'a byte of zero in the path', "GET /topics\0/../x HTTP/1.1\r\nHost: x\r\n\r\n$smuggled", '400' ],
	[ 'chunks of an earlier protocol', "POST /events HTTP/1.0\r\nHost: x\r\n$chunked\r\n0\r\n\r\n$smuggled", '400' ],
	[ 'a chunk with a sign', $head . "$chunked\r\n+0\r\n\r\n$smuggled", '400' ],
	[ 'a chunk of hexadecimal with a prefix', $head . "$chunked\r\n0x0\r\n\r\n$smuggled", '400' ],
	[ 'a chunk that is longer than it says', $head . "$chunked\r\n1\r\n{}\r\n0\r\n\r\n$smuggled", '400' ],
	[ 'an extension of a chunk without end', $head . "$chunked\r\n1;" . 'a' x 100_000, '(?:4\d\d)?' ],
	[ 'trailers without end', $head . "$chunked\r\n0\r\nX: " . 'a' x 100_000, '(?:4\d\d)?' ],
	[ 'trailers in number', $head . "$chunked\r\n0\r\n" . "X: a\r\n" x 20_000, '(?:4\d\d)?' ],
	[ 'lines that are empty, in number', "\r\n" x 50_000, '414' ],
	[ 'a byte of zero in the method', "GET\0A /topics HTTP/1.1\r\nHost: x\r\n\r\n$smuggled", '400' ],
	[ 'a byte of zero at the end of the head', "GET /topics HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n$smuggled", '400' ],
	[ 'a control character', "GET /topics HTTP/1.1\r\nHost: x\r\nX: a\x7fb\r\n\r\n$smuggled", '400' ])
{
	my ($what, $text, $expected) = @$case;
	like(statuses($text), qr/^($expected)( \g1)?$/, "$what: one response");
}
is(statuses("GET /topics HTTP/1.1\nHost: x\nX-A:\nX-B: b  \n\nGET /topics HTTP/1.1\r\nHost:x\r\nX-A:\r\n\r\nGET /topics HTTP/1.1\r\nX:\ta\tb \r\nHost: x\r\nConnection: close\r\n\r\n"),
	'200 200 200', 'lines may end as they like, and have space');
is(statuses($head . "Transfer-Encoding: ChunKed\r\nConnection: close\r\n\r\n5;a=b\r\n" . substr(event('odd'), 0, 5) . sprintf("\r\n%x\r\n", length(event('odd')) - 5)
		. substr(event('odd'), 5) . "\r\n0\r\nX-Trailer: a\r\n\r\n"), '201', 'chunks in any case, with extensions and trailers');
is(kept('odd'), '1', 'which are no part of the body');
is(statuses("GET http://x/topics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), '200', 'the form for proxies');
is(statuses("GET http://x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), '404', 'and without a path');
is(statuses("GET /topics HTTP/1.0\r\n\r\n"), '200', 'an earlier protocol');

# Requests in number at once are answered in turn, and memory is what it was.
is(scalar(grep { $_ == 200 } split / /, statuses("GET /topics HTTP/1.1\r\nHost: x\r\n\r\n" x 3000 . "GET /topics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")),
	3001, 'a flood over one connection');
ok($front->await_metric('evaudit_http_memory_bytes', 0), 'costs nothing afterwards');

# Bytes that come one by one do not keep a connection: each phase has a time.
sub drip
{
	my ($what, $start, $byte) = @_;
	my $socket = $front->connection;
	my $select = IO::Select->new($socket);
	my $began = time();
	my $deadline = $began + 60;
	local $SIG{PIPE} = 'IGNORE';

	print $socket $start;
	while (!$select->can_read(0.05) && time() < $deadline)
	{
		defined syswrite($socket, $byte) or last;
	}
	cmp_ok(time() - $began, '<', 30, "$what is closed");
	cmp_ok(time() - $began, '>', 1, 'after its time');
}
drip('a connection that says nothing', '', '');
drip('a slow first line', 'GET /', 'a');
drip('empty lines', '', "\r\n");
drip('a slow head', "GET /topics HTTP/1.1\r\nHost: x\r\nX: ", 'a');
drip('a slow body', "$head" . $body_of->(50000) . "\r\n", ' ');
drip('a slow body of chunks', "$head$chunked\r\n", "1\r\n \r\n");

# A client that does not read what it asked for.
my $socket = $front->connection;
print $socket "GET /topics/large HTTP/1.1\r\nHost: x\r\n\r\n" x 8;
$front->await_metric('evaudit_http_connections', 0);
cmp_ok(length($front->read_all($socket)), '<', 8 * 3_840_000, 'a client that does not read is closed');

# Bodies that wait for their end have a bounded memory in all.
my @sockets = map { $front->connection } 1 .. 40;
print $_ $head . "Connection: close\r\n" . $body_of->(65000) . "\r\n" . ' ' x 64_999 foreach @sockets;
$front->await(sub { $front->metric('evaudit_http_memory_bytes') > 1_800_000 });
cmp_ok($front->metric('evaudit_http_memory_bytes'), '<', 2_300_000, 'bodies have a bounded memory');
print $_ ' ' foreach @sockets;
my @responses = map { $front->read_all($_) } @sockets;
my @refused = grep { m{^HTTP/1.1 503} } @responses;
cmp_ok(scalar(@refused), '>', 5, 'requests are refused when memory is short');
is(scalar(grep { !/^Retry-After: /m } @refused), 0, 'and told to come again');
cmp_ok(scalar(grep { m{^HTTP/1.1 4} } @responses), '>', 5, 'others are not');
ok($front->await_metric('evaudit_http_memory_bytes', 0), 'all of it is given back');

# A flood of connections from one address.
@sockets = map { $front->connection } 1 .. 120;
$front->await(sub { $front->metric('evaudit_http_connections_refused_total') >= 70 });
ok($front->await_metric('evaudit_http_connections', 50), 'an address has so many connections at most');
@sockets = ();
$front->await_metric('evaudit_http_connections', 0);
is($front->request('GET', '/topics')->{status}, 200, 'and can come again');

# What all of this took at most: 2 MB of bodies and responses, 40 kB for each
# connection, and for each of two connections to the database 32 responses.
my ($peak) = slurp_file("/proc/$front->{pid}/status") =~ /^VmHWM:\s+(\d+) kB/m;
note("$peak kB");
cmp_ok($peak, '<', 100_000, 'the memory of the process was bounded');

# Proxies are not counted, and clients of theirs have addresses of their own.
$front->stop;
$front->begin('--trusted-proxy' => '10.0.0.0/8', '--trusted-proxy' => '127.0.0.1');
@sockets = map { $front->connection } 1 .. 120;
$front->await_metric('evaudit_http_connections', 120);
is($front->metric('evaudit_http_connections_refused_total'), 0, 'a proxy has as many connections as it needs');
@sockets = ();
$front->request('GET', '/topics', undef, 'X-Forwarded-For' => "$_->[0]", 'X-Request-Id' => $_->[1])
  foreach [ '192.0.2.1', 'one' ], [ '192.0.2.9, 192.0.2.2, 10.1.2.3', 'two' ], [ '192.0.2.3, nobody', 'three' ];
is($front->logged('one')->{client}, '192.0.2.1', 'a proxy names the client');
is($front->logged('two')->{client}, '192.0.2.2', 'what a client writes before that does not count');
is($front->logged('three')->{client}, '127.0.0.1', 'nor what is no address');

done_testing();
