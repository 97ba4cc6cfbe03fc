# Tokens of an independent library, good and broken in every way.

use strict;
use warnings;

use Evaudit::Cluster;
use FindBin;
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;

# A Python that has PyJWT: the first one found may be another than Debian's.
my ($python) = grep {
	IPC::Run::run([ $_, '-c', 'import jwt, cryptography' ], '>&', '/dev/null')
} qw(python3 /usr/bin/python3);
plan skip_all => 'no Python that has jwt and cryptography' unless $python;

my $sql = PostgreSQL::Test::Utils::tempdir() . '/tokens.sql';
IPC::Run::run([ $python, '-B', "$FindBin::RealBin/../keys/tokens.py" ],
	'>', $sql) or die 'could not make tokens';

# what a server logs by itself, not what it is told to log
my $node = Evaudit::Cluster->new('main', conf => "log_statement = none\n");
$node->safe_psql('postgres', slurp_file($sql));
$node->safe_psql('postgres', q(
	CREATE FUNCTION verify(token text) RETURNS text LANGUAGE plpgsql AS $$
	BEGIN
		RETURN evaudit.verify_token(token);
	EXCEPTION WHEN invalid_authorization_specification THEN
		RETURN '?' || SQLERRM;
	END $$;
	-- what is good has the very claims, what is not the expected message,
	-- and no message repeats the token or a part of it
	CREATE FUNCTION as_expected(token text, verdict text) RETURNS boolean
	LANGUAGE sql AS $$
		SELECT CASE WHEN verdict LIKE '{%'
			THEN v NOT LIKE '?%' AND v::jsonb = verdict::jsonb
			ELSE v LIKE '?%' AND substr(v, 2) ~ verdict
				AND NOT EXISTS (SELECT FROM unnest(string_to_array(token, '.')) p
					WHERE length(p) > 9 AND position(p IN v) > 0) END
		FROM verify(token) AS v $$;));

# Those that did not come out as expected, one in a line.
sub surprises
{
	my ($where) = @_;
	return $node->safe_psql('postgres', "SELECT what, verify(token), verdict
		FROM tokens WHERE ($where) AND NOT as_expected(token, verdict)
		ORDER BY id");
}

my ($all, $good) = split /\|/, $node->safe_psql('postgres',
	q(SELECT count(*), count(*) FILTER (WHERE verdict LIKE '{%') FROM tokens));
cmp_ok($all, '>', 600, 'there are many tokens');
cmp_ok($good, '>', 20, 'good ones among them');
is(surprises('true'), '', 'each is verified or refused as it should be');
is($node->safe_psql('postgres', q(SELECT count(*) FROM
	(SELECT * FROM tokens UNION ALL SELECT * FROM tokens ORDER BY token) t
	WHERE NOT as_expected(token, verdict))), '0',
	'and again, when it is known');

# the same keys in the other forms, without kids
foreach my $form (qw(pem keys))
{
	$node->safe_psql('postgres', "SELECT evaudit.alter_issuer('jwks',
		jsonb_build_object('$form', value)) FROM forms WHERE name = '$form'");
	is(surprises(q(verdict LIKE '{%')), '', "good ones are good by $form");
	is($node->safe_psql('postgres', q(SELECT count(*) FROM tokens
		WHERE verdict NOT LIKE '{%' AND verify(token) NOT LIKE '?%'
		AND what NOT LIKE 'kid %' AND what <> 'P-384 key as ES256')), '0',
		"and no others, but for kids");
}

# fewer algorithms
$node->safe_psql('postgres', q(SELECT evaudit.alter_issuer('jwks',
	'{"algorithms": ["ES256", "PS384"]}')));
is($node->safe_psql('postgres', q(SELECT string_agg(DISTINCT what, ' ')
	FROM tokens WHERE what ~ '^..[0-9]+$|^EdDSA$' AND verify(token) LIKE '{%')),
	'ES256 PS384', 'no algorithm but those allowed');
$node->safe_psql('postgres', q(SELECT evaudit.alter_issuer('jwks',
	'{"algorithms": null}')));

# a dump and its restore
command_ok([ 'pg_dump', '-Fc', '-f', "$sql.dump", $node->connstr('postgres') ],
	'issuers are dumped');
$node->safe_psql('postgres', 'CREATE DATABASE copy');
command_ok([ 'pg_restore', '-j2', '-d', $node->connstr('copy'), "$sql.dump" ],
	'and restored');
is($node->safe_psql('copy', q(SELECT count(*) > 20 FROM tokens
	WHERE verdict LIKE '{%' AND as_expected(token, verdict))), 't',
	'with their keys');

# skew: what has just expired, or is about to be valid
$node->safe_psql('postgres', q(SELECT evaudit.alter_issuer('jwks',
	'{"clock_skew": "24h"}')));
is($node->safe_psql('postgres', q(SELECT string_agg(what, ', ' ORDER BY id)
	FROM tokens WHERE what IN ('expired', 'expired long ago',
		'not before tomorrow', 'issued tomorrow')
	AND verify(token) LIKE '{%')),
	'expired, not before tomorrow, issued tomorrow', 'the clock may be wrong');

# neither log nor error holds a token
my $token = $node->safe_psql('postgres', q(SELECT token FROM tokens
	WHERE what = 'forged, kid rsa'));
my ($code, $out, $err) = $node->psql('postgres',
	'SELECT evaudit.verify_token(:\'token\')',
	extra_params => [ '-v', "token=$token", '-v', 'VERBOSITY=verbose' ]);
like($err, qr/28000/, 'a fault is an error of class 28');

$node->psql('postgres', q(DO $$ BEGIN
	EXECUTE format('SELECT evaudit.verify_token(%L)', (SELECT token FROM tokens
		WHERE what = 'forged, kid rsa')); END $$));
$node->psql('postgres', q(SELECT evaudit.create_issuer('k',
	E'{"pem": "-----BEGIN PRIVATE KEY-----\\\\nsesame\\\\n-----END PRIVATE KEY-----"}')));

$node->stop;
my $log = slurp_file($node->logfile);
unlike($log, qr/PANIC|terminated by signal/, 'nothing crashed');
like($log, qr/ERROR:  signature of the token does not match/, 'faults are logged');
is(index($log, (split /\./, $token)[2]), -1, 'tokens are not');
like($log, qr/ERROR:  option "pem" cannot be used/, 'as are keys that are of no use');
unlike($log, qr/sesame/, 'but not the keys');
done_testing();
