# Signatures of SNS: what SNS has signed is believed, and nothing else.

use strict;
use warnings;

package SnsHost;

use parent 'Evaudit::Process';

package main;

use Evaudit::Aws;
use Evaudit::Cluster;
use Evaudit::Pipeline;
use Evaudit::Sqs;
use File::Basename;
use IPC::Run;
use JSON::PP;
use MIME::Base64;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'EVAUDIT_PRELOAD is not set' unless $ENV{EVAUDIT_PRELOAD};

my $dir = PostgreSQL::Test::Utils::tempdir('keys');
my $json = JSON::PP->new->canonical->utf8;
my $region = 'https://sns.us-east-1.amazonaws.com';
my $sent = 0;

sub openssl
{
	my ($input, @args) = @_;
	my $out;

	IPC::Run::run([ 'openssl', @args ], '<', \$input, '>', \$out,
		'2>>', "$dir/openssl.log")
	  or die "openssl @args: " . slurp_file("$dir/openssl.log");
	return $out;
}

# A key with a certificate of its own, or of an authority's.
sub make_certificate
{
	my ($name, $host, $ca, @days) = @_;
	my @from = $ca ? ('-CA', "$dir/$ca.pem", '-CAkey', "$dir/$ca.key",
		'-CAcreateserial') : ('-signkey', "$dir/$name.key");

	openssl('', 'req', '-newkey', 'rsa:2048', '-nodes', '-subj', "/CN=$host",
		'-keyout', "$dir/$name.key", '-out', "$dir/$name.csr");
	append_to_file("$dir/$name.cnf", $name eq 'ca' ?
		"basicConstraints=critical,CA:TRUE\n" : "subjectAltName=DNS:$host\n");
	openssl('', 'x509', '-req', '-in', "$dir/$name.csr", '-days', 2,
		'-out', "$dir/$name.pem", '-extfile', "$dir/$name.cnf", @from);
	return;
}

# A notification that is signed, by the rules of AWS's documentation; some of
# its members are replaced afterwards.
sub signed
{
	my ($version, $key, %after) = @_;
	$sent++;
	my %all = (
		Type => 'Notification', MessageId => "id-$sent",
		TopicArn => 'arn:aws:sns:us-east-1:000000000000:logins',
		Message => login("u$sent", "s\x{e9}\n", 1),
		Timestamp => '2026-05-02T00:54:06.655Z',
		SignatureVersion => "$version",
		SigningCertURL => "$region/signer.pem");
	$all{Subject} = 'a subject' if $sent % 2;
	my $text = '';

	foreach my $name (qw(Message MessageId Subject Timestamp TopicArn Type))
	{
		$text .= "$name\n$all{$name}\n" if defined $all{$name};
	}
	utf8::encode($text);
	$all{Signature} = encode_base64(
		openssl($text, 'dgst', $version == 1 ? '-sha1' : '-sha256',
			'-sign', "$dir/$key.key"), '');
	my $body = $json->encode({ %all, %after });
	utf8::decode($body);
	return $body;
}

make_certificate('ca', 'test authority');
make_certificate('host', 'sns.us-east-1.amazonaws.com', 'ca');
make_certificate($_, $_) foreach 'signer', 'other';
mkdir "$dir/pages";
append_to_file("$dir/pages/signer.pem", slurp_file("$dir/signer.pem"));
append_to_file("$dir/pages/no.pem", "no certificate\n");

my $host = SnsHost->new('sns_host');
$host->launch('python3', '-B', dirname(__FILE__) . '/../aws/sns_host.py',
	"$dir/port", "$dir/host.pem", "$dir/host.key", "$dir/pages");
$host->await(sub { -s "$dir/port" });

# the worker's way to any https host, by a name that is not always one
$ENV{https_proxy} = 'http://way.test:' . slurp_file("$dir/port");
$ENV{EVAUDIT_TEST_HOSTS} = "$dir/hosts";

# Say whether the name can be resolved.
sub resolve
{
	my ($address) = @_;

	append_to_file("$dir/hosts.new", "way.test $address\n");
	rename "$dir/hosts.new", "$dir/hosts" or die "rename: $!";
	return;
}

