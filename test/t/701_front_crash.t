# kill -9 of whatever is under load: what was answered 202 is there, once, and
# no request has its effect twice, whatever its client was told.

use strict;
use warnings;

use Evaudit::Cluster;
use Evaudit::Front;
use Evaudit::Load;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'the front was not built'
  unless $ENV{EVAUDIT_FRONT} && -x $ENV{EVAUDIT_FRONT};

my $ROUNDS = 9;
my $seed = $ENV{EVAUDIT_TEST_SEED} || time();
srand($seed);
diag("EVAUDIT_TEST_SEED=$seed");

my $token = 'eyJhbGciOiJFZERTQSJ9.eyJpc3MiOiJnYXRlIiwic3ViIjoiQWxpY2UifQ.fDHFmW448mXf1UagPB9YbPRQi_uk2LB3Z8IEz4hwPv_YFt38o-H154YiykOBhxrFVuEec9WdJjZ2PVgcB979Aw';
my $node = Evaudit::Cluster->new('main', conf => <<'EOT');
restart_after_crash = on
log_statement = none
evaudit.rate_limit = 0
EOT

# The events have no id and the table no key, so that nothing but the front
# keeps a request from having its effect twice.
$node->safe_psql('postgres', q{
	SELECT evaudit.create_issuer('gate', '{"issuer": "gate", "require_exp": false,
		"jwks": {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg"}]}}');
	CREATE TABLE received (n integer);
	CREATE FUNCTION receive(events evaudit.event[]) RETURNS void LANGUAGE sql AS
		$$ INSERT INTO public.received SELECT (e.payload->>'n')::int FROM unnest(events) e $$;
	SELECT evaudit.create_topic('numbers', options => '{"keep": false, "project": "public.receive"}');
	SELECT evaudit.grant_publish('numbers', 'Alice')});

my $front = Evaudit::Front->new($node, processes => 2);
$node->safe_psql('postgres', q{
	GRANT EXECUTE ON FUNCTION public.receive TO front;
	GRANT INSERT ON public.received TO front});
my $load = Evaudit::Load->new(
	port => $front->{port},
	connections => 16,
	path => '/topics/numbers',
	headers => { Authorization => "Bearer $token" },
	body => sub { return qq({"n": $_[0]}) });

# What is killed, in turn.
my %kill = (
	'a session of the front' => sub { $node->kill_one(q{usename = 'front'}); },
	'the postmaster' => sub { $node->crash; },
	'the front' => sub { $front->crash; });

foreach my $round (1 .. $ROUNDS)
{
	my $what = (sort keys %kill)[ $round % 3 ];

	$load->wait_for_accepted(200 + int(rand(800)));
	note("round $round: $what");
	$kill{$what}->();
	$node->wait_for('SELECT true');
}
$load->wait_for_accepted(200);
my $results = $load->finish;
$front->stop;

my %count;
$count{$_}++ foreach split /\n/, $node->safe_psql('postgres', 'SELECT n FROM received');
my @accepted = grep { $results->{$_} eq '202' } keys %$results;
my %statuses;
$statuses{$_}++ foreach values %$results;
note(join ', ', map { "$_: $statuses{$_}" } sort keys %statuses);
cmp_ok(scalar(@accepted), '>', 200 * $ROUNDS, 'most requests are accepted');
ok($statuses{lost}, 'some responses are lost');
is(join(' ', grep { !$count{$_} } @accepted), '', 'what was accepted is there');
is(join(' ', grep { $count{$_} > 1 } keys %count), '', 'nothing is there twice');
is(join(' ', grep { !/^(202|503|lost)$/ } keys %statuses), '', 'and nothing else is answered');

done_testing();
