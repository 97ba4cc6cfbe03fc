
=pod

=head1 NAME

Evaudit::Process - a server of a test, as a process

=head1 SYNOPSIS

  package Evaudit::Something;
  use parent 'Evaudit::Process';

  my $self = $class->SUPER::new('something');    # $self->{dir} is its own
  $self->launch('program', 'argument', ...);
  $self->await(sub { ... });          # until it answers
  $self->freeze; $self->thaw;         # the process hangs for a while
  $self->kill9; $self->stop;

What starts, watches and ends the servers of tests that are not PostgreSQL.
Its output goes to C<log> in its directory.  Whatever a test does, the process
ends with it.

=cut

package Evaudit::Process;

use strict;
use warnings;

use Carp;
use Evaudit::Pipes;
use POSIX qw(:sys_wait_h);
use PostgreSQL::Test::Utils;
use Time::HiRes qw(time usleep);

# Seconds that a server may take to start or stop.
my $DEADLINE = $PostgreSQL::Test::Utils::timeout_default || 180;

my @processes;

sub new
{
	my ($class, $name, %fields) = @_;
	my $self = bless {
		name => $name,
		dir => PostgreSQL::Test::Utils::tempdir($name),
		%fields
	}, $class;

	push @processes, $self;
	return $self;
}

# Start the program.
sub launch
{
	my ($self, @command) = @_;

	croak "$self->{name} is running" if $self->{pid};
	$self->{pid} = fork();
	croak "could not fork: $!" unless defined $self->{pid};
	if ($self->{pid} == 0)
	{
		open(STDIN, '<', '/dev/null');
		open(STDOUT, '>>', "$self->{dir}/log") or POSIX::_exit(1);
		open(STDERR, '>&', \*STDOUT);
		exec(@command) or POSIX::_exit(127);
	}

	# for whoever cleans up after an interrupted test
	unlink "$self->{dir}/$self->{name}.pid";
	append_to_file("$self->{dir}/$self->{name}.pid", "$self->{pid}\n");
	return;
}

# Wait until the program does what is expected of it after its start.
sub await
{
	my ($self, $condition) = @_;
	my $deadline = time() + $DEADLINE;

	until ($condition->())
	{
		$self->_give_up('ended') unless $self->running;
		$self->_give_up('did not start') if time() > $deadline;
		usleep(50_000);
	}
	return;
}

# Whether the process is there.
sub running
{
	my ($self) = @_;

	return 0 unless $self->{pid};
	return 1 if waitpid($self->{pid}, WNOHANG) == 0;
	delete $self->{pid};
	return 0;
}

sub pid { return $_[0]{pid}; }

# End the process in good order.
sub stop
{
	my ($self) = @_;
	my $deadline = time() + $DEADLINE;

	return unless $self->running;
	kill 'TERM', $self->{pid};
	while ($self->running)
	{
		return $self->kill9 if time() > $deadline;
		usleep(20_000);
	}
	return;
}

# End the process as a power failure would.
sub kill9
{
	my ($self) = @_;

	return unless $self->{pid};
	kill 'KILL', $self->{pid};
	waitpid(delete $self->{pid}, 0);
	return;
}

# Hold the process: its sockets stay open and nothing answers.
sub freeze
{
	my ($self) = @_;
	kill 'STOP', $self->{pid};
	return;
}

sub thaw
{
	my ($self) = @_;
	kill 'CONT', $self->{pid};
	return;
}

# Fail with the end of the log.
sub _give_up
{
	my ($self, $why) = @_;
	my $log = slurp_file("$self->{dir}/log");

	$self->kill9;
	croak "$self->{name} $why: " . substr($log, -2000);
}

END
{
	my $status = $?;
	$_->kill9 foreach @processes;
	$? = $status;
}

1;
