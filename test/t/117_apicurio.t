# Schemas by Apicurio Registry: by Confluent's API, those that Confluent's
# serializers register there, and by its own API those of its own serializer.

use strict;
use warnings;

use Evaudit::Apicurio;
use Evaudit::Cluster;
use Evaudit::Kafka;
use Evaudit::Pipeline;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;

foreach my $peer ('Evaudit::Kafka', 'Evaudit::Apicurio')
{
	plan skip_all => $peer->unavailable if $peer->unavailable;
}

my $kafka = Evaudit::Kafka->new;
my $apicurio = Evaudit::Apicurio->new;
my $node = Evaudit::Cluster->new('main', conf => "evaudit.max_backoff = '500ms'\n");
$kafka->start;
$apicurio->start;
add_server($node, $kafka->servers);
my $url = $apicurio->url;
$node->safe_psql('postgres', qq{
	CREATE SERVER reg FOREIGN DATA WRAPPER evaudit_registry
		OPTIONS (url '$url', allow_private 'true');
	CREATE SERVER own FOREIGN DATA WRAPPER evaudit_registry
		OPTIONS (url '@{[ $apicurio->url('registry/v2') ]}', api 'apicurio-v2',
			allow_private 'true', request_timeout '3s')});

# A topic with its source.
sub add_topic
{
	my ($name, $format, %options) = @_;
	my $json = encode_json({ format => $format, framing => 'confluent', registry => 'reg', keep => JSON::PP::true, %options });

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
		SELECT string_agg(payload::text, E'\n' ORDER BY source_position->'offset')
		FROM evaudit.events WHERE topic = '$topic'});
}

# Avro, with a schema that refers to another
add_topic('avro', 'avro');
my $kind = { type => 'enum', name => 'Kind', symbols => [ 'WEB', 'APP' ] };
$apicurio->register('kind', schema => encode_json($kind));
my $login = { type => 'record', name => 'Login', fields => [
	{ name => 'user', type => 'string' }, { name => 'kind', type => 'Kind' } ] };
my @bytes = $apicurio->produce($kafka, { topic => 'avro', format => 'avro', schema => $login,
	references => [ [ 'Kind', 'kind', 1 ] ], value => { user => "j\x{f6}rg", kind => 'APP' } });
await_end($node, $kafka, 'avro', 'avro');
is(payloads('avro'), qq({"kind": "APP", "user": "j\xc3\xb6rg"}), 'Avro');

# Protocol Buffers, whose text the registry makes of a descriptor
my ($set) = slurp_file('test/sql/format_protobuf.sql') =~ /VALUES \('descriptor_set', '([^']+)'\)/;
add_topic('proto', 'protobuf');
$apicurio->produce($kafka, { topic => 'proto', format => 'protobuf', schema => $set,
	message => 't.sample.Choice', value => { text => 'x', next => { number => 7 } } });
await_end($node, $kafka, 'proto', 'proto');
is(payloads('proto'), '{"next": {"number": 7}, "text": "x"}', 'Protocol Buffers');

# an id that is not known, until a schema is registered by Apicurio's own API
my $next = $apicurio->register('probe', schema => '"bytes"') + 1;
$kafka->tool('-e', 'produce', 'avro', \sprintf("k\t\\x00\\x00\\x00\\x00\\x%02x\\x01\\x04\n", $next));
await_end($node, $kafka, 'avro', 'avro');
is($node->safe_psql('postgres', "SELECT reason || ': ' || error FROM evaudit.dead_letters"),
	qq(unknown_schema: registry "reg" has no schema $next), 'an id that Apicurio does not know');
my $made = $apicurio->post('registry/v2', '/groups/default/artifacts',
	'{"type": "record", "name": "Own", "fields": [{"name": "b", "type": "boolean"}, {"name": "n", "type": "int"}]}',
	'X-Registry-ArtifactId' => 'own', 'X-Registry-ArtifactType' => 'AVRO');
