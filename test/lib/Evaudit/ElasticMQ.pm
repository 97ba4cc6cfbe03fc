
=pod

=head1 NAME

Evaudit::ElasticMQ - a queue server for a test

=head1 SYNOPSIS

  my $emq = Evaudit::ElasticMQ->new(memory => 256);  # MB of heap
  my $emq = Evaudit::ElasticMQ->new(for_long => 1);  # slower to start, then
                                                     # faster
  $emq->start;
  my $url = $emq->queue->create_queue('logins', VisibilityTimeout => 30);
  $emq->queue->send('logins', ...);       # see Evaudit::Queue
  $emq->endpoint;                   # for endpoint_url
  $emq->endpoint_by(9000);          # the same, by way of a proxy's port
  $emq->kill9; $emq->start;         # its queues are gone
  $emq->freeze; $emq->thaw; $emq->stop;

ElasticMQ on a free port of loopback, with queues in memory alone.  It checks no
signature.  EVAUDIT_ELASTICMQ_JARS names the directory of its jars.

=cut

package Evaudit::ElasticMQ;

use strict;
use warnings;

use parent 'Evaudit::Process';

use Evaudit::Queue;
use HTTP::Tiny;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;

# Why a test that needs it cannot run here; undef if it can.
sub unavailable
{
	return 'EVAUDIT_ELASTICMQ_JARS is not set'
	  unless $ENV{EVAUDIT_ELASTICMQ_JARS};
	return undef;
}

sub new
{
	my ($class, %args) = @_;
	my $self = $class->SUPER::new(
		'elasticmq',
		memory => $args{memory} || 128,
		for_long => $args{for_long},
		port => $args{port} || PostgreSQL::Test::Cluster::get_free_port());

	$self->{queue} = Evaudit::Queue->new($self->endpoint);
	append_to_file("$self->{dir}/server.conf", <<"EOT");
include classpath("application.conf")
pekko.loglevel = "WARNING"
# longer than the longest poll
pekko.http.server.request-timeout = 40 s
# an aborted test leaves idle connections; no test waits for them
pekko.http.server.idle-timeout = 60 s
generate-node-address = false
node-address { protocol = http, host = "127.0.0.1", port = $self->{port}, context-path = "" }
rest-sqs { enabled = true, bind-port = $self->{port}, bind-hostname = "127.0.0.1", sqs-limits = strict }
rest-stats { enabled = false }
queues {}
EOT
	return $self;
}

# Start it and wait until it answers.
sub start
{
	my ($self) = @_;
	my $http = HTTP::Tiny->new(timeout => 1);

	$self->launch(
		'java', "-Xmx$self->{memory}m", '-XX:-UsePerfData',
		$self->{for_long}
		? ()
		: ('-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'),
		"-Dconfig.file=$self->{dir}/server.conf",
		'-cp', "$ENV{EVAUDIT_ELASTICMQ_JARS}/*", 'org.elasticmq.server.Main');
	$self->await(
		sub {
			$http->get($self->endpoint . '/?Action=ListQueues')->{success};
		});
	$self->{queue} = Evaudit::Queue->new($self->endpoint);
	return;
}

# End it.  In good order it would wait for every poll, and it keeps nothing.
sub stop
{
	my ($self) = @_;
	return $self->kill9;
}

sub port { return $_[0]{port}; }

sub queue { return $_[0]{queue}; }

# For endpoint_url.
sub endpoint
{
	my ($self) = @_;
	return $self->endpoint_by($self->{port});
}

# The same at another port, which leads here.
sub endpoint_by
{
	my ($self, $port) = @_;
	return "http://127.0.0.1:$port";
}

1;
