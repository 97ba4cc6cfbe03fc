
=pod

=head1 NAME

Evaudit::Pipeline - what tests of a server that reads from a broker share

=head1 SYNOPSIS

  read_topic($node, $kafka, 'logins', topics => 'logins', workers => 2);
  await_end($node, $kafka, 'logins', 'logins');    # source, topic
  wait_until(sub { ... }, 'what is waited for');
  my $pid = worker_pids($node, 'logins')->[0];
  my $ms = cpu_ms($pid);                           # used since its start
  load_oracle($node, $kafka, 'events', [ '-m', 20 ], 1000, 50, 7);
  send_stream($node, $emq->queue, 'logins', 'events', [ '-m', 20 ], 1000, 50, 7);
  kill_process($node, 'worker');                   # of @PROCESSES
  check_winners($node, 'events');
  check_letters($node, 1000);                      # of views of the test

=cut

package Evaudit::Pipeline;

use strict;
use warnings;

use Carp;
use Evaudit::Cluster;
use Exporter 'import';
use IPC::Run;
use List::Util qw(max);
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

our @EXPORT = qw(@PROCESSES ask_if_up kill_process check_winners check_letters
  add_server read_topic await_end wait_until worker_pids
  cpu_ms load_oracle send_stream winners);

my $DEADLINE = $PostgreSQL::Test::Utils::timeout_default || 180;

# Make the server "kafka" for a broker, with further properties.
sub add_server
{
	my ($node, $servers, %properties) = @_;
	my $options = join('',
		map { qq{, "$_" '$properties{$_}'} } sort keys %properties);

	$node->safe_psql('postgres', qq{
		CREATE SERVER kafka FOREIGN DATA WRAPPER evaudit_kafka
			OPTIONS ("bootstrap.servers" '$servers'$options)});
	return;
}

