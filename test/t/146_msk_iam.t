# Amazon MSK with IAM: a source, a sink and check_server() log in at a broker
# that computes each token's signature anew, by the keys of a mapping, by a
# role and by keys of the server that expire while they run.

use strict;
use warnings;

use Evaudit::Aws;
use Evaudit::Cluster;
use Evaudit::Java;
use Evaudit::Kafka;
use Evaudit::Pipeline;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => Evaudit::Kafka::unavailable()
  if Evaudit::Kafka::unavailable();
plan skip_all => Evaudit::Java::unavailable()
  if Evaudit::Java::unavailable();

my $dir = PostgreSQL::Test::Utils::tempdir();
my $aws = Evaudit::Aws->new;
$aws->control(keys => { AKIATEST => { secret => 'open-sesame-17' } });

# what the broker checks by
my ($clients) = glob "$ENV{EVAUDIT_KAFKA_JARS}/kafka-clients-*.jar";
my $classes = Evaudit::Java::compile('IamValidator', $clients);
append_to_file("$dir/keys", "AKIATEST open-sesame-17\n"
	  . join('', map {
		sprintf "ASIATEST%08d secret-%d/+= token-%d/+=\n", $_, $_, $_
	} 1 .. 200));

my $listener = 'listener.name.sasl_ssl';
my $kafka = Evaudit::Kafka->new(
	sasl => { alice => 'x' },
	tls => 1,
	classes => $classes,
	properties => {
		'evaudit.keys' => "$dir/keys",
		'evaudit.logins' => "$dir/logins",
		'evaudit.region' => 'eu-west-1' },
	config => {
		# clients log in again where they were idle
		'connections.max.idle.ms' => 3000,
		"$listener.sasl.enabled.mechanisms" => 'OAUTHBEARER',
		"$listener.oauthbearer.sasl.jaas.config" =>
		  'org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required;',
		"$listener.oauthbearer.sasl.server.callback.handler.class" =>
		  'IamValidator' });
$kafka->start;
$kafka->create_topic($_, 1) foreach qw(logins out);
$kafka->load('logins', 100, 20, 1);

$ENV{HOME} = $dir;
$ENV{AWS_EC2_METADATA_DISABLED} = 'true';
$ENV{AWS_CONTAINER_CREDENTIALS_FULL_URI} = $aws->endpoint . '/ecs';
my $node = Evaudit::Cluster->new('main',
	conf => "evaudit.max_backoff = '300ms'\nlog_statement = none\n"
	  . "evaudit.ambient_credentials_role = 'ambient'\n"
	  . "max_worker_processes = 20\n");

sub query { return $node->safe_psql('postgres', $_[0]); }

