# check_server(): what it says of services that fail, that nothing
# of it stays behind, and that no thread is started in a backend.

use strict;
use warnings;

use Evaudit::Aws;
use Evaudit::Cluster;
use Evaudit::Mock;
use Evaudit::Pipeline;
use JSON::PP;
use POSIX ();
use PostgreSQL::Test::Utils;
use Test::More;

my $aws = Evaudit::Aws->new(tls => 1);
my $node = Evaudit::Cluster->new('main');
my $url = $aws->endpoint;
$node->safe_psql('postgres', qq{
	CREATE SERVER aws FOREIGN DATA WRAPPER evaudit_aws OPTIONS
		(region 'us-east-1', endpoint_url '$url', request_timeout '1min');
	CREATE USER MAPPING FOR CURRENT_USER SERVER aws
		OPTIONS (access_key_id 'AKIATEST', secret_access_key 'sesame')});

# The line of the service, while a rule holds for the first call.
sub service
{
	my (%rule) = @_;

	$aws->rules(%rule ? { operation => 'ListQueues', %rule } : ());
	my $line = $node->safe_psql('postgres', q{
		SELECT ok, detail FROM evaudit.check_server('aws')
		WHERE check_name = 'service'});
	$aws->rules;
	return $line;
}

# How many processes look at a server.
sub checking
{
	my $postmaster = (split /\n/, slurp_file($node->data_dir . '/postmaster.pid'))[0];
	my @children =
	  split / /, slurp_file("/proc/$postmaster/task/$postmaster/children");

	# one may end meanwhile
	return scalar grep {
		(eval { slurp_file("/proc/$_/cmdline") } // '') =~ /evaudit check/
	} @children;
}

# --- answers

is(service(), "t|$url responds", 'all is well');
my $xml = '<?xml version="1.0"?><ErrorResponse><Error><Code>AccessDenied</Code>'
  . '<Message>no</Message></Error></ErrorResponse>';
my @answers = (
	[ 400, 'com.amazonaws.sqs#QueueDoesNotExist:http://x/', 'gone',
		'f|QueueDoesNotExist: gone' ],
	[ 400, 'AWS.SimpleQueueService.NonExistentQueue', 'gone',
		'f|AWS.SimpleQueueService.NonExistentQueue: gone' ],
	[ 400, 'OddException', "a\nb\x{e9}\x01", 'f|OddException: a b?? ' ],
	[ 400, 'AccessDeniedException', 'no', "t|$url responds" ],
	[ 403, undef, $xml, "t|$url responds" ],
	[ 200, undef, $xml, 'f|the response is not JSON: ' . substr($xml, 0, 60) ],
	[ 503, undef, '<html>' . ('x' x 1000), 'f|HTTP status 503' ],
	[ 400, undef, '[' x 100_000, 'f|HTTP status 400' ],
	[ 400, undef, '{"__type": 1, "message": []}', 'f|HTTP status 400' ],
	[ 500, undef, '', 'f|HTTP status 500' ],
	[ 200, undef, '', "t|$url responds" ],
	[ 200, undef, '{' . (' ' x (9 << 20)),
		"f|could not reach $url: the response is too large" ]);
foreach my $answer (@answers)
{
	my ($status, $error, $text, $expected) = @$answer;
	my $line = service(
		status => $status,
		$error ? (error => $error, message => $text) : (text => $text));
	is($line, $expected,
		"status $status: " . ($error || substr($text, 0, 30)));
}
is( service(status => 400, text => '',
		headers => { 'x-amzn-query-error' => 'OldCode;Sender' }),
	'f|OldCode: HTTP status 400', 'a code in a header');
$aws->forget;
is( service(status => 302, text => '', headers => { Location => "$url/there" }),
	'f|HTTP status 302', 'a redirect');
is($aws->count('/there'), 0, 'is not followed');
$node->safe_psql('postgres',
	"ALTER SERVER aws OPTIONS (SET request_timeout '300ms')");
like(service(hang => JSON::PP::true), qr/^f\|could not reach \S+: .*tim.*out/i,
	'no answer');
$node->safe_psql('postgres',
	"ALTER SERVER aws OPTIONS (SET request_timeout '1min')");
like(service(cut => 'before'), qr/^f\|could not reach \S+: /, 'a cut');
like(service(cut => 'answer'), qr/^f\|could not reach \S+: /, 'half an answer');

# --- TLS

my ($tls, $ca) = ($aws->tls_endpoint, $aws->ca_file);
$node->safe_psql('postgres',
	"ALTER SERVER aws OPTIONS (SET endpoint_url '$tls')");
like(service(), qr/^f\|could not reach \Q$tls\E: .*certificate/i,
	'a certificate that nobody vouches for');
$node->safe_psql('postgres', "ALTER SERVER aws OPTIONS (ca_file '$ca')");
is(service(), "t|$tls responds", 'an authority that is named');
(my $plain = $tls) =~ s/https/http/;
$node->safe_psql('postgres',
	"ALTER SERVER aws OPTIONS (SET endpoint_url '$plain')");
like(service(), qr/^f\|/, 'TLS where none is expected');
$node->safe_psql('postgres',
	"ALTER SERVER aws OPTIONS (SET endpoint_url '$tls', SET ca_file '/nowhere')");
like(service(), qr{^f\|could not reach \S+: .*/nowhere}s,
	'authorities that are not there');

# --- nothing stays behind

$node->safe_psql('postgres', "ALTER SERVER aws OPTIONS
	(SET endpoint_url '$url', DROP ca_file)");
$aws->rules({ operation => 'ListQueues', hang => JSON::PP::true });
my ($status, $out, $err);
my $child = fork() // die "fork: $!";
if ($child == 0)
{
	$node->psql('postgres', q{SELECT * FROM evaudit.check_server('aws')});
	POSIX::_exit(0);
}
wait_until(sub { checking() == 1 }, 'a process');
$node->safe_psql('postgres', q{
	SELECT pg_cancel_backend(pid) FROM pg_stat_activity
	WHERE query ~ 'check_server' AND pid <> pg_backend_pid()});
is(waitpid($child, 0), $child, 'can be cancelled');
wait_until(sub { !checking() }, 'the process to end');
pass('and its process ends');
$aws->rules;
is( $node->safe_psql('postgres', q{
		SELECT count(*) FROM evaudit.check_server('aws');
		SELECT count(*) FROM pg_ls_dir('/proc/self/task')}),
	"2\n1", 'the backend has one thread');
is( $node->safe_psql('postgres', q{
		BEGIN;
		CREATE SERVER new FOREIGN DATA WRAPPER evaudit_aws
			OPTIONS (region 'us-east-1', endpoint_url 'http://127.0.0.1:1');
		CREATE USER MAPPING FOR CURRENT_USER SERVER new
			OPTIONS (access_key_id 'AKIATEST', secret_access_key 'sesame');
		SELECT check_name, ok FROM evaudit.check_server('new')}),
	"credentials|t\nservice|f", 'a server that is not committed yet');

# --- Kafka

SKIP:
{
	skip Evaudit::Mock::unavailable(), 5 if Evaudit::Mock::unavailable();
	my $broker = Evaudit::Mock->new('logins', 3);
	my $servers = $broker->servers;
	my $refused = '127.0.0.1:' . PostgreSQL::Test::Cluster::get_free_port();

	$node->safe_psql('postgres', qq{
		CREATE SERVER kafka FOREIGN DATA WRAPPER evaudit_kafka
			OPTIONS ("bootstrap.servers" '$servers');
		SELECT evaudit.create_source('logins', 'kafka',
			options => '{"topics": ["logins", "absent", "^x"]}');
		SELECT evaudit.pause_source('logins')});
	my $check = "SELECT check_name, ok, detail FROM evaudit.check_server('kafka')";
	like(
		$node->safe_psql('postgres', $check),
		qr/^brokers\|t\|reached, .*\ntopic "logins"\|t\|3 partitions\n/,
		'a Kafka cluster');
	$node->safe_psql('postgres',
		qq{ALTER SERVER kafka OPTIONS (SET "bootstrap.servers" '$refused')});
	like($node->safe_psql('postgres', $check),
		qr/^brokers\|f\|could not reach a Kafka broker: .*refused/,
		'that is not there');
	$node->safe_psql('postgres', 'ALTER SERVER kafka OPTIONS'
		  . ' (SET "bootstrap.servers" \'127.0.0.1:' . Evaudit::Mock::silent_port()
		  . '\')');
	($status, $out, $err) = $node->psql('postgres',
		"SET statement_timeout = '500ms'; $check");
	like($err, qr/statement timeout/, 'that is silent');
	is($node->safe_psql('postgres',
			q{SELECT count(*) FROM pg_ls_dir('/proc/self/task')}),
		1, 'no thread in the backend');
	$broker->stop;
}

# --- limits

$node->append_conf('postgresql.conf', "max_worker_processes = 0\n");
$node->restart;
($status, $out, $err) =
  $node->psql('postgres', q{SELECT * FROM evaudit.check_server('aws')});
like(
	$err,
	qr/could not start a background worker\nHINT:.*max_worker_processes/,
	'no room for another process');
$node->stop;
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|signal 11/, 'nothing crashed');

done_testing();