# Create a source of the server "kafka", made if it is not there.
sub read_topic
{
	my ($node, $kafka, $source, %options) = @_;
	my $json = join(', ',
		map { qq{"$_": } . ($options{$_} =~ /^([0-9]+|[\[{].*)$/s
				? $options{$_} : qq{"$options{$_}"}) } sort keys %options);

	add_server($node, $kafka->servers)
	  unless $node->safe_psql('postgres',
		"SELECT count(*) FROM pg_foreign_server WHERE srvname = 'kafka'");
	$node->safe_psql('postgres',
		"SELECT evaudit.create_source('$source', 'kafka', options => '{$json}')");
	return;
}

# Wait until a source has read, and counted, all that is in a topic.  A broker
# that has hung takes itself, and with it the topic, for gone at first.
sub await_end
{
	my ($node, $kafka, $source, $topic) = @_;
	my $offsets;

	wait_until(sub { $offsets = eval { $kafka->offsets($topic) } },
		"topic $topic");
	$node->wait_for(
		"SELECT string_agg(format('%s:%s', partition, next_offset), ' '"
		  . " ORDER BY partition) FROM evaudit.stat_partitions"
		  . " WHERE source = '$source' AND topic = '$topic' AND "
		  . Evaudit::Cluster::counted($source),
		join(' ', map { "$_:$offsets->[$_][1]" } 0 .. $#$offsets));
	return;
}

# Wait until a condition holds; dies when the time is over.  One that takes
# long to find out is asked for less often, lest asking holds up what is waited
# for: ElasticMQ counts a queue by looking at each message.
sub wait_until
{
	my ($condition, $what, $deadline) = @_;
	my $end = time() + ($deadline || $DEADLINE);

	while (1)
	{
		my $asked = time();
		return 1 if $condition->();
		my $now = time();
		croak "waited in vain for $what" if $now > $end;
		usleep(max(20_000, 3e6 * ($now - $asked)));
	}
}

# The processes that read a source, by its worker's number.
sub worker_pids
{
	my ($node, $source) = @_;
	my $pids = $node->safe_psql('postgres',
		"SELECT array_to_string(pids, ' ') FROM evaudit.stat_sources"
		  . " WHERE name = '$source'");
	return [ split / /, $pids ];
}

# Milliseconds of CPU that processes used since their start: of all their
# threads, which schedstat counts in nanoseconds.
sub cpu_ms
{
	my (@pids) = @_;
	my $ns = 0;

	foreach my $pid (@pids)
	{
		foreach my $file (glob "/proc/$pid/task/*/schedstat")
		{
			# a thread may end at any moment
			open(my $thread, '<', $file) or next;
			$ns += (split / /, readline($thread) // '0')[0];
		}
	}
	return $ns / 1e6;
}

# Add the events of a stream to a table (n, reason, user_id, service_id,
# service_name, last_accessed, payload), made if it is not there.
sub load_oracle
{
	my ($node, $kafka, $table, $options, @stream) = @_;
	my $file = PostgreSQL::Test::Utils::tempdir() . '/stream';
	my $exists = $node->safe_psql('postgres', "SELECT to_regclass('$table')");

	append_to_file($file, $kafka->tool(@$options, 'dump', @stream));
	$node->safe_psql('postgres', qq{
		CREATE TABLE $table (n bigint, reason text,
			user_id text COLLATE "C", service_id text COLLATE "C",
			service_name text COLLATE "C", last_accessed timestamptz,
			payload text)}) unless $exists;
	$node->safe_psql('postgres', "COPY $table FROM '$file'");
	return;
}

# Send the events of a stream to a queue, and add them to a table as
# load_oracle() does, with message_id, too.  An event without a payload, which
# no queue takes, is left out.  Returns how many were sent.
sub send_stream
{
	my ($node, $sqs, $queue, $table, $options, @stream) = @_;
	my $file = PostgreSQL::Test::Utils::tempdir() . '/stream';
	my ($out, $err, @lines);

	IPC::Run::run([ $ENV{EVAUDIT_KAFKA_TOOL}, @$options, 'dump', @stream ],
		'>', \$out, '2>', \$err) or croak "dump: $err";
	@lines = grep { !/\t$/ } split /\n/, $out;
	my @ids = $sqs->send($queue, map { (split /\t/, $_, -1)[6] } @lines);
	append_to_file($file,
		join('', map { "$lines[$_]\t$ids[$_]\n" } 0 .. $#lines));
	$node->safe_psql('postgres', qq{
		SET client_min_messages = warning;
		CREATE TABLE IF NOT EXISTS $table (n bigint, reason text,
			user_id text COLLATE "C", service_id text COLLATE "C",
			service_name text COLLATE "C", last_accessed timestamptz,
			payload text, message_id text);
		COPY $table FROM '$file'});
	return scalar @lines;
}

# The query of what user_services must hold after the events of an oracle's
# table: for each key the greatest (last_accessed, service_name).
sub winners
{
	my ($table) = @_;
	return qq{(
		SELECT DISTINCT ON (user_id, service_id)
			user_id, service_id, service_name, last_accessed
		FROM $table WHERE reason = 'ok'
		ORDER BY user_id, service_id, last_accessed DESC, service_name DESC)};
}

# The rows of a query, or nothing while the server is down.
sub ask_if_up
{
	my ($node, $sql) = @_;
	my ($status, $out) = eval { $node->psql('postgres', $sql) };
	return defined $status && $status == 0 ? $out : '';
}

# What kill_process() takes.
our @PROCESSES = qw(backend postmaster worker);

# Kill a process, and wait until the server is back.
sub kill_process
{
	my ($node, $what) = @_;
	my $worker = "backend_type = 'evaudit worker'";

	$node->crash if $what eq 'postmaster';
	$node->kill_one($worker) if $what eq 'worker';
	$node->kill_one("NOT $worker")
	  if $what eq 'backend';
	wait_until(sub { ask_if_up($node, 'SELECT true') }, 'the server');
	return;
}

# Test that user_services is what a table of load_oracle()'s says.
sub check_winners
{
	my ($node, $table) = @_;
	my $winners = winners($table);
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	is( $node->safe_psql('postgres', "
			SELECT count(*) FROM (TABLE user_services EXCEPT $winners) x"),
		'0', 'user_services has nothing that it should not');
	is( $node->safe_psql('postgres', "
			SELECT count(*) FROM ($winners EXCEPT TABLE user_services) x"),
		'0', 'and nothing is missing');
	return;
}

# Test that the dead letters are those of bad events, each once: more than a
# number of them.  The test has made two relations of the same columns, letters
# of the dead letters with the position of theirs, and refused of what must be.
sub check_letters
{
	my ($node, $more_than) = @_;
	my $count = sub {
		return $node->safe_psql('postgres', "SELECT count(*) FROM $_[0]");
	};
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	cmp_ok($count->('refused'), '>', $more_than, 'some of it cannot be used');
	is($count->('(TABLE letters EXCEPT ALL TABLE refused) x'),
		'0', 'no dead letter but of a bad event, once');
	is($count->('(TABLE refused EXCEPT ALL TABLE letters) x'),
		'0', 'and none is missing');
	is($count->('evaudit.dead_letters'), $count->('letters'),
		'every dead letter has its position');
	return;
}

1;
