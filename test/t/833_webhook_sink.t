# Sinks to endpoints of HTTP: signatures, what responses mean, and where the
# server does not connect to.

use strict;
use warnings;

use Digest::SHA qw(hmac_sha256_base64 sha256_hex);
use Evaudit::Aws;
use Evaudit::Cluster;
use Evaudit::Pipeline;
use JSON::PP;
use MIME::Base64;
use Test::More;

my $node = Evaudit::Cluster->new('main',
	conf => "evaudit.max_backoff = '300ms'\n");
my $aws = Evaudit::Aws->new(tls => 1);
my $url = $aws->endpoint;
my @secrets = map { 'whsec_' . encode_base64($_ x 24, '') } 'a', 'b';

$aws->control(pages => { '/hook' => { status => 200 } });
$node->safe_psql('postgres', qq{
	CREATE SERVER hook FOREIGN DATA WRAPPER evaudit_webhook
		OPTIONS (url '$url/hook', allow_private 'true');
	CREATE USER MAPPING FOR CURRENT_USER SERVER hook OPTIONS (secret '$secrets[0]');
	SELECT evaudit.create_topic('orders', NULL, '{"key": "/customer"}');
	SELECT evaudit.create_sink('hook', 'hook', '{orders}')});

sub publish { return $node->publish_orders(@_); }

# The requests that the endpoint has had, once so many were accepted.
sub requests
{
	my ($count) = @_;
	my @accepted;

	wait_until(
		sub {
			@accepted = grep { $_->{status} == 200 } @{ $aws->requests('/hook') };
			return @accepted >= $count;
		},
		"$count requests");
	return @accepted;
}

# --- what is sent

