# Responses over HTTP that wait for sinks: what evaudit.http() names, and what
# evaudit.http_wait() responds with.

use strict;
use warnings;

use Evaudit::Cluster;
use Evaudit::Token;
use JSON::PP;
use MIME::Base64;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = Evaudit::Cluster->new('main',
	conf => "evaudit.max_backoff = '300ms'\n");
my $issuer = Evaudit::Token->new(PostgreSQL::Test::Utils::tempdir());
my $json = JSON::PP->new->canonical;

sub literal { my ($s) = @_; $s = ref $s ? $json->encode($s) : $s; $s =~ s/'/''/g; return "'$s'"; }
sub ask { return $node->safe_psql('postgres', join "\n", @_); }

ask(q{
	CREATE SERVER local FOREIGN DATA WRAPPER evaudit_function;
	CREATE TABLE gate (open boolean);
	INSERT INTO gate VALUES (true);
	CREATE FUNCTION take(events evaudit.event[]) RETURNS void LANGUAGE plpgsql
	AS $$
	BEGIN
		IF EXISTS (SELECT FROM unnest(events) e WHERE e.payload ? 'bad') THEN
			RAISE EXCEPTION 'refuses it' USING ERRCODE = 'check_violation';
		END IF;
	END $$;
	CREATE FUNCTION take_gated(events evaudit.event[]) RETURNS void
	LANGUAGE plpgsql AS $$
	BEGIN
		IF NOT (SELECT open FROM public.gate) THEN
			RAISE EXCEPTION 'closed' USING ERRCODE = 'insufficient_resources';
		END IF;
	END $$;
	SELECT evaudit.create_topic('things', NULL,
		'{"event_id": "/id", "keep": true}');
	SELECT evaudit.create_topic('patient', NULL,
		'{"event_id": "/id", "keep": true, "wait": "60s"}');
	SELECT evaudit.grant_publish('things', 'ada');
	SELECT evaudit.grant_publish('patient', 'ada');
	SELECT evaudit.create_sink('always', 'local', '{things,patient}',
		'{"function": "public.take"}');
	SELECT evaudit.create_sink('gated', 'local', '{things,patient}',
		'{"function": "public.take_gated"}');
	CREATE ROLE front;
	GRANT EXECUTE ON FUNCTION evaudit.http, evaudit.http_wait TO front;
	GRANT USAGE ON SCHEMA evaudit TO front;},
	"SELECT evaudit.create_issuer('provider', " . literal($issuer->keys) . ')');
my $token = $issuer->token(sub => 'ada');

# POST an event; the status and headers.
sub post
{
	my ($topic, $body, %headers) = @_;
	my $sql = sprintf(
		q{SET ROLE front; SELECT status || ' ' || headers FROM evaudit.http('POST', '/topics/%s', %s,
			convert_to(%s, 'UTF8'))}, $topic,
		literal({ bearer => $token, %headers }), literal($body));
	my ($status, $got) = ask($sql) =~ /^(\d+) (.*)$/;
	return ($status, $json->decode($got));
}

# What http_wait() responds with, by the number of what was waited for.
sub waited
{
	my ($timeout, @what) = @_;
	my @rows = split /\n/, ask("SET ROLE front; "
		. "SELECT array_position(w, what) - 1 || ' ' || status || ' ' || headers"
		. " || ' ' || convert_from(body, 'UTF8')"
		. ' FROM (SELECT ARRAY[' . join(', ', map { literal($_) } @what)
		. "]::text[] AS w) w, evaudit.http_wait(w, '$timeout')");
	return map { /^(\d+) (\d+) (\{.*\}) (\{.*\})$/ or die $_;
		$1 => { status => $2, headers => $json->decode($3), body => $4 } } @rows;
}

# As a front does: until one is decided.
sub wait_until_decided
{
	my @what = @_;
	my $deadline = time + 180;
	while (time < $deadline)
	{
		my %got = waited('1s', @what);
		return %got if %got;
	}
	die 'nothing was decided';
}

my ($status, $headers) = post('things', { id => 'none' });
is($status, 202, 'accepted');
ok(!exists $headers->{'X-Evaudit-Wait'}, 'nothing waits unless it is asked for');

($status, $headers) = post('things', { id => 'a' }, Prefer => 'respond-async, wait=60');
is("$status $headers->{'Preference-Applied'}", '202 wait=30',
	'a request may ask to wait, within the bound');
my %got = wait_until_decided($headers->{'X-Evaudit-Wait'});
is($got{0}{status}, 202, 'and gets its response when all sinks have the event');
is($got{0}{body}, '{"success":true,"statusCode":202}', 'as it would have been');
is($got{0}{headers}{'X-Request-Id'}, $headers->{'X-Request-Id'},
	'with its headers');
ok(!exists $got{0}{headers}{'X-Evaudit-Wait'}, 'but the one for the front');

($status, $headers) = post('patient', { id => 'b' });
like($headers->{'X-Evaudit-Wait'} // '', qr/^[\w+\/]+=*$/, 'a topic may ask to wait');
%got = wait_until_decided($headers->{'X-Evaudit-Wait'});
is($got{0}{status}, 202, 'likewise');
($status, $headers) = post('patient', { id => 'b2' }, Prefer => 'wait=0');
ok(!exists $headers->{'X-Evaudit-Wait'}, 'the request decides');

# errors of all sinks together; the event stays accepted
ask('UPDATE gate SET open = false');
($status, $headers) = post('things', { id => 'c', bad => 1 }, Prefer => 'wait=1');
my $failing = $headers->{'X-Evaudit-Wait'};
%got = wait_until_decided($failing);
is($got{0}{status}, 500, 'an error if a sink does not have it in time');
is_deeply($json->decode($got{0}{body}), {
	success => JSON::PP::false, statusCode => 500, errors => [
		{ type => 'always', message => 'The destination refused the event.' },
		{ type => 'gated', message => 'The destination did not respond in time.' } ] },
	'with one for each sink that failed');
is(ask(q{SELECT count(*) FROM evaudit.events WHERE event_id = 'c'}), 1,
	'the event stays accepted');

# a repeat waits again
my $ok_id = 'd';
($status, $headers) = post('things', { id => 'd' }, Prefer => 'wait=1');
%got = wait_until_decided($headers->{'X-Evaudit-Wait'});
is($got{0}{status}, 500, 'in vain');
ask('UPDATE gate SET open = true');
($status, $headers) = post('things', { id => 'd' }, Prefer => 'wait=30');
%got = wait_until_decided($headers->{'X-Evaudit-Wait'});
is($got{0}{status}, 202, 'a repeat waits again and gets 202');
is(ask(q{SELECT count(*) FROM evaudit.events WHERE event_id = 'd'}), 1,
	'and is the same event');

# many at a time: those that are decided are returned, the others stay
ask('UPDATE gate SET open = false');
my @what = map { my (undef, $h) = post('patient', { id => "many $_" });
	$h->{'X-Evaudit-Wait'} } 1 .. 20;
is(scalar(keys %{ { waited('100ms', @what) } }), 0, 'none is decided yet');
ask('UPDATE gate SET open = true');
my %all = ();
my @rest = @what;
while (@rest)
{
	my %some = wait_until_decided(@rest);
	$all{ $rest[$_] } = $some{$_}{status} foreach keys %some;
	@rest = grep { !exists $all{$_} } @rest;
}
is(join(' ', map { $all{$_} } @what), join(' ', (202) x 20),
	'all are, when it is there');

# nothing but what http() named
my $forged = encode_base64('{"topic": "things", "id": "nobody"}', '');
foreach my $bad ('x', 'AAAA', $forged, encode_base64('[]', ''))
{
	my ($rc, $out, $err) = $node->psql('postgres',
		'SELECT * FROM evaudit.http_wait(ARRAY[' . literal($bad) . "], '1s')");
	like($err, qr/invalid value of header "X-Evaudit-Wait"/, "refused: $bad");
}
my ($rc, $out, $err) = $node->psql('postgres',
	q{CREATE ROLE nobody; SET ROLE nobody;
	SELECT * FROM evaudit.http_wait('{}', '1s')});
like($err, qr/permission denied for function http_wait/,
	'only for whom EXECUTE is granted to');

done_testing();
