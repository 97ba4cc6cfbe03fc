
=pod

=head1 NAME

Evaudit::Front - evaudit-http for a test

=head1 SYNOPSIS

  my $front = Evaudit::Front->new($node, 'max-queue' => 10);
  my $response = $front->request('POST', '/events', $body, 'X-A' => 'b');
  is($response->{status}, 202);
  my $socket = $front->connection;    # to write whatever one likes
  my $value = $front->metric('evaudit_http_connections');

The program listens at C<port> for clients and at C<admin_port> for /ready and
/metrics, and connects as the role C<front>, which is made with EXECUTE on
evaudit.http() and no more.

=cut

package Evaudit::Front;

use strict;
use warnings;

use parent 'Evaudit::Process';

use Carp;
use HTTP::Tiny;
use IO::Socket::INET;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Time::HiRes qw(time usleep);

# Seconds after which a condition is taken never to come.
my $DEADLINE = $PostgreSQL::Test::Utils::timeout_default || 180;

sub new
{
	my ($class, $node, %options) = @_;
	my $self = $class->SUPER::new('front',
		program => $ENV{EVAUDIT_FRONT},
		port => PostgreSQL::Test::Cluster::get_free_port(),
		admin_port => PostgreSQL::Test::Cluster::get_free_port());

	$node->safe_psql('postgres', q(
		DO $$ BEGIN
			IF to_regrole('front') IS NULL THEN
				CREATE ROLE front LOGIN;
				GRANT EXECUTE ON FUNCTION evaudit.http(text, text, jsonb, bytea)
					TO front;
			END IF;
		END $$));
	$self->{options} = [
		'--listen' => "127.0.0.1:$self->{port}",
		'--admin' => "127.0.0.1:$self->{admin_port}",
		'--database' => $node->connstr('postgres') . ' user=front',
		map { ("--$_" => $options{$_}) } sort keys %options
	];
	return $self->begin;
}

# Start the program, again perhaps, with options beside those of new().
sub begin
{
	my ($self, @options) = @_;
	$self->launch($ENV{EVAUDIT_FRONT}, @{ $self->{options} }, @options);
	$self->await(sub { $self->ready });
	return $self;
}

# Whether a process is there and no zombie.
sub has_files
{
	my ($pid) = @_;
	my $stat = eval { slurp_file("/proc/$pid/stat") } // '';
	return $stat =~ /\) [^Z]/;
}

# Kill the parent and all processes, and start again.
sub crash
{
	my ($self) = @_;
	my @children = split / /, slurp_file("/proc/$self->{pid}/task/$self->{pid}/children");
	kill 'KILL', $self->{pid}, @children;
	$self->kill9;
	# until the last one has ended its ports are taken
	my $deadline = time() + $DEADLINE;
	usleep(10_000) while time() < $deadline && grep { has_files($_) } @children;
	return $self->begin;
}

sub ready
{
	my ($self) = @_;
	return HTTP::Tiny->new(timeout => 10)
	  ->get("http://127.0.0.1:$self->{admin_port}/ready")->{status} == 200;
}

# A request over a connection of its own.
sub request
{
	my ($self, $method, $path, $body, %headers) = @_;
	my %args = (headers => { 'Content-Type' => 'application/json', %headers });
	$args{content} = $body if defined $body;
	return HTTP::Tiny->new(timeout => $DEADLINE)
	  ->request($method, "http://127.0.0.1:$self->{port}$path", \%args);
}

# A connection to write to.
sub connection
{
	my ($self) = @_;
	my $socket = IO::Socket::INET->new(
		PeerAddr => '127.0.0.1',
		PeerPort => $self->{port}) or croak "could not connect: $@";
	$socket->autoflush(1);
	return $socket;
}

# Write a request without waiting for its response.
sub start_request
{
	my ($self, $method, $path, $body) = @_;
	my $socket = $self->connection;
	print $socket "$method $path HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
	  . 'Content-Length: ' . length($body) . "\r\n\r\n$body";
	return $socket;
}

# All that comes until the other side closes.
sub read_all
{
	my ($self, $socket) = @_;
	my $text = '';
	local $SIG{ALRM} = sub { croak "waited in vain; so far: $text" };
	alarm $DEADLINE;
	1 while sysread($socket, $text, 65536, length($text));
	alarm 0;
	return $text;
}

# The status of a response that was begun by start_request().
sub status_of
{
	my ($self, $socket) = @_;
	my ($status) = $self->read_all($socket) =~ m{^HTTP/1\.1 (\d+)};
	return $status;
}

# The line of the log about a request, by its id.
sub logged
{
	my ($self, $id) = @_;
	my $line;
	$self->await(sub {
		($line) = grep { /"request_id":"\Q$id\E"/ } split /\n/, slurp_file("$self->{dir}/log");
		return $line;
	});
	return decode_json($line);
}

# The value of a series; name and labels as /metrics has them.
sub metric
{
	my ($self, $series) = @_;
	my $text = HTTP::Tiny->new(timeout => $DEADLINE)
	  ->get("http://127.0.0.1:$self->{admin_port}/metrics")->{content};
	my ($value) = $text =~ /^\Q$series\E (\S+)$/m;
	return $value;
}

# Wait until a series has a value.
sub await_metric
{
	my ($self, $series, $expected) = @_;
	my $deadline = time() + $DEADLINE;
	my $value;
	while (($value = $self->metric($series)) != $expected)
	{
		croak "$series is $value, not $expected" if time() > $deadline;
		usleep(20_000);
	}
	return 1;
}

1;
