# OAUTHBEARER by OIDC, with a librdkafka that was built with libcurl, as the
# one in Confluent's package for Python is: tokens of an endpoint, by a client's
# secret, and renewed; a secret that is wrong.

use strict;
use warnings;

use Evaudit::Cluster;
use Evaudit::Kafka;
use Evaudit::Pipeline;
use FindBin;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => Evaudit::Kafka::unavailable()
  if Evaudit::Kafka::unavailable();
my ($library) = glob(($ENV{EVAUDIT_FORMATS} || '/nowhere')
	  . '/confluent_kafka.libs/librdkafka-*.so.1');
plan skip_all => 'no librdkafka with OIDC' unless $library;

# The endpoint, as a process.
package Endpoint { use parent -norequire, 'Evaudit::Process'; }

my $dir = PostgreSQL::Test::Utils::tempdir();
my $endpoint = Endpoint->new('endpoint');
$endpoint->launch('python3', '-B', "$FindBin::RealBin/../keys/token_endpoint.py",
	"$dir/port", 12);
$endpoint->await(sub { -s "$dir/port" });
my $url = 'http://127.0.0.1:' . slurp_file("$dir/port") . '/token';

my $listener = 'listener.name.sasl_plaintext';
my $kafka = Evaudit::Kafka->new(
	sasl => { alice => 'x' },
	config => {
		# who is idle for so long has to log in again
		'connections.max.idle.ms' => 3000,
		"$listener.sasl.enabled.mechanisms" => 'OAUTHBEARER',
		"$listener.oauthbearer.sasl.jaas.config" =>
		  'org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required;' });
$kafka->start;
$kafka->create_topic('logins', 1);
$kafka->load('logins', 100, 20, 1);

mkdir "$dir/lib" or die "could not make a folder: $!";
symlink $library, "$dir/lib/librdkafka.so.1" or die "could not link: $!";
my $node;
{
	local $ENV{LD_LIBRARY_PATH} = "$dir/lib";
	$node = Evaudit::Cluster->new('main',
		conf => "evaudit.max_backoff = '300ms'\nlog_statement = none\n");
}

my $servers = $kafka->servers('SASL_PLAINTEXT');
$node->safe_psql('postgres', qq{
	CREATE ROLE reader LOGIN;
	GRANT USAGE ON FOREIGN DATA WRAPPER evaudit_kafka TO reader;
	GRANT INSERT, SELECT, UPDATE ON user_services TO reader;
	SET ROLE reader;
	CREATE SERVER oidc FOREIGN DATA WRAPPER evaudit_kafka OPTIONS (
		"bootstrap.servers" '$servers', "security.protocol" 'sasl_plaintext',
		"sasl.mechanisms" 'OAUTHBEARER', "sasl.oauthbearer.method" 'oidc',
		"sasl.oauthbearer.token.endpoint.url" '$url')});

# without a client's secret it would be the server's own credentials
my $check = q{SET ROLE reader; SELECT ok, detail FROM evaudit.check_server('oidc')};
my ($status, $out, $err) = $node->psql('postgres', $check);
like("$out$err", qr/permission denied to use the credentials of the server for Kafka/, 'a client needs a secret');

$node->safe_psql('postgres', q{
	SET ROLE reader;
	CREATE USER MAPPING FOR reader SERVER oidc OPTIONS
		("sasl.oauthbearer.client.id" 'reader', "sasl.oauthbearer.client.secret" 'sesame/17-')});
like($node->safe_psql('postgres', $check), qr/^f\|/, 'and the right one');
ok((grep { $_ eq 'refused' } split /\n/, slurp_file("$dir/port.log")), 'which the endpoint checks');
$node->safe_psql('postgres', q{
	ALTER USER MAPPING FOR reader SERVER oidc OPTIONS (SET "sasl.oauthbearer.client.secret" 'sesame/17+')});
like($node->safe_psql('postgres', $check), qr/^t\|/, 'a token logs in');

$node->safe_psql('postgres', q{
	SET ROLE reader;
	SELECT evaudit.create_source('logins', 'oidc', 'login', '{"topics": "logins"}')});
await_end($node, $kafka, 'logins', 'logins');

# How many tokens were given so far.
sub given { return scalar(() = slurp_file("$dir/port.log") =~ /given/g); }

my $before = given();
my @pids = @{ worker_pids($node, 'logins') };
wait_until(sub { given() >= $before + 2 }, 'tokens that are renewed');
$kafka->load('logins', 100, 20, 2);
await_end($node, $kafka, 'logins', 'logins');
is_deeply(worker_pids($node, 'logins'), \@pids, 'by the process that reads');

$node->stop;
unlike(slurp_file($node->logfile), qr/sesame|access_token|PANIC|TRAP/, 'no secret is in the log');

done_testing();
