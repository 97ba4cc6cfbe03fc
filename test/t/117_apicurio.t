# Schemas by Apicurio Registry: those that Confluent's serializers register
# there, and those that were registered by its own API.

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

delete $ENV{$_} foreach grep { /_proxy$/i } keys %ENV;
my $kafka = Evaudit::Kafka->new;
my $apicurio = Evaudit::Apicurio->new;
my $node = Evaudit::Cluster->new('main', conf => "evaudit.max_backoff = '500ms'\n");
$kafka->start;
$apicurio->start;
add_server($node, $kafka->servers);
my $url = $apicurio->url;
$node->safe_psql('postgres', qq{
	CREATE SERVER reg FOREIGN DATA WRAPPER evaudit_registry
		OPTIONS (url '$url', allow_private 'true')});

# A topic with its source.
sub add_topic
{
	my ($name, $format) = @_;

	$kafka->create_topic($name, 1);
	$node->safe_psql('postgres', qq{
		SELECT evaudit.create_topic('$name', options =>
			'{"format": "$format", "framing": "confluent", "registry": "reg", "keep": true}');
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

done_testing();
