# Keys that come from a URL: fetched by a worker, refreshed, the last good kept.

use strict;
use warnings;

use Evaudit::Cluster;
use Evaudit::KeyServer;
use PostgreSQL::Test::Utils;
use Test::More;

# The key of RFC 8037, whose private half is published, and tokens made with
# it; the other key is RFC 8032's second.
my $jwk = '{"kty": "OKP", "crv": "Ed25519", "kid": "%s",
	"x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}';
my $other = '{"kty": "OKP", "crv": "Ed25519", "kid": "%s",
	"x": "PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw"}';
my $token = 'eyJhbGciOiJFZERTQSIsImtpZCI6ImEifQ.eyJzdWIiOiJtZSIsImV4cCI6MjUzNDA'
	  . 'yMzAwNzk5fQ.IND8XTLmvvRQBCgcHFkeLYxy7ASSGTWUGgnKGzDjvBZjbmZ-FxYo1f'
	  . 'pVy0_CQtabYGZr0dxEcM-wvdLHnovbBg';
my $token_b = 'eyJhbGciOiJFZERTQSIsImtpZCI6ImIifQ.eyJzdWIiOiJtZSIsImV4cCI6MjUzNDA'
	  . 'yMzAwNzk5fQ.vnEcWCn0La7Av8qQ5MvaaXNVBMttX7e4CojtbE06heaY0LhwBG6eL5'
	  . 'RrFku7bPZaePOJ0B3Kbii1s2nwrisPBg';

my $server = Evaudit::KeyServer->new;
my $node = Evaudit::Cluster->new('main', conf => "log_min_messages = log\n");
my $ca = $server->ca_file;

sub document { return '{"keys": [' . join(',', @_) . ']}'; }
sub key { return sprintf($jwk, @_); }
sub other { return sprintf($other, @_); }

# What became of a token: 'good' or the message.
sub verdict
{
	my ($what) = @_;
	my ($out, $err);
	$node->psql('postgres', "SELECT evaudit.verify_token('$what')",
		stdout => \$out, stderr => \$err);
	return 'good' if $out =~ /exp/;
	return $err =~ /ERROR:  (.*)/ ? $1 : "?$err";
}

