# Two servers: the one that takes writes dies under load, the other is
# promoted, and the front goes there by itself.

use strict;
use warnings;

use Evaudit::Cluster;
use Evaudit::Front;
use Evaudit::Load;
use PostgreSQL::Test::Cluster;
use Test::More;

plan skip_all => 'the front was not built'
  unless $ENV{EVAUDIT_FRONT} && -x $ENV{EVAUDIT_FRONT};

my $token = 'eyJhbGciOiJFZERTQSJ9.eyJpc3MiOiJnYXRlIiwic3ViIjoiQWxpY2UifQ.fDHFmW448mXf1UagPB9YbPRQi_uk2LB3Z8IEz4hwPv_YFt38o-H154YiykOBhxrFVuEec9WdJjZ2PVgcB979Aw';
my $node = Evaudit::Cluster->new('main',
	init => { allows_streaming => 1 },
	conf => "wal_level = replica\nevaudit.rate_limit = 0\n");
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
$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
bless $standby, 'Evaudit::Cluster';
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->start;

# What is committed is on both.
$node->append_conf('postgresql.conf', "synchronous_standby_names = '*'\n");
$node->reload;
$node->wait_for(q(SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'), '1');
$standby->append_conf('postgresql.conf', "synchronous_standby_names = ''\n");

# The standby comes first in the list: a server that takes writes is looked
# for.  Reading goes to the first that is there.
my @hosts = ($standby, $node);
my $front = Evaudit::Front->new($node,
	database => 'host=' . join(',', map { $_->host } @hosts) .
	  ' port=' . join(',', map { $_->port } @hosts) . ' dbname=postgres user=front');
my $backends = q(SELECT count(*) FROM pg_stat_activity WHERE usename = 'front');
ok($standby->wait_for($backends, '4'), 'the standby is read from');
ok($node->wait_for($backends, '4'), 'the primary is written to');
is($front->request('GET', '/topics')->{status}, 200, 'and both work');

my $load = Evaudit::Load->new(
	port => $front->{port},
	connections => 8,
	path => '/topics/numbers',
	headers => { Authorization => "Bearer $token" },
	body => sub { return qq({"n": $_[0]}) });
$load->wait_for_accepted(300);
$node->kill9;
$front->await_metric('evaudit_http_database_up{lane="writing"}', 0);
is($front->request('GET', '/topics')->{status}, 200, 'reading goes on when the primary is gone');
is($front->ready, '', 'the front is not ready then');
$standby->promote;
$load->wait_for_accepted(300);
my $results = $load->finish;
is($front->ready, 1, 'it is ready again');
$front->stop;

my %count;
$count{$_}++ foreach split /\n/, $standby->safe_psql('postgres', 'SELECT n FROM received');
my @accepted = grep { $results->{$_} eq '202' } keys %$results;
cmp_ok(scalar(@accepted), '>=', 600, 'requests are accepted before and after');
is(join(' ', grep { !$count{$_} } @accepted), '', 'what was accepted is on the other server');
is(join(' ', grep { $count{$_} > 1 } keys %count), '', 'and nothing is there twice');

done_testing();
