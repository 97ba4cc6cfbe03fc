# The requests that the tests of an event gateway make, over the topics, the
# access map and the keys that such a gateway is configured with; over HTTP,
# by the real front, where it was built, but for those that need a setting.

use strict;
use warnings;

use Evaudit::Cluster;
use Evaudit::Front;
use Evaudit::Token;
use HTTP::Tiny;
use IPC::Run;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = Evaudit::Cluster->new('main');
my $issuer = Evaudit::Token->new(PostgreSQL::Test::Utils::tempdir());
my $json = JSON::PP->new->canonical->utf8;

sub ask { return $node->safe_psql('postgres', $_[0]); }

# A value as a literal of jsonb.
sub literal { return '$json$' . $json->encode($_[0]) . '$json$'; }

# What a gateway is configured with: properties "name:type!", "!" if required.
sub properties
{
	my %types = (s => 'string', n => 'number', o => 'object', sn => [ 'string', 'null' ]);
	my %schema = (type => 'object', properties => {}, required => []);

	foreach (@_)
	{
		my ($name, $type, $required) = /^(\w+):(\w+)(!?)$/;
		$schema{properties}{$name} = { type => $types{$type} };
		push @{ $schema{required} }, $name if $required;
	}
	delete $schema{required} if !@{ $schema{required} };
	return \%schema;
}

my @origin = ('event_id:s!', 'tenant_id:s!', 'source_app:s!', 'environment:s!');
my $runs = properties(@origin, 'job_ref:s!', 'source_app_version:s!',
	'timestamp_start:n!', 'timestamp_end:n!');
$runs->{properties}{jobs} = {
	type => 'array',
	items => properties('country:s', 'catalog_id:s!', 'status:s!',
		'timestamp_start:n!', 'timestamp_end:n!', 'message:sn', 'additional_info:o')
};
$runs->{properties}{jobs}{items}{properties}{status}{enum} =
  [qw(succeeded failed killed skipped)];
push @{ $runs->{required} }, 'jobs';
my $dlchange = properties(@origin, 'source_app_version:s!',
	'timestamp_event:n!', 'catalog_id:s!', 'operation:s!', 'location:s',
	'format:s!', 'format_options:o');
$dlchange->{properties}{operation}{enum} = [qw(overwrite append archive delete)];
my $test = properties(@origin, 'timestamp:n!', 'additional_info:o');

# A job goes through states; which ones go with which event is five if/then.
my %states = (
	Created => ['WAITING'],
	CreatedAndStarted => ['RUNNING'],
	Started => ['RUNNING'],
	Updated => [ 'WAITING', 'RUNNING' ],
	Finished => [ 'SUCCEEDED', 'FAILED', 'KILLED' ]);
my $status = properties('source_app:s', 'source_app_version:s',
	'environment:s', 'job_name:s', 'definition_id:s', 'platform:sn', 'country:sn');
$status->{properties}{$_} = { type => 'string', format => 'uuid' }
  foreach 'event_id', 'job_id';
$status->{properties}{parent_job_id} = { type => [ 'string', 'null' ], format => 'uuid' };
$status->{properties}{event_type} =
  { type => 'string', enum => [ map { "Job${_}Event" } sort keys %states ] };
$status->{properties}{status_type} =
  { type => 'string', enum => [qw(WAITING RUNNING SUCCEEDED FAILED KILLED)] };
$status->{properties}{timestamp_event} = { type => 'integer', minimum => 0 };
$status->{required} = [qw(event_type event_id job_id status_type)];
$status->{allOf} = [
	map {
		{
			if => { properties => { event_type => { const => "Job${_}Event" } } },
			then => {
				(/^Created/ ? (required => [ 'job_name', 'source_app', 'timestamp_event', 'platform' ]) : ()),
				properties => { status_type => { enum => $states{$_} } }
			}
		}
	} sort keys %states ];

my %topics = (
	'public.x.runs' => $runs,
	'public.x.dlchange' => $dlchange,
	'public.x.test' => $test,
	'public.x.status_change' => $status);
my $options = literal({ event_id => '/event_id', keep => JSON::PP::true });
ask("SELECT evaudit.create_topic('$_', " . literal($topics{$_}) . ", $options)")
  foreach sort keys %topics;
