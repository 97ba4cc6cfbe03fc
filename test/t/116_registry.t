# Avro and Protocol Buffers by way of a schema registry: what Confluent's own
# serializers write, registries that are away, ids that are not known.

use strict;
use warnings;

use Evaudit::Cluster;
use Evaudit::Kafka;
use Evaudit::Pipeline;
use Evaudit::Registry;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;

foreach my $peer ('Evaudit::Kafka', 'Evaudit::Registry')
{
	plan skip_all => $peer->unavailable if $peer->unavailable;
}

my $kafka = Evaudit::Kafka->new;
my $registry = Evaudit::Registry->new;
my $node = Evaudit::Cluster->new('main', conf => "evaudit.max_backoff = '500ms'\n");
$kafka->start;
$registry->start;
add_server($node, $kafka->servers);
my $url = $registry->url;
$node->safe_psql('postgres', qq{
	CREATE SERVER reg FOREIGN DATA WRAPPER evaudit_registry
		OPTIONS (url '$url/', allow_private 'true', request_timeout '2s')});

# A topic with its source.
sub add_topic
{
	my ($name, %options) = @_;
	my $json = encode_json({ registry => 'reg', keep => JSON::PP::true, %options });

	$kafka->create_topic($name, 1);
	$node->safe_psql('postgres', qq{
		SELECT evaudit.create_topic('$name', options => '$json');
		SELECT evaudit.create_source('$name', 'kafka', '$name', '{"topics": "$name"}')});
	return;
}

# The kept payloads of a topic, in their order.
sub payloads
{
	my ($topic) = @_;
	return $node->safe_psql('postgres', qq{
		SELECT string_agg(payload::text, E'\\n' ORDER BY source_position->'offset')
		FROM evaudit.events WHERE topic = '$topic'});
}

# The dead letters of a source.
sub letters
{
	my ($source, $column) = @_;
	return $node->safe_psql('postgres', qq{
		SELECT string_agg($column, E'\\n' ORDER BY id) FROM evaudit.dead_letters
		WHERE source = '$source'});
}

# --- Avro

my $login = {
	type => 'record', name => 'Login', namespace => 'com.example', fields => [
		{ name => 'user', type => 'string' },
		{ name => 'at', type => { type => 'long', logicalType => 'timestamp-millis' } },
		{ name => 'via', type => [ 'null', 'string' ], default => undef } ] };
my %avro = (topic => 'avro', format => 'avro', schema => $login);
add_topic('avro', format => 'avro', framing => 'confluent', event_id => '/user');
my @bytes = $registry->produce($kafka,
	{ %avro, value => { user => "j\x{f6}rg", at => 1659603039120, via => undef } },
	{ %avro, value => { user => 'eva', at => 0, via => 'web' } });
await_end($node, $kafka, 'avro', 'avro');
like($bytes[0], qr/^00000000010a6ac3b67267/, 'Confluent\'s framing');
is(payloads('avro'), qq({"at": "2022-08-04T08:50:39.120Z", "via": null, "user": "j\xc3\xb6rg"}\n)
	  . '{"at": "1970-01-01T00:00:00Z", "via": "web", "user": "eva"}', 'Avro by its registry');
is(scalar(@{ $registry->log }), 1, 'a schema is fetched once');

# the id in a header
add_topic('headers', format => 'avro', framing => 'confluent-headers');
$registry->produce($kafka, { %avro, topic => 'headers', headers => JSON::PP::true, value => { user => 'x', at => 1, via => undef } });
await_end($node, $kafka, 'headers', 'headers');
is(payloads('headers'), '{"at": "1970-01-01T00:00:00.001Z", "via": null, "user": "x"}', 'its id in a header');
like($registry->log->[-1], qr{^/schemas/guids/[-0-9a-f]{36}$}, 'is a UUID');

# a schema that refers to another, which refers to a third
my %parts = (
	C => { type => 'enum', name => 'C', symbols => [ 'ON', 'OFF' ] },
	B => { type => 'record', name => 'B', fields => [ { name => 'c', type => 'C' } ] });
