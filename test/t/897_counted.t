# What metrics() counts is what happened: after 100,000 events, and as many
# requests, tokens and processes as the test made, failed or not.

use strict;
use warnings;

use Evaudit::Cluster;
use JSON::PP ();
use Test::More;

# One process at a time fails and comes back within the test's patience.
my $node = Evaudit::Cluster->new('main', conf => "evaudit.max_backoff = '300ms'\n");

sub query { return $node->safe_psql('postgres', $_[0]); }

# The values of all series of a metric that are not 0, by their labels.
sub counted
{
	my ($metric) = @_;
	my %values = query('SELECT evaudit.metrics()') =~ /^\Q$metric\E(?:\{(\S*)\})? (\S+)$/mg;
	delete @values{ grep { $values{$_} == 0 } keys %values };
	return \%values;
}

# Wait until a series has a value.
sub becomes
{
	my ($series, $value) = @_;
	return $node->wait_for("SELECT evaudit.metrics() ~ '(?n)^$series $value\$'", 't');
}

# Every series is there before anything happened.
my $first = query('SELECT evaudit.metrics()');
is(() = $first =~ /^evaudit_token_checks_total\{outcome="\w+"\} 0$/mg, 16, 'each outcome of a token is 0');
is(() = $first =~ /^evaudit_database_http_requests_total\{listener="(?:public|admin)",status="\d+"\} 0$/mg, 38,
	'each status of a response is 0');
is(() = $first =~ /^evaudit_job_runs_total\{type="[a-z ]+"\} 0$/mg, 8, 'each type of process is 0');

# 100,000 events by four sessions: new ones, repeated ones and rejected ones,
# to a table that is tracked and to a sink.
query(q{
	CREATE TABLE seen (topic text, event_id text, payload jsonb);
	CREATE SERVER here FOREIGN DATA WRAPPER evaudit_function;
	CREATE FUNCTION public.take(events evaudit.event[]) RETURNS void LANGUAGE sql
		AS 'INSERT INTO public.seen SELECT e.topic, e.event_id, e.payload FROM unnest(events) e';
	CREATE TABLE done (outcome text);
	SELECT evaudit.create_topic('busy', '{"properties": {"n": {"type": "integer"}}}', '{"keep": true}');
	SELECT evaudit.create_sink('out', 'here', '{busy}', '{"function": "public.take"}');
	CREATE FUNCTION public.refused(who int, n int) RETURNS text LANGUAGE plpgsql AS $$
	BEGIN
		RETURN evaudit.publish('busy', '{"n": "x"}', format('%s-%s', who, n));
	EXCEPTION WHEN data_exception OR integrity_constraint_violation THEN
		RETURN 'refused';
	END $$});
my @sessions = map { $node->background_psql('postgres') } 1 .. 4;
$sessions[$_]->query_until(qr/started/,
	"\\echo started\nINSERT INTO done"
	  # of ten, seven are new, two come again, and one is not as the schema wants it
	  . " SELECT CASE WHEN n % 10 = 9 THEN public.refused($_, n) ELSE evaudit.publish('busy', jsonb_build_object('n', n - greatest(n % 10 - 6, 0)), format('$_-%s', n - greatest(n % 10 - 6, 0))) END"
	  . " FROM generate_series(0, 24999) n;\n") for 0 .. 3;
$_->quit for @sessions;

my %outcomes = map { split /\|/ } split /\n/, query(q{SELECT CASE outcome WHEN 'refused' THEN outcome ELSE 'done' END, count(*) FROM done GROUP BY 1});
is_deeply(\%outcomes, { done => 90_000, refused => 10_000 }, 'the sessions published 100,000 events');
is(query('SELECT count(*) FROM evaudit.events'), 70_000, 'of which 70,000 were new');
$node->wait_for('SELECT count(DISTINCT (topic, event_id)) FROM seen', 70_000);
is_deeply(
	counted('evaudit_topic_events_total'),
	{
		'outcome="accepted",topic="busy"' => 7e4,
		'outcome="repeated",topic="busy"' => 2e4,
		'outcome="schema_violation",topic="busy"' => 1e4
	},
	'metrics() says the same of the topic');
is(query('SELECT count(*) FROM seen'), counted('evaudit_sink_delivered_total')->{'sink="out"'},
	'of the sink');
becomes('evaudit_sink_oldest_pending_timestamp_seconds\{sink="out"\}', 0);

