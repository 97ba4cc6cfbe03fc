
=pod

=head1 NAME

Evaudit::Gateway - what an event gateway talks to, and its configuration

=head1 SYNOPSIS

  my $gateway = Evaudit::Gateway->new('public.x.runs', 'public.x.test');
  write_json("$gateway->{conf}/access.json", { ... });
  write_json("$gateway->{conf}/topic_schemas/test.json", { ... });
  $gateway->import_into($node);        # by examples/eventgate
  my $front = $gateway->start_front($node);
  $gateway->{kafka}->records('public.x.test');
  $gateway->{moto}->queue->receive('seen');     # what the bus had
  my $token = $gateway->{issuer}->token(sub => 'Alice');

A broker with the topics named, a bus whose events are in the queue C<seen>,
an issuer whose keys come over https, and a folder C<conf> whose config.json
says where all of them are.  What else the folder has is the caller's.

=cut

package Evaudit::Gateway;

use strict;
use warnings;

use Evaudit::Front;
use Evaudit::Kafka;
use Evaudit::KeyServer;
use Evaudit::Moto;
use Evaudit::Token;
use Exporter 'import';
use FindBin;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(write_json);

my $SCRIPT = "$FindBin::RealBin/../../examples/eventgate/import.sql";

# Why a test that needs it cannot run here; undef if it can.
sub unavailable
{
	return 'the front was not built'
	  unless $ENV{EVAUDIT_FRONT} && -x $ENV{EVAUDIT_FRONT};
	return Evaudit::Kafka::unavailable() || Evaudit::Moto::unavailable();
}

# Write a value to a file of its own.
sub write_json
{
	my ($file, $value) = @_;
	append_to_file($file, JSON::PP->new->canonical->utf8->encode($value));
	return;
}

sub new
{
	my ($class, @topics) = @_;
	my $self = bless {
		conf => PostgreSQL::Test::Utils::tempdir(),
		kafka => Evaudit::Kafka->new,
		keys => Evaudit::KeyServer->new,
		issuer => Evaudit::Token->new(PostgreSQL::Test::Utils::tempdir()) }, $class;

	$ENV{AWS_ACCESS_KEY_ID} = $ENV{AWS_SECRET_ACCESS_KEY} = 'test';
	$self->_start_bus;
	$self->{kafka}->start;
	$self->{kafka}->create_topic($_, 3) foreach @topics;
	$self->{keys}->answer(200, $self->{issuer}->keys);
	mkdir "$self->{conf}/topic_schemas" or die "mkdir: $!";
	write_json("$self->{conf}/config.json", {
		access_config => 's3://bucket/access.json',
		topic_keys_config => 'conf/topic_keys.json',
		token_provider_url => 'https://provider.example/token',
		token_public_keys_url => $self->{keys}->url,
		ssl_ca_bundle => $self->{keys}->ca_file,
		kafka_bootstrap_server => $self->{kafka}->servers,
		event_bus_arn => $self->{bus} });
	return $self;
}

# A bus, and a queue that has whatever is sent to it as JSON.
sub _start_bus
{
	my ($self) = @_;
	my $moto = $self->{moto} = Evaudit::Moto->new;

	$moto->start;
	$self->{bus} = $moto->call('events', 'create_event_bus', { Name => 'gate' })->{EventBusArn};
	$moto->queue->create_queue('seen', VisibilityTimeout => 30);
	$moto->call('events', 'put_rule', { Name => 'all', EventBusName => 'gate',
		EventPattern => '{"detail-type": ["JSON"]}' });
	$moto->call('events', 'put_targets', { Rule => 'all', EventBusName => 'gate',
		Targets => [ { Id => '1', Arn => $moto->arn('seen') } ] });
	return;
}

# Import the configuration.
sub import_into
{
	my ($self, $node) = @_;
	local $ENV{EVENTGATE_CONF} = $self->{conf};
	local $ENV{AWS_ENDPOINT_URL} = $self->{moto}->endpoint;

	return command_ok([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-f', $SCRIPT ], 'imported');
}

# Start the front, as the gateway that is replaced, when its sinks run and the
# issuer's keys are there.
sub start_front
{
	my ($self, $node) = @_;
	my $front = Evaudit::Front->new($node);

	$node->safe_psql('postgres', q(
		ALTER ROLE front SET evaudit.http_compat = 'eventgate';
		ALTER ROLE front SET evaudit.http_stats = 'open'));
	$front->stop;
	$front->begin;
	$node->wait_for(q{SELECT string_agg(kind || ' ' || state, ', ' ORDER BY kind) FROM evaudit.stat_sinks},
		'eventbridge running, kafka running');
	$front->await(sub { $front->request('GET', '/health')->{status} == 200 });
	return $front;
}

1;
