
=pod

=head1 NAME

Evaudit::Boto - calls of AWS by boto3, signed

=head1 SYNOPSIS

  my $boto = Evaudit::Boto->new($endpoint,
    { key => 'AKIA...', secret => '...', token => '...' });
  my $answer = $boto->call('sqs', 'list_queues', {});
  my $error = $boto->error('sqs', 'list_queues', {}, $other_user);

What nobody here wrote, to compare with.  EVAUDIT_MOTO names the directory of
its modules.

=cut

package Evaudit::Boto;

use strict;
use warnings;

use Carp;
use File::Basename;
use IO::Handle;
use IPC::Open2;
use JSON::PP;

my $PROGRAM = dirname(__FILE__) . '/../../moto/call.py';

sub new
{
	my ($class, $endpoint, $user) = @_;
	my $self = bless { user => $user }, $class;

	local $ENV{PYTHONPATH} = $ENV{EVAUDIT_MOTO};
	$self->{pid} = open2($self->{answers}, $self->{calls},
		'python3', $PROGRAM, $endpoint);
	return $self;
}

# Make a call, signed by the user of new() or another; dies when it is refused.
sub call
{
	my ($self, @call) = @_;
	my $said = $self->_say(@call);

	croak "$call[1]: $said->{error}: $said->{message}" if $said->{error};
	return $said->{answer};
}

# Make a call that may be refused; returns the error's code, or ''.
sub error
{
	my ($self, @call) = @_;
	return $self->_say(@call)->{error} // '';
}

sub _say
{
	my ($self, $service, $operation, $parameters, $user) = @_;
	my %said = (service => $service, operation => $operation,
		parameters => $parameters, %{ $user || $self->{user} });

	print { $self->{calls} } encode_json(\%said), "\n";
	$self->{calls}->flush;
	my $answer = readline($self->{answers}) // croak 'boto3 ended';
	return decode_json($answer);
}

# It ends with its input.
sub DESTROY
{
	my ($self) = @_;
	local ($?, $!, $@);

	close $self->{calls};
	waitpid($self->{pid}, 0);
	return;
}

1;
