# Sinks to event buses: requests of tens, several at a time, that are throttled,
# half fail and are cut; buses that are not there.

use strict;
use warnings;

use Evaudit::Aws;
use Evaudit::Cluster;
use Evaudit::Pipeline;
use Evaudit::Sqs;
use JSON::PP;
use Test::More;

my $node = Evaudit::Cluster->new('main',
	conf => "evaudit.max_backoff = '300ms'\n");
my $aws = Evaudit::Aws->new;

$aws->buses('orders');
add_aws($node, $aws->endpoint);
$node->safe_psql('postgres', q{
	SELECT evaudit.create_topic('orders', NULL,
		'{"key": "/customer", "timestamp": "/at", "timestamp_format": "epoch_s"}');
	SELECT evaudit.create_topic('any')});

# Make a sink to a bus.
sub sink
{
	my ($name, $bus, %options) = @_;
	my $json = encode_json(
		{ service => 'eventbridge', event_bus => $bus, %options });

	$node->safe_psql('postgres',
		qq{SELECT evaudit.create_sink('$name', 'aws', '{orders}', \$\$$json\$\$)});
	return;
}

sub publish { return $node->publish_orders(@_, q{'at', 1700000000 + i}); }

# The details that a bus has taken, decoded.
sub details { return map { decode_json($_->{Detail}) } @{ $aws->events($_[0]) }; }

# Wait until a bus has so many events.
sub await_events
{
	my ($bus, $count) = @_;
	wait_until(sub { @{ $aws->events($bus) } >= $count },
		"$count events on bus $bus");
	return;
}

