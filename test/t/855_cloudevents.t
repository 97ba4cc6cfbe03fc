# What leaves, in its formats: the payload with headers, and CloudEvents 1.0
# as its Kafka binding has them, structured and binary.

use strict;
use warnings;

use Evaudit::Cluster;
use Evaudit::Kafka;
use JSON::PP;
use Test::More;

plan skip_all => Evaudit::Kafka::unavailable()
  if Evaudit::Kafka::unavailable();

my $kafka = Evaudit::Kafka->new;
$kafka->start;
$kafka->create_topic($_, 1) foreach qw(plain structured binary);
my $node = Evaudit::Cluster->new('main',
	conf => "evaudit.max_backoff = '200ms'\n");
my $servers = $kafka->servers;

$node->safe_psql('postgres', qq{
	CREATE SERVER kafka FOREIGN DATA WRAPPER evaudit_kafka
		OPTIONS ("bootstrap.servers" '$servers');
	SELECT evaudit.create_topic('orders & more', NULL,
		'{"key": "/customer", "timestamp": "/at"}');
	SELECT evaudit.create_sink('plain', 'kafka', '{^orders}',
		'{"topic": "plain"}');
	SELECT evaudit.create_sink('structured', 'kafka', '{^orders}',
		'{"topic": "structured", "format": "cloudevents"}');
	SELECT evaudit.create_sink('binary', 'kafka', '{^orders}',
		'{"topic": "binary", "format": "cloudevents",
		"cloudevents_mode": "binary", "cloudevents_source": "urn:shop"}');
	SELECT evaudit.publish('orders & more',
		'{"customer": "\\u00e9ve", "at": "2026-01-02T03:04:05.6Z"}', 'id 1')});

# The one record of a topic, once a sink has sent it.
sub record
{
	my ($topic) = @_;
	$node->wait_for(qq{SELECT delivered FROM evaudit.stat_sinks
		WHERE name = '$topic'}, 1);
	my $records = $kafka->records($topic);
	is(scalar @$records, 1, "$topic: one record");
	return $records->[0];
}
my $payload = { customer => "\x{e9}ve", at => '2026-01-02T03:04:05.6Z' };

my $plain = record('plain');
is_deeply(decode_json($plain->{value}), $payload, 'the payload alone');
is($plain->{headers}{id}, 'id 1', 'with its id');
is($plain->{headers}{time}, '2026-01-02T03:04:05.6Z', 'and its time');

# https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md
my $structured = record('structured');
is($structured->{headers}{'content-type'},
	'application/cloudevents+json; charset=UTF-8', 'structured: content type');
is_deeply(decode_json($structured->{value}), {
	specversion => '1.0', id => 'id 1', source => '/topics/orders%20%26%20more',
	type => 'orders & more', subject => 'postgres', time => '2026-01-02T03:04:05.6Z',
	partitionkey => "\x{e9}ve", datacontenttype => 'application/json',
	data => $payload }, 'structured: one document');

# https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md
my $binary = record('binary');
is_deeply(decode_json($binary->{value}), $payload, 'binary: the payload');
is_deeply({ map { $_ => $binary->{headers}{$_} } grep { /^ce_|^content/ }
		keys %{ $binary->{headers} } }, {
	ce_specversion => '1.0', ce_id => 'id 1', ce_source => 'urn:shop',
	ce_type => 'orders & more', ce_subject => 'postgres',
	ce_time => '2026-01-02T03:04:05.6Z',
	ce_partitionkey => $binary->{headers}{ce_partitionkey},
	'content-type' => 'application/json' }, 'binary: attributes are headers');
like($binary->{headers}{ce_partitionkey}, qr/ve$/, 'binary: of text');

# whatever a payload holds, it leaves as PostgreSQL itself writes it: members
# beyond the first of those that have offsets, and characters that need an
# escape at each place of the words that are compared
my $documents = q{(VALUES
	('{}'::jsonb), ('{"": [], "o": {}, "a": [[], {}, [[1]]]}'),
	('{"n": [0, -0.50, 1e300, 12345678901234567890, 1.10], "t": [true, false, null]}'),
	(jsonb_build_object('all', (SELECT string_agg(chr(i), '') FROM generate_series(1, 700) i WHERE i <> 127))),
	((SELECT jsonb_object_agg(format('k"%s', i), repeat('v', i)) FROM generate_series(1, 100) i)),
	((SELECT jsonb_build_object('a', jsonb_agg(i % 7 = 0)) FROM generate_series(1, 100) i)),
	((SELECT jsonb_build_object('a', jsonb_agg(repeat('a', i) || chr(c) || repeat('b', 20 - i)))
		FROM generate_series(0, 20) i, unnest('{1, 31, 32, 34, 92, 126, 233, 8364}'::int[]) c))
	) d (document)};
$kafka->create_topic('texts', 1);
$node->safe_psql('postgres', qq{
	SELECT evaudit.create_topic('texts');
	SELECT evaudit.create_sink('texts', 'kafka', '{texts}');
	SELECT evaudit.publish('texts', document) FROM $documents});
$node->wait_for(q{SELECT delivered FROM evaudit.stat_sinks
	WHERE name = 'texts'}, 7);
# the tool doubles backslashes, and escapes 127
is(join("\n", map { $_->{value} =~ s/\\\\/\\/gr } @{ $kafka->records('texts') }),
	$node->safe_psql('postgres', "SELECT document FROM $documents"),
	'payloads are those that PostgreSQL writes');

# what is parked in a kind that remembers batches: too large for the topic,
# between two others, each sent once
$kafka->create_topic('narrow', 1);
$kafka->configure('narrow', 'max.message.bytes' => 2000);
$node->safe_psql('postgres', q{
	SELECT evaudit.create_topic('mixed', NULL, '{"key": "/k"}');
	SELECT evaudit.create_sink('narrow', 'kafka', '{mixed}',
		'{"topic": "narrow", "on_failure": "block"}');
	SELECT evaudit.publish('mixed', '{"k": "a"}', 'a1'),
		evaudit.publish('mixed', jsonb_build_object('k', 'a', 'x',
			(SELECT string_agg(md5(i::text), '') FROM generate_series(1, 200) i)),
			'a2'),
		evaudit.publish('mixed', '{"k": "a"}', 'a3'),
		evaudit.publish('mixed', '{"k": "b"}', 'b1')});
$node->wait_for(q{SELECT string_agg(event_id || ' ' || state, ', ' ORDER BY position)
	FROM evaudit.deliveries WHERE sink = 'narrow'}, 'a2 parked, a3 blocked');
$node->wait_for(q{SELECT delivered FROM evaudit.stat_sinks
	WHERE name = 'narrow'}, 2);
is(join(' ', map { $_->{headers}{id} } @{ $kafka->records('narrow') }), 'a1 b1',
	'what cannot go is parked, the others go once');
$node->safe_psql('postgres', q{SELECT evaudit.skip_delivery(array_agg(id))
	FROM evaudit.deliveries WHERE event_id = 'a2'});
$node->wait_for(q{SELECT delivered FROM evaudit.stat_sinks
	WHERE name = 'narrow'}, 3);
is(join(' ', map { $_->{headers}{id} } @{ $kafka->records('narrow') }),
	'a1 b1 a3', 'and what it blocked goes when it is skipped, as a batch of its own');
is($node->safe_psql('postgres', 'SELECT count(*) FROM evaudit.delivery_store'),
	0, 'nothing is left behind');

# before the broker goes
$node->stop;

done_testing();
