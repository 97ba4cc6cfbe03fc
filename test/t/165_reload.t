# A worker that runs sees settings that are reloaded: while it waits, and with
# a backlog that leaves it no time to wait.

use strict;
use warnings;

use Evaudit::Cluster;
use Evaudit::Mock;
use Test::More;

plan skip_all => Evaudit::Mock::unavailable()
  if Evaudit::Mock::unavailable();

my $broker = Evaudit::Mock->new('notes');
my $node = Evaudit::Cluster->new('main');

sub query { return $node->safe_psql('postgres', $_[0]); }

# The setting that the worker had for its latest event
my $setting = 'SELECT setting FROM seen ORDER BY n DESC LIMIT 1';

query(qq{CREATE TABLE seen (n int GENERATED ALWAYS AS IDENTITY, setting text);
	CREATE FUNCTION note(events evaudit.event[]) RETURNS void LANGUAGE sql
		SET search_path = public
		AS 'INSERT INTO seen (setting) SELECT current_setting(''work_mem'')';
	SELECT evaudit.create_topic('notes', options => '{"project": "public.note"}');
	CREATE SERVER kafka FOREIGN DATA WRAPPER evaudit_kafka
		OPTIONS ("bootstrap.servers" '${\$broker->servers}');
	SELECT evaudit.create_source('notes', 'kafka', 'notes',
		'{"topics": "notes", "batch_interval": "10ms"}')});
$broker->produce('{"id": 1}');
$node->wait_for($setting, '4MB');
my $tries = 0;
my $pids = query('SELECT pids FROM evaudit.stat_sources');

foreach my $size ('7MB', '9MB')
{
	query("ALTER SYSTEM SET work_mem = '$size'");
	query('SELECT pg_reload_conf()');
	# events come until one is handled with the new setting
	$broker->produce('{"id": 2}')
	  until eval { $node->wait_for($setting, $size, deadline => 1) } || $tries++ > 60;
	is(query($setting), $size, "work_mem = $size is seen");
}
is(query('SELECT pids FROM evaudit.stat_sources'), $pids, 'by the worker that ran');
is(query(q{SELECT state, last_error FROM evaudit.stat_sources}), 'running|',
	'which had no error');

$node->stop;
$broker->stop;
done_testing();
