# Events for which a destination fails again and again while it takes others:
# they are put aside, and parked after max_attempts.  A destination that fails
# for all is waited for, and nothing is put aside.

use strict;
use warnings;

use Evaudit::Aws;
use Evaudit::Cluster;
use Evaudit::Pipeline;
use Evaudit::Sqs;
use JSON::PP;
use MIME::Base64;
use Test::More;

my $node = Evaudit::Cluster->new('main',
	conf => "evaudit.max_backoff = '200ms'\n");
my $aws = Evaudit::Aws->new;
my $url = $aws->endpoint;
my $secret = 'whsec_' . encode_base64('s' x 24, '');

$aws->control(pages => { '/hook' => { status => 200 } });
add_aws($node, $url);
$node->safe_psql('postgres', qq{
	CREATE SERVER hook FOREIGN DATA WRAPPER evaudit_webhook
		OPTIONS (url '$url/hook', allow_private 'true');
	CREATE USER MAPPING FOR CURRENT_USER SERVER hook OPTIONS (secret '$secret');
	SELECT evaudit.create_topic('orders', NULL, '{"key": "/k", "keep": false}')});

# What fails: a rule for each kind of sink.
my %poison = (
	hook => { operation => '/hook', body => 'poison', status => 500, text => '' },
	bus => { operation => 'PutEvents', fail_matching => 'poison', error => 'InternalFailure' });

sub sink
{
	my ($kind, %options) = @_;
	my ($server, $more) = $kind eq 'hook' ? ('hook', {}) :
	  ('aws', { service => 'eventbridge', event_bus => 'orders' });
	my $json = encode_json({ %$more, %options });

	$aws->buses('orders');
	$aws->forget;
	$aws->rules($poison{$kind});
	$node->safe_psql('postgres',
		qq{SELECT evaudit.create_sink('sink', '$server', '{orders}', \$\$$json\$\$)});
	return;
}

# Publish events in one transaction: "a1!" is of the key a, and poison.
sub publish
{
	my (@ids) = @_;
	$node->safe_psql('postgres', join ';', 'BEGIN', (map {
		sprintf q{SELECT evaudit.publish('orders', '{"k": "%s", "id": "%s", "x": "%s"}', '%s')},
		substr($_, 0, 1), $_, /!/ ? 'poison' : 'fine', $_ } @ids), 'COMMIT');
	return;
}

# The ids that a destination has taken, in order.
sub taken
{
	my ($kind) = @_;
	return join ' ', map { decode_json($_)->{id} } $kind eq 'hook' ?
	  map { $_->{body} } grep { $_->{status} == 200 } @{ $aws->requests('/hook') } :
	  map { $_->{Detail} } @{ $aws->events('orders') };
}

sub await_taken
{
	my ($kind, $expected, $what) = @_;
	wait_until(sub { join(' ', sort split / /, taken($kind)) eq $expected }, $what);
	pass("$kind: $what");
	return;
}

sub await_deliveries
{
	my ($expected, $what) = @_;
	$node->wait_for(q{SELECT string_agg(format('%s %s %s', event_id, state, attempts), ', '
		ORDER BY position) FROM evaudit.deliveries}, $expected);
	pass($what);
	return;
}

sub drop_sink
{
	$node->safe_psql('postgres', q{SELECT evaudit.drop_sink('sink')});
	return;
}