$registry->register('c%2F1%20x', schema => encode_json($parts{C}));
$registry->register('b', schema => encode_json($parts{B}), references => [ { name => 'C', subject => 'c/1 x', version => 1 } ]);
my $main = $registry->register('a', references => [ { name => 'B', subject => 'b', version => 1 }, { name => 'C', subject => 'c/1 x', version => 1 } ],
	schema => encode_json({ type => 'record', name => 'A', fields => [ { name => 'b', type => 'B' }, { name => 'd', type => 'C' } ] }));
add_topic('parts', format => 'avro', framing => 'confluent');
$kafka->tool('-e', 'produce', 'parts', \sprintf("k\t\\x00\\x00\\x00\\x00\\x%02x\\x02\\x00\n", $main));
await_end($node, $kafka, 'parts', 'parts');
is(payloads('parts'), '{"b": {"c": "OFF"}, "d": "ON"}', 'schemas that refer to others');

# --- Protocol Buffers

my $sql = slurp_file('test/sql/format_protobuf.sql');
my ($set) = $sql =~ /VALUES \('descriptor_set', '([^']+)'\)/;
$registry->control(text => slurp_file('test/formats/sample.proto'));
add_topic('proto', format => 'protobuf', framing => 'confluent');
my %proto = (topic => 'proto', format => 'protobuf', schema => $set);
@bytes = $registry->produce($kafka,
	{ %proto, message => 't.sample.Choice', value => { text => 'x', next => { number => 7 } } },
	{ %proto, message => 't.sample.Outer.Middle.Inner', value => { kind => 'KIND_A' } });
await_end($node, $kafka, 'proto', 'proto');
is(payloads('proto'), qq({"next": {"number": 7}, "text": "x"}\n{"kind": "KIND_A"}), 'Protocol Buffers, by the text of their file');
like($bytes[1], qr/^00000000..060a0000/, 'with the indexes of a message in others');
$kafka->tool('-e', 'produce', 'proto', \join '', map { "k\t\\x00\\x00\\x00\\x00\\x" . substr($bytes[0], 8, 2) . "$_\n" } '\x02\x7e', '\x01', '', '\x02\x06\x08\x01', '\x00', '\x04\x0a\x06');
await_end($node, $kafka, 'proto', 'proto');
is(letters('proto', 'reason'), join("\n", ('bad_framing') x 4), 'indexes that lead nowhere');

# --- a registry that is away

# The state of a source, and its last error.
sub state_of
{
	my ($source) = @_;
	return $node->safe_psql('postgres',
		"SELECT state || ' ' || coalesce(last_error, '') FROM evaudit.stat_sources WHERE name = '$source'");
}

my %other = (%$login, name => 'Other');
my $fault = 0;
foreach my $status (503, 401, 403, 302, 404)
{
	my %schema = (%$login, name => 'Fault' . $fault++);

	$registry->control(status => $status);
	$registry->produce($kafka, { %avro, schema => \%schema, value => { user => "after $status", at => 0, via => undef } });
	wait_until(sub { state_of('avro') =~ /^backoff .*could not fetch schema \d+ of registry "reg": HTTP status $status/ },
		"status $status stops the source");
	is(letters('avro', 'reason'), '', "status $status makes no dead letters");
	$registry->control(status => undef);
	await_end($node, $kafka, 'avro', 'avro');
	like(payloads('avro'), qr/"after $status"/, 'until it is there again');
}