is($made->{contentId}, $next, 'a schema by its own API has that id');
is($node->safe_psql('postgres', q{SELECT evaudit.redrive('avro')}), 0, 'a redrive requests it');
$node->wait_for("SELECT count(*) FROM evaudit.registry_schemas WHERE id = '$next' AND type = 'AVRO'", '1');
is($node->safe_psql('postgres', q{SELECT evaudit.redrive('avro')}), 1, 'the next one finds it');
like(payloads('avro'), qr/\{"b": true, "n": 2\}/, 'and the event takes effect');

# ids that no registry has are not its fault
$kafka->tool('-e', 'produce', 'avro', \join '', map { "k\t\\x00$_\\x00\n" } '\xff\xff\xff\xff', '\x80\x00\x00\x00');
await_end($node, $kafka, 'avro', 'avro');
is($node->safe_psql('postgres', q{SELECT string_agg(reason || ' ' || error, ', ' ORDER BY id) FROM evaudit.dead_letters WHERE error LIKE '%schema 2147483648' OR error LIKE '%schema 4294967295'}),
	'unknown_schema registry "reg" has no schema 4294967295, unknown_schema registry "reg" has no schema 2147483648', 'ids that no registry has');

# --- its own API and serializer: the bytes of a registered schema are those of
# another artifact, too, so that its two ids differ

my $user = '{"type": "record", "name": "User", "fields": [{"name": "user", "type": "string"}]}';
my %kinds = (
	global8 => [ 'apicurio', 'global', { 'headers.enabled' => 'false' } ],
	content8 => [ 'apicurio', 'content', { 'headers.enabled' => 'false', 'use-id' => 'contentId' } ],
	content4 => [ 'apicurio-4byte', 'content', { 'headers.enabled' => 'false', 'use-id' => 'contentId',
		'id-handler' => 'io.apicurio.registry.serde.Legacy4ByteIdHandler' } ],
	globalheader => [ 'apicurio-headers', 'global', {} ],
	contentheader => [ 'apicurio-headers', 'content', { 'use-id' => 'contentId' } ]);
foreach my $name (sort keys %kinds)
{
	my ($framing, $id, $options) = @{ $kinds{$name} };

	add_topic($name, 'avro', framing => $framing, schema_id => $id, registry => 'own');
	$apicurio->send_avro($kafka, $name, $user, $options, { user => "first $name" }, { user => 'second' });
	await_end($node, $kafka, $name, $name);
	is(payloads($name), qq({"user": "first $name"}\n{"user": "second"}), "$framing, $id id");
}
is($node->safe_psql('postgres', q{
		SELECT count(*) FILTER (WHERE id LIKE 'globalIds/%'), count(*) FILTER (WHERE id LIKE 'contentIds/%'), count(DISTINCT schema)
		FROM evaudit.registry_schemas r JOIN pg_foreign_server s ON s.oid = r.server_oid WHERE srvname = 'own'}),
	'2|1|1', 'artifacts of one text have an id each, and one together');

# a schema that refers to another, of a group, by their ids
my $api = 'registry/v2';
$apicurio->post($api, '/groups/my.group/artifacts', encode_json($kind),
	'X-Registry-ArtifactId' => 'kind/1', 'X-Registry-ArtifactType' => 'AVRO', 'X-Registry-Version' => '1.x');
my $parts = $apicurio->post($api, '/groups/default/artifacts', encode_json({
		content => encode_json({ type => 'array', items => { type => 'record', name => 'R', fields => [ { name => 'kind', type => 'Kind' } ] } }),
		references => [ { groupId => 'my.group', artifactId => 'kind/1', version => '1.x', name => 'Kind' } ] }),
	'Content-Type' => 'application/create.extended+json', 'X-Registry-ArtifactId' => 'own-parts', 'X-Registry-ArtifactType' => 'AVRO');
