# Schemas by AWS Glue, as moto has it: signed requests, rights, versions that
# are not there.

use strict;
use warnings;

use Compress::Zlib;
use Evaudit::Cluster;
use Evaudit::Kafka;
use Evaudit::Moto;
use Evaudit::Pipeline;
use JSON::PP;
use Test::More;

foreach my $peer ('Evaudit::Kafka', 'Evaudit::Moto')
{
	plan skip_all => $peer->unavailable if $peer->unavailable;
}

my $kafka = Evaudit::Kafka->new;
my $moto = Evaudit::Moto->new;
my $node = Evaudit::Cluster->new('main', conf => "evaudit.max_backoff = '500ms'\n");
$kafka->start;
$moto->start;
add_server($node, $kafka->servers);

# Register a schema; returns the UUID of its version.
sub register
{
	my ($name, $format, $definition) = @_;
	return $moto->call('glue', 'create_schema', { SchemaName => $name, DataFormat => $format,
		Compatibility => 'NONE', SchemaDefinition => $definition,
		RegistryId => { RegistryName => 'events' } })->{SchemaVersionId};
}

$moto->call('glue', 'create_registry', { RegistryName => 'events' });
my $avro = register('orders', 'AVRO', encode_json({ type => 'record', name => 'Order',
	fields => [ { name => 'n', type => 'int' }, { name => 's', type => 'string' } ] }));
my $proto = register('logins', 'PROTOBUF',
	'syntax = "proto3"; package p; message Z { string z = 1; } message Login { string user = 1; int32 n = 2; }');
my $may = $moto->create_user('may', 'glue:GetSchemaVersion');
my $may_not = $moto->create_user('may-not', 'glue:GetSchema');
$moto->require_signatures;

my $endpoint = $moto->endpoint;
$node->safe_psql('postgres', qq{
	CREATE SERVER glue FOREIGN DATA WRAPPER evaudit_registry
		OPTIONS (region 'us-east-1', endpoint_url '$endpoint');
	CREATE USER MAPPING FOR CURRENT_USER SERVER glue
		OPTIONS (access_key_id '$may_not->{key}', secret_access_key '$may_not->{secret}')});
foreach my $format ('avro', 'protobuf')
{
	$kafka->create_topic($format, 1);
	$node->safe_psql('postgres', qq{
		SELECT evaudit.create_topic('$format', options =>
			'{"format": "$format", "framing": "glue", "registry": "glue", "keep": true}');
		SELECT evaudit.create_source('$format', 'kafka', '$format', '{"topics": "$format"}')});
}

# Produce a body with Glue's framing.
sub produce
{
	my ($topic, $uuid, $compressed, $body) = @_;
	my $payload = "\3" . ($compressed ? "\5" : "\0") . pack('H*', $uuid =~ tr/-//dr)
	  . ($compressed ? compress($body) : $body);

	$kafka->tool('-e', 'produce', $topic,
		\("k\t" . join('', map { sprintf '\x%02x', ord } split //, $payload) . "\n"));
	return;
}

# One column over the rows of a table or view.
sub list
{
	my ($column, $from) = @_;
	return $node->safe_psql('postgres', "SELECT string_agg($column, ',' ORDER BY id) FROM $from");
}

# who may not read the schema is told so, and no event is lost
produce('avro', $avro, 0, "\x0e\x06abc");
wait_until(sub {
	$node->safe_psql('postgres', q{SELECT state || ' ' || last_error FROM evaudit.stat_sources WHERE name = 'avro'})
	  =~ /^backoff could not fetch schema $avro of registry "glue": .*(not authorized|AccessDenied)/i
}, 'who may not is told so');
is(list('reason', 'evaudit.dead_letters'), '', 'and no event is refused for it');
$node->safe_psql('postgres', qq{
	ALTER USER MAPPING FOR CURRENT_USER SERVER glue
		OPTIONS (SET access_key_id '$may->{key}', SET secret_access_key '$may->{secret}')});
produce('avro', $avro, 1, "\x01\x00");
await_end($node, $kafka, 'avro', 'avro');
is(list('payload::text', q{evaudit.events WHERE topic = 'avro'}),
	'{"n": 7, "s": "abc"},{"n": -1, "s": ""}', 'Avro, plain and compressed');

# the place of Login among the messages by name is 0, that of Z is 1
produce('protobuf', $proto, 0, "\0\x0a\x03eva\x10\x05");
await_end($node, $kafka, 'protobuf', 'protobuf');
is(list('payload::text', q{evaudit.events WHERE topic = 'protobuf'}),
	'{"n": 5, "user": "eva"}', 'Protocol Buffers');

# a version that is not there
my $none = '01234567-89ab-cdef-0123-456789abcdef';
produce('avro', $none, 0, "\0\0");
await_end($node, $kafka, 'avro', 'avro');
is(list(q{reason || ': ' || error}, 'evaudit.dead_letters'),
	qq(unknown_schema: registry "glue" has no schema $none), 'a version that is not there');

# one of another format
produce('avro', $proto, 0, "\0\0");
await_end($node, $kafka, 'avro', 'avro');
like(list('error', 'evaudit.dead_letters'), qr/it is of type PROTOBUF, not AVRO/, 'one of another format');

done_testing();