# who calls
$registry->control(users => 'me:secret');
$registry->produce($kafka, { %avro, schema => \%other, value => { user => 'basic', at => 0, via => undef } });
wait_until(sub { state_of('avro') =~ /^backoff .*HTTP status 401/ }, 'a user is asked for');
$node->safe_psql('postgres', q{CREATE USER MAPPING FOR CURRENT_USER SERVER reg OPTIONS (username 'me', password 'secret')});
await_end($node, $kafka, 'avro', 'avro');
like(payloads('avro'), qr/"basic"/, 'a user with a password');
$registry->control(token => 'bearer-1');
$node->safe_psql('postgres', q{ALTER USER MAPPING FOR CURRENT_USER SERVER reg OPTIONS (DROP username, DROP password, ADD token 'bearer-1')});
$registry->produce($kafka, { %avro, schema => { %other, name => 'Third' }, value => { user => 'bearer', at => 0, via => undef } });
await_end($node, $kafka, 'avro', 'avro');
like(payloads('avro'), qr/"bearer"/, 'a token');
unlike($node->safe_psql('postgres', 'SELECT * FROM evaudit.stat_sources')
	  . join('', grep { !/statement: / } split /^/, slurp_file($node->logfile)),
	qr/bearer-1|Bearer|Basic/, 'no secret is shown');

# --- an id that is not known

my $before = @{ $registry->log };
$kafka->tool('-e', 'produce', 'avro', \"k\t\\x00\\x00\\x00\\x00\\xc8\\x00\n");
await_end($node, $kafka, 'avro', 'avro');
is(letters('avro', "reason || ': ' || error"), 'unknown_schema: registry "reg" has no schema 200', 'is a dead letter');
is_deeply([ splice @{ $registry->log }, $before ], [ ('/schemas/ids/200') x 2 ], 'after a second look');
$kafka->tool('-e', 'produce', 'avro', \"k\t\\x00\\x00\\x00\\x00\\xc8\\x00\n");
await_end($node, $kafka, 'avro', 'avro');
is(scalar(@{ $registry->log }), $before + 2, 'and is not asked for again at once');

# what it is once it is known: a row that workers read
$node->safe_psql('postgres', q{
	UPDATE evaudit.registry_schemas SET type = 'AVRO', schema = '{"type": "record", "name": "N", "fields": [{"name": "x", "type": "int"}]}', refs = '[]' WHERE id = '200';
	SELECT evaudit.redrive('avro')});
like(payloads('avro'), qr/\{"x": 0\}/, 'a redrive takes what the table has then');

# a schema that the registry has again: redrive() asks for it, by a process of
# the source's owner, and finds it the next time
$node->safe_psql('postgres', q{
	CREATE ROLE boss SUPERUSER;
	CREATE ROLE ingest LOGIN;
	GRANT USAGE ON FOREIGN SERVER kafka, reg TO ingest;
	GRANT CREATE ON SCHEMA public TO ingest;
	GRANT INSERT, SELECT ON evaudit.events TO ingest;
	CREATE USER MAPPING FOR ingest SERVER reg OPTIONS (token 'bearer-1');
	SELECT evaudit.create_topic('late', options => '{"registry": "reg", "keep": true, "format": "avro", "framing": "confluent"}');
	SET ROLE ingest;
	SELECT evaudit.create_source('late', 'kafka', 'late', '{"topics": "late"}')});
$kafka->create_topic('late', 1);
my $late = $registry->register('late', schema => '{"type": "record", "name": "L", "fields": [{"name": "l", "type": "int"}]}');
$registry->control(forget => $late);
$kafka->tool('-e', 'produce', 'late', \sprintf("k\t\\x00\\x00\\x00\\x00\\x%02x\\x0e\n", $late));
await_end($node, $kafka, 'late', 'late');
is(letters('late', "reason"), 'unknown_schema', 'a schema that the registry has lost');
$registry->control(recall => $late, status => 503);

# Redrive as a superuser, who has no user mapping; the number and the notices.
sub redrive
{
	my (undef, $out, $err) = $node->psql('postgres', q{
		SET ROLE boss;
		SELECT evaudit.redrive('late')});
	return $out . ($err =~ /NOTICE:  (.*requested.*)/ ? ": $1" : '');
}
my $from = -s $node->logfile;
is(redrive(), '0: 1 schema is requested from registry "reg"', 'is requested by a redrive');
$node->wait_for_log(qr/could not fetch schema $late of registry "reg": HTTP status 503/, $from);
is($node->safe_psql('postgres', q{SELECT state FROM evaudit.stat_sources WHERE name = 'late'}), 'running', 'a registry that is away then does not stop the source');
$node->wait_for('SELECT count(*) FROM evaudit.schema_requests', '0');
$registry->control(status => undef);
is(redrive(), '0: 1 schema is requested from registry "reg"', 'the next one requests it again');
$node->wait_for("SELECT count(*) FROM evaudit.registry_schemas WHERE id = '$late' AND type = 'AVRO'", '1');
is(redrive(), '1', 'and one finds it');
is(payloads('late'), '{"l": 7}', 'and the event takes effect');

