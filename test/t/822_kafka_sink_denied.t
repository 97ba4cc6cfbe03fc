# A topic that is missing, denied, deleted or away stops a sink, which says so,
# parks nothing and sends all in order when it is there; what a broker alone
# knows to refuse is found, and nothing else.

use strict;
use warnings;

use Evaudit::Cluster;
use Evaudit::Kafka;
use Test::More;

plan skip_all => Evaudit::Kafka::unavailable()
  if Evaudit::Kafka::unavailable();

my $kafka = Evaudit::Kafka->new(acls => 1, sasl => { alice => 'secret' });
$kafka->start;
my $node = Evaudit::Cluster->new('main',
	conf => "evaudit.max_backoff = '200ms'\n");
my ($plain, $sasl) = ($kafka->servers, $kafka->servers('SASL_PLAINTEXT'));

$node->safe_psql('postgres', qq{
	CREATE SERVER plain FOREIGN DATA WRAPPER evaudit_kafka
		OPTIONS ("bootstrap.servers" '$plain', "reconnect.backoff.max.ms" '200');
	CREATE SERVER login FOREIGN DATA WRAPPER evaudit_kafka
		OPTIONS ("bootstrap.servers" '$sasl', "security.protocol" 'SASL_PLAINTEXT',
			"sasl.mechanism" 'PLAIN');
	CREATE USER MAPPING FOR CURRENT_USER SERVER login
		OPTIONS ("sasl.username" 'alice', "sasl.password" 'secret')});

# Make a topic here, by the name that it has in Kafka, and a sink for it.
sub make_sink
{
	my ($topic, $server, $delivery) = @_;
	$node->safe_psql('postgres', qq{
		SELECT evaudit.create_topic('$topic', NULL, '{"key": "/k"}');
		SELECT evaudit.create_sink('$topic', '$server', '{$topic}',
			'{"topic": "$topic", "delivery": "$delivery"}')});
	return;
}

# Publish events of these numbers, of three keys.
sub publish
{
	my ($topic, $from, $to) = @_;
	$node->safe_psql('postgres', qq{
		SELECT evaudit.publish('$topic', jsonb_build_object('k', n % 3, 'n', n),
			'e' || n) FROM generate_series($from, $to) n});
	return;
}

# Wait until a sink says why it does not send.
sub says
{
	my ($sink, $error, $what) = @_;
	$node->wait_for("SELECT last_error LIKE '%$error%' AND pending > 0"
		  . " AND state IN ('backoff', 'running', 'starting')"
		  . " FROM evaudit.stat_sinks WHERE name = '$sink'");
	pass($what);
	return;
}

sub sent
{
	my ($sink, $from, $to, $what) = @_;
	$node->wait_for("SELECT pending FROM evaudit.stat_sinks WHERE name = '$sink'",
		0);
	is_deeply([ map { $_->{headers}{id} } @{ $kafka->records($sink) } ],
		[ map { "e$_" } $from .. $to ], $what);
	return;
}

# Allow alice operations on a resource, by the options of Kafka's own tool.
sub allow
{
	$kafka->java('kafka.admin.AclCommand', '--add', '--allow-principal',
		'User:alice', @_);
	return;
}

# What check_server() says of the sinks that log in.
sub checked
{
	return $node->safe_psql('postgres', q{
		SELECT ok, detail FROM evaudit.check_server('login')
		WHERE check_name LIKE 'sink%'});
}

# rights, one after the other
$kafka->create_topic('acl', 1);
make_sink('acl', 'login', 'exactly_once');
publish('acl', 1, 10);
says('acl', 'Topic authorization failed', 'a topic that may not be seen');
like(checked(), qr/^f\|.*Topic authorization failed/, 'check_server() says so');
allow('--operation', 'Write', '--topic', 'acl');
says('acl', 'Transactional Id authorization failed', 'no right to its transactions');
like(checked(), qr/^f\|.*Transactional Id authorization failed/,
	'and check_server() likewise');
allow('--operation', 'Write', '--transactional-id', 'evaudit-',
	'--resource-pattern-type', 'prefixed');
