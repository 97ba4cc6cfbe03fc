
=pod

=head1 NAME

Evaudit::Apicurio - a real schema registry for a test

=head1 SYNOPSIS

  my $apicurio = Evaudit::Apicurio->new;
  $apicurio->start;
  $apicurio->url;                    # of Confluent's API
  $apicurio->url('registry/v2');     # or of its own
  my $answer = $apicurio->post('registry/v2', '/groups/default/artifacts',
    $schema, 'X-Registry-ArtifactId' => 'orders');

Apicurio Registry on a free port of loopback, which keeps its schemas in
memory.  EVAUDIT_APICURIO_JARS names the directory of its jars.  Otherwise it
is what L<Evaudit::Registry> is, whose serializers use it, but for faults.

=cut

package Evaudit::Apicurio;

use strict;
use warnings;

use parent 'Evaudit::Registry';

use Carp;
use JSON::PP;

# Why a test that needs it cannot run here; undef if it can.
sub unavailable
{
	return 'EVAUDIT_APICURIO_JARS is not set'
	  unless $ENV{EVAUDIT_APICURIO_JARS};
	return Evaudit::Registry::unavailable();
}

# Start it and wait until it answers.
sub start
{
	my ($self) = @_;
	my ($jar) = glob "$ENV{EVAUDIT_APICURIO_JARS}/*-runner.jar";

	$self->launch(
		'java', '-Xmx400m', '-XX:+UseSerialGC',
		'-XX:TieredStopAtLevel=1', '-XX:-UsePerfData',
		'-Dquarkus.http.host=127.0.0.1',
		"-Dquarkus.http.port=$self->{port}",
		'-Dquarkus.datasource.jdbc.url=jdbc:h2:mem:registry',
		'-jar', $jar);
	$self->await(
		sub {
			$self->{http}->get($self->url('registry/v2') . '/system/info')
			  ->{success};
		});
	return;
}

# The base of one of its APIs, Confluent's unless it is said.
sub url
{
	my ($self, $api) = @_;
	return "http://127.0.0.1:$self->{port}/apis/" . ($api || 'ccompat/v7');
}

# Post a schema to an API; what is answered.
sub post
{
	my ($self, $api, $path, $content, %headers) = @_;
	my $answer = $self->{http}->post($self->url($api) . $path, {
		content => $content,
		headers => { 'Content-Type' => 'application/json', %headers } });

	croak "apicurio: $answer->{status} $answer->{content}"
	  unless $answer->{success};
	return decode_json($answer->{content});
}

1;
