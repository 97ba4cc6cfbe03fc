
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
  my $sent = $apicurio->send_avro($kafka, 'orders', $schema,
    { 'use-id' => 'contentId' }, { user => 'eva' });

Apicurio Registry on a free port of loopback, which keeps its schemas in
memory.  EVAUDIT_APICURIO_JARS names the directory of its jars.  Otherwise it
is what L<Evaudit::Registry> is, whose serializers use it, but for faults.
C<send_avro> is by its own serializer, of records whose fields are strings.

=cut

package Evaudit::Apicurio;

use strict;
use warnings;

use parent 'Evaudit::Registry';

use Carp;
use Evaudit::Java;
use IPC::Run;
use JSON::PP;
use PostgreSQL::Test::Utils;

# Why a test that needs it cannot run here; undef if it can.
sub unavailable
{
	return 'EVAUDIT_APICURIO_JARS is not set'
	  unless $ENV{EVAUDIT_APICURIO_JARS};
	return Evaudit::Registry::unavailable() || Evaudit::Java::unavailable();
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

# Produce records by its serializer, with some of its options.
sub send_avro
{
	my ($self, $kafka, $topic, $schema, $options, @records) = @_;
	my @jars = (
		glob("$ENV{EVAUDIT_JAVA_JARS}/apicurio-*.jar"),
		glob("$ENV{EVAUDIT_APICURIO_JARS}/lib/*.{apicurio-common-rest-client-common,apicurio-common-rest-client-jdk,apicurio-registry-common,avro}-[0-9]*.jar"),
		glob("$ENV{EVAUDIT_KAFKA_JARS}/*.jar"));
	my $file = "$self->{dir}/$topic.avsc";
	my $out = '';

	$self->{classes} ||= Evaudit::Java::compile('ApicurioProducer', @jars);
	append_to_file($file, $schema);
	IPC::Run::run(
		[ 'java', '-XX:-UsePerfData', '-XX:TieredStopAtLevel=1',
			'-cp', join(':', $self->{classes}, @jars), 'ApicurioProducer',
			$kafka->servers, $self->url('registry/v2'), $topic, $file,
			(map { "apicurio.registry.$_=$options->{$_}" } sort keys %$options),
			map { my $record = $_; join ',', map { "$_:$record->{$_}" } sort keys %$record } @records ],
		'>', \$out, '2>&1') or croak $out;
	return;
}

1;