# Wait until the keys are as many, and the last fetch went as told.
sub wait_keys
{
	my ($keys, $error) = @_;
	return $node->wait_for("SELECT keys || ':' || coalesce(last_error, '')
		FROM evaudit.stat_issuers WHERE name = 'i'", "$keys:$error");
}

# Let a fetch take place that would be due later.
sub make_due
{
	$node->safe_psql('postgres', "
		UPDATE evaudit.issuer_fetches SET next_fetch_at = now(),
			last_attempt_at = now() - interval '1 day';
		UPDATE evaudit.issuers SET name = name");
	return;
}

# who may
my ($out, $err);
$node->safe_psql('postgres', 'CREATE ROLE other LOGIN;
	GRANT EXECUTE ON FUNCTION evaudit.create_issuer(text, jsonb) TO other');
$node->psql('postgres', "SET ROLE other; SELECT evaudit.create_issuer('i',
	'{\"jwks_url\": \"https://localhost/\", \"ca_file\": \"$ca\"}')",
	stderr => \$err);
like($err, qr/permission denied for option "ca_file"/,
	'a file of the server is for those who may read such');

# the first fetch
$server->answer(200, document(key('a')));
$node->safe_psql('postgres', "SELECT evaudit.create_issuer('i',
	'{\"jwks_url\": \"${\ $server->url}\", \"ca_file\": \"$ca\",
	  \"refresh_cooldown\": \"1h\"}')");
wait_keys(1, '');
is(verdict($token), 'good', 'a token is verified by keys that were fetched');
is($node->safe_psql('postgres', "SELECT last_fetched_at IS NOT NULL
	AND next_fetch_at BETWEEN now() + interval '59min' AND now() + interval '1h'
	FROM evaudit.stat_issuers"), 't', 'and the next fetch has its time');
is($server->requests, 1, 'one request was enough');
$node->wait_for("SELECT count(*) FROM pg_stat_activity
	WHERE backend_type = 'evaudit key fetcher'", '0');

# a token of a key that is not known: not before the pause is over
is(verdict($token_b), 'issuer of the token has no key of its "kid"',
	'a new key is not known');
$server->answer(200, document(key('a'), key('b')));
is(verdict($token_b), 'issuer of the token has no key of its "kid"',
	'and is not asked for at once');
is($server->requests, 1, 'whatever tokens come');
$node->safe_psql('postgres', "SELECT evaudit.alter_issuer('i',
	'{\"refresh_cooldown\": \"1s\"}')");
$node->wait_for("SELECT keys FROM evaudit.stat_issuers", '2');
is(verdict($token_b), 'good', 'later the new key is there');
$server->answer(200, document(other('a'), key('b'), other('c')));
my $before = $server->requests;
$node->wait_for("SELECT count(*) FROM (SELECT evaudit.verify_token('$token_b'))
	AS v", '1');
is($server->requests, $before, 'known tokens ask for nothing');
make_due();
wait_keys(3, '');
is(verdict($token), 'signature of the token does not match',
	'a key that was replaced is gone, from sessions too');
is(verdict($token_b), 'good', 'the others stay');

# rows that no function wrote keep nobody else's keys from being fetched
$node->safe_psql('postgres', q(INSERT INTO evaudit.issuers VALUES
	('1', '{"jwks_url": "https://localhost/", "refresh_cooldown": "x"}', '[]'),
	('2', '"jwks_url"', '[]'), ('3', '{"jwks_url": 7}', '[]'),
	('4', jsonb_build_object('jwks_url', repeat('x', 100000)), '[]')));
$server->answer(200, document(key('b'), other('d')));
make_due();
wait_keys(2, '');
is(verdict($token_b), 'good', 'keys are fetched beside rows that are not valid');
is($node->safe_psql('postgres', "SELECT count(invalid) FROM evaudit.stat_issuers"), '4',
	'which are shown');
$node->safe_psql('postgres', "DELETE FROM evaudit.issuers WHERE name <> 'i'");
$server->answer(200, document(other('a'), key('b'), other('c')));
make_due();
wait_keys(3, '');

# whatever goes wrong, the last good keys stay
foreach my $case (
	[ 'an error of the server', 500, '{}',
		'the server answered with status 500' ],
	[ 'a redirect', 302, '', 'the server answered with status 302',
		'Location: https://localhost/' ],
	[ 'no JSON', 200, '<html>',
		'what was fetched is not a JSON object' ],
	[ 'a member twice', 200, '{"keys": [], "keys": []}',
		'what was fetched is an object that has a member twice' ],
	[ 'keys that are no list', 200, '{"keys": {}}',
		'what was fetched cannot be used: it is not an object with an array "keys"' ],
	[ 'shared secrets', 200, document('{"kty": "oct", "k": "AAAA"}'),
		'what was fetched cannot be used: none of the keys is a public key for signatures, of type RSA, EC or Ed25519' ])
{
	my ($what, $status, $body, $error, @headers) = @$case;
	$server->answer($status, $body, @headers);
	make_due();
	wait_keys(3, $error);
	is(verdict($token_b), 'good', "$what leaves the keys");
}
$server->answer(200, ' ' x 300_000 . document(key('b')));
make_due();
$node->wait_for("SELECT last_error ~ 'large|bytes|size' AND keys = 3
	FROM evaudit.stat_issuers");
is(verdict($token_b), 'good', 'so does a document that is too large');

# one key that is of no use does not spoil the others
$server->answer(200, document(key('b'),
	'{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}', '{}'));
make_due();
wait_keys(1, '');
is(verdict($token_b), 'good', 'good keys beside bad ones are taken');

# a server that is down, one that nobody vouches for
my $url = $server->url;
$server->stop;
make_due();
$node->wait_for("SELECT last_error IS NOT NULL AND keys = 1
	AND last_error_at IS NOT NULL AND next_fetch_at > now()
	FROM evaudit.stat_issuers");
is(verdict($token_b), 'good', 'a server that is down leaves the keys');
$server->start;
$node->safe_psql('postgres', "SELECT evaudit.create_issuer('untrusted',
	'{\"jwks_url\": \"${\ $server->url}\", \"issuer\": \"x\"}')");
$node->wait_for("SELECT last_error ~ 'certificate|TLS|SSL' AND keys = 0
	FROM evaudit.stat_issuers WHERE name = 'untrusted'");
pass('a certificate of an unknown authority is not taken');
$node->safe_psql('postgres', "SELECT evaudit.drop_issuer('untrusted')");

# another URL starts over; the server restarts; a crash
$node->safe_psql('postgres', "SELECT evaudit.alter_issuer('i',
	'{\"jwks_url\": \"${\ $server->url}\"}')");
wait_keys(1, '');
$node->crash;

# they may be lost with the fetcher's last commit, and are fetched once more
wait_keys(1, '');
is(verdict($token_b), 'good', 'keys survive a crash');
$server->answer(200, document(key('a')));
make_due();
$node->wait_for("SELECT keys::text ~ '\"kid\": \"a\"' FROM evaudit.issuers");
is(verdict($token), 'good', 'after which they are fetched again');

# given keys take the place of those of a URL
$node->safe_psql('postgres', "SELECT evaudit.alter_issuer('i',
	'{\"jwks\": ${\ document(key('b'))}, \"ca_file\": null}')");
is(verdict($token_b), 'good', 'given keys take the place of fetched ones');
is($node->safe_psql('postgres',
	'SELECT next_fetch_at IS NULL FROM evaudit.stat_issuers'), 't',
	'and nothing is fetched any more');
$node->wait_for("SELECT count(*) FROM pg_stat_activity
	WHERE backend_type LIKE 'evaudit %er' AND datname IS NOT NULL", '0');
pass('no process is left in the database');

# a database with such an issuer can be dropped
$node->safe_psql('postgres', 'CREATE DATABASE d');
$node->safe_psql('d', "CREATE EXTENSION evaudit;
	SELECT evaudit.create_issuer('i', '{\"jwks_url\": \"${\ $server->url}\"}')");
$node->wait_for("SELECT last_error IS NOT NULL FROM evaudit.stat_issuers",
	't', database => 'd');
# a copy of it looks after its keys from the first token on
$node->safe_psql('postgres', 'CREATE DATABASE e TEMPLATE d');
is($node->safe_psql('e', 'DELETE FROM evaudit.issuer_fetches RETURNING 1'), '1',
	'a copy knows how fetching went');
$node->psql('e', "SELECT evaudit.verify_token('$token')");
$node->wait_for("SELECT last_error IS NOT NULL FROM evaudit.stat_issuers",
	't', database => 'e');
$node->safe_psql('postgres', 'DROP DATABASE d');
$node->safe_psql('postgres', 'DROP DATABASE e');
pass('a database whose keys are fetched can be dropped');

$node->stop;
unlike(slurp_file($node->logfile), qr/PANIC|terminated by signal 11/,
	'nothing crashed');
done_testing();
