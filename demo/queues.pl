# Queues for the demo: ElasticMQ with logins, and moto with deleted accounts
# that SNS was told of.  Says what is where, as variables for psql.
#
# queues.pl EVENTS USERS SEED STREAM_OPTION... FILE

use strict;
use warnings;

use Evaudit::ElasticMQ;
use Evaudit::Moto;
use IPC::Run;
use PostgreSQL::Test::Utils;

my ($events, $users, $seed, @options) = @ARGV;
my $file = pop @options;

# logins, without those that no queue takes
my $emq = Evaudit::ElasticMQ->new;
my $out;
$emq->start;
$emq->queue->create_queue('logins', VisibilityTimeout => 30);
IPC::Run::run([ $ENV{EVAUDIT_KAFKA_TOOL}, @options, 'dump', $events, $users,
	$seed ], '>', \$out) or die 'no logins';
my @bodies = grep { $_ ne '' } map { (split /\t/, $_, -1)[6] } split /\n/, $out;
$emq->queue->send('logins', @bodies);

# deleted accounts; from here on requests must be signed
my $moto = Evaudit::Moto->new;
$moto->start;
$moto->call('sqs', 'create_queue', { QueueName => 'accounts' });
my $topic = $moto->create_topic('account-deleted', 'accounts');
my @accounts = (
	'{"email": "ada@example.com"}', '{"email": "bob@example.com"}',
	'{"mail": "eve@example.com"}',
	'{"email": "somebody.with.a.very.long.name@example.com"}');
$moto->publish($topic, $_) foreach @accounts;
my $user = $moto->create_user('evaudit', map { "sqs:$_" } qw(
  GetQueueUrl GetQueueAttributes ReceiveMessage DeleteMessage
  ChangeMessageVisibility DeleteMessageBatch ChangeMessageVisibilityBatch));
$moto->require_signatures;

append_to_file("$file.new", join("\n",
	'queue_server=' . $emq->endpoint,
	'events=' . scalar @bodies,
	'aws=' . $moto->endpoint,
	"key_id=$user->{key}",
	"secret=$user->{secret}",
	"topic_arn=$topic",
	'accounts=' . scalar @accounts) . "\n");
rename("$file.new", $file);
1 while <STDIN>;
$moto->stop;
$emq->stop;