# Each number once, and of each customer in order.
sub check_order
{
	my ($bus, $what, @expected) = @_;
	my (%last, @late);
	my @got = details($bus);

	is_deeply([ sort { $a <=> $b } map { $_->{n} } @got ],
		\@expected, "$what: each event once");
	foreach my $event (@got)
	{
		push @late, $event->{n} if $event->{n} < ($last{ $event->{customer} } // 0);
		$last{ $event->{customer} } = $event->{n};
	}
	is_deeply(\@late, [], "$what: of each key in order");
	return;
}

# --- what is sent, and how

sink('bus', 'orders', detail_id => 'event');
my @all = publish(95, 40);
await_events('orders', 95);
check_order('orders', 'at rest', @all);
my ($first) = grep { decode_json($_->{Detail})->{n} == 1 } @{ $aws->events('orders') };
is_deeply([ @$first{qw(Source DetailType EventBusName Time)} ],
	[ 'orders', 'JSON', 'orders', 1700000001 ], 'source, type, bus and time');
is_deeply(decode_json($first->{Detail}),
	{ event => 'e1', n => 1, customer => 'c1', at => 1700000001 },
	'the detail is the payload, with the id');
my @requests = @{ $aws->requests('PutEvents') };
is_deeply([ grep { @{ decode_json($_->{body})->{Entries} } > 10 } @requests ],
	[], 'requests of up to ten');
cmp_ok(scalar(@requests), '<=', 25, 'and not many of them');
like($requests[0]{headers}{authorization},
	qr{^AWS4-HMAC-SHA256 Credential=AKIATEST/\d+/us-east-1/events/aws4_request},
	'signed for EventBridge');
is($requests[0]{headers}{'content-type'}, 'application/x-amz-json-1.1',
	'in JSON 1.1');

# --- throttled, failing, half failing, and cut

$aws->buses('orders');
$aws->rules(
	{ operation => 'PutEvents', status => 400, error => 'ThrottlingException', times => 2 },
	{ operation => 'PutEvents', fail_entries => 3, error => 'ThrottlingException', times => 2 },
	{ operation => 'PutEvents', fail_entries => 5, error => 'InternalFailure', times => 3 },
	{ operation => 'PutEvents', status => 503, text => '<html>', times => 2 },
	{ operation => 'PutEvents', cut => 'before', times => 2 });
@all = publish(100, 5);
await_events('orders', 100);
check_order('orders', 'through failures', @all);
$aws->rules;

# the second of two of one key must not overtake the first one
$aws->buses('orders');
$aws->rules({ operation => 'PutEvents', fail_matching => '"n": ' . ($node->last_order + 1) . '\b',
	error => 'InternalFailure', times => 4 });
@all = publish(20, 1);
await_events('orders', 20);
is_deeply([ map { $_->{n} } details('orders') ], \@all, 'one key, the first of which fails');
$aws->rules;

# --- sizes: Time 14, and the bytes of Source, DetailType and Detail

$node->safe_psql('postgres', q{SELECT evaudit.drop_sink('bus')});
$aws->buses('orders');
$aws->forget;
sink('narrow', 'orders', max_request_bytes => 1024);

# Publish an event whose detail, in UTF-8, has so many bytes.
sub publish_bytes
{
	my ($id, $bytes) = @_;
	$node->safe_psql('postgres', qq{
		SELECT evaudit.publish('orders', jsonb_build_object('x', repeat(chr(233), n / 2)
			|| repeat('x', n % 2), 'at', 1700000000, 'customer', '$id'), '$id')
		FROM (SELECT $bytes - octet_length(jsonb_build_object('x', '', 'at', 1700000000,
			'customer', '$id')::text)) f(n)});
	return;
}
my $most = 1024 - 14 - length('orders') - length('JSON');
publish_bytes('over', $most + 1);
publish_bytes('fits', $most);
publish_bytes("a$_", 330) foreach 1 .. 12;
await_events('orders', 13);
is($node->safe_psql('postgres', q{SELECT event_id, state, code, last_error FROM evaudit.deliveries}),
	'over|parked|TooLarge|it has 1025 bytes, and 1024 are allowed', 'what is a byte too large is parked');
is((grep { $_->{body} =~ /over/ } @{ $aws->requests('PutEvents') }), 0, 'and was not sent');
my ($fits) = grep { $_->{Size} == 1024 } @{ $aws->events('orders') };
ok($fits, 'what has all that is allowed is');
my @over = grep { $_ > 2 } map { scalar @{ JSON::PP->new->decode($_->{body})->{Entries} } }
  @{ $aws->requests('PutEvents') };
is_deeply(\@over, [], 'a request has no more either');
$node->safe_psql('postgres', q{SELECT evaudit.drop_sink('narrow')});
sink('bus', 'orders', detail_id => 'event');

# --- denied, and not there

sub await_error
{
	my ($sink, $pattern) = @_;
	$node->wait_for(qq{SELECT state = 'backoff' AND last_error ~ '$pattern'
		FROM evaudit.stat_sinks WHERE name = '$sink'});
	return;
}

$aws->buses('orders');
$aws->rules({ operation => 'PutEvents', fail_entries => 10,
	error => 'AccessDeniedException' });
@all = publish(25, 5);
await_error('bus', 'PutEvents to "orders": AccessDeniedException');
is(scalar(details('orders')), 0, 'denied: nothing is sent');
$aws->rules;
await_events('orders', 25);
check_order('orders', 'allowed again', @all);

$aws->buses('orders');
$node->safe_psql('postgres', q{SELECT evaudit.drop_sink('bus')});
sink('lost', 'arn:aws:events:us-east-1:000000000000:event-bus/lost');
await_error('lost', 'event bus ".*/lost" does not exist');
@all = publish(5, 5);
$aws->forget;
wait_until(sub { $aws->count('DescribeEventBus') >= 2 }, 'it is looked for again');
is($aws->count('PutEvents'), 0, 'a bus that is not there is sent nothing');
$aws->buses('lost');
await_events('lost', 5);
check_order('lost', 'a bus that is made later', @all);
$node->safe_psql('postgres', q{SELECT evaudit.drop_sink('lost')});

$aws->buses('orders');
$aws->rules({ operation => 'DescribeEventBus', status => 403, error => 'AccessDenied' });
sink('blind', 'orders');
await_error('blind', 'verify_bus');
$node->safe_psql('postgres',
	q{SELECT evaudit.alter_sink('blind', '{"verify_bus": false}')});
@all = publish(3, 3);
await_events('orders', 3);
check_order('orders', 'without a look at the bus', @all);
$aws->rules;
$node->safe_psql('postgres', q{SELECT evaudit.drop_sink('blind')});

# --- check_server()

$aws->buses('orders', 'seen');
sink('seen', 'seen');
sink('unseen', 'unseen');
is( $node->safe_psql('postgres', q{
		SELECT check_name, ok, detail FROM evaudit.check_server('aws')
		WHERE check_name LIKE 'sink%'}),
	qq(sink "seen"|t|its destination is there\n)
	  . qq(sink "unseen"|f|event bus "unseen" does not exist: ResourceNotFoundException: Event bus unseen does not exist.),
	'what check_server() says');

# --- options

my @bad = (
	[ '{"event_bus": "a b"}', 'event_bus' ], [ '{"event_bus": "arn:aws:sns:r:1:event-bus/b"}', 'event_bus' ],
	[ '{"source": "aws.mine"}', 'source' ], [ '{"source": ""}', 'source' ],
	[ '{"detail_type": "' . ('x' x 129) . '"}', 'detail_type' ],
	[ '{"detail_id": "a\"b"}', 'detail_id' ], [ '{"verify_bus": 1}', 'verify_bus' ],
	[ '{"max_request_bytes": 1048576}', 'max_request_bytes' ], [ '{"max_requests": 0}', 'max_requests' ],
	[ '{"queue": "q"}', 'queue' ]);
foreach my $bad (@bad)
{
	my ($status, $out, $err) = $node->psql('postgres', qq{
		SELECT evaudit.create_sink('bad', 'aws', '{orders}',
			'{"service": "eventbridge"}'::jsonb || '$bad->[0]')});
	like($err, qr/ERROR: .*option "$bad->[1]"/, "refused: $bad->[0]");
}
my $longest = 'x' x 128;
is( $node->safe_psql('postgres', qq{
		SELECT evaudit.create_sink('good', 'aws', '{any}', '{"service": "eventbridge",
			"event_bus": "arn:aws-cn:events:cn-north-1:123456789012:event-bus/a/b.c",
			"source": "s", "detail_type": "$longest"}')}),
	'', 'and what is good is taken');

$node->stop;
done_testing();
