# Each event has its effect exactly once, whatever is killed and whenever.

use strict;
use warnings;

use Evaudit::Cluster;
use Evaudit::Kafka;
use Evaudit::Pipeline;
use List::Util qw(sum);
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => Evaudit::Kafka::unavailable()
  if Evaudit::Kafka::unavailable();

# Rounds of producing, reading and killing; the seed of what is random.
my $ROUNDS = 12;
my $seed = $ENV{EVAUDIT_TEST_SEED} || time();
srand($seed);
diag("EVAUDIT_TEST_SEED=$seed");

my $kafka = Evaudit::Kafka->new;
$kafka->start;
$kafka->create_topic('logins', 4);

my $node = Evaudit::Cluster->new('main', conf => <<'EOT');
evaudit.max_backoff = '200ms'
restart_after_crash = on
log_statement = none
checkpoint_timeout = 30s
EOT
my @kinds = ('-m', 20, '-r', 100, '-l', 200);

# Produce a stream; its events are what the tables must say in the end.
my $nstreams = 0;
sub produce
{
	my ($count, $users, @options) = @_;
	my @stream = ($count, $users, 1000 * $seed % 1_000_000 + $nstreams++);

	$kafka->load('logins', @stream, @kinds, @options);
	load_oracle($node, $kafka, 'oracle', \@kinds, @stream)
	  unless "@options" =~ /abort/;
}

sub read_so_far
{
	return ask_if_up($node, 'SELECT sum(next_offset) FROM evaudit.offsets') || 0;
}

# What a user's trigger might do: it takes long enough to be killed meanwhile.
$node->safe_psql('postgres', q{
	CREATE FUNCTION take_long() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN PERFORM sum(i) FROM generate_series(1, 500) i; RETURN NEW; END $$;
	CREATE TRIGGER take_long BEFORE INSERT OR UPDATE ON user_services
		FOR EACH ROW EXECUTE FUNCTION take_long()});

produce(5000, 2000);
read_topic($node, $kafka, 'logins', topics => 'logins', workers => 2,
	batch_size => 100);
foreach my $round (1 .. $ROUNDS)
{
	my $before = read_so_far();

	# a transaction never comes last, so every log is read to its end
	produce(2500, 50_000, '-T', 'abort') if $round % 3 == 1;
	produce(2500, 50_000, '-T', 'commit') if $round % 3 == 2;
	produce(15_000, 2000);

	# at some moment of the reading
	my $end = sum(map { $_->[1] } @{ $kafka->offsets('logins') });
	my $moment = $before + int(rand(0.9 * ($end - $before)));
	wait_until(sub { read_so_far() >= $moment }, "offset $moment");
	my $what = $PROCESSES[ rand @PROCESSES ];
	note("round $round: $what after " . ($moment - $before) . ' of '
		  . ($end - $before));
	kill_process($node, $what);
}

await_end($node, $kafka, 'logins', 'logins');

check_winners($node, 'oracle');

# what is in the topic, and for which reason it must be refused
my $file = PostgreSQL::Test::Utils::tempdir() . '/sent';
append_to_file($file, $kafka->tool('consume', 'logins'));
$node->safe_psql('postgres', qq{
	CREATE TABLE sent (partition integer, place bigint, key text, payload text);
	COPY sent FROM '$file';
	CREATE TABLE refused AS
		SELECT s.partition, s.place, o.reason,
			convert_to(s.key, 'UTF8') AS key,
			convert_to(s.payload, 'UTF8') AS payload
		FROM sent s JOIN (SELECT DISTINCT payload, reason FROM oracle
			WHERE reason <> 'ok') o USING (payload);
	CREATE VIEW letters AS
		SELECT (source_position->>'partition')::integer AS partition,
			(source_position->>'offset')::bigint AS place,
			reason, key, payload
		FROM evaudit.dead_letters
		WHERE source = 'logins' AND source_position->>'topic' = 'logins'});
is( $node->safe_psql('postgres', 'SELECT count(*) FROM sent'),
	$node->safe_psql('postgres', 'SELECT count(*) FROM oracle'),
	'what was sent is what was to be sent');
check_letters($node, 1000);

$node->stop;
$kafka->stop;
done_testing();
