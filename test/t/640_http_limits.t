# What a request may cost, and what of it is logged.

use strict;
use warnings;

use Evaudit::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $token = 'eyJhbGciOiJFZERTQSJ9.eyJpc3MiOiJnYXRlIiwic3ViIjoiQWxpY2UifQ.fDHFmW448mXf1UagPB9YbPRQi_uk2LB3Z8IEz4hwPv_YFt38o-H154YiykOBhxrFVuEec9WdJjZ2PVgcB979Aw';
my $node = Evaudit::Cluster->new('main', conf => "log_statement = none\nevaudit.http_stats = open\nevaudit.http_events = open\n");
$node->safe_psql('postgres', q{
	SELECT evaudit.create_issuer('gate', '{"issuer": "gate", "require_exp": false,
		"jwks": {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg"}]}}');
	SELECT evaudit.create_topic('things', options => '{"keep": true}');
	SELECT evaudit.create_topic('nothing');
	SELECT evaudit.grant_publish('things', 'Alice');
	CREATE TABLE bodies (name text PRIMARY KEY, body bytea);
	ALTER TABLE bodies ALTER body SET STORAGE EXTERNAL});

# What is in bodies, as large as one may be unless that is of no importance.
my $max = 1024 * 1024;
my %bodies = (
	'large numbers' => q('[' || repeat('1e131071,', 15000) || '1]'),
	'small numbers' => q('[' || repeat('1e-16383,', 15000) || '1]'),
	'digits' => q('[' || repeat('7', 1000000) || ']'),
	'zeros' => q('[' || repeat('0,', 524000) || '1]'),
	'empty lists' => q('[' || repeat('[],', 349000) || '1]'),
	'empty objects' => q('[' || repeat('{},', 349000) || '1]'),
	'objects' => q('[' || repeat('{"a":0},', 130000) || '1]'),
	'members' => q('{' || (SELECT string_agg('"' || i || '":0', ',') FROM generate_series(1, 100000) i) || '}'),
	'one member, often' => q('{' || repeat('"a":0,', 174000) || '"b":1}'),
	'escapes' => q('["' || repeat('\\u0001', 174000) || '"]'),
	'a text' => q('["' || repeat('x', 1000000) || '"]'),
	'levels' => q(repeat('[', 500000) || repeat(']', 500000)),
	'levels side by side' => q('[' || repeat(repeat('[', 100) || repeat(']', 100) || ',', 5000) || '1]'),
	'space' => q('[1' || repeat(' ', 1000000) || ']'));
$node->safe_psql('postgres', join '', map { "INSERT INTO bodies VALUES ('$_', convert_to('{\"type\": \"t\", \"payload\": {\"a\": ' || $bodies{$_} || '}}', 'UTF8'));" } sort keys %bodies);
is($node->safe_psql('postgres', "SELECT count(*) FROM bodies WHERE length(body) > $max"), '0', 'no body is refused for its size');

# The status of a request in a session of its own, and the kilobytes that the
# process had at most.
sub cost
{
	my ($call) = @_;
	my $out = $node->safe_psql('postgres', "SELECT h.status FROM $call;
		SELECT substring(pg_read_file('/proc/self/status') FROM 'VmHWM:\\s+(\\d+)')");
	return split /\n/, $out;
}

# The documented multiple of a body's bytes that handling it takes.
my $multiple = 256;
my (undef, $base) = cost("evaudit.http('POST', '/topics/things', '{\"bearer\": \"$token\"}', '{}') h");
foreach my $name (sort keys %bodies)
{
	foreach my $path ('/topics/things', '/events', '/stats/nothing')
	{
		my ($status, $peak) = cost("bodies b, evaudit.http('POST', '$path', '{\"bearer\": \"$token\"}', b.body) h WHERE b.name = '$name'");
		my $bytes = $node->safe_psql('postgres', "SELECT length(body) FROM bodies WHERE name = '$name'");
		note(sprintf('%s to %s: %d, %d kB, %.0f times', $name, $path, $status, $peak - $base, ($peak - $base) * 1024 / $bytes));
		like($status, qr/^(202|201|200|400|422)$/, "$name to $path: a response");
		cmp_ok(($peak - $base) * 1024, '<=', $multiple * $bytes + 16 * $max, 'and no more memory than documented');
	}
}

# whatever is kept, a response is bounded
$node->safe_psql('postgres', q{
	SELECT evaudit.create_topic('kept', options => '{"keep": true}');
	INSERT INTO evaudit.events (topic, event_id, payload)
	SELECT t, 'kept', jsonb_build_object('payload', jsonb_agg('1e131071'::numeric)) FROM generate_series(1, 15000), unnest(ARRAY['http_events', 'kept']) t GROUP BY t});
foreach my $request ([ 'GET', '/events/kept', 500 ], [ 'POST', '/stats/kept', 200 ], [ 'POST', '/stats/things', 200 ])
{
	my ($method, $path, $expected) = @$request;
	my ($status, $peak) = cost("evaudit.http('$method', '$path') h");
	is($status, $expected, "$path: a response");
	cmp_ok(($peak - $base) * 1024, '<=', $multiple * $max + 64 * $max, 'and a bounded cost');
}

# What check_front() says agrees with what the log shows.
$node->safe_psql('postgres', 'CREATE ROLE front LOGIN; GRANT EXECUTE ON FUNCTION evaudit.http(text, text, jsonb, bytea) TO front');
my $script = "$PostgreSQL::Test::Utils::tmp_check/request.sql";
append_to_file($script, "SELECT status FROM evaudit.http('GET', '/topics', (:headers)::jsonb, NULL);\n");

# What a request, with these settings for the front, adds to the log.
sub logged
{
	my ($headers, @settings) = @_;
	$node->safe_psql('postgres', join ';', 'ALTER ROLE front RESET ALL', map { "ALTER ROLE front SET $_" } @settings);
	my $size = -s $node->logfile;
	my @failed = split /\n/, $node->safe_psql('postgres', 'SELECT check_name FROM evaudit.check_front() WHERE NOT ok ORDER BY 1', extra_params => [ '-U', 'front' ]);
	run_log([ 'pgbench', '-n', '-t', '1', '-M', 'extended', '-U', 'front', '-D', "headers=$headers", '-f', $script, $node->connstr('postgres') ],
		'>', \my $out, '2>', \my $err);
	return (substr(slurp_file($node->logfile), $size), @failed);
}

my $good = "{\"bearer\": \"$token\"}";
foreach my $case (
	[ 'log_statement', $good, q(log_statement = 'all') ],
	[ 'log_min_duration_statement', $good, 'log_min_duration_statement = 0' ],
	[ 'log_min_duration_statement', $good, 'log_min_duration_sample = 0', 'log_statement_sample_rate = 1' ],
	[ 'log_min_duration_statement', $good, 'log_transaction_sample_rate = 1' ],
	[ 'log_parameter_max_length_on_error', $good . 'x', 'log_parameter_max_length_on_error = -1' ])
{
	my ($check, $headers, @settings) = @$case;
	my ($text, @failed) = logged($headers, @settings);
	is("@failed", $check, "@settings: check_front() warns");
	like($text, qr/\Q$token\E/, 'of what the log shows');
	my $off = $check =~ /on_error/ ? 'log_parameter_max_length_on_error = 0' : 'log_parameter_max_length = 0';
	($text, @failed) = logged($headers, @settings, $off);
	is("@failed", '', "$off: check_front() is content");
	unlike($text, qr/\Q$token\E/, 'and the log has no token');
}
my ($text, @failed) = logged($good);
is("@failed", '', 'nor warns it of the defaults');
is($node->safe_psql('postgres', "LOAD 'auto_explain'; SET auto_explain.log_min_duration = 0;
	SELECT ok = (to_regproc('pg_catalog.pg_stat_get_io') IS NULL) FROM evaudit.check_front() WHERE check_name = 'auto_explain'"), 't',
	'auto_explain logs parameters from version 16 on');

# An error that evaudit.http() raises, or writes to the log, hides both.
$node->safe_psql('postgres', q{
	CREATE FUNCTION fail(events evaudit.event[]) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		RAISE EXCEPTION USING ERRCODE = events[1].payload->>'code';
	END $$;
	SELECT evaudit.create_topic('fails', options => '{"project": "public.fail"}');
	SELECT evaudit.grant_publish('fails', 'Alice')});
foreach my $code ('40001', '42501')
{
	my $size = -s $node->logfile;
	$node->psql('postgres', "SET log_parameter_max_length_on_error = -1;
		SELECT status FROM evaudit.http('POST', '/topics/fails', '{\"bearer\": \"$token\"}', '{\"code\": \"$code\"}')");
	my $log = substr(slurp_file($node->logfile), $size);
	like($log, $code eq '40001' ? qr/ERROR:/ : qr/request POST .* failed/, "error $code is logged");
	unlike($log, qr/\Q$token\E/, 'without the token');
}

$node->stop;
done_testing();