foreach my $kind ('hook', 'bus')
{
	# put aside, and parked in the end: later ones of its key pass
	sink($kind, max_attempts => 3, on_failure => 'park');
	publish('a1!', 'a2', 'b1');
	await_deliveries('a1! parked 3', "$kind: parked after its last attempt");
	await_taken($kind, 'a2 b1', 'the others are taken');
	is($node->safe_psql('postgres',
		q{SELECT code FROM evaudit.deliveries}), $kind eq 'hook' ? 500 : 'InternalFailure',
		'with the code');
	drop_sink();

	# or they wait
	sink($kind, max_attempts => 3, on_failure => 'block');
	publish('a1!', 'a2', 'b1');
	await_deliveries('a1! parked 3, a2 blocked 0', "$kind: parked, and blocking");
	publish('a3', 'b2');
	await_taken($kind, 'b1 b2', 'other keys go on');
	$aws->rules;
	$node->safe_psql('postgres', q{SELECT evaudit.redeliver('sink')});
	wait_until(sub { taken($kind) =~ /a1!.*a2.*a3/ }, 'the key in order');
	pass("$kind: redelivered, in order");
	drop_sink();

	# without an order
	sink($kind, max_attempts => 2, order => 'none');
	publish('a1!', 'a2', 'b1');
	await_deliveries('a1! parked 2', "$kind: without an order");
	await_taken($kind, 'a2 b1', 'the others are taken');
	drop_sink();

	# without a limit it is retried until it goes, and nothing waits for it but
	# its key
	sink($kind);
	publish('a1!', 'a2', 'b1');
	$node->wait_for(q{SELECT state FROM evaudit.deliveries
		WHERE event_id = 'a1!' AND attempts > 4}, 'retrying');
	publish('b2');
	await_taken($kind, 'b1 b2', 'without a limit the others go on');
	is($node->safe_psql('postgres', q{SELECT state FROM evaudit.stat_sinks}), 'blocked',
		'the sink shows that a key waits');
	$aws->rules;
	await_taken($kind, 'a1! a2 b1 b2', 'and it goes when it can');
	like(taken($kind), qr/a1!.*a2/, 'in order');
	drop_sink();

	# one of which nobody can tell whether it is at fault: it is counted, too
	sink($kind, max_attempts => 3);
	publish('a1!');
	await_deliveries('a1! parked 3', "$kind: one that comes alone");
	publish('a2');
	await_taken($kind, 'a2', 'what comes behind it goes');
	drop_sink();
	sink($kind);
	publish('a1!');
	$node->wait_for(q{SELECT state, attempts >= 5 FROM evaudit.deliveries}, 'retrying|t');
	publish('b1');
	await_taken($kind, 'b1', 'without a limit it is put aside after a while');
	drop_sink();

	# all fail: it is the destination's fault
	sink($kind, max_attempts => 0);
	publish(map { "$_!" } 'a' .. 'z');
	$node->wait_for(q{SELECT state = 'backoff' AND pending = 26 FROM evaudit.stat_sinks});
	wait_until(sub { 20 < grep { $_->{body} =~ /a!/ }
		@{ $aws->requests($kind eq 'hook' ? '/hook' : 'PutEvents') } }, 'many attempts');
	is($node->safe_psql('postgres', 'SELECT count(*) FROM evaudit.deliveries'), 0,
		"$kind: where all fail none is put aside");
	$aws->rules;
	await_taken($kind, join(' ', map { "$_!" } 'a' .. 'z'), 'all go when they can');
	drop_sink();
}

# two sinks, one of which is dead: the other one goes on, and it catches up
$aws->control(pages => { '/dead' => { status => 200 } });
$aws->forget;
$aws->rules({ operation => '/dead', hang => JSON::PP::true });
$node->safe_psql('postgres', qq{
	CREATE SERVER dead FOREIGN DATA WRAPPER evaudit_webhook
		OPTIONS (url '$url/dead', allow_private 'true', request_timeout '300ms');
	CREATE USER MAPPING FOR CURRENT_USER SERVER dead OPTIONS (secret '$secret');
	SELECT evaudit.create_sink('alive', 'hook', '{orders}'),
		evaudit.create_sink('dead', 'dead', '{orders}');
	DO \$\$
	BEGIN
		FOR i IN 1 .. 200 LOOP
			PERFORM evaudit.publish('orders', jsonb_build_object('k', i % 10, 'n', i), i::text);
			COMMIT;
		END LOOP;
	END \$\$});
$node->wait_for(q{SELECT delivered, pending FROM evaudit.stat_sinks WHERE name = 'alive'}, '200|0');
$node->wait_for(q{SELECT delivered, pending, last_error_at IS NOT NULL
	FROM evaudit.stat_sinks WHERE name = 'dead'}, '0|200|t');
pass('a sink whose destination is dead holds up no other');
$aws->rules;
$node->wait_for(q{SELECT delivered, pending FROM evaudit.stat_sinks WHERE name = 'dead'}, '200|0');
my (%last, @late, %seen);
foreach my $event (map { decode_json($_->{body}) } grep { $_->{status} == 200 } @{ $aws->requests('/dead') })
{
	next if $seen{ $event->{n} }++;
	push @late, $event->{n} if $event->{n} < ($last{ $event->{k} } // 0);
	$last{ $event->{k} } = $event->{n};
}
is(scalar(keys %seen), 200, 'it gets all when it is there');
is("@late", '', 'of each key in order');

$node->stop;
done_testing();
