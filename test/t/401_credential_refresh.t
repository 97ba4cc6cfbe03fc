# Keys that expire while a source runs.  Every signature is checked, and keys
# are refused once they have expired.

use strict;
use warnings;

use Evaudit::Aws;
use Evaudit::Cluster;
use Evaudit::Pipeline;
use Evaudit::Sqs qw(login);
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;

my $aws = Evaudit::Aws->new;
my $sqs = $aws->queue;
my $sent = 0;

# Send an event, as one whom nobody checks.
sub send_event
{
	$aws->control(credentials => { check => JSON::PP::false });
	$sqs->send('logins', login('user', 'service', ++$sent));
	$aws->control(credentials => { check => JSON::PP::true });
	return;
}

# How often keys were handed out.
sub issued { return scalar @{ $aws->issued }; }

my $token_file = PostgreSQL::Test::Utils::tempdir() . '/token';
append_to_file($token_file, "first\n");
$ENV{HOME} = PostgreSQL::Test::Utils::tempdir('home');
$ENV{AWS_EC2_METADATA_DISABLED} = 'true';
$ENV{AWS_ENDPOINT_URL_STS} = $aws->endpoint;
$ENV{AWS_ROLE_ARN} = 'arn:aws:iam::1:role/web';
$ENV{AWS_WEB_IDENTITY_TOKEN_FILE} = $token_file;

my $node = Evaudit::Cluster->new('main');
my $url = $aws->endpoint;
my $expiry = 'SELECT credentials_expire_at FROM evaudit.stat_sources';

# Wait until the last event was merged.
sub await_event
{
	$node->wait_for('SELECT extract(epoch FROM last_accessed)::bigint'
		  . ' - 1700000000 FROM user_services', $sent);
	return;
}

# Send events, each of which lets the source make calls, until a query is true.
sub send_until
{
	my ($query) = @_;

	wait_until(
		sub {
			send_event();
			return $node->safe_psql('postgres',
				"SELECT ($query) FROM evaudit.stat_sources") eq 't';
		},
		$query);
	return;
}

# --- keys that live for seconds

$sqs->create_queue('logins', VisibilityTimeout => 30);
$aws->control(credentials => { check => JSON::PP::true, lifetime => 3 });
$node->safe_psql('postgres', qq{
	CREATE SERVER aws FOREIGN DATA WRAPPER evaudit_aws
		OPTIONS (region 'us-east-1', endpoint_url '$url')});
$node->safe_psql('postgres',
	q{SELECT evaudit.create_source('logins', 'aws', options => '{"queue": "logins"}')});
send_event();
await_event();
my $first = $node->safe_psql('postgres',
	'SELECT credentials_expire_at FROM evaudit.stat_sources');
like($first, qr/^20/, 'the expiry is shown');

unlink $token_file;
append_to_file($token_file, "second\n");
send_until("credentials_expire_at > '$first'::timestamptz + '2 s'");
await_event();
is($node->safe_psql('postgres', 'SELECT last_error FROM evaudit.stat_sources'),
	'', 'keys are renewed before they expire');
my @tokens = map { $_->{body} =~ /WebIdentityToken=(\w+)/ }
  @{ $aws->requests('AssumeRoleWithWebIdentity') };
is($tokens[0], 'first', 'a token is read');
is($tokens[-1], 'second', 'anew each time');

# --- keys that nobody renews for a while

$aws->control(credentials => { fail => 503 });
my $pid = worker_pids($node, 'logins')->[0];
$node->wait_for(
	'SELECT credentials_expire_at < now() FROM evaudit.stat_sources');
send_event();
$node->wait_for(q{SELECT last_error ~ 'could not assume role.*HTTP status 503'
	AND state = 'backoff' AND next_retry_at IS NOT NULL
	FROM evaudit.stat_sources});
pass('it is shown that there are none');
$aws->control(credentials => { fail => undef, lifetime => 3600 });
await_event();
send_until(q{credentials_expire_at > now() + interval '50 min'});
await_event();
is(worker_pids($node, 'logins')->[0], $pid, 'the worker goes on when there are');

# --- keys that are refused before their time

$aws->forget;
$aws->control(expire => JSON::PP::true);
send_event();
await_event();
wait_until(sub { issued() > 0 }, 'new keys');
send_event();
await_event();
is(issued(), 1, 'refused keys are replaced once');
is(worker_pids($node, 'logins')->[0], $pid, 'the worker went on');

# --- keys that are valid for less than they should be, and cannot be renewed

$aws->control(credentials => { lifetime => 700 });
$aws->control(expire => JSON::PP::true);
send_event();
await_event();
# the event may have come by a receive that began before
wait_until(sub { issued() > 1 }, 'keys that are valid for less');
$aws->control(credentials => { fail => 500 });
send_event();
await_event();
is(worker_pids($node, 'logins')->[0], $pid, 'keys are used while they are good');
cmp_ok($aws->count('AssumeRoleWithWebIdentity'), '<', 20,
	'and not asked for all the time');

# --- the server's keys are not everybody's

$node->safe_psql('postgres', q{
	SELECT evaudit.drop_source('logins');
	CREATE ROLE app LOGIN;
	CREATE ROLE cloud;
	GRANT cloud TO app;
	GRANT USAGE ON FOREIGN SERVER aws TO app;
	GRANT SELECT, INSERT, UPDATE ON user_services TO app;
	TRUNCATE user_services;
	SET ROLE app;
	SELECT evaudit.create_source('app', 'aws', options => '{"queue": "logins"}')});
my $refused = q{SELECT last_error ~ 'are for superusers and members'
	FROM evaudit.stat_sources WHERE true};
$aws->control(credentials => { fail => undef, lifetime => 3600 });
$node->wait_for($refused);
pass('a source of somebody else may not use them');
$node->safe_psql('postgres',
	q{ALTER SYSTEM SET evaudit.ambient_credentials_role = 'cloud'});
$node->reload;
send_event();
await_event();
pass('until its owner is in the role that may');
my $before = $node->safe_psql('postgres',
	'SELECT last_error_at FROM evaudit.stat_sources');
$node->safe_psql('postgres', 'REVOKE cloud FROM app');
send_event();
$node->wait_for("$refused AND last_error_at > '$before'");
pass('and no longer');

$node->stop;
unlike(slurp_file($node->logfile), qr/secret-\d|token-\d|WebIdentityToken=/,
	'no secret is in the log');

done_testing();
