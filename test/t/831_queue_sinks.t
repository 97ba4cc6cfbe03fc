# Sinks to queues: groups and ids of FIFO queues, entries that fail, responses
# that are lost, queues that are not there.

use strict;
use warnings;

use Digest::SHA qw(sha256_hex);
use Evaudit::Aws;
use Evaudit::Cluster;
use Evaudit::Sqs;
use JSON::PP;
use Test::More;

my $node = Evaudit::Cluster->new('main',
	conf => "evaudit.max_backoff = '300ms'\n");
my $aws = Evaudit::Aws->new;
my $sqs = $aws->queue;

add_aws($node, $aws->endpoint);
$node->safe_psql('postgres', q{
	SELECT evaudit.create_topic('orders', NULL, '{"key": "/customer"}');
	SELECT evaudit.create_topic('returns', NULL, '{"key": "/customer"}')});

# Make a sink to a queue.
sub sink
{
	my ($name, $queue, $topics, %options) = @_;
	my $json = encode_json({ service => 'sqs', queue => $queue, %options });

	$node->safe_psql('postgres',
		qq{SELECT evaudit.create_sink('$name', 'aws', '{$topics}', \$\$$json\$\$)});
	return;
}

sub publish { return $node->publish_orders(@_); }

sub messages { return $sqs->messages(@_); }

# --- a queue

$sqs->create_queue('out');
sink('out', 'out', 'orders');
my @all = publish(25, 10);
my @got = messages('out', 25);
is_deeply([ sort { $a <=> $b } map { decode_json($_->{Body})->{n} } @got ],
	\@all, 'all messages');
my ($first) = grep { decode_json($_->{Body})->{n} == 1 } @got;
is_deeply({ map { $_ => $first->{MessageAttributes}{$_}{StringValue} } qw(topic event_id) },
	{ topic => 'orders', event_id => 'e1' }, 'topic and id are attributes');
is($first->{Attributes}{MessageGroupId}, undef, 'no group in a queue of no order');
$node->safe_psql('postgres', q{SELECT evaudit.drop_sink('out')});

# --- FIFO

$sqs->create_queue('out.fifo', FifoQueue => 'true');
sink('fifo', 'out.fifo', 'orders');
$aws->rules(
	{ operation => 'SendMessageBatch', fail_entries => 2, error => 'InternalError', times => 4 },
	{ operation => 'SendMessageBatch', status => 400, error => 'RequestThrottled', times => 2 },
	{ operation => 'SendMessageBatch', cut => 'after', times => 2 });
@all = publish(60, 4);
@got = messages('out.fifo', 60);
$aws->rules;
is_deeply([ sort { $a <=> $b } map { decode_json($_->{Body})->{n} } @got ],
	\@all, 'through failures: each once, by the id of what is sent again');
