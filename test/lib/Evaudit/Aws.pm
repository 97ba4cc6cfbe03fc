
=pod

=head1 NAME

Evaudit::Aws - an AWS that misbehaves as a test wants it

=head1 SYNOPSIS

  my $aws = Evaudit::Aws->new(target => $emq->endpoint);   # or with queues of
  my $aws = Evaudit::Aws->new(tls => 1);                   # its own, in memory
  $aws->endpoint;                           # for endpoint_url
  $aws->tls_endpoint; $aws->ca_file;        # with a certificate of our own
  $aws->queue->create_queue('logins');      # see Evaudit::Queue

  $aws->rules({ operation => 'ReceiveMessage', status => 503,
      error => 'ServiceUnavailable', times => 5 },
    { operation => 'DeleteMessageBatch', fail_entries => 2 });
  $aws->rules;                              # all is well again
  $aws->control(keys => { AKIATEST => { secret => 's' } },
    credentials => { check => JSON::PP::true, lifetime => 60 });
  $aws->count('ReceiveMessage');            # how often it was asked
  $aws->requests('Delete.*');               # [{ at, headers, body, ... }, ...]
  $aws->issued;                             # [{ door, access_key_id }, ...]
  $aws->buses('orders');                    # these there are from here
  $aws->events('orders');                   # [{ Source, Detail, ... }, ...]
  $aws->forget;                             # count from here
  $aws->freeze; $aws->thaw; $aws->stop;

What a rule can do is said in test/aws/fault_server.py, which this runs.  It takes
Python and nothing else, so that its tests run everywhere.  Credentials are
handed out at its endpoint itself (as by EC2 and STS) and at /ecs.

=cut

package Evaudit::Aws;

use strict;
use warnings;

use parent 'Evaudit::Process';

use Carp;
use Evaudit::Keys;
use Evaudit::Queue;
use File::Basename;
use HTTP::Tiny;
use JSON::PP;
use PostgreSQL::Test::Utils;

# Where the program is, beside this file's folder.
my $PROGRAM = dirname(__FILE__) . '/../../aws/fault_server.py';

sub new
{
	my ($class, %args) = @_;
	my $self = $class->SUPER::new(
		'aws',
		http => HTTP::Tiny->new(timeout => 180));
	my $port_file = "$self->{dir}/port";
	my @options;

	push @options, '--target', $args{target} if $args{target};
	if ($args{tls})
	{
		Evaudit::Keys::make($self->{dir});
		push @options, '--tls', "$self->{dir}/server.pem",
		  "$self->{dir}/server.key";
	}
	$self->launch('python3', '-B', $PROGRAM, $port_file, @options);
	$self->await(sub { -s $port_file });
	@$self{ 'port', 'tls_port' } = split /\s+/, slurp_file($port_file);
	$self->{queue} = Evaudit::Queue->new($self->endpoint);
	return $self;
}

sub port { return $_[0]{port}; }

sub queue { return $_[0]{queue}; }

# For endpoint_url, and for the endpoints of EC2's metadata and of STS.
sub endpoint
{
	my ($self) = @_;
	return "http://127.0.0.1:$self->{port}";
}

# The same by TLS.
sub tls_endpoint
{
	my ($self) = @_;
	return "https://127.0.0.1:$self->{tls_port}";
}

# The certificate to trust.
sub ca_file
{
	my ($self) = @_;
	return "$self->{dir}/ca.pem";
}

# Say what is to go wrong from here; nothing, without arguments.
sub rules
{
	my ($self, @rules) = @_;
	$self->control(rules => \@rules);
	return;
}

# Change whatever the program knows, and learn what it counts.
sub control
{
	my ($self, %said) = @_;

	return $self->_ask('POST', '/_control', \%said);
}

# How often an operation, or a path, was asked for.
sub count
{
	my ($self, $operation) = @_;
	return $self->control->{counts}{$operation} // 0;
}

# The requests, of the operations that match.
sub requests
{
	my ($self, $operation) = @_;
	my $all = $self->_ask('GET', '/_control/requests');

	$operation //= '.*';
	return [ grep { $_->{operation} =~ /^(?:$operation)$/ } @$all ];
}

# What credentials were handed out.
sub issued
{
	my ($self) = @_;
	return $self->control->{issued};
}

# Say which event buses there are, all empty.
sub buses
{
	my ($self, @names) = @_;
	$self->control(buses => \@names);
	return;
}

# What a bus has taken, in its order.
sub events
{
	my ($self, $bus) = @_;
	return $self->_ask('GET', '/_control/buses')->{$bus};
}

# Begin to count anew.
sub forget
{
	my ($self) = @_;
	$self->control(forget => JSON::PP::true);
	return;
}

sub _ask
{
	my ($self, $method, $path, $said) = @_;
	my $answer = $self->{http}->request($method, $self->endpoint . $path,
		$said ? { content => encode_json($said) } : {});

	croak "fault server: $answer->{status} $answer->{content}"
	  unless $answer->{status} == 200;
	return decode_json($answer->{content});
}

1;
