
=pod

=head1 NAME

Evaudit::Queue - calls of SQS, for the tests' own part in it

=head1 SYNOPSIS

  my $sqs = Evaudit::Queue->new('http://127.0.0.1:9324');
  my $url = $sqs->create_queue('logins', VisibilityTimeout => 30);
  $sqs->create_queue('a.fifo', FifoQueue => 'true');
  $sqs->send('logins', 'body', 'body', ...);       # in batches of ten
  $sqs->send('a.fifo', { MessageBody => '{}', MessageGroupId => 'g',
    MessageDeduplicationId => '1' }, ...);
  my $counts = $sqs->counts('logins');    # { visible => 1, in_flight => 0,
                                          #   delayed => 0, all => 1 }
  my @messages = $sqs->receive('logins');          # as SQS describes them
  $sqs->purge('logins'); $sqs->delete_queue('logins');
  my $answer = $sqs->call('GetQueueAttributes', { ... });

Speaks AWS JSON 1.0 without a signature, which ElasticMQ, and moto in its usual
mode, take.

=cut

package Evaudit::Queue;

use strict;
use warnings;

use Carp;
use HTTP::Tiny;
use JSON::PP;

# What an emulator takes the account and the region from; nobody checks it.
my $AUTHORIZATION = 'AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/sqs'
  . '/aws4_request, SignedHeaders=host, Signature=0';

sub new
{
	my ($class, $endpoint) = @_;
	return bless {
		endpoint => $endpoint,
		# A body follows its header in a write of its own, which the system
		# holds back, on a connection used before, for up to 40 ms.
		http => HTTP::Tiny->new(timeout => 180, keep_alive => 0),
		urls => {},
	}, $class;
}

# For endpoint_url.
sub endpoint
{
	my ($self) = @_;
	return $self->{endpoint};
}

# Call an operation; dies of an answer that is not 200.
sub call
{
	my ($self, $operation, $request) = @_;
	my $answer = $self->{http}->post("$self->{endpoint}/", {
		headers => {
			'Content-Type' => 'application/x-amz-json-1.0',
			'X-Amz-Target' => "AmazonSQS.$operation",
			'Authorization' => $AUTHORIZATION
		},
		content => encode_json($request) });

	croak "$operation: $answer->{status} $answer->{content}"
	  unless $answer->{status} == 200;
	return $answer->{content} ? decode_json($answer->{content}) : {};
}

# Make a queue, with attributes; returns its URL.
sub create_queue
{
	my ($self, $name, %attributes) = @_;
	my $answer = $self->call('CreateQueue', {
		QueueName => $name,
		Attributes => { map { $_ => "$attributes{$_}" } keys %attributes } });

	return $self->{urls}{$name} = $answer->{QueueUrl};
}

# The URL of a queue.
sub url
{
	my ($self, $name) = @_;

	return $self->{urls}{$name} //=
	  $self->call('GetQueueUrl', { QueueName => $name })->{QueueUrl};
}

sub delete_queue
{
	my ($self, $name) = @_;

	$self->call('DeleteQueue', { QueueUrl => $self->url($name) });
	delete $self->{urls}{$name};
	return;
}

sub purge
{
	my ($self, $name) = @_;

	$self->call('PurgeQueue', { QueueUrl => $self->url($name) });
	return;
}

# Send messages, each a body or the entry of a batch but for its Id; returns
# their ids.
sub send
{
	my ($self, $name, @messages) = @_;
	my $url = $self->url($name);
	my @ids;

	while (my @batch = splice(@messages, 0, 10))
	{
		my @entries = map {
			my $message = $batch[$_];
			+{ Id => "$_",
				ref $message ? %$message : (MessageBody => "$message") };
		} 0 .. $#batch;
		my $answer = $self->call('SendMessageBatch',
			{ QueueUrl => $url, Entries => \@entries });

		croak 'SendMessageBatch: ' . encode_json($answer->{Failed})
		  if @{ $answer->{Failed} || [] };
		push @ids, map { $_->{MessageId} }
		  sort { $a->{Id} <=> $b->{Id} } @{ $answer->{Successful} };
	}
	return @ids;
}

# How many messages wait, are in flight, and are delayed.
sub counts
{
	my ($self, $name) = @_;
	my $got = $self->call('GetQueueAttributes', {
		QueueUrl => $self->url($name),
		AttributeNames => ['All'] })->{Attributes};
	my %counts = (
		visible => $got->{ApproximateNumberOfMessages} // 0,
		in_flight => $got->{ApproximateNumberOfMessagesNotVisible} // 0,
		delayed => $got->{ApproximateNumberOfMessagesDelayed} // 0);

	$counts{all} = $counts{visible} + $counts{in_flight} + $counts{delayed};
	return \%counts;
}

# Receive up to ten messages; further members of the request may be given.
sub receive
{
	my ($self, $name, %request) = @_;
	my $answer = $self->call('ReceiveMessage', {
		QueueUrl => $self->url($name),
		MaxNumberOfMessages => 10,
		WaitTimeSeconds => 0,
		MessageSystemAttributeNames => ['All'],
		AttributeNames => ['All'],
		MessageAttributeNames => ['All'],
		%request });

	return @{ $answer->{Messages} || [] };
}

# The messages that are in a queue, once there are so many; they are deleted.
sub messages
{
	my ($self, $queue, $count) = @_;
	my @got;

	# only tests have what it stands on
	require Evaudit::Pipeline;
	Evaudit::Pipeline::wait_until(
		sub {
			push @got, my @some = $self->receive($queue);
			$self->call('DeleteMessageBatch', {
				QueueUrl => $self->url($queue),
				Entries => [ map { { Id => "$_", ReceiptHandle => $some[$_]{ReceiptHandle} } } 0 .. $#some ] })
			  if @some;
			return @got >= $count;
		},
		"$count messages in queue $queue");
	return @got;
}

1;
