# What a client is set up with is checked where it is used: a row that did not
# come through the validator, credentials that are the server's own, and a
# library that replaces signal handlers.

use strict;
use warnings;

use Evaudit::Cluster;
use Evaudit::Mock;
use Evaudit::Pipeline;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => Evaudit::Mock::unavailable() if Evaudit::Mock::unavailable();

my $broker = Evaudit::Mock->new('logins', 1);
$broker->login('u', 's', 1_700_000_000);
my $signal_file = PostgreSQL::Test::Utils::tempdir() . '/signal';
my $node;
{
	local $ENV{LD_PRELOAD} = $ENV{EVAUDIT_PRELOAD};
	local $ENV{EVAUDIT_TEST_SIGNAL} = $signal_file;
	$node = Evaudit::Cluster->new('main',
		conf => "evaudit.max_backoff = '300ms'\n");
}

sub query { return $node->safe_psql('postgres', $_[0]); }

# Wait until the source reports an error that matches.
sub await_error
{
	my ($pattern, $what) = @_;

	$node->wait_for("SELECT last_error ~ '$pattern' AND state IN ('backoff', 'stopped')
		FROM evaudit.stat_sources WHERE name = 'logins'");
	pass($what);
	return;
}

# Have the source start anew; a change of a catalog's row wakes nobody.
sub restart_source
{
	query(q{SELECT evaudit.pause_source('logins')});
	$node->wait_for('SELECT state, pids FROM evaudit.stat_sources', 'paused|{}');
	query(q{SELECT evaudit.resume_source('logins')});
	return;
}

# Wait until the source reads.
sub await_running
{
	$node->wait_for(q{SELECT state FROM evaudit.stat_sources WHERE name = 'logins'},
		'running');
	return;
}

query(q{CREATE ROLE reader LOGIN; CREATE DATABASE other;
	GRANT USAGE ON FOREIGN DATA WRAPPER evaudit_kafka TO reader;
	GRANT SELECT, INSERT, UPDATE ON user_services TO reader});
my $servers = $broker->servers;
query(qq{SET ROLE reader;
	CREATE SERVER kafka FOREIGN DATA WRAPPER evaudit_kafka
		OPTIONS ("bootstrap.servers" '$servers');
	CREATE USER MAPPING FOR reader SERVER kafka OPTIONS ("client.id" 'us')});
foreach my $signal (10, 15)
{
	my ($status, $out, $err) = $node->psql('postgres', qq{SET ROLE reader;
		ALTER USER MAPPING FOR reader SERVER kafka
			OPTIONS ("internal.termination.signal" '$signal')});
	like($err, qr/option "internal.termination.signal" cannot be set/,
		"signal $signal is refused by CREATE");
}
query(q{SET ROLE reader;
	SELECT evaudit.create_source('logins', 'kafka', options => '{"topics": "logins"}')});
await_running();

# Rows that are planted behind the validator's back
my @planted = (
	[ 'pg_user_mapping', 'internal.termination.signal=10',
		'option "internal.termination.signal" cannot be set' ],
	[ 'pg_user_mapping', 'internal.termination.signal=15',
		'option "internal.termination.signal" cannot be set' ],
	[ 'pg_user_mapping', "bootstrap.servers=$servers",
		'option "bootstrap.servers" cannot be set' ],
	[ 'pg_user_mapping', 'unheard.of=1', 'invalid option "unheard.of"' ],
	[ 'pg_foreign_server', 'plugin.library.paths=/nowhere',
		'option "plugin.library.paths" cannot be set' ],
	[ 'pg_foreign_server', 'ssl.ca.location=/etc/ssl/certs',
		'permission denied to set option "ssl.ca.location"' ],
	[ 'pg_foreign_server', 'receive.message.max.bytes=2000000000',
		'invalid value for option "receive.message.max.bytes"' ]);
foreach my $plant (@planted)
{
	my ($catalog, $option, $error) = @$plant;
	my $column = $catalog eq 'pg_user_mapping' ? 'umoptions' : 'srvoptions';

	query("UPDATE $catalog SET $column = $column || '$option'::text");
	restart_source();
	await_error($error, "$option: refused where it is used");
	query("UPDATE $catalog SET $column = array_remove($column, '$option')");
	restart_source();
	await_running();
}

# Credentials of the server's own
foreach my $mechanism ('GSSAPI', 'OAUTHBEARER', 'UNHEARD-OF')
{
	query(qq{ALTER SERVER kafka OPTIONS ("security.protocol" 'SASL_PLAINTEXT',
		"sasl.mechanism" '$mechanism')});
	await_error('permission denied to use the credentials of the server',
		"$mechanism is for those who may use the server's credentials");
	query(q{ALTER SERVER kafka OPTIONS (DROP "security.protocol", DROP "sasl.mechanism")});
	await_running();
}
query(q{ALTER SERVER kafka OPTIONS ("security.protocol" 'SASL_PLAINTEXT')});
await_error('permission denied to use the credentials of the server',
	'GSSAPI is what the library does by itself');
query(q{ALTER SYSTEM SET evaudit.ambient_credentials_role = 'reader'});
query('SELECT pg_reload_conf()');
$node->wait_for(q{SELECT last_error !~ 'permission denied' AND state = 'backoff'
	FROM evaudit.stat_sources});
pass('a member of the role may');
query(q{ALTER SYSTEM RESET evaudit.ambient_credentials_role});
query('SELECT pg_reload_conf()');
await_error('permission denied to use the credentials of the server',
	'and may not any more');
query(q{ALTER SERVER kafka OPTIONS (DROP "security.protocol")});
await_running();

# A library that takes a signal for itself
foreach my $signal (10, 15)
{
	append_to_file($signal_file, "$signal\n");
	restart_source();
	await_error("librdkafka has replaced the handler of signal $signal",
		"a handler of signal $signal is noticed");
	query('DROP DATABASE other; CREATE DATABASE other');
	unlink $signal_file;
	await_running();
}
append_to_file($signal_file, "15\n");
restart_source();
await_error('librdkafka has replaced', 'once more');
ok($node->stop('fast'), 'the server can be stopped');
$broker->stop;
done_testing();
