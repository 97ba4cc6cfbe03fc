# How the front is set up: listeners of all kinds, certificates, systemd, what
# signals do, what it logs, processes that die.

use strict;
use warnings;

use Evaudit::Cluster;
use Evaudit::Front;
use Evaudit::Token;
use Fcntl;
use HTTP::Tiny;
use IO::Socket::INET;
use IO::Socket::UNIX;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'the front was not built'
  unless $ENV{EVAUDIT_FRONT} && -x $ENV{EVAUDIT_FRONT};

my $node = Evaudit::Cluster->new('main', conf => "log_statement = none\n");
my $front = Evaudit::Front->new($node);
$node->safe_psql('postgres', q(
	ALTER ROLE front SET evaudit.http_events = 'open';
	GRANT INSERT ON evaudit.events TO front;
	GRANT SELECT ON user_services TO front;
	SELECT evaudit.grant_read('services', 'Alice');
	SELECT evaudit.create_issuer('gate', '{"issuer": "gate", "require_exp": false,
		"jwks": {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg"}]}}')));
my $token = 'eyJhbGciOiJFZERTQSJ9.eyJpc3MiOiJnYXRlIiwic3ViIjoiQWxpY2UifQ.fDHFmW448mXf1UagPB9YbPRQi_uk2LB3Z8IEz4hwPv_YFt38o-H154YiykOBhxrFVuEec9WdJjZ2PVgcB979Aw';
$front->stop;
my $dir = $front->{dir};

# Wait until the log has a line.
sub log_has
{
	my ($pattern, $what) = @_;
	$front->await(sub { slurp_file("$dir/log") =~ $pattern });
	return ok(1, $what);
}

# What comes over a Unix socket or TLS to one request.
sub over_unix
{
	my ($path) = @_;
	my $socket = IO::Socket::UNIX->new(Peer => $path) or return "closed: $!";
	$socket->autoflush(1);
	print $socket "GET /topics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
	return $front->read_all($socket);
}

sub over_tls
{
	my ($port, $certificate) = @_;
	my ($in, $out) = ("GET /topics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", '');
	IPC::Run::run([ 'openssl', 's_client', '-connect', "127.0.0.1:$port", '-CAfile',
			$certificate, '-verify_return_error', '-quiet', '-ign_eof' ],
		'<', \$in, '>', \$out, '2>', \my $err);
	return $out;
}

# A certificate that signs itself.
sub make_certificate
{
	my ($name) = @_;
	Evaudit::Token::openssl('', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2',
		'-subj', "/CN=$name", '-keyout', "$dir/$name.key", '-out', "$dir/$name.crt");
}

# Have the front use a certificate, from its next reload on.
sub use_certificate
{
	my ($name) = @_;
	foreach my $kind ('crt', 'key')
	{
		unlink "$dir/now.$kind";
		append_to_file("$dir/now.$kind", slurp_file("$dir/$name.$kind"));
	}
}

# --- listeners of all kinds, at once
make_certificate($_) foreach 'first', 'second';
use_certificate('first');
append_to_file("$dir/config", "max-body = 64\n# a comment\ntls-certificate = $dir/now.crt\ntls-key=$dir/now.key\n");
my ($second, $secure) = map { PostgreSQL::Test::Cluster::get_free_port() } 1 .. 2;
my $path = PostgreSQL::Test::Utils::tempdir_short() . '/s';
my @options = ('--config' => "$dir/config", '--listen' => "127.0.0.1:$second",
	'--listen' => "unix:$path", '--listen-tls' => "127.0.0.1:$secure");
$front->begin(@options);
is($front->request('GET', '/topics')->{status}, 200, 'an address');
is(HTTP::Tiny->new->get("http://127.0.0.1:$second/topics")->{status}, 200, 'another one');
like(over_unix($path), qr/^HTTP\/1.1 200/, 'a Unix socket');
like(over_tls($secure, "$dir/first.crt"), qr/^HTTP\/1.1 200/, 'TLS');
is(over_tls($secure, "$dir/second.crt"), '', 'with that certificate alone');
unlike(slurp_file("$dir/log"), qr/warning/, 'the role is set up well')
  if $node->safe_psql('postgres', q(SELECT count(*) FROM evaudit.check_front() WHERE NOT ok)) eq '0';

# --- SIGHUP
my $body = 'x' x 65000;
is($front->request('POST', '/events', $body . ' ' x 1000)->{status}, 413, 'the file has a limit');
my ($in, $out) = ("GET /topics HTTP/1.1\r\nHost: x\r\n\r\n", '');
my $client = IPC::Run::start([ 'openssl', 's_client', '-connect', "127.0.0.1:$secure", '-quiet' ],
	'<', \$in, '>', \$out, '2>', \my $err, IPC::Run::timeout(60));
$client->pump until $out =~ /HTTP\/1.1 200.*\]/s;
use_certificate('second');
append_to_file("$dir/config", "max-body = 128\n");
kill 'HUP', $front->pid;
log_has(qr/the configuration was reloaded/, 'SIGHUP reads the file again');
$front->await(sub { over_tls($secure, "$dir/second.crt") =~ /^HTTP\/1.1 200/ });
is(over_tls($secure, "$dir/first.crt"), '', 'and the certificate');
isnt($front->request('POST', '/events', $body . ' ' x 1000)->{status}, 413, 'the limit is another one');
$out = '';
$in = "GET /topics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
$client->pump until $out =~ /HTTP\/1.1 200.*\]/s;
$client->finish;
ok(1, 'connections continue that were there before');
append_to_file("$dir/config", "max-bodies = 1\n");
unlink "$dir/now.key";
kill 'HUP', $front->pid;
log_has(qr/configuration was not reloaded: no option \\"max-bodies\\"/, 'what is wrong is not read');
log_has(qr/certificate was not reloaded/, 'nor is a key that is not there');
like(over_tls($secure, "$dir/second.crt"), qr/^HTTP\/1.1 200/, 'and everything goes on');

# --- the log
$front->request('GET', '/topics?secret=1', undef, 'X-Request-Id' => 'r-1', Authorization => 'Bearer abc.def.ghi');
my $line = $front->logged('r-1');
is(join(' ', @$line{qw(method path route status client)}), 'GET /topics /topics 200 127.0.0.1', 'a request is logged');
my $response = $front->request('GET', '/users/Alice/services', undef, 'X-Request-Id' => 'r-2', Authorization => "Bearer $token");
$line = $front->logged('r-2');
is(join(' ', @$line{qw(route subject)}), '/users/{}/services Alice', 'with its route and the subject of its token');
is(join(' ', grep { /^x-evaudit/ } keys %{ $response->{headers} }), '', 'which are in no response');
$response = $front->request('GET', '/topics', undef, 'X-Evaudit-Wait' => 'x', 'X-Evaudit-Subject' => 'Bob', 'X-Request-Id' => 'r-3');
is($front->logged('r-3')->{subject}, undef, 'nor believed from a request');
cmp_ok($line->{bytes}, '>', 10, 'with the bytes of its response');
unlike(slurp_file("$dir/log"), qr/secret|abc\.def/, 'neither its query nor its token');
kill 'USR1', $front->pid;
$front->await(sub {
	$front->request('GET', '/topics', undef, 'X-Request-Id' => 'r-' . ++$front->{tries});
	return slurp_file("$dir/log") !~ /"r-$front->{tries}"/;
});
ok(1, 'SIGUSR1 stops that');
$front->stop;
ok(!-e $path, 'the Unix socket is removed');
$node->safe_psql('postgres', q(ALTER ROLE front SET log_statement = 'all'; ALTER ROLE front RESET log_parameter_max_length));
$front->begin;
log_has(qr/warning: .*log_parameter_max_length/, 'settings that log tokens are warned of');
$front->stop;
$node->safe_psql('postgres', q(ALTER ROLE front RESET log_statement));

# --- metrics of the database, by a role of its own
$node->safe_psql('postgres', 'CREATE ROLE watcher LOGIN IN ROLE pg_monitor');
$front->begin('--metrics-database' => $node->connstr('postgres') . ' user=watcher');
my $metrics;
$front->await(sub {
	$metrics = HTTP::Tiny->new->get("http://127.0.0.1:$front->{admin_port}/metrics")->{content};
	return $metrics =~ /^evaudit_(?!http_)/m;
});
like($metrics, qr/^evaudit_http_requests_total/m, 'metrics are the front\'s and the database\'s');
$front->stop;

# --- what cannot be: the start fails, and says why
foreach my $case (
	[ qr/could not listen at \\"127.0.0.1:$second\\"/, '--listen' => "127.0.0.1:$second" ],
	[ qr/option \\"max-queue\\" must be a number/, '--max-queue' => '-1' ],
	[ qr/no option \\"nothing\\"/, '--nothing' => '1' ],
	[ qr/go together/, '--tls-key' => "$dir/second.key" ],
	[ qr/could not serve/, '--listen-tls' => "127.0.0.1:$secure", '--tls-key' => "$dir/first.key", '--tls-certificate' => "$dir/second.crt" ])
{
	my ($pattern, @wrong) = @$case;
	my $other = IO::Socket::INET->new(Listen => 5, LocalAddr => "127.0.0.1:$second");
	ok(!IPC::Run::run([ $ENV{EVAUDIT_FRONT}, @wrong ], '<', \undef, '>', \my $stdout, '2>', \my $stderr), "@wrong is refused");
	like($stderr, $pattern, 'with the reason');
}

# --- systemd: a socket that is handed over, and what it is told
my $notify = PostgreSQL::Test::Utils::tempdir_short() . '/n';
my $told = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => $notify);
my $handed = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1:0');
fcntl($handed, F_SETFD, 0);
{
	local $ENV{NOTIFY_SOCKET} = $notify;
	local $ENV{EVAUDIT_FRONT} = "$dir/systemd";
	append_to_file("$dir/systemd", "#!/usr/bin/perl\nuse POSIX;\nPOSIX::dup2("
		  . fileno($handed) . ", 3);\n\$ENV{LISTEN_PID} = \$\$;\n\$ENV{LISTEN_FDS} = 1;\n"
		  . "exec('$front->{program}', \@ARGV);\n");
	chmod 0755, "$dir/systemd";
	$front->begin('--processes' => 2);
}
is(HTTP::Tiny->new->get('http://127.0.0.1:' . $handed->sockport . '/topics')->{status}, 200, 'a socket that is handed over is served');
$told->recv(my $message, 100);
is($message, 'READY=1', 'systemd is told that the front is ready');

# --- processes
my $requests = 'evaudit_http_requests_total{status="2xx"}';
ok($front->await_metric($requests, 1), 'processes count together');
my ($child) = split / /, slurp_file('/proc/' . $front->pid . '/task/' . $front->pid . '/children');
kill 'KILL', $child;
log_has(qr/process $child ended, starting another/, 'a process that dies is replaced');
$front->await(sub { $front->ready });
is(HTTP::Tiny->new->get('http://127.0.0.1:' . $handed->sockport . '/topics')->{status}, 200, 'requests are answered');
ok($front->await_metric($requests, 2), 'and counted on');
$front->stop;
$told->recv($message, 100);
is($message, 'STOPPING=1', 'systemd is told the end');

done_testing();
