# Logging in at the broker: each mechanism, over TLS, and with a password that
# is wrong until it is corrected; no secret is ever shown.

use strict;
use warnings;

use Evaudit::Cluster;
use Evaudit::Kafka;
use Evaudit::Pipeline;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => Evaudit::Kafka::unavailable()
  if Evaudit::Kafka::unavailable();

my $secret = 'open-sesame-17';
my $wrong = 'wrong-sesame-42';
my $kafka = Evaudit::Kafka->new(sasl => { alice => $secret }, tls => 1);
$kafka->start;
$kafka->create_topic('logins', 1);
$kafka->load('logins', 100, 20, 1);
my $node = Evaudit::Cluster->new('main',
	conf => "evaudit.max_backoff = '300ms'\nlog_statement = none\n"
	  . "evaudit.ambient_credentials_role = 'reader'\n"
	  . "max_worker_processes = 20\n");

sub ask { return $node->safe_psql('postgres', $_[0]); }

ask(q{CREATE ROLE reader LOGIN; CREATE ROLE other LOGIN; CREATE ROLE watcher LOGIN;
	GRANT pg_monitor TO watcher;
	GRANT pg_read_server_files TO reader;
	GRANT USAGE ON FOREIGN DATA WRAPPER evaudit_kafka TO reader;
	GRANT SELECT, INSERT, UPDATE ON user_services TO reader});

# Make a server of a role, its mapping and a source of the same name.
sub connect_by
{
	my ($name, $protocol, $mechanism, $password) = @_;
	my $options = join(', ',
		qq{"bootstrap.servers" '@{[ $kafka->servers($protocol) ]}'},
		qq{"security.protocol" '$protocol'},
		($mechanism ? qq{"sasl.mechanism" '$mechanism'} : ()),
		($protocol =~ /SSL$/ ? qq{"ssl.ca.location" '@{[ $kafka->ca_file ]}'} : ()));
	my $mapping = $mechanism ? qq{CREATE USER MAPPING FOR reader SERVER "$name"
		OPTIONS ("sasl.username" 'alice', "sasl.password" '$password');} : '';

	ask(qq{SET ROLE reader;
		CREATE SERVER "$name" FOREIGN DATA WRAPPER evaudit_kafka OPTIONS ($options);
		$mapping
		SELECT evaudit.create_source('$name', '$name', options => '{"topics": "logins"}')});
}

# What cannot be: a wrong password, a certificate that nobody trusts, and a
# principal for whom the library would have a shell renew the ticket
connect_by('wrong', 'SASL_PLAINTEXT', 'SCRAM-SHA-256', $wrong);
connect_by('SSL', 'SSL');
ask(q{ALTER SERVER "SSL" OPTIONS (DROP "ssl.ca.location")});
my $trace = PostgreSQL::Test::Utils::tempdir() . '/trace';
connect_by('kerberos', 'SASL_PLAINTEXT', 'GSSAPI', $secret);
ask(qq{ALTER SERVER kerberos OPTIONS ("sasl.kerberos.keytab" '/nowhere',
	"sasl.kerberos.principal" 'x; echo run >$trace')});

# what can be
my @ways = (
	[ 'SASL_PLAINTEXT', 'PLAIN' ], [ 'SASL_PLAINTEXT', 'SCRAM-SHA-512' ],
	[ 'SASL_SSL', 'PLAIN' ], [ 'SASL_SSL', 'SCRAM-SHA-256' ]);
connect_by("@$_", @$_, $secret) foreach @ways;
foreach my $way (@ways)
{
	await_end($node, $kafka, "@$way", 'logins');
	is(ask("SELECT state FROM evaudit.stat_sources WHERE name = '@$way'"),
		'running', "@$way");
}

# Wait until a source says what is wrong.
sub await_error
{
	my ($name, $error) = @_;
	$node->wait_for("SELECT state = 'backoff' AND last_error ~* '$error'
		FROM evaudit.stat_sources WHERE name = '$name'");
	note(ask("SELECT last_error FROM evaudit.stat_sources WHERE name = '$name'"));
	pass("$name: it is said");
}

await_error('wrong', 'authentication failed');
ask(qq{ALTER USER MAPPING FOR reader SERVER wrong OPTIONS (SET "sasl.password" '$secret')});
await_end($node, $kafka, 'wrong', 'logins');
is(ask("SELECT state FROM evaudit.stat_sources WHERE name = 'wrong'"), 'running',
	'the source recovers when the password is corrected');
ask(qq{DROP USER MAPPING FOR reader SERVER wrong;
	CREATE USER MAPPING FOR PUBLIC SERVER wrong
		OPTIONS ("sasl.username" 'alice', "sasl.password" '$secret')});
$kafka->load('logins', 100, 20, 2);
await_end($node, $kafka, 'wrong', 'logins');
pass('a mapping for all will do');

await_error('SSL', 'certificate');
ask(qq{ALTER SERVER "SSL" OPTIONS ("ssl.ca.location" '@{[ $kafka->ca_file ]}')});
await_end($node, $kafka, 'SSL', 'logins');
pass('TLS, once the certificate is trusted');

await_error('kerberos', '.');
ok(!-e $trace, 'no command is run');

# what others and monitors can read, and the log
foreach my $role ('other', 'watcher')
{
	my $seen = ask(qq{SET ROLE $role;
		SELECT to_jsonb(x) FROM evaudit.stat_sources x;
		SELECT to_jsonb(x) FROM evaudit.stat_partitions x;
		SELECT to_jsonb(x) FROM evaudit.dead_letters x;
		SELECT to_jsonb(x) FROM pg_settings x;
		SELECT to_jsonb(x) FROM pg_stat_activity x;
		SELECT to_jsonb(x) FROM pg_foreign_server x;
		SELECT to_jsonb(x) FROM pg_user_mappings x});
	ok($seen !~ /sesame/, "$role sees no secret");
}
ok(!$node->log_contains('sesame'), 'nor does the log show one');
ok($node->log_contains('ERROR: .*[Aa]uthentication'), 'which does show errors');
foreach my $table ('sources', 'offsets', 'dead_letter_store')
{
	my ($status, $out, $err) =
	  $node->psql('postgres', "SET ROLE watcher; TABLE evaudit.$table");
	like($err, qr/permission denied/, "evaudit.$table is nobody's");
}

done_testing();
