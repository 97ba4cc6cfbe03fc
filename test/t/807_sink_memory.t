# A process of a sink takes no more than 64 MB, whatever waits: a backlog of
# large and of many events, and events of very many topics.

use strict;
use warnings;

use Evaudit::Aws;
use Evaudit::Cluster;
use MIME::Base64;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'no /proc' unless -r "/proc/$$/status";

my $LARGE = 250;
my $node = Evaudit::Cluster->new('main', conf => "log_statement = none\n"
	  . "shared_buffers = 16MB\n");
my $aws = Evaudit::Aws->new;
my $url = $aws->endpoint;
my $secret = 'whsec_' . encode_base64('s' x 24, '');

$aws->control(pages => { '/hook' => { status => 200 } });
$node->safe_psql('postgres', qq{
	CREATE SERVER local FOREIGN DATA WRAPPER evaudit_function;
	CREATE SERVER hook FOREIGN DATA WRAPPER evaudit_webhook
		OPTIONS (url '$url/hook', allow_private 'true');
	CREATE USER MAPPING FOR CURRENT_USER SERVER hook OPTIONS (secret '$secret');
	CREATE TABLE batches (n int);
	CREATE FUNCTION take(events evaudit.event[]) RETURNS void LANGUAGE sql
	BEGIN ATOMIC
		INSERT INTO batches VALUES (cardinality(events));
	END;
	SELECT evaudit.create_topic('large', NULL, '{"keep": false, "key": "/k"}');
	SELECT evaudit.create_sink('function', 'local', '{large}',
		'{"function": "public.take", "batch_size": 10000}');
	SELECT evaudit.create_sink('hook', 'hook', '{large}', '{"batch_size": 10000}');
	SELECT evaudit.pause_sink(name) FROM evaudit.stat_sinks;
	SELECT count(evaudit.publish('large', jsonb_build_object('k', n % 20,
		'x', repeat('x', 900000)))) FROM generate_series(1, $LARGE) n;
	SELECT count(evaudit.publish('large', jsonb_build_object('k', n % 20)))
		FROM generate_series(1, 3000) n});

# Kilobytes that were private to a process when it had most, at least: what it
# shares does not become less.
sub peak
{
	my ($pid) = @_;
	my %kb = slurp_file("/proc/$pid/status") =~ /^(\w+):\s+(\d+) kB$/mg;
	return $kb{VmHWM} - $kb{RssFile} - $kb{RssShmem};
}

foreach my $sink ('function', 'hook')
{
	$node->safe_psql('postgres', "SELECT evaudit.resume_sink('$sink')");
	$node->wait_for("SELECT pending, delivered FROM evaudit.stat_sinks WHERE name = '$sink'",
		'0|' . ($LARGE + 3000));
	cmp_ok(peak($node->safe_psql('postgres',
		"SELECT pid FROM evaudit.stat_sinks WHERE name = '$sink'")), '<', 64 * 1024,
		"$sink: a backlog of " . int($LARGE * 0.9) . ' MB takes less than 64 MB');
}
is($node->safe_psql('postgres', 'SELECT max(n) > 1000 FROM batches'), 't',
	'small events are sent in large batches');

# all topics, of which there are very many
$node->safe_psql('postgres', q{
	SELECT evaudit.drop_sink(name) FROM evaudit.stat_sinks;
	SELECT count(evaudit.create_topic(format('topic.%s.%s', n, repeat('x', 100)), NULL,
		'{"keep": false}')) FROM generate_series(1, 12000) n;
	SELECT evaudit.create_sink('all', 'local', '{*}',
		'{"function": "public.take", "batch_size": 10000}');
	SELECT count(evaudit.publish(format('topic.%s.%s', n, repeat('x', 100)), '{}'))
	FROM generate_series(1, 12000) n});
$node->wait_for("SELECT pending, delivered FROM evaudit.stat_sinks WHERE name = 'all'",
	'0|12000');
my $pid = $node->safe_psql('postgres', 'SELECT pid FROM evaudit.stat_sinks');
my $logged = -s $node->logfile;
$node->safe_psql('postgres', "SELECT pg_log_backend_memory_contexts($pid)");
my $wanted = qr/evaudit wanted topics: (\d+) total/;
$node->wait_for("SELECT pg_read_file('" . $node->logfile . "') ~ 'Grand total'", 't');
my ($bytes) = slurp_file($node->logfile, $logged) =~ $wanted;
cmp_ok($bytes, '<', 2 * 1024 * 1024, 'what is known of topics is bounded');
cmp_ok(peak($pid), '<', 64 * 1024, 'all topics take less than 64 MB');

$node->stop;
done_testing();