resolve('127.0.0.1');
my $node;
{
	local $ENV{LD_PRELOAD} = $ENV{EVAUDIT_PRELOAD};
	$node = Evaudit::Cluster->new('main', conf => "evaudit.max_backoff = '500ms'\n");
}
my $aws = Evaudit::Aws->new;
my $sqs = $aws->queue;

add_aws($node, $aws->endpoint, ca_file => "$dir/ca.pem");
$sqs->create_queue('logins');
read_queue($node, 'logins', 'logins', envelope => 'sns',
	verify_sns => JSON::PP::true, max_attempts => 2);

# good ones, with and without a subject
$sqs->send('logins', map { signed($_, 'signer') } 1, 1, 2, 2);
$node->wait_for('SELECT received FROM evaudit.stat_sources', '4');
is( $node->safe_psql('postgres',
		q{SELECT string_agg(user_id, ' ' ORDER BY user_id) FROM user_services}),
	'u1 u2 u3 u4', 'what SNS signed is believed');
is(slurp_file("$dir/pages/requests"),
	"sns.us-east-1.amazonaws.com:443 /signer.pem\n",
	'its certificate is fetched once');

# bad ones; a URL that is not of SNS is never asked
my @urls = (
	'http://sns.us-east-1.amazonaws.com/signer.pem',
	'https://sns.us-east-1.amazonaws.com.example.com/signer.pem',
	'https://sns.us-east-1.amazonaws.com@example.com/signer.pem',
	'https://sns.us-east-1.amazonaws.com:8443/signer.pem',
	'https://sns.us-east-1.amazonaws.com/signer.pem?x=.pem',
	'https://sns.us-east-1.amazonaws.com/signer.txt',
	'https://sns.us.east.amazonaws.com/signer.pem',
	'https://xsns.us-east-1.amazonaws.com/signer.pem',
	'https://s3.us-east-1.amazonaws.com/signer.pem',
	'file:///signer.pem', '');
my @bad = (
	signed(2, 'other'),
	signed(2, 'signer', Message => login('forged', 's', 1)),
	signed(2, 'signer', Subject => 'forged'),
	signed(1, 'signer', SignatureVersion => '2'),
	signed(2, 'signer', SignatureVersion => '3'),
	signed(2, 'signer', Signature => 'x'),
	signed(2, 'signer', Signature => ''),
	signed(2, 'signer', SigningCertURL => "$region/missing.pem"),
	signed(2, 'signer', SigningCertURL => "$region/no.pem"),
	map { signed(2, 'signer', SigningCertURL => $_) } @urls);
$sqs->send('logins', @bad);
$node->wait_for('SELECT received FROM evaudit.stat_sources', 4 + @bad);
is($node->safe_psql('postgres', 'SELECT count(*) FROM user_services'), '4',
	'nothing else is');
is( $node->safe_psql('postgres', q{
		SELECT reason, count(*) FROM evaudit.dead_letters GROUP BY reason}),
	'bad_signature|' . @bad, 'but becomes a dead letter');
is(slurp_file("$dir/pages/requests"),
	join('', map { "sns.us-east-1.amazonaws.com:443 /$_.pem\n" }
		'signer', 'missing', 'no'),
	'hosts that are not of SNS are not asked');

# while the certificate is not to be had, nobody knows
await_queue($sqs, 'logins');
resolve('');
{
	local $ENV{LD_PRELOAD} = $ENV{EVAUDIT_PRELOAD};
	$node->restart;
}
$sqs->send('logins', signed(2, 'signer'));
$node->wait_for(q{
	SELECT last_error ~ 'could not fetch the certificate'
	FROM evaudit.stat_sources});
is( $node->safe_psql('postgres', 'SELECT count(*) FROM evaudit.dead_letters'),
	@bad, 'an outage makes no dead letters');
is($sqs->counts('logins')->{all}, 1, 'the message stays');
resolve('127.0.0.1');
await_queue($sqs, 'logins');
is($node->safe_psql('postgres', 'SELECT count(*) FROM user_services'), '5',
	'and takes effect once the name can be resolved');

done_testing();