says('acl', 'Group authorization failed', 'no right to the group');
allow('--operation', 'Read', '--group', 'evaudit-',
	'--resource-pattern-type', 'prefixed');
says('acl', 'acl[0](Broker: Topic authorization failed', 'no right to store the number');
allow('--operation', 'Read', '--topic', 'acl');
sent('acl', 1, 10, 'with all rights, each event once and in order');
is(checked(), 't|its destination is there', 'and check_server() sees no fault');

# what a broker alone knows: limits that the sink may not see
foreach my $delivery ('exactly_once', 'at_least_once')
{
	my $topic = "limit_$delivery";
	$kafka->tool('-C', 'max.message.bytes=3000', 'create', $topic, 1);
	allow('--operation', 'Write', '--operation', 'Read', '--topic',
		$topic);
	make_sink($topic, 'login', $delivery);
	$node->safe_psql('postgres', qq{
		SELECT evaudit.publish('$topic', jsonb_build_object('k', n % 3, 'n', n,
			'x', repeat('x', CASE WHEN n IN (20, 21, 40) THEN 3000 ELSE 100 END)),
			'e' || n) FROM generate_series(1, 60) n});
	$node->wait_for(
		"SELECT pending FROM evaudit.stat_sinks WHERE name = '$topic'", 0);
	my (@order, %seen);
	foreach my $record (@{ $kafka->records($topic) })
	{
		my $id = $record->{headers}{id};
		push @order, $id unless $seen{$id}++;
	}
	is_deeply(\@order, [ map { "e$_" } grep { $_ !~ /^(20|21|40)$/ } 1 .. 60 ],
		"$delivery: what the broker refuses is left out, the rest in order");
	is(scalar(grep { $_ > 1 } values %seen), 0, 'and once')
	  if $delivery eq 'exactly_once';
	is($node->safe_psql('postgres', "SELECT string_agg(event_id || ' ' || code, ' '"
			  . " ORDER BY event_id) FROM evaudit.deliveries WHERE sink = '$topic'"),
		join(' ', map { "e$_ MSG_SIZE_TOO_LARGE" } 20, 21, 40), 'and is parked');
}

# a compacted topic takes no record without a key
$kafka->tool('-C', 'cleanup.policy=compact', 'create', 'compacted', 1);
$node->safe_psql('postgres', q{
	SELECT evaudit.create_topic('compacted', NULL, '{"key": "/k"}');
	SELECT evaudit.create_sink('compacted', 'plain', '{compacted}');
	SELECT evaudit.publish('compacted', '{"k": "a"}', 'e1');
	SELECT evaudit.publish('compacted', '{}', 'keyless');
	SELECT evaudit.publish('compacted', '{"k": "b"}', 'e2')});
sent('compacted', 1, 2, 'a compacted topic has what has a key');
is($node->safe_psql('postgres',
		"SELECT event_id, code FROM evaudit.deliveries WHERE sink = 'compacted'"),
	'keyless|INVALID_RECORD', 'and the rest is parked');

foreach my $delivery ('exactly_once', 'at_least_once')
{
	# missing: it is not created, and nothing is parked
	my $topic = "later_$delivery";
	make_sink($topic, 'plain', $delivery);
	publish($topic, 1, 10);
	says($topic, 'Unknown topic or partition', "$delivery: a topic that is missing");
	ok(!eval { $kafka->offsets($topic); 1 }, 'is not created');
	$kafka->create_topic($topic, 1);
	sent($topic, 1, 10, 'all of it when it is there');

	# deleted, and made anew
	$kafka->delete_topic($topic);
	publish($topic, 11, 20);
	says($topic, 'nknown', 'a topic that was deleted');
	$kafka->create_topic($topic, 1);
	sent($topic, 11, 20, 'what came since, in the one that was made anew');

	# the broker is away
	$kafka->stop;
	publish($topic, 21, 30);
	says($topic, 'Connection refused', 'no broker');
	$kafka->start;
	sent($topic, 11, 30, 'and again');
}
is($node->safe_psql('postgres',
	"SELECT count(*) FROM evaudit.deliveries WHERE sink LIKE 'later%'"), 0,
	'nothing of them was parked');

done_testing();