# a sink that does not take an event: since when it waits
query('ALTER FUNCTION public.take RENAME TO gone');
query(q{SELECT evaudit.publish('busy', '{"n": 1}', 'late')});
my $since = query(q{SELECT extract(epoch FROM received_at)::float8 FROM evaudit.outbox WHERE event_id = 'late'});
is(counted('evaudit_sink_oldest_pending_timestamp_seconds')->{'sink="out"'}, $since, 'since when an event waits');

# Processes: wanted against had, begun and failed.  None runs a function that is
# not there.
becomes('evaudit_job_wanted_processes\{type="sink"\}', 1);
becomes('evaudit_job_processes\{type="sink"\}', 0);
query('ALTER FUNCTION public.gone RENAME TO take');
$node->wait_for(q{SELECT state, pending FROM evaudit.stat_sinks}, 'running|0');
becomes('evaudit_job_processes\{type="sink"\}', 1);
my ($failures, $runs) = split /\|/, query(q{SELECT failures, runs FROM evaudit.job_counts() WHERE type = 'sink'});
is($failures, 0, 'none has failed, since each was asked to end');
query(q{SELECT pg_terminate_backend(pid) FROM evaudit.stat_sinks});
$node->wait_for(q{SELECT failures, runs FROM evaudit.job_counts() WHERE type = 'sink'},
	($failures + 1) . '|' . ($runs + 1));
my $ran = query(q{SELECT run_seconds FROM evaudit.job_counts() WHERE type = 'sink'});
$node->wait_for(qq{SELECT run_seconds > $ran FROM evaudit.job_counts() WHERE type = 'sink'}, 't');
is(query(q{SELECT wanted, processes FROM evaudit.job_counts() WHERE type = 'scheduler'}), '1|1', 'a scheduler');
query(q{SELECT evaudit.pause_sink('out')});
$node->wait_for(q{SELECT wanted, processes FROM evaudit.job_counts() WHERE type = 'sink'}, '0|0');
is(query(q{SELECT failures, runs FROM evaudit.job_counts() WHERE type = 'sink'}),
	($failures + 1) . '|' . ($runs + 1), 'a process that was asked to end has not failed');

# Tokens, and requests by their status, refused or not, rolled back or not.
query(q{SELECT evaudit.create_issuer('idp', '{"issuer": "https://idp", "algorithms": ["RS256"], "jwks_url": "https://127.0.0.1:9/keys"}')});
foreach my $token ('', 'x', 'a.b.c', 'eyJhbGciOiJub25lIn0.e30.', 'eyJhbGciOiJSUzI1NiJ9.e30.AAAA')
{
	$node->psql('postgres', "SELECT evaudit.verify_token('$token')");
}
is_deeply(
	counted('evaudit_token_checks_total'),
	{ map { ("outcome=\"$_->[0]\"" => $_->[1]) } [ missing => 1 ], [ malformed => 2 ], [ bad_algorithm => 1 ], [ unknown_issuer => 1 ] },
	'tokens by what was wrong with them');
my %responses;
foreach my $request ([ 'GET', '/health' ], [ 'GET', '/health' ], [ 'GET', '/nothing' ], [ 'PUT', '/topics/busy' ],
	[ 'POST', '/topics/busy', undef, '{}' ], [ 'POST', '/topics/busy', '{"authorization": "Bearer x"}', '{}' ])
{
	my ($method, $path, $headers, $body) = @$request;
	my $arguments = join ', ', map { defined $_ ? "'$_'" : 'NULL' } $method, $path, $headers, $body;
	$responses{ query("BEGIN; SELECT status FROM evaudit.http($arguments); ROLLBACK") }++;
}
cmp_ok(scalar(keys %responses), '>=', 4, 'responses of several kinds');
is_deeply(
	counted('evaudit_database_http_requests_total'),
	{ map { ("listener=\"public\",status=\"$_\"" => $responses{$_}) } keys %responses },
	'requests by their status');
is(counted('evaudit_token_checks_total')->{'outcome="malformed"'}, 3, 'and the token of one of them');

# of this database
query('CREATE DATABASE other');
$node->safe_psql('other', 'CREATE EXTENSION evaudit');
unlike($node->safe_psql('other', 'SELECT evaudit.metrics()'),
	qr/^evaudit_(?:database_http_requests|token_checks|job_runs)_total\{.*\} [1-9]/m, 'others have their own');

$node->stop;
done_testing();
