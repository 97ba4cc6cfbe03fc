# Pausing, resuming and redriving by the page of the admin listener: only for a
# token whose subject was granted it by name, with the rights of who granted it.

use strict;
use warnings;

use Evaudit::Browser;
use Evaudit::Cluster;
use Evaudit::Front;
use Evaudit::Page;
use Evaudit::Token;
use HTTP::Tiny;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'the front was not built'
  unless $ENV{EVAUDIT_FRONT} && -x $ENV{EVAUDIT_FRONT};

# A role with a source that reaches nobody, and with its letters: 501 that are
# fine by now, and one that is not.  A sink of somebody else.
my $node = Evaudit::Cluster->new('main', conf => "evaudit.max_backoff = '300ms'\nlog_statement = 'none'\n");
my $issuer = Evaudit::Token->new(PostgreSQL::Test::Utils::tempdir());
my $other = Evaudit::Token->new(PostgreSQL::Test::Utils::tempdir());
my $keys = $issuer->keys;
$node->safe_psql('postgres', qq{
	CREATE ROLE watcher LOGIN IN ROLE pg_monitor;
	CREATE ROLE keeper LOGIN;
	CREATE ROLE stranger;
	GRANT SELECT, INSERT, UPDATE ON user_services TO keeper;
	SELECT evaudit.create_issuer('test', '{"algorithms": ["RS256"], "keys": $keys}');
	CREATE SERVER kafka FOREIGN DATA WRAPPER evaudit_kafka OPTIONS ("bootstrap.servers" '127.0.0.1:1');
	GRANT USAGE ON FOREIGN SERVER kafka TO keeper;
	CREATE SERVER local FOREIGN DATA WRAPPER evaudit_function;
	CREATE SCHEMA app;
	CREATE FUNCTION app.take(events evaudit.event[]) RETURNS void LANGUAGE sql AS 'SELECT';
	SELECT evaudit.create_topic('things', options => '{"event_id": "/id", "keep": true}');
	SELECT evaudit.track('user_services');
	SET ROLE keeper;
	SELECT evaudit.create_source('nowhere', 'kafka', options => '{"topics": "logins"}');
	RESET ROLE;
	INSERT INTO evaudit.dead_letter_store (source, topic, owner, payload, reason, error)
		SELECT 'nowhere', 'login', 'keeper', convert_to(format('{"id": "e%s", "user_id": "u", "service_id": "s%s", "service_name": "n", "timestamp": "2025-01-01T00:00:00Z"}', n, n), 'UTF8'),
			'malformed_json', 'then' FROM generate_series(1, 501) n
		UNION ALL SELECT 'nowhere', 'login', 'keeper', 'no JSON', 'malformed_json', 'then';
	UPDATE evaudit.dead_letter_store SET owner_oid = to_regrole('keeper')});
$node->safe_psql('postgres', q{SELECT evaudit.create_sink('taker', 'local', '{things}', '{"function": "app.take"}')});
my $front = Evaudit::Front->new($node,
	'metrics-database' => $node->connstr('postgres') . ' user=watcher');
my $admin = "http://127.0.0.1:$front->{admin_port}";
my %token = map { $_ => $issuer->token(sub => $_) } qw(Olga OLGA Karl Root);

sub state_of
{
	my ($name) = @_;
	return $node->safe_psql('postgres', "SELECT paused FROM evaudit.sources WHERE name = '$name' UNION ALL SELECT paused FROM evaudit.sinks WHERE name = '$name'");
}

