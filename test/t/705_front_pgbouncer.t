# The front behind PgBouncer in transaction mode, under load, and when servers
# and the bouncer itself go away.

use strict;
use warnings;

use Evaudit::Cluster;
use Evaudit::Front;
use Evaudit::Load;
use Evaudit::Process;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'the front was not built'
  unless $ENV{EVAUDIT_FRONT} && -x $ENV{EVAUDIT_FRONT};
my ($bouncer) = grep { defined && -x }
  ($ENV{EVAUDIT_PGBOUNCER}, map { "$_/pgbouncer" } split(/:/, $ENV{PATH}), '/usr/sbin');
my ($major, $minor) = $bouncer ? `$bouncer --version` =~ /(\d+)\.(\d+)/ : (0, 0);
plan skip_all => 'there is no PgBouncer with prepared statements, 1.21'
  unless $major > 1 || $minor >= 21;

my $token = 'eyJhbGciOiJFZERTQSJ9.eyJpc3MiOiJnYXRlIiwic3ViIjoiQWxpY2UifQ.fDHFmW448mXf1UagPB9YbPRQi_uk2LB3Z8IEz4hwPv_YFt38o-H154YiykOBhxrFVuEec9WdJjZ2PVgcB979Aw';
my $node = Evaudit::Cluster->new('main', conf => "evaudit.rate_limit = 0\n");
$node->safe_psql('postgres', q{
	SELECT evaudit.create_issuer('gate', '{"issuer": "gate", "require_exp": false,
		"jwks": {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg"}]}}');
	CREATE TABLE received (n integer);
	CREATE FUNCTION receive(events evaudit.event[]) RETURNS void LANGUAGE sql AS
		$$ INSERT INTO public.received SELECT (e.payload->>'n')::int FROM unnest(events) e $$;
	SELECT evaudit.create_topic('numbers', options => '{"keep": false, "project": "public.receive"}');
	SELECT evaudit.grant_publish('numbers', 'Alice');
	CREATE ROLE front LOGIN;
	GRANT EXECUTE ON FUNCTION evaudit.http TO front;
	GRANT EXECUTE ON FUNCTION public.receive TO front;
	GRANT INSERT ON public.received TO front});

# Two sessions for the front's four connections.
my $process = Evaudit::Process->new('pgbouncer');
my $port = PostgreSQL::Test::Cluster::get_free_port();
my ($host, $server) = ($node->host, $node->port);
append_to_file("$process->{dir}/ini", <<"EOT");
[databases]
* = host=$host port=$server user=front
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $port
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 2
max_prepared_statements = 100
server_login_retry = 1
EOT
my @command = ($bouncer, '-q', "$process->{dir}/ini");
$process->launch(@command);
my $front = Evaudit::Front->new($node, database => "host=127.0.0.1 port=$port dbname=postgres user=front");
is($front->request('GET', '/topics')->{status}, 200, 'a request is answered');

my $load = Evaudit::Load->new(
	port => $front->{port},
	connections => 16,
	path => '/topics/numbers',
	headers => { Authorization => "Bearer $token" },
	body => sub { return qq({"n": $_[0]}) });
$load->wait_for_accepted(500);
is($node->safe_psql('postgres', q(SELECT count(*) FROM pg_stat_activity WHERE usename = 'front')), '2', 'by two sessions');
foreach my $round (1 .. 3)
{
	$node->safe_psql('postgres', q(SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'front'));
	$load->wait_for_accepted(200);
}
$node->crash;
$load->wait_for_accepted(200);
$process->kill9;
$process->launch(@command);
$load->wait_for_accepted(200);
my $results = $load->finish;
$front->stop;

my %count;
$count{$_}++ foreach split /\n/, $node->safe_psql('postgres', 'SELECT n FROM received');
my @accepted = grep { $results->{$_} eq '202' } keys %$results;
cmp_ok(scalar(@accepted), '>=', 1500, 'requests are accepted whatever goes away');
is(join(' ', grep { !$count{$_} } @accepted), '', 'what was accepted is there');
is(join(' ', grep { $count{$_} > 1 } keys %count), '', 'and nothing is there twice');

done_testing();
