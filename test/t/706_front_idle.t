# Ten thousand connections that do nothing: what they cost, that requests go on
# beside them, and that they do not stay for ever.

use strict;
use warnings;

use Evaudit::Cluster;
use Evaudit::Front;
use IPC::Run;
use Test::More;

plan skip_all => 'the front was not built'
  unless $ENV{EVAUDIT_FRONT} && -x $ENV{EVAUDIT_FRONT};
chomp(my $files = `bash -c 'ulimit -H -n'`);
plan skip_all => "processes can open $files files only"
  unless $files eq 'unlimited' || $files > 10_300;

my $node = Evaudit::Cluster->new('main');
my $front = Evaudit::Front->new($node,
	'max-connections' => 11000,
	'max-per-address' => 11000,
	'header-timeout' => 600_000,
	'idle-timeout' => 600_000);

# Keeps connections open until its input ends; "ask" has each ask once.
my ($in, $out) = ('', '');
my $clients = IPC::Run::start([ 'python3', '-c', <<'EOT', $front->{port} ], '<', \$in, '>', \$out);
import resource, socket, sys
limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
clients = [socket.create_connection(("127.0.0.1", int(sys.argv[1]))) for _ in range(10000)]
print("open", flush=True)
sys.stdin.readline()
answered = 0
for client in clients:
    client.sendall(b"GET /topics HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + b"x" * 700 + b"\r\n\r\n")
    answered += client.recv(65536).startswith(b"HTTP/1.1 200 ")
print("answered", answered, flush=True)
closed = sum(client.recv(1) == b"" for client in clients)
print("closed", closed, flush=True)
EOT

# Megabytes of the process that are in memory.
sub memory
{
	my ($kb) = slurp_status() =~ /^VmRSS:\s+(\d+)/m;
	return $kb / 1024;
}

sub slurp_status
{
	open(my $status, '<', '/proc/' . $front->pid . '/status') or die $!;
	local $/;
	return <$status>;
}

$clients->pump until $out =~ /open/;
$front->await_metric('evaudit_http_connections', 10000);
note(sprintf('%d MB', memory()));
cmp_ok(memory(), '<=', 100, 'megabytes of 10,000 connections that have not asked yet');
is($front->request('GET', '/topics')->{status}, 200, 'requests are answered beside them');
$in .= "ask\n";
$clients->pump until $out =~ /answered (\d+)/;
like($out, qr/answered 10000/, 'each may ask');
note(sprintf('%d MB', memory()));
cmp_ok(memory(), '<=', 400, 'megabytes of 10,000 that have asked once');

# The time of silence is reloaded for those that come; it ends these by SIGTERM.
kill 'TERM', $front->pid;
$clients->pump until $out =~ /closed (\d+)/;
like($out, qr/closed 10000/, 'SIGTERM closes what is idle at once');
$clients->finish;
$front->stop;

# Whoever is silent for too long is closed, for however long this goes on.
$front->begin('--idle-timeout' => 1000, '--header-timeout' => 1000);
foreach my $round (1 .. 3)
{
	my @sockets = map { $front->connection } 1 .. 200;
	foreach my $socket (@sockets[ 0 .. 99 ])
	{
		print $socket "GET /topics HTTP/1.1\r\nHost: x\r\n\r\n";
	}
	$front->read_all($_) foreach @sockets;
	$front->await_metric('evaudit_http_connections', 0);
}
ok(1, 'idle connections are closed after their time');

done_testing();
