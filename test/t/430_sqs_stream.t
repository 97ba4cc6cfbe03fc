# A stream of logins through a queue, late, repeated and broken, gives the table
# and the dead letters that an oracle makes of it, whatever is killed and
# whenever; and the queue is empty in the end.
#
# EVAUDIT_SQS_EVENTS: so many events (4000).

use strict;
use warnings;

use Evaudit::Cluster;
use Evaudit::ElasticMQ;
use Evaudit::Pipeline;
use Evaudit::Sqs;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => Evaudit::ElasticMQ::unavailable()
  if Evaudit::ElasticMQ::unavailable();

my $events = $ENV{EVAUDIT_SQS_EVENTS} || 4000;
my $rounds = 4;
my $seed = $ENV{EVAUDIT_TEST_SEED} || time();
srand($seed);
diag("EVAUDIT_TEST_SEED=$seed");

my $emq = Evaudit::ElasticMQ->new(memory => 96 + int($events / 100));
$emq->start;
my $sqs = $emq->queue;
$sqs->create_queue('logins', VisibilityTimeout => 2);

my $node = Evaudit::Cluster->new('main', conf => <<'EOT');
evaudit.max_backoff = '200ms'
restart_after_crash = on
log_statement = none
EOT

# The row of a query, or nothing while the server is down.
sub ask
{
	my ($sql) = @_;
	my ($status, $out) = eval { $node->psql('postgres', $sql) };
	return defined $status && $status == 0 ? $out : '';
}

# Kill one of the server's processes, of those that a condition finds.  When it
# is gone the postmaster knows, and lets nobody in before all is restarted.
sub kill_one
{
	my ($which) = @_;
	my @pids = split /\n/,
	  ask("SELECT pid FROM pg_stat_activity WHERE $which");

	my $pid = @pids ? $pids[ rand @pids ] : return;

	kill 'KILL', $pid;
	wait_until(sub { !kill 0, $pid }, "the end of process $pid");
	return;
}

my %kill = (
	worker => sub { kill_one("backend_type = 'evaudit worker'") },
	backend => sub { kill_one("backend_type <> 'evaudit worker' AND pid <> pg_backend_pid()") },
	postmaster => sub { $node->crash });
my @order = sort { $a cmp $b } keys %kill;

add_aws($node, $emq->endpoint, request_timeout => '2s');
read_queue($node, 'logins', 'logins', batch_size => 200);
foreach my $round (1 .. $rounds)
{
	my $sent = send_stream($node, $sqs, 'logins', 'oracle',
		[ '-m', 30, '-r', 200, '-l', 200 ],
		int($events / $rounds), 300, $seed % 1000 * 10 + $round);
	last if $round == $rounds;

	# at some moment of the reading
	my $moment = int(rand(0.9 * $sent));
	my $what = splice @order, rand @order, 1;
	wait_until(sub { $sqs->counts('logins')->{all} <= $sent - $moment },
		"$moment of $sent");
	note("round $round: $what after $moment of $sent");
	$kill{$what}->();
	wait_until(sub { ask('SELECT true') }, 'the server');
}
await_queue($sqs, 'logins');

my $winners = winners('oracle');
is( $node->safe_psql('postgres', "
		SELECT count(*) FROM (TABLE user_services EXCEPT $winners) x"),
	'0', 'user_services has nothing that it should not');
is( $node->safe_psql('postgres', "
		SELECT count(*) FROM ($winners EXCEPT TABLE user_services) x"),
	'0', 'and nothing is missing');

$node->safe_psql('postgres', q{
	CREATE VIEW letters AS
		SELECT source_position->>'message_id' AS message_id, reason,
			convert_from(payload, 'UTF8') AS payload
		FROM evaudit.dead_letters
		WHERE source = 'logins' AND source_position->>'queue' = 'logins';
	CREATE VIEW refused AS
		SELECT message_id, reason, payload FROM oracle WHERE reason <> 'ok'});
cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM refused'),
	'>', $events / 100, 'some of it cannot be used');
is( $node->safe_psql('postgres',
		'SELECT count(*) FROM (TABLE letters EXCEPT ALL TABLE refused) x'),
	'0', 'no dead letter but of a bad event, once');
is( $node->safe_psql('postgres',
		'SELECT count(*) FROM (TABLE refused EXCEPT ALL TABLE letters) x'),
	'0', 'and none is missing');
is( $node->safe_psql('postgres', 'SELECT count(*) FROM evaudit.dead_letters'),
	$node->safe_psql('postgres', 'SELECT count(*) FROM letters'),
	'every dead letter has its position');

$node->stop;
$emq->stop;
done_testing();
