# A client of the front whose response waits for real sinks: it comes when all
# have the event, or says which of them failed.

use strict;
use warnings;

use Evaudit::Cluster;
use Evaudit::Front;
use Evaudit::Token;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'the front was not built'
  unless $ENV{EVAUDIT_FRONT} && -x $ENV{EVAUDIT_FRONT};

my $node = Evaudit::Cluster->new('main',
	conf => "evaudit.max_backoff = '300ms'\nevaudit.rate_limit = 0\n");
my $issuer = Evaudit::Token->new(PostgreSQL::Test::Utils::tempdir());
my $keys = $issuer->keys =~ s/'/''/gr;
my $front = Evaudit::Front->new($node);

$node->safe_psql('postgres', qq{
	GRANT EXECUTE ON FUNCTION evaudit.http_wait TO front;
	SELECT evaudit.create_issuer('provider', '$keys');
	CREATE SERVER local FOREIGN DATA WRAPPER evaudit_function;
	CREATE TABLE taken (event_id text);
	CREATE TABLE gate (open boolean);
	INSERT INTO gate VALUES (true);
	CREATE FUNCTION take(events evaudit.event[]) RETURNS void LANGUAGE sql
		AS 'INSERT INTO public.taken SELECT e.event_id FROM pg_catalog.unnest(events) e';
	CREATE FUNCTION pass(events evaudit.event[]) RETURNS void LANGUAGE plpgsql
	AS \$\$
	BEGIN
		IF NOT (SELECT open FROM public.gate) THEN
			RAISE EXCEPTION 'closed' USING ERRCODE = 'insufficient_resources';
		END IF;
	END \$\$;
	SELECT evaudit.create_topic('things', NULL, '{"event_id": "/id", "keep": true}');
	SELECT evaudit.grant_publish('things', 'ada');
	SELECT evaudit.create_sink('taker', 'local', '{things}', '{"function": "public.take"}');
	SELECT evaudit.create_sink('gated', 'local', '{things}', '{"function": "public.pass"}')});
$node->wait_for(q{SELECT bool_and(state = 'running') FROM evaudit.stat_sinks});

my $token = $issuer->token(sub => 'ada');

# Publish an event, waiting so many seconds.
sub publish
{
	my ($id, $wait) = @_;
	return $front->request('POST', '/topics/things', qq({"id": "$id"}),
		'Authorization' => "Bearer $token", 'Prefer' => "wait=$wait");
}

sub taken
{
	my ($id) = @_;
	return $node->safe_psql('postgres',
		"SELECT count(*) FROM taken WHERE event_id = '$id'");
}

my $response = publish('one', 60);
is($response->{status}, 202, 'an event that its sinks take: ' . $response->{content});
is(taken('one'), 1, 'they have it when the response comes');
ok(!grep({ /^x-evaudit/i } keys %{ $response->{headers} }), 'and its wait is nobody else\'s');

$node->safe_psql('postgres', 'UPDATE gate SET open = false');
$response = publish('two', 1);
is($response->{status}, 500, 'one that a sink does not take in time');
is_deeply([ map { $_->{type} } @{ decode_json($response->{content})->{errors} } ],
	['gated'], 'names that sink: ' . $response->{content});
is(taken('two'), 1, 'the other one has it');

$node->safe_psql('postgres', 'UPDATE gate SET open = true');
is(publish('two', 60)->{status}, 202, 'the same event again waits for that sink');
is(taken('two'), 1, 'and is no second event');

$front->stop;
$node->stop;
done_testing();