# a schema that is of another format
$registry->register('avro-value', schemaType => 'JSON', schema => '{}');
my $json_id = $registry->register('avro-value', schemaType => 'JSON', schema => '{}');
$kafka->tool('-e', 'produce', 'avro', \sprintf("k\t\\x00\\x00\\x00\\x00\\x%02x\\x00\n", $json_id));
await_end($node, $kafka, 'avro', 'avro');
like(letters('avro', "error"), qr/schema $json_id of registry "reg" cannot be used: it is of type JSON, not AVRO/, 'a schema of another type');

# retention takes what was fetched, and what is needed is fetched again
$node->safe_psql('postgres', q{SELECT evaudit.pause_source('headers')});
wait_until(sub { state_of('headers') =~ /^paused/ }, 'a source that is paused');
$node->safe_psql('postgres', q{UPDATE evaudit.registry_schemas SET fetched_at = now() - interval '1 year';
	SELECT evaudit.set_retention('fetched_schemas', '1 month')});
$node->wait_for('SELECT count(*) FROM evaudit.registry_schemas', 0);
$node->safe_psql('postgres', q{SELECT evaudit.resume_source('headers')});
$registry->produce($kafka, { %avro, topic => 'headers', headers => JSON::PP::true, value => { user => 'y', at => 1, via => undef } });
await_end($node, $kafka, 'headers', 'headers');
like(payloads('headers'), qr/"user": "y"\}$/, 'a schema that retention took is fetched again');

# a registry that is not public
$node->safe_psql('postgres', q{
	CREATE SERVER inward FOREIGN DATA WRAPPER evaudit_registry OPTIONS (url 'https://127.0.0.1:1/');
	SELECT evaudit.alter_topic('parts', options => '{"registry": "inward"}')});
$kafka->tool('-e', 'produce', 'parts', \"k\t\\x00\\x00\\x00\\x00\\x01\\x00\n");
wait_until(sub { state_of('parts') =~ /^backoff .*its address is not public/ }, 'a private address');

# what is refused when a topic is made
foreach my $case ([ 'no_such', 'confluent', qr/does not exist/ ], [ 'kafka', 'confluent', qr/is not a schema registry/ ],
	[ 'reg', 'glue', qr/is not a registry for framing "glue"/ ])
{
	my ($server, $framing, $error) = @$case;
	my (undef, undef, $err) = $node->psql('postgres', qq{SELECT evaudit.create_topic('bad',
		options => '{"format": "avro", "framing": "$framing", "registry": "$server"}')});

	like($err, $error, "registry $server with framing $framing");
}

# --- Apicurio's own API, of version 3: its answers are those of a registry 3.3.3

my %answers = (
	'/v3/ids/contentIds/7' => [ 200, '{"type": "record", "name": "A", "fields": [{"name": "b", "type": "B"}, {"name": "c", "type": "C"}]}' ],
	'/v3/ids/contentIds/7/references' => [ 200, '[{"name": "B", "artifactId": "b.b", "version": "1.x"}, {"name": "C", "groupId": "g/1", "artifactId": "c", "version": "2"}]' ],
	'/v3/groups/default/artifacts/b%2Eb/versions/1%2Ex/content' => [ 200, '{"type": "record", "name": "B", "fields": [{"name": "c", "type": "C"}]}' ],
	'/v3/groups/default/artifacts/b%2Eb/versions/1%2Ex/references' => [ 200, '[{"name": "C", "groupId": "g/1", "artifactId": "c", "version": "2"}]' ],
	'/v3/groups/g%2F1/artifacts/c/versions/2/content' => [ 200, '{"type": "enum", "name": "C", "symbols": ["ON", "OFF"]}' ],
	'/v3/groups/g%2F1/artifacts/c/versions/2/references' => [ 200, '[]' ],
	'/v3/ids/contentIds/8' => [ 404, '{"detail": "...", "title": "No content with ID \'8\' was found.", "status": 404, "name": "ContentNotFoundException"}' ],
	'/v3/ids/contentIds/9' => [ 200, '"int"' ],
	'/v3/ids/contentIds/9/references' => [ 200, '[]' ]);
