# A source reads from the server that it was made for, by the rights of its
# owner, wherever that is used: a server that is made anew under the name, or
# with a foreign-data wrapper of others, is refused.

use strict;
use warnings;

use Evaudit::Cluster;
use Evaudit::Mock;
use Test::More;

plan skip_all => Evaudit::Mock::unavailable()
  if Evaudit::Mock::unavailable();

my $broker = Evaudit::Mock->new('logins');
my $servers = $broker->servers;
my $node = Evaudit::Cluster->new('main',
	conf => "evaudit.max_backoff = '300ms'\n");

sub query { return $node->safe_psql('postgres', $_[0]); }

# Wait until the source runs, is paused, or is stopped by an error that matches
# and was not there before.
my $reported = '-infinity';
sub await_state
{
	my ($state, $error, $what) = @_;
	my $expected = $state eq 'stopped' ?
	  "pids = '{}' AND last_error ~ '$error' AND last_error_at > '$reported'" : 'true';

	ok( $node->wait_for("SELECT state, $expected FROM evaudit.stat_sources
			WHERE name = 'logins'", "$state|t"), $what);
	$reported = query("SELECT coalesce(last_error_at, '-infinity') FROM evaudit.stat_sources");
	return;
}

# The lines of check_server() for a role, or its error.
sub check_of
{
	my ($role) = @_;
	my ($status, $out, $err) = $node->psql('postgres', qq{SET ROLE "$role";
		SELECT ok, check_name FROM evaudit.check_server('kafka')});
	return $out . $err;
}

query(qq{CREATE ROLE reader LOGIN; CREATE ROLE maker;
	GRANT SELECT, INSERT, UPDATE ON user_services TO reader;
	GRANT USAGE ON FOREIGN DATA WRAPPER evaudit_kafka TO maker;
	SET ROLE maker;
	CREATE SERVER kafka FOREIGN DATA WRAPPER evaudit_kafka
		OPTIONS ("bootstrap.servers" '$servers');
	GRANT USAGE ON FOREIGN SERVER kafka TO reader});
$broker->login('u', 's', 1);
query(q{SET ROLE reader; SELECT evaudit.create_source('logins', 'kafka',
	options => '{"topics": "logins", "start": "earliest"}')});
$broker->await($node);
is(check_of('reader'), "t|brokers\nt|topic \"logins\"", 'it can be used');

# USAGE
query('REVOKE USAGE ON FOREIGN SERVER kafka FROM reader');
await_state('stopped', 'permission denied for foreign server kafka',
	'REVOKE USAGE stops the source');
query(q{SET ROLE reader; SELECT evaudit.pause_source('logins')});
await_state('paused', '', 'it is paused');
query(q{SET ROLE reader; SELECT evaudit.resume_source('logins')});
await_state('stopped', 'permission denied for foreign server kafka',
	'also when it was paused and resumed');
like(check_of('reader'), qr/permission denied for foreign server kafka/,
	'check_server() is refused, too');
query('GRANT USAGE ON FOREIGN SERVER kafka TO reader');
await_state('running', '', 'GRANT USAGE lets it run again');

# A server made anew under the name
query(qq{DROP SERVER kafka;
	CREATE SERVER kafka FOREIGN DATA WRAPPER evaudit_kafka
		OPTIONS ("bootstrap.servers" '$servers');
	GRANT USAGE ON FOREIGN SERVER kafka TO reader});
await_state('stopped', 'server "kafka" was dropped and created again',
	'a server made anew is another one');
query(q{SET ROLE reader; SELECT evaudit.resume_source('logins')});
await_state('running', '', 'until the source is resumed');

# With a wrapper that has no validator, and one that takes this one's name
query(q{DROP SERVER kafka;
	CREATE FOREIGN DATA WRAPPER plain;
	CREATE SERVER kafka FOREIGN DATA WRAPPER plain
		OPTIONS ("plugin.library.paths" '/nowhere');
	GRANT USAGE ON FOREIGN SERVER kafka TO reader});
await_state('stopped', 'server "kafka" was dropped and created again', 'a server of others');
query(q{SET ROLE reader; SELECT evaudit.resume_source('logins')});
await_state('stopped', 'cannot be a source of events',
	'which no resume lets a source use');
query(q{ALTER FOREIGN DATA WRAPPER evaudit_kafka RENAME TO hidden;
	ALTER FOREIGN DATA WRAPPER plain RENAME TO evaudit_kafka});
await_state('stopped', 'its foreign-data wrapper is not one of evaudit',
	'whatever the name of its wrapper');
like(check_of('reader'), qr/its foreign-data wrapper is not one of evaudit/,
	'check_server() does not, either');
query(q{ALTER FOREIGN DATA WRAPPER evaudit_kafka VALIDATOR evaudit.kafka_validator;
	SELECT evaudit.pause_source('logins')});
await_state('paused', '', 'the source is paused');
query(q{SELECT evaudit.resume_source('logins')});
await_state('stopped', 'its foreign-data wrapper is not one of evaudit',
	'whatever its validator');
query(q{ALTER FOREIGN DATA WRAPPER evaudit_kafka RENAME TO plain;
	ALTER FOREIGN DATA WRAPPER hidden RENAME TO evaudit_kafka});
await_state('stopped', 'cannot be a source of events', 'names as they were');

# A wrapper of ours whose validator is not
query(qq{DROP SERVER kafka;
	ALTER FOREIGN DATA WRAPPER evaudit_kafka NO VALIDATOR;
	CREATE SERVER kafka FOREIGN DATA WRAPPER evaudit_kafka
		OPTIONS ("bootstrap.servers" '$servers', "plugin.library.paths" '/nowhere');
	GRANT USAGE ON FOREIGN SERVER kafka TO reader;
	SELECT evaudit.resume_source('logins')});
await_state('stopped', 'its foreign-data wrapper is not one of evaudit',
	'a wrapper without its validator');
query('ALTER FOREIGN DATA WRAPPER evaudit_kafka VALIDATOR evaudit.kafka_validator;
	GRANT USAGE ON FOREIGN SERVER kafka TO reader');
await_state('stopped', 'option "plugin.library.paths" cannot be set',
	'what it let pass is refused all the same');
ok(!$node->log_contains('nowhere.*cannot open shared object'),
	'and nothing was loaded');

# A server of another kind
query(q{DROP SERVER kafka;
	CREATE SERVER kafka FOREIGN DATA WRAPPER evaudit_aws OPTIONS (region 'eu-west-1');
	GRANT USAGE ON FOREIGN SERVER kafka TO reader;
	SELECT evaudit.resume_source('logins')});
await_state('stopped', 'is not one that a source of kind "kafka" can read from',
	'a server of another kind of source');

$node->stop;
$broker->stop;
done_testing();
