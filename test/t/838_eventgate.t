# examples/eventgate: a gateway is replaced.  Its configuration is imported as
# it is; the events that its tests post, over HTTP, are read from the broker,
# from a queue behind the bus, and from the tables.

use strict;
use warnings;

use Evaudit::Cluster;
use Evaudit::Gateway;
use Evaudit::Pipeline;
use JSON::PP;
use Test::More;

plan skip_all => Evaudit::Gateway::unavailable()
  if Evaudit::Gateway::unavailable();

my $json = JSON::PP->new->canonical->utf8;
my @names = map { "public.cps.za.$_" } qw(runs dlchange test status_change);
my $gateway = Evaudit::Gateway->new(@names);
my ($conf, $kafka, $moto, $issuer) = @$gateway{qw(conf kafka moto issuer)};

# --- its configuration

# A schema of an object: members with their types, all required unless "?".
sub schema
{
	my (%members) = @_;
	my @required = grep { $members{$_} !~ /\?$/ } sort keys %members;
	return { type => 'object', required => \@required, properties => {
		map { $_ => { type => $members{$_} =~ s/\?$//r } } keys %members } };
}

my %origin = map { $_ => 'string' } qw(event_id tenant_id source_app environment);
my %version = (%origin, source_app_version => 'string');
write_json("$conf/topic_schemas/test.json",
	schema(%origin, timestamp => 'number', additional_info => 'object?'));
write_json("$conf/topic_schemas/dlchange.json",
	schema(%version, timestamp_event => 'number', catalog_id => 'string', operation => 'string',
		format => 'string', location => 'string?', format_options => 'object?'));
my $runs = schema(%version, job_ref => 'string', timestamp_start => 'number', timestamp_end => 'number', jobs => 'array');
$runs->{properties}{jobs}{items} = schema(catalog_id => 'string', status => 'string',
	timestamp_start => 'number', timestamp_end => 'number', country => 'string?', message => 'string?');
write_json("$conf/topic_schemas/runs.json", $runs);
my $status = schema(event_id => 'string', event_type => 'string', job_id => 'string',
	status_type => 'string', timestamp_event => 'integer');
$status->{properties}{$_}{format} = 'uuid' foreach 'event_id', 'job_id';
write_json("$conf/topic_schemas/status_change.json", $status);
write_json("$conf/access.json", {
	$names[0] => { Runner => {}, Bound => { source_app => ['app'], environment => ['dev|test'] } },
	map { $names[$_] => ['Tester'] } 1 .. 3 });
write_json("$conf/topic_keys.json", { $names[3] => 'job_id' });

# --- the import, twice

my $node = Evaudit::Cluster->new('main', conf => "evaudit.max_backoff = '300ms'\n");
$gateway->import_into($node);
$node->safe_psql('postgres', "SELECT evaudit.grant_publish('$names[1]', 'Stranger')");
$gateway->import_into($node);
is( $node->safe_psql('postgres', q{SELECT string_agg(subject, ' ' ORDER BY topic, subject COLLATE "C") FROM evaudit.publish_grants}),
	'Tester Bound Runner Tester Tester', 'the whole map is replaced');
my $front = $gateway->start_front($node);

# --- its events

my $number = 0;

my %tokens;

# Post an event of a topic; returns the status.
sub post
{
	my ($kind, $who, %event) = @_;

	return $front->request('POST', "/topics/public.cps.za.$kind", $json->encode(\%event),
		Authorization => 'Bearer ' . ($tokens{$who} //= $issuer->token(sub => $who)))->{status};
}

# An event's id, and what each has.
sub id { return sprintf('00000000-0000-4000-8000-%012d', ++$number); }
sub common { return (event_id => id(), tenant_id => 'T', source_app => 'app', source_app_version => '1', environment => 'dev', @_); }

my %job = (catalog_id => 'c', timestamp_start => 1, timestamp_end => 2);
my %run = (common(job_ref => 'r', timestamp_start => 1, timestamp_end => 9,
	jobs => [ { %job, status => 'succeeded' }, { %job, status => 'failed', country => 'za', message => 'm' } ]));
is(post('runs', 'Runner', %run), 202, 'a run');
is(post('runs', 'Runner', %run), 202, 'the same, once more');
is(post('runs', 'Bound', common(%run, event_id => id(), environment => 'prod')), 403, 'a constraint');
is(post('dlchange', 'Tester', common(timestamp_event => 5, catalog_id => 'c', operation => 'append', format => 'delta', format_options => { a => 1 })), 202, 'a change');
is(post('dlchange', 'Stranger', common(timestamp_event => 5, catalog_id => 'c', operation => 'append', format => 'delta')), 403, 'who is not in the map');
is(post('test', 'Tester', common(timestamp => 7, additional_info => { b => 2 })), 202, 'a test');
is(post('test', 'Tester', common(timestamp => 'soon')), 400, 'a schema');
is(post('status_change', 'Tester', event_id => 'no-uuid', event_type => 'JobStartedEvent', job_id => id(),
		status_type => 'RUNNING', timestamp_event => 1), 202, 'a format that the gateway did not assert');

my $job = id();
my @states = (
	[ 'JobCreatedEvent', 'WAITING', 1000, job_name => 'n', additional_context => { a => 1, b => 1 } ],
	[ 'JobStartedEvent', 'RUNNING', 2000, platform => 'p', attempt_number => 2 ],
	[ 'JobUpdatedEvent', 'RUNNING', 3000, job_name => 'm', additional_context => { b => 2 } ],
	[ 'JobFinishedEvent', 'SUCCEEDED', 4000, status_detail => 'd' ]);
foreach my $i (0, 3, 1, 2)
{
	my ($type, $state, $at, %more) = @{ $states[$i] };
	is(post('status_change', 'Tester', event_id => id(), event_type => $type, job_id => $job,
			status_type => $state, timestamp_event => $at, %more), 202, $type);
}

# --- the tables

is( $node->safe_psql('postgres', q{
		SELECT event_id, job_ref, timestamp_end FROM eventgate.runs;
		SELECT event_id, country, status, message FROM eventgate.runs_jobs ORDER BY internal_id;
		SELECT country, operation, format_options FROM eventgate.dlchange;
		SELECT timestamp_event, additional_info FROM eventgate.test}),
	"$run{event_id}|r|9\n$run{event_id}||succeeded|\n$run{event_id}|za|failed|m\n"
	  . qq(|append|{"a": 1}\n7|{"b": 2}), 'rows, once');
is( $node->safe_psql('postgres', qq{
		SELECT job_name, platform, attempt_number, additional_context, status_type, status_detail,
			extract(epoch FROM created_at)::int, extract(epoch FROM started_at)::int,
			extract(epoch FROM finished_at)::int, extract(epoch FROM last_updated_at)::int
		FROM eventgate.status_change WHERE job_id = '$job'}),
	'n|p|2|{"a": 1, "b": 1}|SUCCEEDED|d|1|2|4|4', 'a job, as the gateway merges what comes late');

# What the gateway's tests look at: all columns, jobs of jobs, further attempts,
# an order of events that makes no difference, an event that comes again.
my %started = (event_type => 'JobCreatedAndStartedEvent', job_ref => 'ref', tenant_id => 'abcd', source_app => 'ingest',
	source_app_version => '2.14.0', environment => 'dev', timestamp_event => 1_000_000_000_000, country => 'za', job_name => 'Ingestion',
	platform => 'aws', platform_metadata => { created => 'a' }, input_arguments => { id => 1234, day => '2026-05-19' },
	definition_id => '12', definition_version => 'v1', status_type => 'RUNNING', status_subtype => 'sub', status_detail => 'detail',
	additional_context => { created => 'a', common => 'a' });
my %updated = (event_type => 'JobUpdatedEvent', timestamp_event => 1_500_000_000_000, attempt_number => 2, status_type => 'RUNNING');
my %finished = (event_type => 'JobFinishedEvent', timestamp_event => 2_000_000_000_000, status_type => 'SUCCEEDED',
	additional_context => { finished => 'b', common => 'b' }, platform_metadata => { finished => 'b' });

# Post events of one job; returns what its row has, without the job's own ids.
sub job
{
	my ($job_id, @events) = @_;

	is(post('status_change', 'Tester', event_id => id(), job_id => $job_id, job_group_id => $job_id, %$_), 202, "a $_->{event_type}") foreach @events;
	my $row = $json->decode($node->safe_psql('postgres', "SELECT to_jsonb(s) FROM eventgate.status_change s WHERE job_id = '$job_id'"));
	is(delete $row->{job_id}, $job_id, 'one row of a job');
	is(delete $row->{job_group_id}, $job_id, 'of its group');
	return $row;
}

my @ids = map { id() } 1 .. 3;
my $row = job(id(), { %started, parent_job_id => $ids[0], initial_job_id => $ids[1] });
my %same = %started;
delete @same{ 'event_type', 'timestamp_event' };
is_deeply({ %$row, map { $_ => substr($row->{$_} // '', 0, 10) } qw(created_at started_at finished_at last_updated_at) },
	{ %same, attempt_number => 1, parent_job_id => $ids[0], initial_job_id => $ids[1], created_at => '2001-09-09',
		started_at => '2001-09-09', finished_at => '', last_updated_at => '2001-09-09' }, 'all that an event has');
$row = job(id(), \%started, \%updated, \%finished);
is_deeply($row->{additional_context}, { created => 'a', finished => 'b', common => 'b' }, 'contexts are merged');
is_deeply([ @$row{qw(platform_metadata attempt_number status_type status_subtype status_detail)} ],
	[ { finished => 'b' }, 2, 'SUCCEEDED', undef, undef ], 'the rest is of the newest');
is_deeply(job(id(), \%finished, \%started, \%updated), $row, 'whatever the order');
is(job(id(), { %started, parent_job_id => $ids[2] })->{parent_job_id}, $ids[2], 'a job within a job');
is_deeply([ @{ job(id(), { %started, initial_job_id => $ids[2], attempt_number => 2 }) }{qw(initial_job_id attempt_number)} ],
	[ $ids[2], 2 ], 'one that is tried again');
my %again = (%started, event_id => id());
is_deeply(job($ids[0], \%again, \%again)->{additional_context}, $again{additional_context}, 'an event that comes again');

# --- connections and privileges

my $sessions = q{SELECT string_agg(pid::text, ' ' ORDER BY pid) FROM pg_stat_activity WHERE usename = 'front'};
my $before = $node->safe_psql('postgres', $sessions);
is(post('test', 'Tester', common(timestamp => 8)), 202, 'another test');
is($front->request('POST', '/stats/public.cps.za.runs', '{}')->{status}, 200, 'statistics');
is($node->safe_psql('postgres', $sessions), $before, 'connections are used again');
is($node->safe_psql('postgres', q{
		SELECT string_agg(DISTINCT p, ' ') FROM pg_tables t, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) p
		WHERE schemaname = 'eventgate' AND has_table_privilege('front', format('%I.%I', schemaname, tablename), p);
		SELECT has_schema_privilege('front', 'eventgate', 'CREATE')}), "\nf", 'the front itself has no right to a table');

# --- the broker and the bus

my $accepted = $node->safe_psql('postgres',
	q{SELECT string_agg(event_id, ' ' ORDER BY event_id COLLATE "C") FROM evaudit.events});
my @expected = split / /, $accepted;
is(scalar(@expected), 19, 'accepted events');
my @records;
wait_until(sub {
		@records = map { my $topic = $_; map { { %$_, topic => $topic } } @{ $kafka->records($topic) } } @names;
		return @records >= @expected;
	}, 'records');
is_deeply([ sort map { decode_json($_->{value})->{event_id} } @records ], \@expected, 'each on the broker, once');
is_deeply([ map { $_->{key} } grep { $_->{value} =~ /\Q$job\E/ } @records ], [ ($job) x 4 ], 'keys as topic_keys.json has them');
is_deeply([ map { decode_json($_->{value})->{timestamp_event} } grep { $_->{value} =~ /\Q$job\E/ } @records ],
	[ 1000, 4000, 2000, 3000 ], 'in the order in which they came');
my %seen;
wait_until(sub {
		$seen{ $_->{detail}{event_id} } = $_ foreach map { decode_json($_->{Body}) } $moto->queue->receive('seen');
		return keys %seen >= @expected;
	}, 'events of the bus');
is_deeply([ sort keys %seen ], \@expected, 'each on the bus');
is_deeply([ @{ $seen{ $run{event_id} } }{qw(source detail-type detail)} ],
	[ 'public.cps.za.runs', 'JSON', \%run ], 'as the gateway sent it');

$node->stop;
done_testing();