ask('SELECT evaudit.import_access_map(' . literal({
	'public.x.runs' => {
		FooBarUser => {},
		RestrictedUser => {
			source_app => ['restricted-app'],
			environment => ['dev'],
			tenant_id => [ 'avms|avm', 'x[0-9]+' ]
		}
	},
	'public.x.dlchange' => [ 'FooUser', 'BarUser' ],
	'public.x.test' => ['TestUser'],
	'public.x.status_change' => [ 'TestUser', 'FooBarUser' ]
}) . ')');
my $keys = $json->decode($issuer->keys)->{keys};
ask("SELECT evaudit.create_issuer('provider', " . literal({
	keys => { keys => $keys }, algorithms => ['RS256'],
	token_url => 'https://provider.example/token'
}) . ')');

# Tokens are made once.
my %tokens;
sub token { return $tokens{ $_[0] } //= $issuer->token(sub => $_[0]); }

# The front, and the settings of its role.
my $front;
my $front_settings = '';

sub start_front
{
	($front_settings) = @_;
	return unless $ENV{EVAUDIT_FRONT} && -x $ENV{EVAUDIT_FRONT};
	$front //= Evaudit::Front->new($node);
	ask("ALTER ROLE front SET $front_settings");
	$front->stop;
	$front->begin;
}

# The same by the front.
sub request_front
{
	my ($method, $path, $body, %headers) = @_;
	my %args = (headers => { 'Content-Type' => 'application/json', %headers });

	$args{content} = ref $body ? $json->encode($body) : $body if defined $body;
	my $response = HTTP::Tiny->new(max_redirect => 0)
	  ->request($method, "http://127.0.0.1:$front->{port}$path", \%args);
	my %answered = map { (s/(^|-)(\w)/$1\u$2/gr => $response->{headers}{$_}) }
	  keys %{ $response->{headers} };
	my $answer = $response->{content};
	$answer = decode_json($answer)
	  if ($answered{'Content-Type'} // '') eq 'application/json';
	return ($response->{status}, \%answered, $answer);
}

# A request; returns the status, the headers and the body, decoded if JSON.
sub request
{
	my ($method, $path, $who, $body, @settings) = @_;
	my %headers = defined $who ? (Authorization => 'Bearer ' . token($who)) : ();
	return request_front($method, $path, $body, %headers)
	  if $front && "@settings" eq $front_settings;
	my $text = !defined $body ? 'NULL'
	  : "convert_to(" . (ref $body ? literal($body) : "'$body'") . ", 'UTF8')";
	my $out = ask(join '', (map { "SET $_; " } @settings),
		"SELECT jsonb_build_array(status, headers, convert_from(body, 'UTF8')) FROM ",
		"evaudit.http('$method', '$path', " . literal(\%headers) . ", $text)");
	my ($code, $answered, $answer) = @{ decode_json($out) };

	$answer = decode_json($answer)
	  if ($answered->{'Content-Type'} // '') eq 'application/json';
	return ($code, $answered, $answer);
}

# Check the status of a request, and of an error its type.
sub check
{
	my ($name, $expected, $type, @request) = @_;
	my ($code, $headers, $body) = request(@request);

	is($code, $expected, $name);
	is($body->{errors}[0]{type}, $type, "$name: type") if $type;
	ok($headers->{'X-Request-Id'}, "$name: request id");
	is_deeply($body, { success => JSON::PP::true, statusCode => 202 }, "$name: body")
	  if $expected == 202;
	is_deeply([ $body->{success}, $body->{statusCode} ], [ JSON::PP::false, $expected ], "$name: body")
	  if $type;
	return $body;
}

my $now = time() * 1000;
my $made = 0;

# An event of a topic, with members replaced.
sub event
{
	my ($kind, %members) = @_;
	my %event = (
		event_id => sprintf('00000000-0000-4000-8000-%012d', ++$made),
		tenant_id => 'TEN', source_app => 'app', source_app_version => '1.0',
		environment => 'dev');

	%event = (%event, timestamp => 123) if $kind eq 'test';
	%event = (%event, timestamp_event => $now, catalog_id => 'c', operation => 'append', format => 'delta')
	  if $kind eq 'dlchange';
	%event = (%event, job_ref => "job $made", timestamp_start => $now - 60_000, timestamp_end => $now,
		jobs => [ { catalog_id => "c$made", status => 'succeeded', timestamp_start => $now - 50_000, timestamp_end => $now } ])
	  if $kind eq 'runs';
	%event = (%event, event_type => 'JobUpdatedEvent', status_type => 'RUNNING',
		job_id => '11111111-1111-4111-8111-111111111111', timestamp_event => $now)
	  if $kind eq 'status_change';
	return { %event, %members };
}

my $path = '/topics/public.x';
foreach my $compat ('off', 'eventgate')
{
	my @set = ("evaudit.http_compat = $compat");
	my $check = sub { my ($name, $expected, $type, $method, $where, $who, $body) = @_;
		return check("$name, compat $compat", $expected, $type, $method, $where, $who, $body, @set); };
	start_front($set[0]);
	my $broken = $compat eq 'off' ? 400 : 500;
	my $broken_type = $compat eq 'off' ? 'validation' : 'internal';

	# what needs no token
	my ($code, $headers, $body) = request('GET', '/api', undef, undef, @set);
	is("$code $headers->{'Content-Type'}", '200 application/yaml', 'api');
	like($body, qr{^openapi:.*^paths:.*^  /topics}ms, 'api: a document');
	($code, $headers, $body) = request('GET', '/docs', undef, undef, @set);
	is("$code $headers->{'Content-Type'}", '200 text/html; charset=utf-8', 'docs');
	like($body, qr{SwaggerUIBundle.*\./api}s, 'docs: a page');
	($code, $headers) = request('GET', '/token', undef, undef, @set);
	is("$code $headers->{Location}", '303 https://provider.example/token', 'token');
	$body = $check->('health', 200, undef, 'GET', '/health');
	is($body->{status}, 'ok', 'health: status');
	cmp_ok($body->{uptime_seconds}, '>=', 0, 'health: uptime');
	$body = $check->('topics', 200, undef, 'GET', '/topics');
	# the gateway has none of ours
	is_deeply($body, [ sort +($compat eq 'off' ? ('http_events', 'login') : ()), keys %topics ], 'topics: names');
	$check->('a topic of ours', $compat eq 'off' ? 200 : 404, $compat eq 'off' ? undef : 'topic', 'GET', '/topics/login');
	is_deeply($check->('schema', 200, undef, 'GET', "/topics/$_"), $topics{$_}, "schema of $_")
	  foreach sort keys %topics;
	$check->('no schema', 404, 'topic', 'GET', '/topics/no.such.topic');
	$check->('no route', 404, 'route', 'GET', '/unknown');

	# publishing, from what fails first to what fails last
	$check->('broken JSON', $broken, $broken_type, 'POST', "$path.test", 'TestUser', '{invalid json');
	$check->('no token', 401, 'auth', 'POST', "$path.test", undef, event('test'));
	$check->('no such topic', 404, 'topic', 'POST', '/topics/none', 'TestUser', event('test'));
	$check->('no grant', 403, 'auth', 'POST', "$path.test", 'NotAllowed', event('test'));
	$check->('no timestamp', 400, 'validation', 'POST', "$path.test", 'TestUser', { event_id => 'e1', tenant_id => 't', source_app => 'a', environment => 'dev' });
	$check->('accepted', 202, undef, 'POST', "$path.test", 'TestUser', event('test'));
	$check->('another case', 202, undef, 'POST', '/topics/PUBLIC.X.Test', 'testuser', event('test'));
	$check->('a list of users', 202, undef, 'POST', "$path.dlchange", 'BARUSER', event('dlchange'));
	$check->('not an operation', 400, 'validation', 'POST', "$path.dlchange", 'FooUser', event('dlchange', operation => 'merge'));
	$check->('not in the list', 403, 'auth', 'POST', "$path.dlchange", 'TestUser', event('dlchange'));

	# constraints
	my %good = (source_app => 'restricted-app', tenant_id => 'avms');
	$check->('all constraints', 202, undef, 'POST', "$path.runs", 'RestrictedUser', event('runs', %good));
	$check->('another pattern', 202, undef, 'POST', "$path.runs", 'RestrictedUser', event('runs', %good, tenant_id => 'x17'));
	foreach my $bad ([ tenant_id => 'avmsx' ], [ source_app => 'app' ], [ environment => 'prod' ])
	{
		$body = $check->("constraint on $bad->[0]", 403, 'permission', 'POST', "$path.runs", 'RestrictedUser', event('runs', %good, @$bad));
		is($body->{errors}[0]{message}, "Field '$bad->[0]' value not permitted for user 'RestrictedUser'", 'and its text');
	}
	my $lacking = event('runs', %good);
	delete $lacking->{tenant_id};
	$body = $check->('field missing', 403, 'permission', 'POST', "$path.runs", 'RestrictedUser', $lacking);
	is($body->{errors}[0]{message}, "Required field 'tenant_id' missing from message", 'and its text');
	$check->('a list for an event', $broken, $broken_type, 'POST', "$path.runs", 'RestrictedUser', '[]');

	# states and formats
	foreach my $type (sort keys %states)
	{
		my @allowed = @{ $states{$type} };
		foreach my $state (qw(WAITING RUNNING SUCCEEDED FAILED KILLED))
		{
			my $ok = grep { $_ eq $state } @allowed;
			$check->("$type $state", $ok ? 202 : 400, $ok ? undef : 'validation', 'POST', "$path.status_change", 'TestUser',
				event('status_change', event_type => "Job${type}Event", status_type => $state, job_name => 'j', platform => undef));
		}
	}
	$check->('no platform', 400, 'validation', 'POST', "$path.status_change", 'TestUser', event('status_change', event_type => 'JobCreatedEvent', status_type => 'WAITING', job_name => 'j'));
	# the gateway asserts no format
	$check->('not a uuid', $compat eq 'off' ? 400 : 202, $compat eq 'off' ? 'validation' : undef, 'POST', "$path.status_change", 'TestUser', event('status_change', job_id => 'j'));
	$check->('null for a uuid', 202, undef, 'POST', "$path.status_change", 'TestUser', event('status_change', parent_job_id => undef));
}
$front->stop if $front;
$front_settings = 'none';
my ($accepted) = ask('SELECT count(*) FROM evaudit.events');
is($accepted, $made = ask('SELECT count(DISTINCT event_id) FROM evaudit.events'), 'each accepted event was kept once');

# statistics of runs: rows of jobs, newest first, in pages
$made = 1000;
for my $n (1 .. 5)
{
	my @jobs = map { { catalog_id => "c$n.$_", status => $_ == 1 ? 'failed' : 'succeeded',
			message => $_ == 1 ? 'No Data at all' : undef,
			timestamp_start => 1_700_000_000_000, timestamp_end => 1_700_000_061_000 } } 1 .. $n;
	check("run $n", 202, undef, 'POST', "$path.runs", 'FooBarUser', event('runs', tenant_id => 'STATS', jobs => \@jobs));
}
ask("SELECT evaudit.grant_read('public.x.$_', 'FooBarUser')") foreach 'runs', 'test';
check('statistics with a grant to publish', 403, 'auth', 'POST', '/stats/public.x.test', 'TestUser', {});
check('statistics without a token', 401, 'auth', 'POST', '/stats/public.x.runs', undef, {});
check('statistics of no topic', 404, 'topic', 'POST', '/stats/none', 'FooBarUser', {});
is(check('statistics of no topic', 404, 'topic', 'POST', '/stats/none', 'FooBarUser', {}, 'evaudit.http_compat = eventgate')->{errors}[0]{message},
	"Topic 'none' not found.", 'with a dot, as a gateway has it');
# an id that was used before: a gateway takes both events
my $twice = event('test');
check('an event', 202, undef, 'POST', "$path.test", 'TestUser', $twice);
check('another of its id', 409, 'conflict', 'POST', "$path.test", 'TestUser', { %$twice, timestamp => 7 });
check('another of its id', 202, undef, 'POST', "$path.test", 'TestUser', { %$twice, timestamp => 7 }, 'evaudit.http_compat = eventgate');
is(ask("SELECT count(*) FROM evaudit.events WHERE payload ->> 'event_id' = '$twice->{event_id}'"), '2', 'both are kept');
check('statistics of a topic without runs, as gateways have it', 400, 'validation', 'POST', '/stats/public.x.test', 'FooBarUser', {}, 'evaudit.http_compat = eventgate');
check('no statistics for strangers, as a gateway has them', 401, 'auth', 'POST', '/stats/public.x.runs', undef, {}, 'evaudit.http_compat = eventgate');
foreach my $bad ([ '{', 'JSON' ], [ '[]', 'object' ], [ { limit => 0 }, 'limit' ], [ { limit => 'x' }, 'limit' ], [ { limit => JSON::PP::true }, 'limit' ],
	[ { cursor => 'x' }, 'cursor' ], [ { timestamp_start => 1.5 }, 'timestamp_start' ], [ { timestamp_end => 'now' }, 'timestamp_end' ])
{
	my $body = check("statistics: $bad->[1]", 400, 'validation', 'POST', '/stats/public.x.runs', 'FooBarUser', $bad->[0]);
	like($body->{errors}[0]{message}, qr/$bad->[1]/, 'and its text');
}
foreach my $compat ('off', 'eventgate')
{
	my @who = $compat eq 'off' ? 'FooBarUser' : undef;
	my @set = ("evaudit.http_compat = $compat", 'evaudit.http_stats = ' . ($compat eq 'off' ? 'token' : 'open'));
	my %seen;
	my @all;
	my $cursor;
	my $pages = 0;

	do
	{
		my ($code, undef, $body) = request('POST', '/stats/public.x.runs', @who, { limit => 4, cursor => $cursor }, @set);
		is($code, 200, "page $pages, compat $compat");
		cmp_ok(scalar(@{ $body->{data} }), '<=', 4, 'has its limit');
		push @all, @{ $body->{data} };
		$cursor = $body->{pagination}{cursor};
		is($body->{pagination}{has_more}, defined $cursor ? JSON::PP::true : JSON::PP::false, 'a cursor if there is more');
	} while (defined $cursor && ++$pages < 20);
	is(scalar(grep { $seen{ $_->{internal_id} }++ } @all), 0, 'no row twice');
	is(scalar(@all), 19, 'all rows');
	is_deeply([ map { $_->{internal_id} } @all ], [ sort { $b <=> $a } map { $_->{internal_id} } @all ], 'newest first');
	my ($failed) = grep { $_->{catalog_id} eq 'c5.1' } @all;
	is_deeply({ map { $_ => $failed->{$_} } qw(run_status formatted_tenant elapsed_time start_time end_time country status) },
		{ run_status => 'no data received', formatted_tenant => 'stats', elapsed_time => 61_000, start_time => '2023-11-14 22:13:20',
		  end_time => '2023-11-14 22:14:21', country => $compat eq 'off' ? undef : '', status => 'failed' }, 'what is computed');
	like($failed->{run_date}, qr/^\d\d-\d\d-\d{4}$/, 'a day');
	is_deeply([ @$failed{ 'tenant_id', 'run_timestamp_start' } ], [ 'STATS', $now - 60_000 ], 'of the run');
	my (undef, undef, $body) = request('POST', '/stats/public.x.runs', @who, { timestamp_start => $now + 1 }, @set);
	is(scalar(@{ $body->{data} }), 0, 'none in a window to come');
	(undef, undef, $body) = request('POST', '/stats/public.x.runs', @who, { timestamp_start => $now - 60_000, timestamp_end => $now }, @set);
	is(scalar(@{ $body->{data} }), 19, 'all in theirs');
}
my (undef, undef, $body) = request('POST', '/stats/public.x.test', 'FooBarUser', '');
is_deeply([ sort keys %{ $body->{data}[0] } ], [qw(event_id internal_id payload received_at subject)], 'rows of other topics');

# members of a job stand for none of its run, be they there or not
ask(q(SELECT evaudit.create_topic('forged', options => '{"keep": true}')));
ask(q(SELECT evaudit.grant_publish('forged', 'RestrictedUser', '{"tenant_id": ["mine"]}'), evaudit.grant_read('forged', 'FooBarUser')));
my %forged = map { $_ => 'other' } qw(tenant_id source_app source_app_version environment job_ref formatted_tenant run_status run_date
	run_timestamp_start event_id subject received_at internal_id jobs extra);
check('a run with forged jobs', 202, undef, 'POST', '/topics/forged', 'RestrictedUser',
	{ tenant_id => 'mine', environment => 'dev', extra => 'mine', formatted_tenant => 'other', jobs => [ \%forged, 'none' ] });
(undef, undef, $body) = request('POST', '/stats/forged', 'FooBarUser', {});
my @rows = @{ $body->{data} };
is_deeply([ map { [ @$_{qw(tenant_id environment extra source_app source_app_version job_ref formatted_tenant run_status run_date run_timestamp_start subject jobs)} ] } @rows ],
	[ map { [ 'mine', 'dev', 'mine', undef, undef, undef, 'mine', 'succeeded', undef, undef, 'RestrictedUser', undef ] } 1, 2 ], 'a job says nothing of its run');
is(scalar(grep { "@$_{qw(event_id received_at internal_id)}" =~ /other/ } @rows), 0, 'nor of its event');

# eight at once with one id: one event, and all are told that it was accepted
my $event = event('test', event_id => 'once');
my $post = "SELECT status FROM evaudit.http('POST', '$path.test', " .
  literal({ bearer => token('TestUser') }) . ", convert_to(" . literal($event) . ", 'UTF8'))";
my ($commands, $output) = ("SELECT pg_advisory_lock(1);\n", '');
my $holder = IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres') ], '<', \$commands, '>', \$output);
$holder->pump until $output =~ /\n/;
my @out = ('') x 8;
my @sessions = map {
	IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'),
			'-c', 'SELECT pg_advisory_lock_shared(1)', '-c', $post ], '>', \$out[$_]);
} 0 .. 7;
$node->wait_for(q(SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted), 8);
$commands .= "\\q\n";
$_->finish foreach $holder, @sessions;
is(join(' ', map { (split)[-1] } @out), join(' ', (202) x 8), 'eight responses');
is(ask("SELECT count(*) FROM evaudit.events WHERE event_id = 'once'"), 1, 'one event');

# one rate for all sessions
my @rate = ('evaudit.rate_limit = 0.001', 'evaudit.rate_burst = 2');
check("message $_ of a rate", 202, undef, 'POST', "$path.test", 'TestUser', event('test'), @rate) foreach 1, 2;
my ($code, $headers) = request('POST', "$path.test", 'TestUser', event('test'), @rate);
is($code, 429, 'message 3 of a rate of 2');
cmp_ok($headers->{'Retry-After'}, '<=', 1000, 'can be sent later');
check('another subject has its own rate', 202, undef, 'POST', "$path.dlchange", 'FooUser', event('dlchange'), @rate);

# health tells what is wrong, in a word
ask(q(SELECT evaudit.create_issuer('late', '{"issuer": "late", "jwks_url": "https://127.0.0.1:1/keys"}')));
$body = check('something is wrong', 503, undef, 'GET', '/health');
is($body->{status}, 'degraded', 'a state');
is_deeply($body->{failures}, { 'issuer late' => 'keys are not here yet' }, 'what fails');
is_deeply([ @{ $body->{dependencies} }{ 'database', 'issuer provider', 'issuer late' } ], [ 'ok', 'ok', 'keys are not here yet' ], 'all that it depends on');
$node->safe_psql('postgres', q{
	SELECT evaudit.drop_issuer('late');
	CREATE SERVER kafka FOREIGN DATA WRAPPER evaudit_kafka OPTIONS ("bootstrap.servers" '127.0.0.1:1');
	SELECT evaudit.create_source(name, 'kafka', options => '{"topics": "logins"}') FROM unnest(ARRAY['fails', 'rests']) name;
	SELECT evaudit.pause_source('rests')});
$node->wait_for(q(SELECT string_agg(state, ' ' ORDER BY name) FROM evaudit.stat_sources), 'backoff paused');
$body = check('a source that fails', 503, undef, 'GET', '/health');
is_deeply($body->{failures}, { 'source fails' => 'failing, will be tried again' }, 'is named');
is($body->{dependencies}{'source rests'}, 'paused', 'one that is paused is none');
ask(q(SELECT evaudit.drop_source('fails'), evaudit.drop_source('rests')));
ask("ALTER DATABASE postgres SET default_transaction_read_only = on");
$body = check('a database that is only read', 503, undef, 'GET', '/health');
is_deeply($body->{failures}, { database => 'read-only' }, 'is no healthy one');

$node->stop;
done_testing();