# The principals that logged in, or did not, since it was asked last.
my $read = 0;
sub logins
{
	my @lines = split /\n/, -e "$dir/logins" ? slurp_file("$dir/logins") : '';
	my %found = map { $_ => 1 } @lines[ $read .. $#lines ];

	$read = @lines;
	return [ sort keys %found ];
}

# --- the keys of a mapping

my $options = qq{"bootstrap.servers" '@{[ $kafka->servers('SASL_SSL') ]}',
	"ssl.ca.location" '@{[ $kafka->ca_file ]}', "aws.msk.iam" 'true',
	"aws.region" 'eu-west-1', "aws.sts_endpoint_url" '@{[ $aws->endpoint ]}'};
query(qq{
	CREATE SERVER msk FOREIGN DATA WRAPPER evaudit_kafka OPTIONS ($options);
	CREATE USER MAPPING FOR CURRENT_USER SERVER msk OPTIONS
		("aws.access_key_id" 'AKIATEST', "aws.secret_access_key" 'open-sesame-17');
	SELECT evaudit.create_topic('t')});
is( query(q{SELECT check_name, ok FROM evaudit.check_server('msk')}),
	'brokers|t', 'check_server() logs in');
query(q{SELECT evaudit.create_source('logins', 'msk', options => '{"topics": "logins",
		"group_id": "shown"}');
	SELECT evaudit.create_sink('out', 'msk', '{t}', '{"topic": "out"}')});
await_end($node, $kafka, 'logins', 'logins');
query(q{SELECT evaudit.publish('t', '{}', 'first')});
$node->wait_for('SELECT pending, state FROM evaudit.stat_sinks', '0|running');
is(scalar @{ $kafka->records('out') }, 1, 'and so do a source and a sink');
is_deeply(logins(), ['accepted AKIATEST'], 'by the keys of the mapping');

query(q{ALTER USER MAPPING FOR CURRENT_USER SERVER msk OPTIONS
	(SET "aws.secret_access_key" 'open-sesame-18')});
$node->wait_for(q{SELECT state = 'backoff' AND last_error ~ 'SASL'
	FROM evaudit.stat_sources});
ok((grep { $_ eq 'refused signature' } @{ logins() }),
	'a wrong secret makes a wrong signature');
query(q{ALTER USER MAPPING FOR CURRENT_USER SERVER msk OPTIONS
	(SET "aws.secret_access_key" 'open-sesame-17')});
$kafka->load('logins', 100, 20, 2);
await_end($node, $kafka, 'logins', 'logins');
$node->wait_for('SELECT state FROM evaudit.stat_sinks', 'running');

# --- a role

logins();
query(q{ALTER USER MAPPING FOR CURRENT_USER SERVER msk OPTIONS
	("aws.role_arn" 'arn:aws:iam::1:role/reader')});
$node->wait_for(q{SELECT count(*) FROM evaudit.stat_sources
	WHERE state = 'running'}, 1);
wait_until(sub { grep { /^accepted ASIATEST/ } @{ logins() } }, 'the role');
pass('a role that is assumed, with its session token');

# --- the server's own, which expire

query(q{SELECT evaudit.pause_source('logins'); SELECT evaudit.drop_sink('out')});
$aws->control(credentials => { lifetime => 6 });
query(q{DROP USER MAPPING FOR CURRENT_USER SERVER msk;
	SELECT evaudit.resume_source('logins')});
$node->wait_for('SELECT state FROM evaudit.stat_sources', 'running');
logins();
my (%keys, %pids);
my $seed = 2;
wait_until(
	sub {
		my $issued = @{ $aws->issued };

		# the connection to the group's coordinator is idle meanwhile, and ends
		wait_until(sub { @{ $aws->issued } > $issued }, 'other keys');
		$kafka->load('logins', 10, 20, ++$seed);
		await_end($node, $kafka, 'logins', 'logins');
		$keys{$_}++ foreach @{ logins() };
		$pids{$_}++ foreach @{ worker_pids($node, 'logins') };
		return keys %keys >= 3;
	},
	'logins by three keys');
is(scalar(grep { !/^accepted ASIA/ } keys %keys), 0, 'all are good')
  or diag explain \%keys;
is(scalar keys %pids, 1, 'one process renewed them');

# --- a sink that has nothing to send for a while, whose connections end

query(q{SELECT evaudit.pause_source('logins')});
$node->wait_for(q{SELECT count(*) FROM pg_stat_activity
	WHERE backend_type = 'evaudit worker'}, 0);
$aws->control(credentials => { lifetime => 15 });
query(q{SELECT evaudit.create_sink('out', 'msk', '{t}', '{"topic": "out"}');
	SELECT evaudit.publish('t', '{}', 'second')});
$node->wait_for('SELECT pending, state FROM evaudit.stat_sinks', '0|running');
my $issued = @{ $aws->issued };
wait_until(sub { @{ $aws->issued } > $issued }, 'keys for an idle sink');
query(q{SELECT evaudit.publish('t', '{}', 'third')});
$node->wait_for('SELECT pending, state FROM evaudit.stat_sinks', '0|running');
is(scalar @{ $kafka->records('out') }, 3,
	'a sink that was idle has other keys, and sends');

# --- who may have them used

query(qq{CREATE ROLE ambient LOGIN; CREATE ROLE other LOGIN;
	GRANT USAGE ON FOREIGN DATA WRAPPER evaudit_kafka TO ambient, other;
	GRANT pg_read_server_files TO ambient, other;
	GRANT USAGE ON FOREIGN SERVER msk TO other;
	SET ROLE other;
	CREATE SERVER theirs FOREIGN DATA WRAPPER evaudit_kafka OPTIONS ($options);
	GRANT USAGE ON FOREIGN SERVER theirs TO ambient});
my $check = q{SELECT ok, detail FROM evaudit.check_server('%s')};
my ($status, $out, $err) = $node->psql('postgres',
	'SET ROLE other; ' . sprintf($check, 'msk'));
like($out, qr/^f\|could not make a token for Amazon MSK: the user mapping has no access_key_id/,
	'a role that may not use the keys of the server');
($status, $out, $err) = $node->psql('postgres',
	'SET ROLE ambient; ' . sprintf($check, 'theirs'));
like($err, qr/permission denied to send a token of the server's AWS credentials to the brokers of server "theirs"/,
	"nor may who owns the server name the brokers");
query('GRANT ambient TO other');
is(query('SET ROLE ambient; ' . sprintf($check, 'theirs')) =~ /^t\|/, 1,
	'unless it may use them itself');

$node->stop;
unlike(slurp_file($node->logfile), qr/open-sesame|secret-\d|X-Amz|PANIC|TRAP/,
	'no secret is in the log');

done_testing();
