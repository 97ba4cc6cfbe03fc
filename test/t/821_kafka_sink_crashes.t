# Each committed event is in Kafka once, and each key in order, whatever is
# killed meanwhile: the process of the sink, a backend, the postmaster, the
# broker.  EVAUDIT_TEST_SEED repeats a run; EVAUDIT_SINK_EVENTS makes it a
# larger one, of 8 writers and at least so many events.

use strict;
use warnings;

use Evaudit::Cluster;
use Evaudit::Kafka;
use IPC::Run;
use Test::More;

plan skip_all => Evaudit::Kafka::unavailable()
  if Evaudit::Kafka::unavailable();

my $EVENTS = $ENV{EVAUDIT_SINK_EVENTS} || 0;
my $WRITERS = $EVENTS ? 8 : 4;
my $MAX_EVENTS = $EVENTS ? 1000 : 12;    # of a transaction
my $BATCH = $EVENTS ? 2000 : 50;
my $ROUNDS = $ENV{EVAUDIT_SINK_ROUNDS} || 12;
my $seed = $ENV{EVAUDIT_TEST_SEED} || int(rand(1 << 30));
srand($seed);
diag("seed $seed");

my $kafka = Evaudit::Kafka->new;
$kafka->start;
my $node = Evaudit::Cluster->new('main',
	conf => "evaudit.max_backoff = '200ms'\nrestart_after_crash = on\n");
my $servers = $kafka->servers;

$kafka->create_topic($_, 3) foreach 'exactly', 'least';
$node->safe_psql('postgres', qq{
	CREATE SERVER kafka FOREIGN DATA WRAPPER evaudit_kafka
		OPTIONS ("bootstrap.servers" '$servers',
			"reconnect.backoff.max.ms" '200', "transaction.timeout.ms" '10000');
	CREATE INDEX ON evaudit.events
		((payload ->> 'k'), ((payload ->> 'n')::bigint));
	SELECT evaudit.create_topic('e', NULL, '{"key": "/k"}');
	SELECT evaudit.create_sink('exactly', 'kafka', '{e}',
		'{"topic": "exactly", "batch_size": $BATCH}');
	SELECT evaudit.create_sink('least', 'kafka', '{e}',
		'{"topic": "least", "delivery": "at_least_once", "batch_size": $BATCH}')});

# Each writer has keys of its own and counts their events; some transactions
# are rolled back, some are long.
sub write_events
{
	my ($writer, $rounds) = @_;
	return qq{
		DO \$\$
		DECLARE
			k text; first bigint;
		BEGIN
			FOR i IN 1 .. $rounds LOOP
				k := '$writer-' || (random() * 4)::integer;
				first := COALESCE((SELECT max((payload ->> 'n')::bigint)
					FROM evaudit.events WHERE topic = 'e'
					AND payload ->> 'k' = k), 0);
				PERFORM evaudit.publish('e', jsonb_build_object('k', k,
					'n', first + j))
				FROM generate_series(1,
					1 + (random() * random() * $MAX_EVENTS)::integer) j;
				IF random() < 0.2 THEN ROLLBACK; ELSE COMMIT; END IF;
			END LOOP;
		END \$\$};
}

# Start the writers on a connection each; what becomes of them does not matter.
sub start_writers
{
	return map {
		my $sql = write_events($_, 40);
		my $out = '';
		IPC::Run::start([ 'psql', '-XqAt', '-d', $node->connstr('postgres'),
				'-c', $sql ], '<', \undef, '>', \$out, '2>', \$out);
	} 1 .. $WRITERS;
}

# The pid of a process that is there, or undef.
sub pid_of
{
	my ($condition) = @_;
	my ($status, $out) = $node->psql('postgres',
		"SELECT pid FROM pg_stat_activity WHERE $condition"
		  . ' AND pid <> pg_backend_pid() ORDER BY random() LIMIT 1');
	return defined $out && $out =~ /^(\d+)$/ ? $1 : undef;
}

sub count_events
{
	return $node->safe_psql('postgres', 'SELECT count(*) FROM evaudit.events');
}

my @faults = (
	[ 'sink process', sub { $node->kill_one("backend_type LIKE 'evaudit sink%'") } ],
	[ 'sink process, gently', sub {
			my $pid = pid_of("backend_type LIKE 'evaudit sink%'") or return;
			kill 'TERM', $pid } ],
	[ 'backend', sub { $node->kill_one("backend_type = 'client backend'") } ],
	[ 'postmaster', sub { $node->crash } ],
	[ 'broker', sub { $kafka->kill9; $kafka->start } ]);

for (my $round = 1; $round <= $ROUNDS || count_events() < $EVENTS; $round++)
{
	my ($name, $inject) = @{ $faults[ $round <= @faults ? $round - 1 : rand @faults ] };
	my $wanted = count_events() + int(rand($MAX_EVENTS * 16));
	my @writers = start_writers();

	$node->wait_for("SELECT count(*) >= $wanted FROM evaudit.events");
	note("round $round: $name");
	$inject->();
	foreach my $writer (@writers)
	{
		eval { $writer->finish };
	}
}

# all of it arrives
$node->wait_for("SELECT string_agg(pending::text, ' ') FROM evaudit.stat_sinks",
	'0 0');
my %committed = map { $_ => 1 } split /\n/, $node->safe_psql('postgres',
	q{SELECT payload ->> 'k' || ' ' || (payload ->> 'n') FROM evaudit.events
		WHERE topic = 'e'});
cmp_ok(scalar keys %committed, '>', 100, scalar(keys %committed) . ' events');

# The events of a topic as "key number", by partition and offset.
sub arrived
{
	my ($topic) = @_;
	return map { $_->{value} =~ /"k": "([^"]+)"/ or die; my $k = $1;
		$_->{value} =~ /"n": (\d+)/ or die; "$k $1" } @{ $kafka->records($topic) };
}

my @exactly = arrived('exactly');
is(scalar @exactly, scalar keys %committed, 'as many as were committed');
is_deeply([ sort @exactly ], [ sort keys %committed ], 'each of them once');
my (%last, @disordered);
foreach (@exactly)
{
	my ($k, $n) = split / /;
	push @disordered, $_ if $n <= ($last{$k} // 0);
	$last{$k} = $n;
}
is("@disordered", '', 'each key in order');

my %least;
my @least = arrived('least');
%last = ();
@disordered = ();
foreach (@least)
{
	my ($k, $n) = split / /;

	# one that comes for the first time comes after those before it
	push @disordered, $_ if !$least{$_}++ && $n <= ($last{$k} // 0);
	$last{$k} = $n if $n > ($last{$k} // 0);
}
is_deeply([ sort keys %least ], [ sort keys %committed ],
	'at least once: each of them');
is("@disordered", '', 'first arrivals of a key in order');
note(@least - keys(%least) . ' of ' . @least . ' were repeated');

done_testing();
