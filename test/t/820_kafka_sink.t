# Events go to Kafka: with key, headers and partition as they should be, in
# order, and none that cannot go holds up or overtakes another.

use strict;
use warnings;

use Evaudit::Cluster;
use Evaudit::Kafka;
use Test::More;

plan skip_all => Evaudit::Kafka::unavailable()
  if Evaudit::Kafka::unavailable();

my $kafka = Evaudit::Kafka->new;
$kafka->start;
my $node = Evaudit::Cluster->new('main',
	conf => "evaudit.max_backoff = '300ms'\n");
my $servers = $kafka->servers;

$node->safe_psql('postgres', qq{
	CREATE SERVER kafka FOREIGN DATA WRAPPER evaudit_kafka
		OPTIONS ("bootstrap.servers" '$servers');
	SELECT evaudit.create_topic('orders', NULL, '{"key": "/customer"}');
	SELECT evaudit.create_topic('plain')});

# Wait until a sink has sent all that there is.
sub sent
{
	my ($sink, $delivered) = @_;
	return $node->wait_for(
		"SELECT pending, delivered >= $delivered FROM evaudit.stat_sinks"
		  . " WHERE name = '$sink'", '0|t');
}

sub values_of
{
	my ($topic) = @_;
	return [ map { $_->{value} } @{ $kafka->records($topic) } ];
}

# what a record is
$kafka->create_topic('orders', 1);
$node->safe_psql('postgres', q{
	SELECT evaudit.create_sink('orders_out', 'kafka', '{orders}');
	SELECT evaudit.publish('orders', '{"customer": "c1", "n": 1}', 'first');
	BEGIN;
	SET LOCAL evaudit.request_id = 'request é';
	SELECT evaudit.publish('orders', '{"customer": "é", "n": 2}', 'second');
	COMMIT;
	SELECT evaudit.publish('orders', '{"customer": "", "n": 3}', 'third');
	SELECT evaudit.publish('orders', '{"n": 4}', 'fourth')});
sent('orders_out', 4);
my $records = $kafka->records('orders');
is_deeply([ map { [ @$_{qw(key value)} ] } @$records ],
	[ [ 'c1', '{"n": 1, "customer": "c1"}' ],
		[ 'é', '{"n": 2, "customer": "é"}' ],
		[ '', '{"n": 3, "customer": ""}' ], [ undef, '{"n": 4}' ] ],
	'key and payload, in order: a key of no bytes, and no key');
is($records->[0]{headers}{subject}, 'postgres', 'its subject, too');
is_deeply([ map { $_->{headers}{request_id} } @$records ],
	[ undef, 'request é', undef, undef ], 'and the request that it was published in');
is($records->[0]{headers}{id}, 'first', 'the event\'s id is a header');
like($records->[0]{headers}{time}, qr/^\d{4}-\d\d-\d\dT[\d:.]+Z$/, 'and its time');

# keys are where Java's producer puts them; those of no bytes, too
my @keys = map { "key-$_" } 1 .. 200;
push @keys, 'a', 'é', 'a longer key of some words', '0', 'x' x 300;
$kafka->create_topic($_, 7) foreach 'java', 'keys';
$kafka->java('kafka.tools.ConsoleProducer', '--topic', 'java', '--property',
	'parse.key=true', \join('', map { "$_\tv\n" } @keys));
my %expected = map { $_->{key} => $_->{partition} } @{ $kafka->records('java') };
$node->safe_psql('postgres', q{
	SELECT evaudit.create_sink('keys_out', 'kafka', '{orders}',
		'{"topic": "keys", "delivery": "at_least_once"}')});
$node->safe_psql('postgres',
	q{SELECT evaudit.publish('orders', jsonb_build_object('customer', k))
		FROM unnest(string_to_array('} . join("\n", @keys) . q{', E'\n')) k});
sent('keys_out', scalar @keys);
is_deeply({ map { $_->{key} => $_->{partition} } @{ $kafka->records('keys') } },
	\%expected, 'each key is in the partition that Java chooses');
cmp_ok(keys %{ { reverse %expected } }, '==', 7, 'of all that there are');

# an event without a key goes anywhere
$kafka->create_topic('to.plain', 3);
$node->safe_psql('postgres', q{
	SELECT evaudit.create_sink('plain_out', 'kafka', '{plain}',
		'{"topic": "to.{topic}"}');
	SELECT evaudit.publish('plain', '{"n": 1}', 'no key')});
sent('plain_out', 1);
is_deeply([ map { [ @$_{qw(key value)} ] } @{ $kafka->records('to.plain') } ],
	[ [ undef, '{"n": 1}' ] ], 'without a key, to a topic by its template');

# one that is too large for its topic is parked, what is behind it goes on, and
# requests are no larger than the topic takes
foreach my $delivery ('exactly_once', 'at_least_once')
{
	my $small = "small_$delivery";
	$kafka->tool('-C', 'max.message.bytes=3000', 'create', $small, 1);
	$node->safe_psql('postgres', qq{
		SELECT evaudit.create_topic('$small', NULL, '{"key": "/k"}');
		SELECT evaudit.create_sink('$small', 'kafka', '{$small}',
			'{"delivery": "$delivery"}');
		SELECT evaudit.publish('$small', jsonb_build_object('k', n % 3, 'n', n,
				'x', repeat('x', CASE WHEN n = 50 THEN 3000 ELSE 200 END)),
			'e' || n) FROM generate_series(1, 100) n});
	sent($small, 99);
	is_deeply([ map { $_->{headers}{id} } @{ $kafka->records($small) } ],
		[ map { "e$_" } grep { $_ != 50 } 1 .. 100 ],
		"$delivery: all but the one that is too large, in order");
	is($node->safe_psql('postgres',
			"SELECT event_id, state, code FROM evaudit.deliveries WHERE sink = '$small'"),
		'e50|parked|MSG_SIZE_TOO_LARGE', 'which is parked');
	is($node->safe_psql('postgres',
			"SELECT last_error FROM evaudit.deliveries WHERE sink = '$small'")
		  =~ s/\d+ bytes/N bytes/r,
		qq{record of N bytes exceeds max.message.bytes of Kafka topic "$small", 3000},
		'and says why');
}

# options that cannot be
foreach my $options ('{"topic": "a b"}', '{"topic": ""}', '{"topic": "{event}"}',
	'{"topic": "' . 'x' x 250 . '"}', '{"delivery": "at_most_once"}',
	'{"acks": "1"}')
{
	my ($status, $out, $err) = $node->psql('postgres',
		"SELECT evaudit.create_sink('bad', 'kafka', '{orders}', '$options')");
	like($err, qr/ERROR:  (invalid|unrecognized)/, "refused: $options");
}

done_testing();
