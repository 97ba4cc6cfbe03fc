# A name that cannot be resolved: a source, STS, the metadata service and the
# key fetcher recover as soon as it can be, at the start and while running; a
# worker in the same process.

use strict;
use warnings;

use Evaudit::Aws;
use Evaudit::Cluster;
use Evaudit::KeyServer;
use Evaudit::Pipeline;
use Evaudit::Sqs;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'EVAUDIT_PRELOAD is not set' unless $ENV{EVAUDIT_PRELOAD};

my $hosts = PostgreSQL::Test::Utils::tempdir() . '/hosts';

# Say which names can be resolved; all of them are known to the file.
my @names = ('queue.test', 'sts.test', 'metadata.test', 'keys.test');
sub resolve
{
	my %up = map { $_ => 1 } @_;

	append_to_file("$hosts.new",
		join('', map { $_ . ($up{$_} ? ' 127.0.0.1' : '') . "\n" } @names));
	rename "$hosts.new", $hosts or die "rename: $!";
	return;
}

my $aws = Evaudit::Aws->new;
my $sqs = $aws->queue;
my $port = $aws->port;
resolve();
my $node;
{
	local $ENV{LD_PRELOAD} = $ENV{EVAUDIT_PRELOAD};
	local $ENV{EVAUDIT_TEST_HOSTS} = $hosts;
	local $ENV{AWS_EC2_METADATA_SERVICE_ENDPOINT} = "http://metadata.test:$port";
	$node = Evaudit::Cluster->new('main',
		conf => "evaudit.max_backoff = '1s'\n");
}

# Wait until the source cannot resolve a name.
sub await_unresolved
{
	my ($what, $error) = @_;

	$error ||= 'resolve';
	$node->wait_for(qq{SELECT state = 'backoff' AND last_error ~* '$error'
		FROM evaudit.stat_sources});
	# more than once: a handle that is used again shows by its second failure
	my $failures = $node->safe_psql('postgres',
		'SELECT last_error_at FROM evaudit.stat_sources');
	$node->wait_for("SELECT last_error_at > '$failures' AND last_error ~* '$error'
		FROM evaudit.stat_sources");
	pass("$what: the name cannot be resolved");
	return;
}

my $n = 0;

# Send a login and wait until it has arrived.
sub passes
{
	my ($what) = @_;

	$n++;
	$sqs->send('logins', login('u', "s$n", $n));
	$node->wait_for(
		"SELECT count(*) FROM user_services WHERE service_id = 's$n'", '1');
	$node->wait_for('SELECT state FROM evaudit.stat_sources', 'running');
	pass($what);
	return;
}

$sqs->create_queue('logins', VisibilityTimeout => 4);
add_aws($node, "http://queue.test:$port", request_timeout => '2s',
	sts_endpoint_url => "http://sts.test:$port");
read_queue($node, 'logins', 'logins');

await_unresolved('at the start');
my $pid = worker_pids($node, 'logins')->[0];
resolve('queue.test');
passes('it can be resolved: read');

foreach my $round (1, 2)
{
	# connections and addresses are kept for a while
	resolve();
	$aws->rules({ operation => '.*', cut => 'before' });
	await_unresolved("while running, round $round");
	$aws->rules;
	resolve('queue.test');
	passes('and read again');
}
is(worker_pids($node, 'logins')->[0], $pid, 'all by the same process');

# STS: keys of a role that is assumed
$aws->control(keys => { AKIATEST => { secret => 'secret' } });
resolve('queue.test');
$node->safe_psql('postgres', q{ALTER USER MAPPING FOR CURRENT_USER SERVER aws
	OPTIONS (ADD role_arn 'arn:aws:iam::000000000000:role/reader')});
await_unresolved('STS');
$pid = worker_pids($node, 'logins')->[0];
resolve('queue.test', 'sts.test');
passes('STS: read');
is(worker_pids($node, 'logins')->[0], $pid, 'by the same process');

# the metadata service: the machine's own keys, which expire; a machine may be
# of no cloud, so that a name which is none there is no error of its own
my $none = 'no AWS credentials were found';
$aws->control(credentials => { lifetime => 4 });
resolve('queue.test');
$node->safe_psql('postgres', 'DROP USER MAPPING FOR CURRENT_USER SERVER aws');
await_unresolved('metadata, at the start', $none);
$pid = worker_pids($node, 'logins')->[0];
resolve('queue.test', 'metadata.test');
passes('metadata: read');
resolve('queue.test');
$aws->rules({ operation => '/latest/.*', cut => 'before' });
await_unresolved('metadata, while running', $none);
$aws->rules;
resolve('queue.test', 'metadata.test');
passes('and read again');
is(worker_pids($node, 'logins')->[0], $pid, 'by the same process');

# the keys of an issuer
my $server = Evaudit::KeyServer->new;
$server->answer(200, '{"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}');
my $keys = $server->url =~ s/localhost/keys.test/r;
$node->safe_psql('postgres', qq{SELECT evaudit.create_issuer('i',
	'{"jwks_url": "$keys", "ca_file": "${\ $server->ca_file}"}')});

# Have keys fetched now, and wait for how that went.
sub fetches
{
	my ($found, $what) = @_;

	$node->safe_psql('postgres', "
		UPDATE evaudit.issuer_fetches SET next_fetch_at = now(),
			last_attempt_at = now() - interval '1 day';
		UPDATE evaudit.issuers SET name = name");
	$node->wait_for("SELECT keys, coalesce(last_error ~* 'resolve', false) FROM evaudit.stat_issuers", $found);
	pass($what);
	return;
}

fetches('0|t', 'key fetching: the name cannot be resolved');
resolve('queue.test', 'keys.test');
fetches('1|f', 'it can be');
resolve('queue.test');
fetches('1|t', 'it cannot be any more, and the keys are kept');
resolve('queue.test', 'keys.test');
fetches('1|f', 'it can be again');

done_testing();