# The status of a request to the admin listener, and the type of its error.
sub ask
{
	my ($path, $headers, $method) = @_;
	my $response = HTTP::Tiny->new->request($method // 'POST', "$admin$path", { headers => $headers // {} });
	my ($type) = $response->{content} =~ /"type":"(\w+)"/;
	return join ' ', $response->{status}, $type // ();
}
sub bearer { return { Authorization => "Bearer $token{$_[0]}" }; }

# closed: neither the front's role nor anybody's token may do anything
my $pause = '/sources/nowhere/pause';
is(ask($pause, bearer('Olga')), '403 auth', 'the role of a front may not operate by itself');
$node->safe_psql('postgres', 'GRANT EXECUTE ON FUNCTION evaudit.http_admin(text, text, jsonb) TO front');
is(ask($pause, bearer('Olga')), '403 auth', 'nor may a token without a grant');
$node->safe_psql('postgres', q(
	GRANT EXECUTE ON FUNCTION evaudit.grant_operate(text) TO keeper, stranger;
	SET ROLE keeper; SELECT evaudit.grant_operate('Olga');
	SET ROLE stranger; SELECT evaudit.grant_operate('Karl')));
is(ask($pause), '401 auth', 'nor who has no token');
is(ask($pause, { Authorization => "Bearer $token{Olga}x" }), '401 auth', 'or a changed one');
is(ask($pause, { Authorization => 'Bearer ' . $other->token(sub => 'Olga') }), '401 auth', "or another issuer's");
is(ask($pause, { Authorization => 'Bearer ' . $issuer->token(sub => 'Olga', exp => time() - 600) }), '401 auth', 'or one that has expired');
is(ask($pause, { bearer => $token{Olga} }), '401 auth', 'or one in another header');
is(ask($pause, bearer('OLGA')), '403 auth', 'or one of another case');
like(ask($pause, bearer('Olga'), $_), qr/^40[45]$/, "$_ changes nothing") foreach qw(GET PUT OPTIONS);
is($front->request('POST', $pause, '', %{ bearer('Olga') })->{status}, 404, 'nor does the listener of clients');
is(ask('/sources/none/pause', bearer('Olga')), '404 name', 'a source that is not there');
is(ask('/sources/nowhere/drop', bearer('Olga')), '404 route', 'what is not offered');
is(ask('/sources/nowhere/redrive?after=x', bearer('Olga')), '400 validation', 'what is no id');
is(state_of('nowhere'), 'f', 'it still runs');
my ($rc, undef, $error) = $node->psql('postgres', q(SELECT evaudit.pause_source('nowhere')), extra_params => [ '-U', 'front' ]);
like($error, qr/must be owner of source/, 'and the role of the front cannot do it without');

# a grant hands on what its maker may do, while he may
is(ask($pause, bearer('Karl')), '403 permission', 'who may not pause it grants nothing by a grant');
is(ask('/sinks/taker/pause', bearer('Olga')), '403 permission', 'nor who may pause another');
like($node->safe_psql('postgres', qq(SELECT convert_from(body, 'UTF8') FROM evaudit.http_admin('POST', '/sources/nowhere/redrive', '{"Authorization": "Bearer $token{Karl}"}'))),
	qr/"redriven":0,"tried":0,/, 'nor who sees no letters');
foreach my $change ('REVOKE EXECUTE ON FUNCTION evaudit.grant_operate(text) FROM stranger',
	'GRANT EXECUTE ON FUNCTION evaudit.grant_operate(text) TO stranger; ALTER ROLE stranger RENAME TO another')
{
	$node->safe_psql('postgres', $change);
	is(ask($pause, bearer('Karl')), '403 auth', "a grant ends by $change");
}
$node->safe_psql('postgres', q(SELECT evaudit.revoke_operate('Karl'), evaudit.grant_operate('Root')));
is(ask($pause, bearer('Karl')), '403 auth', 'or is revoked');
is(state_of('nowhere') . state_of('taker'), 'ff', 'nothing was paused');

SKIP:
{
	skip(Evaudit::Browser->unavailable, 20) if Evaudit::Browser->unavailable;

	# a page of another origin cannot, even with a token
	is($node->safe_psql('postgres', qq(SET evaudit.http_cors_origins = '*';
		SELECT headers ? 'Access-Control-Allow-Origin' FROM evaudit.http_admin('POST', '$pause', '{"Origin": "http://x"}'))), 'f', 'no origin is let in');
	my $browser = Evaudit::Browser->new;
	$node->safe_psql('postgres', "ALTER ROLE front SET evaudit.http_cors_origins = '*'");
	$front->stop;
	$front->begin;
	is($browser->run("return (await fetch('$admin$pause', {method: 'POST', mode: 'no-cors', credentials: 'include'})).type"), 'opaque', 'a form of another origin');
	like($browser->run("return await fetch('$admin$pause', {method: 'POST', headers: {Authorization: 'Bearer $token{Olga}'}})"), qr/^error: /, 'a script of another origin');
	is(state_of('nowhere'), 'f', 'neither pauses anything');

	my $page = Evaudit::Page->new("$admin/");
	$page->text_like('sources', qr/nowhere\s+kafka/);
	is($page->run('return document.querySelectorAll("td button").length'), 0, 'nothing can be done without a token');
	$page->run(q(document.getElementById('operate').open = true));
	$page->type('token', $token{OLGA});
	$page->click('pause source nowhere');
	is($page->text_like('outcome', qr/refused/), q(pause of source "nowhere" was refused: User 'OLGA' is not authorized to operate), 'a token without a grant is refused');
	is(state_of('nowhere'), 'f', 'and changes nothing');

	$page->type('token', $token{Olga});
	$page->click('pause source nowhere');
	is($page->text_like('outcome', qr/done/), 'pause of source "nowhere": done', 'one with a grant pauses');
	is(state_of('nowhere'), 't', 'what it names');
	$page->text_like('sources', qr/nowhere\s+kafka\s+paused/);
	$page->click('resume source nowhere');
	$page->text_like('outcome', qr/resume of source "nowhere": done/);
	is(state_of('nowhere'), 'f', 'and resumes');
	$page->click('redrive source nowhere');
	is($page->text_like('outcome', qr/redrive.* 502 /), 'redrive of source "nowhere": 501 of 502 went through', 'and redrives, some at a time');
	is($node->safe_psql('postgres', 'SELECT count(*) FROM evaudit.dead_letter_store WHERE redriven_at IS NULL'), 1, 'what can be');
	is($node->safe_psql('postgres', q(SELECT DISTINCT actor, role_name, operation FROM audit WHERE relation LIKE '%user_services' AND operation = 'INSERT')), 'Olga|keeper|INSERT', 'the audit says who');
	is($page->run('return localStorage.length + sessionStorage.length + document.cookie.length'), 0, 'the browser keeps no token');
	$page->picture($ENV{EVAUDIT_PICTURE}, 1300, 1000) if $ENV{EVAUDIT_PICTURE};

	$page->type('token', $token{Root});
	$page->click('pause sink taker');
	$page->text_like('outcome', qr/pause of sink "taker": done/);
	is(state_of('taker'), 't', 'a sink');
	$page->click('redeliver sink taker');
	$page->text_like('outcome', qr/redeliver of sink "taker": done/);
	$page->click('resume sink taker');
	$page->text_like('outcome', qr/resume of sink "taker": done/);
	is(state_of('taker'), 'f', 'likewise');
	my $log = slurp_file($node->logfile);
	like($log, qr/LOG:  $_\n.*DETAIL:  request_id="\w+"\n/, "the log says who: $_")
	  foreach 'pause of source "nowhere" by subject "Olga"', 'redrive of source "nowhere" by subject "Olga"', 'resume of sink "taker" by subject "Root"';
	unlike($log, qr/eyJ/, 'and holds no token');
	$page->stop;
}

# grants stay where they were made
$front->stop;
unlike((run_command([ 'pg_dump', '-d', $node->connstr('postgres') ]))[0], qr/COPY evaudit\.operate_grants/, 'no dump takes a grant along');
$node->safe_psql('template1', 'CREATE DATABASE copy TEMPLATE postgres');
is($node->safe_psql('copy', qq(SELECT status FROM evaudit.http_admin('POST', '$pause', '{"Authorization": "Bearer $token{Olga}"}'))), 403, 'nor does a copy');
$node->stop;
done_testing();
