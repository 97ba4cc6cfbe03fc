
=pod

=head1 NAME

Evaudit::Registry - a schema registry for a test, and serializers that use it

=head1 SYNOPSIS

  my $registry = Evaudit::Registry->new;
  $registry->start;
  my $id = $registry->register('orders-value', schema => '...', schemaType => 'PROTOBUF');
  $registry->control(status => 503);   # see test/formats/registry.py
  my @paths = @{ $registry->log };     # that evaudit asked for
  my $bytes = $registry->produce($kafka, topic => 'orders', format => 'avro', ...);
  $registry->url;

A server of Confluent's API on a free port of loopback, in Python without
libraries; C<produce> is by Confluent's own serializers, which EVAUDIT_FORMATS
names the directory of: see test/formats/produce.py.

=cut

package Evaudit::Registry;

use strict;
use warnings;

use parent 'Evaudit::Process';

use Carp;
use File::Basename;
use HTTP::Tiny;
use IPC::Run;
use JSON::PP;
use PostgreSQL::Test::Cluster;

# Where the programs are, beside this file's folder.
my $FOLDER = dirname(__FILE__) . '/../../formats';

# Why serializers cannot run here; undef if they can.
sub unavailable
{
	return 'EVAUDIT_FORMATS is not set' unless $ENV{EVAUDIT_FORMATS};
	return undef;
}

sub new
{
	my ($class) = @_;
	return $class->SUPER::new(
		'registry',
		http => HTTP::Tiny->new(timeout => 60),
		port => PostgreSQL::Test::Cluster::get_free_port());
}

# Start it and wait until it answers.
sub start
{
	my ($self) = @_;

	$self->launch('python3', '-B', "$FOLDER/registry.py", $self->{port});
	$self->await(sub { $self->{http}->get($self->url . '/log')->{success} });
	return;
}

sub url
{
	my ($self) = @_;
	return "http://127.0.0.1:$self->{port}";
}

# Post a document; what is answered.
sub _post
{
	my ($self, $path, $document) = @_;
	my $answer = $self->{http}->post($self->url . $path, {
		content => JSON::PP->new->utf8->encode($document),
		headers => { 'Content-Type' => 'application/json' } });

	croak "registry: $answer->{status}" unless $answer->{success};
	return decode_json($answer->{content});
}

# Register a schema; returns its id.
sub register
{
	my ($self, $subject, %schema) = @_;
	return $self->_post("/subjects/$subject/versions", \%schema)->{id};
}

sub control
{
	my ($self, %change) = @_;
	return $self->_post('/control', \%change);
}

sub log
{
	my ($self) = @_;
	return decode_json($self->{http}->get($self->url . '/log')->{content});
}

# Produce payloads, each of a call; returns their bytes in hexadecimal.
sub produce
{
	my ($self, $kafka, @calls) = @_;
	my $input = join '', map { JSON::PP->new->utf8->encode($_) . "\n" } @calls;
	my ($out, $err);

	local $ENV{PYTHONPATH} = $ENV{EVAUDIT_FORMATS};
	IPC::Run::run([ 'python3', "$FOLDER/produce.py", $kafka->servers, $self->url ],
		'<', \$input, '>', \$out, '2>', \$err)
	  or croak "produce.py: $err";
	return split /\n/, $out;
}

1;
