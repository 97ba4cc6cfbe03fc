
=pod

=head1 NAME

Evaudit::Proxy - a network path that can be broken

=head1 SYNOPSIS

  my $proxy = Evaudit::Proxy->new($port, listen => $other_port);
  $proxy->port;          # connect here instead
  $proxy->black_hole;    # connections stay, or open, and nothing passes
  $proxy->refuse;        # connections are reset and refused
  $proxy->forward;       # as at the start

A process that passes on TCP connections between loopback ports.  A broker's
clients follow the address that it advertises: give the broker the proxy's
port in advertised.listeners.

=cut

package Evaudit::Proxy;

use strict;
use warnings;

use Carp;
use IO::Handle;
use IO::Select;
use IO::Socket::INET;
use POSIX ();
use PostgreSQL::Test::Cluster;
use Socket qw(SOL_SOCKET SO_LINGER AF_UNIX SOCK_STREAM PF_UNSPEC);

my @proxies;

# Start to forward connections to a port.
sub new
{
	my ($class, $target, %args) = @_;
	my $self = bless {
		target => $target,
		port => $args{listen} || PostgreSQL::Test::Cluster::get_free_port(),
	}, $class;

	socketpair($self->{control}, my $child, AF_UNIX, SOCK_STREAM, PF_UNSPEC)
	  or croak "socketpair: $!";
	$self->{pid} = fork() // croak "fork: $!";
	if ($self->{pid} == 0)
	{
		close $self->{control};
		eval { _serve($self->{port}, $target, $child); };
		POSIX::_exit(0);
	}
	close $child;
	$self->{control}->autoflush(1);
	push @proxies, $self;
	$self->forward;
	return $self;
}

sub port { return $_[0]{port}; }

sub forward { return $_[0]->_command('forward'); }

sub black_hole { return $_[0]->_command('hole'); }

sub refuse { return $_[0]->_command('refuse'); }

# End the proxy and every connection through it.
sub stop
{
	my ($self) = @_;

	return unless $self->{pid};
	kill 'KILL', $self->{pid};
	waitpid(delete $self->{pid}, 0);
	return;
}

# Tell the process what to do, and wait until it does.
sub _command
{
	my ($self, $command) = @_;

	print { $self->{control} } "$command\n";
	my $answer = readline($self->{control}) // 'nothing';
	croak "proxy: $command: $answer" unless $answer eq "done\n";
	return;
}

# The process: one loop over the listener, the control pipe and the pairs.
sub _serve
{
	my ($port, $target, $control) = @_;
	my %state = (port => $port, target => $target, peer => {}, mode => '');
	my $select = IO::Select->new($control);

	$state{select} = $select;
	$control->autoflush(1);
	for (;;)
	{
		foreach my $handle ($select->can_read)
		{
			if ($handle == $control)
			{
				my $command = <$control> // return;
				chomp $command;
				_set_mode(\%state, $command);
				print $control "done\n";
				last;
			}
			elsif ($state{listener} && $handle == $state{listener})
			{
				_accept(\%state);
			}
			elsif ($state{peer}{$handle})
			{
				_pass(\%state, $handle);
			}
		}
	}
}

# Change over to a mode.  In a black hole nothing is read, so that senders
# run into full buffers and silence; new connections are the kernel's alone.
sub _set_mode
{
	my ($state, $mode) = @_;
	my $select = $state->{select};
	my @handles = map { $_->[0] } values %{ $state->{peer} };

	$state->{mode} = $mode;
	if ($mode eq 'refuse')
	{
		_drop($state, $_) foreach @handles;
		$select->remove($state->{listener}) if $state->{listener};
		close delete $state->{listener} if $state->{listener};
		return;
	}
	$state->{listener} //= IO::Socket::INET->new(
		LocalAddr => '127.0.0.1',
		LocalPort => $state->{port},
		Listen => 64,
		ReuseAddr => 1) or die "listen: $!";
	foreach my $handle ($state->{listener}, @handles)
	{
		if ($mode eq 'hole')
		{
			$select->remove($handle);
		}
		else
		{
			$select->add($handle);
		}
	}
	return;
}

# Take a connection and open its other half.
sub _accept
{
	my ($state) = @_;
	my $client = $state->{listener}->accept or return;
	my $server = IO::Socket::INET->new(
		PeerAddr => '127.0.0.1',
		PeerPort => $state->{target});

	return _reset($client) unless $server;
	$state->{peer}{$client} = [ $client, $server ];
	$state->{peer}{$server} = [ $server, $client ];
	$state->{select}->add($client, $server);
	return;
}

# Pass on what one end sent; its end is the end of both.
sub _pass
{
	my ($state, $from) = @_;
	my $to = $state->{peer}{$from}[1];
	my $n = sysread($from, my $bytes, 65536);
	my $sent = 0;

	return _drop($state, $from) unless $n;
	while ($sent < $n)
	{
		my $written = syswrite($to, $bytes, $n - $sent, $sent);
		return _drop($state, $from) unless $written;
		$sent += $written;
	}
	return;
}

# Forget and reset both ends of a connection.
sub _drop
{
	my ($state, $handle) = @_;
	my $pair = $state->{peer}{$handle} or return;

	foreach my $end (@$pair)
	{
		delete $state->{peer}{$end};
		$state->{select}->remove($end);
		_reset($end);
	}
	return;
}

# Close so that the other side sees a reset, as of a host that is gone.
sub _reset
{
	my ($socket) = @_;

	setsockopt($socket, SOL_SOCKET, SO_LINGER, pack('ii', 1, 0));
	close $socket;
	return;
}

END
{
	my $status = $?;
	$_->stop foreach @proxies;
	$? = $status;
}

1;
