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

my @order = @PROCESSES;

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
	kill_process($node, $what);
}
await_queue($sqs, 'logins');

check_winners($node, 'oracle');

$node->safe_psql('postgres', q{
	CREATE VIEW letters AS
		SELECT source_position->>'message_id' AS message_id, reason,
			convert_from(payload, 'UTF8') AS payload
		FROM evaudit.dead_letters
		WHERE source = 'logins' AND source_position->>'queue' = 'logins';
	CREATE VIEW refused AS
		SELECT message_id, reason, payload FROM oracle WHERE reason <> 'ok'});
check_letters($node, $events / 100);

$node->stop;
$emq->stop;
done_testing();
