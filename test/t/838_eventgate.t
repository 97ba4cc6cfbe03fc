# examples/eventgate: a gateway is replaced.  Its configuration is imported as
# it is; the events that its tests post are read from the broker, from a queue
# behind the bus, and from the tables.

use strict;
use warnings;

use Evaudit::Cluster;
use Evaudit::Kafka;
use Evaudit::KeyServer;
use Evaudit::Moto;
use Evaudit::Pipeline;
use Evaudit::Token;
use FindBin;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;

my $why = Evaudit::Kafka::unavailable() || Evaudit::Moto::unavailable();
plan skip_all => $why if $why;

my $script = "$FindBin::RealBin/../../examples/eventgate/import.sql";
my $json = JSON::PP->new->canonical->utf8;

# --- what the gateway talks to

delete $ENV{$_} foreach grep { /^AWS_|_proxy$/i } keys %ENV;
$ENV{AWS_ACCESS_KEY_ID} = $ENV{AWS_SECRET_ACCESS_KEY} = 'test';
my $moto = Evaudit::Moto->new;
$moto->start;
my $bus = $moto->call('events', 'create_event_bus', { Name => 'gate' })->{EventBusArn};
$moto->queue->create_queue('seen', VisibilityTimeout => 30);
$moto->call('events', 'put_rule', { Name => 'all', EventBusName => 'gate',
	EventPattern => '{"detail-type": ["JSON"]}' });
$moto->call('events', 'put_targets', { Rule => 'all', EventBusName => 'gate',
	Targets => [ { Id => '1', Arn => $moto->arn('seen') } ] });
my $kafka = Evaudit::Kafka->new;
$kafka->start;
my @names = map { "public.cps.za.$_" } qw(runs dlchange test status_change);
$kafka->create_topic($_, 3) foreach @names;
my $issuer = Evaudit::Token->new(PostgreSQL::Test::Utils::tempdir());
my $keys = Evaudit::KeyServer->new;
$keys->answer(200, $issuer->keys);

# --- its configuration

my $conf = PostgreSQL::Test::Utils::tempdir();
mkdir "$conf/topic_schemas" or die "mkdir: $!";

sub write_json
{
	my ($name, $value) = @_;
	append_to_file("$conf/$name", $json->encode($value));
	return;
}

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
write_json('topic_schemas/test.json',
	schema(%origin, timestamp => 'number', additional_info => 'object?'));
write_json('topic_schemas/dlchange.json',
	schema(%version, timestamp_event => 'number', catalog_id => 'string', operation => 'string',
		format => 'string', location => 'string?', format_options => 'object?'));
my $runs = schema(%version, job_ref => 'string', timestamp_start => 'number', timestamp_end => 'number', jobs => 'array');
$runs->{properties}{jobs}{items} = schema(catalog_id => 'string', status => 'string',
	timestamp_start => 'number', timestamp_end => 'number', country => 'string?', message => 'string?');
write_json('topic_schemas/runs.json', $runs);
my $status = schema(event_id => 'string', event_type => 'string', job_id => 'string',
	status_type => 'string', timestamp_event => 'integer');
$status->{properties}{$_}{format} = 'uuid' foreach 'event_id', 'job_id';
write_json('topic_schemas/status_change.json', $status);
write_json('access.json', {
	$names[0] => { Runner => {}, Bound => { source_app => ['app'], environment => ['dev|test'] } },
	map { $names[$_] => ['Tester'] } 1 .. 3 });
write_json('topic_keys.json', { $names[3] => 'job_id' });
write_json('config.json', {
	access_config => 's3://bucket/access.json',
	topic_keys_config => 'conf/topic_keys.json',
	token_provider_url => 'https://provider.example/token',
	token_public_keys_url => $keys->url,
	ssl_ca_bundle => $keys->ca_file,
	kafka_bootstrap_server => $kafka->servers,
	event_bus_arn => $bus });

# --- the import, twice

my $node = Evaudit::Cluster->new('main', conf => "evaudit.max_backoff = '300ms'\n");
{
	local $ENV{EVENTGATE_CONF} = $conf;
	local $ENV{AWS_ENDPOINT_URL} = $moto->endpoint;
	command_ok([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-f', $script ], 'imported');
	$node->safe_psql('postgres', "SELECT evaudit.grant_publish('$names[1]', 'Stranger')");
	command_ok([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-f', $script ], 'and once more');
}
is( $node->safe_psql('postgres', q{SELECT string_agg(subject, ' ' ORDER BY topic, subject COLLATE "C") FROM evaudit.publish_grants}),
	'Tester Bound Runner Tester Tester', 'the whole map is replaced');
$node->wait_for(q{SELECT string_agg(kind || ' ' || state, ', ' ORDER BY kind) FROM evaudit.stat_sinks},
	'eventbridge running, kafka running');

# --- its events

my $number = 0;

# Post an event of a topic; returns the status.
sub post
{
	my ($kind, $who, %event) = @_;
	my $headers = $json->encode({ Authorization => 'Bearer ' . $issuer->token(sub => $who) });
	my $body = $json->encode(\%event);

	return $node->safe_psql('postgres', qq{
		SELECT status FROM evaudit.http('POST', '/topics/public.cps.za.$kind', \$\$$headers\$\$,
			convert_to(\$\$$body\$\$, 'UTF8'))});
}

# An event's id, and what each has.
sub id { return sprintf('00000000-0000-4000-8000-%012d', ++$number); }
sub common { return (event_id => id(), tenant_id => 'T', source_app => 'app', source_app_version => '1', environment => 'dev', @_); }

$node->wait_for(q{SELECT (SELECT status FROM evaudit.http('POST', '/topics/public.cps.za.test', '}
	  . $json->encode({ Authorization => 'Bearer ' . $issuer->token(sub => 'Tester') }) . q{', '{}')) <> 401});
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

# --- the broker and the bus

my $accepted = $node->safe_psql('postgres',
	q{SELECT string_agg(event_id, ' ' ORDER BY event_id COLLATE "C") FROM evaudit.events});
my @expected = split / /, $accepted;
is(scalar(@expected), 8, 'accepted events');
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
