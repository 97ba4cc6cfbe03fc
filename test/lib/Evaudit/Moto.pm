
=pod

=head1 NAME

Evaudit::Moto - services of AWS that check signatures, for a test

=head1 SYNOPSIS

  my $moto = Evaudit::Moto->new;
  $moto->start;
  $moto->call('sqs', 'create_queue', { QueueName => 'logins' });
  my $topic = $moto->create_topic('accounts', 'queue', 'queue', ...);
  $moto->create_rule('rule', 'queue', { source => ['app'] });
  my $user = $moto->create_user('alice', 'sqs:ReceiveMessage', ...);
  my $role = $moto->create_role('reader', 'sqs:ReceiveMessage', ...);
  $moto->require_signatures;      # from here on keys and policies count
  my $error = $moto->error('sqs', 'list_queues', {}, $user);
  $moto->endpoint;                # for endpoint_url, also of STS
  $moto->queue->counts('logins'); # see Evaudit::Queue; not once signatures
                                  # are required

moto on a free port of loopback.  A user is { key, secret, token } and may be
given to C<call>, which signs by boto3, as the administrator unless told
otherwise.  EVAUDIT_MOTO names the directory of its modules.  Keep queues
small: it copies each message many times.

=cut

package Evaudit::Moto;

use strict;
use warnings;

use parent 'Evaudit::Process';

use Carp;
use Evaudit::Boto;
use Evaudit::Queue;
use File::Basename;
use HTTP::Tiny;
use JSON::PP;
use PostgreSQL::Test::Cluster;

# Where the program is, beside this file's folder.
my $PROGRAM = dirname(__FILE__) . '/../../moto/server.py';

# Why a test that needs it cannot run here; undef if it can.
sub unavailable
{
	return 'EVAUDIT_MOTO is not set' unless $ENV{EVAUDIT_MOTO};
	return undef;
}

sub new
{
	my ($class) = @_;
	my $self = $class->SUPER::new(
		'moto',
		port => PostgreSQL::Test::Cluster::get_free_port());

	$self->{queue} = Evaudit::Queue->new($self->endpoint);
	return $self;
}

# Start it and wait until it answers; there is an administrator.
sub start
{
	my ($self) = @_;
	my $http = HTTP::Tiny->new(timeout => 10);

	local $ENV{PYTHONPATH} = $ENV{EVAUDIT_MOTO};
	$self->launch('python3', $PROGRAM, $self->{port});
	$self->await(
		sub { $http->get($self->endpoint . '/moto-api/')->{success} });
	$self->{boto} = Evaudit::Boto->new($self->endpoint,
		{ key => 'test', secret => 'test' });
	$self->{boto} = Evaudit::Boto->new($self->endpoint,
		$self->create_user('admin', '*'));
	return;
}

# For endpoint_url.
sub endpoint
{
	my ($self) = @_;
	return "http://127.0.0.1:$self->{port}";
}

sub queue { return $_[0]{queue}; }

# Calls by boto3, see there.
sub call
{
	my ($self, @call) = @_;
	return $self->{boto}->call(@call);
}

sub error
{
	my ($self, @call) = @_;
	return $self->{boto}->error(@call);
}

# From here on requests must be signed, and policies allow what they do.
sub require_signatures
{
	my ($self) = @_;
	my $answer = HTTP::Tiny->new->post(
		$self->endpoint . '/moto-api/reset-auth', { content => '0' });

	croak "moto: $answer->{content}" unless $answer->{success};
	return;
}

# A policy that allows some actions.
sub _policy
{
	my (@actions) = @_;
	return encode_json({
		Version => '2012-10-17',
		Statement => [
			{ Effect => 'Allow', Action => \@actions, Resource => '*' }
		] });
}

# Make a user with a key, who may do what is said.
sub create_user
{
	my ($self, $name, @actions) = @_;

	$self->call('iam', 'create_user', { UserName => $name });
	$self->call('iam', 'put_user_policy', {
		UserName => $name,
		PolicyName => 'p',
		PolicyDocument => _policy(@actions) });
	my $made = $self->call('iam', 'create_access_key', { UserName => $name })
	  ->{AccessKey};
	return { key => $made->{AccessKeyId}, secret => $made->{SecretAccessKey} };
}

# Make a role that may do what is said; returns its ARN.
sub create_role
{
	my ($self, $name, @actions) = @_;
	my $made = $self->call('iam', 'create_role', {
		RoleName => $name,
		AssumeRolePolicyDocument => _policy('sts:AssumeRole') })->{Role};

	$self->call('iam', 'put_role_policy', {
		RoleName => $name,
		PolicyName => 'p',
		PolicyDocument => _policy(@actions) });
	return $made->{Arn};
}

# The ARN of a queue.
sub arn
{
	my ($self, $queue) = @_;
	my $url = $self->call('sqs', 'get_queue_url', { QueueName => $queue });

	return $self->call('sqs', 'get_queue_attributes', {
		QueueUrl => $url->{QueueUrl},
		AttributeNames => ['QueueArn'] })->{Attributes}{QueueArn};
}

# Make a topic of SNS that queues are subscribed to; returns its ARN.
sub create_topic
{
	my ($self, $name, @queues) = @_;
	my $topic = $self->call('sns', 'create_topic', { Name => $name })
	  ->{TopicArn};

	$self->call('sns', 'subscribe', {
		TopicArn => $topic,
		Protocol => 'sqs',
		Endpoint => $self->arn($_) }) foreach @queues;
	return $topic;
}

# Publish to a topic; returns the message's id.
sub publish
{
	my ($self, $topic, $message, %parameters) = @_;

	return $self->call('sns', 'publish',
		{ TopicArn => $topic, Message => $message, %parameters })->{MessageId};
}

# Make a rule of EventBridge that sends events of a pattern to a queue.
sub create_rule
{
	my ($self, $name, $queue, $pattern) = @_;

	$self->call('events', 'put_rule',
		{ Name => $name, EventPattern => encode_json($pattern) });
	$self->call('events', 'put_targets', {
		Rule => $name,
		Targets => [ { Id => '1', Arn => $self->arn($queue) } ] });
	return;
}

1;
