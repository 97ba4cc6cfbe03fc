# A server that is started from a backup beside its origin: its sinks are
# paused, once; those of a standby that is promoted go on.

use strict;
use warnings;

use Evaudit::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = Evaudit::Cluster->new('main',
	init => { allows_streaming => 1, has_archiving => 1 },
	conf => "evaudit.max_backoff = '300ms'\n");

$node->safe_psql('postgres', q{
	CREATE SERVER local FOREIGN DATA WRAPPER evaudit_function;
	CREATE TABLE got (n bigint GENERATED ALWAYS AS IDENTITY, id text);
	CREATE FUNCTION take(events evaudit.event[]) RETURNS void LANGUAGE sql
	BEGIN ATOMIC
		INSERT INTO got (id) SELECT event_id FROM unnest(events);
	END;
	SELECT evaudit.create_topic('t');
	SELECT evaudit.create_sink('sink', 'local', '{t}',
		'{"function": "public.take"}')});

my $all = q{SELECT string_agg(id, ' ' ORDER BY n) FROM got};
my $identity = 'SELECT identity FROM evaudit.sinks';

sub publish
{
	my ($on, $id) = @_;
	$on->safe_psql('postgres', "SELECT evaudit.publish('t', '{}', '$id')");
	return;
}

# A server made of a backup; of: whose it is.
sub start_from
{
	my ($name, $of, $backup, %how) = @_;
	my $server = bless PostgreSQL::Test::Cluster->new($name), 'Evaudit::Cluster';

	$server->init_from_backup($of, $backup, %how);
	$server->start;
	return $server;
}

# A server whose sink is paused until it is resumed, as another one.
sub is_paused
{
	my ($server, $what) = @_;
	$server->wait_for('SELECT state FROM evaudit.stat_sinks', 'paused');
	like(slurp_file($server->logfile), qr/sinks are paused, since this server was started from a backup/, 'its log says why');
	my $before = $server->safe_psql('postgres', $all);

	publish($server, 'not sent');
	$server->restart;
	is($server->safe_psql('postgres', 'SELECT state, pending FROM evaudit.stat_sinks'),
		'paused|1', "$what: paused, also after a restart, and the outbox is kept");
	is($server->safe_psql('postgres',
		q{SELECT detail FROM evaudit.doctor() WHERE check_name = 'restored'}), 'sink sink',
		'doctor() says so');
	$server->safe_psql('postgres', q{SELECT evaudit.resume_sink('sink')});
	$server->wait_for('SELECT state FROM evaudit.stat_sinks', 'running');
	publish($server, 'sent');
	$server->wait_for($all, "$before sent");
	isnt($server->safe_psql('postgres', $identity), $node->safe_psql('postgres', $identity),
		'and another one when it is resumed');
	$server->restart;
	publish($server, 'again');
	$server->wait_for($all, "$before sent again");
	pass('and is not paused again');
	return;
}

publish($node, 'a');
$node->wait_for($all, 'a');
$node->backup('backup');
publish($node, 'b');
$node->wait_for($all, 'a b');

# started as it is
my $beside = start_from('beside', $node, 'backup');
is_paused($beside, 'a base backup');
publish($node, 'c');
$node->wait_for($all, 'a b c');
is($node->safe_psql('postgres', 'SELECT last_error FROM evaudit.stat_sinks'), '',
	'its origin sends on');

# recovered from an archive
$node->safe_psql('postgres', 'SELECT pg_switch_wal()');
my $recovered = start_from('recovered', $node, 'backup',
	has_restoring => 1, standby => 0);
$recovered->wait_for('SELECT pg_is_in_recovery()', 'f');
is_paused($recovered, 'one with an archive');
$recovered->stop;

# a copy of the files, by hand
$node->stop;
$node->backup_fs_cold('files');
$node->start;
append_to_file($node->backup_dir . '/files/evaudit_restored', time() . "\n");
my $copy = start_from('copy', $node, 'files');
is_paused($copy, 'a copy that was told');
$copy->stop;

# a standby of a server that was itself made of a backup
$beside->append_conf('postgresql.conf', "wal_level = replica\n");
$beside->restart;
$beside->backup('of_beside');
my $standby = start_from('standby', $beside, 'of_beside', has_streaming => 1);
my $before = $beside->safe_psql('postgres', $all);
publish($beside, 'd');
$beside->wait_for($all, "$before d");
$beside->wait_for_catchup($standby, 'replay', $beside->lsn('insert'));
$beside->stop;
$standby->promote;
publish($standby, 'e');
$standby->wait_for($all, "$before d e");
is($standby->safe_psql('postgres', 'SELECT state FROM evaudit.stat_sinks'),
	'running', 'a standby that is promoted goes on');

# an extension that is made after such a start
$standby->safe_psql('postgres', 'CREATE DATABASE fresh TEMPLATE template0');
$standby->safe_psql('fresh', q{
	BEGIN;
	CREATE EXTENSION evaudit;
	CREATE SERVER local FOREIGN DATA WRAPPER evaudit_function;
	CREATE FUNCTION take(events evaudit.event[]) RETURNS void LANGUAGE sql
		AS 'SELECT';
	SELECT evaudit.create_sink('new', 'local', '{t}',
		'{"function": "public.take"}');
	COMMIT});
$standby->wait_for('SELECT state FROM evaudit.stat_sinks', 'running',
	database => 'fresh');
pass('a sink that is made there runs');

done_testing();
