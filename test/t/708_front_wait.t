# Responses that wait for sinks: thousands at a time, over one connection.  What
# is waited for and what the answer is, the database decides; here by a table.

use strict;
use warnings;

use Evaudit::Cluster;
use Evaudit::Front;
use Test::More;

plan skip_all => 'the front was not built'
  unless $ENV{EVAUDIT_FRONT} && -x $ENV{EVAUDIT_FRONT};

my $node = Evaudit::Cluster->new('main', conf => "evaudit.rate_limit = 0\n");
my $front = Evaudit::Front->new($node);
$front->stop;

# Each event waits that is posted with "Prefer: wait".
$node->safe_psql('postgres', q(
	ALTER ROLE front SET evaudit.http_events = 'open';
	GRANT INSERT ON evaudit.events TO front;
	CREATE TABLE decided (what text PRIMARY KEY, status integer, answer text);
	GRANT SELECT ON decided TO front;
	ALTER FUNCTION evaudit.http(text, text, jsonb, bytea) RENAME TO http_before;
	CREATE FUNCTION evaudit.http(text, text, jsonb, bytea,
		OUT status integer, OUT headers jsonb, OUT body bytea) LANGUAGE plpgsql AS $$
		DECLARE
			request jsonb := $3;
			event jsonb;
		BEGIN
			-- what the database was told about the front
			IF $2 = '/told' THEN
				http.status := 200;
				http.headers := '{"Content-Type": "text/plain"}';
				SELECT convert_to(string_agg(lower(key) || '=' || value, ' ' ORDER BY key), 'UTF8') INTO http.body
					FROM jsonb_each_text(request) WHERE key ILIKE 'x-evaudit-%';
				RETURN;
			END IF;
			SELECT h.* INTO http.status, http.headers, http.body FROM evaudit.http_before($1, $2, $3, $4) h;
			IF request ? 'Prefer' AND $1 = 'POST' THEN
				event := convert_from($4, 'UTF8');
				http.headers := http.headers || jsonb_build_object('X-Evaudit-Wait', 'event "' || (event->>'id') || '"\\');
			END IF;
		END $$;
	GRANT EXECUTE ON FUNCTION evaudit.http TO front;
	ALTER FUNCTION evaudit.http_wait(text[], interval) RENAME TO http_wait_before;
	CREATE FUNCTION evaudit.http_wait(text[], interval)
		RETURNS TABLE (what text, status integer, headers jsonb, body bytea) LANGUAGE plpgsql AS $$
		DECLARE
			until timestamptz := clock_timestamp() + $2;
		BEGIN
			WHILE clock_timestamp() < until LOOP
				RETURN QUERY SELECT d.what, d.status, '{"Content-Type": "text/plain"}'::jsonb, convert_to(d.answer, 'UTF8')
					FROM public.decided d WHERE d.what = ANY ($1);
				EXIT WHEN FOUND;
			END LOOP;
		END $$;
	GRANT EXECUTE ON FUNCTION evaudit.http_wait TO front));
$front->begin;

sub post
{
	my ($id) = @_;
	my $body = qq({"id":"$id","type":"t","source":"s","time":"2026-01-01T00:00:00Z","payload":{"n":1}});
	my $socket = $front->connection;
	print $socket "POST /events HTTP/1.1\r\nHost: x\r\nPrefer: wait=5\r\nConnection: close\r\nContent-Length: "
	  . length($body) . "\r\n\r\n$body";
	return $socket;
}

sub decide
{
	my ($like, $status, $answer) = @_;
	$node->safe_psql('postgres', qq(INSERT INTO decided SELECT 'event "' || event_id || '"\\', $status, '$answer'
		FROM evaudit.events WHERE event_id LIKE '$like'));
}

# Such headers are the front's and the database's alone: none comes in.
is($front->request('GET', '/told', undef, map { $_ => 'forged' } qw(X-Evaudit-Wait x-evaudit-front X-EVAUDIT-SUBJECT X-Evaudit-))->{content},
	'x-evaudit-front=1', 'what a client says in headers of the front does not count');

my $one = post('one');
$front->await_metric('evaudit_http_waits', 1);
is($node->safe_psql('postgres', q(SELECT count(*) FROM evaudit.events WHERE event_id = 'one')), '1',
	'an event is stored while its response waits');
is($front->request('GET', '/topics')->{status}, 200, 'other requests go on');
decide('one', 202, 'there');
my $text = $front->read_all($one);
like($text, qr{^HTTP/1.1 202 .*\r\n\r\nthere$}s, 'the response is what is decided');
unlike($text, qr/X-Evaudit/i, 'what it waited for is nobody else\'s');

my @sockets = map { post("many-$_") } 1 .. 300;
$front->await_metric('evaudit_http_waits', 300);
cmp_ok($node->safe_psql('postgres', q(SELECT count(*) FROM pg_stat_activity WHERE usename = 'front')), '<=', 9,
	'many wait over one connection');
decide('many-%0', 202, 'there');
decide('many-%1', 500, 'not there');
$front->await_metric('evaudit_http_waits', 240);
decide('many-%', 202, 'there at last') if $node->safe_psql('postgres', q(DELETE FROM decided)) eq '';
my %answers;
$answers{ $front->status_of($_) }++ foreach @sockets;
is("$answers{202} $answers{500}", '270 30', 'each gets its own answer');

# Where nobody can say, the response is the one that was there before.
@sockets = map { post("lost-$_") } 1 .. 5;
$front->await_metric('evaudit_http_waits', 5);
$node->safe_psql('postgres', 'DROP FUNCTION evaudit.http_wait');
is(join(' ', map { $front->status_of($_) } @sockets), '201 201 201 201 201', 'without the function');
is($front->status_of(post('later')), '201', 'also from the start');
ok($front->await_metric('evaudit_http_waits', 0), 'nothing waits any more');

done_testing();
