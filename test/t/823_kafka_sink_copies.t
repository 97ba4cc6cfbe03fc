# The number that Kafka keeps: databases that are copies of each other never
# meet there, and a sink stops where it cannot know what was sent.

use strict;
use warnings;

use Evaudit::Cluster;
use Evaudit::Kafka;
use Test::More;

plan skip_all => Evaudit::Kafka::unavailable()
  if Evaudit::Kafka::unavailable();

my $kafka = Evaudit::Kafka->new;
$kafka->start;
$kafka->create_topic('e', 1);
my $conf = "evaudit.max_backoff = '200ms'\n";
my $node = Evaudit::Cluster->new('main', conf => $conf);
my $servers = $kafka->servers;

$node->safe_psql('postgres', qq{
	CREATE SERVER kafka FOREIGN DATA WRAPPER evaudit_kafka
		OPTIONS ("bootstrap.servers" '$servers', "reconnect.backoff.max.ms" '200');
	SELECT evaudit.create_topic('e');
	SELECT evaudit.create_sink('out', 'kafka', '{e}')});

sub publish
{
	my ($on, $database, @ids) = @_;
	$on->safe_psql($database, "SELECT evaudit.publish('e', '{}', '$_')")
	  foreach @ids;
	return;
}

# Wait until a sink has sent all, and compare what is in the topic.
sub sent
{
	my ($on, $database, $expected, $what) = @_;
	$on->wait_for("SELECT pending FROM evaudit.stat_sinks", 0,
		database => $database);
	is(join(' ', sort map { $_->{headers}{id} } @{ $kafka->records('e') }),
		$expected, $what);
	return;
}

sub says
{
	my ($on, $error, $what) = @_;
	$on->wait_for("SELECT last_error LIKE '%$error%' FROM evaudit.stat_sinks");
	pass($what);
	return;
}

publish($node, 'postgres', 'a1', 'a2');
sent($node, 'postgres', 'a1 a2', 'sent');

# a copy of the database is paused, and another sink for Kafka when it is
# resumed: neither fences the other off
$node->safe_psql('template1', 'CREATE DATABASE copy TEMPLATE postgres');
publish($node, 'copy', 'b0');
is($node->safe_psql('copy', 'SELECT state FROM evaudit.stat_sinks'), 'paused',
	'a copy is paused');
$node->safe_psql('copy', q{SELECT evaudit.resume_sink('out')});
isnt($node->safe_psql('copy', 'SELECT identity FROM evaudit.sinks'),
	$node->safe_psql('postgres', 'SELECT identity FROM evaudit.sinks'),
	'and has another identity when it is resumed');
foreach my $i (1 .. 3)
{
	publish($node, 'copy', "b$i");
	publish($node, 'postgres', 'a' . ($i + 2));
	$node->wait_for('SELECT pending FROM evaudit.stat_sinks', 0,
		database => $_) foreach 'copy', 'postgres';
}
sent($node, 'copy', 'a1 a2 a3 a4 a5 b1 b2 b3', 'both send, each event once');
is($node->safe_psql($_, 'SELECT last_error IS NULL FROM evaudit.stat_sinks'), 't',
	"without an error in $_")
  foreach 'copy', 'postgres';
$node->safe_psql('copy', q{SELECT evaudit.drop_sink('out')});

# a server that went back in time: Kafka has batches that it does not know of
$node->stop;
$node->backup_fs_cold('before');
$node->start;
publish($node, 'postgres', 'a6');
sent($node, 'postgres', 'a1 a2 a3 a4 a5 a6 b1 b2 b3', 'sent after the backup');
$node->stop;
my $past = bless PostgreSQL::Test::Cluster->new('past'), 'Evaudit::Cluster';
$past->init_from_backup($node, 'before');
$past->start;
publish($past, 'postgres', 'c1');
says($past, 'another history of this database',
	'a sink stops where Kafka has batches that it does not know');
$past->safe_psql('postgres', q{SELECT evaudit.seek_sink('out', 'latest')});
$past->wait_for(q{SELECT state FROM evaudit.stat_sinks}, 'running');
publish($past, 'postgres', 'c2');
sent($past, 'postgres', 'a1 a2 a3 a4 a5 a6 b1 b2 b3 c2',
	'and goes on from where it is told to');
publish($past, 'postgres', 'c3');
$past->wait_for('SELECT pending FROM evaudit.stat_sinks', 0);

# the number is gone, and the last batch may have been sent
$kafka->delete_topic('e');
publish($past, 'postgres', 'c4');
says($past, 'nknown', 'the topic is gone, and the number with it');
$past->safe_psql('postgres',
	'SELECT pg_terminate_backend(pid) FROM evaudit.stat_sinks');
says($past, 'has no number any more', 'so the next process cannot tell');
$kafka->create_topic('e', 1);
$past->safe_psql('postgres', q{SELECT evaudit.seek_sink('out', 'latest')});
$past->wait_for(q{SELECT state FROM evaudit.stat_sinks}, 'running');
publish($past, 'postgres', 'c5');
sent($past, 'postgres', 'c5', 'until somebody says where to go on');

done_testing();
