# Pages of other origins, in a real browser, over the real front.

use strict;
use warnings;

use Evaudit::Browser;
use Evaudit::Cluster;
use Evaudit::Front;
use Evaudit::Token;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'the front was not built'
  unless $ENV{EVAUDIT_FRONT} && -x $ENV{EVAUDIT_FRONT};
plan skip_all => Evaudit::Browser->unavailable
  if Evaudit::Browser->unavailable;

my $node = Evaudit::Cluster->new('main');
my $issuer = Evaudit::Token->new(PostgreSQL::Test::Utils::tempdir());
my $keys = $issuer->keys;
$node->safe_psql('postgres', qq(
	SELECT evaudit.create_issuer('test', '{"algorithms": ["RS256"], "keys": $keys}');
	SELECT evaudit.create_topic('things', options => '{"event_id": "/id", "keep": true}');
	SELECT evaudit.grant_publish('things', 'Alice');
	SELECT evaudit.grant_publish('http_events', 'Alice');
	SELECT evaudit.grant_read('http_events', 'Alice')));

my $browser = Evaudit::Browser->new;
my $front = Evaudit::Front->new($node);
my $url = "http://127.0.0.1:$front->{port}";
my $token = $issuer->token(sub => 'Alice');

# The front's settings are those of its sessions.
sub set
{
	$node->safe_psql('postgres', "ALTER ROLE front SET $_") foreach @_;
	$front->stop;
	$front->begin;
}

# What a page gets from a request: its status and its body.
sub page
{
	my ($path, $options, $show) = @_;
	$show //= "response.status + ' ' + await response.text()";
	return $browser->run(
		"const response = await fetch('$url$path', $options); return $show");
}

my $post = qq({method: 'POST', body: '{"id": "%s"}', headers: {Authorization: 'Bearer $token', 'Content-Type': 'application/json', 'X-Request-Id': 'of-a-page'}});
sub post { return sprintf($post, $_[0]); }

# By default no page of another origin sees anything.
like(page('/topics', '{}'), qr/^error: /, 'a page of another origin sees nothing');
like(page('/topics/things', post('refused')), qr/^error: /, 'and publishes nothing');
is($node->safe_psql('postgres', "SELECT count(*) FROM evaudit.events"), '0', 'not even blindly');

set("evaudit.http_cors_origins = '" . $browser->origin . "'");
like(page('/topics', '{}'), qr/^200 .*things/, 'one that is listed sees what is open');
is(page('/topics/things', post('one')), '202 {"success":true,"statusCode":202}', 'and publishes');
is($node->safe_psql('postgres', "SELECT event_id FROM evaudit.events"), 'one', 'the event is there');
is(page('/topics/things', post('one'), "response.headers.get('X-Request-Id')"), 'of-a-page', 'the id of the request can be read');
like(page('/topics/things', q({method: 'POST', body: '{}', headers: {Authorization: 'Bearer x'}})), qr/^415 .*media_type/,
	'errors reach it, too');
is(page('/topics/things', q({method: 'POST', body: '{}', headers: {Authorization: 'Bearer x', 'Content-Type': 'application/json'}}),
		"response.status + ' ' + response.headers.get('WWW-Authenticate')"),
	'401 Bearer error="invalid_token"', 'with what is wrong with a token');
like(page('/nowhere', '{}'), qr/^404 /, 'of any path');
like(page('/topics', q({method: 'DELETE'})), qr/^error: /, 'a method that a path does not take fails in the preflight');
like(page('/events', qq({method: 'POST', body: '{"id": "e", "type": "t", "payload": {}}', headers: {Authorization: 'Bearer $token', 'Content-Type': 'application/json'}})),
	qr/^201 /, 'the event logger');
like(page('/events/e', qq({headers: {Authorization: 'Bearer $token'}})), qr/^200 .*"type":"t"/, 'and back');
like(page('/users/Alice/services', qq({headers: {Authorization: 'Bearer $token'}})), qr/^200 .*"services"/, 'a user asks for itself');
like(page('/topics', q({credentials: 'include'})), qr/^error: /, 'no cookies');

set("evaudit.http_cors_credentials = on");
like(page('/topics', q({credentials: 'include'})), qr/^200 /, 'unless they are allowed');

set("evaudit.http_cors_origins = '*'");
like(page('/topics', '{}'), qr/^200 /, 'any origin');
like(page('/topics', q({credentials: 'include'})), qr/^error: /, 'but never with cookies');
is(page('/topics/things', post('two')), '202 {"success":true,"statusCode":202}', 'with a token');

set("evaudit.http_cors_origins = 'https://other.example'");
like(page('/health', '{}'), qr/^error: /, 'an origin that is not listed');

$front->stop;
$node->stop;
done_testing();