my @all = publish(20, 3);
my @got = requests(20);
is_deeply([ sort { $a <=> $b } map { decode_json($_->{body})->{n} } @got ], \@all, 'each event once');
my (%last, @late, @bad);
foreach my $request (@got)
{
	my ($headers, $event) = ($request->{headers}, decode_json($request->{body}));
	my $signed = join '.', @$headers{ 'webhook-id', 'webhook-timestamp' }, $request->{body};
	my $expected = 'v1,' . hmac_sha256_base64($signed, 'a' x 24) . '=';

	push @late, $event if $event->{n} < ($last{ $event->{customer} } // 0);
	$last{ $event->{customer} } = $event->{n};
	push @bad, $headers if $headers->{'webhook-signature'} ne $expected
	  || $headers->{'webhook-id'} ne "e$event->{n}"
	  || abs($headers->{'webhook-timestamp'} - time) > 300
	  || $headers->{'content-type'} ne 'application/json' || $request->{method} ne 'POST';
}
is_deeply(\@late, [], 'of each key in order');
is_deeply(\@bad, [], 'signed, by what a program of its own computes');

# two secrets while one takes the place of the other, and an id that is none
my $pid = $node->safe_psql('postgres', 'SELECT pid FROM evaudit.stat_sinks');
$node->safe_psql('postgres', qq{
	ALTER USER MAPPING FOR CURRENT_USER SERVER hook OPTIONS (SET secret '$secrets[1] $secrets[0]')});
$node->wait_for("SELECT state = 'running' AND pid <> $pid FROM evaudit.stat_sinks");
$aws->forget;
$node->safe_psql('postgres', q{SELECT evaudit.publish('orders', '{}', 'a.b c')});
my ($request) = requests(1);
my $headers = $request->{headers};
is($headers->{'webhook-id'}, sha256_hex('a.b c'), 'an id that is none is hashed');
my $signed = join '.', @$headers{ 'webhook-id', 'webhook-timestamp' }, $request->{body};
is($headers->{'webhook-signature'},
	join(' ', map { 'v1,' . hmac_sha256_base64($signed, $_ x 24) . '=' } 'b', 'a'), 'two signatures');

# --- what responses mean

$aws->forget;
$aws->rules({ operation => '/hook', status => 503, text => '', times => 1, headers => { 'Retry-After' => 2 } });
@all = publish(1, 1);
requests(1);
my ($refused, $accepted) = @{ $aws->requests('/hook') };
cmp_ok($accepted->{at} - $refused->{at}, '>=', 2, 'Retry-After is heeded');

foreach my $rule ([ 500, '' ], [ 429, '' ], [ 408, '' ], [ 401, '' ], [ 404, '' ])
{
	$aws->forget;
	$aws->rules({ operation => '/hook', status => $rule->[0], text => $rule->[1], times => 1 });
	publish(3, 1);
	is_deeply([ map { decode_json($_->{body})->{n} } requests(3) ], [ $node->last_order - 2 .. $node->last_order ],
		"status $rule->[0]: tried again, in order");
}
$aws->forget;
$aws->rules({ operation => '/hook', status => 302, text => '', headers => { Location => "$url/there" } });
publish(1, 1);
$node->wait_for(q{SELECT state = 'backoff' AND last_error ~ '302: redirects are not followed'
	FROM evaudit.stat_sinks});
$aws->rules;
requests(1);
is($aws->count('/there'), 0, 'a redirect is not followed');
$aws->forget;
$aws->rules({ operation => '/hook', status => 200, text => 'x' x 100_000, times => 1 },
	{ operation => '/hook', cut => 'before', times => 2 });
publish(2, 1);
requests(2);
is_deeply([ map { decode_json($_->{body})->{n} } grep { $_->{status} == 200 } @{ $aws->requests('/hook') } ],
	[ $node->last_order - 1, $node->last_order ], 'a large response counts by its status, a lost one does not');

$aws->forget;
$aws->rules({ operation => '/hook', status => 410, text => '' });
publish(2, 1);
$node->wait_for(q{SELECT state, last_error ~ '410: the endpoint wants no more events' FROM evaudit.stat_sinks}, 'paused|t');
is($aws->count('/hook'), 1, 'status 410 stops the sink');
$aws->rules;
$node->safe_psql('postgres', q{SELECT evaudit.resume_sink('hook')});
is_deeply([ map { decode_json($_->{body})->{n} } requests(2) ], [ $node->last_order - 1, $node->last_order ], 'until it is resumed');
$node->safe_psql('postgres', q{SELECT evaudit.drop_sink('hook')});

# --- where the server connects to

# The line of check_server() about a sink to a URL.
sub connects
{
	my ($where, $options) = @_;

	$options //= '';
	my $out = $node->safe_psql('postgres', qq{
		BEGIN;
		CREATE SERVER try FOREIGN DATA WRAPPER evaudit_webhook OPTIONS (url '$where', request_timeout '3s'$options);
		CREATE USER MAPPING FOR CURRENT_USER SERVER try OPTIONS (secret '$secrets[0]');
		SELECT evaudit.create_sink('try', 'try', '{orders}');
		SELECT ok, detail FROM evaudit.check_server('try');
		ROLLBACK});

	return (split /\n/, $out)[-1];
}

my ($tls, $ca) = ($aws->tls_endpoint, $aws->ca_file);
my ($port) = $tls =~ /:(\d+)$/;
foreach my $host (
	'127.0.0.1', '127.1', '2130706433', '0x7f000001', '0', '[::1]', '[::]', '[::ffff:127.0.0.1]', '[::127.0.0.1]',
	'[64:ff9b::7f00:1]', '[64:ff9b:1::1]', '[2002:7f00:1::]', '[2002:a9fe:a9fe::]', '[fe80::1]', '[fc00::1]', '[fd00:ec2::254]',
	'[fec0::1]', '[ff02::1]', '[2001:db8::1]', '[2001::1]', '[3fff::1]', '[100::1]',
	'localhost', '10.0.0.1', '100.64.0.1', '169.254.169.254', '172.16.0.1', '172.31.255.255', '192.0.0.1', '192.0.2.1',
	'192.88.99.1', '192.168.1.1', '198.18.0.1', '198.51.100.1', '203.0.113.1', '224.0.0.1', '255.255.255.255')
{
	is(connects("https://$host:$port/"), 'f|its address is not public', "not to $host");
}
is(connects("$tls/hook", ", allow_private 'true', ca_file '$ca'"), 't|its destination is there', 'but where that is allowed');
like(connects("$tls/hook", ", allow_private 'true'"), qr/^f\|.*certificate/i, 'where certificates count');

# a proxy would connect for us
{
	local $ENV{https_proxy} = local $ENV{HTTPS_PROXY} = local $ENV{all_proxy} = $url;
	$node->restart;
	$aws->forget;
	is(connects('https://localhost:1/'), 'f|its address is not public', 'nor by way of a proxy');
	is(scalar(@{ $aws->requests }), 0, 'which is not asked');
}

# --- options and rights

sub refused
{
	my ($sql, $pattern, $what) = @_;
	my ($status, $out, $err) = $node->psql('postgres', $sql);

	like($err, $pattern, $what);
	unlike($err, qr/whsec_\S{8}|sesame/, "$what: no secret is shown");
	return;
}

my $server = 'CREATE SERVER bad FOREIGN DATA WRAPPER evaudit_webhook OPTIONS';
refused("$server (ca_file '/x')", qr/option "url" is required/, 'no URL');
refused("$server (url '$_')", qr/invalid value for option "url"/, "URL $_")
  foreach 'http://example.com/', 'ftp://example.com', 'https://u:sesame@example.com/', 'https://a b/', 'https://a/#f', '/hook';
refused("$server (url 'https://example.com', secret '$secrets[0]')", qr/option "secret" is a secret/, 'a secret of a server');
refused("$server (url 'https://example.com', method 'PUT')", qr/invalid option "method"/, 'an unknown option');
refused("ALTER USER MAPPING FOR CURRENT_USER SERVER hook OPTIONS (SET secret '$_')", qr/invalid value for option "secret"/, 'a bad secret')
  foreach 'sesame', 'whsec_', 'whsec_' . encode_base64('x' x 23, ''), 'whsec_' . encode_base64('x' x 65, ''), join(' ', ($secrets[0]) x 5);
$node->safe_psql('postgres', q{
	CREATE ROLE maker LOGIN;
	GRANT USAGE ON FOREIGN DATA WRAPPER evaudit_webhook TO maker;
	GRANT CREATE ON DATABASE postgres TO maker});
refused("SET ROLE maker; $server (url 'http://127.0.0.1/', allow_private 'true')",
	qr/permission denied to set option "allow_private"/, 'a private address');
refused("SET ROLE maker; $server (url 'https://example.com/', ca_file '/etc/passwd')",
	qr/permission denied to set option "ca_file"/, 'a file of the server');
$node->safe_psql('postgres', q{GRANT USAGE ON FOREIGN SERVER hook TO maker;
	ALTER SERVER hook OWNER TO maker;
	CREATE USER MAPPING FOR maker SERVER hook OPTIONS (secret '} . $secrets[0] . q{');
	GRANT SELECT, INSERT ON evaudit.events TO maker});
refused("SET ROLE maker; SELECT evaudit.create_sink('bad', 'hook', '{orders}')",
	qr/permission denied to set option "allow_private"/, 'a server that came to another owner');

$node->stop;
done_testing();
