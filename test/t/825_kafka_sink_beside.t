# Two servers that are the same sink: copies of each other that both run.  Of
# two batches of a number Kafka takes one; whoever is behind stops and says so,
# and does not disturb the other one.

use strict;
use warnings;

use Evaudit::Cluster;
use Evaudit::Kafka;
use Evaudit::Pipeline;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => Evaudit::Kafka::unavailable()
  if Evaudit::Kafka::unavailable();

my $kafka = Evaudit::Kafka->new;
$kafka->start;
$kafka->create_topic('e', 1);
my $node = Evaudit::Cluster->new('main',
	init => { allows_streaming => 1 },
	conf => "evaudit.max_backoff = '200ms'\n");
my $servers = $kafka->servers;

$node->safe_psql('postgres', qq{
	CREATE SERVER kafka FOREIGN DATA WRAPPER evaudit_kafka
		OPTIONS ("bootstrap.servers" '$servers', "reconnect.backoff.max.ms" '200');
	SELECT evaudit.create_topic('e');
	SELECT evaudit.create_sink('out', 'kafka', '{e}')});

my @sent;

# Publish an event, and wait until it is in Kafka.
sub sends
{
	my ($server, $id) = @_;
	publish($server, $id);
	$server->wait_for('SELECT pending FROM evaudit.stat_sinks', 0);
	push @sent, $id;
	return;
}

sub publish
{
	my ($server, $id) = @_;
	$server->safe_psql('postgres', "SELECT evaudit.publish('e', '{}', '$id')");
	return;
}

# Wait until a server has found several times that another one is ahead.
sub stops
{
	my ($server, $timelines, $what) = @_;
	$server->wait_for("SELECT state IN ('backoff', 'starting'), pending > 0,
		last_error ~ 'another history of this database [(]timeline $timelines'
		FROM evaudit.stat_sinks", 't|t|t');
	my $at = $server->safe_psql('postgres', 'SELECT last_error_at FROM evaudit.stat_sinks');
	for (1 .. 3)
	{
		$server->wait_for("SELECT last_error_at > '$at' FROM evaudit.stat_sinks", 't');
		$at = $server->safe_psql('postgres', 'SELECT last_error_at FROM evaudit.stat_sinks');
	}
	pass($what);
	return;
}

# A server made of a backup.
sub start_from
{
	my ($name, $backup, %how) = @_;
	my $server = bless PostgreSQL::Test::Cluster->new($name), 'Evaudit::Cluster';

	$server->init_from_backup($node, $backup, %how);
	$server->start;
	return $server;
}
my $pid = 'SELECT pid FROM evaudit.stat_sinks';

# ---- a base backup, started while its origin runs ----
sends($node, 'a1');
$node->backup('base');
sends($node, 'a2');
my $base = start_from('base', 'base');
$base->wait_for('SELECT state FROM evaudit.stat_sinks', 'paused');
publish($base, 'no');
sends($node, 'a3');
$base->safe_psql('postgres', q{SELECT evaudit.resume_sink('out')});
$base->wait_for('SELECT state FROM evaudit.stat_sinks', 'running');
sends($_->[0], $_->[1]) foreach [ $base, 'b1' ], [ $node, 'a4' ], [ $base, 'b2' ];
is($node->safe_psql('postgres', 'SELECT last_error FROM evaudit.stat_sinks'), '',
	'a base backup has another identity once it is resumed');
$base->stop;

# ---- a copy of the files: nothing tells it from its origin ----
$node->stop;
$node->backup_fs_cold('files');
$node->start;
sends($node, 'a5');
my $running = $node->safe_psql('postgres', $pid);
my $copy = start_from('files', 'files');
publish($copy, 'c1');
stops($copy, '1, here 1', 'a copy of the files that is behind');
sends($node, 'a6');
is($node->safe_psql('postgres', $pid), $running, 'it does not disturb the other one');

# the copy is first: its origin stops, though its event has the same id and place
$copy->stop;
$node->stop;
$node->backup_fs_cold('files2');
$node->start;
$copy = start_from('files2', 'files2');
sends($copy, 'twin');
$running = $copy->safe_psql('postgres', $pid);
publish($node, 'twin');
stops($node, '1, here 1', 'whoever is second');
is($copy->safe_psql('postgres', $pid), $running, 'nor does that one');
$copy->stop;
$node->safe_psql('postgres', q{SELECT evaudit.seek_sink('out', 'latest')});
$node->wait_for('SELECT state FROM evaudit.stat_sinks', 'running');
sends($node, 'a8');

# one decides a batch and is killed before it sends; its copy sends a batch of
# the same number, whose event has the same id and place
SKIP: {
	skip 'EVAUDIT_PRELOAD is not set', 1 unless $ENV{EVAUDIT_PRELOAD};
	my $step = PostgreSQL::Test::Utils::tempdir() . '/step';

	$node->stop;
	$node->backup_fs_cold('decided');
	append_to_file($step, 'begin');
	{
		local $ENV{LD_PRELOAD} = $ENV{EVAUDIT_PRELOAD};
		local $ENV{EVAUDIT_TEST_STEP} = $step;
		$node->start;
	}
	# the server ends with its process, maybe before the session has an answer
	eval { publish($node, 'twin2') };
	wait_until(sub { !-s $step }, 'the process is killed');
	$node->kill9;
	$copy = start_from('decided', 'decided');
	sends($copy, 'twin2');
	$copy->stop;
	wait_until(sub { $node->start(fail_ok => 1) }, 'the server starts');
	stops($node, '1, here 1', 'whoever decided a batch that the other one sent');
	$node->safe_psql('postgres', q{SELECT evaudit.seek_sink('out', 'latest')});
	$node->wait_for('SELECT state FROM evaudit.stat_sinks', 'running');
	sends($node, 'a9');
}

# the two take turns, as the process of each is started; both have sent before
$node->stop;
$node->backup_fs_cold('files3');
$node->start;
$copy = start_from('files3', 'files3');
my @rivals = ($node, $copy);
foreach my $i (1 .. 20)
{
	publish($_, "r$i " . $_->name) foreach @rivals;
}
wait_until(sub {
	return 1 == grep { $_->safe_psql('postgres',
		'SELECT pending FROM evaudit.stat_sinks') == 0 } @rivals },
	'one of two');
my ($winner) = grep { $_->safe_psql('postgres',
	'SELECT pending FROM evaudit.stat_sinks') == 0 } @rivals;
my ($loser) = grep { $_ != $winner } @rivals;
stops($loser, '1, here 1', 'one of two that send at the same time');
push @sent, map { "r$_ " . $winner->name } 1 .. 20;
$copy->stop;

# ---- a standby that is promoted, while its origin runs ----
$node->safe_psql('postgres', q{SELECT evaudit.seek_sink('out', 'latest')});
$node->wait_for('SELECT state FROM evaudit.stat_sinks', 'running');
sends($node, 'a10');
$node->backup('standby');
my $standby = start_from('standby', 'standby', has_streaming => 1);
sends($node, 'a11');
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
$standby->promote;
$standby->wait_for('SELECT state FROM evaudit.stat_sinks', 'running');
sends($standby, 's1');
publish($node, 'a12');
stops($node, '2, here 1', 'the old primary');
sends($standby, 's2');

is(join(' ', map { $_->{headers}{id} } @{ $kafka->records('e') }), "@sent",
	'each event that was sent is there once, in order');

done_testing();
