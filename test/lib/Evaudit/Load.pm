
=pod

=head1 NAME

Evaudit::Load - requests without end, for a test that kills what serves them

=head1 SYNOPSIS

  my $load = Evaudit::Load->new(
      port => $port, connections => 16,
      path => '/topics/orders', headers => { Authorization => "Bearer $token" },
      body => sub { my ($n) = @_; return qq({"n": $n}) });
  $load->wait_for_accepted(1000);     # until so many more were answered 202
  my $results = $load->finish;        # { 1 => 202, 2 => 'lost', 3 => 503 }

A process posts request after request over keep-alive connections, each number
once: what is not answered is not sent again.  C<lost> is a request whose
connection broke.  Where nobody listens it tries until somebody does.

=cut

package Evaudit::Load;

use strict;
use warnings;

use parent 'Evaudit::Process';

use Carp;
use IO::Select;
use IO::Socket::INET;
use POSIX ();
use PostgreSQL::Test::Utils;
use Time::HiRes qw(time usleep);

my $DEADLINE = $PostgreSQL::Test::Utils::timeout_default || 180;

sub new
{
	my ($class, %args) = @_;
	my $self = $class->SUPER::new('load', %args);

	$self->{results} = "$self->{dir}/results";
	append_to_file($self->{results}, '');
	$self->{pid} = fork();
	croak "could not fork: $!" unless defined $self->{pid};
	if ($self->{pid} == 0)
	{
		eval { $self->_post; 1 } or warn $@;
		POSIX::_exit($@ ? 1 : 0);
	}
	return $self;
}

# Wait until some more requests were answered 202.
sub wait_for_accepted
{
	my ($self, $count) = @_;
	my $deadline = time() + $DEADLINE;
	my $goal = $self->_accepted + $count;

	until ($self->_accepted >= $goal)
	{
		croak 'the load has ended' unless $self->running;
		croak "waited in vain for $goal requests" if time() > $deadline;
		usleep(50_000);
	}
	return;
}

sub _accepted
{
	my ($self) = @_;
	my $count = () = slurp_file($self->{results}) =~ / 202\n/g;
	return $count;
}

# Let what is under way be answered, end, and return what became of each.
sub finish
{
	my ($self) = @_;

	$self->stop;
	return $self->_results;
}

sub _results
{
	my ($self) = @_;
	return { map { split / / } grep { / / } split /\n/, slurp_file($self->{results}) };
}

# The process: keep each connection busy until told to end.
sub _post
{
	my ($self) = @_;
	my ($next, $stop, %busy) = (1, 0);
	my $select = IO::Select->new;

	local $SIG{TERM} = sub { $stop = 1 };
	local $SIG{PIPE} = 'IGNORE';
	open(my $results, '>>', $self->{results}) or die $!;
	$results->autoflush(1);
	my $done = sub {
		my ($connection, $result) = @_;
		print $results "$connection->{n} $result\n";
		$connection->{n} = undef;
	};
	for (;;)
	{
		while (!$stop && keys %busy < $self->{connections})
		{
			my $socket = $self->_connect or last;
			$busy{$socket} = { socket => $socket, text => '' };
			$select->add($socket);
			$self->_send($busy{$socket}, $next++);
		}
		last if $stop && !keys %busy;
		usleep(20_000) unless keys %busy;
		foreach my $socket ($select->can_read(0.5))
		{
			my $connection = $busy{$socket};
			my $status = $self->_receive($connection);
			next unless defined $status;
			$done->($connection, $status);
			if ($status eq 'lost' || $connection->{closing} || $stop)
			{
				$select->remove($socket);
				delete $busy{$socket};
				close($socket);
				next;
			}
			# for as long as the database is away, at a pace
			usleep(2_000) if $status eq '503';
			$self->_send($connection, $next++);
		}
	}
	return;
}

sub _connect
{
	my ($self) = @_;
	return IO::Socket::INET->new(
		PeerAddr => '127.0.0.1',
		PeerPort => $self->{port},
		Timeout => 5);
}

# Send one request; that the connection is broken shows when it is read.
sub _send
{
	my ($self, $connection, $n) = @_;
	my $body = $self->{body}->($n);
	my %headers = (%{ $self->{headers} || {} }, 'Content-Length' => length($body));

	$connection->{n} = $n;
	syswrite($connection->{socket},
		join("\r\n", "POST $self->{path} HTTP/1.1", 'Host: x',
			(map { "$_: $headers{$_}" } sort keys %headers), '', $body));
	return;
}

# Read some of a response: its status when it is complete, or "lost".
sub _receive
{
	my ($self, $connection) = @_;
	my $len = sysread($connection->{socket}, $connection->{text}, 65536,
		length($connection->{text}));

	return 'lost' unless $len;
	my ($head, $body) = split /\r\n\r\n/, $connection->{text}, 2;
	return unless defined $body;
	my ($length) = $head =~ /^Content-Length: (\d+)/mi;
	return unless length($body) >= ($length // 0);
	my ($status) = $head =~ m{^HTTP/1\.1 (\d+)};
	$connection->{closing} = $head =~ /^Connection: close/mi;
	$connection->{text} = '';
	return $status;
}

1;
