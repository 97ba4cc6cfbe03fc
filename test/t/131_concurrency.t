# Two sources of several workers, and sessions that publish, write one table:
# it comes out the same, without a deadlock.

use strict;
use warnings;

use Evaudit::Cluster;
use Evaudit::Kafka;
use Evaudit::Pipeline;
use IPC::Run;
use Test::More;

plan skip_all => Evaudit::Kafka::unavailable()
  if Evaudit::Kafka::unavailable();

my $kafka = Evaudit::Kafka->new;
$kafka->start;
my $node = Evaudit::Cluster->new('main', conf => <<'EOT');
log_statement = none
max_worker_processes = 20
deadlock_timeout = 100ms
EOT

sub ask { return $node->safe_psql('postgres', $_[0]); }

# Few users, so that all write the same rows.
my @kinds = ('-m', 10, '-r', 100, '-l', 300);
my @first = (40_000, 400, 1);
my @second = (20_000, 400, 2);
my @published = (6000, 400, 3);
$kafka->create_topic('first', 4);
$kafka->create_topic('second', 2);
$kafka->load('first', @first, @kinds);
$kafka->load('second', @second, @kinds);
load_oracle($node, $kafka, 'oracle', \@kinds, @$_)
  foreach \@first, \@second;
ask('CREATE TABLE published (LIKE oracle)');
load_oracle($node, $kafka, 'published', [ '-r', 100, '-l', 300 ], @published);
ask('INSERT INTO oracle TABLE published');
my $bad = ask("SELECT count(*) FROM oracle WHERE reason <> 'ok'");

# Sessions that publish each event in a transaction of its own.
sub start_sessions
{
	my ($n) = @_;

	return map {
		my $sql = qq{DO \$\$
			DECLARE p text; BEGIN
				FOR p IN SELECT payload FROM published WHERE n % $n = $_ LOOP
					PERFORM evaudit.publish('login', p::jsonb);
					COMMIT;
				END LOOP;
			END \$\$};
		IPC::Run::start([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d',
				$node->connstr('postgres'), '-c', $sql ]);
	} 0 .. $n - 1;
}

add_server($node, $kafka->servers);
my $winners = winners('oracle');
foreach my $workers (1, 2, 4)
{
	ask('TRUNCATE user_services; TRUNCATE evaudit.dead_letter_store');
	read_topic($node, $kafka, 'first', topics => 'first',
		workers => $workers, batch_size => 50);
	read_topic($node, $kafka, 'second', topics => 'second',
		workers => 2, batch_size => 20);
	my @sessions = start_sessions(3);

	await_end($node, $kafka, 'first', 'first');
	await_end($node, $kafka, 'second', 'second');
	is(scalar(grep { $_->finish } @sessions), 3, 'sessions could publish');
	is(scalar(@{ worker_pids($node, 'first') }), $workers, "workers: $workers");
	is(ask("SELECT count(*) FROM ((TABLE user_services EXCEPT $winners)
				UNION ALL ($winners EXCEPT TABLE user_services)) x"),
		0, 'the table is what the events say');
	is(ask('SELECT received, dead_lettered >= 0, lag FROM evaudit.stat_sources,
			(SELECT sum(lag) AS lag FROM evaudit.stat_partitions) p
			ORDER BY name'),
		"$first[0]|t|0\n$second[0]|t|0", 'each event was read once');
	is(ask("SELECT sum(dead_lettered) || '|' || (SELECT count(*) || '|' ||
				count(DISTINCT source_position) FROM evaudit.dead_letters)
			FROM evaudit.stat_sources"),
		"$bad|$bad|$bad", 'and each bad one is a dead letter');

	# the work is spread: partitions of a topic fall to workers in turn
	is(ask(q{SELECT count(DISTINCT pid) FROM pg_stat_activity a,
				evaudit.stat_sources s WHERE a.pid = ANY (s.pids)}),
		$workers + 2, 'all workers run');
	ask("SELECT evaudit.drop_source('$_')") foreach 'first', 'second';
	$node->wait_for(q{SELECT count(*) FROM pg_stat_activity
		WHERE backend_type = 'evaudit worker'}, 0);
}
is(ask('SELECT sum(deadlocks) FROM pg_stat_database'), 0, 'no deadlock');
ok(!$node->log_contains('ERROR'), 'nor any other error');

done_testing();
