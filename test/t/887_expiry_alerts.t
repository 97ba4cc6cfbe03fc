# Alerts of what ends or stays behind: credentials of sources and sinks, keys of
# issuers, retention.

use strict;
use warnings;

use Evaudit::Alerts;
use Evaudit::Aws;
use Evaudit::KeyServer;
use PostgreSQL::Test::Utils;
use Test::More;

my $aws = Evaudit::Aws->new;
my $keys = Evaudit::KeyServer->new;

# The role that servers without keys assume, at the test's own endpoint.
my $token = PostgreSQL::Test::Utils::tempdir() . '/token';
append_to_file($token, 'token');
$ENV{HOME} = PostgreSQL::Test::Utils::tempdir('home');
$ENV{AWS_EC2_METADATA_DISABLED} = 'true';
$ENV{AWS_ENDPOINT_URL_STS} = $aws->endpoint;
$ENV{AWS_ROLE_ARN} = 'arn:aws:iam::1:role/web';
$ENV{AWS_WEB_IDENTITY_TOKEN_FILE} = $token;

my $node = alert_cluster("autovacuum = off\nevaudit.retention_interval = '1s'\n");
my $endpoint = $aws->endpoint;

sub query { return $node->safe_psql('postgres', $_[0]); }

# Have credentials last so many seconds from now on.
sub lifetime { return $aws->control(credentials => { lifetime => $_[0] }); }

query(qq{CREATE SERVER aws FOREIGN DATA WRAPPER evaudit_aws
		OPTIONS (region 'us-east-1', endpoint_url '$endpoint');
	SELECT evaudit.create_topic('sent');
	CREATE TABLE watched (id integer PRIMARY KEY);
	SELECT evaudit.track('watched')});
$aws->queue->create_queue($_) foreach qw(in out);

fires($node, 'source_credentials logins',
	sub {
		lifetime(20);
		query(q{SELECT evaudit.create_source('logins', 'aws', options => '{"queue": "in"}')});
	},
	sub { lifetime(3600) }, qr/^they end at 20/);

# a sink asks for credentials when it sends
lifetime(20);
query(q{SELECT evaudit.create_sink('out', 'aws', '{sent}', '{"service": "sqs", "queue": "out"}')});
my $n = 0;
sub send_event
{
	query("SELECT evaudit.publish('sent', '{}', '" . ++$n . "')");
	return $node->wait_for('SELECT delivered FROM evaudit.stat_sinks', $n);
}
fires($node, 'sink_credentials out', \&send_event,
	sub {
		my $longer = q{SELECT credentials_expire_at > now() + interval '5 min' FROM evaudit.stat_sinks};
		lifetime(3600);
		do { send_event() } until query($longer) eq 't';
	}, qr/^they end at 20/);

# those of a sink that has nothing to send end, and that is no alert
query(q{UPDATE evaudit.alert_rules SET threshold = 1 WHERE name = 'sink_credentials';
	SELECT evaudit.pause_sink('out'), evaudit.pause_source('logins')});
$node->wait_for('SELECT state, pid IS NULL FROM evaudit.stat_sinks', 'paused|t');
lifetime(4);
query(q{SELECT evaudit.resume_sink('out')});
send_event();
ok($node->wait_for('SELECT credentials_expire_at < clock_timestamp() FROM evaudit.stat_sinks'),
	'credentials of an idle sink end');
fires($node, 'audit_disabled public.watched', 'ALTER TABLE watched DISABLE TRIGGER ALL',
	q{SELECT evaudit.track('watched')}, qr/trigger/);

# keys of an issuer, of which those that are there are used on
my $document = '{"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}';
$keys->answer(200, $document);
query(sprintf(q{SELECT evaudit.create_issuer('idp', '{"jwks_url": "%s", "ca_file": "%s", "refresh_cooldown": "1h"}')},
		$keys->url, $keys->ca_file));
$node->wait_for('SELECT keys FROM evaudit.stat_issuers', 1);
sub fetch
{
	$keys->answer(@_);
	return query(q{UPDATE evaudit.issuer_fetches SET next_fetch_at = now(), last_attempt_at = now() - interval '1 day';
		UPDATE evaudit.issuers SET name = name});
}
fires($node, 'issuer_fetch idp', sub { fetch(500, '') }, sub { fetch(200, $document) }, qr/500/);

# a rule that waits for VACUUM since it last ran
query(q{SELECT evaudit.set_retention('events', '1 year');
	INSERT INTO evaudit.events (topic, event_id, payload) SELECT 'sent', 'd' || i, '{}' FROM generate_series(1, 110000) i});
$node->wait_swept('events');
query(q{UPDATE evaudit.alert_rules SET threshold = 0 WHERE name = 'retention_behind'});
fires($node, 'retention_behind events', q{DELETE FROM evaudit.events WHERE event_id ^@ 'd'},
	'VACUUM evaudit.events', qr/^VACUUM is behind$/);

$node->stop;
done_testing();