$registry->control(paths => \%answers, status => undef);
$node->safe_psql('postgres', qq{
	CREATE SERVER v3 FOREIGN DATA WRAPPER evaudit_registry
		OPTIONS (url '$url/v3', api 'apicurio-v3', allow_private 'true', request_timeout '2s');
	CREATE USER MAPPING FOR CURRENT_USER SERVER v3 OPTIONS (token 'bearer-3')});
add_topic('own', format => 'avro', framing => 'apicurio-4byte', schema_id => 'content', registry => 'v3');

# Produce a body of a schema.
sub own
{
	my ($id, $body) = @_;
	$kafka->tool('-e', 'produce', 'own', \sprintf("k\t\\x00\\x00\\x00\\x00\\x%02x%s\n", $id, $body));
	return;
}

$before = @{ $registry->log };
own(7, '\x02\x00');
await_end($node, $kafka, 'own', 'own');
is(payloads('own'), '{"b": {"c": "OFF"}, "c": "ON"}', 'a schema with what it refers to');
is_deeply([ sort splice @{ $registry->log }, $before ], [ sort grep { /[\/]v3\/(ids\/contentIds\/7|groups)/ } keys %answers ], 'each of which is fetched once');
own(8, '\x00');
await_end($node, $kafka, 'own', 'own');
is(letters('own', "reason || ': ' || error"), 'unknown_schema: registry "v3" has no schema contentIds/8', 'an id that it does not know');

# what is no answer of it stops the source; each with another error than the
# one before, for that is what is waited for
my $no_text = 'the response is not text in UTF-8';
foreach my $case ([ 404, 'no page', 'HTTP status 404' ], [ 200, '', $no_text ],
	[ 404, '{"name": "NotFoundException"}', 'HTTP status 404' ], [ 200, "\xff", $no_text ],
	[ 503, '', 'HTTP status 503' ], [ 200, "\"a\0b\"", $no_text ])
{
	my ($status, $text, $error) = @$case;

	$registry->control(paths => { %answers, '/v3/ids/contentIds/9' => [ $status, $text ] });
	own(9, '\x02') if $status == 404 && $text eq 'no page';
	wait_until(sub { state_of('own') eq qq(backoff could not fetch schema contentIds/9 of registry "v3": $error) },
		"status $status, " . length($text) . ' bytes');
}
foreach my $case ([ '{}', 'its references are not a JSON array' ], [ '[{"name": "C"}]', 'a reference has no name, artifact or version' ],
	[ '[{"name": "D", "artifactId": "d", "version": "1"}]', 'HTTP status 404' ],
	[ encode_json([ map { { name => "N$_", groupId => 'g/1', artifactId => 'c', version => '2' } } 1 .. 65 ]), 'it refers to more than 64 schemas, or deeper than 16' ])
{
	my ($references, $error) = @$case;

	$registry->control(paths => { %answers, '/v3/ids/contentIds/9/references' => [ 200, $references ] });
	wait_until(sub { state_of('own') eq qq(backoff could not fetch schema contentIds/9 of registry "v3": $error) }, "references: $error");
}
$registry->control(paths => \%answers);
await_end($node, $kafka, 'own', 'own');
is(letters('own', 'reason'), "unknown_schema\nnot_an_object", 'until it answers');

done_testing();
