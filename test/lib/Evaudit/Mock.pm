
=pod

=head1 NAME

Evaudit::Mock - a broker that is up in milliseconds, for tests of the database

=head1 SYNOPSIS

  my $broker = Evaudit::Mock->new('logins');       # topic, partitions
  $broker->login('user', 'service', 1700000000);   # epoch seconds
  $broker->add_source($node, 'logins', database => 'db', role => 'r');
  $broker->await($node, $database);                # all is read
  my $port = Evaudit::Mock::silent_port();         # takes connections,
                                                   # never answers

librdkafka's mock cluster, in the program demo/broker that EVAUDIT_BROKER
names: enough where what is tested is the database and not the broker.  See
Evaudit::Kafka for a real one.

=cut

package Evaudit::Mock;

use strict;
use warnings;

use Carp;
use Evaudit::Cluster;
use IO::Socket::INET;
use IPC::Run;
use POSIX qw(strftime);
use PostgreSQL::Test::Utils;
use Time::HiRes qw(time usleep);

# Sockets that listen until the test ends.
my @silent;

# Why a test that needs a broker cannot run here; undef if it can.
sub unavailable
{
	return 'EVAUDIT_BROKER is not set' unless $ENV{EVAUDIT_BROKER};
	return 'EVAUDIT_KAFKA_TOOL is not set' unless $ENV{EVAUDIT_KAFKA_TOOL};
	return undef;
}

sub new
{
	my ($class, $topic, $partitions) = @_;
	my $file = PostgreSQL::Test::Utils::tempdir() . '/servers';
	my $self = bless { topic => $topic, sent => 0, input => '' }, $class;

	$self->{harness} = IPC::Run::start(
		[ $ENV{EVAUDIT_BROKER}, $topic, $partitions || 1, $file ],
		'<', \$self->{input}, '>', '/dev/null');
	my $deadline = time() + ($PostgreSQL::Test::Utils::timeout_default || 180);
	until (-s $file && slurp_file($file) =~ /^(\S+)\n/)
	{
		croak 'the broker did not start' if time() > $deadline;
		usleep(20_000);
	}
	$self->{servers} = (split /\n/, slurp_file($file))[0];
	return $self;
}

# For bootstrap.servers.
sub servers
{
	my ($self) = @_;
	return $self->{servers};
}

# Send lines as kafka_tool reads them, with some of its options.
sub produce_lines
{
	my ($self, $options, @lines) = @_;
	my ($out, $err);
	my $input = join('', map { "$_\n" } @lines);

	IPC::Run::run(
		[
			$ENV{EVAUDIT_KAFKA_TOOL}, '-s', $self->{servers}, @$options,
			'produce', $self->{topic}
		],
		'<', \$input, '>', \$out, '2>', \$err)
	  or croak "produce: $err";
	$self->{sent} += @lines;
	return;
}

# Send payloads.
sub produce
{
	my ($self, @payloads) = @_;
	return $self->produce_lines([], @payloads);
}

# Send the login event of a user and service at a time.
sub login
{
	my ($self, $user, $service, $time) = @_;
	my $timestamp = strftime('%Y-%m-%dT%H:%M:%SZ', gmtime($time));

	$self->produce(qq({"user_id": "$user", "service_id": "$service", )
		  . qq("service_name": "$service", "timestamp": "$timestamp"}));
	return;
}

# Make a server "kafka", if there is none, and a source that reads the topic
# from its beginning.
sub add_source
{
	my ($self, $node, $name, %args) = @_;
	my $role = $args{role} ? "SET ROLE \"$args{role}\";" : '';
	my $servers = $args{servers} || $self->{servers};

	$node->safe_psql($args{database} || 'postgres', qq{
		DO \$\$
		BEGIN
			IF NOT EXISTS (SELECT FROM pg_foreign_server
						   WHERE srvname = 'kafka') THEN
				CREATE SERVER kafka FOREIGN DATA WRAPPER evaudit_kafka
					OPTIONS ("bootstrap.servers" '$servers');
				GRANT USAGE ON FOREIGN SERVER kafka TO PUBLIC;
			END IF;
		END
		\$\$;
		$role
		SELECT evaudit.create_source('$name', 'kafka', options =>
			'{"topics": "$self->{topic}", "start": "earliest",
			  "batch_interval": "10ms"}')});
	return;
}

# Wait until every source of a database has read, and counted, all that was
# sent.
sub await
{
	my ($self, $node, $database) = @_;

	$node->wait_for(
		'SELECT bool_and(n = ' . $self->{sent} . ') FROM (SELECT'
		  . ' COALESCE(sum(next_offset), -1) n FROM evaudit.sources s LEFT JOIN'
		  . ' evaudit.offsets o ON o.source_id = s.id GROUP BY s.id) o WHERE '
		  . Evaudit::Cluster::counted(),
		't', database => $database);
	return;
}

# A port whose connections open, and where nothing ever answers.
sub silent_port
{
	push @silent, IO::Socket::INET->new(
		LocalAddr => '127.0.0.1',
		Listen => 100) || croak "listen: $!";
	return $silent[-1]->sockport;
}

# End the broker.
sub stop
{
	my ($self) = @_;

	return unless $self->{harness};
	$self->{harness}->finish;
	delete $self->{harness};
	return;
}

sub DESTROY
{
	my ($self) = @_;
	local ($?, $@);
	$self->{harness}->kill_kill if $self->{harness};
	return;
}

1;
