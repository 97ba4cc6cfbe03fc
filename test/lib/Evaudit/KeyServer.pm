
=pod

=head1 NAME

Evaudit::KeyServer - a server of an issuer's keys, over https

=head1 SYNOPSIS

  my $server = Evaudit::KeyServer->new;
  $server->answer(200, '{"keys": [...]}');
  $server->url;                 # https://localhost:PORT/keys
  $server->ca_file;             # whom its certificate is from
  $server->requests;            # how many came
  $server->stop; $server->start;    # on another port: see url()

=cut

package Evaudit::KeyServer;

use strict;
use warnings;

use parent 'Evaudit::Process';

use Evaudit::Keys;
use FindBin;
use PostgreSQL::Test::Utils;

my $PROGRAM = "$FindBin::RealBin/../keys/server.py";

sub new
{
	my ($class) = @_;
	my $self = $class->SUPER::new('key_server');

	Evaudit::Keys::make($self->{dir});
	$self->answer(404, '');
	$self->start;
	return $self;
}

# Start the server, on another port than before.
sub start
{
	my ($self) = @_;
	my $file = "$self->{dir}/port";

	unlink $file;
	$self->launch('python3', '-B', $PROGRAM, $self->{dir});
	$self->await(sub { -s $file });
	$self->{port} = slurp_file($file);
	return;
}

# What is answered from now on.
sub answer
{
	my ($self, $status, $body, @headers) = @_;
	my $file = "$self->{dir}/answer";

	unlink "$file.new";
	append_to_file("$file.new", join("\n", $status, @headers) . "\n\n$body");
	rename "$file.new", $file or die "could not rename: $!";
	return;
}

# Where the keys are.
sub url { my ($self) = @_; return "https://localhost:$self->{port}/keys"; }

# The authority of its certificate.
sub ca_file { my ($self) = @_; return "$self->{dir}/ca.pem"; }

# How many requests came.
sub requests
{
	my ($self) = @_;
	my $file = "$self->{dir}/requests";

	return 0 unless -e $file;
	my @lines = split /\n/, slurp_file($file);
	return scalar @lines;
}

1;