add_topic('parts', 'avro', framing => 'apicurio', schema_id => 'global', registry => 'own');
$kafka->tool('-e', 'produce', 'parts', \sprintf("k\t\\x00%s\\x02\\x02\\x00\n", '\x00' x 7 . sprintf '\x%02x', $parts->{globalId}));
await_end($node, $kafka, 'parts', 'parts');
is($node->safe_psql('postgres', q{SELECT string_agg(reason || ' ' || encode(payload, 'hex'), ',') FROM evaudit.dead_letters WHERE source = 'parts'}),
	sprintf('not_an_object 00%016x020200', $parts->{globalId}), 'a schema that refers to another');

# Protocol Buffers, with the name of the message as its serializer writes it
my $proto = $apicurio->post($api, '/groups/default/artifacts',
	'syntax = "proto3"; package p; message A { string a = 1; } message B { int32 b = 1; }',
	'Content-Type' => 'application/x-protobuf', 'X-Registry-ArtifactId' => 'own-proto', 'X-Registry-ArtifactType' => 'PROTOBUF');
add_topic('messages', 'protobuf', framing => 'apicurio', schema_id => 'content', registry => 'own');
$kafka->tool('-e', 'produce', 'messages', \sprintf("k\t\\x00%s\\x03\\x0a\\x01B\\x08\\x05\n", '\x00' x 7 . sprintf '\x%02x', $proto->{contentId}));
await_end($node, $kafka, 'messages', 'messages');
is(payloads('messages'), '{"b": 5}', 'Protocol Buffers by its own API');

# ids that it does not know
$kafka->tool('-e', 'produce', 'global8', \join '', map { "k\t\\x00$_\\x00\n" } '\x00' x 6 . '\x03\xe7', '\x7f' . '\xff' x 7, '\xff' x 8);
await_end($node, $kafka, 'global8', 'global8');
is($node->safe_psql('postgres', q{SELECT string_agg(reason || ': ' || error, E'\n' ORDER BY id) FROM evaudit.dead_letters WHERE source = 'global8'}),
	qq(unknown_schema: registry "own" has no schema globalIds/999\n)
	  . qq(unknown_schema: registry "own" has no schema globalIds/9223372036854775807\n)
	  . 'bad_framing: the id of the schema is negative', 'ids that it does not know');

# a registry that does not answer, and one whose URL is not that of its API
my $late = $apicurio->post($api, '/groups/default/artifacts', '{"type": "record", "name": "Late", "fields": []}',
	'X-Registry-ArtifactId' => 'late', 'X-Registry-ArtifactType' => 'AVRO');
my $state = q{SELECT state || ' ' || coalesce(last_error, '') FROM evaudit.stat_sources WHERE name = 'global8'};
$apicurio->freeze;
$kafka->tool('-e', 'produce', 'global8', \sprintf("k\t\\x00%s\n", '\x00' x 7 . sprintf '\x%02x', $late->{globalId}));
wait_until(sub { $node->safe_psql('postgres', $state) =~ /^backoff could not fetch schema globalIds\/$late->{globalId} of registry "own": .*tim/i }, 'a registry that does not answer stops the source');
$node->safe_psql('postgres', qq{ALTER SERVER own OPTIONS (SET url '@{[ $apicurio->url('registry/v2/no') ]}')});
$apicurio->thaw;
wait_until(sub { $node->safe_psql('postgres', $state) =~ /^backoff .*HTTP status 404/ }, 'and so does a URL that is not of its API');
$node->safe_psql('postgres', qq{ALTER SERVER own OPTIONS (SET url '@{[ $apicurio->url('registry/v2/') ]}')});
await_end($node, $kafka, 'global8', 'global8');
like(payloads('global8'), qr/\{\}$/, 'until both are right');
is($node->safe_psql('postgres', q{SELECT count(*) FROM evaudit.dead_letters WHERE source = 'global8'}), 3, 'and no event is refused for it');

done_testing();
