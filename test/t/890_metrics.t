# metrics() is what Prometheus reads, as true as the tables; what is made from
# the same list, by hand or by a program, agrees with it.

use strict;
use warnings;

use HTTP::Tiny;
use JSON::PP ();

use Evaudit::Cluster;
use Evaudit::Process;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = Evaudit::Cluster->new('main');
my $programs = $ENV{EVAUDIT_PROMETHEUS};

sub query { return $node->safe_psql('postgres', $_[0]); }
sub metrics { return query('SET ROLE watcher; SELECT evaudit.metrics()'); }

# The value of a series
sub value
{
	my ($series, $text) = @_;
	return ($text // metrics()) =~ /^\Q$series\E (\S+)$/m ? $1 : undef;
}

query(q{CREATE ROLE watcher IN ROLE pg_monitor;
	CREATE ROLE nobody;
	CREATE SERVER away FOREIGN DATA WRAPPER evaudit_kafka
		OPTIONS ("bootstrap.servers" '127.0.0.1:9');
	CREATE SERVER here FOREIGN DATA WRAPPER evaudit_function;
	CREATE FUNCTION public.take(events evaudit.event[]) RETURNS void
		LANGUAGE sql AS 'SELECT';
	CREATE TABLE orders (id int PRIMARY KEY, n int);
	SELECT evaudit.track('orders');
	SELECT evaudit.create_topic('sent', options => '{"keep": true}');
	SELECT evaudit.create_source(E'a "b" \\\\ c', 'away', options => '{"topics": "t"}');
	SELECT evaudit.pause_source(E'a "b" \\\\ c');
	SELECT evaudit.create_sink('out', 'here', '{sent}', '{"function": "public.take"}');
	SELECT evaudit.set_retention('events', '1 year');
	SELECT evaudit.create_issuer('idp', '{"issuer": "https://idp", "algorithms": ["RS256"],
		"jwks_url": "https://127.0.0.1:9/keys"}')});

# as many as an independent count
query(q{INSERT INTO orders SELECT i, 0 FROM generate_series(1, 1000) i});
query(q{UPDATE orders SET n = 1 WHERE id <= 300});
query(q{SELECT evaudit.publish('sent', jsonb_build_object('n', i)) FROM generate_series(1, 70) i});
$node->wait_for(q{SELECT delivered FROM evaudit.stat_sinks WHERE name = 'out'}, '70');
my $text = metrics();
is( value('evaudit_audit_rows_written_total{relation="public.orders"}', $text),
	query(q{SELECT count(*) FROM audit WHERE relation = 'public.orders' AND operation <> 'TRACK'}),
	'audit rows');
is(value('evaudit_sink_delivered_total{sink="out"}', $text), 70, 'events delivered');
is(value('evaudit_topic_events_total{outcome="accepted",topic="sent"}', $text), 70, 'events accepted');
is(value('evaudit_topic_events_total{outcome="accepted",topic="login"}', $text), 0, 'and none of others');
is(value('evaudit_launcher_up', $text), 1, 'the launcher');
is(value('evaudit_sink_status_active{sink="out",status="running"}', $text),
	1, 'the state that a sink is in');
is(value('evaudit_sink_status_active{sink="out",status="backoff"}', $text),
	0, 'and those that it is not in');
is( value(
		'evaudit_source_status_active{source="a \"b\" \\\\ c",status="paused"}',
		$text),
	1, 'names are escaped');
is(value('evaudit_source_last_commit_timestamp_seconds{source="a \"b\" \\\\ c"}', $text),
	0, 'a series is there before its first event');
is(value('evaudit_scrape_error{group="evaudit_retention"}', $text), 0, 'all was read');

# every metric of the list has its lines, together
foreach my $name (split /\n/, query('SELECT metric_group || \'_\' || name FROM evaudit.metric_list()'))
{
	my @kinds = map { /^(?:# (\w+) )?\Q$name\E[ {]/ ? $1 // 'series' : () } split /\n/, $text;
	like("@kinds", qr/^HELP TYPE( series)*$/, "lines of $name");
}

# a table that is locked costs its own metrics alone
my $locker = $node->background_psql('postgres');
$locker->query_safe('BEGIN; LOCK TABLE evaudit.retention');
$text = metrics();
is(value('evaudit_scrape_error{group="evaudit_retention"}', $text),
	1, 'a lock is not waited for');
unlike($text, qr/^evaudit_retention_/m, 'and its metrics are absent');
is(value('evaudit_sink_delivered_total{sink="out"}', $text), 70, 'others are there');
$locker->query_safe('COMMIT');
$locker->quit;

# outcomes of events
query(q{SELECT evaudit.publish('sent', '{"n": 1}', 'same') FROM generate_series(1, 3)});
$node->psql('postgres', q{SELECT evaudit.publish('sent', '{"n": 2}', 'same')});
$node->psql('postgres', q{SELECT evaudit.publish('login', '{}')}) for 1 .. 2;
my $counted = metrics();
is(value('evaudit_topic_events_total{outcome="repeated",topic="sent"}', $counted), 2, 'events repeated');
is(value('evaudit_topic_events_total{outcome="conflict",topic="sent"}', $counted), 1, 'conflicts');
is(value('evaudit_topic_events_total{outcome="missing_field",topic="login"}', $counted), 2, 'and rejections by reason');

my ($status, undef, $err) = $node->psql('postgres', 'SET ROLE nobody; SELECT evaudit.metrics()');
like($err, qr/permission denied for function metrics/, 'not for everybody');

# files made from the list
my $list = query('SELECT json_agg(l) FROM evaudit.metric_list() l');
my %files = (
	docs => 'docs/metrics.md',
	postgres_exporter => 'monitoring/postgres_exporter.yaml',
	sql_exporter => 'monitoring/sql_exporter.collector.yml');
foreach my $format (sort keys %files)
{
	my $made;
	IPC::Run::run([ 'monitoring/generate', $format ], '<', \$list, '>', \$made)
	  or die 'generate failed';
	is(slurp_file($files{$format}), $made, "$files{$format} (else run scripts/metrics)");
}

# each query runs as an exporter runs it, and brings what metrics() brings
foreach my $row (split /\n/, query(
		q{SELECT DISTINCT metric_group || '|' || query FROM evaudit.metric_list()}))
{
	my ($group, $sql) = split /\|/, $row, 2;
	my $rows = query("SET ROLE watcher; SELECT count(*) FROM ($sql) q");
	my $metric = query("SELECT name FROM evaudit.metric_list() WHERE metric_group = '$group' LIMIT 1");
	my @series = metrics() =~ /^${group}_$metric[{ ]/mg;
	is($rows, scalar(@series), "rows of $group");
}

# each alert has an entry in the runbook, a test and metrics that exist
my $rules = slurp_file('monitoring/alerts.yml');
my $tests = slurp_file('monitoring/alerts_test.yml');
my $runbook = slurp_file('docs/runbook.md');
foreach my $alert ($rules =~ /- alert: (\w+)/g)
{
	like($runbook, qr/^## $alert\n\n\*\*Means:\*\* .*\n(?:.*\n)*?\*\*Look at:\*\*(?:.*\n)*?\*\*Do:\*\*/m,
		"$alert is in the runbook");
	like($tests, qr/name: $alert fires\n/, "$alert fires in a test");
	like($tests, qr/name: $alert is silent\n/, "and is silent in one");
}
my %known = map { $_ => 1 } split /\n/,
  query(q{SELECT metric_group || '_' || name FROM evaudit.metric_list()});
is(join(' ', grep { !$known{$_} } $rules =~ /\b(evaudit_\w+)/g), '', 'alerts ask for metrics that are there');

# The expressions of the dashboard, with its variables filled in
my $dashboard = JSON::PP::decode_json(slurp_file('monitoring/dashboard.json'));
my @expressions = map { s/\$__rate_interval/5m/r =~ s/\$(?:job|instance)/.*/gr }
  map { $_->{expr} } map { @{ $_->{targets} || [] } } @{ $dashboard->{panels} };
cmp_ok(scalar(@expressions), '>=', 15, 'the dashboard shows something');
is(join(' ', grep { !$known{$_} } map { /\b(evaudit_\w+)/g } @expressions, map { $_->{definition} || () } @{ $dashboard->{templating}{list} }),
	'', 'which are metrics that are there');
is(join(' ', grep { /\$/ } @expressions), '', 'by variables that are there');

# What a real exporter makes of the file made for it: so many series, if it is
# asked often enough, for what would wait for a lock is left out.
sub exported
{
	my ($count) = @_;
	my $tries = 0;
	my $port = PostgreSQL::Test::Cluster::get_free_port();
	my $exporter = Evaudit::Process->new('exporter');
	my $page;

	query(q{CREATE ROLE exporter LOGIN IN ROLE pg_monitor});
	local $ENV{DATA_SOURCE_NAME} = sprintf(
		'host=%s port=%d user=exporter dbname=postgres sslmode=disable',
		$node->host, $node->port);
	$exporter->launch("$programs/prometheus-postgres-exporter",
		'--disable-default-metrics', '--disable-settings-metrics',
		'--extend.query-path', 'monitoring/postgres_exporter.yaml',
		'--web.listen-address', "127.0.0.1:$port");
	$exporter->await(sub {
		$page = HTTP::Tiny->new->get("http://127.0.0.1:$port/metrics");
		return $page->{success} && (series($page->{content}) >= $count || ++$tries > 50);
	});
	$exporter->stop;
	return $page->{content};
}

# The series of a text, without values, of this database; the labels of each in
# one order.
sub series
{
	my @series;

	while ($_[0] =~ /^(evaudit_\w+)(?:\{([^\n]*)\})? \S+$/mg)
	{
		my ($name, $labels) = ($1, $2 // '');
		push @series, "$name " . join ',', sort grep { !/^server=/ } $labels =~ /\w+="(?:[^"\\]|\\.)*"/g;
	}
	return sort @series if wantarray;
	return scalar @series;
}

SKIP:
{
	skip 'Prometheus is not there', 5 unless $programs;
	my $file = PostgreSQL::Test::Utils::tempdir() . '/metrics';
	append_to_file($file, metrics() . "\n");
	ok(!system("$programs/promtool check metrics <$file"), 'promtool takes the metrics');
	command_ok([ "$programs/promtool", 'check', 'rules', 'monitoring/alerts.yml' ],
		'promtool takes the rules');
	my $shown = PostgreSQL::Test::Utils::tempdir() . '/shown.yml';
	append_to_file($shown, JSON::PP::encode_json({ groups => [ { name => 'shown', rules =>
			[ map { { record => "shown:$_", expr => $expressions[$_] } } 0 .. $#expressions ] } ] }));
	command_ok([ "$programs/promtool", 'check', 'rules', $shown ],
		'promtool takes the expressions of the dashboard');
	command_ok([ "$programs/promtool", 'test', 'rules', 'monitoring/alerts_test.yml' ],
		'each alert fires, and is silent where it should be');
	my @own = grep { !/^evaudit_scrape_error/ } series(metrics());
	is( join("\n", series(exported(scalar @own))), join("\n", @own),
		'postgres_exporter brings the same series');
}

$node->stop;
done_testing();