my (%last, @late);
foreach (@got)
{
	my $event = decode_json($_->{Body});
	my $group = $_->{Attributes}{MessageGroupId};
	push @late, $event if $event->{n} < ($last{$group} // 0) || $group ne $event->{customer};
	$last{$group} = $event->{n};
}
is_deeply(\@late, [], 'each group is a key, in order');
is_deeply([ sort map { $_->{Attributes}{MessageDeduplicationId} } @got ],
	[ sort map { "e$_" } @all ], 'the id of each is the event\'s');

# keys and ids that cannot be one
my %odd = ('a key' => "a b", 'umlaut' => "\x{e4}", 'long' => 'k' x 129, 'fits' => 'k' x 128);
foreach my $id (sort keys %odd)
{
	my $json = JSON::PP->new->utf8->encode({ customer => $odd{$id} });
	$node->safe_psql('postgres', "SELECT evaudit.publish('orders', \$\$$json\$\$, '$id')");
}
my %group = map {
	my $bytes = $odd{$_};
	utf8::encode($bytes);
	($_ => $_ eq 'fits' ? $bytes : sha256_hex($bytes));
} keys %odd;
is_deeply(
	{ map { $_->{MessageAttributes}{event_id}{StringValue} => $_->{Attributes}{MessageGroupId} } messages('out.fifo', 4) },
	\%group, 'what does not fit is hashed');
my $many = 'i' x 300;
$node->safe_psql('postgres', qq{
	SELECT evaudit.publish('orders', '{"customer": "c"}', '$many');
	SELECT evaudit.publish('orders', '{}', 'no-key')});
is_deeply(
	{ map { $_->{Attributes}{MessageDeduplicationId} => $_->{Attributes}{MessageGroupId} } messages('out.fifo', 2) },
	{ sha256_hex($many) => 'c', 'no-key' => 'no-key' }, 'ids likewise; without a key each is a group');

# two topics with the same id into one queue
$node->safe_psql('postgres', q{SELECT evaudit.drop_sink('fifo')});
sink('both', 'out.fifo', 'orders,returns');
$node->safe_psql('postgres', q{
	SELECT evaudit.publish('orders', '{"customer": "c"}', 'same');
	SELECT evaudit.publish('returns', '{"customer": "c"}', 'same')});
is_deeply([ sort map { $_->{Attributes}{MessageDeduplicationId} } messages('out.fifo', 2) ],
	[ 'orders:same', 'returns:same' ], 'ids of several topics do not meet');
$node->safe_psql('postgres', q{SELECT evaudit.drop_sink('both')});

# --- not there, gone, and denied

sub await_error
{
	my ($sink, $pattern) = @_;
	$node->wait_for(qq{SELECT state = 'backoff' AND last_error ~ '$pattern'
		FROM evaudit.stat_sinks WHERE name = '$sink'});
	return;
}

sink('late', 'late', 'orders');
await_error('late', 'QueueDoesNotExist');
@all = publish(5, 5);
$sqs->create_queue('late');
is_deeply([ sort { $a <=> $b } map { decode_json($_->{Body})->{n} } messages('late', 5) ],
	\@all, 'a queue that is made later');
$sqs->delete_queue('late');
@all = publish(5, 5);
await_error('late', 'QueueDoesNotExist');
$sqs->create_queue('late');
is_deeply([ sort { $a <=> $b } map { decode_json($_->{Body})->{n} } messages('late', 5) ],
	\@all, 'and one that is made anew');
$aws->rules({ operation => 'SendMessageBatch', status => 403, error => 'AccessDenied' });
@all = publish(5, 5);
await_error('late', 'SendMessageBatch to "late": AccessDenied');
$aws->rules;
is_deeply([ sort { $a <=> $b } map { decode_json($_->{Body})->{n} } messages('late', 5) ],
	\@all, 'and one that was denied');

# who may send need not read attributes
$aws->rules({ operation => 'GetQueueAttributes', status => 403, error => 'AccessDenied' });
$node->safe_psql('postgres', q{SELECT evaudit.pause_sink('late'), evaudit.resume_sink('late')});
@all = publish(5, 5);
is(scalar(messages('late', 5)), 5, 'attributes are not needed');
$aws->rules;

# a service that says nothing of some entries
$aws->rules({ operation => 'SendMessageBatch', times => 2,
	replace => [ '"Successful": \[\{[^}]*\}(, )?', '"Successful": [' ] });
@all = publish(10, 10);
my %seen = map { decode_json($_->{Body})->{n} => 1 } messages('late', 11);
is_deeply([ sort { $a <=> $b } keys %seen ], \@all, 'what is not named is sent again');
$aws->rules;

# --- options

my @bad = ([ '{}', 'queue' ], [ '{"queue": "a b"}', undef ], [ '{"queue": "q", "event_bus": "b"}', 'event_bus' ],
	[ '{"queue": "q", "max_request_bytes": 1048577}', 'max_request_bytes' ]);
foreach my $bad (@bad)
{
	my ($status, $out, $err) = $node->psql('postgres', qq{
		SELECT evaudit.create_sink('bad', 'aws', '{orders}', '{"service": "sqs"}'::jsonb || '$bad->[0]')});
	like($err, $bad->[1] ? qr/option "$bad->[1]"/ : qr/invalid name, URL or ARN of a queue/, "refused: $bad->[0]");
}

$node->stop;
done_testing();
