# A broker that is stopped, silent or gone costs time and nothing else: no
# dead letter, no crash, hardly any CPU; and the source goes on by itself.

use strict;
use warnings;

use Evaudit::Cluster;
use Evaudit::Kafka;
use Evaudit::Pipeline;
use Test::More;
use Time::HiRes ();

plan skip_all => Evaudit::Kafka::unavailable()
  if Evaudit::Kafka::unavailable();

my $kafka = Evaudit::Kafka->new(proxy => 1);
$kafka->start;
$kafka->create_topic('logins', 2);
my $node = Evaudit::Cluster->new('main',
	conf => "evaudit.max_backoff = '1s'\nlog_statement = none\n");
add_server($node, $kafka->servers('PROXIED'),
	'socket.timeout.ms' => 3000,
	'socket.connection.setup.timeout.ms' => 2000,
	'reconnect.backoff.max.ms' => 500);

sub ask { return $node->safe_psql('postgres', $_[0]); }

# Produce some logins, not by way of the proxy.
my $seed = 0;
sub send_logins
{
	$kafka->load('logins', 200, 50, $seed++);
}

# The processes of evaudit.
sub our_pids
{
	return split /\n/,
	  ask("SELECT pid FROM pg_stat_activity WHERE backend_type ^@ 'evaudit'");
}

# Milliseconds of CPU in a second that these processes use, over some time.
# Reading this costs them nothing: no session is open meanwhile.
sub load_of
{
	my ($seconds, @pids) = @_;
	my $before = cpu_ms(@pids);
	my $end = Time::HiRes::time() + $seconds;

	wait_until(sub { Time::HiRes::time() > $end }, 'the time to pass');
	return (cpu_ms(@pids) - $before) / $seconds;
}

# A fault that the source reports, and from which it recovers.
sub survives
{
	my ($what, $break, $repair) = @_;
	my $received;

	$break->();
	$node->wait_for(q{SELECT state = 'backoff' AND last_error_at > now() - interval '1 min'
			AND last_error <> '' FROM evaudit.stat_sources});
	$received = ask('SELECT received FROM evaudit.stat_sources');
	note("$what: " . ask('SELECT last_error FROM evaudit.stat_sources'));
	$repair->();
	send_logins();
	await_end($node, $kafka, 'logins', 'logins');
	is(ask('SELECT received, dead_lettered FROM evaudit.stat_sources'),
		($received + 200) . '|0', "$what: read on, once and without loss");
	ok( $node->wait_for(
			'SELECT state, next_retry_at IS NULL FROM evaudit.stat_sources',
			'running|t'),
		'and shown to run');
}

read_topic($node, $kafka, 'logins', topics => 'logins');
send_logins();
await_end($node, $kafka, 'logins', 'logins');

# nothing arrives
my @pids = our_pids();
is(scalar @pids, 3, 'launcher, scheduler and worker');
wait_until(sub { load_of(1, @pids) < 20 }, 'the library to come to rest');
my $load = load_of(10, @pids);
cmp_ok($load, '<=', 2, "idle: $load ms of CPU a second");

survives('a broker that is stopped', sub { $kafka->stop }, sub { $kafka->start });
survives('a broker that was killed', sub { $kafka->kill9 }, sub { $kafka->start });
survives('a port that refuses', sub { $kafka->proxy->refuse },
	sub { $kafka->proxy->forward });
survives('a black hole', sub { $kafka->proxy->black_hole },
	sub { $kafka->proxy->forward });
survives('a broker that hangs', sub { $kafka->freeze }, sub { $kafka->thaw });

# a server started while the broker is not there
survives('no broker at the start',
	sub { $kafka->proxy->refuse; $node->restart; },
	sub { $kafka->proxy->forward });

# waiting for the broker, and shutting down meanwhile
ask("SET client_min_messages = error; ALTER SYSTEM SET evaudit.max_backoff = '1min'");
ask('SELECT pg_reload_conf()');
$kafka->proxy->black_hole;
$node->wait_for("SELECT state FROM evaudit.stat_sources", 'backoff');
$load = load_of(10, grep { -d "/proc/$_" } our_pids());
cmp_ok($load, '<=', 2, "waiting: $load ms of CPU a second");
my $begin = time();
$node->stop('fast');
cmp_ok(time() - $begin, '<', 10, 'a shutdown does not wait for the broker');
$node->start;
$node->wait_for(q{SELECT count(*) FROM pg_stat_activity
	WHERE backend_type = 'evaudit worker'}, 1);
$begin = time();
$node->stop('smart');
cmp_ok(time() - $begin, '<', 10, 'nor does a smart one');

ok(!$node->log_contains('terminated by signal'), 'nothing crashed');
done_testing();
